"""Class-disjoint splits: what GroupShuffleSplit does not promise."""

import numpy as np
import pytest
from sklearn.model_selection import check_cv

from skmetric.model_selection import ClassDisjointShuffleSplit

SIZES = np.array([1, 2, 3, 4, 10, 11, 12, 13, 40, 50, 60, 70])
Y = np.random.default_rng(0).permutation(np.repeat(list("abcdefghijkl"), SIZES))


def sizes_of(y, rows):
    return np.sort(np.unique(y[rows], return_counts=True)[1])


@pytest.mark.parametrize("test_size", [0.1, 0.25, 0.5, 0.7])
def test_classes_and_rows_are_parted(test_size):
    n_test = round(test_size * len(SIZES))
    for train, test in ClassDisjointShuffleSplit(20, test_size=test_size).split(Y, Y):
        np.testing.assert_array_equal(np.sort(np.r_[train, test]), np.arange(len(Y)))
        assert not set(Y[train]) & set(Y[test])
        assert len(set(Y[test])) == n_test


def test_every_split_has_classes_of_all_sizes():
    # Three test classes: one of the four smallest, middle, and largest each.
    for test_size in (0.25, 0.75):
        splits = ClassDisjointShuffleSplit(50, test_size=test_size, random_state=0)
        for train, test in splits.split(Y, Y):
            few = sizes_of(Y, test if test_size < 0.5 else train)
            assert np.searchsorted([5, 20], few).tolist() == [0, 1, 2]


def test_each_class_has_its_turn():
    splits = ClassDisjointShuffleSplit(400, test_size=0.25, random_state=0)
    times = dict.fromkeys(Y.tolist(), 0)
    for _, test in splits.split(Y, Y):
        for label in set(Y[test].tolist()):
            times[label] += 1
    # One in four, within 5 standard deviations.
    assert all(abs(n - 100) < 5 * np.sqrt(400 * 0.25 * 0.75) for n in times.values())


def test_classes_of_one_size_are_drawn_freely():
    y = np.repeat(np.arange(6), 3)
    splits = ClassDisjointShuffleSplit(300, test_size=2 / 6, random_state=0)
    drawn = {tuple(sorted(set(y[test].tolist()))) for _, test in splits.split(y, y)}
    assert len(drawn) == 15  # all pairs of six


def test_seeds():
    splits = ClassDisjointShuffleSplit(5, random_state=3)
    first, again = (list(splits.split(None, Y)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one[1], other[1])
    assert len({tuple(test) for _, test in first}) > 1
    other = ClassDisjointShuffleSplit(5, random_state=4).split(None, Y)
    assert any(
        one[1].tolist() != two[1].tolist() for one, two in zip(first, other, strict=True)
    )


def test_labels_without_an_order():
    sets = [frozenset("ab"), frozenset("bc"), frozenset("c"), frozenset("a")]
    y = [frozenset(sets[code]) for code in np.arange(40) % 4]
    for train, test in ClassDisjointShuffleSplit(20, random_state=0).split(None, y):
        assert len(train) == len(test) == 20
        assert not {y[i] for i in train} & {y[i] for i in test}


def test_it_is_a_splitter():
    splits = ClassDisjointShuffleSplit(5, random_state=3)
    assert check_cv(splits) is splits
    assert splits.get_n_splits(Y, Y, Y) == 5
    expected = "ClassDisjointShuffleSplit(n_splits=5, test_size=0.5, random_state=3)"
    assert repr(splits) == expected


def test_two_classes():
    for test_size in (0.01, 0.99):
        splits = ClassDisjointShuffleSplit(3, test_size=test_size)
        for train, test in splits.split(None, ["a", "a", "b"]):
            assert sorted([len(train), len(test)]) == [1, 2]


@pytest.mark.parametrize(
    ("options", "y", "match"),
    [
        ({"n_splits": 0}, Y, "n_splits=0"),
        ({"test_size": 1.0}, Y, r"test_size=1\.0"),
        ({"test_size": 0}, Y, "test_size=0"),
        ({}, np.zeros(5), "at least 2 classes"),
        ({}, [np.nan, 1.0], "NaN"),
    ],
)
def test_bad_input(options, y, match):
    with pytest.raises(ValueError, match=match):
        next(ClassDisjointShuffleSplit(**options).split(None, y))
