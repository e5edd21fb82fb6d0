"""The contrastive learner: similar rows must be near, dissimilar ones far apart."""

from warnings import warn

from sklearn.utils.metaestimators import available_if

from ._base import BaseMetricLearner, all_or_nothing, is_stochastic
from ._compat import with_callbacks
from ._objective._constraints import PairConstraints
from ._objective._supervision import (
    Pairs,
    mean_weights,
    normalize_weights,
    without_zeros,
)
from ._validation import check_both_kinds, check_similar, count_contradictions


class ContrastiveMetricLearner(BaseMetricLearner):
    """Learn a linear map from pairs: similar rows near, dissimilar ones far apart.

    Rows of a class must be nearer than `pos_margin`, rows of different classes farther
    than `margin`. Distances themselves are learnt, not only their order. By default near
    rows are paired, which serves nearest neighbours best; for one threshold over all pairs,
    as in verification, de-duplication and clustering, take ``positives="all"`` and
    ``negatives="all"``. Pairs may also be given, with ``fit_pairs`` in place of ``fit``.

    Parameters
    ----------
    n_components : int, default=None
        Dimension of the learnt space; None keeps `n_features`, or as many as `init` has to
        give. At most `n_features`.
    metric : {"sqeuclidean", "euclidean", "cosine"}, default="sqeuclidean"
        The distance d between mapped rows. Under ``"cosine"``, for embeddings whose length
        means nothing, ``transform`` returns rows of length 1.
    loss : {"hinge", "squared_hinge", "softplus"}, default="hinge"
        What the slack v of a pair costs, ``max(v, 0)``, its square, or
        ``log(1 + exp(v))``; v is ``d - pos_margin`` for similar rows and ``margin - d``
        for dissimilar ones. The loss is the mean over the similar pairs plus
        `negative_weight` times the mean over the dissimilar.
    margin : float or "auto", default="auto"
        How far apart dissimilar rows must be. In units in which the mean squared distance
        of two rows under W₀ is 1; under ``"cosine"`` distances are between 0 and 2.
        Greater than `pos_margin`. ``"auto"`` is one and a half times the mean length under
        W₀ of the pairs that are learnt from, where similar and dissimilar ones count half
        each.
    pos_margin : float or "auto", default="auto"
        How near is near enough for similar rows. At least 0. ``"auto"`` is a third of the
        margin.
    negative_weight : float, default=1.0
        Weight of the dissimilar pairs. Greater than 0.
    positives : {"all", "nearest", "hard", "random"} or callable, default="nearest"
        Which rows of its class a row is paired with: every one, the `n_neighbors`
        nearest, the farthest, or one at random.
    negatives : {"all", "nearest", "hard", "random", "distance_weighted"} or callable, \
default="nearest"
        Which rows of other classes: every one, the `n_impostors` nearest, the nearest, one
        at random, or one drawn by distance (``metric="cosine"`` only). See
        :mod:`skmetric.mining` for callables.
    n_neighbors : int, default=4
        For ``positives="nearest"``: how many, or as many as there are.
    n_impostors : int, default=8
        For ``negatives="nearest"``, likewise.
    init : {"auto", "identity", "pca", "lda", "random"} or array-like of shape \
(n_components, n_features), default="auto"
        The map W₀ to start from; `alpha` penalizes the distance from it. ``"auto"`` is
        ``"identity"`` if all components are kept, else ``"pca"``. ``"lda"`` starts from
        what tells the classes apart in bulk: for retrieval among the classes trained on,
        at the expense of others. All but an array are scaled so that the mean squared
        distance between two training rows is 1.
    alpha : float, default=0.1
        Weight of the penalty ``alpha / 2 * g * |W - W₀|² / |W₀|²``, which is added to the
        loss, with ``g = |W₀| * |gradient at W₀|``. If the gradient did not change, alpha=1
        would stop the map at a distance of ``|W₀|``, on any data and for any loss. At least
        0.
    solver : {"auto", "lbfgs", "adam", "sgd"}, default="auto"
        ``"lbfgs"`` takes all rows at once, in O(n²) time an iteration, or O(n) where both
        kinds of partners are few; mined constraints are formed anew in up to 3 rounds.
        ``"adam"`` and ``"sgd"`` go through stratified mini-batches and form
        constraints within each, in O(n · batch_size) time per epoch; their learning rate
        falls linearly to 0 over the budget. ``"auto"`` is ``"lbfgs"`` up to 3000 rows if
        X has no more than 131,072 entries, up to 20,000 and 262,144 with the nearest
        negatives of some positives, or up to 200,000 given pairs; ``"adam"`` above, where
        that is faster, and wherever an option of the stochastic solvers differs from its
        default. What is set but has no effect with the solver is said in a warning.
    n_subsamples : int or None, default=None
        For ``solver="lbfgs"`` with labels: if more than 1, that many maps are learnt, each
        from a random half of the rows of each class, and the map is that of their mean
        metric, in which chance has less part. A half is learnt from with half of
        `n_neighbors` and `n_impostors`, which are then about as near. None is 8 up to 3000
        rows, and 1 above. With 1 the solver draws nothing.
    batch_size : int, default=None
        Rows in a mini-batch, about; at least 4. Larger ones find nearer neighbours. None is
        256, and up to 1024 where X has fewer than 256 features. For given pairs: how
        many of these, about, and None is 256.
    learning_rate_init : float, default=0.015
        Step size at the start, relative to W₀: to the root mean square of its entries for
        ``"adam"``, to its Frobenius norm for ``"sgd"``.
    momentum : float, default=0.9
        For ``solver="sgd"``, in [0, 1).
    beta_1 : float, default=0.9
        Decay rate of Adam's running mean of the gradient, in [0, 1).
    beta_2 : float, default=0.999
        Decay rate of Adam's running mean of its square, in [0, 1).
    epsilon : float, default=1e-8
        Adam's term for numerical stability.
    max_iter : int, default=None
        Epochs, or iterations of L-BFGS in each round. None is 200 iterations, or 15
        epochs and more where it takes more to make 200 updates.
    tol : float, default=1e-4
        An iteration that lowers the loss by less than this share of the loss at the start
        is no improvement. L-BFGS ends at the first such, the others after
        `n_iter_no_change` in a row, mostly later than their default budget. To end sooner,
        raise it (to 1e-3, say), or set `early_stopping`.
    n_iter_no_change : int, default=10
        For the stochastic solvers.
    early_stopping : bool, default=False
        For the stochastic solvers: hold out `validation_fraction` of the rows of each
        class, judge each epoch by their 1-nearest-neighbour accuracy among the others (of
        2048 of them at most), end after `n_iter_no_change` epochs without improvement, and
        keep the best map.
    validation_fraction : float, default=0.1
        For `early_stopping`, in (0, 1).
    scoring : callable, default=None
        For `early_stopping` with labels: ``scoring(learner, X, y)`` of the rows held out,
        greater is better, such as ``retrieval_scorer("map_at_r")``. None is the accuracy of
        the nearest neighbour among the rows that are learnt from.
    warm_start : bool, default=False
        Start ``fit`` from the map that there is. The penalty still refers to W₀.
    verbose : bool or int, default=0
        Print a line an iteration.
    random_state : int, RandomState instance or None, default=None
        For mini-batches, rows held out, random choices, the halves of `n_subsamples`,
        ``init="random"``, and the PCA of more than 1024 features.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        The learnt map W.
    initial_components_ : ndarray of shape (n_components, n_features)
        W₀.
    solver_ : str
        The solver that was used.
    n_iter_ : int
        Epochs, or iterations over all rounds, and over all halves of `n_subsamples`.
    loss_ : float
        The last of `loss_curve_`.
    loss_curve_ : list of float
        The loss, with the penalty, after each iteration; for the stochastic solvers the
        mean over the batches of an epoch, each before its update. With `n_subsamples` the
        curves of the halves follow each other, and none is of their mean.
    active_fraction_ : float
        The last of `active_fraction_curve_`.
    active_fraction_curve_ : list of float
        The share of selected constraints with a positive slack, at each iteration.
    validation_scores_ : list of float or None
        With `early_stopping`, after each epoch: 1-nearest-neighbour accuracy, or for
        given pairs the share of similar ones nearer than dissimilar ones.
    margin_, pos_margin_ : float
        The margins that were used; of `partial_fit` those that its first chunk gave.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X had any.

    See Also
    --------
    TripletMetricLearner : Learns from triplets, with the order of distances.

    Notes
    -----
    Copies, rows with the same numbers and the same label, are one row: as an anchor it
    weighs as much as they are, as a positive or negative it is one. So classes may be
    oversampled, ``fit(np.repeat(X, 5, axis=0), ...)`` gives what ``fit(X, ...)`` does under
    L-BFGS, and mini-batches merge the copies that they hold.

    ``metric="euclidean"`` with ``pos_margin=0`` gives the textbook losses:
    ``loss="squared_hinge"`` that of [1]_ up to a factor, ``loss="hinge"`` the one without
    squares. The two means are taken apart so that rare similar pairs are not drowned. The
    mean over halves of the rows is subagging [2]_.

    References
    ----------
    .. [1] R. Hadsell, S. Chopra, Y. LeCun, "Dimensionality reduction by learning an
       invariant mapping", CVPR 2006.
    .. [2] P. Bühlmann, B. Yu, "Analyzing bagging", Annals of Statistics 30, 2002.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skmetric import ContrastiveMetricLearner
    >>> X, y = load_iris(return_X_y=True)
    >>> learner = ContrastiveMetricLearner(n_components=2).fit(X, y)
    >>> learner.transform(X).shape
    (150, 2)
    >>> same, different = learner.pair_distances(X[[0, 0]], X[[1, 149]])
    >>> bool(same < different)
    True
    """

    _family = PairConstraints

    def __init__(
        self,
        n_components=None,
        *,
        metric="sqeuclidean",
        loss="hinge",
        margin="auto",
        pos_margin="auto",
        negative_weight=1.0,
        positives="nearest",
        negatives="nearest",
        n_neighbors=4,
        n_impostors=8,
        init="auto",
        alpha=0.1,
        solver="auto",
        n_subsamples=None,
        batch_size=None,
        learning_rate_init=0.015,
        momentum=0.9,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        max_iter=None,
        tol=1e-4,
        n_iter_no_change=10,
        early_stopping=False,
        validation_fraction=0.1,
        scoring=None,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.n_components = n_components
        self.metric = metric
        self.loss = loss
        self.margin = margin
        self.pos_margin = pos_margin
        self.negative_weight = negative_weight
        self.positives = positives
        self.negatives = negatives
        self.n_neighbors = n_neighbors
        self.n_impostors = n_impostors
        self.init = init
        self.alpha = alpha
        self.solver = solver
        self.n_subsamples = n_subsamples
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.momentum = momentum
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @all_or_nothing
    @with_callbacks
    def fit_pairs(self, X, pairs, similar, sample_weight=None):
        """Learn the map from given pairs, without labels.

        `positives`, `negatives`, `n_neighbors`, `n_impostors` and `n_subsamples` are
        ignored. Mini-batches of the stochastic solvers consist of about `batch_size` pairs,
        each with its share of similar ones, and an epoch visits each pair exactly once.
        With `early_stopping`, `validation_fraction` of either kind are held out, and an
        epoch is judged by how often a similar pair of these is nearer than a dissimilar
        one. ``init="lda"`` needs labels and is refused.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float32 stays float32; CSR is never made dense.
        pairs : array-like of int of shape (n_pairs, 2), tuple of two arrays, or MultiIndex
            Row indices into X, two different rows; their order does not matter.
        similar : array-like of bool of shape (n_pairs,)
            Whether the rows belong together; some of each kind. Rows paired at random
            commonly do as dissimilar ones.
        sample_weight : array-like of shape (n_pairs,), default=None
            Weights of pairs, at least 0; None stands for equal ones. The two means of the
            loss are weighted each on its own, so a weight of 2 is as the pair given
            twice, and only proportions within a kind matter: the balance of the two is
            `negative_weight`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            As `fit` does, and for pairs that are not two different rows of X each, pairs
            of one kind only, or weights that are negative or all 0; the estimator then
            stays as it was.

        Warns
        -----
        UserWarning
            If pairs, in either order, are both similar and dissimilar; all are learnt
            from.

        Notes
        -----
        An iteration of L-BFGS over n rows and m pairs in k dimensions takes
        O(n · n_features · k + m · k) time, an epoch of the others O(m · n_features · k).
        Memory is that of the indices and, for L-BFGS, of X and the mapped rows.

        Examples
        --------
        >>> import numpy as np
        >>> from skmetric import ContrastiveMetricLearner
        >>> X = np.array([[0.0, 0.0], [0.1, 3.0], [1.0, 0.1], [1.1, 3.1]])
        >>> pairs, similar = [[0, 1], [2, 3], [0, 2], [1, 3]], [True, True, False, False]
        >>> learner = ContrastiveMetricLearner().fit_pairs(X, pairs, similar)
        >>> near, far = learner.pair_distances(X[[0, 0]], X[[1, 2]])
        >>> bool(near < far)
        True
        """
        given = self._given(X, pairs, similar, sample_weight, reset=True, depth=6)
        parameters, X, target = given
        return self._fit(parameters, X, target, {"X": X})

    @available_if(is_stochastic)
    @all_or_nothing
    def partial_fit_pairs(self, X, pairs, similar, sample_weight=None):
        """Go once over a chunk of pairs, in mini-batches, at a constant learning rate.

        As `partial_fit`, which it may take turns with: both go on from the map there is.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows that the chunk refers to.
        pairs : array-like of int of shape (n_pairs, 2), tuple of two arrays, or MultiIndex
            Row indices into this X.
        similar : array-like of bool of shape (n_pairs,)
            Whether the rows belong together; some of each kind.
        sample_weight : array-like of shape (n_pairs,), default=None
            Weights, whose proportions within a kind and the chunk matter.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            As `fit_pairs` does; the estimator then stays as it was.

        Warns
        -----
        UserWarning
            As `fit_pairs` does.
        """
        reset = not hasattr(self, "components_")
        given = self._given(X, pairs, similar, sample_weight, reset, depth=5)
        return self._partial_fit(*given)

    def _given(self, X, pairs, similar, sample_weight, reset, depth):
        parameters, X, rows, weights = self._checked_tuples(
            X, "pairs", pairs, sample_weight, reset
        )
        similar = check_similar(similar, len(rows))
        weights, rows, similar = without_zeros(weights, rows, similar)
        check_both_kinds(similar)
        self._warn_of_contradictions(rows, similar, X.shape[0], depth)
        weights = normalize_weights(weights, len(rows))
        means = mean_weights(weights, similar)
        return parameters, X, Pairs(rows, weights, X.shape[0], similar, means)

    def _warn_of_contradictions(self, pairs, similar, n_rows, depth):
        n = count_contradictions(pairs, similar, n_rows)
        if n:
            warn(
                f"{type(self).__name__} got contradictory pairs, similar in one place and "
                f"dissimilar in another: {n}. Each counts as both; drop the wrong ones.",
                UserWarning,
                stacklevel=depth,
            )
