"""Constraints among few rows an anchor: chosen once, evaluated edge by edge.

Where an anchor has a few positives and a few negatives, the loss of a map is a matter of
their distances alone: n · (p + q) of them in place of n².
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from sklearn import get_config
from sklearn.utils import gen_batches

from ._sorting import slots_of
from .distances import block_pullback, paired_distances, slope_by_square


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
        """About as many entries of an (n, n) array cost an anchor as much."""
        p, q = self.near.shape[1], self.far.shape[1]
        return p * q + 8 * (p + q)

    def same_as(self, other):
        """Whether both consist of the same constraints."""
        return isinstance(other, Neighbourhoods) and (
            np.array_equal(self.near, other.near) and np.array_equal(self.far, other.far)
        )


def neighbourhoods(blocks, pairs, totals):
    """Neighbourhoods from what was selected in blocks of rows.

    Parameters
    ----------
    blocks : list of slices
        All rows, in order.
    pairs : list of ((anchors, positives), (anchors, negatives)), one a block
        Rows of the block, in order, and columns.
    totals : ndarray

    Returns
    -------
    choice : Neighbourhoods
    """
    near, far = (
        _padded(blocks, [pair[side] for pair in pairs], blocks[-1].stop) for side in (0, 1)
    )
    return Neighbourhoods(near, far, totals)


def _padded(blocks, pairs, n):
    anchors = np.concatenate(
        [rows.start + at for rows, (at, _) in zip(blocks, pairs, strict=True)]
    )
    slots = slots_of(anchors)
    columns = np.full((n, slots.max(initial=0) + 1), -1)
    columns[anchors, slots] = np.concatenate([others for _, others in pairs])
    return columns


def evaluate_edges(E, choice, metric, constraints, weights):
    """Loss and its gradient with respect to an embedding.

    Parameters
    ----------
    E : ndarray of shape (n, k)
    choice : Neighbourhoods
    metric : str
    constraints : TripletConstraints or PairConstraints
        Which are asked for their ``share_of_edges``.
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
    columns = np.hstack([choice.near, choice.far])
    is_edge, p = columns >= 0, choice.near.shape[1]
    slopes, loss, active = np.empty(columns.shape, dtype=E.dtype), 0.0, 0.0
    for rows in _edge_blocks(len(E), p, columns.shape[1] - p, E.shape[1]):
        D = _edge_lengths(E, rows, columns[rows], metric)
        near = np.where(is_edge[rows, :p], D[:, :p], D.dtype.type(-np.inf))
        far = np.where(is_edge[rows, p:], D[:, p:], D.dtype.type(np.inf))
        part, *to_sides, part_active = constraints.share_of_edges(
            near, far, choice.totals, weights[rows]
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
