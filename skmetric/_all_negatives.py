"""(anchor, positive) pairs against every row of another class, without enumeration.

For one anchor let a positive's key be its distance plus the margin, and a negative's
key its distance. Then the slack of a triplet is the difference of two keys, and a
triplet is active if its positive's key comes after its negative's. So the hinge loss is
a matter of counting, ``sum(coefficient * key)``: a negative's coefficient is minus the
number of positives after it, a positive's is the number of negatives before it. The
squared hinge needs cumulated keys besides the counts. A negative finds its count by
comparison with every positive, O(positives * n) an anchor with a small constant, or,
where there are many, from one sort of all keys, O(n log n). A positive's count follows
from a histogram of the negatives' counts. Where all but a few negatives come after every
positive, only those few are looked at.

The softplus has no such form. There each positive is compared with all negatives in turn:
O(positives * n) an anchor in time, O(n) in memory.
"""

import numpy as np
from scipy.sparse import csr_array
from sklearn.utils import gen_batches

from ._strategies import slots_of
from .losses import softplus

# Up to this many positives an anchor, comparing costs no more than sorting.
FEW_POSITIVES = 100
# Up to this share of active negatives, lists of entries cost less than arrays (b, n).
FEW_ACTIVE = 1 / 32
# So many entries at a time are counted, which keeps temporaries in the processor's cache.
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
    G : ndarray or sparse array of shape (b, n)
        Its gradient with respect to `D`; sparse where few negatives are active.
    n_active : int
        How many triplets have a positive slack.
    """
    if len(anchors) == 0:
        return 0.0, np.zeros_like(D), 0
    if loss == "softplus":
        return _enumerated(D, anchors, positives, is_negative, margin)
    keys, columns = _positives_by_rank(D, anchors, positives, margin)
    slopes_of, degree = (_hinge, 1) if loss == "hinge" else (_squared_hinge, 2)
    others = np.where(is_negative, D, np.inf)
    is_active = others < keys[:, :1]
    if np.count_nonzero(is_active) <= FEW_ACTIVE * D.size:
        total, G, n_active = _of_few(D, keys, columns, is_active, slopes_of)
    else:
        total, G, n_active = _of_many(D, keys, columns, others, slopes_of)
    return total / degree, G, n_active


def _of_few(D, keys, columns, is_active, slopes_of):
    m = keys.shape[1]
    rows, away = np.divmod(np.flatnonzero(is_active), D.shape[1])
    distances, after = D[rows, away], np.empty(len(rows), dtype=np.intp)
    for part in gen_batches(max(len(rows), 1), max(1, CACHED_ENTRIES // m)):
        comes_after = distances[part, None] < keys[rows[part]]
        after[part] = comes_after.sum(axis=1)
    values, slopes = np.empty_like(distances), np.empty_like(keys)
    n_active = slopes_of(distances, keys, after, rows, values, slopes)
    given = np.nonzero(keys)
    values_given = np.concatenate([values, slopes[given]])
    places = np.concatenate([rows, given[0]]), np.concatenate([away, columns[given]])
    G = csr_array((values_given, places), shape=D.shape)
    total = np.vdot(values, distances) + np.vdot(slopes, keys)
    return float(total), G, n_active


def _of_many(D, keys, columns, others, slopes_of):
    count = _count_by_comparing if keys.shape[1] <= FEW_POSITIVES else _count_by_sorting
    G, slopes, n_active = np.empty_like(D), np.empty_like(keys), 0
    for part in gen_batches(len(D), max(1, CACHED_ENTRIES // D.shape[1])):
        after = count(keys[part], others[part])
        rows = np.arange(len(after))[:, None]
        n_active += slopes_of(D[part], keys[part], after, rows, G[part], slopes[part])
    by_row = np.einsum("ij,ij->i", G, D) + np.einsum("ij,ij->i", slopes, keys)
    given = np.nonzero(keys)
    G[given[0], columns[given]] = slopes[given]
    return float(by_row.sum(dtype=np.float64)), G, n_active


def _positives_by_rank(D, anchors, positives, margin):
    """Keys and columns of each row's positives, from the farthest on, then zeros.

    Returns
    -------
    keys : ndarray of shape (b, m)
        Of m positives at most; a key of 0 belongs to none, since margins are positive.
    columns : ndarray of int of shape (b, m)
    """
    slots = slots_of(anchors)
    keys = np.zeros((len(D), slots.max() + 1), dtype=D.dtype)
    columns = np.zeros(keys.shape, dtype=np.intp)
    keys[anchors, slots] = D[anchors, positives] + D.dtype.type(margin)
    columns[anchors, slots] = positives
    order = np.argsort(-keys, axis=1)
    return np.take_along_axis(keys, order, 1), np.take_along_axis(columns, order, 1)


def _count_by_comparing(keys, others):
    """How many of a row's keys come after each of its others, shape (b, n)."""
    counts = np.zeros(others.shape, dtype=np.uint8)
    comes_after = np.empty(others.shape, dtype=bool)
    for slot in range(keys.shape[1]):
        np.less(others, keys[:, slot, None], out=comes_after)
        counts += comes_after.view(np.uint8)
    return counts


def _count_by_sorting(keys, others):
    """The same from one sort; of an equal key and other the key comes first."""
    b, m = keys.shape
    order, is_other = _merge_order(keys, others)
    counts = np.empty(order.shape, dtype=np.int32)
    order += np.arange(b)[:, None] * order.shape[1]
    counts.reshape(-1)[order.reshape(-1)] = (
        m - np.cumsum(~is_other, axis=1, dtype=np.int32)
    ).reshape(-1)
    return counts[:, m:]


def _merge_order(keys, others):
    """Columns of ``[keys, others]`` in order of their values, and which are others."""
    if keys.dtype == np.float32:
        # The bits of floats that are not negative sort as the floats do, and one sort of
        # 64-bit integers (value, column) is faster than an argsort of the values.
        order = np.hstack([keys, others]).view(np.int32).astype(np.int64) << 32
        order |= np.arange(order.shape[1])
        order.sort(axis=1)
        order &= 2**32 - 1
    else:
        order = np.argsort(np.hstack([np.nextafter(keys, -np.inf), others]), axis=1)
    return order, order >= keys.shape[1]


def _hinge(distances, keys, after, rows, out, slopes):
    """Derivatives by negatives into `out`, by positives into `slopes`.

    As the loss is homogeneous in distances and keys, these give its value, too (Euler).

    Parameters
    ----------
    distances, after, out : ndarrays of one shape
        Of negatives: the number of keys after each.
    keys, slopes : ndarrays of shape (b, m)
    rows : ndarray of int
        Row of each negative, of that shape or one that broadcasts to it.

    Returns
    -------
    n_active : int
    """
    before = _sum_before(_places(after, rows, keys), keys)
    out[...] = after
    np.negative(out, out=out)
    slopes[...] = before
    return int(before.sum())


def _squared_hinge(distances, keys, after, rows, out, slopes):
    """The same; a sum of squares is homogeneous of degree 2."""
    places = _places(after, rows, keys)
    before = _sum_before(places, keys)
    sums = np.zeros((len(keys), keys.shape[1] + 1))
    np.cumsum(keys, axis=1, out=sums[:, 1:])
    out[...] = 2 * (after * distances.astype(np.float64) - sums.ravel()[places])
    slopes[...] = 2 * (before * keys - _sum_before(places, keys, distances))
    return int(before.sum())


def _places(after, rows, keys):
    """Where each negative stands among the m + 1 places between the keys of its row."""
    return after + rows * (keys.shape[1] + 1)


def _sum_before(places, keys, weights=None):
    """Sum over the negatives before each key, of ones or of weights, shape (b, m)."""
    b, m = keys.shape
    flat = None if weights is None else weights.ravel()
    by_place = np.bincount(places.ravel(), flat, minlength=b * (m + 1))
    return np.cumsum(by_place.reshape(b, m + 1)[:, ::-1], axis=1)[:, -2::-1]


def _enumerated(D, anchors, positives, is_negative, margin):
    keys = D[anchors, positives] + D.dtype.type(margin)
    others = np.where(is_negative, D, np.inf)
    G = np.zeros_like(D)
    total, n_active = 0.0, 0
    slots = slots_of(anchors)
    for slot in range(slots.max() + 1):
        at = np.flatnonzero(slots == slot)
        v = keys[at, None] - others[anchors[at]]
        cost, slope = softplus(v)
        total += cost.sum(dtype=np.float64)
        n_active += np.count_nonzero(v > 0)
        G[anchors[at]] -= slope
        G[anchors[at], positives[at]] += slope.sum(axis=1)
    return total, G, n_active
