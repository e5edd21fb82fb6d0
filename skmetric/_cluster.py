"""How a map is found where rows are in partitions: the same objective, the same solvers.

For L-BFGS a step sends the map to all partitions, and the shares of the loss and of its
gradient come back as one sum; the pull towards W₀ is added once. The stochastic solvers go
through an epoch in each partition on their own and then take the mean of the maps, known
as local SGD.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from ._copies import Labels
from ._learning import (
    ROWS_FOR_PULL,
    batch_size_for,
    by_lbfgs,
    n_epochs,
    optimizer_for,
    ready,
    score_of_maps,
    solver_for,
    sums_at_start,
)
from ._objective import add_evaluations
from ._partitions import add_entries, random_state_from
from ._problem import Coordinates, Problem
from ._solvers import minimize_stochastic, run_epoch


def learn_over_partitions(estimator, parts, W0, start, random_state, monitor):
    """Find the map; the counterpart of :func:`skmetric._learning.learn`.

    Parameters
    ----------
    estimator : DaskTripletMetricLearner or DaskContrastiveMetricLearner
    parts : LabelledPartitions
    W0, start : ndarray of shape (k, d)
    random_state : RandomState
    monitor : Monitor

    Returns
    -------
    result : Result
        Its parameters are the map.
    """
    solver = solver_for(estimator, parts, parts)
    problem = PartitionedProblem(
        parts,
        W0,
        estimator.metric,
        estimator._constraints(len(W0)),
        solver == "adam",
    )
    by = by_lbfgs if solver == "lbfgs" else by_averaging
    return by(estimator, problem, parts, start, random_state, monitor)


class PartitionedChoice(NamedTuple):
    """Constraints within each partition, kept there.

    Attributes
    ----------
    parts : LabelledPartitions
    choices : list of Delayed
    totals : ndarray
        Their counts over all partitions, by which each takes its share of the mean.
    """

    parts: object
    choices: list
    totals: np.ndarray

    def same_as(self, other):
        """Whether both consist of the same constraints in each partition."""
        answers = self.parts.ask(_is_same, None, self.choices, other.choices)
        return self.parts.total(answers, _and)


class PartitionedProblem(Coordinates):
    """What a fit to labels minimises; the counterpart of ``_problem.Problem``.

    Parameters
    ----------
    parts : LabelledPartitions
    W0 : ndarray of shape (k, d)
    metric : str
    constraints : TripletConstraints or PairConstraints
    by_entry : bool
        See :class:`~skmetric._problem.Coordinates`.
    """

    def __init__(self, parts, W0, metric, constraints, by_entry=False):
        super().__init__(W0, by_entry)
        self.parts, self.metric, self.constraints = parts, metric, constraints
        make = partial(
            Problem, W0=W0, metric=metric, constraints=constraints, by_entry=by_entry
        )
        (self._make,) = parts.keep(parts.message(make))

    def with_constraints(self, constraints):
        """The problem for others, which its partitions are told of."""
        return PartitionedProblem(
            self.parts, self.W0, self.metric, constraints, self.by_entry
        )

    def ask(self, function, message, *each):
        """A question to each partition: ``function(message, problem, *own)``."""
        makes = [self._make] * len(self.parts.sizes)
        first = self.parts.first_copies
        return self.parts.ask(partial(_on_problem, function), message, makes, first, *each)

    def all_rows(self):
        """None are here."""

    def choose(self, U, X, random_state):
        """Form the constraints within each partition."""
        seeds = self.parts.seeds(random_state)
        choices = self.parts.keep(*self.ask(_choose, U, seeds))
        totals = self.parts.total(self.parts.ask(_totals, None, choices), np.add)
        return PartitionedChoice(self.parts, choices, totals)

    def share(self, U, X, choice):
        """Evaluation over all partitions, without the pull."""
        answers = self.ask(_share, (U, choice.totals), choice.choices)
        return self.parts.total(answers, add_evaluations)


def by_averaging(estimator, problem, parts, start, random_state, monitor):
    """Find the map by local SGD.

    An epoch starts in all partitions from the same map and the same state of the
    optimizer. Each goes through its own batches; then both are averaged, weighted by
    rows. McMahan et al. 2017 (FedAvg, with all clients in each round), Stich 2019.
    """
    monitor.follow("epoch", problem.components)
    batch_size = batch_size_for(estimator, parts, parts)
    message = batch_size, max(1, ROWS_FOR_PULL // len(parts.sizes))
    seeds = parts.seeds(random_state)

    def sums(problem):
        return parts.total(problem.ask(_sums, message, seeds), add_entries)

    problem = ready(estimator, problem, sums)
    monitor.margins = problem.margins
    init, update = optimizer_for(estimator, solver_for(estimator, parts, parts))
    held_out = [None] * len(parts.sizes)
    if estimator.early_stopping:
        held_out = parts.seeds(random_state)
    fraction, scoring = estimator.validation_fraction, score_of_maps(estimator.to_local())

    def epoch(U, state, rates):
        message = U, state, rates, update, problem.pull, batch_size, fraction
        seeds = parts.seeds(random_state)
        answers = problem.ask(_epoch, message, parts.shares, seeds, held_out)
        U, loss, active, *values = parts.total(answers, add_entries)
        return U, type(state)(*values), loss, active

    def score(U):
        answers = problem.ask(_score, (U, fraction, scoring), parts.shares, held_out)
        monitor.scores.append(parts.total(answers, add_entries)[0])
        return monitor.scores[-1]

    U = start / problem.unit
    result = minimize_stochastic(
        epoch,
        U,
        init(U),
        max_iter=n_epochs(estimator, parts, parts),
        rate=estimator.learning_rate_init,
        tol=estimator.tol,
        patience=estimator.n_iter_no_change,
        monitor=monitor,
        score=score if estimator.early_stopping else None,
    )
    return result._replace(parameters=problem.components(result.parameters))


def _on_problem(function, message, X, codes, make, first, *own):
    return function(message, make(X, Labels(codes, first)), *own)


def _choose(U, problem, seed):
    return problem.choose(U, problem.all_rows(), random_state_from(seed))


def _share(message, problem, choice):
    U, totals = message
    return problem.share(U, problem.all_rows(), choice._replace(totals=totals))


def _totals(message, X, y, choice):
    return choice.totals


def _is_same(message, X, y, one, other):
    return one.same_as(other)


def _and(a, b):
    return a and b


def _sums(message, problem, seed):
    return sums_at_start(problem, *message, random_state_from(seed))


def _epoch(message, problem, share, seed, held_out):
    """An epoch over a partition, its outcome times the partition's share of the rows."""
    U, state, rates, update, pull, batch_size, fraction = message
    if held_out is not None:
        problem, _ = problem.hold_out(fraction, random_state_from(held_out))
    problem.pull, random_state = pull, random_state_from(seed)
    U, state, loss, active = run_epoch(
        partial(problem.on_batch, random_state=random_state),
        problem.batches(batch_size, random_state),
        U,
        state,
        update,
        rates,
    )
    return tuple(share * value for value in (U, loss, active, *state))


def _score(message, problem, share, held_out):
    U, fraction, scoring = message
    _, score = problem.hold_out(fraction, random_state_from(held_out), scoring)
    return (share * score(U),)
