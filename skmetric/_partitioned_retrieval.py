"""Retrieval scores of a sample of queries against rows in partitions."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.neighbors import NearestNeighbors

from ._partitions import Partitions, add_entries
from ._ranking import Problem, nearest_in_order, placed
from ._retrieval import depth_of, parse_scores, report_of_hits
from ._validation import distinct_labels, merge_labels


@dataclass(frozen=True)
class SampledProblem:
    """Queries that are rows of an index in partitions, what :class:`Found` asks of them.

    Parameters
    ----------
    n_relevant : ndarray of int of shape (n_queries,)
        For each query the number of rows of its class, itself not counted.
    n_ranked : int
        How many rows are ranked for a query.
    """

    n_relevant: np.ndarray
    n_ranked: int
    itself = True


def report_of_sample(E, y, queries, scores, metric):
    """Score some rows as queries against all others.

    Parameters
    ----------
    E : dask array of shape (n, k)
    y : dask array of shape (n,)
    queries : ndarray of int of shape (n_queries,)
        Rows of E, in order.
    scores : sequence of str
    metric : str

    Returns
    -------
    report : RetrievalReport
    """
    parsed = parse_scores(scores)
    deep = [word for word in ("map", "mrr") if word in parsed]
    if deep:
        raise ValueError(
            f"Got scores with {deep}, but these need the complete ranking of each query, "
            "which is not brought together from partitions. Use 'map_at_r', "
            "'precision_at_k' or 'recall_at_k' with a number for k."
        )
    with Partitions(E, y, np.float64) as parts:
        starts = np.cumsum([0, *parts.sizes[:-1]]).tolist()
        rows, labels, _ = parts.total(parts.ask(_rows_at, queries, starts), _stack)
        labels = np.asarray(labels, dtype=object)
        (sizes,) = parts.total(parts.ask(_sizes_of_classes, labels), add_entries)
        problem = SampledProblem(sizes - 1, parts.shape[0] - 1)
        if not problem.n_relevant.any():
            raise ValueError(
                f"Got {len(queries)} queries of which none has a further row with its "
                "label, but expected at least one. Draw more queries."
            )
        asked = np.flatnonzero(problem.n_relevant)
        depth = depth_of(problem, parsed.values())
        message = rows[asked], labels[asked], depth + 1, metric
        answers = parts.ask(_nearest, message, starts)
        _, found, hits = parts.total(answers, partial(_nearest_of_both, depth + 1))
    others = found != queries[asked, None]
    # Among many duplicates of itself a query may be missing.
    others[others.all(axis=1), -1] = False
    hits = hits[others].reshape(len(hits), -1)
    return report_of_hits(problem, parsed, [(asked, hits)])


def _rows_at(queries, X, y, start):
    here = queries[(queries >= start) & (queries < start + len(y))] - start
    # All labels of a partition are of the type of one.
    return X[here], y[here], distinct_labels(y)[0][:1]


def _stack(a, b):
    # Refuses labels of several types, before arrays of them become one.
    kept = merge_labels(a[2], b[2])[0]
    return np.concatenate([a[0], b[0]]), np.concatenate([a[1], b[1]]), kept


def _sizes_of_classes(labels, X, y):
    names, codes = distinct_labels(y)
    count_of = dict(zip(names.tolist(), np.bincount(codes).tolist(), strict=True))
    return (np.array([count_of.get(label, 0) for label in labels.tolist()]),)


def _nearest(message, X, y, start):
    """The nearest rows of a partition: distances, row numbers and whether they are hits."""
    queries, labels, depth, metric = message
    (queries, X), exponent = placed([queries, X], metric)
    codes = np.zeros(len(queries), dtype=int)
    problem = Problem(queries, codes, X, y, metric, itself=False)
    search = NearestNeighbors(algorithm="brute", metric=metric).fit(problem.index)
    every = np.arange(len(queries))
    D, nearest = nearest_in_order(problem, every, min(depth, len(y)), search)
    # Partitions may be to different scales. In a larger unit all distances are finite.
    D = np.ldexp(D, exponent - 16)
    return D, nearest + start, y.astype(object)[nearest] == labels[:, None]


def _nearest_of_both(depth, a, b):
    both = [np.concatenate(pair, axis=1) for pair in zip(a, b, strict=True)]
    # Partitions are merged in order, so that equal distances stay ranked by row.
    order = np.argsort(both[0], axis=1, kind="stable")[:, :depth]
    return [np.take_along_axis(values, order, axis=1) for values in both]
