"""What maps do to rows, and the map in the middle of some."""

import numpy as np
from scipy.sparse import issparse
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.utils import gen_batches

from .._scales import in_units, rows_to_scale, to_scale
from .._validation import CHECKED_LATER, check_apart
from ..distances import center_on_most, embed, paired_distances

UNDER = " under the map"


def map_rows(X, W, metric):
    """``X @ W.T``, on the unit sphere under ``"cosine"``: what ``transform`` returns.

    In the dtype of `X`.

    Raises
    ------
    ValueError
        For rows that the map takes to where their dtype ends.
    """
    with np.errstate(**CHECKED_LATER):
        W = W.astype(X.dtype, copy=False)
        Z = X @ W.T
        if metric == "cosine":
            Z = _directions(Z, X, W)
    if not np.isfinite(Z).all():
        check_apart(np.inf, Z.dtype, where=UNDER, squared=False)
    return Z


def _directions(Z, X, W):
    E, norms = embed(Z, "cosine")
    # Only the direction of a row counts, so that it may come from one of another length.
    odd = np.flatnonzero(~((norms >= np.finfo(Z.dtype).tiny) & (norms < np.inf)))
    if len(odd):
        E[odd], _ = embed(rows_to_scale(X[odd])[0] @ W.T, "cosine")
    return E


def mapped_distances(A, B, W, metric, side="both"):
    """Distance of each mapped row of `A` to the mapped row of `B` at its side.

    It is the differences that are mapped, in float64, so that no digits are lost where
    both are far from 0.

    Parameters
    ----------
    A, B : ndarrays or CSR of shape (n, d)
    W : ndarray of shape (k, d)
    metric : str
    side : {"both", "queries"}, default="both"
        ``"queries"`` leaves the rows of `B` as they are.

    Returns
    -------
    distances : ndarray of shape (n,)
        Of the common dtype of `A` and `B`.

    Raises
    ------
    ValueError
        For distances that this dtype cannot hold.
    """
    dtype = np.result_type(A.dtype, B.dtype)
    A, B, W = (X.astype(np.float64, copy=False) for X in (A, B, W))
    if metric == "cosine":
        E = map_rows(A, W, metric)
        others = map_rows(B, W, metric) if side == "both" else embed(_dense(B), metric)[0]
        return paired_distances(E, others, metric).astype(dtype, copy=False)
    A, B = _of_one_kind(A, B)
    if side == "queries":
        distances = paired_distances(map_rows(A, W, metric), _dense(B), metric)
        return distances.astype(dtype, copy=False)
    with np.errstate(over="ignore"):
        apart, exponent = to_scale(A - B)
        distances = paired_distances(apart @ W.T, 0, metric)
    exponent *= 1 if metric == "euclidean" else 2
    return in_units(distances, exponent, dtype, what="A and B", where=UNDER)


def mapped_contributions(A, B, W, metric):
    """What each feature adds to the distance of mapped rows of `A` and of `B`.

    Parameters
    ----------
    A, B : ndarrays or CSR of shape (n, d)
    W : ndarray of shape (k, d)
    metric : str

    Returns
    -------
    contributions : ndarray of shape (n, d)
        Of the common dtype of `A` and `B`. Each row sums to a distance, under
        ``"euclidean"`` to its square.

    Raises
    ------
    ValueError
        For distances that this dtype cannot hold.
    """
    dtype = np.result_type(A.dtype, B.dtype)
    A, B, W = (X.astype(np.float64) for X in (A, B, W))
    A, B = _of_one_kind(A, B)
    with np.errstate(over="ignore"):
        if metric == "cosine":
            # Half of |e_a - e_b|**2.
            apart, exponent, factor = _onto_sphere(A, W) - _onto_sphere(B, W), 0, 0.5
        else:
            (apart, exponent), factor = to_scale(A - B), 1
        contributions = factor * _dense(apart) * ((apart @ W.T) @ W)
    return in_units(contributions, 2 * exponent, dtype, what="A and B", where=UNDER)


def mean_contributions(X, W, metric):
    """What each feature adds to the distance of two rows, in the mean over all pairs.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
        At least two rows.
    W : ndarray of shape (k, d)
    metric : str

    Returns
    -------
    contributions : ndarray of shape (d,)
        As those of :func:`mapped_contributions`.

    Notes
    -----
    The mean of (x - x')(x - x')ᵀ over all pairs of different rows is twice the covariance
    C of the rows, divided by n - 1. So these are the sums of the rows of 2 M * C, found
    without a matrix of all features.
    """
    dtype = X.dtype
    X, W = X.astype(np.float64), W.astype(np.float64)
    if metric == "cosine":
        X, exponent, factor = _onto_sphere(X, W), 0, 1
    else:
        (X, exponent), factor = to_scale(X), 2
    if not issparse(X):
        X = center_on_most(X)
    n, d = X.shape
    mean, total = np.asarray(X.mean(axis=0)).reshape(-1), np.zeros(d)
    for block in gen_batches(n, 2048):
        apart = _dense(X[block]) - mean  # (b, d)
        total += np.einsum("ij,ij->j", apart, (apart @ W.T) @ W)
    return in_units(factor * total / (n - 1), 2 * exponent, dtype, where=UNDER)


def _onto_sphere(X, W):
    """Rows divided by their mapped length, so that they are mapped to length 1, or to 0."""
    X, _ = rows_to_scale(X)
    _, lengths = embed(X @ W.T, "cosine")  # (n, 1)
    inverse = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    if issparse(X):
        X.data *= np.repeat(inverse[:, 0], np.diff(X.indptr))
        return X
    return X * inverse


def _of_one_kind(A, B):
    """Two tables, both dense unless both are sparse."""
    if issparse(A) == issparse(B):
        return A, B
    return tuple(X.toarray() if issparse(X) else X for X in (A, B))


def _dense(X):
    """A dense copy."""
    return X.toarray() if issparse(X) else X.copy()


def comparable_rows(X, W, metric):
    """Mapped rows whose distances compare as those of rows under the map do.

    In float64, about their middle and to scale, so that differences have their digits.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
    W : ndarray of shape (k, d)
    metric : str

    Returns
    -------
    E : ndarray of float64 of shape (n, k)
    """
    X, W = X.astype(np.float64), W.astype(np.float64, copy=False)
    if metric == "cosine":
        return map_rows(X, W, metric)
    X, _ = to_scale(X)
    E, _ = to_scale((X if issparse(X) else center_on_most(X)) @ W.T)
    return E


def nearest_labels(E, X, rows, y, W, metric):
    """The label of the nearest row to each of some mapped rows.

    Parameters
    ----------
    E : ndarray of shape (m, k)
        The others are mapped in its dtype.
    X : ndarray or CSR of shape (n, d)
    rows : ndarray of int of shape (p,)
        Which rows of X; mapped block by block, so that memory is O(m).
    y : ndarray of int of shape (p,)
        Their labels.
    W : ndarray of shape (k, d)
    metric : str

    Returns
    -------
    labels : ndarray of int of shape (m,)
    """
    labels, least = np.zeros(len(E), dtype=y.dtype), np.full(len(E), np.inf)
    for part in gen_batches(len(y), 2048):
        others = map_rows(X[rows[part]].astype(E.dtype, copy=False), W, metric)
        at, distances = pairwise_distances_argmin_min(E, others)
        labels = np.where(distances < least, y[part][at], labels)
        least = np.minimum(distances, least)
    return labels


def mean_map(maps, W0):
    """The map whose metric WᵀW is the mean of the metrics of some maps.

    Parameters
    ----------
    maps : sequence of ndarrays of shape (k, d)
    W0 : ndarray of shape (k, d)

    Returns
    -------
    W : ndarray of shape (k, d)
        Of the maps of that metric, or of its best approximation of rank k, the one
        nearest to `W0`.
    """
    _, scales, directions = np.linalg.svd(np.vstack(maps), full_matrices=False)
    k = len(W0)
    W = (scales[:k] / len(maps) ** 0.5)[:, None] * directions[:k]
    return nearest_rotation(W, W0)


def nearest_rotation(W, W0):
    """Of the maps that have the metric of a map W, the one nearest to W₀.

    It is the solution of the orthogonal Procrustes problem. Maps are of shape (k, d).
    """
    (A, _), (B, _) = (to_scale(M.astype(np.float64, copy=False)) for M in (W0, W))
    left, _, right = np.linalg.svd(A @ B.T, full_matrices=False)
    return (left @ right).astype(W.dtype) @ W
