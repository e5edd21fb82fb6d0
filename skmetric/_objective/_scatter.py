"""Moments of rows that can be merged, and the maps that follow from them.

A worker of a cluster reduces its rows to their mean and scatter, and these to those of all
rows, two at a time (Chan, Golub and LeVeque 1983), without a loss of digits where rows are
far from 0.
"""

from functools import cache, reduce
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array, issparse
from scipy.sparse.csgraph import connected_components
from sklearn.utils import gen_batches

from .._validation import check_apart, distinct_labels, merge_labels

# At most this many entries of X at a time are looked at for their scatter.
PART_ENTRIES = 2**19
# At most this many features where arrays of their number squared are needed.
MAX_SCATTER = 1024
# Directions in which classes spread less than this are dropped, as scikit-learn's LDA
# does with features scaled to a spread of 1.
LDA_TOL = 1e-4
# Features whose standard deviation is less than this share of that of all together are
# noise, such as what is left of a dead one in half precision. LDA would blow them up.
FLAT = 1e-7


class Moments(NamedTuple):
    """How many rows, their mean, and the scatter ``sum of (x - mean)(x - mean).T``."""

    n: int
    mean: np.ndarray
    scatter: np.ndarray


class Scatters(NamedTuple):
    """Mean scatter of rows that belong together, and of all rows.

    Parameters
    ----------
    within, total : ndarrays of shape (d, d)
    n_degrees : int
        Degrees of freedom of `within`: of how many independent differences of rows it is
        the mean.
    """

    within: np.ndarray
    total: np.ndarray
    n_degrees: int


class ClassMoments(NamedTuple):
    """Different labels, how many rows each has, and the mean of these."""

    labels: np.ndarray
    counts: np.ndarray
    means: np.ndarray


def moments_of(X):
    """Moments of an array or CSR of shape (n, d): O(n d²) time, O(d²) memory."""
    n, d = X.shape
    if issparse(X):
        mean = np.asarray(X.mean(axis=0, dtype=np.float64)).reshape(-1)
        X = X.astype(np.float64)
        return Moments(n, mean, (X.T @ X).toarray() - n * np.outer(mean, mean))
    # Block by block, so that X is not copied to float64.
    parts = (_moments_of_block(X[rows]) for rows in gen_batches(n, max(1, 2**20 // d)))
    return reduce(merge_moments, parts)


def _moments_of_block(X):
    mean = X.mean(axis=0, dtype=np.float64)
    X = X - mean
    return Moments(len(X), mean, X.T @ X)


def merge_moments(a, b):
    """Moments of the rows of both."""
    n = a.n + b.n
    apart = b.mean - a.mean
    scatter = a.scatter + b.scatter + np.outer(apart, apart) * (a.n * b.n / n)
    return Moments(n, a.mean + apart * (b.n / n), scatter)


def class_moments_of(X, y):
    """The mean of each class; labels may be of any type."""
    labels, codes = distinct_labels(y)
    counts = np.bincount(codes)
    means = np.zeros((len(labels), X.shape[1]))
    np.add.at(means, codes, X.toarray() if issparse(X) else X)
    return ClassMoments(labels, counts, means / counts[:, None])


def merge_class_moments(a, b):
    """Means of the classes of both."""
    labels, codes = merge_labels(a.labels, b.labels)
    counts = np.zeros(len(labels), dtype=np.int64)
    np.add.at(counts, codes, np.concatenate([a.counts, b.counts]))
    shares = np.concatenate([a.counts, b.counts]) / counts[codes]
    means = np.zeros((len(labels), a.means.shape[1]))
    np.add.at(means, codes, shares[:, None] * np.concatenate([a.means, b.means]))
    return ClassMoments(labels, counts, means)


def mean_squared_distance(moments):
    """Mean of |x_i - x_j|² over all pairs of two rows."""
    return 2 * float(np.trace(moments.scatter)) / (moments.n - 1)


def _check_held(moments):
    """Refuse rows whose scatter float64 cannot hold."""
    distance = mean_squared_distance(moments) ** 0.5
    if distance != 0:
        check_apart(distance, moments.scatter.dtype)


def pca(moments, k):
    """The k directions of the largest variance, each with its largest entry positive."""
    _check_held(moments)
    return pca_of_scatter(moments.scatter, k)


def pca_of_scatter(scatter, k):
    """The same of a scatter matrix."""
    W = np.linalg.eigh(scatter)[1][:, ::-1][:, :k].T
    largest = np.abs(W).argmax(axis=1)
    return W * np.sign(W[np.arange(k), largest])[:, None]


def varied(variances):
    """Which features of some variances are more than noise."""
    return variances > FLAT**2 * variances.sum()


def check_spread(has_spread):
    """Refuse what has no spread within classes for LDA to measure by."""
    if not has_spread:
        raise ValueError(
            "Got init='lda', but rows of one class do not differ from each other, and LDA "
            "measures by how they spread. Use init='identity' or 'pca'."
        )


def check_means(means):
    """Refuse classes whose means do not differ for LDA to tell them apart.

    Parameters
    ----------
    means : ndarray of shape (n_classes, k)
        From the mean of all, under a map that makes the variance within classes 1.
    """
    if not (np.abs(means) > FLAT).any():
        raise ValueError(
            "Got init='lda', but the means of the classes do not differ where their rows "
            "do, and LDA tells classes apart by these. Use init='identity' or 'pca'."
        )


def over_all(W, features):
    """A map of all features from one of those that a mask marks."""
    full = np.zeros((len(W), len(features)), dtype=W.dtype)
    full[:, features] = W
    return full


# Constants of the discriminant map: how far the scatter within classes is drawn to a
# multiple of the identity, the power of it that whitens, and how much stretches most.
SHRINKAGE, POWER, STRETCH = 0.1, 0.25, 6.0


def scatters_of(moments, classes):
    """Scatter within classes, without bias, and in all, from moments.

    Half the mean square of differences of two rows of a class estimates the same.
    """
    centered = classes.means - moments.mean
    between = (centered.T * classes.counts) @ centered
    n_degrees = moments.n - len(classes.counts)
    within = (moments.scatter - between) / max(n_degrees, 1)
    return Scatters(within, moments.scatter / moments.n, n_degrees)


def n_independent(edges, n_rows):
    """Of differences of rows that belong together how many are independent.

    Parameters
    ----------
    edges : ndarray of int of shape (m, 2)
        Between rows, or between a row and what several rows share, which has a number from
        `n_rows` on.
    n_rows : int
    """
    n_nodes = max(n_rows, edges.max(initial=-1) + 1)
    ends = edges.T.astype(np.int32)  # scipy 1.11 finds components of no other
    graph = coo_array((np.ones(len(edges)), ends), shape=(n_nodes, n_nodes))
    return n_rows - connected_components(graph, directed=False)[0]


def shrinkage(n_degrees, rank, strength):
    """How far to draw an estimated scatter to a multiple of the identity.

    `SHRINKAGE`. A map that is stronger than 1 draws it less where there are many rows for
    each direction, as these show directions of little scatter.
    """
    if strength <= 1:
        return SHRINKAGE
    return min(SHRINKAGE, rank / (2 * max(n_degrees, 1)))


def rank_of(scatter):
    """In how many directions rows have scatter, at least 1."""
    values = np.linalg.eigvalsh(scatter)
    return max(1, np.count_nonzero(values > FLAT**2 * values[-1]))


class Discriminant(NamedTuple):
    """A discriminant map ``vectors @ U @ diag(stretch) @ U.T @ diag(whiten) @ vectors.T``.

    Parameters
    ----------
    vectors : ndarray of shape (d, d)
        Principal axes of the scatter within classes.
    whiten : ndarray of shape (d,)
        The factor along each of them.
    U : ndarray of shape (d, d)
        In these axes, the directions that tell classes apart.
    stretch : ndarray of shape (d,)
        The factor along each of them.
    scale : float
        What the map would be in further directions, in which the rows have no scatter.
    """

    vectors: np.ndarray
    whiten: np.ndarray
    U: np.ndarray
    stretch: np.ndarray
    scale: float

    def as_array(self):
        """The map, of shape (d, d)."""
        vectors, whiten, U, stretch, _ = self
        stretched = np.eye(len(U)) + (U * (stretch - 1)) @ U.T
        return vectors @ (stretched * whiten) @ vectors.T

    def along_axes(self, X):
        """Mapped rows, up to a rotation, of rows in the axes `vectors`."""
        return (X * self.whiten) @ self.U * self.stretch


def discriminants(scatters, rank, strengths):
    """Maps that whiten by half and stretch what tells classes apart.

    With S the scatter within classes, drawn to the identity, and the scatter between
    classes in units of it, ``S**-1/2 @ (total - within) @ S**-1/2 = V @ diag(phi) @ V.T``,
    a map is ``(1 + V @ diag(sqrt(1 + c * phi / (1 + phi)) - 1) @ V.T) @ S**-p``.

    Parameters
    ----------
    scatters : Scatters
    rank : int
        Of the total scatter.
    strengths : sequence of float
        Factors of c and p, see :mod:`skmetric._objective._strength`.

    Returns
    -------
    maps : list of Discriminant
        One for each strength.
    """
    within, total, n_degrees = scatters
    values, vectors = np.linalg.eigh(within)
    between = vectors.T @ (total - within) @ vectors
    # Rows that hardly differ within classes give no level of their own.
    level = max(np.trace(within), FLAT * np.trace(total)) / rank

    @cache
    def decomposed(share):
        drawn = (1 - share) * np.maximum(values, 0) + share * level
        root = np.sqrt(drawn)
        phi, U = np.linalg.eigh(between / np.outer(root, root))
        return drawn, np.maximum(phi, 0), U

    maps = []
    for strength in strengths:
        share, power = shrinkage(n_degrees, rank, strength), min(strength * POWER, 0.5)
        drawn, phi, U = decomposed(share)
        stretch = np.sqrt(1 + strength * STRETCH * phi / (1 + phi))
        scale = (share * level) ** -power
        maps.append(Discriminant(vectors, drawn**-power, U, stretch, scale))
    return maps


def discriminant(scatters, rank, strength=1.0):
    """The discriminant map of some scatter, and its scale in further directions.

    For parameters see :func:`discriminants`.
    """
    if not np.trace(scatters.total) > 0:
        return np.eye(len(scatters.total)), 1.0
    (found,) = discriminants(scatters, rank, [strength])
    return found.as_array(), found.scale


def leading(W, total, k):
    """The k principal directions of mapped rows, of those under a map W, (k, d)."""
    return pca_of_scatter(W @ total @ W.T, k) @ W


def lda(moments, classes, k):
    """The directions that tell classes apart, at most k: Fisher's, in order.

    Rows within classes are whitened first; features that are noise, and directions in
    which these rows do not spread, are dropped.
    """
    _check_held(moments)
    features = varied(np.diag(moments.scatter))
    centered = (classes.means - moments.mean)[:, features]
    between = (centered.T * classes.counts) @ centered / moments.n
    within = moments.scatter[np.ix_(features, features)] / moments.n - between
    spread = np.sqrt(np.maximum(np.diag(within), 0))
    spread[spread == 0] = 1
    values, vectors = np.linalg.eigh(within / np.outer(spread, spread))
    seen = values > LDA_TOL**2
    check_spread(seen.any())
    whiten = vectors[:, seen] / np.sqrt(values[seen]) / spread[:, None]
    check_means(centered @ whiten)
    order = np.linalg.eigh(whiten.T @ between @ whiten)[1][:, ::-1]
    return over_all((whiten @ order[:, :k]).T, features)
