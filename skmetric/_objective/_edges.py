"""Constraints among a few rows per anchor: mined once, evaluated edge by edge.

Where an anchor has a few positives and a few negatives, the loss of a map is a matter of
their distances alone: n · (p + q) of them in place of n².
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from sklearn import get_config
from sklearn.utils import gen_batches

from ..distances import block_pullback, paired_distances, slope_by_square
from ..mining._ordering import rank_in_group


class Neighbourhoods(NamedTuple):
    """The positives and negatives of every row.

    Attributes
    ----------
    near : ndarray of int of shape (n, p)
        Positives, and -1 in the place of those that a row lacks.
    far : ndarray of int of shape (n, q)
        Negatives, likewise.
    totals : ndarray
        Sums of the weights of constraints, one for each mean that the loss consists of.
    """

    near: np.ndarray
    far: np.ndarray
    totals: np.ndarray

    @property
    def cost(self):
        """The number of entries of an (n, n) array that cost about as much, per anchor."""
        p, q = self.near.shape[1], self.far.shape[1]
        return p * q + 8 * (p + q)

    def equals(self, other):
        """Whether both consist of the same constraints."""
        return isinstance(other, Neighbourhoods) and (
            np.array_equal(self.near, other.near) and np.array_equal(self.far, other.far)
        )


def neighbourhoods(blocks, selections, totals):
    """Neighbourhoods from what was selected in blocks of rows.

    Parameters
    ----------
    blocks : list of slices
        All rows, in order.
    selections : list of Selection, one a block
        With lists of negatives.
    totals : ndarray

    Returns
    -------
    mined : Neighbourhoods
    """
    near, far = (
        _padded(blocks, [getattr(s, side) for s in selections], blocks[-1].stop)
        for side in ("positives", "negatives")
    )
    return Neighbourhoods(near, far, totals)


def _padded(blocks, pairs, n):
    anchors = np.concatenate(
        [rows.start + at for rows, (at, _) in zip(blocks, pairs, strict=True)]
    )
    ranks = rank_in_group(anchors)
    columns = np.full((n, ranks.max(initial=0) + 1), -1)
    columns[anchors, ranks] = np.concatenate([others for _, others in pairs])
    return columns


def evaluate_edges(E, mined, metric, constraints, weights):
    """Loss and its gradient with respect to an embedding.

    Parameters
    ----------
    E : ndarray of shape (n, k)
    mined : Neighbourhoods
    metric : str
    constraints : TripletConstraints or PairConstraints
        Which are asked for their ``loss_and_grad``.
    weights : ndarray of shape (n,)
        Of the rows as anchors.

    Returns
    -------
    loss : float
    active : float
        The weight of the active constraints.
    dE : ndarray of shape (n, k)

    Notes
    -----
    Time O(n (p + q) k + n p q), memory O(n (p + q)) and a block of edges.
    """
    columns = np.hstack([mined.near, mined.far])
    is_edge, p = columns >= 0, mined.near.shape[1]
    slopes, loss, active = np.empty(columns.shape, dtype=E.dtype), 0.0, 0.0
    for rows in _edge_blocks(len(E), p, columns.shape[1] - p, E.shape[1]):
        D = _edge_lengths(E, rows, columns[rows], metric)
        near = np.where(is_edge[rows, :p], D[:, :p], D.dtype.type(-np.inf))
        far = np.where(is_edge[rows, p:], D[:, p:], D.dtype.type(np.inf))
        part, *to_sides, part_active = constraints.loss_and_grad(
            near, far, mined.totals, weights[rows]
        )
        loss += part
        active += part_active
        slopes[rows] = slope_by_square(np.hstack(to_sides), D, metric)
    dE = np.zeros_like(E)
    block_pullback(dE, _sparse(slopes, columns), E, slice(0, len(E)))
    return loss, active, dE


def _edge_lengths(E, rows, columns, metric):
    heads = np.repeat(E[rows], columns.shape[1], axis=0)
    return paired_distances(heads, E[columns.ravel()], metric).reshape(columns.shape)


def _edge_blocks(n, p, q, k):
    """Slices of rows, such that the edges' rows of E and their slacks stay in the cache."""
    entries = min(get_config()["working_memory"] * 2**20 / 64, 2**16)
    return gen_batches(n, max(1, int(entries / ((p + q) * k + p * q))))


def _sparse(slopes, columns):
    """Slopes of edges as a sparse array of shape (n, n), those that are 0 left out."""
    n, width = columns.shape
    given = np.flatnonzero((slopes != 0) & (columns >= 0))
    starts = np.searchsorted(given, np.arange(n + 1) * width)
    return csr_array((slopes.ravel()[given], columns.ravel()[given], starts), shape=(n, n))
