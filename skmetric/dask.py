"""The same two learners for rows that are spread over a cluster, in dask collections.

Needs dask's arrays, and distributed for a cluster: ``pip install 'skmetric[dask]'``. The
current ``dask.distributed.Client`` is used, and ``with client.as_current():`` chooses one.
Without any, threads of this process serve.
"""

import inspect
from numbers import Integral

import dask.array as da
import numpy as np
from dask import delayed
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_is_fitted, validate_data

from ._base import WORDS, all_or_nothing
from ._cluster import learn_over_partitions
from ._compat import with_callbacks
from ._contrastive import ContrastiveMetricLearner
from ._initialization import initial_map
from ._labelled_partitions import LabelledPartitions
from ._maps import map_rows
from ._partitioned_retrieval import report_of_sample
from ._partitions import answer_of, rows_of
from ._ranking import METRICS
from ._retrieval import DEFAULT_SCORES
from ._triplet import TripletMetricLearner
from ._validation import (
    check_number,
    check_parameters,
    check_word,
    float_dtype,
    float_dtypes,
    random_state_of,
)

__all__ = [
    "DaskContrastiveMetricLearner",
    "DaskTripletMetricLearner",
    "retrieval_report",
]


def __dir__():
    return __all__


class InMemoryOnly:
    """Stands for a method that the local learner has."""

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        raise AttributeError(
            f"{owner.__name__} has no {self.name}, which needs rows in memory. Use "
            f"to_local().{self.name}, or {owner.__name__.removeprefix('Dask')}."
        )


class OverPartitions:
    """What turns a learner in memory into one over a cluster."""

    partial_fit = InMemoryOnly()

    @all_or_nothing
    @with_callbacks
    def fit(self, X, y=None):
        """Learn the map from labelled rows, wherever they are.

        Parameters
        ----------
        X : dask array or dask dataframe of shape (n_samples, n_features)
            In chunks of rows, with all columns in each; blocks may be CSR matrices. What
            is not persisted is loaded anew for every step.
        y : dask array, series or dataframe of shape (n_samples,)
            Class labels of any type.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            For anything but dask collections.
        ValueError
            For a parameter or data that nothing can be learnt from, several chunks of
            columns, and partitions with a single class.
        RuntimeError
            If workers die one after the other, the scheduler does not answer, or there is
            no worker for 5 minutes, or as long as
            ``dask.config.set({"skmetric.no-workers-timeout": "1 hour"})`` says. Whenever a
            fit does not end, also by Ctrl-C, the estimator stays as it was and work under
            way is cancelled.
        """
        parts, settings = self._checked(X, y, reset=True)
        with parts:
            return self._fit(settings, parts, parts, {"X": X, "y": y})

    def transform(self, X):
        """Map rows to the learnt space, when they are asked for.

        Parameters
        ----------
        X : dask array or dask dataframe of shape (n_samples, n_features)
            Or anything that the local learner takes.

        Returns
        -------
        Z : dask array or dask dataframe of shape (n_samples, n_components)
            An array for an array, a dataframe for a dataframe, in the same partitions. What
            is in memory is mapped at once. NaN and infinity are refused as rows are mapped.
        """
        check_is_fitted(self)
        if not is_dask(X):
            return super().transform(X)
        check_whole_rows(X, "X")
        check_features(self, X, reset=False)
        dtype = float_dtype(array_dtype(X))
        arguments = delayed(self.components_), self.metric, dtype
        if isinstance(X, da.Array):
            k = len(self.components_)
            return X.map_blocks(
                map_block,
                *arguments,
                dtype=dtype,
                chunks=(X.chunks[0], (k,)),
                meta=np.empty((0, 0), dtype),
            )
        columns = self.get_feature_names_out()
        meta = X._meta.iloc[:, [0] * len(columns)].set_axis(columns, axis=1).astype(dtype)
        return X.map_partitions(map_frame, *arguments, columns, meta=meta)

    def to_local(self):
        """The learner in memory with the same parameters and, if fitted, the same map.

        Returns
        -------
        learner : TripletMetricLearner or ContrastiveMetricLearner
            Without a tie to this one or to a cluster.
        """
        learner = self._local_class(**self.get_params(deep=False))
        vars(learner).update(vars(self))
        return learner

    def _checked(self, X, y, reset):
        settings = check_parameters(self, WORDS)
        check_whole_rows(X, "X")
        check_features(self, X, reset)
        # Refuses unknown words before any work is done.
        settings._constraints(X.shape[1])
        parts = LabelledPartitions(*aligned(as_array(X, "X"), as_array(y, "y")))
        return parts, settings

    def _initial_map(self, settings, parts, target, random_state):
        return initial_map(parts, settings.n_components, self.init, random_state)

    def _learn(self, settings, parts, target, W0, start, random_state, monitor):
        return learn_over_partitions(settings, parts, W0, start, random_state, monitor)

    def _sample(self, parts):
        return parts.sample


def documented(learner):
    """Give the class the parameters and attributes of the local one in its docstring."""
    local = inspect.getdoc(learner._local_class) or ""
    shared = local[local.find("Parameters\n") : local.find("See Also\n")]
    own = inspect.getdoc(learner) or ""
    learner.__doc__ = own.replace("[shared]\n\n", shared) + "\n"
    return learner


@documented
class DaskTripletMetricLearner(
    OverPartitions, TripletMetricLearner, auto_wrap_output_keys=None
):
    """Learn a linear map from triplets within the partitions of dask collections.

    `TripletMetricLearner` for rows that are spread over a cluster: the same parameters, the
    same objective, and on a single partition the same map.

    [shared]

    See Also
    --------
    skmetric.TripletMetricLearner : For rows in memory; `to_local` gives one.

    Notes
    -----
    Triplets are formed within a partition, of which ``solver="auto"``, the number of epochs
    and the batch size see the largest. ``"lbfgs"`` makes one pass over all partitions for
    each step; ``"adam"`` and ``"sgd"`` go through an epoch in each partition and then take
    the mean of the maps and of the optimizer's state, weighted by rows [1]_, [2]_. So maps
    move by as many updates as a partition has batches, not all of them together, and are
    exchanged once an epoch. Seeds are spawned from `random_state`, one for each partition
    and epoch.

    What is not persisted is loaded for each step or epoch: ``X = X.persist()`` keeps it in
    the memory of the workers if it fits there. `n_subsamples` is without effect: L-BFGS
    takes all rows. ``init`` of a name takes a pass or two more;
    ``"pca"`` and ``"lda"`` O(n_features²) memory on each worker. With `early_stopping` rows
    are held out, and scored, within partitions.

    References
    ----------
    .. [1] B. McMahan et al., "Communication-efficient learning of deep networks from
       decentralized data", AISTATS 2017.
    .. [2] S. Stich, "Local SGD converges fast and communicates little", ICLR 2019.

    Examples
    --------
    >>> import dask.array as da
    >>> from sklearn.datasets import load_digits
    >>> from skmetric.dask import DaskTripletMetricLearner
    >>> X, y = load_digits(return_X_y=True)
    >>> X, y = da.from_array(X, chunks=(600, -1)), da.from_array(y, chunks=600)
    >>> learner = DaskTripletMetricLearner(n_components=16, random_state=0).fit(X, y)
    >>> learner.transform(X)
    dask.array<map_block, shape=(1797, 16), dtype=float64, chunksize=(600, 16), \
chunktype=numpy.ndarray>
    >>> learner.to_local()
    TripletMetricLearner(n_components=16, random_state=0)
    """

    fit_triplets = InMemoryOnly()
    partial_fit_triplets = InMemoryOnly()
    _local_class = TripletMetricLearner


@documented
class DaskContrastiveMetricLearner(
    OverPartitions, ContrastiveMetricLearner, auto_wrap_output_keys=None
):
    """Learn a linear map from pairs within the partitions of dask collections.

    `ContrastiveMetricLearner` for rows that are spread over a cluster: the same parameters,
    the same objective, and on a single partition the same map as with ``n_subsamples=1``.

    [shared]

    See Also
    --------
    skmetric.ContrastiveMetricLearner : For rows in memory; `to_local` gives one.
    DaskTripletMetricLearner : Learns from triplets. What its notes say of partitions and
        solvers holds here, too.

    Examples
    --------
    >>> import dask.array as da
    >>> from sklearn.datasets import load_digits
    >>> from skmetric.dask import DaskContrastiveMetricLearner
    >>> X, y = load_digits(return_X_y=True)
    >>> X, y = da.from_array(X, chunks=(600, -1)), da.from_array(y, chunks=600)
    >>> learner = DaskContrastiveMetricLearner(n_components=16, random_state=0).fit(X, y)
    >>> learner.transform(X).chunks
    ((600, 600, 597), (16,))
    """

    fit_pairs = InMemoryOnly()
    partial_fit_pairs = InMemoryOnly()
    _local_class = ContrastiveMetricLearner


def retrieval_report(
    E,
    y,
    *,
    n_queries=1000,
    scores=DEFAULT_SCORES,
    metric="euclidean",
    random_state=None,
):
    """Retrieval scores of some rows, drawn at random, against all the others.

    Each partition finds its nearest rows, of which the nearest of all are kept; the search
    is exact. Only the queries and what they find leave the workers.

    Parameters
    ----------
    E : dask array of shape (n_samples, k)
        An embedding, as ``transform`` gives it.
    y : dask array or series of shape (n_samples,)
        Labels of any type.
    n_queries : int, default=1000
        How many rows to draw; all, if there are fewer.
    scores : sequence of str, default=("precision_at_1", "r_precision", "map_at_r")
        As for :func:`skmetric.metrics.retrieval_report`, but for ``"map"`` and ``"mrr"``.
    metric : {"euclidean", "sqeuclidean", "cosine", "manhattan"}, default="euclidean"
        For scikit-learn's neighbour search; the first two rank alike.
    random_state : int, RandomState instance or None, default=None
        For the draw.

    Returns
    -------
    report : RetrievalReport
        A mapping from word to score, which prints as a table.

    Raises
    ------
    TypeError, ValueError
        For anything but dask collections, unknown words, a k above the number of other
        rows, and no query with a further row of its class.

    Notes
    -----
    O(n_queries · n_samples · k) time over all workers, and O(n_queries · depth) memory for
    an answer. The depth is the largest k, or for ``"r_precision"`` and ``"map_at_r"`` the
    size of the largest class among the queries; with millions of rows in a class ask for
    ``"precision_at_k"`` only.

    Examples
    --------
    >>> import dask.array as da
    >>> from skmetric.dask import retrieval_report
    >>> E = da.from_array([[0.0], [1.0], [2.0], [5.0], [9.0]], chunks=2)
    >>> y = da.from_array([0, 0, 1, 1, 2], chunks=2)
    >>> retrieval_report(E, y)
    precision_at_1  0.7500
    r_precision     0.7500
    map_at_r        0.7500
    4 queries, 1 left out
    """
    n_queries = check_number("n_queries", n_queries, kind=Integral, at_least=1)
    if check_word("metric", metric, METRICS) == "sqeuclidean":
        metric = "euclidean"  # The ranking is the same.
    check_whole_rows(E, "E")
    E, y = aligned(as_array(E, "E"), as_array(y, "y"), "E")
    draw = random_state_of(random_state).permutation(len(E))[:n_queries]
    return report_of_sample(E, y, np.sort(draw), scores, metric)


def is_dask(X):
    """Whether this is a collection of a kind that is taken."""
    return isinstance(X, da.Array) or hasattr(X, "to_dask_array")


def array_dtype(X):
    """The dtype of a collection's rows as an array."""
    return X.dtype if isinstance(X, da.Array) else np.result_type(*X.dtypes)


def check_whole_rows(X, name):
    """Refuse what is no collection, no table, or cut between columns."""
    if not is_dask(X):
        raise TypeError(not_dask(X, name))
    if X.ndim != 2:
        raise ValueError(
            f"Got {name} of {X.ndim} dimension, but expected 2: a row for each sample."
        )
    if isinstance(X, da.Array) and X.numblocks[1] > 1:
        raise ValueError(
            f"Got {name} in {X.numblocks[1]} chunks of columns, but expected whole rows in "
            f"each chunk. Use {name}.rechunk({{1: -1}})."
        )


def not_dask(collection, name):
    """What to say of it."""
    return (
        f"Got {name} of type {type(collection).__name__}, but expected a dask array or "
        "dataframe. Use dask.array.from_array, or what has the same name without Dask."
    )


def check_features(estimator, X, reset):
    """Note or check the number and the names of the columns."""
    meta = np.empty((0, X.shape[1]), X.dtype) if isinstance(X, da.Array) else X._meta
    dtype = float_dtypes(meta)
    validate_data(estimator, meta, reset=reset, dtype=dtype, ensure_min_samples=0)


def as_array(collection, name):
    """A dask array of known chunks; the user's own is not changed."""
    if not is_dask(collection):
        raise TypeError(not_dask(collection, name))
    if not isinstance(collection, da.Array):
        meta = np.asarray(collection._meta)
        collection = collection.map_partitions(np.asarray, meta=meta)
    if not np.isnan(collection.chunks[0]).any():
        return collection
    blocks = collection.to_delayed().reshape(collection.numblocks[0], -1)[:, 0]
    shapes = answer_of(delayed([delayed(np.shape)(block) for block in blocks]))
    known = collection.copy()
    known._chunks = tuple(n_rows for n_rows, *_ in shapes), *collection.chunks[1:]
    return known


def aligned(X, y, name="X"):
    """X, and y of one dimension in chunks of the same rows."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or len(y) != len(X):
        raise ValueError(
            f"Got {name} of shape {X.shape} and y of shape {y.shape}, but expected one "
            "label for each row."
        )
    if not len(X):
        raise ValueError(f"Got {name} without rows, but expected at least 2.")
    return X, y if y.chunks[0] == X.chunks[0] else y.rechunk((X.chunks[0],))


def map_block(block, W, metric, dtype):
    """A block of mapped rows."""
    X = rows_of(block, dtype)
    assert_all_finite(X, input_name="X")
    return map_rows(X, W, metric)


def map_frame(frame, W, metric, dtype, columns):
    """The same as a dataframe."""
    Z = map_block(frame, W, metric, dtype)
    return type(frame)(Z, columns=columns, index=frame.index)
