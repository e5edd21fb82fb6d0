"""Directions of the largest variance against an exact decomposition in float64."""

import numpy as np
import pytest

from skmetric._initialization import MAX_SCATTER, pca

MANY = MAX_SCATTER + 76


def exact(X, k):
    """Directions, and the variance along each, of centred rows."""
    X = X.astype(np.float64)
    _, scales, directions = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    return directions[:k], scales[:k] ** 2


def captured(W, X):
    """The sum of squares of centred rows in the span of orthonormal directions."""
    X = X.astype(np.float64)
    return (((X - X.mean(axis=0)) @ W.T) ** 2).sum()


def rows(n, d, seed=0):
    """Rows that spread most along ten directions, ever less, and alike along others."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X + 10 * rng.standard_normal((n, 10)) * 0.8 ** np.arange(10) @ np.eye(10, d)


def found(X, k):
    W = pca(X, k, np.random.RandomState(0))
    assert W.shape == (k, X.shape[1])
    np.testing.assert_allclose(W @ W.T, np.eye(k), atol=1e-12)
    return W


@pytest.mark.parametrize(("n", "d"), [(3000, 30), (40, 60), (3, 5)])
def test_few_features_are_decomposed_exactly(n, d):
    k = min(n - 1, d, 8)
    X = rows(n, d)
    W, (expected, _) = found(X, k), exact(X, k)
    np.testing.assert_allclose(np.abs((W * expected).sum(axis=1)), 1, rtol=1e-9)


@pytest.mark.parametrize("d", [40, MANY])
def test_rows_far_from_zero_in_float32_lose_nothing(d):
    X = rows(500, d).astype(np.float32) + np.float32(1e3)
    W, (_, variances) = found(X, 5), exact(X, 5)
    assert captured(W, X) > 0.999 * variances.sum()


@pytest.mark.parametrize("d", [40, MANY])
def test_a_feature_of_another_scale_does_not_hide_the_others(d):
    X = rows(500, d).astype(np.float32)
    X[:, -1] *= 1e5
    W, (expected, variances) = found(X, 5), exact(X, 5)
    assert abs(W[0] @ expected[0]) == pytest.approx(1)
    assert captured(W[1:], X) > 0.999 * variances[1:].sum()


@pytest.mark.parametrize("n", [300, 2500])
def test_many_features_without_a_gap_in_the_spectrum(n):
    X = np.random.default_rng(0).standard_normal((n, MANY), dtype=np.float32)
    assert captured(found(X, 20), X) > 0.96 * exact(X, 20)[1].sum()


@pytest.mark.parametrize("d", [40, MANY])
def test_more_directions_than_the_rank(d):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3)) @ rng.standard_normal((3, d))
    W, (_, variances) = found(X, 6), exact(X, 6)
    assert captured(W[:3], X) == pytest.approx(variances.sum())
    assert captured(W[3:], X) < 1e-10 * variances.sum()


@pytest.mark.parametrize("d", [40, MANY])
def test_all_that_few_rows_have_to_give(d):
    X = rows(25, d)
    W, (_, variances) = found(X, 25), exact(X, 25)
    assert captured(W, X) == pytest.approx(variances.sum())
