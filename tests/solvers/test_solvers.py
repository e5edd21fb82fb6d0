"""Both solvers on a quadratic whose optimum is known."""

import gc
import multiprocessing
import os
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Event
from typing import NamedTuple

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from skmetric._solvers import _minimize
from skmetric._solvers._minimize import minimize_lbfgs, minimize_stochastic, run_epoch
from skmetric._solvers._optimizers import adam_init, adam_update, sgd_init, sgd_update

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
    """A history that keeps what it hears and asks to stop at some iteration."""

    def __init__(self, stop_at=None):
        self.steps, self.n_starts, self.stop_at = [], 0, stop_at

    def start(self):
        self.n_starts += 1

    def finish(self, step):
        self.steps.append(step)
        return len(self.steps) == self.stop_at


def lbfgs(function=quadratic, start=START, listener=None, **settings):
    settings = {"max_iter": 100, "tol": 1e-14, "history": listener or Listener()} | settings
    return minimize_lbfgs(function, start, **settings)


def stochastic(optimizer=ADAM, batches=(0.0,), start=START, listener=None, **settings):
    init, update = optimizer
    settings = {
        "max_iter": 400,
        "rate": 0.1,
        "tol": 0.0,
        "patience": 1000,
        "history": listener or Listener(),
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


def curves(losses, actives=None, **settings):
    """A result for epochs of given losses and active fractions; rates; what was heard."""
    rates, listener = [], Listener()
    actives = np.full(len(losses), 0.25) if actives is None else actives
    steps = zip(losses, actives, strict=True)

    def epoch(W, state, bounds):
        rates.append(bounds)
        return (W, state, *next(steps))

    settings = {"max_iter": len(losses), "tol": 0.0, "patience": 1000} | settings
    result = minimize_stochastic(epoch, START, (), rate=1.0, history=listener, **settings)
    assert result.n_iter == len(rates) == len(listener.steps) == listener.n_starts
    return result, rates


@pytest.mark.parametrize(
    ("max_iter", "expected"),
    [
        (1, [6, 3]),
        (3, [6, 6, 6, 6, 6, 3]),
        (10, [6] * 16 + [6, 4.5, 3, 1.5]),
    ],
)
def test_stochastic_rate_falls_linearly_to_zero(max_iter, expected):
    rates = []

    def update(gradient, state, rate):
        rates.append(rate)
        return np.zeros_like(gradient), state

    stochastic((adam_init, update), [0.0, 0.0], max_iter=max_iter, rate=6.0)
    np.testing.assert_allclose(rates, expected)


def test_stochastic_rate_falls_when_the_loss_stalls():
    # Falls for eight epochs, then four times no more: a quarter as many follow.
    losses = np.r_[np.linspace(1, 0.3, 8), np.full(40, 0.3)]
    result, rates = curves(losses, patience=4)
    assert result.converged
    assert rates[:12] == [(1, 1)] * 12
    np.testing.assert_allclose(rates[12:], [(1, 2 / 3), (2 / 3, 1 / 3), (1 / 3, 0)])


def test_stochastic_goes_on_beyond_its_least_while_it_gains():
    falling, flat = np.linspace(1, 0, 20), np.full(20, 0.5)
    for losses, actives in [(falling, flat), (flat, falling)]:
        result, _ = curves(losses, actives, min_iter=10)
        assert result.n_iter == 20
        assert not result.converged
    # A quarter of the eight epochs at the full rate, and the quarter before.
    result, rates = curves(flat, flat, min_iter=10)
    assert result.n_iter == 10
    assert result.converged
    assert rates[7] == (1, 1)
    assert rates[8:] == [(1, 0.5), (0.5, 0)]


def test_stochastic_goes_on_until_it_has_settled():
    losses = np.maximum(1 - 0.04 * np.arange(100), 0.04)
    result, rates = curves(losses, min_iter=20)
    constant = rates.count((1.0, 1.0))

    def excess(n):
        last, before = losses[n - n // 4 : n], losses[n - 2 * (n // 4) : n - n // 4]
        little = max(0.05, 0.2 * (1 - last.mean()))
        return before.mean() - last.mean() - little

    assert excess(constant - 1) > 0 >= excess(constant)
    assert result.converged
    assert result.n_iter == constant + round(constant / 4)


def test_stochastic_is_not_judged_by_what_the_falling_rate_gains():
    losses = np.r_[np.full(16, 1.0), 0.6, 0.4, 0.3, 0.2]
    assert curves(losses)[0].converged
    # What the full rate still gained counts, though the end is flat.
    assert not curves(np.r_[np.linspace(1, 0.2, 16), np.full(4, 0.2)])[0].converged


def test_stochastic_says_that_its_budget_ended():
    assert not stochastic(max_iter=2, rate=1.0).converged
    assert not stochastic(max_iter=1).converged
    assert stochastic(max_iter=2, rate=1e-9).converged


def test_stochastic_ends_after_epochs_without_improvement():
    listener = Listener()
    result = stochastic(start=OPTIMUM, patience=4, listener=listener)
    assert result.converged
    assert not result.stopped
    # The first epoch improves on nothing, then four do not, and in one the rate falls.
    assert result.n_iter == len(listener.steps) == listener.n_starts == 6


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
        history=listener,
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


def threads_of_scipy():
    (n_threads,) = {n for path, n in threads_by_library().items() if "scipy.libs" in path}
    return n_threads


def set_threads_of_scipy(n_threads):
    pools = _minimize._blas_in_scipys_wheels()
    _minimize._set_threads(pools, n_threads)


@pytest.fixture
def three_threads():
    """For the BLAS of scipy's wheels, whatever the machine has; put back at the end."""
    if not any("scipy.libs" in path for path in threads_by_library()):
        pytest.skip("scipy has no BLAS of its own here")
    before = threads_of_scipy()
    set_threads_of_scipy(3)
    yield
    set_threads_of_scipy(before)


@pytest.fixture
def crew():
    """Threads by name that stay alive, each of which does what it is told, in turn."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(ThreadPoolExecutor(1)) for name in "abc"}


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("error", [None, ValueError(), KeyboardInterrupt()])
@pytest.mark.parametrize(
    "order", ["aabb", "abba", "abab", "abcabc", "abcbca", "abcacb", "abacbc", "abbcca"]
)
def test_fits_that_overlap_share_a_limit(crew, order, error):
    """Each letter is a thread that enters, then leaves; with an error or not."""
    within = {}
    for name in order:
        if name in within:
            left = within.pop(name).__exit__
            crew[name].submit(left, type(error) if error else None, error, None).exception()
        else:
            within[name] = _minimize._one_thread_for_scipy()
            crew[name].submit(within[name].__enter__).result()
        assert threads_of_scipy() == (1 if within else 3)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_a_fit_that_began_first_may_end_first(crew, error):
    """With whole fits, the first of which ends well or not."""
    is_within, may_end, seen = Event(), Event(), []

    def first(U):
        is_within.set()
        may_end.wait(20)
        if error:
            raise error
        return quadratic(U)

    def second(U):
        if not seen:
            may_end.set()
            one.exception(20)
        seen.append(threads_of_scipy())
        return quadratic(U)

    one = crew["a"].submit(lbfgs, first)
    assert is_within.wait(20)
    crew["b"].submit(lbfgs, second).result(20)
    assert isinstance(one.exception(), error or type(None))
    assert set(seen) == {1}
    assert threads_of_scipy() == 3


@pytest.mark.usefixtures("three_threads")
def test_a_fit_within_a_fit_leaves_the_limit_to_the_outer_one():
    seen = []

    def outer(U):
        lbfgs()
        seen.append(threads_of_scipy())
        return quadratic(U)

    lbfgs(outer)
    assert set(seen) == {1}
    assert threads_of_scipy() == 3


@pytest.mark.usefixtures("three_threads")
def test_a_number_of_threads_set_by_others_meanwhile_stays():
    with _minimize._one_thread_for_scipy():
        set_threads_of_scipy(2)
    assert threads_of_scipy() == 2


@contextmanager
def interrupted_in(codes, number):
    """Ctrl-C at a line of some code, the number-th to be run."""
    before, left = sys.gettrace(), [number]

    def enter(frame, *_):
        seen = set()

        def at_line(frame, event, argument):
            # The end of a block under a lock is one step, but a line again to a tracer.
            if event == "line" and frame.f_lineno not in seen:
                seen.add(frame.f_lineno)
                left[0] -= 1
                if left[0] == 0:
                    raise KeyboardInterrupt
            return at_line

        return at_line if frame.f_code in codes else None

    sys.settrace(enter)
    try:
        yield
    finally:
        sys.settrace(before)


@pytest.mark.usefixtures("three_threads")
def test_ctrl_c_at_any_line_of_the_limit_lifts_it(crew):
    functions = (
        _minimize._enter,
        _minimize._leave,
        _minimize._restore,
        _minimize._set_threads,
    )
    codes = {function.__code__ for function in functions}

    def is_interrupted(number):
        try:
            with interrupted_in(codes, number), _minimize._one_thread_for_scipy():
                assert threads_of_scipy() == 1
        except KeyboardInterrupt:
            return True
        return False

    number = 1
    while crew["a"].submit(is_interrupted, number).result():
        assert threads_of_scipy() == 3
        crew["b"].submit(lbfgs).result(20)  # which is not kept waiting
        number += 1
    assert number > 10
    assert threads_of_scipy() == 3


def exit_with_threads():
    """In a child: before, within and after a fit of its own."""
    seen = [threads_of_scipy()]
    with _minimize._one_thread_for_scipy():
        seen.append(threads_of_scipy())
    seen.append(threads_of_scipy())
    os._exit(0 if seen == [3, 1, 3] else 1)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("who", ["fits itself", "does not fit"])
def test_a_process_that_is_forked_in_the_midst_of_a_fit_is_not_within_it(crew, who):
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork here")
    child = multiprocessing.get_context("fork").Process(target=exit_with_threads)
    fit = _minimize._one_thread_for_scipy()
    forking = crew["a" if who == "fits itself" else "b"]
    crew["a"].submit(fit.__enter__).result()
    forking.submit(child.start).result()
    forking.submit(child.join, 30).result()
    assert threads_of_scipy() == 1
    crew["a"].submit(fit.__exit__, None, None, None).result()
    assert child.exitcode == 0
    assert threads_of_scipy() == 3


def test_lbfgs_refuses_to_return_what_is_not_finite():
    def overflowing(U):
        return Evaluation(np.inf, np.full_like(U, np.inf))

    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="not finite"):
        lbfgs(overflowing)
