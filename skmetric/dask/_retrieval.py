"""Retrieval scores of sampled queries against rows in partitions."""

from dataclasses import dataclass
from functools import partial
from numbers import Integral

import numpy as np
from sklearn.neighbors import NearestNeighbors

from .._validation import (
    check_number,
    check_option,
    distinct_labels,
    merge_labels,
    random_state_of,
)
from ..metrics._ranking import (
    SEARCH_METRICS,
    RetrievalTask,
    center_and_scale,
    nearest_in_order,
)
from ..metrics._relevance import ideal_hits
from ..metrics._retrieval import report_of_hits
from ..metrics._scores import DEFAULT_SCORES, depth_of, parse_scores
from ._collections import align, as_dask_array, check_table
from ._partitions import Partitions, add_entries


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

    The search is exact: each partition finds its nearest rows, and the nearest of these are
    kept. Only the queries and what they find leave the workers.

    Parameters
    ----------
    E : dask array of shape (n_samples, k)
        An embedding, as ``transform`` returns it.
    y : dask array or series of shape (n_samples,)
        Labels of any type.
    n_queries : int, default=1000
        How many rows to draw; all, if there are fewer.
    scores : sequence of str, default=("precision_at_1", "r_precision", "map_at_r")
        As for :func:`skmetric.metrics.retrieval_report`, except ``"map"`` and ``"mrr"``.
    metric : {"euclidean", "sqeuclidean", "cosine", "manhattan"}, default="euclidean"
        For scikit-learn's neighbour search; the first two rank alike.
    random_state : int, RandomState instance or None, default=None
        For the draw.

    Returns
    -------
    report : RetrievalReport
        A mapping from the name of a score to its value, which prints as a table.

    Raises
    ------
    TypeError, ValueError
        If E or y is not a dask collection, if a name is unknown, if a k is above the number
        of other rows, and if no query has a further row of its class.

    Notes
    -----
    O(n_queries · n_samples · k) time over all workers, and O(n_queries · depth) memory for
    the result of a partition. The depth is the largest k, or for ``"r_precision"`` and
    ``"map_at_r"`` the size of the largest class among the queries. If a class has millions
    of rows, use ``"precision_at_k"`` only.

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
    if check_option("metric", metric, SEARCH_METRICS) == "sqeuclidean":
        metric = "euclidean"  # The ranking is the same.
    check_table(E, "E")
    E, y = align(as_dask_array(E, "E"), as_dask_array(y, "y"), "E")
    queries = random_state_of(random_state).permutation(len(E))[:n_queries]
    return _report_of_queries(E, y, np.sort(queries), scores, metric)


@dataclass(frozen=True)
class QueriesOfPartitions:
    """Queries that are rows of the partitions, with what ``report_of_hits`` reads of them.

    Parameters
    ----------
    n_relevant : ndarray of int of shape (n_queries,)
        For each query the number of rows of its class, without itself.
    n_ranked : int
        The number of rows that are ranked for a query.
    """

    n_relevant: np.ndarray
    n_ranked: int
    itself, n_unlabeled = True, 0

    def ideal_gains(self, queries, k):
        """The gains at the ranks 1 to k of an ideal ranking, shape (b, k)."""
        return ideal_hits(self.n_relevant[queries], k)


def _report_of_queries(E, y, queries, scores, metric):
    """Score some rows of E, given in order, against all others."""
    parsed = parse_scores(scores)
    deep = [word for word in ("map", "mrr") if word in parsed]
    if deep:
        raise ValueError(
            f"Got scores with {deep}, but these need the complete ranking of each query, "
            "which is not brought together from partitions. Use 'map_at_r', "
            "'precision_at_k' or 'success_at_k' with a number for k."
        )
    with Partitions(E, y, np.float64) as partitions:
        starts = np.cumsum([0, *partitions.sizes[:-1]]).tolist()
        results = partitions.map_partitions(_rows_of_queries, queries, starts)
        rows, labels, _ = partitions.reduce(results, _concatenate)
        labels = np.asarray(labels, dtype=object)
        results = partitions.map_partitions(_class_sizes, labels)
        (class_sizes,) = partitions.reduce(results, add_entries)
        problem = QueriesOfPartitions(class_sizes - 1, partitions.shape[0] - 1)
        if not problem.n_relevant.any():
            raise ValueError(
                f"Got {len(queries)} queries of which none has a further row with its "
                "label, but expected at least one. Draw more queries."
            )
        scored = np.flatnonzero(problem.n_relevant)
        depth = depth_of(problem, parsed.values())
        value = rows[scored], labels[scored], depth + 1, metric
        results = partitions.map_partitions(_nearest, value, starts)
        # Three arrays of shape (n_scored, depth + 1).
        _, found, hits = partitions.reduce(results, partial(_merge_nearest, depth + 1))
    others = found != queries[scored, None]
    # A query with many duplicates may not be among its nearest rows. Then the last is cut.
    others[others.all(axis=1), -1] = False
    hits = hits[others].reshape(len(hits), -1)
    return report_of_hits(problem, parsed, [(scored, hits)])


# Functions of a partition: a broadcast value, its rows, its labels, its first row's number.


def _rows_of_queries(queries, X, y, start):
    here = queries[(queries >= start) & (queries < start + len(y))] - start
    # One label tells the type of all labels of the partition.
    return X[here], y[here], distinct_labels(y)[0][:1]


def _concatenate(a, b):
    # Labels of several types are refused before they become one array.
    label = merge_labels(a[2], b[2])[0]
    return np.concatenate([a[0], b[0]]), np.concatenate([a[1], b[1]]), label


def _class_sizes(labels, X, y):
    names, codes = distinct_labels(y)
    count_of = dict(zip(names.tolist(), np.bincount(codes).tolist(), strict=True))
    return (np.array([count_of.get(label, 0) for label in labels.tolist()]),)


def _nearest(value, X, y, start):
    """The nearest rows of a partition: distances, row numbers and whether they are hits."""
    queries, labels, depth, metric = value
    (queries, X), exponent = center_and_scale([queries, X], metric)
    problem = RetrievalTask(queries, X, None, metric, itself=False)
    search = NearestNeighbors(algorithm="brute", metric=metric).fit(problem.index)
    every = np.arange(len(queries))
    D, nearest = nearest_in_order(problem, every, min(depth, len(y)), search)
    # Each partition may have a scale of its own, and distances are brought to a common
    # one. Divided by 2**16 they are all finite.
    D = np.ldexp(D, exponent - 16)
    return D, nearest + start, y.astype(object)[nearest] == labels[:, None]


def _merge_nearest(depth, a, b):
    both = [np.concatenate(pair, axis=1) for pair in zip(a, b, strict=True)]
    # Partitions are merged in order, so a stable sort ranks equal distances by row.
    order = np.argsort(both[0], axis=1, kind="stable")[:, :depth]
    return [np.take_along_axis(values, order, axis=1) for values in both]
