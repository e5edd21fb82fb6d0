"""Minimize a function of a map: L-BFGS, or a stochastic optimizer, epoch by epoch.

Nothing here knows what is minimized. A solver calls ``function(W, ...)``, which returns an
object with ``loss``, ``gradient`` and ``active_fraction``, reports every iteration to a
history, and returns a :class:`Result`. It takes steps in ``W / scale``, so that steps and
tolerances mean the same however X is scaled.

A history has ``start()``, called as an iteration begins, and ``finish(step) -> bool``,
called with a :class:`Step` as it ends; a true answer asks the solver to stop.
"""

import os
from contextlib import contextmanager
from functools import cache
from threading import RLock
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import ThreadpoolController  # a dependency of scikit-learn

# Where wheels of scipy have their BLAS: on Linux and Windows, and on macOS.
IN_SCIPYS_WHEELS = "scipy.libs", "scipy/.dylibs"
# Who is within `_one_thread_for_scipy`, and what the first found.
_LOCK, _WITHIN, _BEFORE = RLock(), set(), []
# The share of the epochs in which the learning rate falls, see minimize_stochastic.
FALLING = 0.2
# See _has_settled.
SETTLED, SETTLED_OF_GAIN = 0.05, 0.2


class Step(NamedTuple):
    """The state after an iteration of L-BFGS or an epoch."""

    parameters: np.ndarray
    loss: float
    active_fraction: float


class Result(NamedTuple):
    """Where a solver ended, and why.

    Attributes
    ----------
    parameters : ndarray
    n_iter : int
    converged : bool
        False if the budget of iterations ended first.
    stopped : bool
        True if the history asked to stop.
    """

    parameters: np.ndarray
    n_iter: int
    converged: bool
    stopped: bool = False


def minimize_lbfgs(function, parameters, *, max_iter, tol, history, scale=1.0):
    """Minimize a deterministic function with L-BFGS-B.

    Parameters
    ----------
    function : callable
        ``function(W)`` with W of the shape and dtype of `parameters`.
    parameters : ndarray
        Where to start.
    max_iter : int
    tol : float
        Converged when an iteration lowers the loss by less than this share of the loss
        at the start, or when no entry of the gradient is larger than it.
    history : object with start() and finish(step)
    scale : float, default=1.0
        Of the parameters.

    Returns
    -------
    result : Result

    Raises
    ------
    ValueError
        If the loss or the parameters are no longer finite.
    """
    shape, dtype = parameters.shape, parameters.dtype
    latest = {}

    def unscaled(u):
        return (scale * u).reshape(shape).astype(dtype, copy=False)

    def flat(u):
        evaluation = function(unscaled(u))
        latest["evaluation"] = evaluation
        unit = latest.setdefault("unit", 1 / (evaluation.loss or 1.0))
        gradient = evaluation.gradient.ravel().astype(np.float64)
        return unit * evaluation.loss, unit * scale * gradient

    def after_iteration(intermediate_result):
        # The last point evaluated is the one accepted, or nearly so in its figures.
        evaluation = latest["evaluation"]
        loss = float(intermediate_result.fun) / latest["unit"]
        parameters = unscaled(intermediate_result.x)
        if history.finish(Step(parameters, loss, evaluation.active_fraction)):
            latest["stopped"] = True
            raise StopIteration
        history.start()

    history.start()
    with _one_thread_for_scipy():
        found = minimize(
            flat,
            parameters.ravel().astype(np.float64) / scale,
            jac=True,
            method="L-BFGS-B",
            callback=after_iteration,
            options={"maxiter": max_iter, "ftol": tol, "gtol": tol, "maxcor": 10},
        )
    # scipy 1.11 leaves `flat` in a cycle, and the rows with it, to the garbage collector.
    function = None
    if not (np.isfinite(found.x).all() and np.isfinite(found.fun)):
        raise ValueError(
            "Got a loss or a map that is not finite. Bring features, or the array given as "
            "init, to one scale, as StandardScaler does, and lower margin and alpha if "
            "they are large."
        )
    if found.nit == 0:
        # The start is a minimum already; looking at it is an iteration, too.
        evaluation = latest["evaluation"]
        history.finish(Step(parameters, evaluation.loss, evaluation.active_fraction))
    return Result(
        unscaled(found.x),
        max(found.nit, 1),
        found.status != 1,
        latest.get("stopped", False),
    )


@contextmanager
def _one_thread_for_scipy():
    """Keep the BLAS in scipy's wheels from threads that wait in the way of numpy's BLAS.

    Both spin for a while after each call, and an iteration calls the two in turn.

    A limit holds for the whole process, so fits that overlap share one: the first in saves
    and limits, the last out restores.
    """
    me = object()
    try:
        _enter(me)
        yield
    finally:
        try:
            _leave(me)
        except BaseException:  # such as Ctrl-C in the midst of it
            _leave(me)
            raise


def _enter(me):
    with _LOCK:
        if not _WITHIN:
            pools = _blas_in_scipys_wheels()
            if not _BEFORE:
                _BEFORE.extend(pools.info())
            _set_threads(pools, 1)
        _WITHIN.add(me)


def _leave(me):
    """Undo what `_enter` did, however far it came; twice is as once."""
    with _LOCK:
        _WITHIN.discard(me)
        if not _WITHIN:
            _restore()


def _restore():
    """Give each library its threads back, unless somebody else has set them meanwhile."""
    if not _BEFORE:
        return
    pools = _blas_in_scipys_wheels()
    both = zip(_BEFORE, pools.info(), strict=True)
    _set_threads(pools, [was for was, now in both if now["num_threads"] == 1])
    _BEFORE.clear()


def _set_threads(pools, limits):
    """Set numbers of threads for good."""
    pools.limit(limits=limits)
    # threadpoolctl 3.8 lets no other thread set them until this one has left a limiter.
    with pools.limit():
        pass


def _begin_child():
    """A child that is forked in the midst of a fit is not within it."""
    _LOCK.release()
    _WITHIN.clear()
    _restore()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_begin_child
    )


@cache
def _blas_in_scipys_wheels():
    """Looked for once: it takes milliseconds, and scipy has it loaded by now."""
    pools = ThreadpoolController()
    paths = [library.filepath for library in pools.lib_controllers]
    own = [path for path in paths if any(place in path for place in IN_SCIPYS_WHEELS)]
    return pools.select(filepath=own)


def minimize_stochastic(
    epoch,
    parameters,
    state,
    *,
    max_iter,
    rate,
    tol,
    patience,
    history,
    score=None,
    min_iter=None,
):
    """Minimize the mean of a function over batches: a constant rate, then a falling one.

    Parameters
    ----------
    epoch : callable
        ``epoch(W, state, rates) -> (W, state, loss, active_fraction)``, see
        :func:`run_epoch`.
    parameters : ndarray
        Where to start.
    state : tuple
        The optimizer's.
    max_iter : int
        At most this many epochs.
    rate : float
        The learning rate until progress or the budget ends. It then falls linearly to 0, in
        the share `FALLING` of all epochs.
    tol : float
        An epoch improves if it lowers the loss by more than this share of the first
        epoch's, or raises the score by more than this.
    patience : int
        After this many epochs without improvement progress has ended.
    history : object with start() and finish(step)
    score : callable, default=None
        ``score(W)``, larger is better. If given it decides in place of the loss, and the
        best parameters are returned rather than the last.
    min_iter : int, default=None
        So many epochs are made in any case. From then on progress has also ended where the
        loss has settled, see :func:`_has_settled`, unless there is a score. With None only
        `patience` ends progress.

    Returns
    -------
    result : Result
        It has converged if progress ended, or if the loss had settled as the rate began to
        fall. A falling rate lowers the loss of any fit, so what comes later tells nothing.
    """
    losses, actives, values, best = [], [], [], parameters
    stalled, n_iter, ends = False, 0, max_iter
    constant = max_iter - _n_falling(max_iter)
    least = 0 if min_iter is None else min_iter - _n_falling(min_iter)
    settles = min_iter is not None and score is None
    while n_iter < ends:
        history.start()
        left = [min(1.0, (ends - n) / (ends - constant)) for n in (n_iter, n_iter + 1)]
        parameters, state, loss, active = epoch(
            parameters, state, (rate * left[0], rate * left[1])
        )
        n_iter += 1
        losses.append(loss)
        actives.append(active)
        values.append(loss / (losses[0] or 1.0) if score is None else -score(parameters))
        if score is None or values[-1] == min(values):
            best = parameters
        if history.finish(Step(parameters, loss, active)):
            return Result(best, n_iter, True, stopped=True)
        if least <= n_iter < constant:
            stalled = _without_improvement(values, tol) >= patience
            if stalled or (settles and _has_settled(losses, actives)):
                constant = n_iter
                # The same share of the epochs, of which there are fewer now.
                n_falling = round(n_iter * FALLING / (1 - FALLING))
                ends = min(ends, n_iter + max(1, n_falling))
    # One epoch at the full rate is none to compare.
    judged = slice(max(constant, 2))
    return Result(best, n_iter, stalled or _has_settled(losses[judged], actives[judged]))


def _n_falling(n_iter):
    return max(1, round(FALLING * n_iter))


def _has_settled(losses, actives):
    """Whether the last quarter of some epochs gained little over the quarter before.

    Little is less than the share `SETTLED` of the first epoch's loss, or than the share
    `SETTLED_OF_GAIN` of all that was gained so far; and less than the share `SETTLED` of
    all constraints no longer active. With hard constraints either may come to rest long
    before the other.
    """
    if len(losses) < 2:
        return False
    n = max(1, len(losses) // 4)
    before, last = np.mean([losses[-2 * n : -n], losses[-n:]], axis=1)
    little = max(SETTLED * losses[0], SETTLED_OF_GAIN * (losses[0] - last))
    no_longer_active = np.mean(actives[-2 * n : -n]) - np.mean(actives[-n:])
    return bool(before - last <= little and no_longer_active <= SETTLED)


def run_epoch(function, batches, parameters, state, update, rates, scale=1.0):
    """One update a batch.

    Parameters
    ----------
    function : callable
        ``function(W, batch)``.
    batches : list
    parameters : ndarray
    state : tuple
        The optimizer's.
    update : callable
        ``update(gradient, state, learning_rate) -> (step, state)``.
    rates : tuple of two floats
        The learning rate of the first batch, and what it falls to, linearly, until the
        first batch of the next epoch.
    scale : float, default=1.0
        Of the parameters, in which the optimizer takes its steps.

    Returns
    -------
    parameters : ndarray
    state : tuple
    loss, active_fraction : float
        Means over the batches by their numbers of constraints, each at the parameters
        that the batch found.

    Raises
    ------
    ValueError
        If the loss or the parameters are no longer finite.
    """
    seen = []
    first, rates = rates[0], np.linspace(*rates, len(batches), endpoint=False)
    for batch, rate in zip(batches, rates, strict=True):
        evaluation = function(parameters, batch)
        step, state = update(scale * evaluation.gradient, state, float(rate))
        parameters = parameters + scale * step
        seen.append((evaluation.loss, evaluation.active_fraction, evaluation.n_constraints))
    losses, active, counts = np.array(seen).T
    if not (np.isfinite(parameters).all() and np.isfinite(losses).all()):
        raise ValueError(
            "Got a loss or a map that is not finite in an epoch that began with a learning "
            f"rate of {first:.3g}: the steps were too large. Lower learning_rate_init, and "
            "margin and alpha if they are large, or bring features to one scale, as "
            "StandardScaler does."
        )
    shares = counts / max(counts.sum(), 1)
    return parameters, state, float(losses @ shares), float(active @ shares)


def _without_improvement(values, tol):
    """How many of the last values are no better than the best before, less `tol`."""
    best, since = np.inf, 0
    for value in values:
        since = 0 if value < best - tol else since + 1
        best = min(best, value)
    return since
