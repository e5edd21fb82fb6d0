"""What a violated constraint costs, and the two losses on explicit tuples.

A triplet (anchor, positive, negative) has the slack
``v = d(anchor, positive) - d(anchor, negative) + margin``. A similar pair has
``v = d - pos_margin``, a dissimilar one ``v = margin - d``. A constraint is *active*
where ``v > 0``. The `loss` turns a slack into a cost:

================= =================== ==========================================
``hinge``         ``max(v, 0)``       the textbook triplet loss [1]_
``squared_hinge`` ``max(v, 0) ** 2``  the textbook contrastive loss with
                                      ``metric="euclidean"`` [2]_
``softplus``      ``log(1 + exp(v))`` the soft margin; it keeps the margin [3]_
================= =================== ==========================================

References
----------
.. [1] F. Schroff, D. Kalenichenko, J. Philbin, "FaceNet: A unified embedding for face
   recognition and clustering", CVPR 2015, eq. 2.
.. [2] R. Hadsell, S. Chopra, Y. LeCun, "Dimensionality reduction by learning an
   invariant mapping", CVPR 2006, eq. 4, there with a factor of one half.
.. [3] A. Hermans, L. Beyer, B. Leibe, "In defense of the triplet loss for person
   re-identification", 2017, section 2, there without a margin.
"""

import numpy as np

from ._validation import (
    CHECKED_LATER,
    check_aligned,
    check_number,
    check_option,
    check_similar,
)
from .distances import (
    METRICS,
    embed,
    embed_pullback,
    paired_distances,
    paired_pullback,
)

__all__ = [
    "contrastive_loss",
    "hinge",
    "softplus",
    "squared_hinge",
    "triplet_loss",
]


def __dir__():
    return __all__


def hinge(v):
    """Cost and derivative of ``max(v, 0)``.

    Parameters
    ----------
    v : ndarray of float
        Slacks.

    Returns
    -------
    cost : ndarray
        Of the shape and dtype of `v`.
    grad : ndarray
        Its derivative; 0 at 0.
    """
    return np.maximum(v, 0), (v > 0).astype(v.dtype)


def smoothed_hinge(v, foot):
    """Cost and derivative of ``max(v, 0)`` with a quadratic foot, which has no kink.

    Parameters
    ----------
    v : ndarray of float
        Slacks.
    foot : float
        Up to this slack, greater than 0, the cost is ``v ** 2 / (2 * foot)``; beyond it is
        ``v - foot / 2``.

    Returns
    -------
    cost : ndarray
        Of the shape and dtype of `v`.
    grad : ndarray
        Its derivative.
    """
    foot = v.dtype.type(foot)
    rise = np.clip(v, 0, foot)
    # Slacks of -inf, of positives that are not there, cost 0.
    cost = np.maximum(v, 0)
    cost -= rise / 2
    cost *= rise
    cost /= foot
    rise /= foot
    return cost, rise


def squared_hinge(v):
    """Cost and derivative of ``max(v, 0) ** 2``.

    Parameters
    ----------
    v : ndarray of float
        Slacks.

    Returns
    -------
    cost : ndarray
        Of the shape and dtype of `v`.
    grad : ndarray
        Its derivative.
    """
    positive = np.maximum(v, 0)
    return positive * positive, 2 * positive


def softplus(v):
    """Cost and derivative of ``log(1 + exp(v))``, without overflow.

    Parameters
    ----------
    v : ndarray of float
        Slacks.

    Returns
    -------
    cost : ndarray
        Of the shape and dtype of `v`.
    grad : ndarray
        Its derivative.
    """
    small = np.exp(-np.abs(v))
    grad = np.where(v > 0, 1, small) / (1 + small)
    return np.maximum(v, 0) + np.log1p(small), grad


def triplet_slack(d_pos, d_neg, margin):
    """Slack of triplets from distances to positives and negatives, in their dtype."""
    v = d_pos - d_neg
    v += v.dtype.type(margin)
    return v


def similar_slack(distances, pos_margin):
    """Slack of similar pairs, in the dtype of their distances."""
    return distances - distances.dtype.type(pos_margin)


def dissimilar_slack(distances, margin):
    """Slack of dissimilar pairs, in the dtype of their distances."""
    return distances.dtype.type(margin) - distances


def weighted_cost(v, cost_of, weights, scale):
    """Weighted sum of the costs of slacks, its gradient, and the weight of active ones.

    Parameters
    ----------
    v : ndarray of shape (b, ...)
    cost_of : callable
        From slacks to costs and their derivatives: one of `LOSSES`, or the smoothed hinge.
    weights : ndarray of float64 of shape (b,)
    scale : float
        Of loss and gradient.

    Returns
    -------
    total : float
    grad : ndarray
        With respect to `v`, of its shape and dtype.
    active : float
        The sum of the weights where ``v > 0``.
    """
    costs, grad = cost_of(v)
    active = v > 0
    if v.ndim > 1:  # To one number for each anchor, (b,)
        axes = tuple(range(1, v.ndim))
        costs = costs.sum(axis=axes, dtype=np.float64)
        active = np.count_nonzero(active, axis=axes)
    grad *= (scale * weights).reshape(-1, *[1] * (v.ndim - 1))
    return scale * float(weights @ costs), grad, float(weights @ active)


LOSSES = {"hinge": hinge, "squared_hinge": squared_hinge, "softplus": softplus}


def triplet_loss(
    anchors,
    positives,
    negatives,
    *,
    margin=1.0,
    metric="sqeuclidean",
    loss="hinge",
    normalize=False,
    return_gradient=False,
):
    """Mean triplet loss of aligned rows, and its gradient.

    Parameters
    ----------
    anchors, positives, negatives : array-like of shape (n_triplets, k)
        Row i of the three is one triplet.
    margin : float, default=1.0
        By how much, in units of `metric`, a negative must be farther than the
        positive. Greater than 0.
    metric : {"sqeuclidean", "euclidean", "cosine"}, default="sqeuclidean"
        The distance; ``"cosine"`` normalises by itself.
    loss : {"hinge", "squared_hinge", "softplus"}, default="hinge"
        What a slack costs.
    normalize : bool, default=False
        L2-normalise every row first; the gradient is with respect to the rows given.
    return_gradient : bool, default=False
        Return the gradients as well.

    Returns
    -------
    loss : float
        The mean over all triplets; those with a cost of 0 count in the denominator.
    gradients : tuple of three ndarrays of shape (n_triplets, k)
        With respect to `anchors`, `positives` and `negatives`; only if
        `return_gradient` is true. Zero where a derivative does not exist (coincident
        points under ``"euclidean"``, zero rows when normalised).

    Raises
    ------
    ValueError
        For rows that do not align, NaN or infinity, a margin that is not greater than
        0, an unknown word, or a loss or gradient that is not finite.

    Examples
    --------
    >>> from skmetric.losses import triplet_loss
    >>> anchors, positives = [[0.0, 0.0]], [[0.0, 1.0]]
    >>> triplet_loss(anchors, positives, [[2.0, 0.0]], margin=5.0)
    2.0
    """
    arrays = check_aligned(anchors=anchors, positives=positives, negatives=negatives)
    margin = check_number("margin", margin, above=0)
    check_option("metric", metric, METRICS)
    cost_of = LOSSES[check_option("loss", loss, LOSSES)]
    with np.errstate(**CHECKED_LATER):
        places = _embed_rows(arrays, metric, normalize)
        (A, _), (P, _), (N, _) = places
        d_pos, d_neg = paired_distances(A, P, metric), paired_distances(A, N, metric)
        v = triplet_slack(d_pos, d_neg, margin)
        cost, grad = cost_of(v)
        if not return_gradient:
            return _finite(cost.mean())
        grad = grad / len(v)
        towards = paired_pullback(grad, A, P, metric)
        away = paired_pullback(grad, A, N, metric)
        gradients = _pulled_back((towards - away, -towards, away), places)
        return _finite(cost.mean(), gradients)


def contrastive_loss(
    A,
    B,
    similar,
    *,
    margin=1.0,
    pos_margin=0.0,
    metric="euclidean",
    loss="squared_hinge",
    normalize=False,
    return_gradient=False,
):
    """Mean contrastive loss of aligned pairs of rows, and its gradient.

    With the defaults this is ``y * d**2 + (1 - y) * max(margin - d, 0)**2`` [1]_
    (without the factor of one half); ``loss="hinge"`` gives
    ``y * d + (1 - y) * max(margin - d, 0)``.

    Parameters
    ----------
    A, B : array-like of shape (n_pairs, k)
        Row i of the two is one pair.
    similar : array-like of shape (n_pairs,)
        True where the two rows belong together, False where they do not. 1 and 0 are
        taken as True and False; anything else is an error.
    margin : float, default=1.0
        How far apart, in units of `metric`, dissimilar rows must be. Greater than 0.
    pos_margin : float, default=0.0
        How near is near enough for similar rows. At least 0 and below `margin`.
    metric : {"sqeuclidean", "euclidean", "cosine"}, default="euclidean"
        The distance; ``"cosine"`` normalises by itself.
    loss : {"hinge", "squared_hinge", "softplus"}, default="squared_hinge"
        What a slack costs.
    normalize : bool, default=False
        L2-normalise every row first; the gradient is with respect to the rows given.
    return_gradient : bool, default=False
        Return the gradients as well.

    Returns
    -------
    loss : float
        The mean over all pairs, similar and dissimilar alike.
    gradients : tuple of two ndarrays of shape (n_pairs, k)
        With respect to `A` and `B`; only if `return_gradient` is true.

    Raises
    ------
    ValueError
        For rows that do not align, NaN or infinity, margins out of range, an unknown
        word, a `similar` that is not boolean, or a loss or gradient that is not finite.

    References
    ----------
    .. [1] R. Hadsell, S. Chopra, Y. LeCun, "Dimensionality reduction by learning an
       invariant mapping", CVPR 2006, eq. 4.

    Examples
    --------
    >>> from skmetric.losses import contrastive_loss
    >>> contrastive_loss([[0.0], [0.0]], [[0.5], [0.5]], [True, False])
    0.25
    """
    arrays = check_aligned(A=A, B=B)
    similar = check_similar(similar, len(arrays[0]))
    margin = check_number("margin", margin, above=0)
    pos_margin = check_number("pos_margin", pos_margin, at_least=0, below=margin)
    check_option("metric", metric, METRICS)
    cost_of = LOSSES[check_option("loss", loss, LOSSES)]
    with np.errstate(**CHECKED_LATER):
        places = _embed_rows(arrays, metric, normalize)
        (A, _), (B, _) = places
        distances = paired_distances(A, B, metric)
        slacks = similar_slack(distances, pos_margin), dissimilar_slack(distances, margin)
        v = np.where(similar, *slacks)
        cost, grad = cost_of(v)
        if not return_gradient:
            return _finite(cost.mean())
        grad = np.where(similar, grad, -grad) / len(v)
        dA = paired_pullback(grad, A, B, metric)
        return _finite(cost.mean(), _pulled_back((dA, -dA), places))


def _finite(loss, gradients=()):
    """The loss, with its gradients if there are some; an error if they are not finite."""
    if not (np.isfinite(loss) and all(np.isfinite(g).all() for g in gradients)):
        raise ValueError(
            f"Got rows and margins whose loss or its gradient is beyond {loss.dtype}, but "
            "expected them to be finite. Bring the rows to one scale, and lower margins "
            "that are large."
        )
    return (float(loss), gradients) if gradients else float(loss)


def _embed_rows(arrays, metric, normalize):
    """Rows where distances are taken, each with what leads a gradient back."""
    if metric == "cosine" or normalize:
        return [embed(X.copy(), "cosine") for X in arrays]
    return [(X, None) for X in arrays]


def _pulled_back(gradients, places):
    """Gradients with respect to the rows as they were given."""
    return tuple(
        embed_pullback(dE, E, norms)
        for dE, (E, norms) in zip(gradients, places, strict=True)
    )
