"""All pairs of rows within a radius, and the groups that they form.

Rows are searched in blocks, such that memory is bounded by scikit-learn's
``working_memory`` and the pairs that are found. The search is a little wider than the
radius. The distances of what it finds are then computed anew, row by row, so that rounding
in the search decides nothing.
"""

import numpy as np
from scipy.sparse import coo_array, csr_array, issparse
from scipy.sparse.csgraph import connected_components
from sklearn import get_config
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_array, gen_batches

from .._validation import check_number, check_rows
from ..distances import paired_distances
from ._ranking import center_and_scale

EPS = np.finfo(np.float64).eps
# A distance in single precision may be rounded to the threshold.
RELATIVE_SLACK = 4 * float(np.finfo(np.float32).eps)


def pairs_within(E, radius, *, index=None):
    """All pairs of rows whose Euclidean distance is at most a radius.

    Parameters
    ----------
    E : {array-like, sparse matrix} of shape (n_samples, k)
        An embedding, as `transform` returns it.
    radius : float
        At least 0. Pairs at exactly this distance are included.
    index : {array-like, sparse matrix} of shape (n_index, k), default=None
        Find pairs of a row of `E` and a row of `index`. None finds pairs of two rows of
        `E`, each pair once.

    Returns
    -------
    pairs : ndarray of int of shape (n_pairs, 2)
        Row numbers in increasing order. Without `index` the first of a pair is the smaller.
    distances : ndarray of shape (n_pairs,)
        In float64.

    Raises
    ------
    TypeError, ValueError
        For a negative radius, NaN, and tables with different numbers of columns.

    See Also
    --------
    PairVerifier.find_duplicates : The same with a learnt threshold.

    Notes
    -----
    Up to 15 columns, a tree finds the pairs of dense rows. Otherwise all
    O(n_samples · n_index · k) distances are computed, in blocks that scikit-learn's
    ``working_memory`` bounds. The pairs that are found take 24 bytes each.

    The radius of a distance d of a learner is √d for ``metric="sqeuclidean"``, √(2 d) for
    ``"cosine"`` and d itself for ``"euclidean"``.

    Examples
    --------
    Two rows of the iris data are equal:

    >>> from sklearn.datasets import load_iris
    >>> from skmetric.metrics import pairs_within
    >>> X, y = load_iris(return_X_y=True)
    >>> pairs, distances = pairs_within(X, 0)
    >>> pairs.tolist(), distances.tolist()
    ([[101, 142]], [0.0])
    """
    radius = check_number("radius", radius, at_least=0)
    E = check_rows(E, "E", dtype=np.float64, accept_sparse="csr")
    tables = [E]
    if index is not None:
        index = check_rows(index, "index", dtype=np.float64, accept_sparse="csr")
        check_same_width(E, index)
        tables.append(index)
    others = tables[-1]
    scaled, exponent = center_and_scale(tables, "euclidean")
    blocks = (
        (pairs, paired_euclidean(E[pairs[:, 0]], others[pairs[:, 1]]))
        for pairs in candidate_pairs(scaled, in_scale(radius, exponent))
    )
    return concatenate([select_within(*block, radius) for block in blocks])


def check_same_width(E, index):
    """Refuse tables with different numbers of columns."""
    if E.shape[1] != index.shape[1]:
        raise ValueError(
            f"Got {E.shape[1]} columns in E and {index.shape[1]} in index, but expected as "
            "many: embed both by the same map."
        )


def in_scale(radius, exponent):
    """A radius for rows that were divided by ``2.0**exponent``."""
    with np.errstate(over="ignore"):
        return float(np.ldexp(radius, -exponent))


def candidate_pairs(tables, radius, slack=0.0):
    """Pairs of rows within a radius or slightly beyond it, in blocks of rows.

    Parameters
    ----------
    tables : list of one or two {ndarrays or CSR} of float64 of shape (n, k)
        Of one table, pairs of different rows, each once.
    radius : float
    slack : float, default=0.0
        Bound of the rounding errors that distances had before.

    Yields
    ------
    pairs : ndarray of int of shape (n_candidates, 2)
    """
    E, index = tables[0], tables[-1]
    radius = _wider(radius, tables, slack)
    # A tree takes no sparse rows.
    algorithm = "brute" if any(map(issparse, tables)) else "auto"
    search = NearestNeighbors(radius=radius, algorithm=algorithm).fit(index)
    # At worst, all rows of the index are near. Each takes up to 64 bytes for the moment.
    entries = get_config()["working_memory"] * 2**20 / 64
    block_size = max(1, int(entries / index.shape[0]))
    for block in gen_batches(E.shape[0], block_size):
        nearest = search.radius_neighbors(E[block], return_distance=False)
        counts = [len(rows) for rows in nearest]
        i = np.repeat(np.arange(block.start, block.start + len(counts)), counts)
        j = np.concatenate(nearest).astype(i.dtype)
        if len(tables) == 1:
            i, j = i[i < j], j[i < j]
        order = np.lexsort((j, i))
        yield np.column_stack([i[order], j[order]])


def _wider(radius, tables, slack):
    """A radius that finds all pairs in spite of rounding errors of the search."""
    norms = max(squared_norms(E).max() for E in tables)
    # |a - b|**2 is found as |a|**2 - 2 ab + |b|**2, a sum of products of k terms.
    rounding = 8 * (tables[0].shape[1] + 8) * EPS * norms
    # No distance is more than twice the largest norm.
    radius = min(radius, 4 * np.sqrt(norms))
    return float(np.sqrt(((1 + RELATIVE_SLACK) * radius + slack) ** 2 + rounding))


def squared_norms(E):
    if issparse(E):
        return np.asarray(E.multiply(E).sum(axis=1)).ravel()
    return np.einsum("ij,ij->i", E, E)


def paired_euclidean(A, B):
    """Distance of each row of `A` to the row of `B` at its side, in float64.

    Parameters
    ----------
    A, B : {array-like, sparse matrix} of shape (n, k)

    Returns
    -------
    distances : ndarray of shape (n,)
    """
    options = {"accept_sparse": "csr", "dtype": np.float64, "ensure_min_samples": 0}
    A, B = (check_array(Z, **options) for Z in (A, B))
    if not (issparse(A) or issparse(B)):
        return paired_distances(A, B, "euclidean")
    difference = csr_array(A) - csr_array(B)  # (n, k)
    return np.sqrt(squared_norms(difference))


def select_within(pairs, distances, threshold):
    """Those pairs, with their distances, that are at most a threshold apart."""
    within = distances <= threshold
    return pairs[within], distances[within]


def concatenate(blocks):
    """Pairs (n_pairs, 2) and their distances (n_pairs,) from a list of blocks of both."""
    pairs, distances = zip(*blocks, strict=True)
    return np.concatenate(pairs), np.concatenate(distances)


def group_rows(blocks, n_rows):
    """Number the groups of rows that are connected by pairs.

    Parameters
    ----------
    blocks : iterable of ndarrays of int of shape (m, 2)
        Pairs, block by block. Memory is O(n_rows) and that of a block.
    n_rows : int

    Returns
    -------
    labels : ndarray of int of shape (n_rows,)
        From 0, in the order in which groups appear. A row without a pair has a group of its
        own.
    """
    labels, waiting = np.arange(n_rows, dtype=np.int32), []  # As scipy's.
    for pairs in blocks:
        waiting.append(pairs)
        # Many pairs at a time, because a merge looks at all rows.
        if sum(map(len, waiting)) > n_rows:
            labels, waiting = _merge(labels, waiting), []
    labels = _merge(labels, waiting)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def _merge(labels, pairs):
    """Groups that are connected by pairs become one. Labels are numbers below n_rows."""
    n_rows = len(labels)
    edges = labels[np.concatenate([*pairs, np.empty((0, 2), dtype=int)])]  # (m, 2)
    graph = coo_array((np.ones(len(edges)), tuple(edges.T)), shape=(n_rows, n_rows))
    return connected_components(graph, directed=False)[1][labels]
