"""A fit over partitions, with the objective and the solvers of a fit in memory.

L-BFGS broadcasts the map to all partitions in each step. Their losses and gradients are
reduced to a sum, to which the penalty is added once. The stochastic solvers run an epoch
in each partition and then average the maps, which is known as local SGD.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from .._copies import Labels
from .._learning import (
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
from .._objective import add_evaluations
from .._problem import Coordinates, Problem
from .._solvers import minimize_stochastic, run_epoch
from ._partitions import add_entries, random_state_from


def fit_partitions(estimator, partitions, W0, start, random_state, monitor):
    """Find the map; the counterpart of :func:`skmetric._learning.learn`.

    Parameters
    ----------
    estimator : DaskTripletMetricLearner or DaskContrastiveMetricLearner
    partitions : LabeledPartitions
    W0, start : ndarray of shape (k, d)
        The map that the penalty refers to, and the one to start from.
    random_state : RandomState
    monitor : Monitor

    Returns
    -------
    result : Result
        Its parameters are the map.
    """
    solver = solver_for(estimator, partitions, partitions)
    problem = PartitionedProblem(
        partitions,
        W0,
        estimator.metric,
        estimator._constraints(len(W0)),
        solver == "adam",
    )
    fit = by_lbfgs if solver == "lbfgs" else fit_local_sgd
    return fit(estimator, problem, partitions, start, random_state, monitor)


class PartitionedSelection(NamedTuple):
    """Constraints within each partition, persisted on the workers.

    Attributes
    ----------
    partitions : LabeledPartitions
    selections : list of Delayed
        What is mined in each partition.
    totals : ndarray
        Numbers of constraints over all partitions. A partition divides by these, so that
        losses and gradients add up to means.
    """

    partitions: object
    selections: list
    totals: np.ndarray

    def equals(self, other):
        """Whether both have the same constraints in each partition."""
        results = self.partitions.map_partitions(
            _are_equal, None, self.selections, other.selections
        )
        return self.partitions.reduce(results, _and)


class PartitionedProblem(Coordinates):
    """The objective over all partitions; the counterpart of ``_problem.Problem``.

    Parameters
    ----------
    partitions : LabeledPartitions
    W0 : ndarray of shape (k, d)
    metric : str
    constraints : TripletConstraints or PairConstraints
    by_entry : bool
        See :class:`~skmetric._problem.Coordinates`.
    """

    def __init__(self, partitions, W0, metric, constraints, by_entry=False):
        super().__init__(W0, by_entry)
        self.partitions, self.metric = partitions, metric
        self.constraints = constraints
        make_problem = partial(
            Problem, W0=W0, metric=metric, constraints=constraints, by_entry=by_entry
        )
        # Persisted, so that it is sent once and not with each step.
        (self._make_problem,) = partitions.persist(partitions.broadcast(make_problem))

    def with_constraints(self, constraints):
        """The same problem with other constraints, also on the workers."""
        return PartitionedProblem(
            self.partitions, self.W0, self.metric, constraints, self.by_entry
        )

    def map_partitions(self, function, value, *per_partition):
        """Call ``function(value, problem, *own)`` on the problem of each partition."""
        return self.partitions.map_partitions(
            partial(_on_problem, function),
            value,
            [self._make_problem] * len(self.partitions.sizes),
            self.partitions.first_copies,
            *per_partition,
        )

    def all_rows(self):
        """None, as the rows are on the workers."""

    def mine(self, U, X, random_state):
        """Mine constraints within each partition."""
        partitions, seeds = self.partitions, self.partitions.seeds(random_state)
        selections = partitions.persist(*self.map_partitions(_mine, U, seeds))
        counts = partitions.map_partitions(_totals, None, selections)
        return PartitionedSelection(
            partitions, selections, partitions.reduce(counts, np.add)
        )

    def share(self, U, X, mined):
        """Evaluation over all partitions, without the penalty."""
        results = self.map_partitions(_share, (U, mined.totals), mined.selections)
        return self.partitions.reduce(results, add_evaluations)


def fit_local_sgd(estimator, problem, partitions, start, random_state, monitor):
    """Find the map by local SGD.

    In each epoch all partitions start from the same map and the same state of the
    optimizer. Each runs through its own batches. Then maps and states are averaged,
    weighted by rows. McMahan et al. 2017 (FedAvg, with all clients in each round), Stich
    2019.
    """
    monitor.follow("epoch", problem.components)
    batch_size = batch_size_for(estimator, partitions, partitions)
    n_rows = max(1, ROWS_FOR_PULL // len(partitions.sizes))
    seeds = partitions.seeds(random_state)

    def sums(problem):
        results = problem.map_partitions(_sums, (batch_size, n_rows), seeds)
        return partitions.reduce(results, add_entries)

    problem = ready(estimator, problem, sums)
    monitor.margins = problem.margins
    init, update = optimizer_for(estimator, solver_for(estimator, partitions, partitions))
    # A seed per partition draws the same held-out rows in each epoch; None holds out none.
    hold_out_seeds = [None] * len(partitions.sizes)
    if estimator.early_stopping:
        hold_out_seeds = partitions.seeds(random_state)
    fraction, scoring = estimator.validation_fraction, score_of_maps(estimator.to_local())

    def epoch(U, state, rates):
        value = U, state, rates, update, problem.pull, batch_size, fraction
        seeds = partitions.seeds(random_state)
        results = problem.map_partitions(
            _epoch, value, partitions.weights, seeds, hold_out_seeds
        )
        U, loss, active, *values = partitions.reduce(results, add_entries)
        return U, type(state)(*values), loss, active

    def score(U):
        value = U, fraction, scoring
        results = problem.map_partitions(_score, value, partitions.weights, hold_out_seeds)
        monitor.scores.append(partitions.reduce(results, add_entries)[0])
        return monitor.scores[-1]

    U = start / problem.unit
    result = minimize_stochastic(
        epoch,
        U,
        init(U),
        max_iter=n_epochs(estimator, partitions, partitions),
        rate=estimator.learning_rate_init,
        tol=estimator.tol,
        patience=estimator.n_iter_no_change,
        monitor=monitor,
        score=score if estimator.early_stopping else None,
    )
    return result._replace(parameters=problem.components(result.parameters))


# Functions of a partition: a broadcast value, its problem or its rows and labels, further
# arguments.


def _on_problem(function, value, X, codes, make_problem, first, *own):
    return function(value, make_problem(X, Labels(codes, first)), *own)


def _mine(U, problem, seed):
    return problem.mine(U, problem.all_rows(), random_state_from(seed))


def _totals(_, X, y, selection):
    return selection.totals


def _share(value, problem, selection):
    U, totals = value
    return problem.share(U, problem.all_rows(), selection._replace(totals=totals))


def _are_equal(_, X, y, one, other):
    return one.equals(other)


def _and(a, b):
    return a and b


def _sums(value, problem, seed):
    return sums_at_start(problem, *value, random_state_from(seed))


def _epoch(value, problem, weight, seed, hold_out_seed):
    """Run an epoch over a partition, and weight its map, loss and state."""
    U, state, rates, update, pull, batch_size, fraction = value
    if hold_out_seed is not None:
        problem, _ = problem.hold_out(fraction, random_state_from(hold_out_seed))
    problem.pull, random_state = pull, random_state_from(seed)
    U, state, loss, active = run_epoch(
        partial(problem.on_batch, random_state=random_state),
        problem.batches(batch_size, random_state),
        U,
        state,
        update,
        rates,
    )
    return tuple(weight * entry for entry in (U, loss, active, *state))


def _score(value, problem, weight, hold_out_seed):
    U, fraction, scoring = value
    _, score = problem.hold_out(fraction, random_state_from(hold_out_seed), scoring)
    return (weight * score(U),)
