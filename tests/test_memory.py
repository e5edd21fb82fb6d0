"""Peak memory of a fit, counted by tracemalloc, which sees all of numpy's arrays."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric._fit import constraints_for, resolve_auto
from skmetric._objective._evaluate import evaluate, mine
from skmetric._relations import LabelRelation
from skmetric.mining import mine_triplets

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
LEARNERS = [TripletMetricLearner, ContrastiveMetricLearner]


def peak_bytes(function):
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("Learner", LEARNERS)
def test_adam_needs_no_copies_of_X(Learner, early_stopping):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 50, 50_000)
    X = rng.standard_normal((50_000, 256), dtype=np.float32)
    X += rng.standard_normal((50, 256), dtype=np.float32)[y] / 4
    learner = Learner(
        solver="adam", max_iter=1, early_stopping=early_stopping, random_state=0
    )
    assert peak_bytes(lambda: learner.fit(X, y)) < 0.5 * X.nbytes


@pytest.mark.parametrize("n_features", [500, 1100])
def test_pca_needs_no_copy_of_X(n_features):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2**24 // n_features, n_features), dtype=np.float32)
    y = rng.integers(0, 10, len(X))
    learner = TripletMetricLearner(4, init="pca", solver="adam", max_iter=1, random_state=0)
    assert peak_bytes(lambda: learner.fit(X, y)) < 0.5 * X.nbytes


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "softplus"])
@pytest.mark.parametrize("Learner", LEARNERS)
def test_lbfgs_holds_no_square_array(Learner, loss):
    rng = np.random.default_rng(0)
    n = 2000
    y = rng.integers(0, 30, n)
    X = rng.standard_normal((n, 3)) + rng.standard_normal((30, 3))[y]
    learner = Learner(solver="lbfgs", loss=loss, positives="nearest", max_iter=1, tol=1.0)
    learner.set_params(alpha=1.0)
    with sklearn.config_context(working_memory=2):
        peak = peak_bytes(lambda: learner.fit(X, y))
    assert peak < 0.5 * n * n * 8


@pytest.mark.parametrize("negatives", ["all", "nearest", "random"])
@pytest.mark.parametrize("Learner", LEARNERS)
def test_no_list_of_all_pairs_is_kept(Learner, negatives):
    rng = np.random.default_rng(0)
    n = 1000
    y = np.arange(n) % 2
    X = rng.standard_normal((n, 3)) + y[:, None]
    constraints = constraints_for(
        resolve_auto(Learner(positives="all", negatives=negatives), False), 3
    )
    margins = {"margin": 0.5, "pos_margin": 0.2}
    constraints = replace(
        constraints, **{name: margins[name] for name in constraints.margins}
    )
    given = np.eye(3), X, LabelRelation(y), "sqeuclidean", constraints

    def evaluated():
        mined = mine(*given, np.random.RandomState(0))
        evaluate(*given, mined=mined)

    with sklearn.config_context(working_memory=1):
        peak = peak_bytes(evaluated)
    assert peak < 0.5 * n * n * 8


@pytest.mark.parametrize("k", [500, 10**6])
@pytest.mark.parametrize("Learner", LEARNERS)
def test_no_list_of_many_nearest_is_kept(Learner, k):
    rng = np.random.default_rng(0)
    n = 1500
    y = np.arange(n) % 2
    X = rng.standard_normal((n, 3)) + y[:, None]
    learner = Learner(
        solver="lbfgs", n_neighbors=k, n_impostors=k, n_subsamples=1, max_iter=1, tol=1.0
    )
    with sklearn.config_context(working_memory=2):
        peak = peak_bytes(lambda: learner.fit(X, y))
    assert peak < 0.5 * n * n * 8


def test_of_many_triplets_some_are_held():
    rng = np.random.default_rng(0)
    n = 400
    E, y = rng.standard_normal((n, 3)), np.arange(n) % 2
    words = {"n_neighbors": 100, "n_impostors": 100, "max_triplets": 50}
    with sklearn.config_context(working_memory=2):
        peak = peak_bytes(lambda: mine_triplets(E, y, **words, random_state=0))
    assert peak < 0.1 * n * 100 * 100 * 3 * 8


def test_sparse_X_is_never_dense():
    X = sp.random(400, 50_000, density=0.001, format="csr", random_state=0)
    y = np.arange(400) % 8
    learner = TripletMetricLearner(
        4, metric="cosine", init="random", solver="adam", max_iter=2, random_state=0
    )
    peak = peak_bytes(lambda: learner.fit(X, y).transform(X))
    assert peak < 0.5 * X.shape[0] * X.shape[1] * 8
