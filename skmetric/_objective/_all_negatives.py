"""(anchor, positive) pairs against every row of another class, without enumeration.

For one anchor let a positive's key be its distance plus the margin, and a negative's
key its distance. Then the slack of a triplet is the difference of two keys, and a
triplet is active if its positive's key comes after its negative's. So the hinge loss is
``sum(gradient * key)``, where the gradient is found by counting: for a negative it is minus
the number of positives after it, for a positive the number of negatives before it. One sort
of each anchor's keys gives both in O(n log n) time. The squared hinge also needs cumulative
sums of the sorted keys. Negatives after an anchor's last positive are in no active triplet.
If few negatives come before it, only those are sorted.

The softplus has no such form, but it is smooth: as a function of a positive's key, the sum
over an anchor's negatives is a polynomial of low degree to the last digit. It is taken at
Chebyshev nodes between the least and the largest key instead of at the positives. So an
anchor takes O(nodes * n) time, with about 15 to 30 nodes in float64, however many positives
it has. An anchor with fewer positives than nodes has these as nodes.

In this module `pos` are the positives of an array of keys: their rows, and their positions
in the raveled array. `pos_ranks` are their positions once each row is sorted.
"""

import numpy as np
from numpy.polynomial.chebyshev import chebvander

from ..losses import softplus
from ..mining._ordering import argsort_keys, cache_chunks, max_per_group, rank_in_group
from ._edges import count_where, sparse_gradient

# A sparse gradient costs less than an array (b, n) if at most this share of the entries is
# active, and if the array has more than this many entries.
FEW_ACTIVE, FEW_ENTRIES = 1 / 32, 2**16
# At most this many positives per anchor: comparing each costs less than a sort.
FEW_POSITIVES = 20
# Half of a range of keys is at least this, so that nodes do not coincide.
LEAST_HALF = 0.1
# More nodes than this, on a wide range, take more memory than they save time.
MOST_NODES = 64


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
        return _softplus(D, anchors, positives, is_negative, margin, weights)
    chunks = list(cache_chunks(D.shape, anchors, positives))
    # Keys of the positives, one array (n_pairs_in_chunk,) for each chunk.
    keys = [D[rows].reshape(-1)[pos] + D.dtype.type(margin) for rows, _, (_, pos) in chunks]
    if D.size <= FEW_ENTRIES:
        return _dense_gradient(D, chunks, keys, is_negative, loss, weights)
    is_active = _candidate_mask(D, chunks, keys)  # (b, n)
    is_active &= is_negative
    if np.count_nonzero(is_active) > FEW_ACTIVE * D.size:
        return _dense_gradient(D, chunks, keys, is_active, loss, weights)
    keys = np.concatenate(keys)  # (n_pairs,)
    return _sparse_gradient(D, anchors, positives, keys, is_active, loss, weights)


def _candidate_mask(D, chunks, keys):
    """Which entries come before the last positive of their row, shape (b, n).

    Only those negatives can be in an active triplet.
    """
    is_before = np.empty(D.shape, dtype=bool)
    for (rows, _, (anchors, _)), pos_keys in zip(chunks, keys, strict=True):
        # The largest key of a positive per row. It stays 0 in a row without a positive, and
        # no distance is below 0.
        last = np.zeros((len(D[rows]), 1), dtype=D.dtype)
        first = np.flatnonzero(np.diff(anchors, prepend=-1))  # First pair of each anchor.
        last[anchors[first], 0] = np.maximum.reduceat(pos_keys, first)
        np.less(D[rows], last, out=is_before[rows])
    return is_before


def _dense_gradient(D, chunks, keys, is_negative, loss, weights):
    """Cost, gradient as an array (b, n) and active triplets, chunk by chunk."""
    G, total, n_active = np.empty_like(D), 0.0, []
    for (rows, _, pos), pos_keys in zip(chunks, keys, strict=True):
        arrays = D[rows], pos_keys, pos, is_negative[rows], G[rows], weights[rows]
        if loss == "hinge" and max_per_group(pos[0]) <= FEW_POSITIVES:
            cost, counts = _by_counting(*arrays)
        else:
            cost, counts = _by_sorting(*arrays, loss)
        total += cost
        n_active.append(_sum_by_anchor(counts, pos[0], len(D[rows])))
    return total, G, np.concatenate(n_active)


def _sparse_gradient(D, anchors, positives, keys, is_active, loss, weights):
    """Cost, gradient as a sparse array (b, n) and active triplets, from few negatives."""
    neg_rows, negatives = np.divmod(np.flatnonzero(is_active), D.shape[1])  # (n_active,)
    # Pack the keys of each row to the left of an array (b, width): first its positives,
    # then, from the same column on in every row, its negatives.
    pos_columns = rank_in_group(anchors)
    neg_columns = rank_in_group(neg_rows) + pos_columns.max() + 1
    width = max(pos_columns.max(), neg_columns.max(initial=0)) + 1
    # What is left empty has the largest key. So no positive comes after it, and its
    # gradient is 0.
    packed = np.full((len(D), width), keys.max())
    pos, neg = anchors * width + pos_columns, neg_rows * width + neg_columns
    packed.reshape(-1)[pos], packed.reshape(-1)[neg] = keys, D[neg_rows, negatives]
    grads = np.empty_like(packed)  # (b, width)
    total, counts = _by_order(packed, (anchors, pos), grads, weights, loss)
    flat = grads.reshape(-1)
    parts = (anchors, positives, flat[pos]), (neg_rows, negatives, flat[neg])
    return total, sparse_gradient(parts, D.shape), _sum_by_anchor(counts, anchors, len(D))


def _sum_by_anchor(counts, anchors, n):
    """Sums of the counts of the pairs of each of n anchors, shape (n,)."""
    return np.bincount(anchors, weights=counts, minlength=n)


def _by_counting(D, keys, pos, is_active, out, weights):
    """Cost, and active triplets of each pair, by comparison with each positive in turn.

    Parameters
    ----------
    D : ndarray of shape (b, n)
    keys : ndarray of shape (n_pairs,)
    pos : pair of ndarrays of int of shape (n_pairs,)
        Rows of the positives, and their positions in ``D.ravel()``.
    is_active : ndarray of bool of shape (b, n)
        Negatives, at least those before the last positive of their row.
    out : ndarray of shape (b, n)
        For the gradient with respect to `D`.
    weights : ndarray of shape (b,)

    Returns
    -------
    cost : float
    counts : ndarray of shape (n_pairs,)
    """
    rows, flat = pos
    ranks = rank_in_group(rows)
    # keys_by_rank[r] has the key of the r-th positive of each row, and 0 where a row has
    # fewer. No distance is below 0. Shape (max_positives, b).
    keys_by_rank = np.zeros((ranks.max(initial=-1) + 1, len(D)), dtype=D.dtype)
    keys_by_rank[ranks, rows] = keys
    n_after, n_before = count_where(np.less, D, keys_by_rank, is_active)
    weights = weights.astype(D.dtype)
    np.multiply(n_after, -weights[:, None], out=out)  # Gradient of the negatives, (b, n).
    counts = n_before[ranks, rows]  # (n_pairs,)
    pos_grads = weights[rows] * counts.astype(D.dtype)  # (n_pairs,)
    cost = float(np.vdot(out, D)) + float(np.vdot(pos_grads, keys))
    out.reshape(-1)[flat] = pos_grads
    return cost, counts


def _by_sorting(D, keys, pos, is_active, out, weights, loss):
    """The same from one sort, the pairs of an anchor in order of their keys."""
    # An entry that is not active gets at least the largest key of a positive. So no
    # positive comes after it, and its gradient is 0.
    least = np.multiply(~is_active, keys.max(initial=0), dtype=D.dtype)  # (b, n)
    all_keys = np.maximum(D, least, out=least)
    all_keys.reshape(-1)[pos[1]] = keys
    return _by_order(all_keys, pos, out, weights, loss)


def _by_order(keys, pos, out, weights, loss):
    """The same from the keys of positives and negatives in one array of shape (b, w)."""
    order, pos_ranks = argsort_keys(keys, pos[1])
    grads, degree, counts = GRADIENTS[loss](keys, order, pos_ranks, pos[0])
    grads = grads.reshape(keys.shape)  # (b, w), each row in sorted order.
    grads *= weights.astype(grads.dtype)[:, None]
    out.reshape(-1)[order] = grads.reshape(-1)  # Back to the order of `keys`.
    # The loss is homogeneous in the keys, so it follows from its gradient: Euler's theorem,
    # degree * loss = sum(gradient * key).
    return float(np.vdot(out, keys)) / degree, counts


def _hinge_gradient(keys, order, pos_ranks, rows):
    """Gradient by sorted entry, the degree of the loss, active triplets by positive.

    A positive's gradient is the number of negatives before it, a negative's is minus the
    number of positives after it.

    Parameters
    ----------
    keys : ndarray of shape (b, w)
    order : ndarray of int of shape (b * w,)
    pos_ranks : ndarray of int of shape (n_pairs,)
        Both from :func:`argsort_keys`.
    rows : ndarray of int of shape (n_pairs,)
        Of the positives.

    Returns
    -------
    grads : ndarray of shape (b * w,)
    degree : int
    counts : ndarray of int of shape (n_pairs,)
    """
    n_before, stops = _negatives_before(pos_ranks, rows, keys.shape)
    numbers = np.arange(len(pos_ranks) + 1, dtype=keys.dtype)
    grads = _minus_suffix_sums(numbers, pos_ranks, stops, keys.shape)
    grads[pos_ranks] = n_before
    return grads, 1, n_before


def _squared_hinge_gradient(keys, order, pos_ranks, rows):
    """The same for the squared hinge, from sums of keys as well as counts.

    The gradient of a positive with key p is 2 * sum(p - d) over the negatives before it,
    that of a negative with key d is -2 * sum(p - d) over the positives after it.
    """
    n_before, stops = _negatives_before(pos_ranks, rows, keys.shape)
    sorted_keys = keys.ravel()[order].astype(np.float64)  # (b * w,)
    pos_keys = sorted_keys[pos_ranks]  # (n_pairs,)
    sums = np.concatenate([[0], np.cumsum(pos_keys)])  # (n_pairs + 1,)
    grads = _minus_suffix_sums(sums, pos_ranks, stops, keys.shape)  # (b * w,)
    numbers = np.arange(len(pos_ranks) + 1, dtype=np.float64)
    grads -= sorted_keys * _minus_suffix_sums(numbers, pos_ranks, stops, keys.shape)
    sorted_keys[pos_ranks] = 0  # So that the sums below are of negatives only.
    sums_before = np.cumsum(sorted_keys.reshape(keys.shape), axis=1).ravel()[pos_ranks]
    grads[pos_ranks] = n_before * pos_keys - sums_before
    return 2 * grads, 2, n_before


def _negatives_before(pos_ranks, rows, shape):
    """For each positive the negatives before it in its row; where a row's positives end.

    Returns
    -------
    n_before : ndarray of int of shape (n_pairs,)
    stops : ndarray of int of shape (b,)
        How many positives the rows have, up to the end of each.
    """
    counts = np.bincount(rows, minlength=shape[0])  # (b,)
    stops = np.cumsum(counts)
    # Of the entries before a positive, drop the positives and the negatives of rows above.
    negatives_above = np.arange(0, shape[0] * shape[1], shape[1]) - stops + counts  # (b,)
    return pos_ranks - np.arange(len(pos_ranks)) - negatives_above[rows], stops


def _minus_suffix_sums(cumulated, pos_ranks, stops, shape):
    """For each entry minus the sum over the positives after it in its row.

    Parameters
    ----------
    cumulated : ndarray of shape (n_pairs + 1,)
        The sum before each positive, in the order of `pos_ranks`, and after the last.
    pos_ranks : ndarray of int of shape (n_pairs,)
    stops : ndarray of int of shape (b,)
        How many positives the rows have, up to the end of each.
    shape : tuple of two int

    Returns
    -------
    sums : ndarray of shape (b * w,)
    """
    # From one positive up to just before the next, all entries have the same sum.
    runs = np.diff(pos_ranks, prepend=0, append=shape[0] * shape[1])  # (n_pairs + 1,)
    sums = np.repeat(cumulated, runs).reshape(shape)  # (b, w)
    sums -= cumulated[stops, None]  # Minus the sum at the end of each row.
    return sums.ravel()


GRADIENTS = {"hinge": _hinge_gradient, "squared_hinge": _squared_hinge_gradient}


def _softplus(D, anchors, positives, is_negative, margin, weights):
    """Cost, gradient as an array (b, n) and active triplets, chunk by chunk."""
    G, total, n_active = np.empty_like(D), 0.0, []
    for rows, _, (at, flat) in cache_chunks(D.shape, anchors, positives):
        keys = D[rows].reshape(-1)[flat] + D.dtype.type(margin)  # (n_pairs_in_chunk,)
        # At an infinite distance cost and gradient are 0.
        d_neg = np.where(is_negative[rows], D[rows], D.dtype.type(np.inf))  # (c, n)
        counts = _count_nearer(d_neg, keys, at)
        n_active.append(_sum_by_anchor(counts, at, len(d_neg)))
        cost, pos_grads = _softplus_of_chunk(d_neg, keys, at, weights[rows], G[rows])
        total += cost
        G[rows].reshape(-1)[flat] = pos_grads
    return total, G, np.concatenate(n_active)


def _softplus_of_chunk(d_neg, keys, rows, weights, out):
    """Cost of a chunk, and its gradient by keys; that by negatives goes to `out`.

    Parameters
    ----------
    d_neg : ndarray of shape (c, n)
        Infinite where there is no negative.
    keys : ndarray of shape (n_pairs,)
    rows : ndarray of int of shape (n_pairs,)
    weights : ndarray of shape (c,)
    out : ndarray of shape (c, n)

    Returns
    -------
    cost : float
    pos_grads : ndarray of shape (n_pairs,)
    """
    first = np.flatnonzero(np.diff(rows, prepend=-1))  # First pair of each row.
    if len(first) == 0:
        out.fill(0)
        return 0.0, keys
    least, most = (f.reduceat(keys, first) for f in (np.minimum, np.maximum))
    half = max(float((most - least).max()) / 2, LEAST_HALF)  # Of the widest range.
    centers = np.zeros((len(d_neg), 1), dtype=keys.dtype)
    centers[rows[first], 0] = (least + most) / 2
    offsets = keys - centers[rows, 0]  # (n_pairs,)
    n_positives = max_per_group(rows)
    n_nodes = _nodes_for(half, np.finfo(keys.dtype).eps)
    if n_nodes > min(n_positives, MOST_NODES):
        # The nodes of a row are its positives.
        ranks = rank_in_group(rows)
        nodes, multiples = np.zeros((2, len(d_neg), n_positives))  # (c, m) each
        nodes[rows, ranks], multiples[rows, ranks] = offsets, weights[rows]
        cost, sums = _softplus_at_nodes(centers - d_neg, nodes, multiples, out)
        return cost, sums[rows, ranks] * weights[rows]
    at = np.cos((np.arange(n_nodes) + 0.5) * np.pi / n_nodes)  # (m,)
    basis = _interpolation(offsets / half, at)  # (n_pairs, m)
    nodes = np.broadcast_to(half * at, (len(d_neg), n_nodes))  # (c, m)
    multiples = np.zeros(nodes.shape)  # (c, m)
    multiples[rows[first]] = np.add.reduceat(basis, first, axis=0)
    multiples *= weights[:, None]
    cost, sums = _softplus_at_nodes(centers - d_neg, nodes, multiples, out)
    return cost, np.einsum("pm,pm->p", basis, sums[rows]) * weights[rows]


def _softplus_at_nodes(slacks, nodes, multiples, out):
    """Sums over the negatives at nodes, in place of positives.

    Parameters
    ----------
    slacks : ndarray of shape (c, n)
        Of a positive in the center of its row's keys.
    nodes : ndarray of float64 of shape (c, m)
        Keys less the center of their row.
    multiples : ndarray of float64 of shape (c, m)
        How often each node counts.
    out : ndarray of shape (c, n)
        For the gradient with respect to the negatives' distances.

    Returns
    -------
    cost : float
    sums : ndarray of float64 of shape (c, m)
        The derivative of the cost of each node.
    """
    cost, sums, dtype = 0.0, np.empty(nodes.shape), slacks.dtype
    out.fill(0)
    nodes = nodes.astype(dtype)
    # exp(slack + node) is a product, with one exponential for all nodes, unless one of
    # these numbers might be infinite.
    most = np.log(np.finfo(dtype).max) / 2
    is_product = max(slacks.max(), np.abs(nodes).max()) < most
    if is_product:
        terms, factors = np.exp(slacks), np.exp(nodes)  # (c, n), (c, m)
    for node in range(nodes.shape[1]):
        if is_product:
            grads = terms * factors[:, node, None]  # (c, n)
            costs = np.log1p(grads)
            grads /= 1 + grads
        else:
            costs, grads = softplus(slacks + nodes[:, node, None])
        cost += float(multiples[:, node] @ costs.sum(axis=1, dtype=np.float64))
        sums[:, node] = grads.sum(axis=1)
        grads *= multiples[:, node, None].astype(dtype)
        out -= grads
    return cost, sums


def _nodes_for(half, eps):
    """How many nodes interpolate the softplus on a range of 2 * half to a precision.

    It is analytic except at odd multiples of pi * i. The error with n Chebyshev nodes
    falls as rho**-n. Here rho is the sum of the half-axes of an ellipse through pi * i
    whose foci are the ends of the range, in units of `half` [1]_.

    References
    ----------
    .. [1] L. N. Trefethen, "Approximation theory and approximation practice", 2013,
       theorem 8.2.
    """
    return 2 + int(np.ceil(-np.log(eps) / np.arcsinh(np.pi / half)))


def _interpolation(at, nodes):
    """Values at `at` of the polynomials that are 1 at one Chebyshev node and 0 at others.

    Both are in [-1, 1]. Returns an array of shape (n, m).
    """
    degree = len(nodes) - 1
    from_values = chebvander(nodes, degree) * (2 / len(nodes))  # (m, m)
    from_values[:, 0] /= 2
    return chebvander(np.clip(at, -1, 1), degree) @ from_values.T


def _count_nearer(d_neg, keys, rows):
    """How many negatives are nearer than each key, shape (n_pairs,)."""
    if max_per_group(rows) <= FEW_POSITIVES:
        ranks, counts = rank_in_group(rows), np.empty(len(rows), dtype=np.intp)
        for rank in range(ranks.max(initial=-1) + 1):
            pairs = np.flatnonzero(ranks == rank)
            at = rows[pairs]
            counts[pairs] = np.count_nonzero(d_neg[at] < keys[pairs, None], axis=1)
        return counts
    in_order, ends = np.sort(d_neg, axis=1), np.cumsum(np.bincount(rows))
    parts = zip(in_order, np.split(keys, ends), strict=False)
    return np.concatenate([np.searchsorted(row, own) for row, own in parts])
