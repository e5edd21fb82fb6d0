"""Which rows of an index are nearest to a query, in order, and which of them are hits.

Rows of the index are ranked by distance and, where distances are equal, by row number.
The distances are those that scikit-learn computes in float64, by a matrix product for
``"euclidean"`` and ``"cosine"``. Where its arithmetic is exact, as on integers of moderate
size, the order is that of the true distances with every tie kept; elsewhere rounding may
part two rows that are equally far, or join two that nearly are. Rows may be of any scale:
most of them keep their digits where some are far out, but not a few that are close together
amid others 1e8 times as far apart.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_consistent_length, gen_batches

from ._scales import rows_to_scale, to_scale
from ._validation import check_rows, check_word, encode_labels, short
from .distances import about_most

METRICS = ("euclidean", "sqeuclidean", "cosine", "manhattan")
# Above this share of the index a sort of all distances is faster than a heap.
MOST_OF_INDEX = 0.1


@dataclass(frozen=True)
class Problem:
    """Queries, the index they are put to, and what is relevant.

    Parameters
    ----------
    E : {ndarray, sparse matrix} of shape (n_queries, k)
    y : ndarray of int of shape (n_queries,)
    index : {ndarray, sparse matrix} of shape (n_index, k)
    index_y : ndarray of int of shape (n_index,)
    metric : str
    itself : bool
        Query i is row i of the index, which is left out of its ranking.
    """

    E: object
    y: np.ndarray
    index: object
    index_y: np.ndarray
    metric: str
    itself: bool

    @property
    def n_ranked(self):
        """How many rows are ranked for a query."""
        return len(self.index_y) - self.itself

    @cached_property
    def n_relevant(self):
        """For each query the number of rows of its class, itself not counted."""
        sizes = np.bincount(self.index_y, minlength=self.y.max() + 1)
        return sizes[self.y] - self.itself


def make_problem(E, y, index=None, index_labels=None, metric="euclidean"):
    """Check what a user gave.

    Raises
    ------
    ValueError
        For arrays that do not fit together, NaN, labels that are none, an unknown metric,
        and queries of which none has a relevant row.
    """
    if check_word("metric", metric, METRICS) == "sqeuclidean":
        metric = "euclidean"  # The ranking is the same.
    if (index is None) != (index_labels is None):
        raise ValueError(
            "Got only one of index and index_labels, but expected both, to search a "
            "separate index, or neither, to search E itself."
        )
    E, y, codes = _rows(E, y, "E")
    if index is None:
        (E,), _ = placed([E], metric)
        problem = Problem(E, codes, E, codes, metric, itself=True)
    else:
        index, index_labels, _ = _rows(index, index_labels, "index")
        if index.shape[1] != E.shape[1]:
            raise ValueError(
                f"Got {E.shape[1]} columns in E and {index.shape[1]} in index, but "
                "expected as many: embed both by the same map."
            )
        both = encode_labels(np.concatenate([index_labels, y]))
        index_y, y = both[: len(index_labels)], both[len(index_labels) :]
        (E, index), _ = placed([E, index], metric)
        problem = Problem(E, y, index, index_y, metric, itself=False)
    if not problem.n_relevant.any():
        where = "row in E" if problem.itself else "row in index"
        raise ValueError(
            f"Got {len(codes)} queries of which none has a further {where} with its label, "
            "but expected at least one: without a relevant row there is no score."
        )
    return problem


def _rows(E, y, name):
    E = check_rows(E, name, dtype=np.float64, accept_sparse="csr")
    codes = encode_labels(y)
    check_consistent_length(E, codes)
    # As objects, labels of two arrays meet without a change of type.
    return E, np.asarray(y, dtype=object).reshape(-1), codes


def placed(arrays, metric):
    """Rows where scikit-learn's distances have their digits, the user's own left alone.

    To scale, and about their middle if distances are those of a product.

    Parameters
    ----------
    arrays : list of ndarrays or CSR of shape (n, k)
    metric : str

    Returns
    -------
    arrays : list of ndarrays or CSR
    exponent : int
        Distances times ``2.0**exponent`` are those of the rows given.
    """
    arrays = [_canonical(X) for X in arrays]
    if metric == "cosine":
        return [rows_to_scale(X)[0] for X in arrays], 0
    *arrays, exponent = to_scale(*arrays)
    if metric == "euclidean" and not any(map(issparse, arrays)):
        ends = np.cumsum([len(X) for X in arrays])[:-1]
        arrays = np.split(about_most(np.concatenate(arrays)), ends)
    return arrays, exponent


def _canonical(X):
    # scikit-learn brings sparse rows into order where they are.
    if not issparse(X) or X.has_canonical_format:
        return X
    X = X.copy()
    X.sum_duplicates()
    return X


def check_depth(problem, k):
    """Refuse to look deeper than there are rows."""
    if k > problem.n_ranked:
        raise ValueError(
            f"Got k={short(k)}, but expected at most {problem.n_ranked}, the number of "
            f"{'other rows' if problem.itself else 'rows in index'}: lower k."
        )


def ranked_hits(problem, depth):
    """Which of the nearest rows are hits, a block of queries after the other.

    Queries without a relevant row are left out.

    Parameters
    ----------
    problem : Problem
    depth : int
        How many of the nearest rows; at most ``problem.n_ranked``.

    Yields
    ------
    queries : ndarray of int of shape (b,)
    hits : ndarray of bool of shape (b, depth)

    Notes
    -----
    O(n_queries · n_index · k) time, and O(b · depth) memory, up to a tenth of the index;
    beyond, a sort of all rows in O(n_queries · n_index · log(n_index)), and O(b · n_index).
    """
    queries = np.flatnonzero(problem.n_relevant)
    if depth > MOST_OF_INDEX * problem.n_ranked:
        for part in _blocks(queries, problem.n_ranked):
            yield part, complete_hits(problem, part)[:, :depth]
        return
    search = NearestNeighbors(algorithm="brute", metric=problem.metric).fit(problem.index)
    for part in _blocks(queries, depth + 2):
        _, nearest = nearest_in_order(problem, part, depth, search)
        yield part, problem.index_y[nearest] == problem.y[part, None]


def _blocks(queries, width):
    """Parts of the queries, such that an array of (b, width) stays bounded."""
    entries = min(get_config()["working_memory"] * 2**20 / 64, 2**22)
    for part in gen_batches(len(queries), max(1, int(entries / width))):
        yield queries[part]


def nearest_in_order(problem, queries, k, search):
    """The k nearest rows, from a search that may break ties as it likes.

    Returns
    -------
    distances, rows : ndarrays of shape (b, k)
    """
    # One more than asked for shows whether the last place is shared.
    n_neighbors = min(k + 1 + problem.itself, len(problem.index_y))
    D, nearest = search.kneighbors(problem.E[queries], n_neighbors)
    if problem.itself:
        others = nearest != queries[:, None]
        # Among many duplicates of itself a query may be missing.
        others[others.all(axis=1), -1] = False
        D, nearest = (A[others].reshape(len(A), -1) for A in (D, nearest))
    shared = D[:, k - 1] == D[:, k] if D.shape[1] > k else np.zeros(len(D), dtype=bool)
    D, nearest = D[:, :k], nearest[:, :k]
    tied = (D[:, 1:] == D[:, :-1]).any(axis=1)
    order = np.lexsort((nearest[tied], D[tied]))
    nearest[tied] = np.take_along_axis(nearest[tied], order, axis=1)
    if shared.any():
        nearest[shared] = _nearest_of_all(problem, queries[shared], k)
    return D, nearest


def _nearest_of_all(problem, queries, k):
    """The k nearest rows in order, from the distances to all rows."""
    nearest = []
    for part in _blocks(queries, len(problem.index_y)):
        D = _distances(problem, part)
        farthest = np.partition(D, k - 1, axis=1)[:, k - 1]
        for d, last in zip(D, farthest, strict=True):
            candidates = np.flatnonzero(d <= last)
            order = np.argsort(d[candidates], kind="stable")
            nearest.append(candidates[order[:k]])
    return np.array(nearest)


def _distances(problem, queries):
    """To all rows of the index, shape (b, n_index); to itself infinite."""
    D = pairwise_distances(problem.E[queries], problem.index, metric=problem.metric)
    if problem.itself:
        D[np.arange(len(queries)), queries] = np.inf
    return D


def complete_hits(problem, queries):
    """Which rows are hits, in the ranking of all rows.

    Returns
    -------
    hits : ndarray of bool of shape (b, n_ranked)

    Notes
    -----
    A hit's place is that of its distance among the sorted ones, unless it shares it: a
    sort of distances takes a fraction of the time of one that keeps track of the rows.
    """
    D = _distances(problem, queries)
    in_order = np.sort(D, axis=1)
    hits = np.zeros((len(queries), problem.n_ranked), dtype=bool)
    for i, query in enumerate(queries):
        relevant = problem.index_y == problem.y[query]
        if problem.itself:
            relevant[query] = False
        places = np.searchsorted(in_order[i], D[i, relevant])
        ends = np.searchsorted(in_order[i], D[i, relevant], side="right")
        if (ends - places > 1).any():
            places = np.flatnonzero(relevant[np.argsort(D[i], kind="stable")])
        hits[i, places] = True
    return hits


def first_ranks(problem, queries):
    """Rank of the first hit, from 1, in the ranking of all rows.

    Returns
    -------
    ranks : ndarray of int of shape (b,)

    Notes
    -----
    Counts the rows that are nearer; nothing is sorted.
    """
    ranks = []
    columns = np.arange(len(problem.index_y))
    for part in _blocks(queries, len(columns)):
        D = _distances(problem, part)
        relevant = problem.index_y == problem.y[part, None]
        # Itself, the only relevant row at an infinite distance, is never the first.
        first = np.where(relevant, D, np.inf).argmin(axis=1)[:, None]
        d = np.take_along_axis(D, first, axis=1)
        before = (d > D) | ((d == D) & (columns < first))
        ranks.append(1 + np.count_nonzero(before, axis=1))
    return np.concatenate(ranks)
