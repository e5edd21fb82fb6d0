"""The contrastive learner: similar rows must be near, dissimilar ones far apart."""

from warnings import warn

from sklearn.utils.metaestimators import available_if

from ._base import BaseMetricLearner, is_stochastic, rollback_on_error
from ._compat import with_callbacks
from ._docs import LEARNER_TEXTS, with_texts
from ._objective._constraints import PairConstraints
from ._objective._supervision import (
    Pairs,
    mean_weights,
    normalize_weights,
    without_zeros,
)
from ._validation import check_both_kinds, check_similar, count_contradictions

_with_shared_texts = with_texts(
    **LEARNER_TEXTS,
    tuples="pairs",
    few="with few positives and negatives per anchor",
    subsamples="None",
    active="At each iteration the share of selected pairs with a positive slack.",
)


@_with_shared_texts
class ContrastiveMetricLearner(BaseMetricLearner):
    """Learn a linear map from pairs: similar rows near, dissimilar ones far apart.

    Rows of a class must be nearer than `pos_margin`, rows of different classes farther
    than `margin`. So distances themselves are learnt, not only their order. By default each
    row is paired with near rows, which is best for nearest neighbours. Set
    ``positives="all"`` and ``negatives="all"`` for one threshold over all pairs, as in
    verification, de-duplication and clustering. ``fit`` selects pairs by labels,
    ``fit_pairs`` takes given ones.

    The parameters tell:

    - What to learn: `n_components`, `metric`, `loss`, `margin`, `pos_margin`, `init`,
      `alpha`.
    - What to learn from: `target`, `unlabeled`, `class_weight`, `positives`, `negatives`,
      `n_neighbors`, `n_impostors`, `negative_weight`.
    %(how)s

    Parameters
    ----------
    %(space)s
    loss : {"auto", "hinge", "squared_hinge", "softplus"}, default="auto"
        The cost of the slack v of a pair: ``max(v, 0)``, its square, or
        ``log(1 + exp(v))``. The slack is ``d - pos_margin`` for similar rows and
        ``margin - d`` for dissimilar ones. The loss is the mean over the similar pairs plus
        `negative_weight` times the mean over the dissimilar pairs. ``"auto"`` is
        ``"squared_hinge"`` for matches, else ``"hinge"``.
    margin : float or "auto", default="auto"
        How far apart dissimilar rows must be. Greater than `pos_margin`. Distances have
        the scale of W₀, see `init`, but are between 0 and 2 under ``"cosine"``. ``"auto"``
        is 1.5 times the mean distance under W₀ of the pairs that are learnt from, of which
        similar and dissimilar ones count half each.
    pos_margin : float or "auto", default="auto"
        How near similar rows must be. At least 0. ``"auto"`` is a third of the margin.
    %(start)s
    %(target)s
    %(positives)s
    negatives : {"auto", "all", "nearest", "hard", "random", "distance_weighted"} or \
callable, default="auto"
        Which rows of other classes are its negatives: all, the `n_impostors` nearest, the
        nearest, a random one, or one drawn by distance (``metric="cosine"`` only).
        ``"auto"`` is ``"nearest"``. See :mod:`skmetric.mining` for callables.
    %(n_neighbors)s
    n_impostors : int, default=8
        For ``negatives="nearest"``, likewise.
    negative_weight : float, default=1.0
        Weight of the dissimilar pairs. Greater than 0.
    %(optimization)s

    Attributes
    ----------
    %(attributes)s
    validation_scores_ : list of float or None
        With `early_stopping`, the score after each epoch. For given pairs it is how often a
        similar pair held out is nearer than a dissimilar one.
    margin_, pos_margin_ : float
        The margins that were used. ``partial_fit`` keeps those of its first chunk.

    See Also
    --------
    TripletMetricLearner : Learns from triplets, with the order of distances.

    Notes
    -----
    %(copies)s

    ``metric="euclidean"`` with ``pos_margin=0`` gives the textbook losses:
    ``loss="squared_hinge"`` that of [1]_ up to a factor, ``loss="hinge"`` the one without
    squares. Similar and dissimilar pairs have a mean each, so that the similar ones count
    where they are rare. The mean metric of `n_subsamples` is subagging [2]_.

    L-BFGS minimizes the hinge with a quadratic foot, ``v ** 2 / 0.04`` up to a slack v of
    0.02. Without a kink it needs fewer iterations, and small changes of X make
    small changes of the map. Penalty and steps are measured on the span of the training
    rows, so that constant columns change nothing, and a fit to fewer rows than features
    goes on in as many dimensions as rows.

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
        loss="auto",
        margin="auto",
        pos_margin="auto",
        init="auto",
        alpha="auto",
        target="auto",
        unlabeled=None,
        class_weight=None,
        positives="nearest",
        negatives="auto",
        n_neighbors="auto",
        n_impostors=8,
        negative_weight=1.0,
        solver="auto",
        n_subsamples=None,
        batch_size=None,
        learning_rate_init=0.005,
        momentum=0.9,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        max_iter=None,
        tol="auto",
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
        self.init = init
        self.alpha = alpha
        self.target = target
        self.unlabeled = unlabeled
        self.class_weight = class_weight
        self.positives = positives
        self.negatives = negatives
        self.n_neighbors = n_neighbors
        self.n_impostors = n_impostors
        self.negative_weight = negative_weight
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

    @rollback_on_error
    @with_callbacks
    @_with_shared_texts
    def fit_pairs(self, X, pairs, similar, sample_weight=None):
        """Learn the map from given pairs, without labels.

        %(unlabeled)s

        Each mini-batch has its share of similar pairs. With `early_stopping`,
        `validation_fraction` of the similar and of the dissimilar pairs are held out. Their
        score is how often a similar pair is nearer than a dissimilar one.

        Parameters
        ----------
        %(X)s
        pairs : array-like of int of shape (n_pairs, 2), tuple of two arrays, or MultiIndex
            Row indices into X, two different rows. Their order does not matter.
        similar : array-like of bool of shape (n_pairs,)
            Whether the rows belong together; some of each kind. Pairs of random rows
            commonly serve as dissimilar ones.
        sample_weight : array-like of shape (n_pairs,), default=None
            Weights of pairs, at least 0. None gives equal weights. The mean over similar
            pairs and that over dissimilar ones are weighted separately. So only proportions
            within each matter, and a weight of 2 has the same effect as a pair given twice.
            `negative_weight` sets the balance of the two.

        %(returns)s

        Raises
        ------
        ValueError, TypeError
            As `fit` does, and for pairs that are not two different rows of X each, pairs
            of one kind only, or weights that are negative or all 0. The estimator then
            stays as it was.

        Warns
        -----
        UserWarning
            If pairs, in either order, are both similar and dissimilar. All are learnt
            from.

        Notes
        -----
        %(complexity)s

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
        given = self._checked_pairs(X, pairs, similar, sample_weight, reset=True, depth=6)
        parameters, X, target = given
        return self._fit(parameters, X, target, {"X": X})

    @available_if(is_stochastic)
    @rollback_on_error
    @_with_shared_texts
    def partial_fit_pairs(self, X, pairs, similar, sample_weight=None):
        """Go once over a chunk of pairs, in mini-batches, at a constant learning rate.

        %(chunk)s
        pairs : array-like of int of shape (n_pairs, 2), tuple of two arrays, or MultiIndex
            Row indices into this X.
        similar : array-like of bool of shape (n_pairs,)
            Whether the rows belong together; some of each kind.
        sample_weight : array-like of shape (n_pairs,), default=None
            Weights. Only their proportions within each kind and the chunk matter.

        %(returns)s

        Raises
        ------
        ValueError, TypeError
            As `fit_pairs` does. The estimator then stays as it was.
        """
        reset = not hasattr(self, "components_")
        given = self._checked_pairs(X, pairs, similar, sample_weight, reset, depth=5)
        return self._partial_fit(*given)

    def _checked_pairs(self, X, pairs, similar, sample_weight, reset, depth):
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
