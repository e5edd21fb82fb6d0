"""Rows that are copies of each other: the same numbers and the same label."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import gen_batches

# An odd number of 64 random bits.
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
BLOCK_ENTRIES = 2**16


@dataclass(frozen=True)
class Labels:
    """The classes of rows, and which rows are copies of each other.

    A copy tells nothing that its original does not: as a positive at distance 0 it would
    only keep other rows from being among the nearest. So copies are one row, whose weight
    as an anchor is their number.

    Parameters
    ----------
    codes : ndarray of int of shape (n,)
        Labels 0 … n_classes - 1.
    first : ndarray of int of shape (n,)
        From :func:`first_copies`.
    """

    codes: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, X, codes):
        """The labels of the rows of X, given as `codes`."""
        return cls(codes, first_copies(X, codes))

    def __len__(self):
        return len(self.codes)

    @property
    def distinct(self):
        """Rows that are no copy of an earlier one."""
        return np.flatnonzero(self.first == np.arange(len(self)))

    @cached_property
    def n_distinct(self):
        """How many these are."""
        return len(self.distinct)

    @property
    def n_pairs_of_copies(self):
        """How many ordered pairs of two rows are copies of each other."""
        counts = np.bincount(self.first)
        return int((counts * (counts - 1)).sum())

    def copies_of(self, rows):
        """Some distinct rows and all of their copies, in order."""
        among = np.zeros(len(self), dtype=bool)
        among[rows] = True
        return np.flatnonzero(among[self.first])

    def merged(self, rows):
        """Some rows without copies among them.

        Parameters
        ----------
        rows : ndarray of int of shape (m,)

        Returns
        -------
        rows : ndarray of int
            Of each row that copy which comes first.
        weights : ndarray of shape (n_rows,)
            Number of its copies, divided by the mean of these.
        """
        if self.n_distinct == len(self):
            return rows, np.ones(len(rows))
        _, at, counts = np.unique(self.first[rows], return_index=True, return_counts=True)
        order = np.argsort(at)
        return rows[at[order]], counts[order] / counts.mean()

    def take(self, rows):
        """The labels of some rows; copies of a row that is not among them are none."""
        _, at, inverse = np.unique(self.first[rows], return_index=True, return_inverse=True)
        return Labels(self.codes[rows], at[inverse])


def first_copies(X, codes):
    """For each row the first one with the same numbers (0.0 is -0.0) and label.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
        Finite.
    codes : ndarray of int of shape (n,)

    Returns
    -------
    first : ndarray of int of shape (n,)

    Notes
    -----
    Rows with the same 64-bit hash are compared. O(n d + n log n) time, O(n) memory.
    """
    every = np.arange(len(codes), dtype=np.min_scalar_type(-len(codes)))
    hashes = _hash_rows(X) + codes.astype(np.uint64) * MULTIPLIER
    in_order = np.sort(hashes)
    if (in_order[1:] != in_order[:-1]).all():
        return every
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    first = first[inverse].astype(every.dtype)
    repeated = np.flatnonzero(first != every)
    for block in gen_batches(len(repeated), max(1, BLOCK_ENTRIES // X.shape[1])):
        rows = repeated[block]
        is_copy = _equal_rows(X[rows], X[first[rows]])
        is_copy &= codes[rows] == codes[first[rows]]
        # Different rows of one hash hardly ever come; their copies then count as rows.
        first[rows[~is_copy]] = rows[~is_copy]
    return first


def _equal_rows(A, B):
    if issparse(A):
        return np.asarray((A != B).sum(axis=1)).ravel() == 0
    return (A == B).all(axis=1)


def _hash_rows(X):
    """Sums of products of the mixed bits of the entries with a number for each column."""
    factors = np.random.RandomState(0).randint(2**63 - 1, size=X.shape[1], dtype=np.int64)
    factors = 2 * factors.astype(np.uint64) + np.uint64(1)
    if issparse(X):
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        products = _mixed_bits(X.data) * factors[X.indices]
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(products)])
        return sums[X.indptr[1:]] - sums[X.indptr[:-1]]
    hashes = np.empty(len(X), dtype=np.uint64)
    for rows in gen_batches(len(X), max(1, BLOCK_ENTRIES // X.shape[1])):
        products = _mixed_bits(X[rows])
        products *= factors
        hashes[rows] = products.sum(axis=1)
    return hashes


def _mixed_bits(values):
    """A uint64 for each number; 0 for 0."""
    unsigned = np.uint32 if values.dtype == np.float32 else np.uint64
    bits = (values + values.dtype.type(0)).view(unsigned).astype(np.uint64)
    # Numbers with few digits have zeros at the end, which products would keep.
    bits *= MULTIPLIER
    bits ^= bits >> np.uint64(32)
    bits *= MULTIPLIER
    bits ^= bits >> np.uint64(29)
    return bits
