"""Ctrl-C at any line, and a second one: what an estimator, a process and a user keep."""

import itertools
import pickle
import signal
import sys
import warnings
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import sklearn
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_info

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric._base import BaseMetricLearner, rollback_on_error
from skmetric._objective._problem import BaseProblem
from skmetric.metrics import PairVerifier
from skmetric.mining import mine_pairs, mine_triplets

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
rng = np.random.default_rng(0)
Y = np.arange(36) % 3
X = rng.standard_normal((36, 4)) + 2 * np.eye(3, 4)[Y]
TRIPLETS = mine_triplets(X, Y, max_triplets=60, random_state=0)
PAIRS, SIMILAR = mine_pairs(X, Y, max_pairs=60, random_state=0)
GUARDED = rollback_on_error(BaseMetricLearner._fit).__code__
METHODS = ("_fit", "_partial_fit", "_checked_matches", "_checked_log", "_checked_rows")
CODES = [getattr(BaseMetricLearner, name).__code__ for name in METHODS]
MATCHES = np.column_stack([np.arange(24), 24 + np.arange(24) % 12])
GIVEN = {
    "triplets": (X, TRIPLETS),
    "pairs": (X, PAIRS, SIMILAR),
    "matches": (X, X, MATCHES),
}
# How to learn in each of the ways there are: a learner, its solver, its method, from what.
WAYS = [
    (TripletMetricLearner, "lbfgs", "fit", (X, Y)),
    (TripletMetricLearner, "adam", "fit", (X, Y)),
    (ContrastiveMetricLearner, "sgd", "fit", (X, Y)),
    (ContrastiveMetricLearner, "adam", "partial_fit", (X, Y)),
    (TripletMetricLearner, "adam", "fit_triplets", GIVEN["triplets"]),
    (TripletMetricLearner, "sgd", "partial_fit_triplets", GIVEN["triplets"]),
    (ContrastiveMetricLearner, "lbfgs", "fit_pairs", GIVEN["pairs"]),
    (ContrastiveMetricLearner, "adam", "partial_fit_pairs", GIVEN["pairs"]),
    (TripletMetricLearner, "lbfgs", "fit_matches", GIVEN["matches"]),
    (ContrastiveMetricLearner, "adam", "partial_fit_matches", GIVEN["matches"]),
]
ways = pytest.mark.parametrize("way", WAYS, ids=[f"{way[2]}-{way[1]}" for way in WAYS])


def learn_in(way, random_state=0):
    """A learner, and how to let it learn."""
    Learner, solver, method, data = way
    settings = {"solver": solver, "max_iter": 2}
    if solver != "lbfgs":
        settings["batch_size"] = 12
    learner = Learner(**settings, random_state=random_state)
    return learner, lambda: getattr(learner, method)(*data)


def state_of(estimator):
    return {name: pickle.dumps(value) for name, value in vars(estimator).items()}


@contextmanager
def interrupted(number, codes, after):
    """Ctrl-C at a line of some code, the number-th to be run once `after` was left."""
    before, left, counting = sys.gettrace(), [number], [after is None]

    def watch(frame, event, argument):
        if frame.f_code is after:
            counting[0] |= event == "return"
        elif counting[0] and event == "line":
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
        return watch

    sys.settrace(lambda frame, *_: watch if frame.f_code in (*codes, after) else None)
    try:
        yield
    finally:
        sys.settrace(before)


def at_each_line(action, *codes, after=None):
    """Interrupt the action at each line in turn; yields after each, then lets it end."""
    for number in itertools.count(1):
        try:
            with interrupted(number, codes, after):
                action()
        except KeyboardInterrupt:
            yield number
        else:
            assert number > 1, "no line was run"
            return


@ways
@pytest.mark.parametrize("fitted", [False, True])
def test_ctrl_c_at_any_line_leaves_the_learner_as_it_was(way, fitted):
    learner, learn = learn_in(way, random_state=np.random.RandomState(0))
    if fitted:
        learn()
    before = state_of(learner)
    for _ in at_each_line(learn, *CODES):
        assert state_of(learner) == before
    assert state_of(learner) != before


def test_ctrl_c_at_any_line_leaves_a_verifier_as_it_was():
    learner = TripletMetricLearner(max_iter=2, random_state=0).fit(X, Y)
    verifier = PairVerifier(learner)
    before = state_of(verifier)

    def fit():
        verifier.fit(PAIRS, SIMILAR, rows=X)

    for _ in at_each_line(fit, PairVerifier.fit.__wrapped__.__code__):
        assert state_of(verifier) == before
    assert verifier.classes_.tolist() == [False, True]


def failing(*_):
    raise RuntimeError("too bad")


@ways
def test_ctrl_c_as_a_failed_fit_is_undone_leaves_all_parameters(way, monkeypatch):
    monkeypatch.setattr(BaseMetricLearner, "_record", failing)
    learners, drawn = [], np.random.RandomState(0)

    def fail():
        learner, learn = learn_in(way, random_state=drawn)
        learners.append(learner)
        with pytest.raises(RuntimeError, match="too bad"):
            learn()

    parameters = learn_in(way, random_state=drawn)[0].get_params()
    for _ in at_each_line(fail, GUARDED, after=failing.__code__):
        assert learners[-1].get_params() == parameters
    assert vars(learners[-1]) == parameters


# RandomState


@ways
@pytest.mark.parametrize("generator", [np.random.MT19937, np.random.PCG64])
def test_a_failed_fit_gives_back_what_it_drew(way, generator, monkeypatch):
    drawn = np.random.RandomState(generator(3))
    drawn.standard_normal()  # and a second one, which is kept for the next call
    learner, learn = learn_in(way, random_state=drawn)
    expected = pickle.loads(pickle.dumps(drawn)).standard_normal(5)
    with monkeypatch.context() as patch:
        patch.setattr(BaseMetricLearner, "_record_margins", failing)
        with pytest.raises(RuntimeError, match="too bad"):
            learn()
    assert learner.random_state is drawn
    np.testing.assert_array_equal(drawn.standard_normal(5), expected)


@pytest.fixture
def numpys_own():
    """Its global RandomState, whose state is put back."""
    own = check_random_state(None)
    before = own.get_state()
    yield own
    own.set_state(before)


@ways
@pytest.mark.parametrize("given", [None, np.random, check_random_state(None)])
def test_a_failed_fit_does_not_repeat_draws_of_others(way, given, numpys_own, monkeypatch):
    """Of other threads, say, that draw from numpy's global state meanwhile."""
    left = [pickle.dumps(numpys_own)]

    def failing_meanwhile(*_):
        numpys_own.uniform(size=3)
        left.append(pickle.dumps(numpys_own))
        failing()

    monkeypatch.setattr(BaseMetricLearner, "_record_margins", failing_meanwhile)
    _, learn = learn_in(way, random_state=given)
    with pytest.raises(RuntimeError, match="too bad"):
        learn()
    assert pickle.dumps(numpys_own) == left[1] != left[0]


# What belongs to the process


def process_state():
    """Everything that a fit might have changed for others."""
    return {
        "errors of numpy": np.geterr(),
        "filters": list(warnings.filters),
        "scikit-learn": sklearn.get_config(),
        "threads": {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()},
        "draws": pickle.dumps(check_random_state(None)),
        "Ctrl-C": signal.getsignal(signal.SIGINT),
        "trace": sys.gettrace(),
    }


@ways
@pytest.mark.parametrize("end", ["well", "error", "Ctrl-C"])
def test_a_fit_leaves_the_process_as_it_was(way, end, monkeypatch):
    _, learn = learn_in(way)
    learn()  # imports, and looks for libraries
    before = process_state()
    error = {"error": RuntimeError, "Ctrl-C": KeyboardInterrupt}.get(end)
    calls, penalized = [], BaseProblem.penalized

    def failing_at_second(*args):
        calls.append(args)
        if error and len(calls) == 2:
            raise error
        return penalized(*args)

    monkeypatch.setattr(BaseProblem, "penalized", failing_at_second)
    with pytest.raises(error) if error else nullcontext():
        learn()
    assert len(calls) > 1
    assert process_state() == before
