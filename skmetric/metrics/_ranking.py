"""Rank the rows of an index for each query, and find which of them are hits.

Rows of the index are ranked by distance. Rows at the same distance are ranked by row
number. A hit is a ranked row that is relevant to the query, see `_relevance`.

scikit-learn computes the distances in float64, ``"euclidean"`` and ``"cosine"`` by a matrix
product. Where its arithmetic is exact, as on integers of moderate size, the order is that
of the true distances and every tie is kept. Elsewhere rounding may separate two rows that
are equally far, or tie two rows that are nearly so. Rows may be of any scale. If some rows
are outliers, most others keep their precision. A few rows that are close together lose it
if the rows around them are 1e8 times as far apart.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_consistent_length, gen_batches

from .._scales import rows_to_scale, to_scale
from .._validation import (
    check_option,
    check_rows,
    check_unlabeled,
    encode_labels,
    labeled_rows,
    labels_or_sets,
    short,
)
from ..distances import center_on_most
from ._relevance import SameLabel, SharedLabel, listed_rows

SEARCH_METRICS = ("euclidean", "sqeuclidean", "cosine", "manhattan")
# A search deeper than this share of the index is slower than a sort of all distances.
MAX_SEARCH_SHARE = 0.1


@dataclass(frozen=True)
class RetrievalTask:
    """Queries, the index to search, and which of its rows are relevant.

    Parameters
    ----------
    E : {ndarray, sparse matrix} of shape (n_queries, k)
        The queries.
    index : {ndarray, sparse matrix} of shape (n_index, k)
    relevance : SameLabel, SharedLabel or ListedRows
    metric : str
    itself : bool
        Whether query i is row i of the index. That row is then left out of its ranking.
    n_unlabeled : int
        Number of queries that were dropped because they have no label.
    """

    E: object
    index: object
    relevance: object
    metric: str
    itself: bool
    n_unlabeled: int = 0

    @property
    def n_ranked(self):
        """Number of rows that are ranked for a query."""
        return self.index.shape[0] - self.itself

    @property
    def n_relevant(self):
        """R, the number of relevant rows per query, shape (n_queries,)."""
        return self.relevance.n_relevant

    def ideal_gains(self, queries, k):
        """The gains at the ranks 1 to k of an ideal ranking, shape (b, k)."""
        return self.relevance.ideal_gains(queries, k)


def make_retrieval_task(
    E,
    y=None,
    index=None,
    index_labels=None,
    relevant=None,
    grades=None,
    unlabeled=None,
    metric="euclidean",
):
    """Check the arguments of a score, and scale the rows.

    Raises
    ------
    TypeError, ValueError
        For arrays that do not fit together, NaN, missing labels, labels together with
        relevant rows, an unknown metric, or no query with a relevant row.
    """
    if check_option("metric", metric, SEARCH_METRICS) == "sqeuclidean":
        metric = "euclidean"  # The ranking is the same.
    itself = index is None
    _check_combination(y, itself, index_labels, relevant, grades, unlabeled)
    E = _check_embedding(E, "E")
    if not itself:
        index = _check_embedding(index, "index")
        if index.shape[1] != E.shape[1]:
            raise ValueError(
                f"Got {E.shape[1]} columns in E and {index.shape[1]} in index, but "
                "expected as many: embed both by the same map."
            )
    n_queries = E.shape[0]
    if relevant is not None:
        n_index = (E if itself else index).shape[0]
        relevance = listed_rows(relevant, grades, n_queries, n_index, itself)
    else:
        unlabeled = check_unlabeled(unlabeled)
        E, y = _with_labels(E, y, unlabeled)
        if not itself:
            index, index_labels = _with_labels(index, index_labels, unlabeled)
        relevance = _relevance_by_labels(y, index_labels, itself)
    n_unlabeled = n_queries - E.shape[0]
    if not relevance.n_relevant.any():
        where = "row in E" if itself else "row in index"
        raise ValueError(
            f"Got {n_queries} queries of which none has a further {where} with its label, "
            "but expected at least one: without a relevant row there is no score."
        )
    if itself:
        (E,), _ = center_and_scale([E], metric)
        return RetrievalTask(E, E, relevance, metric, itself, n_unlabeled)
    (E, index), _ = center_and_scale([E, index], metric)
    return RetrievalTask(E, index, relevance, metric, itself, n_unlabeled)


def _check_combination(y, itself, index_labels, relevant, grades, unlabeled):
    """Refuse anything but either labels or a list of relevant rows."""
    if relevant is not None:
        if not (y is None and index_labels is None and unlabeled is None):
            raise ValueError(
                "Got labels, or unlabeled, and relevant, but expected one of them: either "
                "labels say which rows are relevant to a query, or relevant lists them."
            )
        return
    if grades is not None:
        raise ValueError(
            "Got grades without relevant, but expected the rows that are graded: relevant, "
            "of shape (n_relevant, 2)."
        )
    if y is None:
        raise ValueError(
            "Got y=None and relevant=None, but expected labels, one for each row, or a "
            "list of relevant rows."
        )
    if itself != (index_labels is None):
        raise ValueError(
            "Got only one of index and index_labels, but expected both, to search a "
            "separate index, or neither, to search E itself. Without labels, give relevant."
        )


def _check_embedding(E, name):
    return check_rows(E, name, dtype=np.float64, accept_sparse="csr")


def _with_labels(E, y, unlabeled):
    """The rows with a label, and the labels of these."""
    y = labels_or_sets(y)
    check_consistent_length(E, y)
    return labeled_rows(E, y, unlabeled)


def _relevance_by_labels(y, index_y, itself):
    """Which rows have the label of a query, or one in common; `index_y` may be None."""
    index_y = y if itself else index_y
    if issparse(y) or issparse(index_y):
        if not (issparse(y) and issparse(index_y) and y.shape[1] == index_y.shape[1]):
            raise ValueError(
                f"Got y of shape {y.shape} and index_labels of shape {index_y.shape}, but "
                "expected a column for each of the same labels in both, or one label for "
                "each row in both."
            )
        return SharedLabel(y, index_y, itself)
    if itself:
        codes = encode_labels(y)
        return SameLabel(codes, codes, itself)
    for labels in (index_y, y):
        encode_labels(labels)
    # Encode both together, so that a label has the same code in both. As objects they can
    # be concatenated without a change of type.
    both = [np.asarray(labels, dtype=object) for labels in (index_y, y)]
    both = encode_labels(np.concatenate(both))  # (n_index + n_queries,)
    index_y, y = np.split(both, [len(index_y)])
    return SameLabel(y, index_y, itself)


def center_and_scale(arrays, metric):
    """Bring rows to where scikit-learn's distances lose no digits.

    Rows are scaled by a power of two, each by its own for ``"cosine"``. Dense rows are also
    centered for ``"euclidean"``. The arrays that are passed stay as they are.

    Parameters
    ----------
    arrays : list of ndarrays or CSR of shape (n, k)
    metric : str

    Returns
    -------
    arrays : list of ndarrays or CSR
    exponent : int
        Distances times ``2.0**exponent`` are those of the rows that were passed.
    """
    arrays = [_in_canonical_format(X) for X in arrays]
    if metric == "cosine":
        return [rows_to_scale(X)[0] for X in arrays], 0
    *arrays, exponent = to_scale(*arrays)
    if metric == "euclidean" and not any(map(issparse, arrays)):
        # Center all arrays at the same point, so that distances between them stay the same.
        ends = np.cumsum([len(X) for X in arrays])[:-1]
        arrays = np.split(center_on_most(np.concatenate(arrays)), ends)
    return arrays, exponent


def _in_canonical_format(X):
    # scikit-learn would sort the entries of the user's own array.
    if not issparse(X) or X.has_canonical_format:
        return X
    X = X.copy()
    X.sum_duplicates()
    return X


def check_k(task, k):
    """Refuse a `k` above the number of rows to search."""
    if k > task.n_ranked:
        raise ValueError(
            f"Got k={short(k)}, but expected at most {task.n_ranked}, the number of "
            f"{'other rows' if task.itself else 'rows in index'}: lower k."
        )


def ranked_hits(task, depth):
    """What each of the nearest rows gains, in blocks of queries.

    Queries without a relevant row are left out.

    Parameters
    ----------
    task : RetrievalTask
    depth : int
        Number of nearest rows, at most ``task.n_ranked``.

    Yields
    ------
    queries : ndarray of int of shape (b,)
    gains : ndarray of shape (b, depth)
        By rank. True for a hit, or its grade; False or 0 for other rows.

    Notes
    -----
    Up to a tenth of the index, a search for neighbors takes O(n_queries · n_index · k) time
    and O(b · depth) memory. Beyond that, a sort of all distances takes
    O(n_queries · n_index · log(n_index)) time and O(b · n_index) memory.
    """
    queries = np.flatnonzero(task.n_relevant)  # (n_scored,)
    if depth > MAX_SEARCH_SHARE * task.n_ranked:
        for block in _blocks(queries, task.n_ranked):
            yield block, _gains_of_all_rows(task, block)[:, :depth]
        return
    search = NearestNeighbors(algorithm="brute", metric=task.metric).fit(task.index)
    # The search also returns the query itself, and one neighbor more to detect ties.
    for block in _blocks(queries, depth + 2):
        _, nearest = nearest_in_order(task, block, depth, search)
        yield block, task.relevance.gains_of(block, nearest)


def _blocks(queries, width):
    """Blocks of queries, such that the size of an array of (b, width) is bounded."""
    # An entry takes up to 64 bytes with all temporary arrays.
    entries = min(get_config()["working_memory"] * 2**20 / 64, 2**22)
    for part in gen_batches(len(queries), max(1, int(entries / width))):
        yield queries[part]


def nearest_in_order(task, queries, k, search):
    """The k nearest rows, ties by row number, from a search that breaks ties at will.

    Returns
    -------
    distances, rows : ndarrays of shape (b, k)
    """
    # One neighbor more than k shows whether the last one is tied.
    n_neighbors = min(k + 1 + task.itself, task.index.shape[0])
    D, nearest = search.kneighbors(task.E[queries], n_neighbors)  # (b, n_neighbors) each
    if task.itself:
        others = nearest != queries[:, None]  # (b, n_neighbors)
        # A query with many duplicates may be missing from its own neighbors.
        others[others.all(axis=1), -1] = False
        # Each row drops exactly one entry: (b, n_neighbors - 1).
        D, nearest = (A[others].reshape(len(A), -1) for A in (D, nearest))
    is_last_tied = np.zeros(len(D), dtype=bool)  # (b,)
    if D.shape[1] > k:
        is_last_tied = D[:, k - 1] == D[:, k]
    D, nearest = D[:, :k], nearest[:, :k]  # (b, k)
    # Rows with ties within the first k are sorted by distance, then by row number.
    tied = (D[:, 1:] == D[:, :-1]).any(axis=1)  # (b,)
    order = np.lexsort((nearest[tied], D[tied]))
    nearest[tied] = np.take_along_axis(nearest[tied], order, axis=1)
    # If the last one is tied, the search may have missed a tied row with a smaller number.
    if is_last_tied.any():
        nearest[is_last_tied] = _nearest_of_all_rows(task, queries[is_last_tied], k)
    return D, nearest


def _nearest_of_all_rows(task, queries, k):
    """The k nearest rows, ties by row number, from the distances to all rows."""
    nearest = []
    for block in _blocks(queries, task.index.shape[0]):
        D = _distances(task, block)  # (b, n_index)
        kth_smallest = np.partition(D, k - 1, axis=1)[:, k - 1]  # (b,)
        for d, largest in zip(D, kth_smallest, strict=True):
            candidates = np.flatnonzero(d <= largest)  # At least k, by row number.
            order = np.argsort(d[candidates], kind="stable")
            nearest.append(candidates[order[:k]])
    return np.array(nearest)  # (n_queries, k)


def _distances(task, queries):
    """Distances to all rows of the index, (b, n_index), infinite to the query itself."""
    D = pairwise_distances(task.E[queries], task.index, metric=task.metric)
    if task.itself:
        D[np.arange(len(queries)), queries] = np.inf
    return D


def _gains_of_all_rows(task, queries):
    """What each row gains, in the ranking of all rows.

    Returns
    -------
    gains : ndarray of shape (b, n_ranked)

    Notes
    -----
    The rank of a hit is that of its distance in the sorted distances, unless it is tied. A
    sort of distances takes a fraction of the time of a sort of row numbers.
    """
    D = _distances(task, queries)  # (b, n_index)
    in_order = np.sort(D, axis=1)  # (b, n_index), with infinity last.
    gains = np.zeros((len(queries), task.n_ranked), dtype=task.relevance.dtype)
    for i, query in enumerate(queries):
        relevant, gains_of_relevant = task.relevance.rows_of(query)  # (n_relevant,)
        # From `ranks` up to `ends`, distances equal that of the hit: (n_relevant,) each.
        ranks = np.searchsorted(in_order[i], D[i, relevant])
        ends = np.searchsorted(in_order[i], D[i, relevant], side="right")
        if (ends - ranks > 1).any():  # A hit is tied: rank by row number as well.
            rank_of = np.empty(D.shape[1], dtype=int)
            rank_of[np.argsort(D[i], kind="stable")] = np.arange(D.shape[1])
            ranks = rank_of[relevant]
        gains[i, ranks] = gains_of_relevant
    return gains


def first_hit_ranks(task, queries):
    """Rank of the first hit, from 1, in the ranking of all rows.

    Returns
    -------
    ranks : ndarray of int of shape (b,)

    Notes
    -----
    The rank is a count of the rows that are nearer, without a sort.
    """
    ranks = []
    columns = np.arange(task.index.shape[0])
    for block in _blocks(queries, len(columns)):
        D = _distances(task, block)  # (b, n_index)
        relevant = task.relevance.mask(block)  # (b, n_index)
        # At an infinite distance, the query itself comes after the other relevant rows.
        first = np.where(relevant, D, np.inf).argmin(axis=1)[:, None]
        d = np.take_along_axis(D, first, axis=1)  # (b, 1), as `first`.
        before = (d > D) | ((d == D) & (columns < first))  # (b, n_index)
        ranks.append(1 + np.count_nonzero(before, axis=1))
    return np.concatenate(ranks)
