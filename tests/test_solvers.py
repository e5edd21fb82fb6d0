"""Both solvers on a quadratic whose optimum is known."""

import gc
import weakref
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from skmetric._optimizers import adam_init, adam_update, sgd_init, sgd_update
from skmetric._solvers import minimize_lbfgs, minimize_stochastic, run_epoch

OPTIMUM = np.array([[1.0, -2.0, 0.5], [3.0, 0.0, -1.0]])
CURVATURE = np.array([[1.0, 2.0, 3.0], [4.0, 1.0, 2.0]])
START = np.zeros_like(OPTIMUM)
ADAM = (
    adam_init,
    partial(adam_update, beta_1=0.9, beta_2=0.99, epsilon=1e-8),
)
SGD = (sgd_init, partial(sgd_update, momentum=0.5))


class Evaluation(NamedTuple):
    loss: float
    gradient: np.ndarray
    active_fraction: float = 0.25
    n_constraints: int = 1


def quadratic(U, batch=0.0):
    """Half the curvature-weighted squared distance to the optimum, plus 1."""
    away = U - OPTIMUM - batch
    return Evaluation(1 + float((CURVATURE * away**2).sum() / 2), CURVATURE * away)


class Listener:
    """A monitor that keeps what it hears and asks to stop at some iteration."""

    def __init__(self, stop_at=None):
        self.steps, self.n_starts, self.stop_at = [], 0, stop_at

    def start(self):
        self.n_starts += 1

    def finish(self, step):
        self.steps.append(step)
        return len(self.steps) == self.stop_at


def lbfgs(function=quadratic, start=START, listener=None, **settings):
    settings = {"max_iter": 100, "tol": 1e-14, "monitor": listener or Listener()} | settings
    return minimize_lbfgs(function, start, **settings)


def stochastic(optimizer=ADAM, batches=(0.0,), start=START, listener=None, **settings):
    init, update = optimizer
    settings = {
        "max_iter": 400,
        "rate": 0.1,
        "tol": 0.0,
        "patience": 1000,
        "monitor": listener or Listener(),
    } | settings
    epoch = epochs_of(quadratic, list(batches), update)
    return minimize_stochastic(epoch, start, init(start), **settings)


def epochs_of(function, batches, update):
    """An epoch of the same batches each time."""

    def epoch(U, state, rates):
        return run_epoch(function, batches, U, state, update, rates)

    return epoch


def test_lbfgs_finds_the_optimum():
    listener = Listener()
    result = lbfgs(listener=listener)
    np.testing.assert_allclose(result.parameters, OPTIMUM, atol=1e-5)
    assert result.converged
    assert not result.stopped
    assert result.n_iter == len(listener.steps)
    losses = [step.loss for step in listener.steps]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == pytest.approx(1)
    assert {step.active_fraction for step in listener.steps} == {0.25}


def test_lbfgs_calls_the_function_in_the_dtype_of_the_start():
    seen = set()

    def function(U):
        seen.add((U.shape, U.dtype))
        return quadratic(U)

    result = lbfgs(function, START.astype(np.float32), tol=1e-8)
    assert seen == {(START.shape, np.dtype(np.float32))}
    assert result.parameters.dtype == np.float32
    np.testing.assert_allclose(result.parameters, OPTIMUM, atol=1e-2)


def test_lbfgs_says_that_its_budget_ended():
    result = lbfgs(max_iter=2)
    assert result.n_iter == 2
    assert not result.converged


def test_lbfgs_tol_is_a_share_of_the_loss_at_the_start():
    def scaled(U):
        loss, gradient, *_ = quadratic(U)
        return Evaluation(1e6 * loss, 1e6 * gradient)

    one, other = lbfgs(tol=0.01), lbfgs(scaled, tol=0.01)
    assert one.n_iter == other.n_iter < lbfgs().n_iter


def test_lbfgs_stops_when_asked():
    listener = Listener(stop_at=3)
    result = lbfgs(listener=listener)
    assert result.stopped
    assert result.n_iter == len(listener.steps) == 3
    np.testing.assert_array_equal(result.parameters, listener.steps[-1].parameters)


def test_lbfgs_that_starts_at_the_optimum_has_looked_at_it():
    listener = Listener()
    result = lbfgs(start=OPTIMUM, listener=listener)
    assert result.converged
    assert result.n_iter == len(listener.steps) == 1
    assert listener.steps[0].loss == 1
    np.testing.assert_array_equal(result.parameters, OPTIMUM)


@pytest.mark.parametrize(("optimizer", "rate"), [(ADAM, 0.2), (SGD, 0.1)])
def test_stochastic_finds_the_optimum(optimizer, rate):
    # Batches pull to both sides of the optimum; the falling rate averages them out.
    result = stochastic(optimizer, [0.3, -0.3], rate=rate)
    np.testing.assert_allclose(result.parameters, OPTIMUM, atol=5e-3)
    assert result.converged


def test_stochastic_rate_falls_linearly_to_zero():
    rates = []

    def update(gradient, state, rate):
        rates.append(rate)
        return np.zeros_like(gradient), state

    stochastic((adam_init, update), [0.0, 0.0], max_iter=3, rate=6.0)
    np.testing.assert_allclose(rates, [6, 5, 4, 3, 2, 1])


def test_stochastic_says_that_its_budget_ended():
    assert not stochastic(max_iter=2, rate=1.0).converged
    assert not stochastic(max_iter=1).converged
    assert stochastic(max_iter=2, rate=1e-9).converged


def test_stochastic_ends_after_epochs_without_improvement():
    listener = Listener()
    result = stochastic(start=OPTIMUM, patience=4, listener=listener)
    assert result.converged
    assert not result.stopped
    # The first epoch improves on nothing, then four do not.
    assert result.n_iter == len(listener.steps) == listener.n_starts == 5


def test_stochastic_stops_when_asked():
    listener = Listener(stop_at=3)
    result = stochastic(listener=listener)
    assert result.stopped
    assert result.n_iter == len(listener.steps) == 3
    np.testing.assert_array_equal(result.parameters, listener.steps[-1].parameters)


def test_stochastic_keeps_the_best_by_score():
    scores, seen = iter([0.1, 0.9, 0.5, 0.9, 0.2]), []

    def score(U):
        seen.append(U)
        return next(scores)

    result = stochastic(max_iter=5, score=score)
    np.testing.assert_array_equal(result.parameters, seen[3])


def test_stochastic_reports_means_over_constraints():
    def function(U, batch):
        loss, active, n = batch
        return Evaluation(loss, np.zeros_like(U), active, n)

    listener = Listener()
    init, update = SGD
    minimize_stochastic(
        epochs_of(function, [(1.0, 0.5, 10), (3.0, 0.1, 30)], update),
        START,
        init(START),
        max_iter=2,
        rate=0.1,
        tol=0,
        patience=9,
        monitor=listener,
    )
    assert listener.steps[0].loss == pytest.approx((1.0 * 10 + 3.0 * 30) / 40)
    assert listener.steps[0].active_fraction == pytest.approx((0.5 * 10 + 0.1 * 30) / 40)


def test_lbfgs_lets_go_of_what_it_minimised():
    # As rows of X are, and without waiting for the garbage collector.
    def function(U):
        return quadratic(U)

    held = weakref.ref(function)
    gc.disable()
    try:
        lbfgs(function)
        del function
        assert held() is None
    finally:
        gc.enable()


def threads_by_library():
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}


def test_only_the_blas_of_scipys_wheels_has_one_thread_and_only_within():
    within = []

    def watched(U):
        within.append(threads_by_library())
        return quadratic(U)

    for n_threads in (2, 3):
        with threadpool_limits(n_threads):
            before = threads_by_library()
            of_scipy = [path for path in before if "scipy.libs" in path]
            if not of_scipy:
                pytest.skip("scipy has no BLAS of its own here")
            lbfgs(watched)
            assert threads_by_library() == before
        assert within[-1] == before | dict.fromkeys(of_scipy, 1)


def test_lbfgs_refuses_to_return_what_is_not_finite():
    def overflowing(U):
        return Evaluation(np.inf, np.full_like(U, np.inf))

    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="not finite"):
        lbfgs(overflowing)
