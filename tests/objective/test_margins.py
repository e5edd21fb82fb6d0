"""Margins that follow from the data: in units of the mean length of pairs under W₀."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric.mining import mine_pairs
from skmetric.mining._sampler import stratified_part

METRICS = ["sqeuclidean", "euclidean", "cosine"]
WORDS = [("nearest", "nearest"), ("all", "all"), ("hard", "all"), ("nearest", "hard")]
Y = np.random.RandomState(7).permutation(np.repeat(np.arange(3), [25, 14, 11]))
X = np.random.RandomState(0).standard_normal((len(Y), 5)) + 2 * np.eye(5)[Y]


def length(a, b, metric):
    """Distance of two mapped rows, written out."""
    if metric == "cosine":
        return 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    squared = ((a - b) ** 2).sum()
    return squared if metric == "sqeuclidean" else np.sqrt(squared)


def mean_length(E, pairs, similar, metric, weights=None):
    """Mean over the similar and over the dissimilar pairs, half each."""
    lengths = np.array([length(E[i], E[j], metric) for i, j in pairs])
    weights = np.ones(len(pairs)) if weights is None else weights
    sides = [np.average(lengths[s], weights=weights[s]) for s in (similar, ~similar)]
    return sum(sides) / 2


def in_batches(solver):
    return {} if solver == "lbfgs" else {"batch_size": 20}


def assert_margins(learner, unit):
    assert learner.margin_ == pytest.approx(1.5 * unit, rel=1e-6)
    assert learner.pos_margin_ == pytest.approx(0.5 * unit, rel=1e-6)


@pytest.mark.parametrize("make", [np.asarray, csr_matrix])
@pytest.mark.parametrize("words", WORDS, ids="-".join)
@pytest.mark.parametrize("metric", METRICS)
def test_of_mined_pairs(metric, words, make):
    mining = dict(zip(("positives", "negatives"), words, strict=True))
    mining |= {"n_neighbors": 3, "n_impostors": 4}
    learner = ContrastiveMetricLearner(
        3, metric=metric, solver="lbfgs", n_subsamples=1, **mining
    )
    learner.fit(make(X), Y)
    E = X @ learner.initial_components_.T
    pairs, similar = mine_pairs(E, Y, metric=metric, **mining)
    assert_margins(learner, mean_length(E, pairs, similar, metric))
    assert learner.margin == learner.pos_margin == "auto"


@pytest.mark.parametrize("words", WORDS, ids="-".join)
@pytest.mark.parametrize("solver", ["lbfgs", "adam", "sgd"])
def test_the_same_numbers_give_the_same_map(solver, words):
    learner = ContrastiveMetricLearner(solver=solver, random_state=0, **in_batches(solver))
    learner.set_params(n_subsamples=1, positives=words[0], negatives=words[1]).fit(X, Y)
    numbers = {"margin": learner.margin_, "pos_margin": learner.pos_margin_}
    given = clone(learner).set_params(**numbers).fit(X, Y)
    np.testing.assert_array_equal(given.components_, learner.components_)
    assert given.loss_curve_ == learner.loss_curve_


def test_one_batch_measures_what_all_rows_do():
    learner = ContrastiveMetricLearner(solver="adam", batch_size=len(X), random_state=0)
    of_batch = learner.fit(X, Y).margin_
    alone = ContrastiveMetricLearner(solver="lbfgs", n_subsamples=1).fit(X, Y)
    assert of_batch == pytest.approx(alone.margin_)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_of_given_pairs(solver, metric):
    rng = np.random.RandomState(1)
    pairs = np.array([rng.choice(len(X), 2, replace=False) for _ in range(60)])
    similar = Y[pairs[:, 0]] == Y[pairs[:, 1]]
    weights = rng.uniform(0.5, 2, size=len(pairs))
    learner = ContrastiveMetricLearner(metric=metric, solver=solver, random_state=0)
    learner.set_params(**in_batches(solver)).fit_pairs(X, pairs, similar, weights)
    E = X @ learner.initial_components_.T
    assert_margins(learner, mean_length(E, pairs, similar, metric, weights))


def test_a_margin_that_is_given_has_a_third_of_it_beside():
    learner = ContrastiveMetricLearner(margin=0.6).fit(X, Y)
    assert (learner.margin_, learner.pos_margin_) == (0.6, pytest.approx(0.2))
    assert ContrastiveMetricLearner(pos_margin=0.0).fit(X, Y).pos_margin_ == 0
    numbers = {"pos_margin": 0.0, "n_subsamples": 1}
    learner = ContrastiveMetricLearner(**numbers).fit(X, Y)
    assert learner.margin_ == learner.set_params(pos_margin="auto").fit(X, Y).margin_
    assert TripletMetricLearner(margin=0.3).fit(X, Y).margin_ == 0.3


def test_a_pos_margin_beyond_the_margin_found():
    learner = ContrastiveMetricLearner(n_subsamples=1).fit(X, Y)
    before = dict(vars(learner))
    found = rf'pos_margin=9\.0 and margin={learner.margin_}, which "auto" stands for'
    with pytest.raises(ValueError, match=found):
        learner.set_params(pos_margin=9.0).fit(X, Y)
    assert vars(learner) == before | {"pos_margin": 9.0}


def test_halves_have_margins_of_their_own_and_the_median_is_told():
    learner = ContrastiveMetricLearner(n_subsamples=3, random_state=2).fit(X, Y)
    rng, margins = np.random.RandomState(2), []
    for _ in range(3):
        rows = stratified_part(Y, 0.5, rng)
        alone = ContrastiveMetricLearner(init=learner.initial_components_, n_subsamples=1)
        alone.set_params(n_neighbors=2, n_impostors=4).fit(X[rows], Y[rows])
        margins.append(alone.margin_)
        rng.randint(2**31 - 1)
    assert learner.margin_ == pytest.approx(np.median(margins))
    assert len(set(margins)) == 3


def test_chunks_keep_the_margins_of_the_first():
    learner = ContrastiveMetricLearner(random_state=0).partial_fit(X[:25], Y[:25])
    margins = learner.margin_, learner.pos_margin_
    assert margins == (pytest.approx(3 * margins[1]), margins[1])
    learner.partial_fit(X[25:] * 3, Y[25:])
    assert (learner.margin_, learner.pos_margin_) == margins


def test_rows_that_coincide_have_margins_all_the_same():
    learner = ContrastiveMetricLearner(positives="nearest", negatives="nearest")
    learner.fit(np.repeat(np.eye(2), 20, axis=0), np.tile([0, 1], 20))
    assert learner.margin_ > learner.pos_margin_ > 0


@pytest.mark.parametrize("name", ["margin", "pos_margin"])
def test_another_word(name):
    learner = ContrastiveMetricLearner(**{name: "best"})
    with pytest.raises(TypeError, match=rf"{name}='best'.* 0, or 'auto'\."):
        learner.fit(X, Y)
    with pytest.raises(TypeError, match=r"margin='auto', but expected a finite number > 0"):
        TripletMetricLearner(margin="auto").fit(X, Y)


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean"])
def test_of_given_float32_pairs_far_from_zero(metric):
    pairs, similar = mine_pairs(X, Y)
    # On a grid that float32 holds at both places.
    near = np.round(8 * X) / 8
    W0 = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    learner = ContrastiveMetricLearner(3, init=W0, metric=metric)
    unit = mean_length(near @ W0.T.astype(float), pairs, similar, metric)
    learner.fit_pairs((near + 2.0**19).astype(np.float32), pairs, similar)
    assert_margins(learner, unit)
