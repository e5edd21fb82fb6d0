"""The rotation of a learnt map that orders its components by the variance of the rows.

A rotation changes no distance and no cosine. So of all maps with one metric, a fit returns
the one whose components are the principal axes of the mapped training rows.

References
----------
.. [1] R. Schreiber, B. Parlett, "Block reflectors: theory and computation", SIAM Journal on
   Numerical Analysis 25, 1988.
"""

from functools import reduce

import numpy as np
from sklearn.utils import gen_batches

from . import _scatter
from ._maps import map_rows

# At most this many rows, evenly spaced, say how a map spreads rows.
MAX_ROWS = 2**15


def principal_axes(X, W, metric):
    """The principal axes of mapped rows, by falling variance.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
    W : ndarray of shape (k, d)
    metric : str
        Under ``"cosine"`` the mapped rows have length 1.

    Returns
    -------
    axes : ndarray of float64 of shape (min(n, k), k)
        Orthonormal rows.

    Notes
    -----
    In O(n d k) time for the mapped rows and O(n k min(n, k) + min(n, k)³) for their axes,
    with n of at most `MAX_ROWS`. Only a block of mapped rows is kept, or all if they are
    fewer than components.
    """
    X, k = X[:: -(-X.shape[0] // MAX_ROWS)], len(W)
    n = X.shape[0]
    if n < k:
        Z = map_rows(X, W, metric).astype(np.float64)
        return np.linalg.svd(Z - Z.mean(axis=0), full_matrices=False)[2]
    return _scatter.pca(moments_of_mapped(X, W, metric), k)


def moments_of_mapped(X, W, metric):
    """Moments of mapped rows, which are mapped block by block."""
    blocks = gen_batches(X.shape[0], max(1, 2**20 // max(W.shape)))
    parts = (_scatter.moments_of(map_rows(X[rows], W, metric)) for rows in blocks)
    return reduce(_scatter.merge_moments, parts)


def rotate_to(W, axes):
    """The map whose first components are given axes of the mapped rows.

    Parameters
    ----------
    W : ndarray of shape (k, d)
    axes : ndarray of shape (r, k)
        Orthonormal rows.

    Returns
    -------
    rotated : ndarray of shape (k, d)
        With the metric of `W`. The first r rows are ``axes @ W``, and the others complete
        them by a block reflector [1]_, in O(k d r) time. The entry of the largest magnitude
        of each row is positive.
    """
    axes = axes.astype(W.dtype)
    r = len(axes)
    first, rest = axes @ W, W[r:]
    if len(rest):
        # With B = axes.T + [P.T; 0], where P is the orthogonal factor of axes[:, :r] and H
        # the symmetric one, 1 - B (1 + H)^-1 B.T takes axes.T to -[P.T; 0].
        left, scales, right = np.linalg.svd(axes[:, :r].T)
        inverse = (right.T / (1 + scales)) @ right  # (r, r)
        rest = rest - axes[:, r:].T @ (inverse @ (first + (left @ right).T @ W[:r]))
    rotated = np.vstack([first, rest])
    largest = np.abs(rotated).argmax(axis=1)
    signs = np.where(rotated[np.arange(len(W)), largest] < 0, -1, 1).astype(W.dtype)
    return rotated * signs[:, None]
