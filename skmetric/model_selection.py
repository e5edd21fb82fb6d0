"""Splits for the question that matters: how good is the map on classes never seen?

``GroupKFold()`` and ``GroupShuffleSplit()`` with ``groups=y`` part the classes. What they
do not do is give every split, however often repeated, classes of all sizes on both sides.
"""

from numbers import Integral

import numpy as np

from ._validation import check_number, encode_labels, random_state_of

__all__ = ["ClassDisjointShuffleSplit"]


def __dir__():
    return __all__


class ClassDisjointShuffleSplit:
    """Random splits with different classes to train and to test on, of the same sizes.

    The classes are ordered by size and cut into as many groups of neighbours as there
    shall be test classes; of each group one class, drawn uniformly, is tested on. So no
    split tests on the large classes only, and each class has its turn.

    Parameters
    ----------
    n_splits : int, default=10
        How many splits, each drawn anew.
    test_size : float, default=0.5
        Share of the classes to test on, in (0, 1), rounded; at least one class on either
        side.
    random_state : int, RandomState instance or None, default=None
        An int gives the same splits at every call.

    See Also
    --------
    sklearn.model_selection.GroupKFold : Each class is tested on once; ``groups=y``.

    Notes
    -----
    A learner needs two classes, and a retrieval score one of two rows: leave enough.

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

    def __init__(self, n_splits=10, *, test_size=0.5, random_state=None):
        self.n_splits = n_splits
        self.test_size = test_size
        self.random_state = random_state

    def split(self, X, y, groups=None):
        """Rows to train and to test on, a split after the other.

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
            For a parameter out of range, labels that are none, or fewer than two classes.
        """
        n_splits = check_number("n_splits", self.n_splits, kind=Integral, at_least=1)
        test_size = check_number("test_size", self.test_size, above=0, below=1)
        codes = encode_labels(y)
        sizes = np.bincount(codes)
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
            As the constructor was given it.
        """
        return self.n_splits

    def __repr__(self):
        return (
            f"{type(self).__name__}(n_splits={self.n_splits}, "
            f"test_size={self.test_size}, random_state={self.random_state})"
        )


def _draw(sizes, test_size, rng):
    """Classes to test on."""
    n_classes = len(sizes)
    n_test = min(max(round(test_size * n_classes), 1), n_classes - 1)
    n_drawn = min(n_test, n_classes - n_test)
    # Classes of one size come in random order.
    by_size = np.lexsort((rng.uniform(size=n_classes), sizes))
    drawn = [rng.choice(group) for group in np.array_split(by_size, n_drawn)]
    return drawn if n_drawn == n_test else np.setdiff1d(by_size, drawn)
