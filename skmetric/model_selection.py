"""Splits to test a learner on classes that it was not fitted on.

``GroupKFold()`` and ``GroupShuffleSplit()`` with ``groups=y`` also separate the classes.
But they do not give every split classes of all sizes on both sides.
"""

from numbers import Integral

import numpy as np

from ._validation import check_number, encode_labels, random_state_of

__all__ = ["ClassDisjointShuffleSplit"]


def __dir__():
    return __all__


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

    def __init__(self, n_splits=10, *, test_size=0.5, random_state=None):
        self.n_splits = n_splits
        self.test_size = test_size
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
        codes = encode_labels(y)  # (n_samples,)
        sizes = np.bincount(codes)  # (n_classes,)
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
        return (
            f"{type(self).__name__}(n_splits={self.n_splits}, "
            f"test_size={self.test_size}, random_state={self.random_state})"
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
