"""Texts that several docstrings contain, each written once."""

import inspect


def with_texts(**texts):
    """Decorator that replaces each ``%(name)s`` in a docstring by the text of that name.

    A name must stand where the docstring is not indented further than its first line. A
    text may contain the names of later ones. Where there is no docstring, as under
    ``python -OO``, nothing changes.
    """

    def fill(documented):
        if documented.__doc__:
            filled = inspect.cleandoc(documented.__doc__)
            for name, text in texts.items():
                filled = filled.replace(f"%({name})s", text)
            documented.__doc__ = filled + "\n"
        return documented

    return fill


MATCH_TEXTS = {
    "tables": """\
queries : {array-like, sparse matrix} of shape (n_queries, n_features)
    float32 stays float32; CSR is never made dense.
documents : {array-like, sparse matrix} of shape (n_documents, n_features), or None
    None for the same table, in which a row is no candidate for itself.
matches : array-like of int of shape (n_matches, 2), tuple of two arrays or MultiIndex
    A row of `queries` and a row of `documents` in each. Both may be in several matches.
sample_weight : array-like of shape (n_matches,), default=None
    Weights of matches, at least 0, such as numbers of clicks. None gives equal weights.
    Only their proportions matter. Those of equal matches are added.""",
}
# What the docstrings of both learners contain. The learners give the texts for
# %(tuples)s: "triplets" or "pairs", %(few)s, %(subsamples)s and %(active)s.
LEARNER_TEXTS = {
    "how": """\
- How to optimize: `solver`, `n_subsamples`, `batch_size`, `learning_rate_init`,
  `momentum`, `beta_1`, `beta_2`, `epsilon`.
- When to stop: `max_iter`, `tol`, `n_iter_no_change`, `early_stopping`,
  `validation_fraction`, `scoring`.
- As in other estimators: `warm_start`, `verbose`, `random_state`.""",
    "space": """\
n_components : int, default=None
    Dimension of the learnt space, at most `n_features`. None keeps `n_features`, or as many
    as `init` can give.
metric : {"sqeuclidean", "euclidean", "cosine"}, default="sqeuclidean"
    The distance d between mapped rows. ``"cosine"`` is for embeddings whose length has no
    meaning: ``transform`` then returns rows of length 1.""",
    "start": """\
init : {"auto", "discriminant", "identity", "pca", "lda", "random"} or array-like of \
shape (n_components, n_features), default="auto"
    The map W₀ to start from. `alpha` penalizes the distance from it. ``"discriminant"``
    stretches the directions that tell classes, or given constraints, apart, keeps all
    others, and half-whitens the scatter within classes. From 4 classes on, in up to 1024
    directions, some classes are left out in turn, and the map does more or less of this,
    as serves to retrieve them. For matches it does a sixth. It takes O(n · n_features² +
    n_features³) time. ``"auto"`` is that for dense X of up to 4096 features, or of fewer
    rows than features, else ``"identity"`` if all components are kept, else ``"pca"``.
    ``"lda"`` is linear discriminant analysis: better for retrieval of the classes trained
    on, worse for others. The classes of a continuous target are its deciles. All but an
    array are scaled so that the mean squared distance of two training rows is 1.
alpha : float or "auto", default="auto"
    Weight of the penalty ``alpha / 2 * g * |W - W₀|² / |W₀|²``, which is added to the loss,
    with ``g = |W₀| * |gradient at W₀|``. At least 0. With alpha=1 and a constant gradient
    of the loss, W would be at the distance ``|W₀|`` from W₀, for any data and any loss.
    ``"auto"`` is 1 for matches, which say nothing of most documents, and where classes that
    are left out ask for less than the usual ``init="discriminant"``. For other labels it is
    50 divided by the number of rows, for ``partial_fit`` of the first chunk, but within 0.1
    and 0.5. Else it is 0.1.""",
    "target": """\
target : {"auto", "classes", "continuous"}, default="auto"
    What y is. For ``"classes"`` a row belongs with the rows of its class. For
    ``"continuous"``, as for k-NN regression, it belongs with the rows whose y is near: at
    most a tenth of the rows away in order of y. Rows more than a fifth away are its
    negatives, the others are neither. Only the order of y matters. ``"auto"`` is
    ``"continuous"`` for floats of which some are fractional, else ``"classes"``. With
    several labels a row, a column of 0 and 1 for each, a row belongs with those that have
    a label in common with it. Those that have none are its negatives.
unlabeled : object, default=None
    The label in y of rows that have none, such as -1. They are left out: they are neither
    positives nor negatives, and change neither W₀ nor the scale. None for none.
class_weight : dict, "balanced" or None, default=None
    Weights of classes, by which their rows count as anchors: a dict from label to weight,
    greater than 0, where labels left out have 1, or ``"balanced"``, by which each class has
    the same weight, ``n_samples / (n_classes * n_rows_of_the_class)``. None weighs each row
    alike. Only their proportions matter. Mini-batches hold the rows of a class as often as
    it weighs, so that rare classes come often, where otherwise each row comes once per
    epoch. ``partial_fit`` balances each chunk.""",
    "positives": """\
positives : {"all", "nearest", "hard", "random"} or callable, default="nearest"
    Which rows of its class, or near in y, each row, as the anchor, is paired with: all, the
    `n_neighbors` nearest, the farthest, or a random one.""",
    "n_neighbors": """\
n_neighbors : int or "auto", default="auto"
    For ``positives="nearest"``: how many per anchor, or all if there are fewer. ``"auto"``
    is 2 for matches, else 4.""",
    "optimization": """\
solver : {"auto", "lbfgs", "adam", "sgd"}, default="auto"
    ``"lbfgs"`` uses all rows in each iteration, which takes O(n²) time, or O(n)
    %(few)s. It mines constraints in up to 3 rounds,
    in O(n²) time each. ``"adam"`` and ``"sgd"`` use stratified mini-batches and mine within
    each, in O(n · batch_size) time per epoch. Rows of several labels are stratified by one
    of them, drawn anew in each epoch, a rare one more often. The learning rate stays as it
    is while the fit gains, and then falls linearly to 0. ``"auto"`` is ``"adam"`` if an
    option of the stochastic solvers differs from its default. Otherwise it is ``"lbfgs"``
    up to 3000 rows if X has at most 131,072 entries, up to 20,000 and 262,144 with the
    nearest negatives of some positives, or up to 200,000 given %(tuples)s, or if matches
    are of n queries and m documents with n * m of at most 2,097,152. It is ``"adam"``
    above, where that is faster. A warning names the options that are set but have no effect
    with the solver.
n_subsamples : int or None, default=%(subsamples)s
    For ``solver="lbfgs"`` with labels. If greater than 1, this many maps are learnt, each
    from a random half of the rows of each class and with half of `n_neighbors` and
    `n_impostors`, which are then about as near. The result is the map of their mean metric,
    which varies less. None is 8 up to 3000 rows, and 1 above. With 1 nothing is drawn.
batch_size : int, default=None
    About how many rows a mini-batch has, at least 4. Larger ones contain nearer neighbours.
    None is 256, and up to 1024 if X has fewer than 256 features. For given %(tuples)s:
    about how many of these, and None is 256.
learning_rate_init : float, default=0.005
    Step size at the start, relative to W₀: to the root mean square of its entries for
    ``"adam"``, to its Frobenius norm for ``"sgd"``.
momentum : float, default=0.9
    For ``solver="sgd"``, in [0, 1).
beta_1 : float, default=0.9
    Decay rate of Adam's running mean of the gradient, in [0, 1).
beta_2 : float, default=0.999
    Decay rate of Adam's running mean of the squared gradient, in [0, 1).
epsilon : float, default=1e-8
    Adam's term for numerical stability.
max_iter : int, default=None
    At most this many epochs, or iterations of L-BFGS in each round. None is 200 iterations
    of L-BFGS. For the others it is 5 epochs from ``init="discriminant"``, but at least 100
    and at most 200 updates, 300 updates from other maps, and up to 1200 while the fit still
    gains much; an iteration is then 20 updates, a part of an epoch or several. Below one
    epoch, a random part of the rows of each class is learnt from, at least two of each.
tol : float or "auto", default="auto"
    An iteration improves the loss if it lowers it by at least `tol` times the loss at the
    start. L-BFGS stops at the first that does not. After `n_iter_no_change` in a row that
    do not, the learning rate of the stochastic solvers falls to 0, in a quarter as many
    iterations as there were, and the fit ends. ``"auto"`` is 1e-3 for matches, else 1e-4.
n_iter_no_change : int, default=10
    For the stochastic solvers: after how many iterations in a row without improvement the
    learning rate falls.
early_stopping : bool, default=False
    For the stochastic solvers: whether to hold out `validation_fraction` of the rows of
    each class, or decile of a continuous target, score them after each iteration, let the
    learning rate fall after `n_iter_no_change` iterations without improvement, and keep the
    best map.
validation_fraction : float, default=0.1
    For `early_stopping`, in (0, 1).
scoring : callable, default=None
    For `early_stopping` with labels: ``scoring(learner, X, y)`` of the rows held out,
    greater is better, such as ``retrieval_scorer("map_at_r")``. None is the
    1-nearest-neighbour accuracy of at most 2048 of them, with neighbours among the rows
    that are learnt from, or for a continuous target R² of its nearest neighbour's value.
warm_start : bool, default=False
    Whether ``fit`` starts from the current map, if any, in the rotation that is nearest to
    W₀. The penalty still refers to W₀.
verbose : bool or int, default=0
    Whether to print a line per iteration.
random_state : int, RandomState instance or None, default=None
    For mini-batches, rows held out, random positives and negatives, the halves of
    `n_subsamples`, ``init="random"``, and the PCA of more than 1024 features.""",
    "attributes": """\
components_ : ndarray of shape (n_components, n_features)
    The learnt map W. After a fit its rows are in the order of the variance that they give
    to the training rows, and the largest entry of each is positive, but for
    ``side="queries"``.
initial_components_ : ndarray of shape (n_components, n_features)
    W₀.
alpha_ : float
    The weight of the penalty, as it was given or what ``"auto"`` stood for.
solver_ : str
    The solver that was used.
side_ : {"both", "queries"}
    Which rows are mapped: ``"queries"`` only after `fit_matches` with that `side`.
n_iter_ : int
    Number of epochs, of iterations of 20 updates if `max_iter` is None, or of iterations of
    L-BFGS in all rounds and all halves of `n_subsamples`.
loss_ : float
    The last of `loss_curve_`.
loss_curve_ : list of float
    The loss, with the penalty, after each iteration. For the stochastic solvers it is the
    mean over the batches of an iteration, each before its update. With `n_subsamples` the
    curves of the halves follow each other. Their mean metric has no curve.
active_fraction_ : float
    The last of `active_fraction_curve_`.
active_fraction_curve_ : list of float
    %(active)s
n_features_in_ : int
    Number of features seen during fit.
feature_names_in_ : ndarray of shape (n_features,)
    Their names, if X had any.""",
    "copies": """\
Copies are rows with the same numbers and the same label. They count as one row: as an
anchor it has the weight of all of them, as a positive or negative that of one. So classes
may be oversampled. With L-BFGS, ``fit(np.repeat(X, 5, axis=0), ...)`` gives the same map as
``fit(X, ...)``. Mini-batches merge the copies that they contain.""",
    "unlabeled": """\
`target`, `unlabeled`, `class_weight`, `positives`, `negatives`, `n_neighbors`,
`n_impostors` and `n_subsamples` are ignored.
``init="lda"`` needs labels and is refused. An epoch of the stochastic solvers visits all
%(tuples)s exactly once, in mini-batches of about `batch_size` of them.""",
    "X": """\
X : {array-like, sparse matrix} of shape (n_samples, n_features)
    float32 stays float32; CSR is never made dense.""",
    "returns": """\
Returns
-------
self : object
    The fitted estimator.""",
    "complexity": """\
For n rows and m %(tuples)s in k dimensions, an iteration of L-BFGS takes
O(n · n_features · k + m · k) time, an epoch of the others O(m · n_features · k). Memory is
that of the indices and, for L-BFGS, of X and the mapped rows.""",
    "chunk": """\
Calls may alternate with those of `partial_fit`: both start from the current map.

Parameters
----------
X : {array-like, sparse matrix} of shape (n_samples, n_features)
    The rows that the chunk refers to.""",
}
