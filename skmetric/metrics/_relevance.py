"""Which rows of an index are relevant to a query, and what each of them gains.

There are three kinds: the rows with the label of the query, those with a label in common
with it, and rows that are listed. All have `n_relevant`, `dtype` and the same methods.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array
from sklearn.utils import gen_batches

from .._validation import check_indices, check_rows, join_tuples

# At most this many pairs of a query and a row are compared at a time.
MASK_ENTRIES = 2**22


@dataclass(frozen=True)
class SameLabel:
    """The rows with the label of a query, without the query itself.

    Parameters
    ----------
    y : ndarray of int of shape (n_queries,)
    index_y : ndarray of int of shape (n_index,)
    itself : bool
        Whether query i is row i of the index.
    """

    y: np.ndarray
    index_y: np.ndarray
    itself: bool
    dtype = bool

    @cached_property
    def n_relevant(self):
        """R, the number of relevant rows per query, shape (n_queries,)."""
        # Number of rows in the index by label; a label may occur among the queries only.
        sizes = np.bincount(self.index_y, minlength=self.y.max() + 1)  # (n_classes,)
        return sizes[self.y] - self.itself

    def gains_of(self, queries, rows):
        """What each of some rows gains for its query.

        Parameters
        ----------
        queries : ndarray of int of shape (b,)
        rows : ndarray of int of shape (b, depth)
            Not the query itself.

        Returns
        -------
        gains : ndarray of shape (b, depth)
            Of the dtype `dtype`, 0 or False for a row that is not relevant.
        """
        return self.index_y[rows] == self.y[queries, None]

    def rows_of(self, query):
        """The relevant rows of one query, shape (R,), and what they gain."""
        is_relevant = self.index_y == self.y[query]  # (n_index,)
        if self.itself:
            is_relevant[query] = False
        return np.flatnonzero(is_relevant), True

    def mask(self, queries):
        """Whether each row is relevant, shape (b, n_index). A query is so to itself."""
        return self.index_y == self.y[queries, None]

    def ideal_gains(self, queries, k):
        """The gains at the ranks 1 to k of an ideal ranking, shape (b, k)."""
        return ideal_hits(self.n_relevant[queries], k)


@dataclass(frozen=True)
class SharedLabel:
    """The rows with a label in common with a query, without the query itself.

    Parameters
    ----------
    y : CSR array of bool of shape (n_queries, n_labels)
        Which labels each query has, at least one.
    index_y : CSR array of bool of shape (n_index, n_labels)
    itself : bool
        Whether query i is row i of the index.
    """

    y: csr_array
    index_y: csr_array
    itself: bool
    dtype = bool

    @cached_property
    def _rows_of_labels(self):
        return self.index_y.T.tocsr()  # (n_labels, n_index)

    @cached_property
    def n_relevant(self):
        """R, the number of relevant rows per query, shape (n_queries,)."""
        n, m = self.y.shape[0], self.index_y.shape[0]
        parts = gen_batches(n, max(1, MASK_ENTRIES // m))
        counts = [np.diff((self.y[part] @ self._rows_of_labels).indptr) for part in parts]
        return np.concatenate(counts) - self.itself

    def gains_of(self, queries, rows):
        """As :meth:`SameLabel.gains_of`."""
        repeated = np.repeat(queries, rows.shape[1])  # (b * depth,)
        shared = self.y[repeated].multiply(self.index_y[rows.ravel()])
        return (shared.sum(axis=1) > 0).reshape(rows.shape)

    def rows_of(self, query):
        """As :meth:`SameLabel.rows_of`."""
        is_relevant = self.mask([query])[0]
        if self.itself:
            is_relevant[query] = False
        return np.flatnonzero(is_relevant), True

    def mask(self, queries):
        """Whether each row is relevant, shape (b, n_index). A query is so to itself."""
        return (self.y[queries] @ self._rows_of_labels).toarray()

    def ideal_gains(self, queries, k):
        """As :meth:`SameLabel.ideal_gains`."""
        return ideal_hits(self.n_relevant[queries], k)


@dataclass(frozen=True)
class ListedRows:
    """Relevant rows from a list of (query, row), each once.

    Parameters
    ----------
    keys : ndarray of int64 of shape (m,)
        ``query * n_index + row``, in increasing order.
    gains : ndarray of shape (m,)
        True, or a grade > 0.
    n_queries, n_index : int
    """

    keys: np.ndarray
    gains: np.ndarray
    n_queries: int
    n_index: int

    @property
    def dtype(self):
        """bool, or float64 with grades."""
        return self.gains.dtype

    @cached_property
    def starts(self):
        """Where the rows of each query start in `keys`, shape (n_queries + 1,)."""
        queries = np.arange(self.n_queries + 1, dtype=np.int64)
        return np.searchsorted(self.keys, queries * self.n_index)

    @cached_property
    def n_relevant(self):
        """R, the number of relevant rows per query, shape (n_queries,)."""
        return np.diff(self.starts)

    @cached_property
    def gains_in_order(self):
        """The gains of each query from the largest to the smallest, shape (m,)."""
        return self.gains[
            np.lexsort((-self.gains.astype(float), self.keys // self.n_index))
        ]

    def gains_of(self, queries, rows):
        """As :meth:`SameLabel.gains_of`."""
        keys = queries[:, None] * self.n_index + rows  # (b, depth)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return self.gains[places] * (self.keys[places] == keys)

    def rows_of(self, query):
        """As :meth:`SameLabel.rows_of`."""
        part = slice(self.starts[query], self.starts[query + 1])
        return self.keys[part] - query * self.n_index, self.gains[part]

    def mask(self, queries):
        """Whether each row is relevant, shape (b, n_index)."""
        mask = np.zeros((len(queries), self.n_index), dtype=bool)
        for i, query in enumerate(queries):
            mask[i, self.rows_of(query)[0]] = True
        return mask

    def ideal_gains(self, queries, k):
        """As :meth:`SameLabel.ideal_gains`."""
        places = self.starts[queries, None] + np.arange(k)  # (b, k)
        gains = self.gains_in_order[np.minimum(places, len(self.gains) - 1)]
        return gains * ideal_hits(self.n_relevant[queries], k)


def ideal_hits(n_relevant, k):
    """Hits at the ranks 1 to k if all relevant rows come first, shape (b, k)."""
    return np.arange(k) < n_relevant[:, None]


def listed_rows(relevant, grades, n_queries, n_index, itself):
    """Check a list of relevant rows and their grades.

    Parameters
    ----------
    relevant : array-like of int of shape (m, 2)
        A row of the queries and a row of the index, in any order and any number of times.
    grades : array-like of shape (m,) or None
        A row of grade 0 is not relevant.
    n_queries, n_index : int
    itself : bool
        Whether query i is row i of the index.

    Returns
    -------
    relevance : ListedRows

    Raises
    ------
    TypeError, ValueError
        For anything but row indices in range, a query that is listed as relevant to
        itself, and grades that are negative, all 0 or contradict each other.
    """
    meaning = "row indices into the queries E and into the index"
    relevant = join_tuples("relevant", relevant, 2, meaning)
    tables = (("E", n_queries), ("E" if itself else "index", n_index))
    for i, (table, n_rows) in enumerate(tables):
        check_indices(f"relevant[:, {i}]", relevant[:, i], n_rows, table)
    relevant = relevant.astype(np.int64)
    if itself and (relevant[:, 0] == relevant[:, 1]).any():
        raise ValueError(
            "Got relevant with a query and itself, but expected different rows: a query is "
            "not searched for. Drop these, or give E as index, too."
        )
    keys = relevant[:, 0] * n_index + relevant[:, 1]  # (m,)
    keys, first, which = np.unique(keys, return_index=True, return_inverse=True)
    if grades is None:
        return ListedRows(keys, np.ones(len(keys), dtype=bool), n_queries, n_index)
    grades = _check_grades(grades, len(relevant))  # (m,)
    gains = grades[first]
    if (gains[which] != grades).any():
        raise ValueError(
            "Got different grades for the same query and row in relevant, but expected "
            "one. Take their sum or their maximum first."
        )
    return ListedRows(keys[gains > 0], gains[gains > 0], n_queries, n_index)


def _check_grades(grades, n_relevant):
    """Finite grades >= 0, one for each row of relevant."""
    grades = check_rows(grades, "grades", dtype=np.float64, ensure_2d=False)
    if grades.shape != (n_relevant,):
        raise ValueError(
            f"Got grades of shape {grades.shape}, but expected ({n_relevant},): one for "
            "each row of relevant."
        )
    if grades.min() < 0 or grades.max() == 0:
        raise ValueError(
            f"Got grades from {grades.min()} to {grades.max()}, but expected numbers >= 0 "
            "of which some are > 0. A grade of 0 says that a row is not relevant."
        )
    return grades / grades.max()  # Their scale does not matter, and sums are finite.
