"""(anchor, positive) pairs against every row of another class, without enumeration.

For one anchor let a positive's key be its distance plus the margin, and a negative's
key its distance. Then the slack of a triplet is the difference of two keys, and a
triplet is active if its positive's key comes after its negative's. Once the keys are
sorted, the hinge loss is a matter of counting, ``sum(coefficient * key)``: a positive's
coefficient is the number of negatives before it, a negative's is minus the number of
positives after it. The squared hinge needs cumulated keys besides the counts. This costs
one sort, O(n log n) an anchor, for any number of positives.

The softplus has no such form. There, and where an anchor has only a few positives, each
positive is compared with all negatives in turn: O(positives * n) an anchor in time, O(n)
in memory.
"""

import numpy as np
from sklearn.utils import gen_batches

from ._strategies import slots_of
from .losses import LOSSES

# Up to this many positives an anchor, comparing costs no more than sorting.
FEW_POSITIVES = 6
# So many entries at a time are sorted, which keeps temporaries in the processor's cache.
CACHED_ENTRIES = 2**16


def against_all_negatives(D, anchors, positives, is_negative, margin, loss):
    """Sum of the cost over the triplets of given pairs with all negatives.

    Parameters
    ----------
    D : ndarray of shape (b, n)
        Distances from b anchors; not negative.
    anchors, positives : ndarray of int of shape (n_pairs,)
        Rows and columns of D, ordered by row.
    is_negative : ndarray of bool of shape (b, n)
    margin : float
    loss : {"hinge", "squared_hinge", "softplus"}

    Returns
    -------
    total : float
        The sum of the costs.
    G : ndarray of shape (b, n)
        Its gradient with respect to `D`.
    n_active : int
        How many triplets have a positive slack.
    """
    if len(anchors) == 0:
        return 0.0, np.zeros_like(D), 0
    if loss == "softplus" or np.bincount(anchors).max() <= FEW_POSITIVES:
        return _compared(D, anchors, positives, is_negative, margin, LOSSES[loss])
    is_positive = np.zeros(D.shape, dtype=bool)
    is_positive[anchors, positives] = True
    G, total, n_active = np.empty_like(D), 0.0, 0
    for rows in gen_batches(len(D), max(1, CACHED_ENTRIES // D.shape[1])):
        part, active = _sorted(
            D[rows],
            is_positive[rows],
            is_negative[rows],
            margin,
            loss == "squared_hinge",
            out=G[rows],
        )
        total, n_active = total + part, n_active + active
    return total, G, n_active


def _compared(D, anchors, positives, is_negative, margin, cost_of):
    keys = D[anchors, positives] + D.dtype.type(margin)
    others = np.where(is_negative, D, np.inf)
    G = np.zeros_like(D)
    total, n_active = 0.0, 0
    slots = slots_of(anchors)
    for slot in range(slots.max() + 1):
        at = np.flatnonzero(slots == slot)
        rows = slice(None) if len(at) == len(D) else anchors[at]
        v = keys[at, None] - others[rows]
        cost, slope = cost_of(v)
        total += cost.sum(dtype=np.float64)
        n_active += np.count_nonzero(v > 0)
        G[rows] -= slope
        G[anchors[at], positives[at]] += slope.sum(axis=1)
    return total, G, n_active


def _sorted(D, is_positive, is_negative, margin, squared, out):
    # What is neither sorts last, behind every positive, and so gets no coefficient.
    keys = np.where(is_positive, D + D.dtype.type(margin), D)
    keys[~(is_positive | is_negative)] = np.finfo(D.dtype).max
    order, after = _merge_order(keys, is_positive)
    negatives_before = np.cumsum(after, axis=1, dtype=np.int32)
    positives_before = np.arange(1, D.shape[1] + 1, dtype=np.int32) - negatives_before
    positives_after = is_positive.sum(axis=1, dtype=np.int32)[:, None] - positives_before
    coefficients = np.where(after, -positives_after, negatives_before)
    n_active = int(negatives_before[~after].sum(dtype=np.int64))
    if squared:
        in_order = np.take_along_axis(keys, order, axis=1).astype(np.float64)
        in_order[in_order == np.finfo(D.dtype).max] = 0
        partners = _sum_of_active_partners(in_order, after)
        coefficients = 2 * (np.abs(coefficients) * in_order - partners)
    order += np.arange(len(D))[:, None] * D.shape[1]
    out.reshape(-1)[order.reshape(-1)] = coefficients.reshape(-1)
    # The loss is homogeneous in the keys, so its gradient gives its value (Euler).
    total = np.einsum("ij,ij->i", out, keys).sum(dtype=np.float64)
    return float(total / 2 if squared else total), n_active


def _merge_order(keys, first):
    """Columns in order of their keys; of equal keys those marked `first` come first.

    Parameters
    ----------
    keys : ndarray of shape (b, n)
    first : ndarray of bool of shape (b, n)

    Returns
    -------
    order : ndarray of int of shape (b, n)
    after : ndarray of bool of shape (b, n)
        In that order, which are not `first`.
    """
    if keys.dtype == np.float32:
        # The bits of floats that are not negative sort as the floats do, and one sort of
        # 64-bit integers (key, not first, column) is faster than an argsort of the keys.
        packed = keys.view(np.int32).astype(np.int64) << 32
        packed |= np.arange(keys.shape[1]) | ((~first).astype(np.int64) << 31)
        packed.sort(axis=1)
        return packed & (2**31 - 1), (packed & 2**31) != 0
    nudged = np.where(first, np.nextafter(keys, -np.inf), keys)
    order = np.argsort(nudged, axis=1)
    return order, ~np.take_along_axis(first, order, axis=1)


def _sum_of_active_partners(in_order, after):
    """Sums of the negatives' keys before a positive, of the positives' after a negative."""
    negative_keys = np.cumsum(np.where(after, in_order, 0), axis=1)
    positive_keys = np.cumsum(np.where(after, 0, in_order), axis=1)
    return np.where(after, positive_keys[:, -1:] - positive_keys, negative_keys)
