"""The rotation that orders the components of a learnt map."""

from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import ortho_group

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric._objective._maps import map_rows, nearest_rotation
from skmetric._objective._rotation import principal_axes, rotate_to
from tests.designs import covering
from tests.maps import metric_of

LEARNERS = [TripletMetricLearner, ContrastiveMetricLearner]
METRICS = ["sqeuclidean", "euclidean", "cosine"]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 7)) + 0.5
Y = np.arange(60) % 3
X[:, 0] += Y
PAIRS = RNG.permutation(60).reshape(30, 2)
SIMILAR = Y[PAIRS[:, 0]] == Y[PAIRS[:, 1]]
TRIPLETS = np.array([(i, i + 3, i + 1) for i in range(50)])


def assert_in_order(learner, rows):
    """Falling variances, no covariances, signs."""
    Z = learner.transform(rows).astype(np.float64)
    covariance = np.cov(Z, rowvar=False)
    variances = np.diag(covariance)
    tiny = 1e-5 * variances[0]
    assert (np.diff(variances) <= tiny).all()
    assert np.abs(covariance - np.diag(variances)).max() <= tiny
    W = learner.components_
    assert (W.max(axis=1) >= -W.min(axis=1)).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n_rows", [3, 5, 60])
@pytest.mark.parametrize("make", [np.asarray, csr_matrix])
def test_axes_are_those_of_a_decomposition_of_the_mapped_rows(make, n_rows, metric):
    W = RNG.normal(size=(5, 7))
    axes = principal_axes(make(X[:n_rows]), W, metric)
    assert axes.shape == (min(n_rows, 5), 5)
    np.testing.assert_allclose(axes @ axes.T, np.eye(len(axes)), atol=1e-12)
    Z = map_rows(X[:n_rows], W, metric)
    variances = np.linalg.svd(Z - Z.mean(axis=0), compute_uv=False) ** 2
    found = ((Z - Z.mean(axis=0)) @ axes.T) ** 2
    np.testing.assert_allclose(found.sum(axis=0), variances, atol=1e-12 * variances[0])


def test_axes_of_many_rows_are_those_of_some(monkeypatch):
    W = RNG.normal(size=(4, 7))
    expected = principal_axes(X[::2], W, "sqeuclidean")
    monkeypatch.setattr("skmetric._objective._rotation.MAX_ROWS", 31)
    np.testing.assert_array_equal(principal_axes(X, W, "sqeuclidean"), expected)


@pytest.mark.parametrize("r", [0, 1, 3, 5, 6, 8])
def test_rotation_to_axes_keeps_the_metric(r):
    W = RNG.normal(size=(8, 6))
    axes = ortho_group.rvs(8, random_state=1)[:r]
    rotated = rotate_to(W, axes)
    np.testing.assert_allclose(metric_of(rotated), metric_of(W), atol=1e-12)
    first = axes @ W
    signs = np.sign((rotated[:r] * first).sum(axis=1))
    np.testing.assert_allclose(rotated[:r], signs[:, None] * first, atol=1e-13)
    # What is left is orthogonal to the axes: their shares of the rows add up to the metric.
    np.testing.assert_allclose(
        metric_of(rotated[r:]), metric_of(W) - metric_of(first), atol=1e-12
    )


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_nearest_rotation_undoes_a_rotation(scale):
    W0, Q = RNG.normal(size=(5, 7)), ortho_group.rvs(5, random_state=2)
    np.testing.assert_allclose(nearest_rotation(scale * Q @ W0, W0), scale * W0)
    # No other rotation is nearer.
    W = W0 + RNG.normal(size=W0.shape)
    distance = np.linalg.norm(nearest_rotation(W, W0) - W0)
    for seed in range(20):
        turned = ortho_group.rvs(5, random_state=seed) @ W
        assert distance <= np.linalg.norm(turned - W0)


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e25])
def test_nearest_rotation_in_single_precision(scale):
    W0, Q = RNG.normal(size=(5, 7)), ortho_group.rvs(5, random_state=2)
    W, W0 = (scale * (Q @ W0)).astype(np.float32), (scale * W0).astype(np.float32)
    found = nearest_rotation(W, W0)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found / scale, W0 / scale, atol=1e-6)


@pytest.mark.parametrize("Learner", LEARNERS)
def test_a_fit_in_single_precision_goes_on(Learner):
    rows = X.astype(np.float32)
    learner = Learner(warm_start=True, random_state=0).fit(rows, Y).fit(rows, Y)
    assert learner.partial_fit(rows, Y).components_.dtype == np.float32


@pytest.mark.parametrize(
    ("Learner", "metric", "solver", "make", "dtype", "n_components"),
    covering(
        product(
            LEARNERS,
            METRICS,
            ["lbfgs", "adam"],
            [np.asarray, csr_matrix],
            [np.float32, np.float64],
            [None, 3],
        )
    ),
)
def test_components_have_falling_variance(
    Learner, metric, solver, make, dtype, n_components
):
    rows = make(X.astype(dtype))
    learner = Learner(n_components, metric=metric, solver=solver, random_state=0)
    assert_in_order(learner.fit(rows, Y), rows)
    assert learner.components_.dtype == dtype


def test_components_from_given_constraints():
    assert_in_order(TripletMetricLearner(random_state=0).fit_triplets(X, TRIPLETS), X)
    learner = ContrastiveMetricLearner(random_state=0).fit_pairs(X, PAIRS, SIMILAR)
    assert_in_order(learner, X)


@pytest.mark.parametrize("side", ["both", "queries"])
@pytest.mark.parametrize("Learner", LEARNERS)
def test_matches_order_components_but_for_a_fixed_index(Learner, side):
    matches = np.c_[np.arange(30), np.arange(30)]
    queries, documents = X[:30], X[:30] + 0.1 * RNG.normal(size=(30, 7))
    learner = Learner(metric="cosine", random_state=0)
    learner.fit_matches(queries, documents, matches, side=side)
    if side == "both":
        assert_in_order(learner, np.vstack([queries, documents]))
    else:
        # The space is that of the documents, so that queries stay near to where they were.
        W = learner.components_
        turned = rotate_to(W, principal_axes(queries, W, "cosine"))
        assert np.linalg.norm(W - np.eye(7)) < np.linalg.norm(turned - np.eye(7)) / 2


@pytest.mark.parametrize("metric", ["sqeuclidean", "cosine"])
def test_wide_rows(metric):
    wide = np.random.default_rng(1).normal(size=(20, 200))
    learner = TripletMetricLearner(metric=metric, random_state=0).fit(wide, Y[:20])
    assert_in_order(learner, wide)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
@pytest.mark.parametrize("rows", [X, np.random.default_rng(1).normal(size=(20, 90))])
def test_second_fits_start_where_the_first_ended(solver, rows):
    y = Y[: len(rows)]
    learner = TripletMetricLearner(
        init="identity", loss="softplus", positives="all", negatives="all", solver=solver
    )
    learner.set_params(random_state=0, n_subsamples=1).fit(rows, y)
    M, first, last = learner.get_mahalanobis_matrix(), learner.loss_curve_[0], learner.loss_
    learner.set_params(warm_start=True, max_iter=1, tol=1.0).fit(rows, y)
    assert abs(learner.loss_curve_[0] - last) < 0.05 * (first - last)
    change = np.linalg.norm(learner.get_mahalanobis_matrix() - M)
    assert change < 0.1 * np.linalg.norm(M)


def test_chunks_after_a_fit_are_pulled_to_where_it_started():
    learner = TripletMetricLearner(
        init="identity", alpha=1e3, solver="adam", learning_rate_init=1e-4, random_state=0
    )
    learner.fit(X, Y)
    assert np.linalg.norm(learner.components_ - learner.initial_components_) > 0.1
    learner.partial_fit(X, Y)
    # So strong a penalty would show if the map had been turned away from W₀.
    assert learner.loss_ < 2 * learner.loss_curve_[0]
