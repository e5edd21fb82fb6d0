"""W₀: where a fit starts, where the penalty is 0, and what gives margins their unit.

References
----------
.. [1] N. Halko, P.-G. Martinsson, J. A. Tropp, "Finding structure with randomness:
   Probabilistic algorithms for constructing approximate matrix decompositions", SIAM
   Review 53, 2011.
"""

from numbers import Integral

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import ArpackError
from sklearn.decomposition import PCA
from sklearn.utils import gen_batches
from sklearn.utils.sparsefuncs import min_max_axis

from .._validation import (
    CHECKED_LATER,
    as_array,
    bounds_of_squares,
    check_apart,
    check_map_size,
    check_number,
    check_option,
    check_rows,
    short,
)
from ..distances import embed
from . import _scatter
from ._rotation import principal_axes
from ._span import row_basis

INITS = ("auto", "discriminant", "identity", "pca", "lda", "random")
# At most this many features for the discriminant map where rows are more than that.
MAX_DISCRIMINANT = 4096
# Beyond: how often the scatter is applied to k random directions and this many more.
POWER_ITERATIONS, OVERSAMPLING = 8, 10
# At most this many entries of X or of mapped rows at a time are looked at for distances.
BLOCK_ENTRIES = 2**19


def initial_map(rows, n_components, init, random_state):
    """W₀ of shape (k, d), in the dtype of the rows.

    Every map but a given array is scaled so that the mean squared distance between two
    rows under it is 1. A margin then means the same on every data set.

    Parameters
    ----------
    rows : RowsInMemory
        Or what else has its `shape`, `dtype` and methods.
    n_components : int or None
        None takes all d, or as many as `init` has to give.
    init : {"auto", "discriminant", "identity", "pca", "lda", "random"} or array-like of \
shape (k, d)
        ``"auto"`` is ``"discriminant"`` where `rows` can give that, else ``"identity"`` if
        all d components are kept, else ``"pca"``.
    random_state : RandomState

    Returns
    -------
    W : ndarray of shape (k, d)

    Raises
    ------
    ValueError
        For more components than features or than `init` has to give, an array of the
        wrong shape, ``"lda"`` on sparse X or without labels, or rows so far from or near to
        each other that their dtype cannot hold the squares.
    """
    if not isinstance(init, str):
        return _array_as_map(init, rows, n_components)
    d = rows.shape[1]
    check_option("init", init, INITS)
    if n_components is not None:
        _check_n_components(n_components, d, "features of X")
    if knows_classes(rows, init):
        init = "discriminant"
    elif init == "auto":
        init = "identity" if n_components in (None, d) else "pca"
    most = rows.most_components(init)
    k = most if n_components is None else n_components
    _check_n_components(k, most, f"components that init={init!r} has to give here")
    check_map_size(k, d)
    W = _MAPS[init](rows, k, random_state).astype(rows.dtype)
    if n_components is not None:
        _check_n_components(k, len(W), f"components that init={init!r} found")
    distance = _mean_distance(rows, W)
    if distance == 0:
        return W
    check_apart(distance, W.dtype)
    return W / W.dtype.type(distance)


def knows_classes(rows, init):
    """Whether a fit to rows starts from the discriminant map."""
    if not isinstance(init, str):
        return False
    return init == "discriminant" or (init == "auto" and rows.has_discriminant())


def _mean_distance(rows, W):
    """The root of the mean squared distance, also where the squares cannot be held."""
    largest = 2 * np.finfo(W.dtype).maxexp // 3
    for exponent in (0, largest, -largest):
        with np.errstate(**CHECKED_LATER):
            squared = rows.mean_squared_distance(np.ldexp(W, exponent))
            distance = float(np.ldexp(np.sqrt(squared), -exponent))
        if 0 < squared < np.inf:
            break
    return distance


class RowsInMemory:
    """What :func:`initial_map` asks of rows, of those in memory, and the axes they end on.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
    target : Labels, Matches, Triplets, Pairs or None
        Which only ``"lda"`` and ``"discriminant"`` need.
    metric : str, default="sqeuclidean"
        Under ``"cosine"`` the discriminant map is that of the unit rows.

    Attributes
    ----------
    strength : float
        Of the discriminant map, once it is found.
    """

    strength = 1.0

    def __init__(self, X, target, metric="sqeuclidean"):
        self.X, self.target, self.shape, self.dtype = X, target, X.shape, X.dtype
        self.metric = metric
        self.labels = target if target is not None and target.labeled else None
        self.y = None if self.labels is None else self.labels.classes

    def most_components(self, init):
        """How many `init` has to give."""
        n, d = self.shape
        if init == "pca":
            # The solver for sparse X finds all but one.
            return min(n, d) - 1 if issparse(self.X) and min(n, d) > 1 else min(n, d)
        if init == "lda":
            self._check_lda()
            return most_discriminants(d, np.bincount(self.y))
        if init == "discriminant":
            self._check_discriminant()
        return d

    def has_discriminant(self):
        """Whether ``init="discriminant"`` is possible."""
        n, d = self.shape
        small = d <= MAX_DISCRIMINANT or n < d
        return self.target is not None and not issparse(self.X) and small

    def discriminant(self, k):
        """A map that tells classes apart, or the rows that given constraints tell apart."""
        _check_extent(largest_extent(self.X), np.float64)
        (n, d), basis = self.shape, None

        def rows_at(at):
            return rows_of_discriminant(self.X[at], self.metric)

        if n < d:
            X = rows_at(slice(None))
            basis = row_basis(X, centered=True)
            if basis is None:
                return np.eye(k, d)
            X = (X - X.mean(axis=0, dtype=np.float64)) @ basis  # (n, r)
            rows_at = X.__getitem__
        scatters = self.target.scatters(rows_at)
        rank = _scatter.rank_of(scatters.total)
        self.strength = self.target.strength(rows_at, rank)
        W, scale = _scatter.discriminant(scatters, rank, self.strength)
        r = len(W)
        if k < d:
            W = _scatter.leading(W, scatters.total, min(k, r))
        if basis is None:
            return W
        if k < d:
            # Further directions, in which the rows have no scatter.
            further = np.linalg.qr(np.hstack([basis, np.eye(d, max(k - r, 0))]))[0][:, r:]
            return np.vstack([W @ basis.T, scale * further.T])
        W = basis @ (W - scale * np.eye(r)) @ basis.T
        W[np.diag_indices(d)] += scale
        return W

    def _check_discriminant(self):
        if not self.has_discriminant():
            raise ValueError(
                f"Got init='discriminant' with X of shape {self.shape}, but expected dense "
                f"X, labels or constraints, and at most {MAX_DISCRIMINANT} features or "
                "fewer rows than features. Use init='pca' or 'identity'."
            )

    def pca(self, k, random_state):
        """Directions of the largest variance."""
        extent = largest_extent(self.X)
        if not issparse(self.X):
            # Computed in float64.
            _check_extent(extent, np.float64)
            return pca(self.X, k, random_state)
        if extent == 0 or self.shape[1] == 1:
            # Any directions will do, or there is one, but ARPACK finds none.
            return np.eye(k, self.shape[1])
        _check_extent(extent, self.dtype)
        arpack = PCA(n_components=k, svd_solver="arpack", random_state=random_state)
        try:
            return arpack.fit(self.X).components_
        except ArpackError:
            raise ValueError(
                f"Got init='pca' with sparse X whose features vary by {extent:.3g} at "
                "most, but expected more: that is lost against how far they are from 0. "
                "Use init='identity' or 'random', or dense X."
            ) from None

    def lda(self, k):
        """Directions that tell the classes apart."""
        _scatter.check_spread(self._spreads_within_classes())
        _check_extent(largest_extent(self.X), np.float64)
        moments = _scatter.moments_of(self.X)
        check_apart(_scatter.mean_squared_distance(moments) ** 0.5, self.X.dtype)
        classes = _scatter.class_moments_of(self.X, self.y)
        return _scatter.lda(moments, classes, k)

    def _spreads_within_classes(self):
        _, first, codes = np.unique(self.y, return_index=True, return_inverse=True)
        return any(
            (self.X[rows] != self.X[first[codes[rows]]]).any()
            for rows in gen_batches(len(codes), max(1, 2**20 // self.shape[1]))
        )

    def mean_squared_distance(self, W):
        """Mean of |W x_i - W x_j|² over all pairs of two rows that are no copies."""
        n_copies = 0 if self.labels is None else self.labels.n_pairs_of_copies
        return mean_squared_distance(self.X, W) / share_of_distinct(self.shape[0], n_copies)

    def principal_axes(self, W):
        """Principal axes of the mapped rows, (r, k)."""
        return principal_axes(self.X, W, self.metric)

    def _check_lda(self):
        if self.y is None:
            raise ValueError(
                "Got init='lda' without labels of classes, but LDA needs one for each row. "
                "Use init='pca' or 'identity'."
            )
        if issparse(self.X):
            raise ValueError(
                "Got init='lda' with sparse X, but LDA needs dense X. Use init='pca' or "
                "'random'."
            )


def rows_of_discriminant(X, metric):
    """Rows whose scatter counts: under the cosine those on the unit sphere."""
    return embed(X.astype(np.float64), metric)[0] if metric == "cosine" else X


def pca(X, k, random_state):
    """The k directions of the largest variance, without a copy of X.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    k : int
    random_state : RandomState

    Returns
    -------
    W : ndarray of float64 of shape (k, d)
        Orthonormal rows, by falling variance.

    Notes
    -----
    Rows are centered block by block in float64, so that X may be far from 0. Up to
    1024 features the directions are exact, in O(n d² + d³) time and O(d²) memory.
    Beyond, `POWER_ITERATIONS` applications of the scatter to k + `OVERSAMPLING` random
    directions find them nearly [1]_, in O(n d k) time and O(d k) memory.
    """
    n, d = X.shape
    if d <= _scatter.MAX_SCATTER:
        return _scatter.pca(_scatter.moments_of(X), k)
    blocks = list(gen_batches(n, max(1, 2**20 // d)))
    mean = X.mean(axis=0, dtype=np.float64)

    def scatter(V):
        centered = (X[rows] - mean for rows in blocks)
        return sum(C.T @ (C @ V) for C in centered)

    V = random_state.standard_normal((d, min(k + OVERSAMPLING, n, d)))
    for _ in range(POWER_ITERATIONS - 1):
        V = np.linalg.qr(scatter(V))[0]
    return np.linalg.svd(scatter(V), full_matrices=False)[0][:, :k].T


def most_discriminants(d, class_sizes):
    """How many directions tell classes apart."""
    return min(d, np.count_nonzero(class_sizes) - 1)


def share_of_distinct(n, n_pairs_of_copies):
    """Of all ordered pairs of two rows the share that are no copies of each other."""
    return 1 - n_pairs_of_copies / (n * (n - 1))


def mean_squared_distance(X, W):
    """Mean of |W x_i - W x_j|² over all pairs of two rows of X.

    Accumulated in float64 over blocks of rows, about the first row, so that neither X
    nor an embedding is copied and no digits are lost where X is far from 0.
    """
    n = X.shape[0]
    total, squares = np.zeros(len(W)), np.zeros(len(W))
    with np.errstate(**CHECKED_LATER):
        origin = X[:1] @ W.T
        for rows in gen_batches(n, max(1, BLOCK_ENTRIES // max(W.shape))):
            Z = (X[rows] @ W.T - origin).astype(np.float64)
            total += Z.sum(axis=0)
            squares += np.einsum("ij,ij->j", Z, Z)
        variance = np.maximum(squares - total**2 / n, 0) / (n - 1)
        return 2 * variance.sum()


def largest_extent(X):
    """By how much the feature with the largest range differs at most."""
    low, high = min_max_axis(X, 0) if issparse(X) else (X.min(axis=0), X.max(axis=0))
    with np.errstate(over="ignore"):
        return float((high - low).max())


def _check_extent(extent, dtype):
    """Refuse rows whose squares cannot be summed; those that are all alike can."""
    if extent != 0:
        check_apart(extent, dtype)


def _array_as_map(init, rows, n_components):
    expected = f"one of {sorted(INITS)}, or a map of shape (n_components, {rows.shape[1]})"
    if as_array("init", init, expected).ndim != 2:
        raise ValueError(f"Got init={short(init)}, but expected {expected}.")
    W = check_rows(init, "init", dtype=rows.dtype, copy=True)
    k = W.shape[0] if n_components is None else n_components
    if W.shape != (k, rows.shape[1]):
        raise ValueError(
            f"Got init of shape {W.shape}, but expected {(k, rows.shape[1])}: a row for "
            "each of n_components and a column for each feature of X."
        )
    if not W.any():
        raise ValueError("Got init of zeros only, a map that has no direction to learn.")
    least, most = bounds_of_squares(W.dtype)
    if not least < np.abs(W).max() < most:
        raise ValueError(
            f"Got init of {W.dtype} with a largest entry of {np.abs(W).max():.3g}, but "
            f"expected more than {least:.0e} and less than {most:.0e}, as squares are "
            "taken. Scale it, and the features."
        )
    check_under(W, rows, "the map given as init")
    return W


def check_under(W, rows, name="the map"):
    """Refuse rows that a map takes to where squares of their distances cannot be held."""
    distance = _mean_distance(rows, W.astype(np.result_type(W.dtype, rows.dtype)))
    if distance != 0:
        check_apart(distance, W.dtype, where=f" under {name}")


def _check_n_components(k, most, what):
    check_number("n_components", k, kind=Integral, at_least=1)
    if k > most:
        raise ValueError(
            f"Got n_components={k}, but expected at most {most}, the number of {what}."
        )


_MAPS = {
    "identity": lambda rows, k, random_state: np.eye(k, rows.shape[1]),
    "pca": lambda rows, k, random_state: rows.pca(k, random_state),
    "lda": lambda rows, k, random_state: rows.lda(k),
    "discriminant": lambda rows, k, random_state: rows.discriminant(k),
    "random": lambda rows, k, random_state: random_state.standard_normal(
        (k, rows.shape[1])
    ),
}
