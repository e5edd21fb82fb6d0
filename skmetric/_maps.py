"""What maps do to rows, and the map in the middle of some."""

import numpy as np
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.utils import gen_batches

from .distances import embed


def map_rows(X, W, metric):
    """``X @ W.T``, on the unit sphere under ``"cosine"``: what ``transform`` returns."""
    Z = X @ W.T
    return embed(Z, metric)[0] if metric == "cosine" else Z


def nearest_labels(E, X, y, W, metric):
    """The label of the nearest row to each of some mapped rows.

    Parameters
    ----------
    E : ndarray of shape (m, k)
    X : ndarray, CSR or SomeRows of shape (n, d)
        Mapped block by block, so that memory is O(m).
    y : ndarray of int of shape (n,)
    W : ndarray of shape (k, d)
    metric : str

    Returns
    -------
    labels : ndarray of int of shape (m,)
    """
    labels, least = np.zeros(len(E), dtype=y.dtype), np.full(len(E), np.inf)
    for rows in gen_batches(len(y), 4096):
        at, distances = pairwise_distances_argmin_min(E, map_rows(X[rows], W, metric))
        labels = np.where(distances < least, y[rows][at], labels)
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
    left, _, right = np.linalg.svd(W0 @ W.T, full_matrices=False)
    return left @ right @ W
