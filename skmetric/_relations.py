"""Who belongs with whom: the positives and the negatives of each anchor.

A relation says which rows of a table of candidates belong with which anchors. The
candidates are the anchors' own table or another one. There are two kinds of relations. One
answers for a block of anchors with two masks, within which mining chooses by distance; it
has these members:

``weights``
    Of the anchors, float64 of shape (n_anchors,): that of each of their constraints.
``masks(rows) -> (is_positive, is_negative)``
    Boolean arrays of shape (b, n_candidates) for the anchors of a slice. What is in neither
    is ignored.
``max_per_anchor() -> (n_positives, n_negatives)``
    The largest numbers that any anchor has; an upper bound will do.
``groups() -> list of ndarrays of int, or None``
    Rows in groups, such that the positives of a row are the others of its group. None if
    there are no such groups. Only where the candidates are the anchors' own table.

The other kind, :class:`EdgeLists` with the layout ``"lists"``, lists the edges between
anchors and candidates. Given pairs and triplets are such lists, and mined constraints
become one where anchors have few.
:class:`EdgeTables` are several of them.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse
from scipy.stats import rankdata
from sklearn.utils import gen_batches

# Shares of the rows: as far in order of a continuous target a positive may be, and a
# negative must be beyond.
NEAR, FAR = 0.1, 0.2
# An odd number of 64 random bits.
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
BLOCK_ENTRIES = 2**16


class Edges(NamedTuple):
    """Edges from anchors to candidates, as many from each.

    Attributes
    ----------
    anchors : ndarray of int of shape (b,)
        Rows of the anchors' table, in order; they may repeat.
    columns : ndarray of int of shape (b, p)
        Rows of the candidates' table; -1 where an anchor has fewer than p.
    weights : ndarray of float64 of shape (b,) or (b, p)
        Of the constraints of each anchor, or of each edge.
    """

    anchors: np.ndarray
    columns: np.ndarray
    weights: np.ndarray

    def take(self, rows):
        """The edges of some of the anchors."""
        return Edges(self.anchors[rows], self.columns[rows], self.weights[rows])


class EdgeLists(NamedTuple):
    """The positives and the negatives of anchors, listed.

    Triplets are formed of a positive and a negative in the same row of the two lists. For
    pairs the two lists have nothing to do with each other.

    Attributes
    ----------
    positives, negatives : Edges
    totals : ndarray of float64
        Sums of the weights of constraints, one for each mean that the loss consists of.
    """

    positives: Edges
    negatives: Edges
    totals: np.ndarray

    layout = "lists"

    @property
    def tables(self):
        """Itself, the only one."""
        return (self,)

    @property
    def cost(self):
        """The number of distances that take about as long, per anchor."""
        p, q = self.positives.columns.shape[1], self.negatives.columns.shape[1]
        return p * q + 8 * (p + q)

    def equals(self, other):
        """Whether both are the same constraints."""
        return self.layout == other.layout and all(
            np.array_equal(a.columns, b.columns) and np.array_equal(a.anchors, b.anchors)
            for a, b in zip(self[:2], other[:2], strict=True)
        )


class EdgeTables(NamedTuple):
    """Lists of edges of several widths, so that anchors with few edges take little memory.

    Attributes
    ----------
    tables : list of EdgeLists
    totals : ndarray of float64
        Over all of them, and the `totals` of each.
    """

    tables: list
    totals: np.ndarray

    layout = "lists"

    def equals(self, other):
        """Whether both are the same constraints."""
        return self.layout == other.layout and all(
            a.equals(b) for a, b in zip(self.tables, other.tables, strict=True)
        )


class GroupLists(NamedTuple):
    """Every other row of a group as a positive, and listed negatives.

    Attributes
    ----------
    groups : list of ndarrays of int
        The rows of each group. Together every row once.
    negatives : Edges
        Of all rows as anchors, in order.
    totals : ndarray of float64
        As of :class:`EdgeLists`.
    """

    groups: list
    negatives: Edges
    totals: np.ndarray

    layout = "groups"

    def equals(self, other):
        """Whether both are the same constraints, if the groups are."""
        return self.layout == other.layout and np.array_equal(
            self.negatives.columns, other.negatives.columns
        )


@dataclass(frozen=True)
class LabelRelation:
    """Rows of one table with labels: positives share the label, negatives have another.

    A row is neither positive nor negative to itself.

    Parameters
    ----------
    codes : ndarray of int of shape (n,)
        Labels 0 … n_classes - 1.
    weights : ndarray of float64 of shape (n,), default=None
        Of the rows as anchors; None stands for 1 each.
    """

    codes: np.ndarray
    weights: np.ndarray = field(default=None)

    layout = "masks"

    def __post_init__(self):
        if self.weights is None:
            object.__setattr__(self, "weights", np.ones(len(self.codes)))

    def masks(self, rows):
        """Which rows are positives and which are negatives of those of a slice."""
        # Small integers compare faster.
        codes = self.codes.astype(np.min_scalar_type(self.codes.max()))
        is_positive = codes[rows, None] == codes  # (b, n)
        is_negative = ~is_positive
        within = np.arange(len(is_positive))
        is_positive[within, within + rows.start] = False
        return is_positive, is_negative

    def groups(self):
        """Lists of rows: the positives of a row are the others of its list."""
        by_class = np.argsort(self.codes, kind="stable")
        ends = np.cumsum(np.bincount(self.codes))
        return [rows for rows in np.split(by_class, ends[:-1]) if len(rows)]

    def max_per_anchor(self):
        """The largest numbers of positives and of negatives that a row has."""
        sizes = np.bincount(self.codes)
        return int(sizes.max()) - 1, len(self.codes) - int(sizes[sizes > 0].min())


@dataclass(frozen=True)
class RankRelation:
    """Rows of one table with numbers: positives are near in order of these, negatives far.

    Of n rows a positive is at most ``NEAR * n`` ranks away, or the next one, and a negative
    more than ``FAR * n``. Rows between are ignored. Only the order of the numbers matters.

    Parameters
    ----------
    values : ndarray of float of shape (n,)
        Equal ones share the mean of their ranks.
    weights : ndarray of float64 of shape (n,)
        Of the rows as anchors.
    """

    values: np.ndarray
    weights: np.ndarray

    layout = "masks"

    def __post_init__(self):
        n = len(self.values)
        # Mean ranks are multiples of 1/2. Small integers compare faster.
        ranks = (2 * rankdata(self.values)).astype(np.min_scalar_type(-2 * n - 1))
        near = max(int(2 * NEAR * n), 2)
        object.__setattr__(self, "_ranks", ranks)
        object.__setattr__(self, "_bounds", (near, max(int(2 * FAR * n), near)))

    def masks(self, rows):
        """Which rows are positives and which are negatives of those of a slice."""
        near, far = self._bounds
        apart = np.abs(self._ranks[rows, None] - self._ranks)  # (b, n)
        is_positive, is_negative = apart <= near, apart > far
        within = np.arange(len(apart))
        is_positive[within, within + rows.start] = False
        return is_positive, is_negative

    def groups(self):
        """None: that two rows are near to a third does not make them so to each other."""

    def max_per_anchor(self):
        """The largest numbers of positives and of negatives that a row has."""
        ranks = np.sort(self._ranks).astype(np.int64)
        n_near, n_not_far = (
            np.searchsorted(ranks, ranks + bound, "right")
            - np.searchsorted(ranks, ranks - bound, "left")
            for bound in self._bounds
        )
        return int(n_near.max()) - 1, len(ranks) - int(n_not_far.min())


@dataclass(frozen=True)
class SharedLabelRelation:
    """Rows of one table with several labels: positives share one, negatives none.

    A row is neither positive nor negative to itself.

    Parameters
    ----------
    indicator : CSR array of bool of shape (n, n_labels)
        Which labels each row has, at least one.
    weights : ndarray of float64 of shape (n,), default=None
        Of the rows as anchors; None stands for 1 each.
    """

    indicator: object
    weights: np.ndarray = field(default=None)

    layout = "masks"

    def __post_init__(self):
        if self.weights is None:
            object.__setattr__(self, "weights", np.ones(self.indicator.shape[0]))
        object.__setattr__(self, "_rows_of_labels", self.indicator.T.tocsr())

    def masks(self, rows):
        """Which rows are positives and which are negatives of those of a slice."""
        is_positive = (self.indicator[rows] @ self._rows_of_labels).toarray()  # (b, n)
        is_negative = ~is_positive
        within = np.arange(len(is_positive))
        is_positive[within, within + rows.start] = False
        return is_positive, is_negative

    def groups(self):
        """None: a row may have several labels."""

    def max_per_anchor(self):
        """Bounds of the largest numbers of positives and of negatives that a row has."""
        sizes = np.diff(self._rows_of_labels.indptr)[self.indicator.indices]  # (n_entries,)
        starts, n = self.indicator.indptr[:-1], len(self.weights)
        most_positives = int((np.add.reduceat(sizes, starts)).max()) - 1
        return min(most_positives, n - 1), n - int(np.maximum.reduceat(sizes, starts).min())


@dataclass(frozen=True)
class MatchRelation:
    """Anchors and candidates of two tables that were matched.

    Positives are the candidates matched with an anchor, negatives those that it is not
    known to belong with.

    Parameters
    ----------
    matched : CSR array of bool of shape (n_anchors, n_candidates)
        Which candidates are positives of each anchor.
    known : CSR array of bool of shape (n_anchors, n_candidates)
        Which are no negatives, all positives among them.
    weights : ndarray of float64 of shape (n_anchors,)
    """

    matched: object
    known: object
    weights: np.ndarray

    layout = "masks"

    def masks(self, rows):
        """Which candidates are positives and which are negatives of a slice of anchors."""
        return self.matched[rows].toarray(), ~self.known[rows].toarray()

    def max_per_anchor(self):
        """The largest numbers of positives and of negatives that an anchor has."""
        n_matched, n_known = (np.diff(M.indptr) for M in (self.matched, self.known))
        return int(n_matched.max()), self.known.shape[1] - int(n_known.min())


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
