"""Constraints as lists of edges: evaluated edge by edge, not in blocks of distances.

Given pairs and triplets are lists, and so are mined constraints where an anchor has a few
positives and a few negatives. The loss of a map is then a matter of n · (p + q) distances
in place of n².
"""

import numpy as np
from scipy.sparse import csr_array
from sklearn import get_config

from .._relations import EdgeLists, Edges
from ..distances import block_pullback, grad_by_square, paired_distances
from ..mining._ordering import rank_in_group, slices


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
    anchors = np.arange(len(weights))
    return EdgeLists(
        *(
            Edges(anchors, _padded(blocks, [getattr(s, side) for s in selections]), weights)
            for side in ("positives", "negatives")
        ),
        totals,
    )


def _padded(blocks, pairs):
    """Columns of each anchor, shape (n, p), from (anchors, columns) of each block."""
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


def _where_edges(distances, edges, otherwise):
    return np.where(edges.columns >= 0, distances, distances.dtype.type(otherwise))


def _blocks(sides, k):
    """Slices of anchors with few enough edges for a processor's cache."""
    p, q = sides[0].columns.shape[1], sides[-1].columns.shape[1]
    entries = min(get_config()["working_memory"] * 2**20 / 64, 2**18)
    size = max(1, int(entries / ((p + q) * k + p * q)))
    return slices(max(len(side.anchors) for side in sides), size)


def _sparse(grads, sides, shape):
    """Gradients along edges as a sparse array of shape (n, m), zeros left out."""
    parts = zip(*map(_nonzero, grads, sides), strict=True)
    heads, tails, values = map(np.concatenate, parts)
    starts = np.concatenate([[0], np.cumsum(np.bincount(heads, minlength=shape[0]))])
    # A stable sort merges sides, each in order, in about linear time.
    order = np.argsort(heads, kind="stable")
    return csr_array((values[order], tails[order], starts), shape)


def _nonzero(grads, edges):
    given = np.flatnonzero((grads != 0) & (edges.columns >= 0))
    heads = edges.anchors[given // grads.shape[1]]
    return heads, edges.columns.ravel()[given], grads.ravel()[given]
