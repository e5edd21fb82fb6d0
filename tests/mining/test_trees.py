"""Nearest rows by trees, against sorting."""

import numpy as np
import pytest

from skmetric.mining._trees import nearest_in_groups, nearest_in_others


def split(y):
    return [np.flatnonzero(y == label) for label in np.unique(y)]


def by_sorting(E, candidates, k):
    """Columns of the k nearest candidates of each row, -1 where it has fewer."""
    expected = np.full((len(E), k), -1)
    for i, row in enumerate(E):
        columns = np.flatnonzero(candidates[i])
        order = np.argsort(((E[columns] - row) ** 2).sum(axis=1))[:k]
        expected[i, : len(order)] = columns[order]
    return expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 4, 50])
@pytest.mark.parametrize("sizes", [[40], [3, 40], [1, 30, 2, 8, 20, 1], [2] * 20])
def test_against_sorting(sizes, k, dtype):
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    E = rng.normal(size=(len(y), 3)).astype(dtype)
    same = y[:, None] == y
    expected = by_sorting(E, ~same, k)
    np.testing.assert_array_equal(nearest_in_others(E, split(y), k), expected)
    np.fill_diagonal(same, False)
    expected = by_sorting(E, same, k)
    np.testing.assert_array_equal(nearest_in_groups(E, split(y), k), expected)


def test_a_row_among_copies_is_not_its_own_neighbor():
    y = np.repeat([0, 1], [12, 5])
    E = np.zeros((17, 2))
    E[0] = 1
    found = nearest_in_groups(E, split(y), 3)
    assert (found >= 0).all()
    assert (found != np.arange(17)[:, None]).all()
    assert (y[found] == y[:, None]).all()
    assert all(len(set(row)) == 3 for row in found)
    assert (found[1:] != 0).all()
