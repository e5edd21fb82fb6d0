"""PairVerifier: a threshold on the distances of any fitted learner or transformer."""

from collections.abc import Sequence

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import accuracy_score
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import check_is_fitted

from .._base import rollback_on_error
from .._compat import PAGE
from .._objective._maps import map_rows
from .._validation import check_index_tuples, check_similar, short
from ._duplicates import (
    EPS,
    candidate_pairs,
    check_same_width,
    concatenate,
    group_rows,
    in_scale,
    paired_euclidean,
    select_within,
    squared_norms,
)
from ._ranking import center_and_scale
from ._shared_rows import shared_rows, unshared
from ._verification import check_criterion, find_threshold

NO_PAIRS = np.empty((0, 2), dtype=int)


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
    radius_ : float
        The threshold as a Euclidean distance of two rows of ``transform``, for a search for
        neighbors: √`threshold_` for a learner with ``metric="sqeuclidean"``,
        √(2 `threshold_`) with ``"cosine"``, and `threshold_` otherwise. A threshold below 0
        accepts no pair, and neither does its radius, which is below 0, too.

    See Also
    --------
    pairs_within : All pairs of rows within a given radius.
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

    All pairs of rows that it takes for the same, and the groups that these form:

    >>> found, distances = verifier.find_duplicates(X)
    >>> groups = verifier.group_duplicates(X)
    >>> len(found) == len(distances), len(groups) == len(X)
    (True, True)

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

    @property
    def radius_(self):
        check_is_fitted(self)
        squared = {"sqeuclidean": 1, "cosine": 2}.get(_metric(self.estimator))
        if squared is None:
            return self.threshold_
        return float(np.copysign(np.sqrt(squared * abs(self.threshold_)), self.threshold_))

    def find_duplicates(self, X=None, index=None):
        """All pairs of rows that are predicted similar.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features), \
default=None
            Rows. None means `rows` of the constructor.
        index : {array-like, sparse matrix, dataframe} of shape (n_index, n_features), \
default=None
            Rows known already: find pairs of a row of `X` and a row of `index`. None finds
            pairs of two rows of `X`, each pair once.

        Returns
        -------
        pairs : ndarray of int of shape (n_pairs, 2)
            Row numbers in increasing order. Without `index` the first of a pair is the
            smaller.
        distances : ndarray of shape (n_pairs,)
            In the unit of `threshold_`, at most that.

        Raises
        ------
        ValueError, TypeError
            For rows that the estimator refuses, and tables that do not fit together.

        Notes
        -----
        These are the pairs for which :meth:`predict` is true, also at the threshold itself.
        Most of all pairs of rows are different. If 1 % of these are accepted, a row among
        1,000 others has about 10 false duplicates. So choose the criterion ``"tpr_at_fpr"``
        and a `rate` well below 1 / n_samples.

        For time and memory see :func:`pairs_within`.
        """
        return concatenate(list(self._similar_blocks(X, index)))

    def group_duplicates(self, X=None):
        """Number the groups of rows that are connected by similar pairs.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features), \
default=None
            Rows. None means `rows` of the constructor.

        Returns
        -------
        labels : ndarray of int of shape (n_samples,)
            The group of each row: from 0, in the order in which groups appear. A row
            without a duplicate has a group of its own.

        Raises
        ------
        ValueError, TypeError
            For rows that the estimator refuses.

        Notes
        -----
        Two rows of a group need not be similar themselves: a chain of similar pairs may
        connect them, as in single linkage. One false pair joins two groups. A few groups
        that are far larger than the others show that the threshold is too large.

        Memory is O(n_samples) and a block of pairs, however many pairs there are.
        """
        blocks = self._similar_blocks(X, None)
        n_rows = _count_rows("X", self._table(X))
        return group_rows((pairs for pairs, _ in blocks), n_rows)

    def _table(self, X):
        return unshared(self.rows if X is None else X)

    def _similar_blocks(self, X, index):
        """Pairs that are predicted similar and their distances, in blocks of rows."""
        check_is_fitted(self)
        distance = _distance_function(self.estimator)
        tables = [_indexable("X", self._table(X))]
        if index is not None:
            tables.append(_indexable("index", index))
        radius = self.radius_  # Refuses an estimator without one.
        E, exponent, slack = _rows_to_search(self.estimator, tables)
        radius = in_scale(radius, exponent)
        # Not even equal rows are at a distance below 0.
        searched = candidate_pairs(E, radius, slack) if radius >= 0 else [NO_PAIRS]
        for pairs in searched:
            distances = _in_blocks(distance, tables[0], tables[-1], pairs)
            yield select_within(pairs, distances, self.threshold_)

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
    rows = _indexable("rows", rows)
    meaning = "row indices into `rows`. To give two arrays (A, B), leave rows out"
    pairs = check_index_tuples("pairs", pairs, 2, n_rows, meaning, table="`rows`")
    return _in_blocks(distance, rows, rows, pairs)


def _in_blocks(distance, A, B, pairs):
    """The distance of each pair of a row of A and a row of B, in blocks of pairs.

    Parameters
    ----------
    distance : callable
    A, B : ndarrays, CSR, dataframes or lists of rows
    pairs : ndarray of int of shape (n_pairs, 2)

    Returns
    -------
    distances : ndarray of shape (n_pairs,)
    """
    # An entry takes about 64 bytes with all temporary arrays.
    entries = get_config()["working_memory"] * 2**20 / 64
    block_size = max(1, int(entries / max(_row_size(A), _row_size(B))))
    distances = [np.empty(0)]
    for start in range(0, len(pairs), block_size):
        i, j = pairs[start : start + block_size].T
        distances.append(distance(_take_rows(A, i), _take_rows(B, j)))
    return np.concatenate(distances)


def _metric(estimator):
    """The metric of the distance of an estimator, see `_distance_function`."""
    if not hasattr(estimator, "pair_distances"):
        return "euclidean"
    if not hasattr(estimator, "components_") or not hasattr(estimator, "metric"):
        raise TypeError(
            f"Got {type(estimator).__name__}, but expected a learner of skmetric or a "
            "transformer without pair_distances: the distances of others are not those of "
            "rows of transform."
        )
    return estimator.metric


def _rows_to_search(estimator, tables):
    """Rows whose Euclidean distances are those of an estimator, up to rounding.

    Parameters
    ----------
    estimator : estimator instance
        Fitted, with ``pair_distances`` or ``transform``.
    tables : list of one or two tables of rows

    Returns
    -------
    E : list of {ndarrays or CSR} of float64 of shape (n, k)
    exponent : int
        Distances times ``2.0**exponent`` are those of the rows of ``transform``.
    slack : float
        Bound of the rounding errors of `E`.
    """
    if not hasattr(estimator, "pair_distances"):
        E = [check_array(estimator.transform(X), accept_sparse="csr") for X in tables]
        check_same_width(E[0], E[-1])
        # A row may be rounded otherwise among other rows.
        eps = max(np.finfo(np.result_type(Z.dtype, np.float16)).eps for Z in E)
        E = [Z.astype(np.float64) for Z in E]
        slack = 16 * float(eps) * max(abs(Z).max() for Z in E) * E[0].shape[1] ** 0.5
        E, exponent = center_and_scale(E, "euclidean")
        return E, exponent, in_scale(slack, exponent)
    W = estimator.components_.astype(np.float64)
    k, d = W.shape
    X = [estimator._rows_to_map(table).astype(np.float64) for table in tables]
    if estimator.metric == "cosine":
        return [map_rows(table, W, "cosine") for table in X], 0, (d + k) * EPS
    X, exponent = center_and_scale(X, "euclidean")
    lengths = np.sqrt(max(squared_norms(table).max() for table in X))
    E, shrunk = center_and_scale([table @ W.T for table in X], "euclidean")
    slack = (d + k) * EPS * np.linalg.norm(W) * lengths  # Of sums of d products.
    return E, exponent + shrunk, in_scale(slack, shrunk)


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
    return lambda A, B: paired_euclidean(estimator.transform(A), estimator.transform(B))


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


def _indexable(name, X):
    """Rows that can be taken by number, at least one."""
    _count_rows(name, X)
    return X.tocsr() if hasattr(X, "tocsr") else X


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
