"""What each feature contributes to distances: sums, loops over all pairs, invariances."""

from itertools import combinations, product

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from tests.designs import covering

RNG = np.random.default_rng(3)
Y = np.arange(30) % 3
X = RNG.standard_normal((30, 5)) + RNG.standard_normal((3, 5))[Y]
A, B = X[:15], X[15:]
METRICS = ["sqeuclidean", "euclidean", "cosine"]


@pytest.fixture(scope="module", params=METRICS)
def learner(request):
    model = TripletMetricLearner(3, metric=request.param, alpha=1.0, random_state=0)
    return model.fit(X, Y)


def summed(learner, distances):
    """What the contributions to distances sum to."""
    return distances**2 if learner.metric == "euclidean" else distances


def contributions_by_hand(learner, a, b):
    """Sums over both features of a product, in plain loops."""
    M, d = learner.get_mahalanobis_matrix(), len(a)
    factor = 1.0
    if learner.metric == "cosine":
        a, b, factor = a / np.sqrt(a @ M @ a), b / np.sqrt(b @ M @ b), 0.5
    u = a - b
    return [factor * sum(u[i] * M[i, j] * u[j] for j in range(d)) for i in range(d)]


def test_contributions_are_sums_of_products(learner):
    expected = [contributions_by_hand(learner, *pair) for pair in zip(A, B, strict=True)]
    np.testing.assert_allclose(learner.pair_contributions(A, B), expected, atol=1e-12)


DESIGN = covering(
    product(METRICS, [np.asarray, csr_array, csr_matrix], [np.asarray, csr_array])
)


@pytest.mark.parametrize(("metric", "first", "second"), DESIGN)
def test_contributions_sum_to_the_distance(metric, first, second):
    learner = ContrastiveMetricLearner(metric=metric, random_state=0).fit(X, Y)
    rows = X * (RNG.random(X.shape) < 0.7)
    rows[3] = 0
    pair = first(rows[:15]), second(rows[15:])
    found = learner.pair_contributions(*pair)
    assert isinstance(found, np.ndarray) and found.shape == (15, 5)
    expected = summed(learner, learner.pair_distances(*pair))
    np.testing.assert_allclose(found.sum(axis=1), expected, rtol=1e-12, atol=1e-12)


def test_the_mean_is_that_over_all_pairs(learner):
    i, j = np.array(list(combinations(range(30), 2))).T
    expected = learner.pair_contributions(X[i], X[j]).mean(axis=0)
    for rows in (X, csr_array(X), X[::-1]):
        np.testing.assert_allclose(
            learner.mean_contributions(rows), expected, rtol=1e-9, atol=1e-12
        )


def test_the_mean_in_closed_form(learner):
    M = learner.get_mahalanobis_matrix()
    rows, factor = X, 2
    if learner.metric == "cosine":
        rows = X / np.sqrt(np.einsum("ni,ij,nj->n", X, M, X))[:, None]
        factor = 1
    expected = factor * (M * np.cov(rows.T)).sum(axis=1)
    np.testing.assert_allclose(learner.mean_contributions(X), expected, atol=1e-12)


def test_blocks_of_rows_change_nothing(learner):
    rows = np.tile(X, (200, 1))
    pairs = len(rows) * (len(rows) - 1) / (200**2 * 30 * 29)
    for given in (rows, csr_array(rows)):
        np.testing.assert_allclose(
            learner.mean_contributions(given) * pairs, learner.mean_contributions(X)
        )


def test_contributions_have_a_negative_part_where_features_make_up_for_others():
    # The metric looks at the difference of two features only.
    rows = RNG.standard_normal((30, 2)) + 3 * np.column_stack([Y, -Y])
    learner = TripletMetricLearner(n_components=1).fit(rows, Y)
    w, v = learner.components_[0]
    assert w * v < 0
    # The first difference alone would be 9 w², and the second makes up for a part of it.
    found = learner.pair_contributions([[3.0, 1.0]], [[0.0, 0.0]])
    np.testing.assert_allclose(found, [[9 * w * w + 3 * w * v, v * v + 3 * w * v]])
    assert found[0, 1] < 0 < found[0, 0] < 9 * w * w


def test_contributions_do_not_depend_on_order_sign_place_or_rotation(learner):
    found = learner.pair_contributions(A, B)
    np.testing.assert_allclose(learner.pair_contributions(B, A), found, atol=1e-14)
    turned = np.linalg.qr(RNG.standard_normal((3, 3)))[0] @ learner.components_
    components = learner.components_
    try:
        learner.components_ = turned
        np.testing.assert_allclose(learner.pair_contributions(A, B), found, atol=1e-12)
    finally:
        learner.components_ = components
    if learner.metric == "cosine":
        lengths = RNG.uniform(1e-200, 1e200, (15, 1))
        moved = learner.pair_contributions(A * lengths, B)
    else:
        moved = learner.pair_contributions(A + 8.0, B + 8.0)
        shifted = learner.mean_contributions(X + 1e6)
        np.testing.assert_allclose(shifted, learner.mean_contributions(X), atol=1e-8)
    np.testing.assert_allclose(moved, found, atol=1e-12)


def test_contributions_have_the_dtype_of_the_rows(learner):
    single, other = A.astype(np.float32), B.astype(np.float32)
    for rows, others, dtype in ((single, other, "f4"), (single, B, "f8"), (A, B, "f8")):
        found = learner.pair_contributions(rows, others)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, learner.pair_contributions(A, B), atol=1e-5)
    assert learner.mean_contributions(X.astype("f4")).dtype == "f4"


def test_what_has_no_contributions_is_refused(learner):
    with pytest.raises(ValueError, match="15 rows in A and 14 in B"):
        learner.pair_contributions(A, B[:14])
    with pytest.raises(ValueError, match="expected at least two"):
        learner.mean_contributions(X[:1])
    queries = TripletMetricLearner().fit_matches(A, B, [[0, 0], [1, 1]], side="queries")
    for call in (
        lambda: queries.pair_contributions(A, B),
        lambda: queries.mean_contributions(A),
    ):
        with pytest.raises(ValueError, match="side='both' for contributions of features"):
            call()
    if learner.metric == "sqeuclidean":
        large = np.full((1, 5), 1e30, dtype=np.float32)
        with pytest.raises(ValueError, match="of float32 whose rows are inf apart"):
            learner.pair_contributions(large, -large)
