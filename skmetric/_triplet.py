"""The triplet learner: a positive must be nearer than a negative, by a margin."""

from sklearn.utils.metaestimators import available_if

from ._base import BaseMetricLearner, is_stochastic, rollback_on_error
from ._compat import with_callbacks
from ._docs import LEARNER_TEXTS, with_texts
from ._objective._constraints import TripletConstraints
from ._objective._supervision import Triplets, normalize_weights, without_zeros

_with_shared_texts = with_texts(
    **LEARNER_TEXTS,
    tuples="triplets",
    few='with ``negatives="nearest"`` and few positives',
    subsamples="1",
    active="""At each iteration the share of selected triplets with a positive slack. For
    ``loss="softmax"`` the share of (anchor, positive) pairs with a negative that is nearer
    than the positive.""",
)


@_with_shared_texts
class TripletMetricLearner(BaseMetricLearner):
    """Learn a linear map from triplets: anchor, positive, negative.

    An anchor must be nearer to a positive, a row of its class, than to a negative, a row of
    another class, by a margin. Only the order of distances matters, not their size. This
    suits nearest neighbours and retrieval. ``fit`` selects triplets by labels,
    ``fit_triplets`` takes given ones.

    The parameters tell:

    - What to learn: `n_components`, `metric`, `loss`, `margin`, `temperature`, `init`,
      `alpha`.
    - What to learn from: `target`, `unlabeled`, `class_weight`, `positives`, `negatives`,
      `n_neighbors`, `n_impostors`.
    %(how)s

    Parameters
    ----------
    %(space)s
    loss : {"auto", "hinge", "squared_hinge", "softplus", "softmax"}, default="auto"
        The cost of the slack ``v = d(anchor, positive) - d(anchor, negative) + margin``:
        ``max(v, 0)``, its square, or ``log(1 + exp(v))``. The loss is the mean over all
        selected triplets. ``"softmax"`` is one cost for an (anchor, positive) pair and all
        of its negatives, ``log(1 + sum(exp((d(anchor, positive) - d(anchor, negative)) /
        temperature)))``, also known as InfoNCE or N-pair loss. The loss is then the mean
        over the pairs. ``"auto"`` is ``"softmax"`` for matches, else ``"hinge"``.
    margin : float, default=0.1
        By how much a negative must be farther than a positive. Greater than 0.
        Distances have the scale of W₀, see `init`, but are between 0 and 2 under
        ``"cosine"``. Without effect for ``"softmax"``.
    temperature : float, default=0.05
        For ``"softmax"``, in units of distances as the margin is. Greater than 0. The lower
        it is, the more the nearest negatives of an anchor count against the others.
    %(start)s
    %(target)s
    %(positives)s
    negatives : {"auto", "all", "nearest", "semihard", "hard", "random", \
"distance_weighted"} or callable, default="auto"
        Which rows of other classes are its negatives: all, the `n_impostors` nearest, the
        nearest that is farther than the positive, the nearest, a random one, or one drawn
        by distance (``metric="cosine"`` only). ``"auto"`` is ``"all"`` for matches, else
        ``"nearest"``. See :mod:`skmetric.mining` for callables.
    %(n_neighbors)s
    n_impostors : int, default=8
        For ``negatives="nearest"``, likewise. Few suit nearest neighbours. Many, or
        ``negatives="all"``, suit retrieval of classes that were not trained on.
    %(optimization)s

    Attributes
    ----------
    %(attributes)s
    validation_scores_ : list of float or None
        With `early_stopping`, the score after each epoch. For given triplets it is the
        share of those held out that are in the right order.
    margin_ : float or None
        The margin, as it was given; None for ``loss="softmax"``.

    See Also
    --------
    ContrastiveMetricLearner : Learns from pairs, with absolute distances.
    sklearn.neighbors.NeighborhoodComponentsAnalysis : Maximizes soft 1-NN accuracy.

    Notes
    -----
    %(copies)s

    With ``negatives="all"`` every triplet counts, but none is enumerated. A sort of each
    anchor's distances gives the exact loss and gradient in O(n² log n) time. ``"softplus"``
    cannot use the sort: it takes O(n²) time with a factor of about 20, or of the positives
    per anchor if these are fewer. ``"softmax"`` takes O(n²) time. Memory for L-BFGS is
    O(n) plus scikit-learn's ``working_memory``. With all positives,
    constraints whose indices need more are formed again in each iteration.

    Some choices of `positives` and `negatives` are known from the literature. ``"nearest"``
    and ``"all"`` give the objective of LMNN [1]_ without its pull term, with target
    neighbours that follow the learnt map. The default gives the same among near rows only.
    ``"all"`` and ``"semihard"`` are the selection of FaceNet [2]_, ``"hard"`` and
    ``"hard"`` the batch-hard one [3]_. ``loss="softmax"`` is the N-pair loss [4]_ with
    distances in place of inner products.

    L-BFGS minimizes the hinge with a quadratic foot, ``v ** 2 / 0.1`` up to a slack v of
    0.05, or of half of the margin. Without a kink it needs fewer iterations, and small
    changes of X make small changes of the map. Penalty and steps are measured on the span
    of the training rows, so that constant columns change nothing, and a fit to fewer rows
    than features goes on in as many dimensions as rows.

    References
    ----------
    .. [1] K. Weinberger, L. Saul, "Distance metric learning for large margin nearest
       neighbor classification", JMLR 10, 2009.
    .. [2] F. Schroff, D. Kalenichenko, J. Philbin, "FaceNet: A unified embedding for face
       recognition and clustering", CVPR 2015.
    .. [3] A. Hermans, L. Beyer, B. Leibe, "In defense of the triplet loss for person
       re-identification", 2017.
    .. [4] K. Sohn, "Improved deep metric learning with multi-class N-pair loss objective",
       NeurIPS 2016, eq. 6.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from skmetric import TripletMetricLearner
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(TripletMetricLearner(n_components=2), KNeighborsClassifier())
    >>> model.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.9
    True
    """

    _family = TripletConstraints

    def __init__(
        self,
        n_components=None,
        *,
        metric="sqeuclidean",
        loss="auto",
        margin=0.1,
        temperature=0.05,
        init="auto",
        alpha="auto",
        target="auto",
        unlabeled=None,
        class_weight=None,
        positives="nearest",
        negatives="auto",
        n_neighbors="auto",
        n_impostors=8,
        solver="auto",
        n_subsamples=1,
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
        self.temperature = temperature
        self.init = init
        self.alpha = alpha
        self.target = target
        self.unlabeled = unlabeled
        self.class_weight = class_weight
        self.positives = positives
        self.negatives = negatives
        self.n_neighbors = n_neighbors
        self.n_impostors = n_impostors
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
    def fit_triplets(self, X, triplets, sample_weight=None):
        """Learn the map from given triplets, without labels.

        %(unlabeled)s

        With `early_stopping`, `validation_fraction` of the triplets are held out. Their
        score is the share in the right order.

        Parameters
        ----------
        %(X)s
        triplets : array-like of int of shape (n_triplets, 3), or tuple of three arrays
            Row indices into X: anchor, positive, negative, three different rows.
        sample_weight : array-like of shape (n_triplets,), default=None
            Weights of triplets, at least 0. None gives equal weights. The loss is the
            weighted mean. So only the proportions of weights matter, and a weight of 2 has
            the same effect as a triplet given twice. For ``loss="softmax"`` the triplets
            with one anchor and one positive are one pair. It has the largest weight of
            theirs, and a negative counts by the proportion of its own weight to that.

        %(returns)s

        Raises
        ------
        ValueError, TypeError
            As `fit` does, and for triplets that are not three different rows of X each,
            or weights that are negative or all 0. The estimator then stays as it was.

        Notes
        -----
        %(complexity)s

        Examples
        --------
        >>> import numpy as np
        >>> from skmetric import TripletMetricLearner
        >>> X = np.array([[0.0, 0.0], [0.1, 3.0], [1.0, 0.1], [1.1, 3.1]])
        >>> triplets = [[0, 1, 2], [1, 0, 3], [2, 3, 0], [3, 2, 1]]
        >>> learner = TripletMetricLearner().fit_triplets(X, triplets)
        >>> learner.score_triplets(X, triplets)
        1.0
        """
        parameters, X, given = self._checked_triplets(
            X, triplets, sample_weight, reset=True
        )
        return self._fit(parameters, X, given, {"X": X})

    @available_if(is_stochastic)
    @rollback_on_error
    @_with_shared_texts
    def partial_fit_triplets(self, X, triplets, sample_weight=None):
        """Go once over a chunk of triplets, in mini-batches, at a constant learning rate.

        %(chunk)s
        triplets : array-like of int of shape (n_triplets, 3), or tuple of three arrays
            Row indices into this X.
        sample_weight : array-like of shape (n_triplets,), default=None
            Weights. Only their proportions within the chunk matter.

        %(returns)s

        Raises
        ------
        ValueError, TypeError
            As `fit_triplets` does. The estimator then stays as it was.
        """
        reset = not hasattr(self, "components_")
        return self._partial_fit(*self._checked_triplets(X, triplets, sample_weight, reset))

    def _checked_triplets(self, X, triplets, sample_weight, reset):
        parameters, X, rows, weights = self._checked_tuples(
            X, "triplets", triplets, sample_weight, reset
        )
        weights, rows = without_zeros(weights, rows)
        weights = normalize_weights(weights, len(rows))
        triplets = Triplets(rows, weights, X.shape[0])
        if parameters.loss == "softmax":
            triplets = triplets.grouped()
        return parameters, X, triplets
