"""The discriminant map: against a generalized eigenproblem, under rotations, few rows."""

import numpy as np
import pytest
from scipy.linalg import eigh, fractional_matrix_power
from scipy.sparse import csr_matrix
from scipy.stats import ortho_group

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric._objective import _scatter
from skmetric._objective._initialization import RowsInMemory
from skmetric._objective._labels import Labels
from skmetric._objective._strength import strength_of
from skmetric._objective._supervision import (
    Matches,
    MatchLog,
    Pairs,
    Triplets,
    mean_weights,
)

Y = np.repeat(np.arange(6), [9, 7, 12, 5, 11, 2])
RNG = np.random.default_rng(0)
CENTERS = 2 * RNG.normal(size=(6, 5))
X = CENTERS[Y] + RNG.normal(size=(len(Y), 5)) * [1, 2, 0.5, 1, 3]


def map_of(X, y, k=None, metric="sqeuclidean"):
    k = X.shape[1] if k is None else k
    return RowsInMemory(X, Labels.of(X, y), metric).discriminant(k)


def scatters(X, y):
    """Within classes, unbiased, by differences of all pairs; in all; degrees."""
    within, n_degrees = np.zeros((X.shape[1],) * 2), 0
    for label in np.unique(y):
        rows = X[y == label]
        for a in rows:
            for b in rows:
                within += np.outer(a - b, a - b) / (2 * len(rows))
        n_degrees += len(rows) - 1
    centered = X - X.mean(axis=0)
    return within / n_degrees, centered.T @ centered / len(X), n_degrees


def strength(X, y):
    return strength_of(Labels.of(X, y), X.__getitem__, X.shape[1])


def by_definition(X, y):
    within, total, n_degrees = scatters(X, y)
    d = X.shape[1]
    share = _scatter.shrinkage(n_degrees, d, strength(X, y))
    S = (1 - share) * within + share * np.trace(within) / d * np.eye(d)
    # S^-1/2 (total - within) S^-1/2 v = phi v for v = S^1/2 u of the pencil.
    phi, U = eigh(total - within, S)
    V = fractional_matrix_power(S, 0.5) @ U
    np.testing.assert_allclose(V.T @ V, np.eye(d), atol=1e-9)
    phi, c = np.maximum(phi, 0), strength(X, y) * _scatter.STRETCH
    stretch = np.sqrt(1 + c * phi / (1 + phi)) - 1
    power = fractional_matrix_power(S, -min(strength(X, y) * _scatter.POWER, 0.5))
    return (np.eye(d) + V @ np.diag(stretch) @ V.T) @ power


def test_against_a_generalized_eigenproblem():
    np.testing.assert_allclose(map_of(X, Y), by_definition(X, Y), rtol=1e-8, atol=1e-10)


def test_shrinkage_falls_with_the_rows_for_each_direction():
    cases = [(0, 3), (1000, 3), (1000, 30)]
    for strength, shares in ((1, [0.1, 0.1, 0.1]), (2, [0.1, 0.0015, 0.015])):
        for (n_degrees, rank), share in zip(cases, shares, strict=True):
            assert _scatter.shrinkage(n_degrees, rank, strength) == pytest.approx(share)


@pytest.mark.parametrize("n", [200, 20_000])
def test_many_rows_show_classes_in_directions_of_little_scatter(n):
    # Which a share of the scatter of other directions would hide.
    rng = np.random.default_rng(0)
    y = np.arange(n) // 2
    told = rng.normal(size=(n // 2, 2))[y] + 0.1 * rng.normal(size=(n, 2))
    rows = np.hstack([told, 30 * rng.normal(size=(n, 8))])
    W = map_of(rows, y)
    _, values, V = np.linalg.svd(W)
    stretch = np.linalg.norm(V[:, :2], axis=1)  # how much of the two each direction has
    of_told, of_others = values[stretch > 0.9], values[stretch < 0.1]
    assert len(of_told) == 2
    assert (of_told.min() / of_others.max() > 30) == (n == 20_000)


def test_scatter_within_is_half_the_mean_square_of_differences():
    # Of classes of two rows, which moments about their means would make half as large.
    y = np.arange(len(X)) // 2
    within, _, n_degrees = Labels.of(X, y).scatters(X.__getitem__)
    pairs = np.arange(len(X)).reshape(-1, 2)
    apart = X[pairs[:, 0]] - X[pairs[:, 1]]
    np.testing.assert_allclose(within, apart.T @ apart / (2 * len(pairs)))
    assert n_degrees == len(pairs)
    n = len(pairs)
    weights = np.ones(n)
    given = Triplets(np.column_stack([pairs, np.roll(pairs[:, 0], 1)]), weights, len(X))
    np.testing.assert_allclose(given.scatters(X.__getitem__)[0], within)
    assert given.scatters(X.__getitem__).n_degrees == n
    both = np.vstack([pairs, np.roll(pairs, 1, axis=0)[:, [0, 0]] + [0, 2]]) % len(X)
    similar = np.arange(2 * n) < n
    weights = np.ones(2 * n)
    given = Pairs(both, weights, len(X), similar, mean_weights(weights, similar))
    np.testing.assert_allclose(given.scatters(X.__getitem__)[0], within)
    assert given.scatters(X.__getitem__).n_degrees == n


def test_scatter_of_matches_against_a_loop():
    matches, weights = RNG.integers(20, size=(30, 2)), RNG.integers(1, 4, size=30)
    queries, documents = X[:20], X[20:40] + RNG.normal(size=(20, 5))
    log = MatchLog.of(queries, documents, matches, weights.astype(float))
    within, total, n_degrees = Matches.of(log, "both").scatters(log.X.__getitem__)
    expected = np.zeros((5, 5))
    for (q, d), weight in zip(matches, weights, strict=True):
        apart = queries[q] - documents[d]
        expected += weight * np.outer(apart, apart) / (2 * weights.sum())
    np.testing.assert_allclose(within, expected)
    used = np.vstack(
        [queries[np.unique(matches[:, 0])], documents[np.unique(matches[:, 1])]]
    )
    np.testing.assert_allclose(total, np.cov(used.T, bias=True))
    # Of a basis of the differences.
    signs = np.zeros((len(matches), 40))
    signs[np.arange(len(matches)), matches[:, 0]] = 1
    signs[np.arange(len(matches)), matches[:, 1] + 20] = -1
    assert n_degrees == np.linalg.matrix_rank(signs)


def test_matches_start_nearer_than_under_the_identity():
    documents = RNG.normal(size=(20, 5))
    queries = documents + RNG.normal(size=(20, 5)) * [0.1, 0.1, 1, 1, 1]
    matches = np.column_stack([np.arange(20), np.arange(20)])
    learner = TripletMetricLearner().fit_matches(queries, documents, matches)
    E, F = (rows @ learner.initial_components_.T for rows in (queries, documents))

    def nearness(A, B):
        """The mean square of distances between matched rows, against all."""
        all_pairs = np.square(A[:, None] - B).sum(axis=2)
        return np.diag(all_pairs).mean() / all_pairs.mean()

    assert nearness(E, F) < 0.9 * nearness(queries, documents)
    learner.fit_matches(queries, documents, matches, side="queries")
    np.testing.assert_array_equal(learner.initial_components_, np.eye(5))


@pytest.mark.parametrize("metric", ["sqeuclidean", "cosine"])
def test_rotations_turn_it(metric):
    Q = ortho_group.rvs(5, random_state=0)
    expected = map_of(X, Y, metric=metric) @ Q.T
    found = map_of(X @ Q.T, Y, metric=metric)
    np.testing.assert_allclose(found, Q @ expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("metric", ["sqeuclidean", "cosine"])
def test_copies_and_units_change_nothing(metric):
    # A learner brings the map to a mean squared distance of 1.
    learner = TripletMetricLearner(init="discriminant", metric=metric, max_iter=1)
    with pytest.warns(UserWarning):
        expected = learner.fit(X, Y).initial_components_
    with pytest.warns(UserWarning):
        found = learner.fit(8 * np.repeat(X, 3, axis=0), np.repeat(Y, 3))
    np.testing.assert_allclose(8 * found.initial_components_, expected, rtol=1e-9)


def test_dead_columns_leave_the_others_as_they_are():
    expected = map_of(X, Y)
    W = map_of(np.hstack([X, np.ones((len(X), 20))]), Y)
    np.testing.assert_allclose(W[:5, :5], expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(W[:5, 5:], 0, atol=1e-10)


def test_few_rows_of_many_features_against_all_features():
    rng = np.random.default_rng(1)
    rows, y = rng.normal(size=(24, 60)), np.arange(24) % 4
    labels = Labels.of(rows, y)
    found = labels.strength(rows.__getitem__, 23)
    of_rows = labels.scatters(rows.__getitem__)
    expected, _ = _scatter.discriminant(of_rows, 23, found)
    np.testing.assert_allclose(map_of(rows, y), expected, rtol=1e-7, atol=1e-8)
    for k in (5, 23, 30):
        W = map_of(rows, y, k)
        assert W.shape == (k, 60)
        Z, mapped = rows @ W.T, rows @ expected.T
        # The directions of most variance of the mapped rows, by falling variance.
        _, values, _ = np.linalg.svd(mapped - mapped.mean(axis=0), full_matrices=False)
        found = np.linalg.svd(Z - Z.mean(axis=0), full_matrices=False)[1]
        m = min(k, 23)
        np.testing.assert_allclose(found[:m], values[:m], rtol=1e-6)
        assert np.linalg.matrix_rank(W) == k


@pytest.mark.parametrize("Learner", [TripletMetricLearner, ContrastiveMetricLearner])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_classes_are_nearer_than_under_the_identity(Learner, method):
    learner = Learner(init="discriminant", random_state=0)
    W = getattr(learner, method)(X, Y).initial_components_

    def ratio(W):
        within, total, _ = scatters(X @ W.T, Y)
        return np.trace(within) / np.trace(total)

    assert ratio(W) < 0.9 * ratio(np.eye(5))


def test_where_it_is_not_possible():
    with pytest.raises(ValueError, match=r"discriminant.*dense"):
        TripletMetricLearner(init="discriminant").fit(csr_matrix(X), Y)
    assert TripletMetricLearner().fit(csr_matrix(X), Y).initial_components_.shape == (5, 5)
