"""PairVerifier: a threshold on the distances of any fitted learner or transformer."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import accuracy_score
from sklearn.utils import check_array, check_consistent_length, gen_batches
from sklearn.utils.validation import check_is_fitted

from .._base import rollback_on_error
from .._compat import PAGE
from .._validation import check_index_tuples, check_similar, short
from ..distances import paired_distances
from ._shared_rows import shared_rows, unshared
from ._verification import check_criterion, find_threshold


class PairVerifier(ClassifierMixin, BaseEstimator):
    """Decide whether two rows belong together, by a threshold on their distance.

    The distance comes from a fitted estimator, which is not changed. Only the threshold is
    learned. Learn it on rows that the estimator was not fitted on, and better still on
    other classes. Pairs are either row indices, of shape (n_pairs, 2), into `rows`, or two
    arrays (A, B) whose rows i are a pair.

    Parameters
    ----------
    estimator : estimator instance
        Fitted. It is neither cloned nor fitted again. The distance is that of its
        ``pair_distances(A, B)``, which the learners of this package have. Without that
        method, as for a `Pipeline` of transformers, it is the Euclidean distance of
        ``transform(A)`` and ``transform(B)``.
    rows : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features), \
default=None
        The rows that pairs refer to, for scikit-learn's searches and cross-validation,
        which call the methods with pairs only. Clones share these rows and do not copy
        them.
    criterion : {"accuracy", "f1", "eer", "tpr_at_fpr", "tnr_at_tpr"}, default="accuracy"
        What the threshold maximizes, see :func:`verification_threshold`.
    rate : float, default=None
        In [0, 1], for the last two criteria: the largest false match rate (FPR), or the
        smallest true match rate (TPR), which is 1 - the false non-match rate.

    Attributes
    ----------
    threshold_ : float
        In the unit of the distance. A pair is predicted similar where its distance is at
        most the threshold.
    distances_ : ndarray of shape (n_knots,)
        Increasing distances, between which probabilities are interpolated.
    probabilities_ : ndarray of shape (n_knots,)
        The probability of a match at each of them, falling.
    classes_ : ndarray of shape (2,)
        False and True.

    See Also
    --------
    verification_threshold : The threshold for given distances.
    skmetric.model_selection.TupleLearner : Learns the distance itself from pairs.

    Notes
    -----
    Distances of row indices are computed in blocks that scikit-learn's ``working_memory``
    bounds. A clone of the verifier has an unfitted estimator. Wrap the estimator in
    :class:`sklearn.frozen.FrozenEstimator` to keep it fitted, as searches need it.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skmetric import TripletMetricLearner
    >>> from skmetric.metrics import PairVerifier
    >>> from skmetric.mining import mine_pairs
    >>> X, y = (array[::4] for array in load_digits(return_X_y=True))
    >>> seen = y < 5
    >>> learner = TripletMetricLearner(n_components=8).fit(X[seen], y[seen])
    >>> X, y = X[~seen], y[~seen]
    >>> pairs, similar = mine_pairs(X, y, max_pairs=2000, random_state=0)
    >>> verifier = PairVerifier(learner).fit(pairs[::2], similar[::2], rows=X)
    >>> verifier.score(pairs[1::2], similar[1::2], rows=X) > 0.7
    True
    >>> verifier.predict((X[:3], X[3:6])).shape
    (3,)

    Cross-validation, which clones the verifier:

    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn.model_selection import cross_val_score
    >>> verifier = PairVerifier(FrozenEstimator(learner), rows=X)
    >>> cross_val_score(verifier, pairs, similar, cv=3).shape
    (3,)
    """

    _doc_link_module = "skmetric"
    _doc_link_template = PAGE.replace("{estimator_module}", "skmetric.metrics")

    rows = shared_rows("rows")

    def __init__(self, estimator, *, rows=None, criterion="accuracy", rate=None):
        self.estimator = estimator
        self.rows = rows
        self.criterion = criterion
        self.rate = rate

    @rollback_on_error
    def fit(self, pairs, similar, rows=None):
        """Learn the threshold, and the probability of a match by distance.

        Parameters
        ----------
        pairs : array-like of int of shape (n_pairs, 2), or tuple of two arrays
            Row indices into `rows`, also as a tuple of two arrays or a MultiIndex. Or
            arrays A and B of n_pairs rows each, without `rows`.
        similar : array-like of shape (n_pairs,)
            True where the two belong together, False where they do not.
        rows : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features), \
default=None
            The rows that `pairs` refers to. None means those of the constructor.

        Returns
        -------
        self : object
            The fitted verifier.

        Raises
        ------
        ValueError, TypeError
            For invalid pairs, a `similar` that is not boolean, only similar or only
            dissimilar pairs, and as for :func:`verification_threshold`.

        Warns
        -----
        UserWarning
            As for :func:`verification_threshold`.
        """
        check_criterion(self.criterion, self.rate)
        distances = self._distances(pairs, rows)
        self.threshold_ = find_threshold(
            distances, similar, self.criterion, self.rate, stacklevel=5
        )
        similar = check_similar(similar, len(distances))
        isotonic = IsotonicRegression(increasing=False)
        isotonic.fit(distances, similar)
        self.distances_ = isotonic.X_thresholds_
        self.probabilities_ = isotonic.y_thresholds_
        self.classes_ = np.array([False, True])
        return self

    def decision_function(self, pairs, rows=None):
        """How far the distance of each pair is below the threshold.

        Parameters
        ----------
        pairs, rows
            As for :meth:`fit`.

        Returns
        -------
        decision : ndarray of shape (n_pairs,)
            ``threshold_ - distance``, at least 0 for pairs that are predicted similar.
        """
        check_is_fitted(self)
        return self.threshold_ - self._distances(pairs, rows)

    def predict_proba(self, pairs, rows=None):
        """Probability that the two rows of each pair belong together.

        It is the share of similar pairs at a distance, by an isotonic regression on the
        pairs of ``fit``. So it holds for their mix of similar and dissimilar pairs. It does
        not depend on `criterion`.

        Parameters
        ----------
        pairs, rows
            As for :meth:`fit`.

        Returns
        -------
        probabilities : ndarray of shape (n_pairs, 2)
            Of different and of similar, in the order of `classes_`.
        """
        check_is_fitted(self)
        distances = self._distances(pairs, rows)
        similar = np.interp(distances, self.distances_, self.probabilities_)  # (n_pairs,)
        return np.column_stack([1 - similar, similar])

    def predict(self, pairs, rows=None):
        """Predict whether the two rows of each pair belong together.

        Parameters
        ----------
        pairs, rows
            As for :meth:`fit`.

        Returns
        -------
        similar : ndarray of bool of shape (n_pairs,)
            True where the distance is at most `threshold_`.
        """
        check_is_fitted(self)
        return self._distances(pairs, rows) <= self.threshold_

    def score(self, pairs, similar, rows=None):
        """Share of pairs that are predicted correctly.

        Parameters
        ----------
        pairs, similar, rows
            As for :meth:`fit`, but all pairs may be similar, or all dissimilar.

        Returns
        -------
        accuracy : float
            In [0, 1].
        """
        predicted = self.predict(pairs, rows)
        return float(accuracy_score(check_similar(similar, len(predicted)), predicted))

    def _distances(self, pairs, rows):
        if rows is None and not (self.rows is not None and _are_two_tables(pairs)):
            rows = self.rows
        return distances_of_pairs(self.estimator, pairs, unshared(rows))


def distances_of_pairs(estimator, pairs, rows=None):
    """The distance of each pair, in blocks of pairs.

    Parameters
    ----------
    estimator : estimator instance
        Fitted, with ``pair_distances`` or ``transform``.
    pairs : array-like of int of shape (n_pairs, 2), or tuple of two arrays
        As for :meth:`PairVerifier.fit`.
    rows : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features) or None

    Returns
    -------
    distances : ndarray of shape (n_pairs,)
    """
    distance = _distance_function(estimator)
    if rows is None:
        return distance(*_check_two_arrays(pairs))
    n_rows = _count_rows("rows", rows)
    rows = rows.tocsr() if hasattr(rows, "tocsr") else rows
    meaning = "row indices into `rows`. To give two arrays (A, B), leave rows out"
    pairs = check_index_tuples("pairs", pairs, 2, n_rows, meaning, table="`rows`")
    # An entry takes about 64 bytes with all temporary arrays.
    entries = get_config()["working_memory"] * 2**20 / 64
    block_size = max(1, int(entries / _row_size(rows)))
    return np.concatenate(
        [
            # The two columns of a block of pairs give A and B, with a row per pair.
            distance(*(_take_rows(rows, column) for column in pairs[block].T))
            for block in gen_batches(len(pairs), block_size)
        ]
    )


def _are_two_tables(pairs):
    """Whether pairs are two arrays of rows, not two columns of row indices."""
    return (
        isinstance(pairs, tuple)
        and len(pairs) == 2
        and all(getattr(part, "ndim", None) == 2 for part in pairs)
    )


def _distance_function(estimator):
    """The distance of an estimator, as a function of two arrays.

    Parameters
    ----------
    estimator : estimator instance
        Fitted, with ``pair_distances`` or ``transform``.

    Returns
    -------
    distance : callable
        (A, B) -> float64 array of shape (n_pairs,).
    """
    methods = ("pair_distances", "transform")
    if isinstance(estimator, type) or not any(hasattr(estimator, m) for m in methods):
        raise TypeError(
            f"Got estimator={short(estimator)}, but expected a fitted learner with "
            "pair_distances or a fitted transformer."
        )
    check_is_fitted(estimator)
    if getattr(estimator, "side_", "both") != "both":
        raise ValueError(
            f"Got an estimator fitted with side={estimator.side_!r}, but expected one that "
            "maps both rows of a pair: fit_matches with side='both'."
        )
    if hasattr(estimator, "pair_distances"):
        return lambda A, B: np.asarray(estimator.pair_distances(A, B), dtype=np.float64)
    return lambda A, B: _euclidean(estimator.transform(A), estimator.transform(B))


def _euclidean(A, B):
    A, B = (check_array(Z, accept_sparse="csr", dtype=np.float64) for Z in (A, B))
    if not (issparse(A) or issparse(B)):
        return paired_distances(A, B, "euclidean")
    difference = csr_array(A) - csr_array(B)  # (n_pairs, k)
    return np.sqrt(np.asarray(difference.multiply(difference).sum(axis=1)).ravel())


def _check_two_arrays(pairs):
    """The tuple of two arrays (A, B) with the same number of rows, at least one."""
    if not isinstance(pairs, tuple) or len(pairs) != 2:
        got = f"of shape {pairs.shape}" if hasattr(pairs, "shape") else type(pairs).__name__
        raise ValueError(
            f"Got pairs {got} without rows, but expected a tuple of two arrays (A, B), or "
            "row indices together with the rows."
        )
    for name, rows in zip("AB", pairs, strict=True):
        _count_rows(name, rows)
    check_consistent_length(*pairs)
    return pairs


def _count_rows(name, X):
    """Number of rows, at least one."""
    shape = getattr(X, "shape", None)
    is_listed = isinstance(X, Sequence) and not isinstance(X, (str, bytes))
    if shape == () or (shape is None and not is_listed):
        raise TypeError(
            f"Got {name}={short(X)}, but expected an array, a sparse matrix, a data frame "
            "or a list of rows."
        )
    n_rows = shape[0] if shape else len(X)
    if n_rows == 0:
        raise ValueError(f"Got no rows in {name}, but expected at least one.")
    return n_rows


def _row_size(X):
    """Number of entries in a row, approximately."""
    if not hasattr(X, "shape"):
        return max(1, np.size(X[0]))
    # Of a sparse matrix only stored entries take memory.
    n_entries = X.nnz if hasattr(X, "nnz") else np.prod(X.shape)
    return 1 + int(n_entries) // X.shape[0]


def _take_rows(X, rows):
    """Rows of an array, a sparse matrix, a data frame or a list."""
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    return X[rows] if hasattr(X, "shape") else [X[i] for i in rows]
