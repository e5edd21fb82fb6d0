"""Parameters as a fit reads them: numbers of any type, and options that have no effect."""

import pickle
import warnings
from fractions import Fraction

import numpy as np
import pytest

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric.losses import contrastive_loss, triplet_loss
from skmetric.metrics import precision_at_k, retrieval_scorer, tar_at_far
from skmetric.mining import mine_pairs, mine_triplets
from skmetric.model_selection import ClassDisjointShuffleSplit
from tests.maps import metric_of

RNG = np.random.default_rng(0)
Y = RNG.permutation(np.repeat(np.arange(4), 9))
X = RNG.normal(size=(len(Y), 5)) + 1.5 * np.eye(5)[Y]
LEARNERS = (TripletMetricLearner, ContrastiveMetricLearner)
PAIRS = np.column_stack([np.arange(30), np.arange(1, 31)])
SIMILAR = Y[PAIRS[:, 0]] == Y[PAIRS[:, 1]]
INTEGERS = (np.int8, np.uint8, np.int16, np.uint32, np.int64, np.uint64)
FLOATS = (np.float16, np.float32, np.longdouble, np.int8, np.uint64)
# Numbers that every type holds exactly.
COUNTS = {
    "n_components": 3,
    "n_neighbors": 3,
    "n_impostors": 5,
    "n_subsamples": 2,
    "batch_size": 12,
    "max_iter": 7,
    "n_iter_no_change": 4,
    "verbose": 0,
    "random_state": 5,
}
REALS = {
    "margin": 2,
    "alpha": 1,
    "learning_rate_init": 0.125,
    "momentum": 0.5,
    "beta_1": 0.75,
    "beta_2": 0.875,
    "epsilon": 0.0625,
    "tol": 0,
    "validation_fraction": 0.25,
}


@pytest.fixture(params=LEARNERS)
def Learner(request):
    return request.param


def fitted(Learner, rows, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return Learner(**settings).fit(rows, Y).components_


# Numbers of numpy's types


@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize("solver", ["lbfgs", "adam", "sgd"])
def test_counts_of_any_type_are_the_same(Learner, solver, kind):
    for name, value in COUNTS.items():
        settings = {"solver": solver, "random_state": 0, "max_iter": 5}
        one, other = (
            fitted(Learner, X, **settings | {name: n}) for n in (value, kind(value))
        )
        np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.mark.parametrize("kind", FLOATS)
@pytest.mark.parametrize("solver", ["lbfgs", "adam", "sgd"])
def test_real_numbers_of_any_type_are_the_same(Learner, solver, kind):
    rows = X.astype(np.float32)
    for name, value in REALS.items():
        if float(kind(value)) != value:
            continue
        settings = {"solver": solver, "random_state": 0, "max_iter": 3}
        one, other = (
            fitted(Learner, rows, **settings | {name: n}) for n in (value, kind(value))
        )
        np.testing.assert_array_equal(one, other, err_msg=name)
        assert other.dtype == np.float32


@pytest.mark.parametrize("kind", INTEGERS)
def test_counts_of_any_type_in_functions(kind):
    for mine, most in ((mine_pairs, "max_pairs"), (mine_triplets, "max_triplets")):
        for name in ("n_neighbors", "n_impostors", most):
            words = {"positives": "nearest", "negatives": "nearest", "random_state": 0}
            one, other = (mine(X, Y, **words | {name: n}) for n in (4, kind(4)))
            assert pickle.dumps(one) == pickle.dumps(other)
    assert precision_at_k(X, Y, kind(3)) == precision_at_k(X, Y, 3)
    splits = [
        list(ClassDisjointShuffleSplit(n, random_state=0).split(X, Y)) for n in (3, kind(3))
    ]
    assert len(splits[0]) == len(splits[1]) == 3
    for one, other in zip(*splits, strict=True):
        np.testing.assert_array_equal(one[0], other[0])


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.longdouble])
def test_real_numbers_of_any_type_in_functions(kind):
    A, B, C = (
        X[:8].astype(np.float32),
        X[8:16].astype(np.float32),
        X[16:24].astype(np.float32),
    )
    kinds = np.arange(8) % 2 == 0
    found = triplet_loss(A, B, C, margin=kind(0.5), return_gradient=True)
    expected = triplet_loss(A, B, C, margin=0.5, return_gradient=True)
    assert found[0] == expected[0]
    assert found[1][0].dtype == np.float32
    margins = {"margin": kind(2), "pos_margin": kind(0.5)}
    assert contrastive_loss(A, B, kinds, **margins) == contrastive_loss(
        A, B, kinds, margin=2, pos_margin=0.5
    )
    distances = ((A - B) ** 2).sum(axis=1)
    assert tar_at_far(distances, kinds, kind(0.25)) == tar_at_far(distances, kinds, 0.25)


@pytest.mark.parametrize(
    "value", [2**70, 10**400, 10**5000, -(10**5000)], ids=["2**70", "401", "5001", "-5001"]
)
@pytest.mark.parametrize("name", sorted({*COUNTS, *REALS} - {"verbose", "random_state"}))
def test_numbers_that_no_machine_holds_get_a_sentence(Learner, name, value):
    if (
        name in ("margin", "alpha", "learning_rate_init", "epsilon", "tol")
        and value == 2**70
    ):
        return  # A float like others.
    learner = Learner(**{name: value})
    with pytest.raises(ValueError, match=rf"^Got {name}=.*but expected ") as caught:
        learner.fit(X, Y)
    assert len(str(caught.value)) < 300
    assert set(vars(learner)) == set(Learner().get_params())


@pytest.mark.parametrize(
    "value", [Fraction(1, 2), Fraction(3), 3 + 0j, np.complex64(3), "3", [3], np.array(3)]
)
@pytest.mark.parametrize(
    "name", ["n_neighbors", "alpha", "batch_size", "max_iter", "n_components"]
)
def test_what_is_no_number_gets_a_sentence(Learner, name, value):
    with pytest.raises(TypeError, match=rf"^Got {name}=.*but expected a"):
        Learner(**{name: value}).fit(X, Y)


def test_messages_stay_short(Learner):
    for name in (
        "metric",
        "loss",
        "solver",
        "positives",
        "negatives",
        "init",
        "alpha",
        "target",
        "scoring",
    ):
        for value in ("x" * 10**6, list(range(10**6)), {i: i for i in range(10**6)}):
            with pytest.raises((ValueError, TypeError), match=f"^Got {name}=") as caught:
                Learner(**{name: value}).fit(X, Y)
            assert len(str(caught.value)) < 1000
    for value in ("x" * 10**6, {"x" * 10**6: 0}, dict.fromkeys(range(10**5), 1)):
        with pytest.raises(ValueError, match=r"^Got class_weight") as caught:
            Learner(class_weight=value).fit(X, Y)
        assert len(str(caught.value)) < 1000


# Options that have no effect


SCORER = retrieval_scorer("map_at_r")
STOCHASTIC = {
    "batch_size": 12,
    "learning_rate_init": 0.1,
    "momentum": 0.5,
    "beta_1": 0.5,
    "beta_2": 0.5,
    "epsilon": 1e-3,
    "n_iter_no_change": 3,
    "validation_fraction": 0.3,
}


@pytest.mark.parametrize("name", STOCHASTIC)
def test_auto_is_adam_if_an_option_of_it_is_set(Learner, name):
    learner = Learner(random_state=0, max_iter=30, **{name: STOCHASTIC[name]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert learner.fit(X, Y).solver_ == "adam"
    assert Learner(random_state=0).fit(X, Y).solver_ == "lbfgs"


def test_auto_is_adam_for_early_stopping(Learner):
    learner = Learner(early_stopping=True, validation_fraction=0.3, random_state=0)
    assert learner.fit(X, Y).solver_ == "adam"
    assert len(learner.validation_scores_) == learner.n_iter_


@pytest.mark.parametrize(
    "options", [{"early_stopping": True}, {"scoring": retrieval_scorer("map_at_r")}]
)
@pytest.mark.parametrize("given", [False, True])
def test_lbfgs_refuses_to_stop_early(options, given, Learner):
    learner = Learner(solver="lbfgs", **options)
    before = dict(vars(learner))
    name = next(iter(options))
    with pytest.raises(ValueError, match=rf"^Got {name}=.*solver='lbfgs'.*'adam'"):
        fit_to(learner, given)
    assert vars(learner) == before


def fit_to(learner, given):
    if not given:
        return learner.fit(X, Y)
    if isinstance(learner, ContrastiveMetricLearner):
        return learner.fit_pairs(X, PAIRS, SIMILAR)
    return learner.fit_triplets(X, mine_triplets(X, Y, max_triplets=50, random_state=0))


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("name", STOCHASTIC)
def test_lbfgs_warns_of_what_it_has_no_use_for(Learner, name, given):
    plain = fit_to(Learner(solver="lbfgs", random_state=0), given).components_
    learner = Learner(solver="lbfgs", random_state=0, **{name: STOCHASTIC[name]})
    with pytest.warns(
        UserWarning, match=rf"{Learner.__name__} got {name}=.* without effect"
    ) as seen:
        fit_to(learner, given)
    assert [w.filename for w in seen] == [__file__]
    np.testing.assert_array_equal(learner.components_, plain)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("solver", "options"),
    [
        ("adam", {"momentum": 0.5}),
        ("sgd", {"beta_1": 0.5, "epsilon": 1e-3}),
        ("adam", {"n_subsamples": 3}),
        ("sgd", {"scoring": SCORER}),
    ],
)
def test_options_of_other_solvers_are_said(Learner, solver, options):
    learner = Learner(solver=solver, max_iter=30, random_state=0)
    plain = learner.fit(X, Y).components_
    with pytest.warns(UserWarning, match="without effect") as seen:
        learner.set_params(**options).fit(X, Y)
    (message,) = (str(w.message) for w in seen if w.category is UserWarning)
    assert all(f"{name}=" in message for name in options)
    np.testing.assert_array_equal(learner.components_, plain)


# Rows of which nearly all look alike


@pytest.mark.parametrize("entries", [(3, 2), (5, slice(None))], ids=["an entry", "a row"])
@pytest.mark.parametrize("solver", ["lbfgs", "adam", "sgd"])
def test_an_outlier_that_sets_the_scale_is_said(solver, entries):
    rows = X.copy()
    rows[entries] *= 1e8
    learner = TripletMetricLearner(solver=solver, random_state=0)
    with pytest.warns(UserWarning, match="learnt next to nothing.*tiny.*RobustScaler"):
        learner.fit(rows, Y)
    M0 = metric_of(learner.initial_components_)
    # Adam's steps are as large whatever the gradient, and it makes all of its updates.
    bound = 0.2 if solver == "adam" else 0.01
    change = np.linalg.norm(learner.get_mahalanobis_matrix() - M0)
    assert change < 2 * bound * np.linalg.norm(M0)


def test_ordinary_rows_are_not_taken_for_alike():
    for rows in (X, X * 1e6, X + 1e3):
        assert TripletMetricLearner(random_state=0).fit(rows, Y).active_fraction_ > 0
    # All is active as the margin is large, not as rows look alike.
    learner = TripletMetricLearner(margin=100.0, alpha=1.0, max_iter=20, tol=1e-2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*collapsed")
        assert learner.fit(X, Y).active_fraction_ > 0.9
