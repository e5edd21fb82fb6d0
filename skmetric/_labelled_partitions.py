"""What a fit has to know of rows in partitions before it starts."""

from functools import cached_property
from typing import NamedTuple
from warnings import warn

import numpy as np
from scipy.sparse import issparse, vstack
from sklearn.utils import assert_all_finite

from . import _moments
from ._copies import Labels, first_copies
from ._initialization import most_discriminants, share_of_distinct
from ._partitions import Partitions
from ._validation import check_classes, encode_labels, float_dtype, warn_about_labels

# Up to this share of the rows may be in partitions of a single class.
MOST_LEFT_OUT = 0.05
# About so many rows are looked at to tell whether a map has collapsed.
SAMPLE = 1000


class Survey(NamedTuple):
    """What there is in some partitions, in order."""

    n_classes: list
    classes: _moments.ClassMoments
    sample: list


class LabelledPartitions(Partitions):
    """Partitions that something can be learnt from, as ``initial_map`` asks of them.

    Parameters
    ----------
    X, y : dask array
        As for :class:`~skmetric._partitions.Partitions`.

    Attributes
    ----------
    dtype : dtype
        float32 if X has that or half precision, else float64.
    sample : ndarray or CSR of shape (m, d)
        About a thousand rows.

    Raises
    ------
    ValueError
        For NaN, labels that are none, fewer than two classes, and if too many rows are in
        partitions with a single class.
    """

    def __init__(self, X, y):
        super().__init__(X, y, float_dtype(X.dtype))
        wanted = -(-SAMPLE // len(self.sizes))
        survey = self.total(self.ask(_survey, wanted), _merge_surveys)
        stack = vstack if issparse(survey.sample[0]) else np.concatenate
        self.sample, self._class_sizes = stack(survey.sample), survey.classes.counts
        codes = np.arange(len(self._class_sizes))
        check_classes(np.repeat(codes, np.minimum(self._class_sizes, 2)))
        warn_about_labels(survey.classes.labels, self.shape[0], stacklevel=7)
        self._leave_out([n < 2 for n in survey.n_classes])
        self._names = self._labels
        # Labels are compared within a partition only, where they get numbers of its own.
        self._labels = self.keep(*self.ask(_codes, None))
        # For each row of a partition the first in it that it is a copy of.
        self.first_copies = self.keep(*self.ask(_first_copies, None))

    def __len__(self):
        """Rows in the largest partition: what a worker deals with at a time."""
        return max(self.sizes)

    @property
    def n_distinct(self):
        """The same: copies are rows in what a worker deals with."""
        return len(self)

    @property
    def shares(self):
        """Share of the rows in each partition."""
        return [size / self.shape[0] for size in self.sizes]

    def most_components(self, init):
        """How many `init` has to give."""
        n, d = self.shape
        if init == "lda":
            return most_discriminants(d, self._class_sizes)
        return min(n, d) if init == "pca" else d

    def pca(self, k, random_state):
        """Directions of the largest variance, from the second moments."""
        return _moments.pca(self._moments, k)

    def lda(self, k):
        """Directions that tell the classes apart, from moments within and between."""
        answers = self.ask(_class_moments, None, self._names)
        classes = self.total(answers, _moments.merge_class_moments)
        return _moments.lda(self._moments, classes, k)

    def mean_squared_distance(self, W):
        """Mean of |W x_i - W x_j|² over all pairs of two rows that are no copies."""
        moments = self.total(self.ask(_moments_of_mapped, W), _moments.merge_moments)
        n_copies = self.total(self.ask(_n_copies, None, self.first_copies), np.add)
        distinct = share_of_distinct(moments.n, int(n_copies))
        return _moments.mean_squared_distance(moments) / distinct

    @cached_property
    def _moments(self):
        return self.total(self.ask(_moments_of_rows, None), _moments.merge_moments)

    def _leave_out(self, is_single):
        n_rows = int(np.dot(self.sizes, is_single))
        if not n_rows:
            return
        got = (
            f"Got {sum(is_single)} of {len(is_single)} partitions with rows of a single "
            f"class, {n_rows} of {self.shape[0]} rows"
        )
        if n_rows > MOST_LEFT_OUT * self.shape[0]:
            raise ValueError(
                f"{got}, but constraints are formed within a partition, so that it needs "
                "several classes. Shuffle the rows first: of dask arrays by order = "
                "numpy.random.default_rng(0).permutation(len(X)), then X[order] and "
                "y[order]. Or use larger chunks."
            )
        warn(f"{got}: nothing is learnt from these.", UserWarning, stacklevel=7)
        self.select(np.logical_not(is_single))


def _codes(message, X, y):
    return encode_labels(y)


def _first_copies(message, X, codes):
    return first_copies(X, codes)


def _n_copies(message, X, codes, first):
    return Labels(codes, first).n_pairs_of_copies


def _survey(n_rows, X, y):
    assert_all_finite(X, input_name="X")
    classes = _moments.class_moments_of(X[:, :0], y)
    return Survey([len(classes.labels)], classes, [X[:: max(1, X.shape[0] // n_rows)]])


def _merge_surveys(a, b):
    classes = _moments.merge_class_moments(a.classes, b.classes)
    return Survey(a.n_classes + b.n_classes, classes, a.sample + b.sample)


def _class_moments(message, X, codes, labels):
    return _moments.class_moments_of(X, labels)


def _moments_of_rows(message, X, y):
    return _moments.moments_of(X)


def _moments_of_mapped(W, X, y):
    return _moments.moments_of(X @ W.T)
