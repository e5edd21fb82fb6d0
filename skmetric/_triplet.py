"""The triplet learner: a positive must be nearer than a negative, by a margin."""

from sklearn.utils.metaestimators import available_if

from ._base import BaseMetricLearner, all_or_nothing, is_stochastic
from ._compat import with_callbacks
from ._objective._constraints import TripletConstraints
from ._objective._supervision import Triplets, normalize_weights, without_zeros


class TripletMetricLearner(BaseMetricLearner):
    """Learn a linear map from triplets: anchor, positive, negative.

    For every selected triplet the anchor must be nearer to the positive, a row of its
    class, than to the negative, a row of another class, by a margin. Only the order of
    distances matters, not their size: the right choice for nearest neighbours and
    retrieval. Triplets may also be given, with ``fit_triplets`` in place of ``fit``.

    Parameters
    ----------
    n_components : int, default=None
        Dimension of the learnt space; None keeps `n_features`, or as many as `init` has to
        give. At most `n_features`.
    metric : {"sqeuclidean", "euclidean", "cosine"}, default="sqeuclidean"
        The distance d between mapped rows. Under ``"cosine"``, for embeddings whose length
        means nothing, ``transform`` returns rows of length 1.
    loss : {"hinge", "squared_hinge", "softplus"}, default="hinge"
        What the slack ``v = d(anchor, positive) - d(anchor, negative) + margin`` costs:
        ``max(v, 0)``, its square, or ``log(1 + exp(v))``. The mean is over all selected
        triplets.
    margin : float, default=0.1
        By how much a negative must be farther than a positive. In units in which the mean
        squared distance of two rows under W₀ is 1; under ``"cosine"`` distances are
        between 0 and 2. Greater than 0.
    positives : {"all", "nearest", "hard", "random"} or callable, default="nearest"
        Which rows of its class an anchor is paired with: every one, the `n_neighbors`
        nearest, the farthest, or one at random.
    negatives : {"all", "nearest", "semihard", "hard", "random", "distance_weighted"} or \
callable, default="nearest"
        Which rows of other classes: every one, the `n_impostors` nearest, the nearest
        that is farther than the positive, the nearest, one at random, or one drawn by
        distance (``metric="cosine"`` only). See :mod:`skmetric.mining` for callables.
    n_neighbors : int, default=4
        For ``positives="nearest"``: how many, or as many as there are.
    n_impostors : int, default=8
        For ``negatives="nearest"``, likewise. With few the map serves near neighbours,
        with many, or ``negatives="all"``, retrieval of classes that it has not seen.
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
        ``"lbfgs"`` takes all rows at once, deterministically, in O(n²) time an iteration,
        or O(n) with ``negatives="nearest"`` and few positives; mined constraints are
        formed anew in up to 3 rounds, in O(n²) time each. ``"adam"`` and ``"sgd"`` go
        through stratified mini-batches and form constraints within each, in
        O(n · batch_size) time per epoch; their learning rate falls linearly to 0 over the
        budget. ``"auto"`` is ``"lbfgs"`` up to 3000 rows if X has no more than 131,072
        entries, up to 20,000 and 262,144 with the nearest negatives of some positives,
        or up to 200,000 given triplets; ``"adam"`` above, where that is faster, and
        wherever an option of the stochastic solvers differs from its default. What is set
        but has no effect with the solver is said in a warning.
    n_subsamples : int or None, default=1
        For ``solver="lbfgs"`` with labels: if more than 1, that many maps are learnt, each
        from a random half of the rows of each class, and the map is that of their mean
        metric, in which chance has less part. A half is learnt from with half of
        `n_neighbors` and `n_impostors`, which are then about as near. None is 8 up to 3000
        rows, and 1 above. With 1 the solver draws nothing.
    batch_size : int, default=None
        Rows in a mini-batch, about; at least 4. Larger ones find nearer neighbours. None is
        256, and up to 1024 where X has fewer than 256 features. For given triplets: how
        many of these, about, and None is 256.
    learning_rate_init : float, default=0.01
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
        given triplets the share of those held out in the right order.
    margin_ : float
        The margin, as it was given.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X had any.

    See Also
    --------
    ContrastiveMetricLearner : Learns from pairs, with absolute distances.
    sklearn.neighbors.NeighborhoodComponentsAnalysis : Maximises soft 1-NN accuracy.

    Notes
    -----
    Copies, rows with the same numbers and the same label, are one row: as an anchor it
    weighs as much as they are, as a positive or negative it is one. So classes may be
    oversampled, ``fit(np.repeat(X, 5, axis=0), ...)`` gives what ``fit(X, ...)`` does under
    L-BFGS, and mini-batches merge the copies that they hold.

    With ``negatives="all"`` every triplet counts and none is enumerated: a sort of each
    anchor's distances gives the exact loss and gradient in O(n² log n). ``"softplus"`` has
    no such form and takes O(n² · positives) time, in O(n) memory an anchor. Memory for
    L-BFGS is bounded by scikit-learn's ``working_memory`` and O(n): with all positives,
    constraints whose indices do not fit are formed anew in each iteration.

    nearest x all is the objective of LMNN [1]_ without its term that pulls, with targets
    that follow the learnt map; the default, nearest x nearest, the same among near rows
    only. all x semihard is FaceNet's [2]_, hard x hard batch-hard [3]_.

    References
    ----------
    .. [1] K. Weinberger, L. Saul, "Distance metric learning for large margin nearest
       neighbor classification", JMLR 10, 2009.
    .. [2] F. Schroff, D. Kalenichenko, J. Philbin, "FaceNet: A unified embedding for face
       recognition and clustering", CVPR 2015.
    .. [3] A. Hermans, L. Beyer, B. Leibe, "In defense of the triplet loss for person
       re-identification", 2017.

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
        loss="hinge",
        margin=0.1,
        positives="nearest",
        negatives="nearest",
        n_neighbors=4,
        n_impostors=8,
        init="auto",
        alpha=0.1,
        solver="auto",
        n_subsamples=1,
        batch_size=None,
        learning_rate_init=0.01,
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
    def fit_triplets(self, X, triplets, sample_weight=None):
        """Learn the map from given triplets, without labels.

        `positives`, `negatives`, `n_neighbors`, `n_impostors` and `n_subsamples` are
        ignored. Mini-batches of the stochastic solvers consist of about `batch_size`
        triplets, and an epoch visits each exactly once. With `early_stopping`,
        `validation_fraction` of the triplets are held out, and an epoch is judged by the
        share of these in the right order. ``init="lda"`` needs labels and is refused.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float32 stays float32; CSR is never made dense.
        triplets : array-like of int of shape (n_triplets, 3), or tuple of three arrays
            Row indices into X: anchor, positive, negative, three different rows.
        sample_weight : array-like of shape (n_triplets,), default=None
            Weights of triplets, at least 0; None stands for equal ones. The loss is the
            weighted mean, so a weight of 2 is as the triplet given twice, and only the
            proportions of weights matter.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            As `fit` does, and for triplets that are not three different rows of X each,
            or weights that are negative or all 0; the estimator then stays as it was.

        Notes
        -----
        An iteration of L-BFGS over n rows and m triplets in k dimensions takes
        O(n · n_features · k + m · k) time, an epoch of the others O(m · n_features · k).
        Memory is that of the indices and, for L-BFGS, of X and the mapped rows.

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
        parameters, X, given = self._given(X, triplets, sample_weight, reset=True)
        return self._fit(parameters, X, given, {"X": X})

    @available_if(is_stochastic)
    @all_or_nothing
    def partial_fit_triplets(self, X, triplets, sample_weight=None):
        """Go once over a chunk of triplets, in mini-batches, at a constant learning rate.

        As `partial_fit`, which it may take turns with: both go on from the map there is.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows that the chunk refers to.
        triplets : array-like of int of shape (n_triplets, 3), or tuple of three arrays
            Row indices into this X.
        sample_weight : array-like of shape (n_triplets,), default=None
            Weights, whose proportions within the chunk matter.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            As `fit_triplets` does; the estimator then stays as it was.
        """
        reset = not hasattr(self, "components_")
        return self._partial_fit(*self._given(X, triplets, sample_weight, reset))

    def _given(self, X, triplets, sample_weight, reset):
        parameters, X, rows, weights = self._checked_tuples(
            X, "triplets", triplets, sample_weight, reset
        )
        weights, rows = without_zeros(weights, rows)
        weights = normalize_weights(weights, len(rows))
        return parameters, X, Triplets(rows, weights, X.shape[0])
