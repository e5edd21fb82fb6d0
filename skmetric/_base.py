"""What both metric learners share: from parameters and data to a fitted map."""

from copy import deepcopy
from functools import wraps
from inspect import signature

import numpy as np
from scipy.sparse import issparse
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from ._compat import PAGE, CallbackSupportMixin, with_callbacks
from ._docs import MATCH_TEXTS, with_texts
from ._fit import (
    check_options,
    constraints_for,
    fit_chunk,
    fit_map,
    resolve_auto,
    resolve_settings,
    settings_for_chunk,
    warn_about_fit,
)
from ._objective._edges import edge_distances
from ._objective._initialization import (
    RowsInMemory,
    check_under,
    initial_map,
    knows_classes,
)
from ._objective._labels import ContinuousTarget, Labels, SetsOfLabels
from ._objective._maps import (
    comparable_rows,
    map_rows,
    mapped_contributions,
    mapped_distances,
    mean_contributions,
    nearest_rotation,
)
from ._objective._rotation import rotate_to
from ._objective._supervision import (
    Matches,
    MatchLog,
    Triplets,
    normalize_weights,
    right_order,
)
from ._solvers._history import History
from ._validation import (
    CHECKED_LATER,
    TARGETS,
    check_classes,
    check_constraint_weights,
    check_distinct,
    check_map_size,
    check_matches,
    check_option,
    check_parameters,
    check_sets,
    check_tuples,
    check_values,
    class_weights_of,
    distinct_labels,
    float_dtypes,
    is_continuous,
    labeled_rows,
    labels_or_sets,
    random_state_of,
    short,
    warn_about_labels,
)
from .distances import METRICS

SOLVERS = ("auto", "lbfgs", "adam", "sgd")
# Which tables of matches are mapped, and which documents are negatives.
SIDES, CANDIDATES = ("both", "queries"), ("matched", "all")


def rollback_on_error(method):
    """Leave the estimator as it was if the method does not end well.

    Arguments that the method does not take are refused in the name of the class at hand,
    where Python would name the base class. A RandomState of the user's own stays as it was,
    too; but not numpy's global one, which others draw from meanwhile.
    """
    taken = signature(method)

    @wraps(method)
    def guarded(self, *args, **kwargs):
        try:
            taken.bind(self, *args, **kwargs)
        except TypeError as error:
            expected = ", ".join(str(p) for p in list(taken.parameters.values())[1:])
            raise TypeError(
                f"{type(self).__name__}.{method.__name__}: {error}, but expected "
                f"{method.__name__}({expected})."
            ) from None
        before, rng = dict(vars(self)), getattr(self, "random_state", None)
        own = isinstance(rng, np.random.RandomState) and rng is not check_random_state(None)
        drawn = rng.get_state(legacy=False) if own else None
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            # In a single step, which a second Ctrl-C cannot divide.
            self.__dict__ = before
            if own:
                rng.set_state(drawn)
            raise

    return guarded


def is_stochastic(estimator):
    """Whether chunks can be learnt from; an error that says why not, for `available_if`."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit takes one chunk at a time, but solver='lbfgs' needs all rows. "
            "Use solver='adam', 'sgd' or 'auto'."
        )
    return True


class BaseMetricLearner(
    CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Learns a linear map from constraints that a subclass derives from labels.

    A subclass has the constructor with all parameters, and as `_family` the class of its
    constraints, see :mod:`skmetric._objective._constraints`.
    """

    _doc_link_module = "skmetric"
    _doc_link_template = PAGE

    @rollback_on_error
    @with_callbacks
    def fit(self, X, y=None):
        """Learn the map from labelled rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float32 stays float32; CSR is never made dense.
        y : array-like of shape (n_samples,), or {array-like, sparse matrix} of shape \
(n_samples, n_labels)
            Class labels of any type that can be hashed, or numbers to be near in, see
            `target`. For several labels a row, 0 and 1 in a column for each label: rows
            with a label in common belong together. They must be given. Rows with the label
            `unlabeled`, or with 0 only, are left out.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For a parameter or data that nothing can be learnt from. Whenever a fit does
            not end, also by Ctrl-C, the estimator stays as it was before, and so does a
            RandomState given as `random_state`.

        Warns
        -----
        UserWarning
            For numbers in y that are hardly classes: many different floats, or -1 among
            non-negative integers. With fractional floats y is no classes, see `target`.
        """
        X, target, parameters = self._checked(X, y, reset=True)
        return self._fit(parameters, X, target, {"X": X, "y": y})

    @available_if(is_stochastic)
    @rollback_on_error
    def partial_fit(self, X, y=None):
        """Go once over a chunk of rows, in mini-batches, at a constant learning rate.

        The first call on an unfitted estimator derives the initial map from its chunk;
        later ones, and those after ``fit``, go on from the map there is. Not with
        ``solver="lbfgs"``; ``solver="auto"`` means Adam here.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            A chunk of rows. It must hold at least two classes, and should hold several
            rows of each: constraints are formed within a chunk.
        y : array-like of shape (n_samples,), or {array-like, sparse matrix} of shape \
(n_samples, n_labels)
            Their labels or numbers, as for `fit`, which must be given, and are compared
            within the chunk only.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            As `fit` does; the estimator then stays as it was.

        Warns
        -----
        UserWarning
            As `fit` does.
        """
        reset = not hasattr(self, "components_")
        X, target, parameters = self._checked(X, y, reset, chunk=True)
        return self._partial_fit(parameters, X, target)

    @rollback_on_error
    @with_callbacks
    @with_texts(**MATCH_TEXTS)
    def fit_matches(
        self,
        queries,
        documents,
        matches,
        sample_weight=None,
        side="both",
        *,
        candidates="matched",
    ):
        """Learn the map from a log of matches: which query belongs with which document.

        No labels and no dissimilar pairs are needed. Each query is an anchor, the documents
        matched with it are its positives, and documents matched with other queries are its
        negatives. `positives` and `negatives` choose among these.

        With `early_stopping`, `validation_fraction` of the queries are held out. Their
        score is the mean reciprocal rank of the nearest document that they were matched
        with, among all candidates.

        Parameters
        ----------
        %(tables)s
        side : {"both", "queries"}, default="both"
            ``"both"`` maps both tables. ``"queries"`` maps the queries only and compares
            them with the documents as they are, so that an index of these need not be
            built anew. W₀ is then the identity, `n_components` the number of features, and
            margins are in units of the root mean squared distance of queries and documents
            (but for ``"cosine"``).
        candidates : {"matched", "all"}, default="matched"
            Which documents can be negatives: those with a match, for mini-batches those
            matched with a query of the batch, or all documents. Documents that nobody
            matched are not all wrong answers, and ``"all"`` pushes them away from every
            query: it commonly makes search among them worse.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            As `fit` does, for matches that are not rows of the two tables, for matches of
            one document only, and with ``side="queries"`` for an `init` or `n_components`
            other than the identity's. The estimator then stays as it was.

        Notes
        -----
        Equal rows of a table are one row, so a document equal to a matched one is no
        negative. A query whose matches have several weights is an anchor for each weight.
        ``init="lda"`` needs labels and is refused; `n_subsamples` is for labels. For n
        queries and m documents, an iteration of L-BFGS takes O(n m) time for distances.

        Examples
        --------
        >>> import numpy as np
        >>> from skmetric import TripletMetricLearner
        >>> queries = np.array([[0.0, 1.0], [4.0, 3.0], [8.0, 1.0]])
        >>> documents = np.array([[0.5, 3.0], [4.5, 1.0], [8.5, 3.0], [20.0, 2.0]])
        >>> matches = [[0, 0], [1, 1], [2, 2]]
        >>> learner = TripletMetricLearner().fit_matches(queries, documents, matches)
        >>> learner.score_matches(queries, documents, matches)
        1.0
        """
        parameters, X, target = self._checked_matches(
            queries, documents, matches, sample_weight, side, candidates, reset=True
        )
        return self._fit(parameters, X, target, {"X": X})

    @available_if(is_stochastic)
    @rollback_on_error
    @with_texts(**MATCH_TEXTS)
    def partial_fit_matches(
        self,
        queries,
        documents,
        matches,
        sample_weight=None,
        side="both",
        *,
        candidates="matched",
    ):
        """Go once over a chunk of matches, in mini-batches, at a constant learning rate.

        The documents of a chunk are the only candidates of its queries. With
        ``side="both"`` calls may alternate with those of `partial_fit`.

        Parameters
        ----------
        %(tables)s
        side, candidates
            As for `fit_matches`. Every chunk must have the same side.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            As `fit_matches` does. The estimator then stays as it was.
        """
        reset = not hasattr(self, "components_")
        return self._partial_fit(
            *self._checked_matches(
                queries, documents, matches, sample_weight, side, candidates, reset
            )
        )

    def transform(self, X):
        """Map rows to the learnt space.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components)
            ``X @ components_.T`` in the dtype of X; under ``metric="cosine"`` its rows
            are L2-normalised. Always dense.

        Raises
        ------
        ValueError
            For rows that the map takes to where their dtype ends.
        """
        check_is_fitted(self)
        return self._map(X)

    def pair_distances(self, A, B):
        """Learnt distance between each row of `A` and the row of `B` at its side.

        Parameters
        ----------
        A, B : {array-like, sparse matrix} of shape (n_pairs, n_features)

        Returns
        -------
        distances : ndarray of shape (n_pairs,)
            In units of `metric`, as the margin is, and in the dtype of the rows.

        Raises
        ------
        ValueError
            For numbers of rows that differ, and for distances that the dtype cannot hold:
            one too large, or all too small.

        Notes
        -----
        After a fit with ``side="queries"`` only `A` is mapped: its rows are queries, those
        of `B` documents.
        """
        check_is_fitted(self)
        A, B = self._paired_rows(A, B)
        return mapped_distances(A, B, self.components_, self.metric, self.side_)

    def pair_contributions(self, A, B):
        r"""What each feature contributes to the learnt distances of pairs.

        Parameters
        ----------
        A, B : {array-like, sparse matrix} of shape (n_pairs, n_features)

        Returns
        -------
        contributions : ndarray of shape (n_pairs, n_features)
            Each row sums to the distance of ``pair_distances``, under
            ``metric="euclidean"`` to its square. Always dense.

        Raises
        ------
        ValueError
            As `pair_distances` does, and after a fit with ``side="queries"``.

        See Also
        --------
        skmetric.plotting.ContributionDisplay : Draws them.

        Notes
        -----
        With u = a - b the squared distance is uᵀMu, and the contribution of feature i is
        uᵢ(Mu)ᵢ. Under ``metric="cosine"`` the distance is uᵀMu / 2 with
        u = a/\|Wa\| - b/\|Wb\|. A product of two features counts half for each. So a
        contribution is negative where a difference in this feature makes up for differences
        in others that the metric weighs together with it.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skmetric import TripletMetricLearner
        >>> X, y = load_iris(as_frame=True, return_X_y=True)
        >>> learner = TripletMetricLearner().fit(X, y)
        >>> contributions = learner.pair_contributions(X[:1], X[50:51])
        >>> learner.feature_names_in_[contributions[0].argmax()]
        'petal length (cm)'
        """
        check_is_fitted(self)
        self._check_both_sides("contributions of features")
        A, B = self._paired_rows(A, B)
        return mapped_contributions(A, B, self.components_, self.metric)

    def mean_contributions(self, X):
        """What each feature contributes to learnt distances, in the mean over all pairs.

        Which features the metric uses, on these rows: both how much a feature varies and
        how much the map weighs it count.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            At least two rows, such as those of the fit.

        Returns
        -------
        contributions : ndarray of shape (n_features,)
            The mean of ``pair_contributions`` over all pairs of different rows. They sum to
            the mean distance, under ``metric="euclidean"`` to the mean of its square.

        Raises
        ------
        ValueError
            For a single row, and after a fit with ``side="queries"``.

        Notes
        -----
        It takes O(n_samples · n_features · n_components) time, because only the covariance
        C of the rows matters: the contribution of feature i is 2 Σⱼ MᵢⱼCᵢⱼ, or Σⱼ MᵢⱼCᵢⱼ
        under ``metric="cosine"``, with C of the rows divided by their mapped lengths. A
        feature with a negative contribution makes rows nearer on average: it is correlated
        with others, and the metric takes the difference between them.
        """
        check_is_fitted(self)
        self._check_both_sides("contributions of features")
        X = self._rows_to_map(X)
        if X.shape[0] < 2:
            raise ValueError("Got one row in X, but expected at least two: a pair.")
        return mean_contributions(X, self.components_, self.metric)

    def score_triplets(self, X, triplets):
        """Share of triplets in the right order under the learnt distance.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        triplets : array-like of int of shape (n_triplets, 3), or tuple of three arrays
            Row indices into X: anchor, positive, negative.

        Returns
        -------
        score : float
            From 0 to 1. A triplet counts 1 if its anchor is nearer to the positive than
            to the negative, and 1/2 if it is as near to both.

        Raises
        ------
        ValueError, TypeError
            For triplets that are not three different rows of X each, and after a fit with
            ``side="queries"``.
        """
        check_is_fitted(self)
        self._check_both_sides("triplets of rows of one table")
        X = self._rows_to_map(X)
        triplets = check_tuples("triplets", triplets, 3, X.shape[0])
        weights = normalize_weights(None, len(triplets))
        rows, lists = Triplets(triplets, weights, X.shape[0]).relate()
        E = comparable_rows(X[rows], self.components_, self.metric)
        d_pos, d_neg = (edge_distances(E, E, edges, self.metric) for edges in lists[:2])
        return float(right_order(d_pos, d_neg).mean())

    def score_matches(self, queries, documents, matches):
        """Mean reciprocal rank of the matched documents among all that are given.

        Parameters
        ----------
        queries : {array-like, sparse matrix} of shape (n_queries, n_features)
        documents : {array-like, sparse matrix} of shape (n_documents, n_features), or None
            None for the same table, in which a query does not find itself.
        matches : array-like of int of shape (n_matches, 2), tuple of two arrays or \
MultiIndex
            A row of `queries` and a row of `documents` in each. Queries without a match
            are left out.

        Returns
        -------
        score : float
            From 0 to 1: the mean of 1 / rank over the queries, where the rank is that of
            the nearest document which the query is matched with. Other documents that are
            as near count half.

        Raises
        ------
        ValueError, TypeError
            For matches that are not rows of the two tables.

        Notes
        -----
        Equal rows of a table are one row. Time O(n_queries · n_documents · n_components),
        memory that of the mapped rows and a block of distances.
        """
        check_is_fitted(self)
        log = self._checked_log(queries, documents, matches, None, False, reset=False)
        log = log._replace(weights=np.ones(len(log.weights)))
        target = Matches.of(log, self.side_, in_batch=False)
        return target.score(log.X, self.components_, self.metric)

    def get_mahalanobis_matrix(self):
        """Matrix M of the learnt metric, ``components_.T @ components_``.

        Returns
        -------
        M : ndarray of shape (n_features, n_features)
            Symmetric and positive semi-definite, with
            ``|transform(a) - transform(b)|**2 == (a - b) @ M @ (a - b)`` except under
            ``metric="cosine"``, where ``a @ M @ b`` is the inner product before rows are
            normalised.

        Raises
        ------
        ValueError
            If the entries of M are beyond what the dtype of the map can hold, and after a
            fit with ``side="queries"``, which learns no metric of one space.
        """
        check_is_fitted(self)
        self._check_both_sides("the matrix of a metric")
        with np.errstate(**CHECKED_LATER):
            M = self.components_.T @ self.components_
        if not np.isfinite(M).all():
            largest = np.abs(self.components_).max()
            raise ValueError(
                f"Got a map with entries of up to {largest:.3g}, but expected squares that "
                f"{M.dtype} can hold. Bring the features to one scale, as StandardScaler "
                "does, and fit anew."
            )
        return M

    @property
    def _n_features_out(self):
        return len(self.components_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _fit(self, parameters, X, target, data):
        """Fit to checked rows and a target: labels, or given constraints.

        `parameters` is a copy of the estimator, from :func:`check_parameters`.
        """
        from_classes = (target.labeled or not target.mined) and knows_classes(
            self._rows(parameters, X, target), self.init
        )
        settings = resolve_settings(parameters, X, target, from_classes)
        check_options(settings, target)
        rng = random_state_of(self.random_state)
        W0 = self._initial_map(parameters, X, target, rng)
        start = self._start(W0, target.side)
        context = self._init_callback_context(max_subtasks=settings.n_tasks)
        context.call_on_fit_task_begin(estimator=self, **data)
        history = History(self, context, data)
        with np.errstate(**CHECKED_LATER):
            result = self._fit_map(settings, X, target, W0, start, rng, history)

        self.components_, self.initial_components_ = result.parameters, W0
        self.solver_, self.n_iter_ = settings.solver, result.n_iter
        self.side_, self.alpha_ = target.side, parameters.alpha
        self._record_margins(history.margins)
        self._record(history.losses, history.active_fractions)
        self.validation_scores_ = history.scores or None
        self._streaming_state = None
        warn_about_fit(
            self, self._sample(X), target, result.converged, from_classes=from_classes
        )
        if target.side == "both":
            axes = self._rows(parameters, X, target).principal_axes(self.components_)
            self.components_ = rotate_to(self.components_, axes)
        context.call_on_fit_task_end(
            estimator=self,
            reconstruction_attributes=lambda: {"components_": self.components_},
            **data,
        )
        return self

    def _partial_fit(self, parameters, X, target):
        """Go once over a checked chunk; for `parameters` see :meth:`_fit`."""
        settings = settings_for_chunk(parameters, X, target)
        state = getattr(self, "_streaming_state", None)
        rng = deepcopy(state[0]) if state else random_state_of(self.random_state)
        if not hasattr(self, "components_"):
            W0 = self._initial_map(parameters, X, target, rng)
            self.components_ = self.initial_components_ = W0
            self.n_iter_, self.validation_scores_ = 0, None
            self.side_ = target.side
            self._record([], [])
        elif parameters.alpha == "auto":
            parameters.alpha = self.alpha_
        self._check_side(target.side)
        goes_on = state and self.solver_ == settings.solver
        W0, W = self.initial_components_, self.components_
        if state is None and W is not W0 and target.side == "both":
            W = nearest_rotation(W, W0)
        with np.errstate(**CHECKED_LATER):
            check_under(W, RowsInMemory(self._sample(X), None))
            X = X.astype(W.dtype, copy=False)
            result, margins, learning_state = fit_chunk(
                settings,
                X,
                target,
                W0,
                W,
                rng,
                state=state[1] if goes_on else None,
            )
        self.components_, self.alpha_ = result.parameters, learning_state[0]
        self._record_margins(margins)
        self.solver_, self.n_iter_ = settings.solver, self.n_iter_ + 1
        self._record(
            [*self.loss_curve_, result.loss],
            [*self.active_fraction_curve_, result.active_fraction],
        )
        self._streaming_state = rng, learning_state
        return self

    def _checked_parameters(self, of_matches=False):
        losses = "auto", *self._family.losses
        words = {"metric": METRICS, "loss": losses, "solver": SOLVERS, "target": TARGETS}
        parameters = check_parameters(self, words)
        return resolve_auto(parameters, of_matches)

    def _checked(self, X, y, reset, chunk=False):
        parameters = self._checked_parameters()
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None: class labels, one for each row of X."
            )
        X = self._checked_rows(X, reset)
        y = labels_or_sets(y)
        check_consistent_length(X, y)
        X, y = labeled_rows(X, y, parameters.unlabeled)
        # Refuses unknown words before any work is done.
        constraints_for(parameters, X.shape[1])
        if issparse(y):
            return X, self._sets_of_labels(X, y, parameters), parameters
        if is_continuous(y, parameters.target):
            target = ContinuousTarget.of(X, check_values(y))
            check_distinct(target.n_distinct)
            return X, target, parameters
        classes, codes = distinct_labels(y)
        weights = class_weights_of(parameters.class_weight, classes, codes, whole=not chunk)
        target = Labels.of(X, codes, weights)
        check_classes(codes[target.distinct])
        depth = 5 if chunk else 6
        warn_about_labels(classes, len(codes), depth, parameters.target)
        return X, target, parameters

    def _sets_of_labels(self, X, indicator, parameters):
        if parameters.target == "continuous":
            raise ValueError(
                f"Got target='continuous' and y of shape {indicator.shape}, but expected "
                "one number for each row."
            )
        if parameters.class_weight is not None:
            raise ValueError(
                f"Got class_weight={short(parameters.class_weight)} and y with several "
                "labels a row, but expected None: such rows have no one class to weigh by."
            )
        target = SetsOfLabels.of(X, indicator)
        _, relation = target.relate()
        check_sets(relation.indicator.sum(axis=0), relation)
        return target

    def _checked_tuples(self, X, name, tuples, sample_weight, reset):
        parameters = self._checked_parameters()
        X = self._checked_rows(X, reset)
        width = {"triplets": 3, "pairs": 2}[name]
        tuples = check_tuples(name, tuples, width, X.shape[0])
        weights = check_constraint_weights(sample_weight, name, len(tuples))
        return parameters, X, tuples, weights

    def _checked_matches(
        self, queries, documents, matches, sample_weight, side, candidates, reset
    ):
        parameters = self._checked_parameters(of_matches=True)
        check_option("side", side, SIDES)
        in_batch = check_option("candidates", candidates, CANDIDATES) == "matched"
        log = self._checked_log(queries, documents, matches, sample_weight, in_batch, reset)
        if side == "queries" and self.metric != "cosine":
            log = log.in_units_of_distances()
        return parameters, log.X, Matches.of(log, side, in_batch)

    def _checked_log(self, queries, documents, matches, sample_weight, in_batch, reset):
        queries = self._checked_rows(queries, reset, at_least=1)
        within = documents is None
        if not within:
            documents = self._checked_rows(documents, reset=False, at_least=1)
        n_documents = (queries if within else documents).shape[0]
        matches = check_matches(matches, queries.shape[0], n_documents, within)
        weights = check_constraint_weights(sample_weight, "matches", len(matches))
        return MatchLog.of(queries, documents, matches, weights, in_batch)

    def _checked_rows(self, X, reset, at_least=2):
        with np.errstate(**CHECKED_LATER):
            return validate_data(
                self,
                X,
                accept_sparse="csr",
                dtype=float_dtypes(X),
                reset=reset,
                ensure_min_samples=at_least,
            )

    def _initial_map(self, parameters, X, target, random_state):
        """W₀; sets ``alpha="auto"`` to what suits it."""
        if target.side == "queries":
            return self._identity(parameters, X)
        rows = self._rows(parameters, X, target)
        W0 = initial_map(rows, parameters.n_components, self.init, random_state)
        if parameters.alpha == "auto":
            parameters.alpha = target.default_alpha(rows.strength)
        return W0

    def _rows(self, parameters, X, target):
        """What an initial map is found from."""
        return RowsInMemory(X, target, parameters.metric)

    def _identity(self, parameters, X):
        """The map of queries that leaves them where they are."""
        d = X.shape[1]
        if not (isinstance(self.init, str) and self.init in ("auto", "identity")):
            raise ValueError(
                f"Got init={short(self.init)} with side='queries', but expected 'auto' or "
                "'identity': mapped queries are compared with documents as they are."
            )
        if parameters.n_components not in (None, d):
            raise ValueError(
                f"Got n_components={parameters.n_components} with side='queries', but "
                f"expected None or {d}: mapped queries are compared with documents as "
                "they are."
            )
        check_map_size(d, d)
        return np.eye(d, dtype=X.dtype)

    def _fit_map(self, settings, X, target, W0, start, random_state, history):
        return fit_map(settings, X, target, W0, start, random_state, history)

    def _sample(self, X):
        """About a thousand rows."""
        return X[:: max(1, X.shape[0] // 1000)]

    def _rows_to_map(self, X):
        with np.errstate(**CHECKED_LATER):
            dtype = float_dtypes(X)
            return validate_data(self, X, accept_sparse="csr", dtype=dtype, reset=False)

    def _paired_rows(self, A, B):
        A, B = self._rows_to_map(A), self._rows_to_map(B)
        if A.shape != B.shape:
            raise ValueError(
                f"Got {A.shape[0]} rows in A and {B.shape[0]} in B, but expected as many: "
                "row i of A and row i of B are a pair."
            )
        return A, B

    def _map(self, X):
        return map_rows(self._rows_to_map(X), self.components_, self.metric)

    def _start(self, W0, side):
        if not (self.warm_start and hasattr(self, "components_")):
            return W0
        self._check_side(side)
        if self.components_.shape != W0.shape:
            raise ValueError(
                f"Got warm_start=True with a map of shape {self.components_.shape} from "
                f"the fit before, but expected {W0.shape}. Set warm_start=False to start "
                "anew."
            )
        W = self.components_.astype(W0.dtype)
        return W if side == "queries" else nearest_rotation(W, W0)

    def _check_side(self, side):
        """Refuse to go on from a map of another kind."""
        if self.side_ != side:
            raise ValueError(
                f"Got a map from a fit with side={self.side_!r} to go on from with "
                f"side={side!r}, but expected the same side. Use a clone of the estimator, "
                "which starts anew."
            )

    def _check_both_sides(self, what):
        if self.side_ != "both":
            raise ValueError(
                f"Got a fit with side={self.side_!r}, which maps queries only, but "
                f"expected side='both' for {what}. Use pair_distances(queries, documents) "
                "or score_matches."
            )

    def _record_margins(self, margins):
        for name in ("margin", "pos_margin"):
            if hasattr(self, name):
                setattr(self, f"{name}_", margins.get(name))

    def _record(self, losses, active_fractions):
        self.loss_curve_ = losses
        # Sums of shares of 1 end above it by rounding.
        self.active_fraction_curve_ = [min(share, 1.0) for share in active_fractions]
        self.loss_ = losses[-1] if losses else None
        self.active_fraction_ = self.active_fraction_curve_[-1] if losses else None
