"""Rows in order of their keys, against plain sorting."""

import numpy as np
import pytest

from skmetric.mining._ordering import argsort_exactly, argsort_keys


def keys_that_nearly_tie(dtype, seed=0):
    """Of few values, each with noise in its last digits."""
    rng = np.random.default_rng(seed)
    keys = rng.integers(0, 4, size=(7, 50)).astype(dtype)
    return keys * (1 + rng.integers(0, 9, size=keys.shape) * np.finfo(dtype).eps)


def positives(keys, seed=1):
    return np.flatnonzero(np.random.default_rng(seed).random(keys.size) < 0.2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exact_order_of_keys_that_nearly_tie(dtype):
    keys = keys_that_nearly_tie(dtype)
    pos = positives(keys)
    order, pos_ranks = argsort_exactly(keys, pos)
    is_positive = np.isin(np.arange(keys.size), pos)
    expected = [
        sorted(range(r * 50, r * 50 + 50), key=lambda i: (keys.flat[i], is_positive[i], i))
        for r in range(7)
    ]
    np.testing.assert_array_equal(order, np.ravel(expected))
    np.testing.assert_array_equal(pos_ranks, np.flatnonzero(is_positive[order]))


@pytest.mark.parametrize("positives_first", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_order_but_for_the_last_digits(dtype, positives_first):
    keys = keys_that_nearly_tie(dtype)
    pos = positives(keys)
    order, pos_ranks = argsort_keys(keys, pos, positives_first)
    in_order = keys.ravel()[order].reshape(keys.shape)
    assert (np.diff(in_order, axis=1) >= -1e-10).all()
    np.testing.assert_array_equal(np.sort(order), np.arange(keys.size))
    np.testing.assert_array_equal(np.sort(order[pos_ranks]), pos)
