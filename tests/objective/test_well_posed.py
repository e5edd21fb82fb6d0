"""Small changes of X are small changes of the metric, at loose and at tight tolerances."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine
from sklearn.preprocessing import scale

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric.losses import hinge, smoothed_hinge

X, Y = load_wine(return_X_y=True)
X = scale(X)
LEARNERS = (TripletMetricLearner, ContrastiveMetricLearner)


def metric_of(Learner, X, y, **settings):
    settings = {"solver": "lbfgs", "max_iter": 3000} | settings
    if Learner is ContrastiveMetricLearner:
        settings["n_subsamples"] = 1
    return Learner(**settings).fit(X, y).get_mahalanobis_matrix()


def difference(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(a)


@pytest.mark.parametrize("tol", [1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("negatives", ["nearest", "all"])
@pytest.mark.parametrize("Learner", LEARNERS)
def test_noise_moves_the_metric_little(Learner, negatives, tol):
    noise = 1e-9 * np.random.default_rng(0).normal(size=X.shape)
    settings = {"negatives": negatives, "tol": tol}
    found = metric_of(Learner, X * (1 + noise), Y, **settings)
    assert difference(metric_of(Learner, X, Y, **settings), found) < 2e-3


@pytest.mark.parametrize("factor", [1000, 1 / 3])
@pytest.mark.parametrize("Learner", LEARNERS)
def test_tied_distances_do_not_depend_on_the_unit(Learner, factor):
    rows, labels = (values[:600] for values in load_digits(return_X_y=True))
    expected = metric_of(Learner, rows, labels)
    found = metric_of(Learner, rows * factor, labels) * factor**2
    assert difference(expected, found) < 1e-6


@pytest.mark.parametrize("foot", [0.02, 0.3])
def test_the_foot_of_the_hinge(foot):
    v = np.linspace(-1, 1, 201)
    cost, slope = smoothed_hinge(v, foot)
    step = 1e-8
    ends = [smoothed_hinge(v + side * step, foot)[0] for side in (1, -1)]
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * step), atol=1e-6)
    plain, plain_slope = hinge(v)
    np.testing.assert_allclose(cost[v >= foot], plain[v >= foot] - foot / 2)
    np.testing.assert_array_equal(slope[v > foot], plain_slope[v > foot])
    np.testing.assert_array_equal(cost[v <= 0], 0)
    inside = (v > 0) & (v < foot)
    np.testing.assert_allclose(cost[inside], v[inside] ** 2 / (2 * foot))


def test_the_smoothed_hinge_of_no_constraint_is_0():
    # Lists of edges have slacks of -inf where an anchor has fewer positives than others.
    cost, slope = smoothed_hinge(np.array([-np.inf, -1.0]), 0.1)
    assert cost.tolist() == slope.tolist() == [0.0, 0.0]


def test_classes_of_few_rows_beside_a_larger_one():
    y = np.r_[np.repeat(np.arange(200), 3), np.repeat(200, 40)]
    rng = np.random.default_rng(0)
    X = rng.normal(size=(201, 5))[y] + 0.3 * rng.normal(size=(640, 5))
    assert np.isfinite(TripletMetricLearner(solver="lbfgs").fit(X, y).loss_)
