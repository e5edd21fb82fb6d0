"""Fits in the span of the rows: dead columns, rotations, few rows of many features."""

from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import ortho_group

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric._objective._problem import is_centered
from skmetric._objective._span import find_reduction, restrict_to_span
from tests.designs import covering
from tests.maps import metric_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
LEARNERS = (TripletMetricLearner, ContrastiveMetricLearner)
METRICS = ("sqeuclidean", "euclidean", "cosine")
Y = np.arange(60) % 3


def rows(n, d, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) + 1
    X[:, :3] += 2 * np.eye(3)[np.arange(n) % 3]
    return X


def learner_of(Learner, solver="lbfgs", **settings):
    settings = {"loss": "softplus", "alpha": 0.1, "max_iter": 12} | settings
    if Learner is ContrastiveMetricLearner:
        settings = {"n_subsamples": 1} | settings
    return Learner(solver=solver, random_state=0, **settings)


def assert_near(found, expected, rtol):
    difference = np.linalg.norm(found - expected)
    assert difference <= rtol * np.linalg.norm(expected)


def by_projection(W, X, centered):
    """|W₀| on the span, from a singular value decomposition of the rows."""
    X = X - X.mean(axis=0) if centered else X
    _, values, basis = np.linalg.svd(X, full_matrices=False)
    return np.linalg.norm(W @ basis[values > 1e-9 * values[0]].T)


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("scale", [1, 1e5])
def test_restricted_map_against_a_projection(centered, scale):
    rng = np.random.default_rng(0)
    W, X = rng.normal(size=(4, 9)), rows(40, 9)
    # A constant, a sum, and features of other scales.
    X[:, 4], X[:, 5] = 2.0, X[:, 0] + X[:, 1]
    X[:, 6] *= scale
    found = np.linalg.norm(restrict_to_span(W, X, centered))
    assert found == pytest.approx(by_projection(W, X, centered), rel=1e-6)
    assert found < 0.99 * np.linalg.norm(W)
    whole = rows(40, 9)
    assert restrict_to_span(W, whole, centered) is W


@pytest.mark.parametrize("centered", [True, False])
def test_a_feature_counts_if_it_varies_in_a_single_row(centered):
    # Of 400 rows every eleventh is looked at first.
    W, X = np.random.default_rng(0).normal(size=(4, 9)), rows(400, 9)
    X[:, 4], X[:, 7] = 0, 0
    assert restrict_to_span(W, X, centered).shape == (4, 7)
    X[5, 4] = 1e-5
    found = restrict_to_span(W, X, centered)
    assert found.shape == (4, 8)
    assert np.linalg.norm(found) == pytest.approx(by_projection(W, X, centered), rel=1e-6)
    X[7, 7] = 1
    assert restrict_to_span(W, X, centered) is W


def test_what_a_sample_of_the_rows_misses_is_found_in_all():
    X, W = rows(4000, 5), np.eye(5)
    X[:, 4] = 0
    X[1234, 4] = 9
    assert restrict_to_span(W, X, True) is W


@pytest.mark.parametrize("make", [np.asarray, csr_matrix])
@pytest.mark.parametrize("solver", ["lbfgs", "adam", "sgd"])
@pytest.mark.parametrize("Learner", LEARNERS)
def test_dead_columns_change_nothing(Learner, solver, make):
    X = rows(60, 6)
    expected = learner_of(Learner, solver).fit(make(X), Y).get_mahalanobis_matrix()
    for n_dead in (10, 90):
        dead = make(np.hstack([X, np.zeros((60, n_dead))]))
        learner = learner_of(Learner, solver).fit(dead, Y)
        # The same rows of fewer features would be reduced.
        assert_near(learner.get_mahalanobis_matrix()[:6, :6], expected, 1e-6)
        moved = learner.get_mahalanobis_matrix() - metric_of(learner.initial_components_)
        assert np.abs(moved).max() > 1e-3
        assert not moved[6:].any() or np.abs(moved[6:]).max() < 1e-9


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("Learner", LEARNERS)
def test_rows_in_a_rotated_subspace(Learner, metric):
    X, Q = rows(60, 6), ortho_group.rvs(20, random_state=0)[:6]
    learner = learner_of(Learner, metric=metric)
    expected = learner.fit(X, Y).transform(X)
    found = learner.fit(X @ Q, Y).transform(X @ Q)
    assert_near(found @ found.T, expected @ expected.T, 1e-6)


INITS = {
    "identity": {},
    "pca": {"n_components": 5, "init": "pca"},
    "wide": {"init": np.random.default_rng(1).normal(size=(45, 40)) / 9},
    "flat": {"init": np.random.default_rng(2).normal(size=(3, 40)) / 9},
}


@pytest.mark.parametrize(
    ("Learner", "metric", "init", "make", "loss"),
    covering(
        product(
            LEARNERS,
            METRICS,
            INITS,
            [np.asarray, csr_matrix],
            ["softplus", "squared_hinge"],
        )
    ),
)
def test_fewer_rows_than_features_against_the_whole_problem(
    Learner, metric, init, make, loss, monkeypatch
):
    X, y = make(rows(21, 40)), Y[:21]
    learner = learner_of(Learner, metric=metric, loss=loss, alpha=0.3, **INITS[init])
    reduced = learner.fit(X, y)
    found, loss_found = reduced.get_mahalanobis_matrix(), reduced.loss_curve_
    W0 = reduced.initial_components_
    centered = is_centered(X, metric)
    if make is np.asarray or len(W0) > 21:
        assert find_reduction(X, W0, W0, centered) is not None
    monkeypatch.setattr("skmetric._fit.find_reduction", lambda *given: None)
    # |W₀| is that on the span for the whole problem, too.
    monkeypatch.setattr(
        "skmetric._objective._problem.restrict_to_span", part_by_decomposition
    )
    whole = learner.fit(X, y)
    np.testing.assert_allclose(loss_found, whole.loss_curve_, rtol=1e-6)
    assert_near(found, whole.get_mahalanobis_matrix(), 1e-6)
    M0 = metric_of(W0)
    assert np.linalg.norm(found - M0) > 1e-2 * np.linalg.norm(M0)


@pytest.mark.parametrize(
    ("Learner", "metric", "make", "loss", "candidates"),
    covering(
        product(
            LEARNERS,
            METRICS,
            [np.asarray, csr_matrix],
            ["softplus", "squared_hinge", "softmax"],
            ["matched", "all"],
        )
    ),
)
def test_mapped_queries_of_many_features_against_the_whole_problem(
    Learner, metric, make, loss, candidates, monkeypatch
):
    if Learner is ContrastiveMetricLearner and loss == "softmax":
        loss = "softplus"
    queries, documents = make(rows(18, 60)), make(rows(10, 60, seed=1))
    log = queries, documents, np.column_stack([np.arange(18), np.arange(18) % 8])
    options = {"side": "queries", "candidates": candidates}
    learner = learner_of(Learner, metric=metric, loss=loss, alpha=0.3)
    reduced = learner.fit_matches(*log, **options)
    found, loss_found = reduced.components_, reduced.loss_curve_
    monkeypatch.setattr("skmetric._fit.find_reduction", lambda *given: None)
    monkeypatch.setattr(
        "skmetric._objective._problem.restrict_to_span", part_by_decomposition
    )
    whole = learner.fit_matches(*log, **options)
    np.testing.assert_allclose(loss_found, whole.loss_curve_, rtol=1e-6)
    assert_near(found, whole.components_, 1e-6)
    moved = found - np.eye(60)
    assert np.linalg.norm(moved) > 1e-2
    # Queries are mapped by what they span, into the span of queries and documents.
    spans = [X if make is np.asarray else X.toarray() for X in log[:2]]
    for change, span in ((moved, spans[0]), (moved.T, np.concatenate(spans))):
        within = np.linalg.norm(part_by_decomposition(change, span, False))
        assert within == pytest.approx(np.linalg.norm(change))


def part_by_decomposition(W, X, centered):
    X = X if isinstance(X, np.ndarray) else X.toarray()
    X = X - X.mean(axis=0) if centered else X
    _, values, basis = np.linalg.svd(X, full_matrices=False)
    return W @ basis[values > 1e-9 * values[0]].T


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_a_warm_start_of_mapped_queries_goes_on_from_the_reduced_map(solver):
    queries, documents = rows(18, 60), rows(10, 60, seed=1)
    log = queries, documents, np.column_stack([np.arange(18), np.arange(18) % 8])
    learner = learner_of(TripletMetricLearner, solver, warm_start=True)
    before = learner.fit_matches(*log, side="queries").loss_curve_
    gained = before[0] - before[-1]
    after = learner.fit_matches(*log, side="queries").loss_curve_
    assert abs(after[0] - before[-1]) < 0.1 * gained


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_a_warm_start_goes_on_from_the_reduced_map(solver):
    X, y = rows(21, 40), Y[:21]
    learner = learner_of(TripletMetricLearner, solver, warm_start=True)
    first = learner.fit(X, y)
    before = first.loss_curve_
    gained = before[0] - before[-1]
    assert abs(learner.fit(X, y).loss_curve_[0] - before[-1]) < 0.1 * gained


def test_scorers_see_rows_and_maps_as_they_were_given():
    X, y = rows(48, 90), Y[:48]
    shapes = set()

    def scoring(learner, X, y):
        shapes.add((learner.components_.shape, X.shape[1]))
        return float(np.linalg.norm(learner.transform(X)))

    TripletMetricLearner(
        solver="adam", early_stopping=True, scoring=scoring, random_state=0
    ).fit(X, y)
    assert shapes == {((90, 90), 90)}


def test_sparse_rows_that_are_all_alike_have_a_map():
    learner = TripletMetricLearner()
    with pytest.warns(UserWarning, match="no active constraint|learnt next to nothing"):
        learner.fit_triplets(csr_matrix(np.ones((3, 1))), [[0, 1, 2]])
    assert np.isfinite(learner.components_).all()


def test_copies_of_one_row_per_class_span_a_line():
    X = np.outer([1.0, 2.0, 4.0, 8.0], np.arange(1.0, 8))
    reduction = find_reduction(X, np.eye(7), np.eye(7), True)
    assert reduction.rows.shape == (7, 1)
    expected = np.arange(1.0, 8) / np.linalg.norm(np.arange(1.0, 8))
    np.testing.assert_allclose(np.abs(reduction.rows[:, 0]), expected)
