"""The three distances between embedded rows: forward, and the pullback of a gradient.

What the rest is built of: the functions trust their input, and some work in place.

``sqeuclidean`` is ``|a - b|**2``, ``euclidean`` is ``|a - b|`` and ``cosine`` is
``1 - <a, b>`` of L2-normalised rows, which equals ``|a - b|**2 / 2``. All three are
functions of the squared distance, so one product of matrices serves forward and one
formula serves backward: with ``G`` the gradient of a loss with respect to the squared
distances and ``C = G + G.T``, the gradient with respect to the rows is
``2 * (diag(C @ 1) @ E - C @ E)``.
"""

import numpy as np
from scipy.sparse import issparse

from ._validation import check_word

__all__ = ["METRICS", "paired_distances"]

METRICS = ("sqeuclidean", "euclidean", "cosine")


def __dir__():
    return __all__


def embed(Z, metric):
    """Place mapped rows where distances are taken: the unit sphere, or around 0.

    Parameters
    ----------
    Z : ndarray of shape (n, k)
        Rows after the linear map. Overwritten.
    metric : {"sqeuclidean", "euclidean", "cosine"}
        Under ``"cosine"`` rows are L2-normalised (a zero row stays zero); otherwise
        about their mean is subtracted, which changes no distance and saves digits.

    Returns
    -------
    E : ndarray of shape (n, k)
    norms : ndarray of shape (n, 1) or None
        What :func:`embed_pullback` needs; None unless ``metric="cosine"``.
    """
    if metric != "cosine":
        Z -= _round_centre(Z)
        return Z, None
    norms = np.sqrt(np.einsum("ij,ij->i", Z, Z))[:, None]
    Z *= _inverse(norms)
    return Z, norms


def _inverse(norms):
    return np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)


def _round_centre(Z):
    """The mean, rounded to the scale of the spread: integers stay exact, ties remain."""
    mean = Z.mean(axis=0)
    spread = max((Z.max(axis=0) - mean).max(), (mean - Z.min(axis=0)).max())
    step = Z.dtype.type(2.0 ** np.floor(np.log2(spread))) if spread > 0 else 0
    return np.round(mean / step) * step if step > 0 else mean


def embed_pullback(dE, E, norms):
    """Gradient with respect to Z from the one with respect to ``embed(Z)``, in place.

    A zero row under ``"cosine"`` has no direction; its gradient is taken as 0. Without
    `norms` the rows were only shifted, and gradients of distances pass unchanged.
    """
    if norms is None:
        return dE
    dE -= np.einsum("ij,ij->i", dE, E)[:, None] * E
    dE *= _inverse(norms)
    return dE


def gram_factors(E, metric):
    """Two matrices whose product is all squared distances: ``left @ right.T``.

    The squared norms ride along as two more columns, so that no pass over an (n, n)
    array is spent on adding them. For ``"cosine"`` the product is halved.
    """
    squared = np.einsum("ij,ij->i", E, E)[:, None]
    ones = np.ones_like(squared)
    left = np.hstack([E, squared / -2, ones / -2])
    left *= -1 if metric == "cosine" else -2
    return left, np.hstack([E, ones, squared])


def block_distances(factors, rows, metric):
    """Distances from the rows of a slice to all rows.

    Parameters
    ----------
    factors : pair of ndarrays of shape (n, k + 2)
        From :func:`gram_factors`.
    rows : slice
        Which rows.
    metric : {"sqeuclidean", "euclidean", "cosine"}

    Returns
    -------
    D : ndarray of shape (b, n)
        Never negative, and 0 between a row and itself. Under ``"euclidean"`` squared
        distances below the rounding error of the product count as 0, so that
        coincident points have exactly that distance and no gradient.
    """
    left, right = factors
    D = left[rows] @ right.T
    np.maximum(D, 0, out=D)
    if metric == "euclidean":
        rounding = 8 * np.finfo(D.dtype).eps * right[:, -1].max()
        D[rounding > D] = 0
        np.sqrt(D, out=D)
    within = np.arange(len(D))
    D[within, within + rows.start] = 0
    return D


def slope_by_square(G, D, metric):
    """Turn a gradient by distance, maybe sparse, into one by squared distance, in place."""
    if issparse(G):
        rows = np.repeat(np.arange(G.shape[0]), np.diff(G.indptr))
        slope_by_square(G.data, D[rows, G.indices], metric)
    elif metric == "euclidean":
        inverse = np.divide(0.5, D, out=np.zeros_like(D), where=D > 0)
        G *= inverse
    elif metric == "cosine":
        G *= 0.5
    return G


def block_pullback(dE, G, E, rows):
    """Add to `dE` what a block of squared distances contributes.

    Parameters
    ----------
    dE : ndarray of shape (n, k)
        Added to in place.
    G : ndarray or sparse array of shape (b, n)
        Gradient with respect to the squared distances between ``E[rows]`` and ``E``.
    E : ndarray of shape (n, k)
    rows : slice
    """
    if G.shape[0] == len(E):
        C = G + G.T if issparse(G) else _with_transpose(G)
        sums = C.sum(axis=1)
        if issparse(C):
            dE += 2 * (sums[:, None] * E - C @ E)
        else:
            within = np.arange(len(C))
            C[within, within] -= sums
            C *= -2
            dE += C @ E
        return
    dE[rows] += 2 * (G.sum(axis=1)[:, None] * E[rows] - G @ E)
    dE += 2 * (G.sum(axis=0)[:, None] * E - G.T @ E[rows])


def _with_transpose(G):
    """``G + G.T``, some rows at a time, so that what is read side by side stays cached."""
    C = np.empty_like(G)
    for start in range(0, len(G), 64):
        rows = slice(start, start + 64)
        C[:, rows] = G[rows].T
    C += G
    return C


def paired_distances(A, B, metric):
    """Distance of each row of `A` to the row of `B` at its side.

    Parameters
    ----------
    A : ndarray of shape (n, k)
        Under ``"cosine"`` the rows of both must be L2-normalised already.
    B : ndarray of shape (n, k)
        As many rows.
    metric : {"sqeuclidean", "euclidean", "cosine"}
        The distance.

    Returns
    -------
    distances : ndarray of shape (n,)
        At least 0; under ``"cosine"`` at most 2.

    Raises
    ------
    ValueError
        For an unknown metric.

    Examples
    --------
    >>> import numpy as np
    >>> from skmetric.distances import paired_distances
    >>> paired_distances(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]), "euclidean")
    array([5.])
    """
    check_word("metric", metric, METRICS)
    difference = A - B
    squared = np.einsum("ij,ij->i", difference, difference)
    if metric == "euclidean":
        return np.sqrt(squared)
    return squared / 2 if metric == "cosine" else squared


def paired_pullback(g, A, B, metric):
    """Gradient with respect to `A` of ``g @ paired_distances(A, B)``.

    The gradient with respect to `B` is its negative. Where the points coincide the
    derivative of ``"euclidean"`` is taken as 0.
    """
    difference = A - B
    slope = np.array(g, dtype=difference.dtype)
    distances = paired_distances(A, B, metric) if metric == "euclidean" else None
    return 2 * slope_by_square(slope, distances, metric)[:, None] * difference
