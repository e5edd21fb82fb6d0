"""Checks of labeled rows in partitions, and what an initial map needs to know of them."""

from functools import cached_property
from typing import NamedTuple
from warnings import warn

import numpy as np
from scipy.sparse import issparse, vstack
from sklearn.utils import assert_all_finite

from .._objective import _scatter
from .._objective._initialization import (
    MAX_DISCRIMINANT,
    most_discriminants,
    rows_of_discriminant,
    share_of_distinct,
)
from .._objective._labels import Labels
from .._objective._problem import is_centered
from .._objective._rotation import moments_of_mapped
from .._objective._span import restrict_to_range, second_moments
from .._objective._strength import MAX_ROWS, default_alpha, some_of_each_class, strength_of
from .._relations import first_copies
from .._validation import (
    check_classes,
    distinct_labels,
    encode_labels,
    float_dtype,
    warn_about_labels,
)
from ._partitions import Partitions

# At most this share of the rows may be dropped with partitions of a single class.
MAX_DROPPED_SHARE = 0.05
# About this many rows are gathered to check whether a map has collapsed.
SAMPLE_SIZE = 1000


class Summary(NamedTuple):
    """The number of classes of each partition, all classes, and sampled rows."""

    n_classes: list
    classes: _scatter.ClassMoments
    sample: list


class LabeledPartitions(Partitions):
    """Partitions to fit a map to, with the methods that ``initial_map`` calls.

    Parameters
    ----------
    X, y : dask array
        As for :class:`~skmetric.dask._partitions.Partitions`.
    metric : str, default="sqeuclidean"
        Of the learner.

    Attributes
    ----------
    dtype : dtype
        float32 if X has that or half precision, else float64.
    sample : ndarray or CSR of shape (m, d)
        About a thousand rows.
    first_copies : list of Delayed
        For each row of a partition, the first row in it that it is a copy of.
    strength : float
        Of the discriminant map, once it is found.

    Raises
    ------
    ValueError
        For NaN, missing labels, fewer than two classes, and if too many rows are in
        partitions with a single class.
    """

    def __init__(self, X, y, metric="sqeuclidean"):
        super().__init__(X, y, float_dtype(X.dtype))
        self.metric = metric
        n_rows = -(-SAMPLE_SIZE // len(self.sizes))
        summary = self.reduce(self.map_partitions(_summarize, n_rows), _merge_summaries)
        stack = vstack if issparse(summary.sample[0]) else np.concatenate
        self.sample, self._class_sizes = stack(summary.sample), summary.classes.counts
        codes = np.arange(len(self._class_sizes))
        # Two rows of a class are enough for this check.
        check_classes(np.repeat(codes, np.minimum(self._class_sizes, 2)))
        warn_about_labels(summary.classes.labels, self.shape[0], stacklevel=7)
        self._drop([n_classes < 2 for n_classes in summary.n_classes])
        self._original_labels = self._labels
        # Labels are compared within a partition only. Each partition encodes its own.
        self._labels = self.persist(*self.map_partitions(_encode, None))
        self.first_copies = self.persist(*self.map_partitions(_first_copies, None))

    mined, labeled, side = True, True, "both"
    weighs_classes, strength = True, 1.0

    def __len__(self):
        """Rows in the largest partition, which a worker processes at a time."""
        return max(self.sizes)

    @property
    def n_distinct(self):
        """The same number, as copies are not left out."""
        return len(self)

    def default_alpha(self, strength):
        """The weight of the penalty, if none is given, from a start of some strength."""
        return default_alpha(self.shape[0], strength)

    @property
    def weights(self):
        """Each partition's share of all rows."""
        return [size / self.shape[0] for size in self.sizes]

    def most_components(self, init):
        """The largest number of components that `init` can give."""
        n, d = self.shape
        if init == "lda":
            return most_discriminants(d, self._class_sizes)
        return min(n, d) if init == "pca" else d

    def pca(self, k, random_state):
        """Directions of the largest variance, from the second moments."""
        return _scatter.pca(self._row_moments, k)

    def has_discriminant(self):
        """Whether ``init="discriminant"`` is possible."""
        return not issparse(self.sample) and self.shape[1] <= MAX_DISCRIMINANT

    def discriminant(self, k):
        """A map that tells the classes apart, from moments of the distinct rows."""
        moments, classes = (
            self.reduce(
                self.map_partitions(
                    function, self.metric, self.first_copies, self._original_labels
                ),
                merge,
            )
            for function, merge in (
                (_distinct_moments, _scatter.merge_moments),
                (_distinct_class_moments, _scatter.merge_class_moments),
            )
        )
        scatters = _scatter.scatters_of(moments, classes)
        rank = _scatter.rank_of(scatters.total)
        self.strength = self._strength_of_classes(rank)
        W, _ = _scatter.discriminant(scatters, rank, self.strength)
        return W if k == len(W) else _scatter.leading(W, scatters.total, k)

    def _strength_of_classes(self, rank):
        """How strongly the classes may shape the map, from some rows of each partition."""
        n_rows = -(-MAX_ROWS // len(self.sizes))
        sample = self.map_partitions(
            _some_distinct_rows,
            (self.metric, n_rows),
            self.first_copies,
            self._original_labels,
        )
        rows, labels = self.reduce(sample, _merge_rows)
        X = np.concatenate(rows)
        codes = distinct_labels(np.concatenate(labels))[1]
        return strength_of(Labels.of(X, codes), X.__getitem__, rank)

    def lda(self, k):
        """Directions that separate the classes, from moments within and between them."""
        results = self.map_partitions(_class_moments, None, self._original_labels)
        classes = self.reduce(results, _scatter.merge_class_moments)
        return _scatter.lda(self._row_moments, classes, k)

    def mean_squared_distance(self, W):
        """Mean of |W x_i - W x_j|² over all pairs of rows that are not copies."""
        results = self.map_partitions(_moments_of_products, W)
        moments = self.reduce(results, _scatter.merge_moments)
        counts = self.map_partitions(_n_pairs_of_copies, None, self.first_copies)
        distinct = share_of_distinct(moments.n, int(self.reduce(counts, np.add)))
        return _scatter.mean_squared_distance(moments) / distinct

    def principal_axes(self, W):
        """Principal axes of the mapped rows, from their moments."""
        results = self.map_partitions(_moments_of_mapped, (W, self.metric))
        return _scatter.pca(self.reduce(results, _scatter.merge_moments), len(W))

    def restrict_to_span(self, W0, metric):
        """W₀ on the span of the rows, or `W0` itself if there are many features."""
        if self.shape[1] > _scatter.MAX_SCATTER:
            return W0
        centered = is_centered(self.sample, metric)
        return restrict_to_range(W0, second_moments(self._row_moments, centered))

    @cached_property
    def _row_moments(self):
        results = self.map_partitions(_moments_of_rows, None)
        return self.reduce(results, _scatter.merge_moments)

    def _drop(self, has_single_class):
        """Drop partitions with a single class, unless they have too many rows."""
        n_rows = int(np.dot(self.sizes, has_single_class))
        if not n_rows:
            return
        got = (
            f"Got {sum(has_single_class)} of {len(has_single_class)} partitions with rows "
            f"of a single class, {n_rows} of {self.shape[0]} rows"
        )
        if n_rows > MAX_DROPPED_SHARE * self.shape[0]:
            raise ValueError(
                f"{got}, but constraints are formed within a partition, so that it needs "
                "several classes. Shuffle the rows first: of dask arrays by order = "
                "numpy.random.default_rng(0).permutation(len(X)), then X[order] and "
                "y[order]. Or use larger chunks."
            )
        warn(f"{got}: nothing is learnt from these.", UserWarning, stacklevel=7)
        self.select(np.logical_not(has_single_class))


# Functions of a partition: a broadcast value, its rows, its labels, further arguments.


def _summarize(n_rows, X, y):
    assert_all_finite(X, input_name="X")
    classes = _scatter.class_moments_of(X[:, :0], y)
    return Summary([len(classes.labels)], classes, [X[:: max(1, X.shape[0] // n_rows)]])


def _merge_summaries(a, b):
    classes = _scatter.merge_class_moments(a.classes, b.classes)
    return Summary(a.n_classes + b.n_classes, classes, a.sample + b.sample)


def _encode(_, X, y):
    return encode_labels(y)


def _first_copies(_, X, codes):
    return first_copies(X, codes)


def _n_pairs_of_copies(_, X, codes, first):
    return Labels(codes, first).n_pairs_of_copies


def _distinct_moments(metric, X, codes, first, labels):
    return _scatter.moments_of(_distinct_rows(metric, X, first)[0])


def _distinct_class_moments(metric, X, codes, first, labels):
    X, at = _distinct_rows(metric, X, first)
    return _scatter.class_moments_of(X, labels[at])


def _some_distinct_rows(metric_and_number, X, codes, first, labels):
    metric, n_rows = metric_and_number
    X, at = _distinct_rows(metric, X, first)
    some = some_of_each_class(codes[at], n_rows)
    return [X[some]], [labels[at[some]]]


def _merge_rows(a, b):
    return a[0] + b[0], a[1] + b[1]


def _distinct_rows(metric, X, first):
    """Rows that are no copies, on the unit sphere under the cosine, and which these are."""
    at = np.flatnonzero(first == np.arange(len(first)))
    return rows_of_discriminant(X[at], metric), at


def _class_moments(_, X, codes, labels):
    return _scatter.class_moments_of(X, labels)


def _moments_of_rows(_, X, y):
    return _scatter.moments_of(X)


def _moments_of_products(W, X, y):
    return _scatter.moments_of(X @ W.T)


def _moments_of_mapped(value, X, y):
    W, metric = value
    return moments_of_mapped(X, W, metric)
