"""A fit over partitions, with the objective and the solvers of a fit in memory.

L-BFGS broadcasts the map to all partitions in each step. Their losses and gradients are
reduced to a sum, to which the penalty is added once. The stochastic solvers run an epoch
in each partition and then average the maps, which is known as local SGD.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from .._fit import (
    ROWS_FOR_PENALTY,
    calibrate,
    constraints_for,
    fit_lbfgs,
    optimizer_for,
    score_of_maps,
    sums_at_start,
)
from .._objective._evaluate import add_evaluations
from .._objective._labels import Labels
from .._objective._problem import BaseProblem, Problem
from .._solvers._minimize import minimize_stochastic, run_epoch
from ._partitions import add_entries, random_state_from


def fit_partitions(settings, partitions, W0, start, random_state, history):
    """Find the map; the counterpart of :func:`skmetric._fit.fit_map`.

    Parameters
    ----------
    settings : Settings
    partitions : LabeledPartitions
    W0, start : ndarray of shape (k, d)
        The map that the penalty refers to, and the one to start from.
    random_state : RandomState
    history : History

    Returns
    -------
    result : Result
        Its parameters are the map.
    """
    parameters = settings.parameters
    constraints = constraints_for(parameters, len(W0))
    problem = PartitionedProblem(partitions, W0, parameters.metric, constraints)
    fit = fit_lbfgs if settings.solver == "lbfgs" else fit_local_sgd
    return fit(settings, problem, start, random_state, history)


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


class PartitionedProblem(BaseProblem):
    """The objective over all partitions; the counterpart of ``_problem.Problem``.

    Parameters
    ----------
    partitions : LabeledPartitions
    W0 : ndarray of shape (k, d)
    metric : str
    constraints : TripletConstraints or PairConstraints
    part : ndarray of shape (k, r), default=None
        Of W₀; None finds it.
    """

    def __init__(self, partitions, W0, metric, constraints, part=None):
        if part is None:
            part = partitions.restrict_to_span(W0, metric)
        super().__init__(W0, part)
        self._part = part
        self.partitions, self.metric = partitions, metric
        self.constraints = constraints
        make_problem = partial(
            Problem, W0=W0, metric=metric, constraints=constraints, part=part
        )
        # Persisted, so that it is sent once and not with each step.
        (self._make_problem,) = partitions.persist(partitions.broadcast(make_problem))

    def with_constraints(self, constraints):
        """The same problem with other constraints, also on the workers."""
        problem = PartitionedProblem(
            self.partitions, self.W0, self.metric, constraints, self._part
        )
        problem.penalty = self.penalty
        return problem

    def map_partitions(self, function, value, *per_partition):
        """Call ``function(value, problem, *own)`` on the problem of each partition."""
        return self.partitions.map_partitions(
            partial(_on_problem, function),
            value,
            [self._make_problem] * len(self.partitions.sizes),
            self.partitions.first_copies,
            *per_partition,
        )

    def related_rows(self):
        """None, as the rows are on the workers."""

    def mine(self, W, rows, random_state):
        """Mine constraints within each partition."""
        partitions, seeds = self.partitions, self.partitions.seeds(random_state)
        selections = partitions.persist(*self.map_partitions(_mine, W, seeds))
        counts = partitions.map_partitions(_totals, None, selections)
        return PartitionedSelection(
            partitions, selections, partitions.reduce(counts, np.add)
        )

    def value_and_grad(self, W, rows, mined):
        """Evaluation over all partitions, without the penalty."""
        value = W, mined.totals
        results = self.map_partitions(_value_and_grad, value, mined.selections)
        return self.partitions.reduce(results, add_evaluations)


def fit_local_sgd(settings, problem, start, random_state, history):
    """Find the map by local SGD.

    In each epoch all partitions start from the same map and the same state of the
    optimizer. Each runs through its own batches. Then maps and states are averaged,
    weighted by rows. McMahan et al. 2017 (FedAvg, with all clients in each round), Stich
    2019.
    """
    parameters, partitions = settings.parameters, problem.partitions
    history.follow("epoch")
    n_rows = max(1, ROWS_FOR_PENALTY // len(partitions.sizes))
    seeds = partitions.seeds(random_state)

    def sums(problem):
        results = problem.map_partitions(_sums, (settings.batch_size, n_rows), seeds)
        return partitions.reduce(results, add_entries)

    problem = calibrate(parameters.alpha, problem, sums)
    history.margins = problem.margins
    init, update = optimizer_for(settings)
    # A seed per partition draws the same held-out rows in each epoch; None holds out none.
    hold_out_seeds = [None] * len(partitions.sizes)
    if parameters.early_stopping:
        hold_out_seeds = partitions.seeds(random_state)
    fraction = parameters.validation_fraction
    scoring = score_of_maps(parameters.to_local())
    scale = settings.scale_of(problem)

    def epoch(W, state, rates):
        run = partial(run_epoch, update=update, rates=rates, scale=scale)
        value = W, state, run, problem.penalty, settings.batch_size, fraction
        seeds = partitions.seeds(random_state)
        results = problem.map_partitions(
            _epoch, value, partitions.weights, seeds, hold_out_seeds
        )
        W, loss, active, *values = partitions.reduce(results, add_entries)
        return W, type(state)(*values), loss, active

    def score(W):
        value = W, fraction, scoring
        results = problem.map_partitions(_score, value, partitions.weights, hold_out_seeds)
        history.scores.append(partitions.reduce(results, add_entries)[0])
        return history.scores[-1]

    return minimize_stochastic(
        epoch,
        start,
        init(start),
        max_iter=settings.n_epochs_over_partitions,
        rate=parameters.learning_rate_init,
        tol=parameters.tol,
        patience=parameters.n_iter_no_change,
        history=history,
        score=score if parameters.early_stopping else None,
    )


# Functions of a partition: a broadcast value, its problem or its rows and labels, further
# arguments.


def _on_problem(function, value, X, codes, make_problem, first, *own):
    return function(value, make_problem(X, Labels(codes, first)), *own)


def _mine(W, problem, seed):
    return problem.mine(W, problem.related_rows(), random_state_from(seed))


def _totals(_, X, y, selection):
    return selection.totals


def _value_and_grad(value, problem, mined):
    W, totals = value
    mined = mined._replace(totals=totals)
    return problem.value_and_grad(W, problem.related_rows(), mined)


def _are_equal(_, X, y, one, other):
    return one.equals(other)


def _and(a, b):
    return a and b


def _sums(value, problem, seed):
    return sums_at_start(problem, *value, random_state_from(seed))


def _epoch(value, problem, weight, seed, hold_out_seed):
    """Run an epoch over a partition, and weight its map, loss and state."""
    W, state, run, penalty, batch_size, fraction = value
    if hold_out_seed is not None:
        problem, _ = problem.hold_out(fraction, random_state_from(hold_out_seed))
    problem.penalty, random_state = penalty, random_state_from(seed)
    function = partial(problem.batch_objective, random_state=random_state)
    batches = problem.batches(batch_size, random_state)
    W, state, loss, active = run(function, batches, W, state)
    return tuple(weight * entry for entry in (W, loss, active, *state))


def _score(value, problem, weight, hold_out_seed):
    W, fraction, scoring = value
    _, score = problem.hold_out(fraction, random_state_from(hold_out_seed), scoring)
    return (weight * score(W),)
