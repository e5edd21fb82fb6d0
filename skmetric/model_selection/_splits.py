"""Splits to test a learner on what it was not fitted on: classes, queries, documents."""

from numbers import Integral
from warnings import warn

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .._validation import (
    check_integers,
    check_number,
    check_option,
    check_unlabeled,
    encode_labels,
    join_tuples,
    labeled_rows,
    one_label_a_row,
    random_state_of,
)


class ClassDisjointShuffleSplit:
    """Random splits that train and test on different classes of similar sizes.

    The classes are ordered by size and cut into one group per test class, so that a group
    has classes of similar size. One class of each group, drawn uniformly, is a test class.
    So no split tests on the large classes only, and every class can be drawn. If more than
    half of the classes are test classes, the training classes are drawn in this way.

    Parameters
    ----------
    n_splits : int, default=10
        Number of splits. Each is drawn independently.
    test_size : float, default=0.5
        Share of the classes to test on, in (0, 1). Their number is rounded, with at least
        one class on each side.
    unlabeled : object, default=None
        The label of rows that have none, such as -1. They are always trained on.
    random_state : int, RandomState instance or None, default=None
        An int gives the same splits at every call.

    See Also
    --------
    sklearn.model_selection.GroupKFold : With ``groups=y``, tests on each class once.

    Notes
    -----
    A learner needs at least two classes to train on. A retrieval score needs a test class
    with at least two rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skmetric.model_selection import ClassDisjointShuffleSplit
    >>> y = np.repeat([0, 1, 2, 3], [2, 2, 9, 9])
    >>> for train, test in ClassDisjointShuffleSplit(2, random_state=0).split(y, y):
    ...     print(len(train), len(test), set(y[train]) & set(y[test]))
    11 11 set()
    11 11 set()
    """

    def __init__(self, n_splits=10, *, test_size=0.5, unlabeled=None, random_state=None):
        self.n_splits = n_splits
        self.test_size = test_size
        self.unlabeled = unlabeled
        self.random_state = random_state

    def split(self, X, y, groups=None):
        """Yield the rows to train on and to test on, one split at a time.

        Parameters
        ----------
        X : object
            Ignored.
        y : array-like of shape (n_samples,)
            Class labels of any type.
        groups : object
            Ignored.

        Yields
        ------
        train : ndarray of int
        test : ndarray of int

        Raises
        ------
        ValueError
            For a parameter out of range, missing or invalid labels, or fewer than two
            classes.
        """
        n_splits = check_number("n_splits", self.n_splits, kind=Integral, at_least=1)
        test_size = check_number("test_size", self.test_size, above=0, below=1)
        y = one_label_a_row(y)
        unlabeled = check_unlabeled(self.unlabeled)
        labeled, labels = labeled_rows(np.arange(len(y)), y, unlabeled)
        codes = np.full(len(y), -1)  # (n_samples,)
        codes[labeled] = encode_labels(labels)
        sizes = np.bincount(codes[labeled])  # (n_classes,)
        if len(sizes) < 2:
            raise ValueError(
                "Got labels of 1 class, but expected at least 2 classes: one to train on "
                "and another to test on."
            )
        rng = random_state_of(self.random_state)
        for _ in range(n_splits):
            tested = np.isin(codes, _draw(sizes, test_size, rng))
            yield np.flatnonzero(~tested), np.flatnonzero(tested)

    def get_n_splits(self, X=None, y=None, groups=None):
        """How many splits there are.

        Parameters
        ----------
        X, y, groups : object
            Ignored.

        Returns
        -------
        n_splits : int
            The value of `n_splits`.
        """
        return self.n_splits

    def __repr__(self):
        unlabeled = "" if self.unlabeled is None else f"unlabeled={self.unlabeled!r}, "
        return (
            f"{type(self).__name__}(n_splits={self.n_splits}, "
            f"test_size={self.test_size}, {unlabeled}random_state={self.random_state})"
        )


class MatchShuffleSplit:
    """Random splits of a log of matches into parts with different queries or documents.

    A match is a query and a document that belong together. Groups of matches are drawn one
    after the other. A group is tested on if the test part does not grow beyond `test_size`.

    Parameters
    ----------
    n_splits : int, default=10
        Number of splits. Each is drawn independently.
    unseen : {"queries", "documents", "rows"}, default="queries"
        What the two parts do not share.

        - ``"queries"``: a group is a query. Its documents may be in the training part, too.
        - ``"documents"``: neither a query nor a document is in both parts. A group is all
          that is linked by queries or documents: a connected component of the log.
        - ``"rows"``: the same for matches of rows of one table, in which a number is the
          same row in both columns.
    test_size : float, default=0.25
        Share of the matches to test on, in (0, 1).
    random_state : int, RandomState instance or None, default=None
        An int gives the same splits at every call.

    Notes
    -----
    Where all groups are small, the test part misses `test_size` by less than the smallest
    group. In many logs a few popular documents link most queries to one large group. If it
    has more than `test_size` of the matches, it is always in the training part.

    Examples
    --------
    >>> from skmetric.model_selection import MatchShuffleSplit
    >>> matches = [[0, 10], [0, 11], [1, 11], [2, 12], [3, 13], [3, 14]]
    >>> splits = MatchShuffleSplit(2, unseen="documents", test_size=0.5, random_state=1)
    >>> for train, test in splits.split(matches):
    ...     print(train, test)
    [3 4 5] [0 1 2]
    [0 1 2] [3 4 5]
    """

    def __init__(self, n_splits=10, *, unseen="queries", test_size=0.25, random_state=None):
        self.n_splits = n_splits
        self.unseen = unseen
        self.test_size = test_size
        self.random_state = random_state

    def split(self, X, y=None, groups=None):
        """Yield the matches to train on and to test on, one split at a time.

        Parameters
        ----------
        X : array-like of int of shape (n_matches, 2)
            A query and a document that belong together, in each row.
        y, groups : object
            Ignored.

        Yields
        ------
        train : ndarray of int
        test : ndarray of int

        Raises
        ------
        TypeError, ValueError
            For a parameter out of range, matches that are not integers, or matches of a
            single group.

        Warns
        -----
        UserWarning
            If all ways to split are far from `test_size`.
        """
        n_splits = check_number("n_splits", self.n_splits, kind=Integral, at_least=1)
        unseen = check_option("unseen", self.unseen, _GROUPS)
        test_size = check_number("test_size", self.test_size, above=0, below=1)
        matches = join_tuples("matches", X, 2, "a query and a document in each row")
        check_integers("matches", matches, "the queries and documents")
        group_of, noun = _GROUPS[unseen](matches), _NOUNS[unseen]  # (n_matches,)
        sizes = np.bincount(group_of)  # (n_groups,)
        if len(sizes) < 2:
            raise ValueError(
                f"Got {len(matches)} matches of 1 {noun}, but expected at least 2: one to "
                f"train on and another to test on.{_REMEDY[unseen]}"
            )
        rng = random_state_of(self.random_state)
        for _ in range(n_splits):
            tested = np.zeros(len(sizes), dtype=bool)  # (n_groups,)
            tested[_fill(sizes, test_size * len(matches), rng)] = True
            _warn_about_share(sizes[tested].sum() / len(matches), test_size, noun)
            yield np.flatnonzero(~tested[group_of]), np.flatnonzero(tested[group_of])

    def get_n_splits(self, X=None, y=None, groups=None):
        """How many splits there are.

        Parameters
        ----------
        X, y, groups : object
            Ignored.

        Returns
        -------
        n_splits : int
            The value of `n_splits`.
        """
        return self.n_splits

    def __repr__(self):
        return (
            f"{type(self).__name__}(n_splits={self.n_splits}, unseen={self.unseen!r}, "
            f"test_size={self.test_size}, random_state={self.random_state})"
        )


def _by_query(matches):
    return np.unique(matches[:, 0], return_inverse=True)[1]


def _by_query_and_document(matches):
    _, queries = np.unique(matches[:, 0], return_inverse=True)
    _, documents = np.unique(matches[:, 1], return_inverse=True)
    return _components(queries, queries.max() + 1 + documents)


def _by_row(matches):
    rows = np.unique(matches, return_inverse=True)[1].reshape(matches.shape)
    return _components(*rows.T)


def _components(a, b):
    """The connected component of each edge, between nodes ``a[i]`` and ``b[i]``."""
    n_nodes = max(a.max(), b.max()) + 1
    # scipy 1.11 takes graphs with indices of 32 bits only.
    ends = a.astype(np.int32), b.astype(np.int32)
    edges = coo_array((np.ones(len(a), dtype=bool), ends), shape=(n_nodes, n_nodes))
    return connected_components(edges, directed=False)[1][a]


# The group of each match, what to call a group, and what else to do if there is only one.
_GROUPS = {
    "queries": _by_query,
    "documents": _by_query_and_document,
    "rows": _by_row,
}
_NOUNS = {
    "queries": "query",
    "documents": "group of linked queries and documents",
    "rows": "group of linked rows",
}
_REMEDY = {
    "queries": "",
    "documents": " Leave out matches of popular documents, or set unseen='queries'.",
    "rows": " Leave out matches of popular rows, or set unseen='queries'.",
}


def _fill(sizes, n_test, rng):
    """Draw groups of together at most n_test matches, but at least one group.

    Parameters
    ----------
    sizes : ndarray of int of shape (n_groups,)
    n_test : float
    rng : RandomState

    Returns
    -------
    drawn : list of int
    """
    order = rng.permutation(len(sizes))
    drawn, left = [], n_test
    for group, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        if size <= left:
            drawn.append(group)
            left -= size
    # Where every group is too large, test on the smallest one.
    return drawn or [order[sizes[order].argmin()]]


def _warn_about_share(share, test_size, noun):
    """Warn if the share that is tested on is far from what was asked for."""
    if not test_size / 2 <= share <= 2 * test_size:
        warn(
            f"Got a test part of {share:.2g} of the matches for test_size={test_size}: "
            f"each {noun} stays whole, and one is too large. Leave out matches of popular "
            "documents, or set another test_size.",
            UserWarning,
            stacklevel=3,
        )


def _draw(sizes, test_size, rng):
    """Draw the classes to test on, as an array or a list of n_test codes."""
    n_classes = len(sizes)
    n_test = min(max(round(test_size * n_classes), 1), n_classes - 1)
    # Draw the smaller side, so that every group has at least two classes to choose from.
    n_drawn = min(n_test, n_classes - n_test)
    # The random key puts classes of the same size in random order.
    by_size = np.lexsort((rng.uniform(size=n_classes), sizes))
    drawn = [rng.choice(group) for group in np.array_split(by_size, n_drawn)]
    return drawn if n_drawn == n_test else np.setdiff1d(by_size, drawn)
