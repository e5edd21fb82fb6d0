"""How a map is found where rows are in partitions: the same objective, the same solvers.

For L-BFGS a step sends the map to all partitions, and the shares of the loss and of its
gradient come back as one sum; the penalty is added once. The stochastic solvers go
through an epoch in each partition on their own and then take the mean of the maps, known
as local SGD.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from .._fit import (
    ROWS_FOR_PENALTY,
    calibrate,
    fit_lbfgs,
    optimizer_for,
    score_of_maps,
    sums_at_start,
)
from .._objective._evaluate import add_evaluations
from .._objective._problem import BaseProblem, Problem
from .._relations import Labels
from .._solvers._minimize import minimize_stochastic, run_epoch
from ._partitions import add_entries, random_state_from


def learn_over_partitions(settings, parts, W0, start, random_state, monitor):
    """Find the map; the counterpart of :func:`skmetric._fit.fit_map`.

    Parameters
    ----------
    settings : Settings
    parts : LabelledPartitions
    W0, start : ndarray of shape (k, d)
    random_state : RandomState
    monitor : Monitor

    Returns
    -------
    result : Result
        Its parameters are the map.
    """
    parameters = settings.parameters
    constraints = parameters._constraints(len(W0))
    problem = PartitionedProblem(parts, W0, parameters.metric, constraints)
    if settings.solver == "lbfgs":
        return fit_lbfgs(settings, problem, start, random_state, monitor)
    return by_averaging(settings, problem, parts, start, random_state, monitor)


class MinedPartitions(NamedTuple):
    """Constraints within each partition, kept there.

    Attributes
    ----------
    parts : LabelledPartitions
    mined_parts : list of Delayed
    totals : ndarray
        Their counts over all partitions, by which each takes its share of the mean.
    """

    parts: object
    mined_parts: list
    totals: np.ndarray

    def equals(self, other):
        """Whether both consist of the same constraints in each partition."""
        answers = self.parts.ask(_are_equal, None, self.mined_parts, other.mined_parts)
        return self.parts.total(answers, _and)


class PartitionedProblem(BaseProblem):
    """What a fit to labels minimizes; the counterpart of ``_problem.Problem``.

    Parameters
    ----------
    parts : LabelledPartitions
    W0 : ndarray of shape (k, d)
    metric : str
    constraints : TripletConstraints or PairConstraints
    """

    def __init__(self, parts, W0, metric, constraints):
        super().__init__(W0)
        self.parts, self.metric, self.constraints = parts, metric, constraints
        make = partial(Problem, W0=W0, metric=metric, constraints=constraints)
        (self._make,) = parts.keep(parts.message(make))

    def with_constraints(self, constraints):
        """The problem for others, which its partitions are told of."""
        return PartitionedProblem(self.parts, self.W0, self.metric, constraints)

    def ask(self, function, message, *each):
        """A question to each partition: ``function(message, problem, *own)``."""
        makes = [self._make] * len(self.parts.sizes)
        first = self.parts.first_copies
        return self.parts.ask(partial(_on_problem, function), message, makes, first, *each)

    def all_rows(self):
        """None are here."""

    def mine(self, W, rows, random_state):
        """Form the constraints within each partition."""
        seeds = self.parts.seeds(random_state)
        mined_parts = self.parts.keep(*self.ask(_mine, W, seeds))
        totals = self.parts.total(self.parts.ask(_totals, None, mined_parts), np.add)
        return MinedPartitions(self.parts, mined_parts, totals)

    def value_and_grad(self, W, rows, mined):
        """Evaluation over all partitions, without the penalty."""
        answers = self.ask(_value_and_grad, (W, mined.totals), mined.mined_parts)
        return self.parts.total(answers, add_evaluations)


def by_averaging(settings, problem, parts, start, random_state, monitor):
    """Find the map by local SGD.

    An epoch starts in all partitions from the same map and the same state of the
    optimizer. Each goes through its own batches; then both are averaged, weighted by
    rows. McMahan et al. 2017 (FedAvg, with all clients in each round), Stich 2019.
    """
    parameters, batch_size = settings.parameters, settings.batch_size
    monitor.follow("epoch")
    message = batch_size, max(1, ROWS_FOR_PENALTY // len(parts.sizes))
    seeds = parts.seeds(random_state)

    def sums(problem):
        return parts.total(problem.ask(_sums, message, seeds), add_entries)

    problem = calibrate(parameters.alpha, problem, sums)
    monitor.margins = problem.margins
    init, update = optimizer_for(settings)
    held_out = [None] * len(parts.sizes)
    if parameters.early_stopping:
        held_out = parts.seeds(random_state)
    fraction = parameters.validation_fraction
    scoring = score_of_maps(parameters.to_local())
    scale = settings.scale_of(problem)

    def epoch(W, state, rates):
        run = partial(run_epoch, update=update, rates=rates, scale=scale)
        message = W, state, run, problem.penalty, batch_size, fraction
        seeds = parts.seeds(random_state)
        answers = problem.ask(_epoch, message, parts.shares, seeds, held_out)
        W, loss, active, *values = parts.total(answers, add_entries)
        return W, type(state)(*values), loss, active

    def score(W):
        answers = problem.ask(_score, (W, fraction, scoring), parts.shares, held_out)
        monitor.scores.append(parts.total(answers, add_entries)[0])
        return monitor.scores[-1]

    return minimize_stochastic(
        epoch,
        start,
        init(start),
        max_iter=settings.n_epochs,
        rate=parameters.learning_rate_init,
        tol=parameters.tol,
        patience=parameters.n_iter_no_change,
        monitor=monitor,
        score=score if parameters.early_stopping else None,
    )


def _on_problem(function, message, X, codes, make, first, *own):
    return function(message, make(X, Labels(codes, first)), *own)


def _mine(W, problem, seed):
    return problem.mine(W, problem.all_rows(), random_state_from(seed))


def _value_and_grad(message, problem, mined):
    W, totals = message
    mined = mined._replace(totals=totals)
    return problem.value_and_grad(W, problem.all_rows(), mined)


def _totals(message, X, y, mined):
    return mined.totals


def _are_equal(message, X, y, one, other):
    return one.equals(other)


def _and(a, b):
    return a and b


def _sums(message, problem, seed):
    return sums_at_start(problem, *message, random_state_from(seed))


def _epoch(message, problem, share, seed, held_out):
    """An epoch over a partition, its outcome times the partition's share of the rows."""
    W, state, run, penalty, batch_size, fraction = message
    if held_out is not None:
        problem, _ = problem.hold_out(fraction, random_state_from(held_out))
    problem.penalty, random_state = penalty, random_state_from(seed)
    function = partial(problem.batch_objective, random_state=random_state)
    batches = problem.batches(batch_size, random_state)
    W, state, loss, active = run(function, batches, W, state)
    return tuple(share * value for value in (W, loss, active, *state))


def _score(message, problem, share, held_out):
    W, fraction, scoring = message
    _, score = problem.hold_out(fraction, random_state_from(held_out), scoring)
    return (share * score(W),)
