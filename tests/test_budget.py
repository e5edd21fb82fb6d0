"""How many updates a stochastic solver makes, and of which rows or constraints."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skmetric import ContrastiveMetricLearner, TripletMetricLearner, _fit
from skmetric._fit import MAX_UPDATES, MIN_UPDATES, UPDATES_PER_ITERATION
from skmetric._objective._labels import Labels
from skmetric._objective._supervision import Pairs, Triplets

RNG = np.random.default_rng(0)
Y = RNG.permutation(np.repeat(np.arange(8), 100))
X = RNG.normal(size=(len(Y), 4)) + 2 * np.eye(8, 4)[Y]
TRIPLETS = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8]])
TRIPLETS = np.concatenate([TRIPLETS + 9 * i for i in range(80)])
SIMILAR = RNG.permutation(len(TRIPLETS)) < 60


@pytest.fixture
def updates(monkeypatch):
    """The batches that maps are updated with, in order; calibration is left out."""
    seen, run = [], _fit.run_epoch

    def run_epoch(function, batches, *args, **kwargs):
        seen.extend(batches)
        return run(function, batches, *args, **kwargs)

    monkeypatch.setattr(_fit, "run_epoch", run_epoch)
    return seen


def fits():
    """Fits to labels, triplets and pairs."""
    pairs = TRIPLETS[:, :2]
    return {
        "triplets of labels": lambda **s: TripletMetricLearner(init="identity", **s).fit(
            X, Y
        ),
        "pairs of labels": lambda **s: ContrastiveMetricLearner(init="identity", **s).fit(
            X, Y
        ),
        "given triplets": lambda **s: TripletMetricLearner(
            init="identity", **s
        ).fit_triplets(X, TRIPLETS),
        "given pairs": lambda **s: ContrastiveMetricLearner(init="identity", **s).fit_pairs(
            X, pairs, SIMILAR
        ),
    }


@pytest.fixture(params=fits())
def fit(request):
    def quiet(**settings):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return fits()[request.param](**{"random_state": 0, "solver": "adam"} | settings)

    return quiet


@pytest.mark.parametrize("batch_size", [4, 40, 1000])
def test_the_budget_counts_updates_whatever_the_rows(fit, updates, batch_size):
    learner = fit(batch_size=batch_size)
    n_iter = learner.n_iter_
    assert n_iter == len(learner.loss_curve_) == len(learner.active_fraction_curve_)
    assert len(updates) == n_iter * UPDATES_PER_ITERATION
    assert MIN_UPDATES <= len(updates) <= MAX_UPDATES


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_given_max_iter_counts_epochs(fit, updates, solver):
    learner = fit(batch_size=40, max_iter=3, solver=solver)
    assert learner.n_iter_ == len(learner.loss_curve_) == 3
    n_batches = len(updates) // 3
    for i in range(3):
        epoch = np.concatenate(updates[i * n_batches : (i + 1) * n_batches])
        np.testing.assert_array_equal(np.sort(epoch), np.arange(len(epoch)))


def test_a_seed_gives_the_same_fit(fit):
    maps = [fit(batch_size=4, random_state=seed).components_ for seed in (3, 3, 4)]
    np.testing.assert_array_equal(maps[0], maps[1])
    assert not np.array_equal(maps[0], maps[2])


def test_below_an_epoch_every_class_is_seen(updates):
    # Two rows each of 900 classes are more than MIN_UPDATES batches of four.
    y = np.r_[np.repeat(np.arange(900), 2), np.full(3000, 900)]
    rows = np.random.default_rng(0).normal(size=(len(y), 2)) + np.c_[y, -y] / 300
    learner = TripletMetricLearner(
        init="identity", solver="adam", batch_size=4, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        learner.fit(rows, y)
    assert MIN_UPDATES < len(updates) == learner.n_iter_ * UPDATES_PER_ITERATION
    seen = np.unique(np.concatenate(updates))
    assert set(y[seen]) == set(y)
    assert len(seen) < len(y)


@pytest.mark.parametrize("share", [0.1, 0.25, 1.0])
def test_a_part_of_the_rows_has_their_copies_and_weights(share):
    rows = np.repeat(X, 1 + np.arange(len(X)) % 3, axis=0)
    y = np.repeat(Y, 1 + np.arange(len(X)) % 3)
    shuffled = np.random.default_rng(1).permutation(len(y))
    rows, y = rows[shuffled], y[shuffled]
    target = Labels.of(rows, y)
    batches = target.batches(10**6, np.random.RandomState(0), share)
    (batch,) = batches
    first, counts = np.unique(target.first[batch], return_counts=True)
    # All copies or none, and of each class its share of distinct rows.
    np.testing.assert_array_equal(counts, np.bincount(target.first)[first])
    np.testing.assert_array_equal(np.bincount(y[first]), np.ceil(100 * share))
    _, relation = target.relate(batch)
    np.testing.assert_allclose(np.sort(relation.weights), np.sort(counts / counts.mean()))


def test_each_pass_over_a_part_draws_other_rows():
    target, rng = Labels.of(X, Y), np.random.RandomState(0)
    one, other = (np.concatenate(target.batches(40, rng, 0.25)) for _ in range(2))
    assert len(one) == len(np.unique(one)) == len(other) == 200
    assert not np.array_equal(np.sort(one), np.sort(other))


def test_a_part_of_constraints_has_its_share_of_each_kind():
    weights, n = np.ones(len(TRIPLETS)), len(X)
    pairs = Pairs(TRIPLETS[:, :2], weights, n, SIMILAR, (0.25, 0.75))
    for target in (pairs, Triplets(TRIPLETS, weights, n)):
        batches = target.batches(10, np.random.RandomState(0), 0.25)
        assert [len(batch) for batch in batches] == [10] * 6
        assert len(np.unique(np.concatenate(batches))) == 60
    part = np.concatenate(pairs.batches(10, np.random.RandomState(0), 0.25))
    assert SIMILAR[part].sum() in (14, 15, 16)


def test_partial_fit_goes_over_all_rows_of_a_chunk(updates):
    learner = TripletMetricLearner(batch_size=4, random_state=0).partial_fit(X, Y)
    np.testing.assert_array_equal(np.sort(np.concatenate(updates)), np.arange(len(X)))
    assert learner.n_iter_ == len(learner.loss_curve_) == 1


def structure(n_classes, per_class, noise, seed=0):
    """Classes that few directions tell apart, and others that vary more."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(n_classes), per_class)
    centers = rng.normal(size=(n_classes, 6))
    told = centers[y] + 0.1 * rng.normal(size=(len(y), 6))
    return np.hstack([told, noise * rng.normal(size=(len(y), 10))]), y


@pytest.mark.parametrize("Learner", [TripletMetricLearner, ContrastiveMetricLearner])
def test_a_fit_that_still_gains_warns_and_one_at_its_plateau_does_not(Learner):
    rows, y = structure(300, 6, noise=1.5)
    rate = 0.015 if Learner is ContrastiveMetricLearner else 0.01
    settings = {"learning_rate_init": rate, "init": "identity"}
    learner = Learner(solver="adam", random_state=0, **settings)
    with pytest.warns(ConvergenceWarning, match=r"in 60 epochs\. Increase max_iter"):
        learner.set_params(max_iter=60).fit(rows, y)
    short = learner.active_fraction_
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learner.set_params(max_iter=None).fit(rows, y)
    assert learner.active_fraction_ < short - 0.1


def test_early_stopping_ends_before_the_budget():
    learner = TripletMetricLearner(solver="adam", early_stopping=True, random_state=0)
    learner.fit(X, Y)
    assert learner.n_iter_ == len(learner.validation_scores_)
    assert learner.n_iter_ < MAX_UPDATES // UPDATES_PER_ITERATION


def test_early_stopping_lets_the_rate_fall_within_given_epochs():
    learner = TripletMetricLearner(
        solver="adam", early_stopping=True, max_iter=60, n_iter_no_change=5, random_state=0
    )
    learner.fit(X, Y)
    scores = learner.validation_scores_
    constant = next(
        n for n in range(6, 60) if max(scores[n - 5 : n]) <= max(scores[: n - 5])
    )
    assert len(scores) == constant + max(1, round(constant / 4)) < 60
