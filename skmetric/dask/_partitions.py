"""Rows in the partitions of dask collections, with functions mapped over them.

A value is broadcast to the workers, a function is called on each partition, and the
results are merged in a tree. Rows never leave their worker. Everything is a graph of
``dask.delayed``, so results of a lost worker are computed again by others.
"""

from functools import partial, reduce
from weakref import WeakSet

import numpy as np
from dask import delayed
from sklearn.utils import check_array

from .._validation import CHECKED_LATER
from ._compute import compute, persist, release

# How many results are merged at a time.
FAN_IN = 8


class Partitions:
    """Rows and labels of two dask arrays, a block of each per partition.

    Partitions without rows are dropped.

    Parameters
    ----------
    X : dask array of shape (n, d)
        Of known chunks, one along the columns.
    y : dask array of shape (n,)
        Of the same chunks.
    dtype : dtype
        To which rows are converted before a function sees them.

    Attributes
    ----------
    sizes : list of int
        Rows in each partition.
    """

    def __init__(self, X, y, dtype):
        self.dtype, self._n_features = np.dtype(dtype), X.shape[1]
        blocks = zip(X.to_delayed(), y.to_delayed(), X.chunks[0], strict=True)
        nonempty = [(X[0], y, size) for X, y, size in blocks if size]
        self._rows, self._labels, self.sizes = map(list, zip(*nonempty, strict=True))
        self._persisted = WeakSet()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        """Release everything that is persisted, and cancel what is under way."""
        for result in self._persisted:
            release(result)

    @property
    def shape(self):
        """Rows and features."""
        return sum(self.sizes), self._n_features

    def select(self, mask):
        """Keep only the partitions that a mask marks."""
        for name in ("_rows", "_labels", "sizes"):
            values = zip(getattr(self, name), mask, strict=True)
            setattr(self, name, [value for value, selected in values if selected])

    def broadcast(self, value):
        """A value as an argument of many tasks, which each worker gets once."""
        return delayed(value, traverse=False)

    def map_partitions(self, function, value, *per_partition):
        """Call ``function(value, X, y, *own)`` on each partition, lazily.

        Parameters
        ----------
        function : callable
        value : object
            Broadcast, the same for all partitions.
        *per_partition : list
            Further arguments, with an entry for each partition, such as the results of an
            earlier call.

        Returns
        -------
        results : list of Delayed
        """
        task = delayed(partial(_on_rows, function, self.dtype))
        value = self.broadcast(value)
        arguments = zip(self._rows, self._labels, *per_partition, strict=True)
        return [task(value, *own) for own in arguments]

    def reduce(self, results, merge):
        """Merge all results, `FAN_IN` at a time and in order, and compute the last."""
        while len(results) > 1:
            groups = range(0, len(results), FAN_IN)
            results = [delayed(_merge)(merge, results[i : i + FAN_IN]) for i in groups]
        return compute(results[0])

    def persist(self, *results):
        """The same results, which stay on the workers until the partitions are closed."""
        persisted = persist(*results)
        self._persisted.update(persisted)
        return list(persisted)

    def seeds(self, random_state):
        """A seed for each partition, spawned from one draw."""
        root = np.random.SeedSequence(random_state.randint(2**31 - 1))
        return root.spawn(len(self.sizes))


def as_rows(block, dtype):
    """A block as an array or CSR matrix of `dtype`. NaN and infinity are not checked."""
    return check_array(
        block,
        accept_sparse="csr",
        dtype=dtype,
        ensure_all_finite=False,
        ensure_min_samples=0,
    )


def random_state_from(seed):
    """The RandomState of a SeedSequence."""
    return np.random.RandomState(np.random.MT19937(seed))


def add_entries(a, b):
    """Add two tuples entry by entry."""
    return tuple(x + y for x, y in zip(a, b, strict=True))


def _on_rows(function, dtype, value, X, y, *own):
    with np.errstate(**CHECKED_LATER):
        # asanyarray keeps the mask of a masked array.
        return function(value, as_rows(X, dtype), np.asanyarray(y), *own)


def _merge(merge, results):
    with np.errstate(**CHECKED_LATER):
        return reduce(merge, results)
