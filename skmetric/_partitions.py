"""Rows in the partitions of dask collections, asked where they are.

A question is a function of a message and of the rows and labels of a partition. Messages
go out, answers come back, merged in a tree on the way; rows are never moved. Everything is
a graph of ``dask.delayed``, so that the current client of dask.distributed serves, or
threads of this process if there is none, and the answers of a lost worker are worked out
again by others.
"""

from contextlib import contextmanager
from functools import partial, reduce
from weakref import WeakSet

import dask
import numpy as np
from dask import delayed
from sklearn.utils import check_array

from ._validation import CHECKED_LATER

# How many answers are merged at a time.
FAN_IN = 8
# What dask.distributed raises if its scheduler is gone; it need not be installed.
WITHOUT_SCHEDULER = {
    "CancelledError",
    "ClosedClientError",
    "CommClosedError",
    "TimeoutError",
}


class Partitions:
    """Rows and labels of two dask arrays, a pair of blocks each; empty ones are dropped.

    Parameters
    ----------
    X : dask array of shape (n, d)
        Of known chunks, one along the columns.
    y : dask array of shape (n,)
        Of the same chunks.
    dtype : dtype
        In which questions see rows.

    Attributes
    ----------
    sizes : list of int
        Rows in each partition.
    """

    def __init__(self, X, y, dtype):
        self.dtype, self._n_features = np.dtype(dtype), X.shape[1]
        blocks = zip(X.to_delayed(), y.to_delayed(), X.chunks[0], strict=True)
        kept = [(X[0], y, size) for X, y, size in blocks if size]
        self._rows, self._labels, self.sizes = map(list, zip(*kept, strict=True))
        self._persisted = WeakSet()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        """Let go of everything that was kept on the cluster, also what is under way."""
        kept = [value for answer in self._persisted for value in answer.dask.values()]
        for future in kept:
            # Without a cluster they are plain values; without its scheduler there is none.
            if hasattr(future, "cancel") and future.client.status == "running":
                future.cancel()

    @property
    def shape(self):
        """Rows and features."""
        return sum(self.sizes), self._n_features

    def select(self, at):
        """Keep some of the partitions, given as booleans."""
        for name in ("_rows", "_labels", "sizes"):
            values = zip(getattr(self, name), at, strict=True)
            setattr(self, name, [value for value, keep in values if keep])

    def message(self, content):
        """What is sent to workers, to each once."""
        return delayed(content, traverse=False)

    def ask(self, function, message, *each):
        """A question to each partition: ``function(message, X, y, *own)``.

        Parameters
        ----------
        function : callable
        message : object
            The same for all.
        *each : list
            What only one partition is told, such as an answer that is kept there.

        Returns
        -------
        answers : list of Delayed
        """
        question = delayed(partial(_on_rows, function, self.dtype))
        message = self.message(message)
        told = zip(self._rows, self._labels, *each, strict=True)
        return [question(message, *own) for own in told]

    def total(self, answers, merge):
        """All answers merged, `FAN_IN` at a time, in order."""
        while len(answers) > 1:
            groups = range(0, len(answers), FAN_IN)
            answers = [delayed(_merged)(merge, answers[i : i + FAN_IN]) for i in groups]
        with troubles_of_the_cluster():
            return answers[0].compute()

    def keep(self, *answers):
        """The same answers, kept where they are worked out until they are let go."""
        with troubles_of_the_cluster():
            kept = dask.persist(*answers)
        self._persisted.update(kept)
        return list(kept)

    def seeds(self, random_state):
        """A seed for each partition, spawned from a draw."""
        root = np.random.SeedSequence(random_state.randint(2**31 - 1))
        return root.spawn(len(self.sizes))


@contextmanager
def troubles_of_the_cluster():
    """Say what failed if it was not the question, but who should answer it."""
    try:
        yield
    except Exception as error:
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if "KilledWorker" in kinds:
            raise RuntimeError(
                "Workers of the cluster died one after the other at the same partition, "
                "most likely as they ran out of memory. Use smaller chunks, or workers "
                "with more memory or fewer threads."
            ) from error
        if kinds & WITHOUT_SCHEDULER:
            raise RuntimeError(
                "The scheduler of the cluster does not answer, or has dropped the work: "
                "it was closed, restarted, or is out of reach. Connect a new "
                "dask.distributed.Client, load or persist the data again, and fit anew."
            ) from error
        raise


def rows_of(block, dtype):
    """A block as rows, without a look at each number."""
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
    """Sums of the entries of two tuples."""
    return tuple(x + y for x, y in zip(a, b, strict=True))


def _on_rows(function, dtype, message, X, y, *own):
    with np.errstate(**CHECKED_LATER):
        # A masked array keeps its mask.
        return function(message, rows_of(X, dtype), np.asanyarray(y), *own)


def _merged(merge, answers):
    with np.errstate(**CHECKED_LATER):
        return reduce(merge, answers)
