"""Constraints as lists of edges: evaluated edge by edge, not in blocks of distances.

Given pairs and triplets are lists, and so are mined constraints where an anchor has a few
positives and a few negatives. The loss of a map is then a matter of n · (p + q) distances
in place of n².
"""

import numpy as np
from scipy.sparse import csr_array
from sklearn import get_config

from .._relations import EdgeLists, Edges
from ..distances import (
    block_distances,
    block_pullback,
    grad_by_square,
    gram_factors,
    paired_distances,
)
from ..mining._ordering import rank_in_group, slices
from ..mining._strategies import row_blocks


def edge_lists(blocks, selections, weights, totals):
    """Lists of what was selected in blocks of anchors.

    Parameters
    ----------
    blocks : list of slices
        All anchors, in order.
    selections : list of Selection, one per block
        With lists of negatives.
    weights : ndarray of shape (n,)
        Of the anchors.
    totals : ndarray

    Returns
    -------
    lists : EdgeLists
    """
    sides = [[getattr(s, side) for s in selections] for side in ("positives", "negatives")]
    return EdgeLists(*(listed_edges(blocks, pairs, weights) for pairs in sides), totals)


def listed_edges(blocks, pairs, weights):
    """Edges of all anchors from (anchors, columns) of each block."""
    return Edges(np.arange(len(weights)), _padded(blocks, pairs), weights)


def _padded(blocks, pairs):
    """Columns of each anchor, shape (n, p), -1 where it has fewer."""
    anchors = np.concatenate(
        [rows.start + at for rows, (at, _) in zip(blocks, pairs, strict=True)]
    )
    ranks = rank_in_group(anchors)
    columns = np.full((blocks[-1].stop, ranks.max(initial=0) + 1), -1)
    columns[anchors, ranks] = np.concatenate([others for _, others in pairs])
    return columns


def edge_distances(A, B, edges, metric):
    """Distances along edges.

    Parameters
    ----------
    A : ndarray of shape (n, k)
        Embedded rows of the anchors' table.
    B : ndarray of shape (m, k)
        Those of the candidates' table.
    edges : Edges
    metric : str

    Returns
    -------
    distances : ndarray of shape (b, p)
        Of no meaning where there is no edge.
    """
    distances = np.empty(edges.columns.shape, dtype=A.dtype)
    for rows in _blocks([edges], A.shape[1]):
        distances[rows] = _block_distances(A, B, edges.take(rows), metric)
    return distances


def _block_distances(A, B, edges, metric):
    heads = np.repeat(A[edges.anchors], edges.columns.shape[1], axis=0)  # (b * p, k)
    tails = B[edges.columns.ravel()]  # (b * p, k)
    return paired_distances(heads, tails, metric).reshape(edges.columns.shape)


def evaluate_edges(A, B, lists, metric, constraints):
    """Loss and its gradient with respect to embedded rows.

    Parameters
    ----------
    A, B
        As in :func:`edge_distances`.
    lists : EdgeLists or EdgeTables
    metric : str
    constraints : TripletConstraints, SoftmaxConstraints or PairConstraints
        Which are asked for their ``loss_and_grad``.

    Returns
    -------
    loss : float
    active : float
        The weight of the active constraints.
    dA, dB : ndarrays of the shapes of `A` and `B`
        The gradient with respect to the embedded rows; both are one array if `A` and `B`
        are.

    Notes
    -----
    For n anchors time O(n (p + q) k + n p q), memory O(n (p + q)) and a block of edges.
    """
    losses, actives, grads = zip(
        *(_by_edge(A, B, table, metric, constraints) for table in lists.tables),
        strict=True,
    )
    dA = np.zeros_like(A)
    dB = dA if B is A else np.zeros_like(B)
    sides = [side for table in lists.tables for side in table[:2]]
    G = _sparse([grad for pair in grads for grad in pair], sides, (len(A), len(B)))
    block_pullback(dA, dB, G, A, B, slice(0, len(A)))
    return sum(losses), sum(actives), dA, dB


def _by_edge(A, B, lists, metric, constraints):
    """Loss, weight of the active constraints, and gradients by squared distance."""
    sides = lists[:2]
    grads = [np.empty(side.columns.shape, dtype=A.dtype) for side in sides]
    loss, active = 0.0, 0.0
    for rows in _blocks(sides, A.shape[1]):
        parts = [side.take(rows) for side in sides]
        distances = [_block_distances(A, B, part, metric) for part in parts]
        part_loss, *part_grads, part_active = constraints.loss_and_grad(
            *map(_where_edges, distances, parts, (-np.inf, np.inf)),
            lists.totals,
            [part.weights for part in parts],
        )
        loss += part_loss
        active += part_active
        for grad, part, D in zip(grads, part_grads, distances, strict=True):
            grad[rows] = grad_by_square(part, D, metric)
    return loss, active, grads


def evaluate_groups(E, lists, metric, constraints):
    """The same where every other row of an anchor's group is a positive.

    Parameters
    ----------
    E : ndarray of shape (n, k)
        Embedded rows.
    lists : GroupLists
    metric, constraints
        As in :func:`evaluate_edges`.

    Returns
    -------
    loss : float
    active : float
    dE : ndarray of shape (n, k)

    Notes
    -----
    Time O(p k + q k + p q) per anchor of a group of p rows with q negatives; the first term
    is a product of matrices.
    """
    negatives, q = lists.negatives, lists.negatives.columns.shape[1]
    neg_grads = np.empty(negatives.columns.shape, dtype=E.dtype)
    dE, loss, active = np.zeros_like(E), 0.0, 0.0
    for group in lists.groups:
        own = E[group]  # (p, k)
        factors, d_own = gram_factors(own, own, metric), np.zeros_like(own)
        for rows in row_blocks(len(group), len(group) + q * E.shape[1]):
            edges = negatives.take(group[rows])
            D = block_distances(factors, rows, metric)  # (b, p)
            d_neg = _block_distances(E, E, edges, metric)  # (b, q)
            within = np.arange(len(D))
            D[within, within + rows.start] = -np.inf  # An anchor is no positive of itself.
            part_loss, g_pos, g_neg, part_active = constraints.loss_and_grad(
                D, _where_edges(d_neg, edges, np.inf), lists.totals, 2 * [edges.weights]
            )
            loss += part_loss
            active += part_active
            block_pullback(d_own, d_own, grad_by_square(g_pos, D, metric), own, own, rows)
            neg_grads[group[rows]] = grad_by_square(g_neg, d_neg, metric)
        dE[group] = d_own
    G = _sparse([neg_grads], [negatives], (len(E), len(E)))
    block_pullback(dE, dE, G, E, E, slice(0, len(E)))
    return loss, active, dE


def _where_edges(distances, edges, otherwise):
    return np.where(edges.columns >= 0, distances, distances.dtype.type(otherwise))


def _blocks(sides, k):
    """Slices of anchors with few enough edges for a processor's cache."""
    p, q = sides[0].columns.shape[1], sides[-1].columns.shape[1]
    entries = min(get_config()["working_memory"] * 2**20 / 64, 2**18)
    size = max(1, int(entries / ((p + q) * k + p * q)))
    return slices(max(len(side.anchors) for side in sides), size)


def count_where(compare, keys, others, mask=True):
    """How often ``compare(key, other)`` is true, of the keys and the others of a row.

    Parameters
    ----------
    compare : ufunc
    keys : ndarray of shape (b, w)
    others : ndarray of shape (r, b)
        Each is compared with all keys of its row, so these should be few.
    mask : ndarray of bool of shape (b, w), default=True
        Which keys count.

    Returns
    -------
    by_key : ndarray of unsigned int of shape (b, w)
    by_other : ndarray of unsigned int of shape (r, b)
    """
    # The smallest dtypes that hold the counts make the sums faster.
    by_key = np.zeros(keys.shape, dtype=np.min_scalar_type(len(others)))
    by_other = np.empty(others.shape, dtype=np.min_scalar_type(keys.shape[1]))
    is_true = np.empty(keys.shape, dtype=bool)
    for other, count in zip(others, by_other, strict=True):  # Both have shape (b,).
        compare(keys, other[:, None], out=is_true)
        is_true &= mask
        by_key += is_true.view(np.uint8)
        is_true.view(np.uint8).sum(axis=1, dtype=count.dtype, out=count)
    return by_key, by_other


def hinge_by_counts(d_pos, d_neg, margin, weights, scale):
    """The hinge of each positive with each negative of an anchor, from counts.

    The gradient of a positive is the number of its active triplets, that of a negative is
    minus that number.

    Parameters
    ----------
    d_pos, d_neg : ndarrays of shapes (b, p) and (b, q)
        -inf and inf where there is none.
    margin : float
    weights : ndarray of shape (b,)
    scale : float
        Of loss and gradient.

    Returns
    -------
    loss : float
    g_pos, g_neg : ndarrays of the shapes of `d_pos` and `d_neg`
    active : float
        The weight of the active triplets.
    """
    keys = d_pos + d_pos.dtype.type(margin)
    if d_pos.shape[1] > d_neg.shape[1]:
        n_pos, n_neg = count_where(np.greater, keys, d_neg.T)
        n_neg = n_neg.T
    else:
        n_neg, n_pos = count_where(np.less, d_neg, keys.T)
        n_pos = n_pos.T
    # Where nothing is active a key may be infinite.
    costs = np.where(n_pos > 0, keys, 0) * n_pos  # (b, p)
    gains = np.where(n_neg > 0, d_neg, 0) * n_neg  # (b, q)
    sums = costs.sum(axis=1, dtype=np.float64) - gains.sum(axis=1, dtype=np.float64)
    active = float(weights @ n_pos.sum(axis=1))
    loss = scale * float(weights @ sums)
    weights = (scale * weights).astype(keys.dtype)[:, None]
    return loss, weights * n_pos, -weights * n_neg, active


def _sparse(grads, sides, shape):
    """Gradients along edges as a sparse array of shape (n, m), zeros left out."""
    return sparse_gradient(map(_listed, grads, sides), shape)


def _listed(grads, edges):
    given = np.flatnonzero((grads != 0) & (edges.columns >= 0))
    heads = edges.anchors[given // grads.shape[1]]
    return heads, edges.columns.ravel()[given], grads.ravel()[given]


def sparse_gradient(parts, shape):
    """A sparse array from lists of entries.

    Parameters
    ----------
    parts : iterable of tuples of three ndarrays of shape (n_entries,)
        Rows, in order, columns and values.
    shape : tuple of two int

    Returns
    -------
    G : csr_array
        Its rows are not in order of columns, which would cost a sort and is of no use in
        products.
    """
    heads, tails, values = map(np.concatenate, zip(*parts, strict=True))
    starts = np.concatenate([[0], np.cumsum(np.bincount(heads, minlength=shape[0]))])
    # A stable sort merges the parts, each in order, in linear time.
    order = np.argsort(heads, kind="stable")
    return csr_array((values[order], tails[order], starts), shape)
