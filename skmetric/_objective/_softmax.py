"""One cost for an (anchor, positive) pair and all of its negatives.

``log(1 + sum_n exp((d_ap - d_an) / temperature))`` is the softplus of
``d_ap / temperature + L_a``, where ``L_a = log(sum_n exp(-d_an / temperature))`` belongs to
the anchor alone. So all positives of an anchor share the exponentials of its negatives:
one for each distance, and no triplet is enumerated.

Distances enter as differences from that of the anchor's nearest negative, for which the
exponential is 1. So none overflows, and the sum of an anchor with negatives is at least 1.
"""

import numpy as np

from ..losses import softplus
from ..mining._ordering import cache_chunks


def softmax_cost(d_pos, anchors, d_neg, temperature, weights, shares=None):
    """Weighted sum of the costs of (anchor, positive) pairs, and its gradient.

    Parameters
    ----------
    d_pos : ndarray of shape (n_pairs,)
        Distances between anchors and positives; -inf where there is no positive.
    anchors : ndarray of int of shape (n_pairs,)
        Rows of `d_neg`.
    d_neg : ndarray of shape (b, q)
        Distances from anchors to their negatives; inf where there is none. Overwritten
        with the gradient.
    temperature : float
    weights : ndarray of float64 of shape (n_pairs,)
        Of the pairs.
    shares : ndarray of shape (b, q) or (b, 1), default=None
        Factors of the exponentials; None stands for 1.

    Returns
    -------
    total : float
    g_pos : ndarray of shape (n_pairs,)
        Its gradient with respect to `d_pos`.
    g_neg : ndarray of shape (b, q)
        That with respect to `d_neg`, which it is.
    is_active : ndarray of bool of shape (n_pairs,)
        Whether a negative is nearer than the positive.
    """
    dtype = d_neg.dtype
    nearest = d_neg.min(axis=1)  # (b,)
    d_neg -= np.where(np.isfinite(nearest), nearest, 0)[:, None]
    # Within what the dtype holds, so that 0 and infinity stay what they are.
    limits = np.finfo(dtype)
    d_neg *= dtype.type(-np.clip(1 / temperature, limits.tiny, limits.max))
    terms = np.exp(d_neg, out=d_neg)  # (b, q)
    if shares is not None:
        terms *= shares
    sums = terms.sum(axis=1, dtype=np.float64)  # (b,)
    logs = np.log(sums, where=sums > 0, out=np.full(len(sums), -np.inf))  # (b,)
    is_active = d_pos > nearest[anchors]
    # -inf without positive or negative: cost and gradient are 0.
    v = (d_pos - nearest[anchors].astype(np.float64)) / temperature + logs[anchors]
    costs, grads = softplus(v)  # (n_pairs,) each
    grads *= weights / temperature
    of_anchors = np.bincount(anchors, weights=grads, minlength=len(sums))  # (b,)
    of_anchors = of_anchors / np.where(sums > 0, sums, 1)
    terms *= -of_anchors.astype(dtype)[:, None]
    return float(weights @ costs), grads.astype(dtype), terms, is_active


def softmax_over_negatives(D, anchors, positives, is_negative, temperature, weights):
    """The same of given pairs with all negatives of their anchors in a block.

    Parameters
    ----------
    D : ndarray of shape (b, n)
        Distances from b anchors.
    anchors, positives : ndarrays of int of shape (n_pairs,)
        Rows and columns of D, ordered by row.
    is_negative : ndarray of bool of shape (b, n)
    temperature : float
    weights : ndarray of float64 of shape (b,)
        Of the pairs of each anchor.

    Returns
    -------
    total : float
    G : ndarray of shape (b, n)
        Its gradient with respect to `D`.
    is_active : ndarray of bool of shape (n_pairs,)
    """
    G, total, is_active = np.empty_like(D), 0.0, np.empty(len(anchors), dtype=bool)
    for rows, pairs, (at, flat) in cache_chunks(D.shape, anchors, positives):
        out = G[rows]  # (c, n), a view: the distances, then the gradient.
        out.fill(np.inf)
        np.copyto(out, D[rows], where=is_negative[rows])
        cost, g_pos, _, is_active[pairs] = softmax_cost(
            D[rows].reshape(-1)[flat], at, out, temperature, weights[rows][at]
        )
        total += cost
        out.reshape(-1)[flat] = g_pos
    return total, G, is_active
