"""The span of the training rows: all that a map can learn about.

Gradients of a map lie in the span of the rows, centered where distances do not depend on
where 0 is, and so does what a fit changes of W₀. So the penalty and the steps of solvers
are measured there, and of rows fewer than features, only their span is learnt about.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import issparse
from sklearn.utils.sparsefuncs import min_max_axis

from ._scatter import MAX_SCATTER, moments_of, varied

# Directions in which rows spread less than this, against the direction of most spread, do
# not count; features are brought to one scale first.
FLAT = 1e-6
# A sample of this many rows per feature is looked at first: mostly it spans the space.
ROWS_PER_FEATURE = 4
# At most this many rows, or twice the components, are reduced to their span in O(n³).
MAX_REDUCED = 1024
# At most this many entries a basis may have where the map has fewer.
MAX_ENTRIES = 2**24


def restrict_to_span(W0, X, centered):
    """W₀ on the span of the rows.

    Parameters
    ----------
    W0 : ndarray of shape (k, d)
    X : ndarray or CSR of shape (n, d)
    centered : bool
        Whether the span is that of the centered rows.

    Returns
    -------
    part : ndarray of shape (k, r)
        In an orthonormal basis of the span, or `W0` itself if it is the whole space. Where
        that takes too long, of the features that are not constant.
    """
    n, d = X.shape
    if n < d and n <= MAX_REDUCED and n * d <= MAX_ENTRIES:
        basis = row_basis(X, centered)
        return W0 if basis is None else W0 @ basis.astype(W0.dtype)
    if issparse(X) or d > MAX_SCATTER:
        varies = _varies(X)
        return W0 if varies.all() or not varies.any() else W0[:, varies]

    def scatter(rows):
        return second_moments(moments_of(rows), centered)

    of_some = scatter(X[:: max(1, n // (ROWS_PER_FEATURE * d))])
    part = restrict_to_range(W0, of_some)
    if part is W0:
        return W0
    varies = varied(np.diag(of_some))
    if part.shape[1] == np.count_nonzero(varies):
        # All but some features, which all rows may show to vary.
        of_others = np.diag(scatter(X[:, ~varies]))
        if not varied(np.append(of_others, np.trace(of_some)))[:-1].any():
            return part
    return restrict_to_range(W0, scatter(X))


def row_basis(X, centered):
    """An orthonormal basis, (d, r), of the span of rows; None if that is 0.

    In O(n² d + n³) time.
    """
    X = X.astype(np.float64)
    if centered:
        X = X - X.mean(axis=0)
    gram = X @ X.T
    values, vectors = eigh(gram.toarray() if issparse(gram) else gram)
    seen = values > FLAT**2 * values[-1]
    if not seen.any():
        return None
    # Of directions of little spread not all digits are right; QR makes them orthogonal.
    return np.linalg.qr(X.T @ (vectors[:, seen] / np.sqrt(values[seen])))[0]


def _varies(X):
    """Which features of X are not constant."""
    lowest, highest = min_max_axis(X, 0) if issparse(X) else (X.min(0), X.max(0))
    return lowest != highest


def second_moments(moments, centered):
    """The scatter of rows, about their mean or about 0."""
    if centered:
        return moments.scatter
    return moments.scatter + moments.n * np.outer(moments.mean, moments.mean)


def restrict_to_range(W0, scatter):
    """W₀ on the range of a scatter matrix, in an orthonormal basis; `W0` if that is all.

    Parameters
    ----------
    W0 : ndarray of shape (k, d)
    scatter : ndarray of shape (d, d)

    Returns
    -------
    part : ndarray of shape (k, r)
    """
    varies = varied(np.diag(scatter))
    if not varies.any():
        return W0
    spread = np.sqrt(np.diag(scatter)[varies])
    values, vectors = eigh(scatter[np.ix_(varies, varies)] / np.outer(spread, spread))
    seen = values > FLAT**2 * values[-1]
    if seen.all():
        return W0 if varies.all() else W0[:, varies]
    basis, _ = np.linalg.qr(spread[:, None] * vectors[:, seen])  # (d', r)
    return W0[:, varies] @ basis.astype(W0.dtype)


class Reduction(NamedTuple):
    """A map by its matrix in bases of the rows and of what W₀ maps them to.

    Attributes
    ----------
    W0 : ndarray of shape (k, d)
    rows : ndarray of shape (d, r)
        Orthonormal columns, the span of the rows.
    mapped : ndarray of shape (k, q) or None
        Orthonormal columns, the span of the mapped rows; None for all k components.
    """

    W0: np.ndarray
    rows: np.ndarray
    mapped: np.ndarray | None

    def reduce(self, W):
        """The matrix of a map, of shape (q, r)."""
        B = W @ self.rows
        return B if self.mapped is None else self.mapped.T @ B

    def expand(self, B, B0):
        """The map of shape (k, d) that is W₀, reduced to `B0`, off the span."""
        change = B - B0
        if self.mapped is not None:
            change = self.mapped @ change
        W = change @ self.rows.T
        W += self.W0
        return W


def find_reduction(X, W0, start, centered, side="both"):
    """How a fit to a few rows of many features can be reduced, or None.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
    W0, start : ndarrays of shape (k, d)
        What `start` does off the span is left out.
    centered : bool
    side : {"both", "queries"}, default="both"
        With ``"queries"`` W₀ is the identity, and some rows of X are compared as they are
        with others that are mapped.

    Returns
    -------
    reduction : Reduction or None

    Notes
    -----
    O(n² d + n³) time. Penalty, distances and so the loss are the same for the reduced map:
    it is the full one in other coordinates.
    """
    (n, d), k = X.shape, len(W0)
    if n >= d or n > max(2 * k, MAX_REDUCED) or (issparse(X) and n > k):
        return None
    if n >= np.count_nonzero(_varies(X)):
        return None
    rows, mapped = row_basis(X, centered), None
    if rows is None:
        return None
    rows = rows.astype(W0.dtype)
    if side == "queries":
        # Rows that are mapped and rows that are not meet in one basis.
        mapped = rows
    elif k > rows.shape[1]:
        parts = [W0 @ rows] if start is W0 else [W0 @ rows, start @ rows]
        mapped = np.linalg.qr(np.hstack(parts))[0]
        mapped = mapped if mapped.shape[1] < k else None
    return Reduction(W0, rows, mapped)
