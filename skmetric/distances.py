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
from sklearn.utils import gen_batches

from ._scales import rows_to_scale
from ._validation import check_option

__all__ = ["METRICS", "paired_distances"]

METRICS = ("sqeuclidean", "euclidean", "cosine")
# Rows are outliers at this many times the median of their distances from the median row.
FAR_OUT = 2**20
# Below this share of the squared norms a product of matrices leaves a squared distance
# with fewer than about nine digits.
DOUBTFUL = 2.0**-20


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
        Z -= _rounded_center(Z)
        return Z, None
    norms, exponents = _norms(Z)
    Z *= _inverse(norms[:, None])
    return Z, np.ldexp(norms, exponents)[:, None]


def _norms(Z):
    """Norms of rows, those brought to scale in place whose squares would lose digits.

    Returns
    -------
    norms : ndarray of shape (n,)
    exponents : 0 or ndarray of int of shape (n,)
        Row i and its norm times ``2.0**exponents[i]`` are what they were.
    """
    norms = np.sqrt(np.einsum("ij,ij->i", Z, Z))
    limits = np.finfo(Z.dtype)
    odd = np.flatnonzero(~((norms > (limits.tiny / limits.eps) ** 0.5) & (norms < np.inf)))
    odd = odd[Z[odd].any(axis=1)]
    if not len(odd):
        return norms, 0
    exponents = np.zeros(len(Z), dtype=np.intc)
    Z[odd], exponents[odd] = rows_to_scale(Z[odd])
    norms[odd] = np.sqrt(np.einsum("ij,ij->i", Z[odd], Z[odd]))
    return norms, exponents


def _inverse(norms):
    # Of smaller ones it would be infinite.
    held = norms >= np.finfo(norms.dtype).tiny
    return np.divide(1, norms, out=np.zeros_like(norms), where=held)


def center_on_most(E):
    """Subtract the middle of the rows in place, which changes no distance, saves digits.

    That is the mean, as :func:`embed` takes it, but the median if some rows are so far
    out that the others would lose all digits to their mean.
    """
    median = np.median(E, axis=0)
    reach = np.abs(E - median).max(axis=1)
    E -= median if reach.max() > FAR_OUT * np.median(reach) else _rounded_center(E)
    return E


def _rounded_center(Z):
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


def gram_factors(A, B, metric):
    """Two matrices whose product is all squared distances: ``left @ right.T``.

    The squared norms ride along as two more columns, so that no pass over an (n, m)
    array is spent on adding them. For ``"cosine"`` the product is halved.

    Parameters
    ----------
    A, B : ndarrays of shapes (n, k) and (m, k)
        Two tables, or the same one twice.
    metric : {"sqeuclidean", "euclidean", "cosine"}

    Returns
    -------
    left, right : ndarrays of shapes (n, k + 2) and (m, k + 2)
    """
    squared = np.einsum("ij,ij->i", A, A)[:, None]
    ones = np.ones_like(squared)
    left = np.hstack([A, squared / -2, ones / -2])
    left *= -1 if metric == "cosine" else -2
    if B is not A:
        squared = np.einsum("ij,ij->i", B, B)[:, None]
        ones = np.ones_like(squared)
    return left, np.hstack([B, ones, squared])


def block_distances(factors, rows, metric, within=True):
    """Distances from the rows of a slice of one table to all rows of another.

    Parameters
    ----------
    factors : pair of ndarrays of shapes (n, k + 2) and (m, k + 2)
        From :func:`gram_factors`.
    rows : slice
        Which rows of the first table.
    metric : {"sqeuclidean", "euclidean", "cosine"}
    within : bool, default=True
        Whether the two are one table, in which a row is at distance 0 from itself.

    Returns
    -------
    D : ndarray of shape (b, m)
        Never negative. Under ``"euclidean"`` squared distances below the rounding error of
        the product count as 0, so that coincident points have exactly that distance and
        no gradient.
    """
    left, right = factors
    D = left[rows] @ right.T  # (b, m)
    np.maximum(D, 0, out=D)
    if metric == "euclidean":
        rounding = 8 * np.finfo(D.dtype).eps * right[:, -1].max()
        D[rounding > D] = 0
        np.sqrt(D, out=D)
    if within:
        own = np.arange(len(D))
        D[own, own + rows.start] = 0
    return D


def close_distances(factors, rows, metric, E):
    """As :func:`block_distances`, with all digits between rows that are close, too.

    Parameters
    ----------
    factors, rows, metric
        As for :func:`block_distances`.
    E : ndarray of shape (n, k)
        The rows that the factors are of, wherever 0 is.

    Returns
    -------
    D : ndarray of shape (b, n)
    """
    sphere = metric == "cosine"
    D = block_distances(factors, rows, "cosine" if sphere else "sqeuclidean")
    squares = factors[1][:, -1]
    # One number first, as a comparison with each sum of two takes longer.
    near = np.flatnonzero(2 * DOUBTFUL * squares.max() > D)
    heads, tails = np.divmod(near, D.shape[1])
    doubtful = DOUBTFUL * (squares[heads + rows.start] + squares[tails]) > D.ravel()[near]
    doubtful &= heads + rows.start != tails
    heads, tails = heads[doubtful], tails[doubtful]
    for part in gen_batches(max(1, len(heads)), max(1, 2**20 // E.shape[1])):
        a, b = heads[part], tails[part]
        difference = E[a + rows.start] - E[b]
        D[a, b] = np.einsum("ij,ij->i", difference, difference) / (2 if sphere else 1)
    return np.sqrt(D, out=D) if metric == "euclidean" else D


def grad_by_square(G, D, metric):
    """Turn a gradient by distance, maybe sparse, into one by squared distance, in place."""
    if metric == "sqeuclidean":
        return G
    if issparse(G):
        rows = np.repeat(np.arange(G.shape[0]), np.diff(G.indptr))
        grad_by_square(G.data, D[rows, G.indices], metric)
    elif metric == "euclidean":
        # Of smaller distances it would be infinite.
        held = np.finfo(D.dtype).tiny <= D
        inverse = np.divide(0.5, D, out=np.zeros_like(D), where=held)
        G *= inverse
    elif metric == "cosine":
        G *= 0.5
    return G


def block_pullback(dA, dB, G, A, B, rows):
    """Add what a block of squared distances contributes to the gradients of both tables.

    Parameters
    ----------
    dA, dB : ndarrays of shapes (n, k) and (m, k)
        Added to in place; the same array if `A` and `B` are. Without `dB`, None, only
        that of `A` is.
    G : ndarray or sparse array of shape (b, m)
        Gradient with respect to the squared distances between ``A[rows]`` and ``B``.
    A, B : ndarrays of shapes (n, k) and (m, k)
    rows : slice
    """
    if B is A and G.shape[0] == len(A) and not issparse(G):
        C = _with_transpose(G)  # (n, n)
        own = np.arange(len(C))
        C[own, own] -= C.sum(axis=1)
        C *= -2
        dA += C @ A
        return
    sides = [(dA[rows], A[rows], G, B)]
    if dB is not None:
        sides.append((dB, B, G.T, A[rows]))
    for to, own, block, other in sides:
        # Faster than the sum of a sparse array.
        sums = block @ np.ones(len(other), dtype=other.dtype)
        part = sums[:, None] * own
        part -= block @ other
        part *= 2
        to += part


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
    check_option("metric", metric, METRICS)
    difference = A - B
    if metric == "euclidean":
        return np.ldexp(*_norms(difference))
    squared = np.einsum("ij,ij->i", difference, difference)
    return squared / 2 if metric == "cosine" else squared


def paired_pullback(g, A, B, metric):
    """Gradient with respect to `A` of ``g @ paired_distances(A, B)``.

    The gradient with respect to `B` is its negative. Where the points coincide the
    derivative of ``"euclidean"`` is taken as 0.
    """
    difference = A - B
    grad = np.array(g, dtype=difference.dtype)
    # A power of two that both are divided by cancels.
    distances = _norms(difference)[0] if metric == "euclidean" else None
    return 2 * grad_by_square(grad, distances, metric)[:, None] * difference
