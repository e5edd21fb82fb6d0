"""(anchor, positive) pairs against every row of another class, without enumeration.

For one anchor let a positive's key be its distance plus the margin, and a negative's
key its distance. Then the slack of a triplet is the difference of two keys, and a
triplet is active if its positive's key comes after its negative's. So the hinge loss is
a matter of counting, ``sum(coefficient * key)``: a negative's coefficient is minus the
number of positives after it, a positive's is the number of negatives before it. One sort
of each anchor's keys gives both in O(n log n); the squared hinge needs cumulated keys, too.
Negatives after an anchor's last positive are in no active triplet. Where few others are
left, only those are sorted.

The softplus has no such form. There each positive is compared with all negatives in turn:
O(positives * n) time and O(n) memory per anchor.
"""

import numpy as np
from scipy.sparse import csr_array

from ..losses import softplus
from ..mining._ordering import cached_parts, merge_order, most_an_anchor, slots_of

# Up to this share of active negatives, a sparse gradient costs less than an array (b, n),
# if that has more than this many entries.
FEW_ACTIVE, FEW_ENTRIES = 1 / 32, 2**16
# At most this many positives per anchor: comparing each costs less than a sort.
FEW_POSITIVES = 20


def against_all_negatives(D, anchors, positives, is_negative, margin, loss, weights):
    """Sum of the cost over the triplets of given pairs with all negatives.

    Parameters
    ----------
    D : ndarray of shape (b, n)
        Distances from b anchors; not negative. C-contiguous.
    anchors, positives : ndarray of int of shape (n_pairs,)
        Rows and columns of D, ordered by row.
    is_negative : ndarray of bool of shape (b, n)
    margin : float
    loss : {"hinge", "squared_hinge", "softplus"}
    weights : ndarray of float64 of shape (b,)
        Of the triplets of each anchor.

    Returns
    -------
    total : float
        The weighted sum of the costs.
    G : ndarray or sparse array of shape (b, n)
        Its gradient with respect to `D`; sparse where few negatives are active.
    n_active : ndarray of shape (b,)
        How many triplets of each anchor have a positive slack.
    """
    if len(anchors) == 0:
        return 0.0, np.zeros_like(D), np.zeros(len(D))
    if loss == "softplus":
        return _enumerated(D, anchors, positives, is_negative, margin, weights)
    parts = list(cached_parts(D.shape, anchors, positives))
    keys = [D[rows].reshape(-1)[at] + D.dtype.type(margin) for rows, _, (_, at) in parts]
    if D.size <= FEW_ENTRIES:
        return _of_many(D, parts, keys, is_negative, loss, weights)
    is_active = _before_the_last(D, parts, keys)
    is_active &= is_negative
    if np.count_nonzero(is_active) > FEW_ACTIVE * D.size:
        return _of_many(D, parts, keys, is_active, loss, weights)
    keys = np.concatenate(keys)
    return _of_few(D, anchors, positives, keys, is_active, loss, weights)


def _before_the_last(D, parts, keys):
    """Which entries come before the last positive of their row."""
    is_before = np.empty(D.shape, dtype=bool)
    for (rows, _, (anchors, _)), own in zip(parts, keys, strict=True):
        last = np.zeros((len(D[rows]), 1), dtype=D.dtype)
        first = np.flatnonzero(np.diff(anchors, prepend=-1))
        last[anchors[first], 0] = np.maximum.reduceat(own, first)
        np.less(D[rows], last, out=is_before[rows])
    return is_before


def _of_many(D, parts, keys, is_negative, loss, weights):
    G, total, n_active = np.empty_like(D), 0.0, []
    for (rows, _, near), own in zip(parts, keys, strict=True):
        arrays = D[rows], own, near, is_negative[rows], G[rows], weights[rows]
        if loss == "hinge" and most_an_anchor(near[0]) <= FEW_POSITIVES:
            cost, counts = _by_counting(*arrays)
        else:
            cost, counts = _by_sorting(*arrays, loss)
        total += cost
        n_active.append(_of_each_anchor(counts, near[0], len(D[rows])))
    return total, G, np.concatenate(n_active)


def _of_few(D, anchors, positives, keys, is_active, loss, weights):
    rows, away = np.divmod(np.flatnonzero(is_active), D.shape[1])
    slots = slots_of(anchors)
    slots_away = slots_of(rows) + slots.max() + 1
    width = max(slots.max(), slots_away.max(initial=0)) + 1
    entries = np.full((len(D), width), keys.max())
    near, far = anchors * width + slots, rows * width + slots_away
    entries.reshape(-1)[near], entries.reshape(-1)[far] = keys, D[rows, away]
    slopes = np.empty_like(entries)
    total, counts = _by_order(entries, (anchors, near), slopes, weights, loss)
    places = np.concatenate([anchors, rows]), np.concatenate([positives, away])
    slopes = slopes.reshape(-1)[np.concatenate([near, far])]
    return (
        total,
        csr_array((slopes, places), shape=D.shape),
        _of_each_anchor(counts, anchors, len(D)),
    )


def _of_each_anchor(counts, anchors, n):
    """Sums of the counts of the pairs of each of n anchors."""
    return np.bincount(anchors, weights=counts, minlength=n)


def _by_counting(D, keys, near, is_active, out, weights):
    """Cost, and active triplets of each pair, by comparison with each positive in turn.

    Parameters
    ----------
    D : ndarray of shape (b, n)
    keys : ndarray of shape (n_pairs,)
    near : pair of ndarrays of int
        Rows and places of the positives.
    is_active : ndarray of bool of shape (b, n)
        Negatives, at least those before the last positive of their row.
    out : ndarray of shape (b, n)
        For the gradient with respect to `D`.
    weights : ndarray of shape (b,)
    """
    rows, places = near
    slots = slots_of(rows)
    by_slot = np.zeros((slots.max(initial=-1) + 1, len(D)), dtype=D.dtype)
    by_slot[slots, rows] = keys
    before = np.empty(by_slot.shape, dtype=np.min_scalar_type(D.shape[1]))
    after, is_before = np.zeros(D.shape, dtype=np.uint8), np.empty(D.shape, dtype=bool)
    for key, count in zip(by_slot, before, strict=True):
        np.less(D, key[:, None], out=is_before)
        is_before &= is_active
        after += is_before.view(np.uint8)
        is_before.view(np.uint8).sum(axis=1, dtype=count.dtype, out=count)
    as_D = weights.astype(D.dtype)
    np.multiply(after, -as_D[:, None], out=out)
    counts = before[slots, rows]
    slopes = as_D[rows] * counts.astype(D.dtype)
    cost = float(np.vdot(out, D)) + float(np.vdot(slopes, keys))
    out.reshape(-1)[places] = slopes
    return cost, counts


def _by_sorting(D, keys, near, is_active, out, weights, loss):
    """The same from one sort, the pairs of an anchor in order of their keys."""
    # Entries that are not active get no slope if they come last.
    entries = np.maximum(D, ~is_active * keys.max(initial=0))
    entries.reshape(-1)[near[1]] = keys
    return _by_order(entries, near, out, weights, loss)


def _by_order(keys, near, out, weights, loss):
    """The same from the keys of all entries of a row."""
    places, at = merge_order(keys, near[1])
    slopes, degree, counts = SLOPES[loss](keys, places, at, near[0])
    slopes = slopes.reshape(keys.shape)
    slopes *= weights.astype(slopes.dtype)[:, None]
    out.reshape(-1)[places] = slopes.reshape(-1)
    # Homogeneous in the keys, the loss follows from its gradient (Euler).
    return float(np.vdot(out, keys)) / degree, counts


def _hinge(keys, places, at, rows):
    """Slopes of the sorted entries, the loss's degree, active triplets of each positive.

    A positive's slope is the number of negatives before it, a negative's minus the number
    of positives after it.
    """
    before, stops = _negatives_before(at, rows, keys.shape)
    numbers = np.arange(len(at) + 1, dtype=keys.dtype)
    slopes = _still_to_come(numbers, at, stops, keys.shape)
    slopes[at] = before
    return slopes, 1, before


def _squared_hinge(keys, places, at, rows):
    """The same, with the sums of those keys besides their numbers."""
    before, stops = _negatives_before(at, rows, keys.shape)
    sorted_keys = keys.ravel()[places].astype(np.float64)
    near = sorted_keys[at]
    sums = np.concatenate([[0], np.cumsum(near)])
    slopes = _still_to_come(sums, at, stops, keys.shape)
    numbers = np.arange(len(at) + 1, dtype=np.float64)
    slopes -= sorted_keys * _still_to_come(numbers, at, stops, keys.shape)
    sorted_keys[at] = 0
    sums_before = np.cumsum(sorted_keys.reshape(keys.shape), axis=1).ravel()[at]
    slopes[at] = before * near - sums_before
    return 2 * slopes, 2, before


def _negatives_before(at, rows, shape):
    """Of each positive: negatives before it in its row; and where a row's positives end."""
    counts = np.bincount(rows, minlength=shape[0])
    stops = np.cumsum(counts)
    others_above = np.arange(0, shape[0] * shape[1], shape[1]) - stops + counts
    return at - np.arange(len(at)) - others_above[rows], stops


def _still_to_come(cumulated, at, stops, shape):
    """Of each entry: minus what is added to a sum over positives from it to its row's end.

    Parameters
    ----------
    cumulated : ndarray of shape (n_pairs + 1,)
        The sum before each positive, in the order of `at`, and after the last.
    at : ndarray of int of shape (n_pairs,)
    stops : ndarray of int of shape (b,)
        How many positives the rows have, up to the end of each.
    shape : tuple of two int
    """
    runs = np.diff(at, prepend=0, append=shape[0] * shape[1])
    sums = np.repeat(cumulated, runs).reshape(shape)
    sums -= cumulated[stops, None]
    return sums.ravel()


SLOPES = {"hinge": _hinge, "squared_hinge": _squared_hinge}


def _enumerated(D, anchors, positives, is_negative, margin, weights):
    keys = D[anchors, positives] + D.dtype.type(margin)
    others = np.where(is_negative, D, np.inf)
    G = np.zeros_like(D)
    total, n_active = 0.0, np.zeros(len(D))
    slots = slots_of(anchors)
    for slot in range(slots.max() + 1):
        at = np.flatnonzero(slots == slot)
        v = keys[at, None] - others[anchors[at]]
        cost, slope = softplus(v)
        total += float(weights[anchors[at]] @ cost.sum(axis=1, dtype=np.float64))
        n_active[anchors[at]] += np.count_nonzero(v > 0, axis=1)
        G[anchors[at]] -= slope
        G[anchors[at], positives[at]] += slope.sum(axis=1)
    G *= weights.astype(D.dtype)[:, None]
    return total, G, n_active
