"""How a map is found: from an estimator's settings to a solver's result."""

from functools import partial
from warnings import warn

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from ._initialization import mean_squared_distance
from ._maps import map_rows, mean_map
from ._optimizers import adam_init, adam_update, sgd_init, sgd_update
from ._problem import Problem
from ._solvers import Result, Step, minimize_lbfgs, minimize_stochastic, run_epoch
from ._strategies import FEW_NEAREST
from ._tuple_problem import TupleProblem
from ._tuples import Pairs, Triplets
from ._validation import STOCHASTIC, changed_parameters, short
from .distances import paired_distances

# Up to this many rows, and entries of X, "auto" takes L-BFGS, which sees all neighbours.
# Beyond, the stochastic solvers are faster.
AUTO_LBFGS_ROWS, AUTO_LBFGS_ENTRIES = 3000, 2**17
# The same where constraints are few an anchor: an iteration then takes O(n), not O(n²).
AUTO_FEW_ROWS, AUTO_FEW_ENTRIES = 20_000, 2**18
# Up to this many triplets or pairs, if they are given.
AUTO_LBFGS_TUPLES = 200_000
# Up to so many rows, of which chance decides much, it takes the mean of so many maps.
AUTO_SUBSAMPLED_ROWS, SUBSAMPLES = 3000, 8
# How often L-BFGS forms constraints that follow the map, and its budget each time.
ROUNDS = 3
LBFGS_ITERATIONS = 200
# Rows in a batch: more where there are few features, as these cost less and neighbours in
# few dimensions matter more. So many entries of X at most, within bounds.
MIN_BATCH, MAX_BATCH, BATCH_ENTRIES = 256, 1024, 2**16
# The budget of the stochastic solvers: so many epochs, and more where batches are few.
MIN_EPOCHS = 15
MIN_UPDATES = 200
# From about so many rows or constraints stochastic solvers see how steep W₀ is.
ROWS_FOR_PULL = 1024


def are_labels(target):
    """Whether a map is learnt from labels, rather than from given constraints."""
    return not isinstance(target, (Triplets, Pairs))


def solver_for(estimator, X, target):
    """The solver that ``"auto"`` stands for."""
    if estimator.solver != "auto":
        return estimator.solver
    if changed_parameters(estimator).intersection(STOCHASTIC):
        return "adam"
    if not are_labels(target):
        return "lbfgs" if len(target) <= AUTO_LBFGS_TUPLES else "adam"
    rows, entries = AUTO_LBFGS_ROWS, AUTO_LBFGS_ENTRIES
    few = max(estimator.n_neighbors, estimator.n_impostors) <= FEW_NEAREST
    if few and estimator.negatives == "nearest" and estimator.positives != "all":
        rows, entries = AUTO_FEW_ROWS, AUTO_FEW_ENTRIES
    return "lbfgs" if target.n_distinct <= min(rows, entries // X.shape[1]) else "adam"


def solver_for_chunks(estimator):
    """The same where a chunk comes at a time."""
    return "adam" if estimator.solver == "auto" else estimator.solver


def batch_size_for(estimator, X, target):
    """How many rows or constraints make a mini-batch."""
    if estimator.batch_size is not None:
        return estimator.batch_size
    most = MAX_BATCH if are_labels(target) else MIN_BATCH
    return min(most, max(MIN_BATCH, BATCH_ENTRIES // X.shape[1]))


def n_subsamples_for(estimator, target):
    """How many maps L-BFGS takes the mean of."""
    if not are_labels(target):
        return 1
    few = SUBSAMPLES if target.n_distinct <= AUTO_SUBSAMPLED_ROWS else 1
    return estimator.n_subsamples or few


def n_epochs(estimator, X, target):
    """The budget of a stochastic solver."""
    n_batches = max(1, round(len(target) / batch_size_for(estimator, X, target)))
    return estimator.max_iter or max(MIN_EPOCHS, -(-MIN_UPDATES // n_batches))


def n_tasks(estimator, X, target):
    """How many iterations callbacks may expect, None where nobody knows."""
    stochastic = solver_for(estimator, X, target) != "lbfgs"
    return n_epochs(estimator, X, target) if stochastic else None


def learn(estimator, X, target, W0, start, random_state, monitor):
    """Find the map for a whole data set.

    Parameters
    ----------
    estimator : BaseMetricLearner
        Its parameters, checked, are read; nothing is set.
    X : ndarray or CSR of shape (n, d)
    target : Labels, Triplets or Pairs
        What to learn from: labels, or given constraints.
    W0, start : ndarray of shape (k, d)
        What the penalty pulls to, and where to start.
    random_state : RandomState
    monitor : Monitor

    Returns
    -------
    result : Result
        Its parameters are the map.
    """
    solver = solver_for(estimator, X, target)
    problem = _problem(estimator, X, target, W0, solver)
    by = by_lbfgs if solver == "lbfgs" else _by_epochs
    if solver == "lbfgs" and n_subsamples_for(estimator, target) > 1:
        by = _by_halves
    return by(estimator, problem, target, start, random_state, monitor)


def learn_from_chunk(estimator, X, target, W0, W, random_state, state):
    """Go once over a chunk of rows or constraints, from the map there is.

    Parameters
    ----------
    estimator, X, target, random_state
        As for :func:`learn`.
    W0, W : ndarray of shape (k, d)
        What the penalty pulls to, and the map there is.
    state : tuple or None
        From the chunk before.

    Returns
    -------
    step : Step
        Its parameters are the map.
    margins : dict
        The margins that are used, by name.
    state : tuple
        The weight of the pull, the margins, and the optimizer's state, plain tuples and
        numbers: they are kept on the estimator, which a reader shall not need to trust
        more classes for.
    """
    solver = solver_for_chunks(estimator)
    problem = _problem(estimator, X, target, W0, solver)
    init, update = optimizer_for(estimator, solver)
    U = W / problem.unit
    if state is None:
        problem = _at_start(estimator, problem, target, random_state)
        state = problem.pull, problem.margins, init(U)
    pull, margins, state = state
    problem = problem.with_margins(margins)
    problem.pull = pull
    batch_size = batch_size_for(estimator, X, target)
    U, state, loss, active = run_epoch(
        partial(problem.on_batch, random_state=random_state),
        problem.batches(batch_size, random_state),
        U,
        state,
        update,
        (estimator.learning_rate_init, estimator.learning_rate_init),
    )
    step = Step(problem.components(U), loss, active)
    return step, margins, (pull, margins, tuple(state))


def check_options(estimator, solver, target):
    """Refuse or warn of parameters that were set but have no effect.

    Parameters
    ----------
    estimator : BaseMetricLearner
    solver : {"lbfgs", "adam", "sgd"}
    target : Labels, Triplets or Pairs

    Raises
    ------
    ValueError
        If early stopping or a scorer is asked of ``"lbfgs"``.
    """
    changed = changed_parameters(estimator)
    if solver == "lbfgs":
        for name in ("early_stopping", "scoring"):
            if name in changed:
                raise ValueError(
                    f"Got {name}={short(getattr(estimator, name))} with solver='lbfgs', "
                    "which has no epochs to judge. Use solver='auto', 'adam' or 'sgd'."
                )
    unused = {
        name: where
        for name, where in _where_used(estimator, solver, target).items()
        if name in changed
    }
    if unused:
        given = ", ".join(f"{name}={short(getattr(estimator, name))}" for name in unused)
        where = "; ".join(f"{name} is for {where}" for name, where in unused.items())
        warn(
            f"{type(estimator).__name__} got {given} without effect: {where}.",
            UserWarning,
            stacklevel=6,
        )


def _where_used(estimator, solver, target):
    """Where the parameters that have no effect in this fit would have one."""
    unused = {}
    if solver == "lbfgs":
        unused.update(dict.fromkeys(STOCHASTIC, "solver='adam' or 'sgd'"))
    elif not estimator.early_stopping:
        unused["scoring"] = "early_stopping=True"
    if (estimator.n_subsamples or 1) > 1 and (solver != "lbfgs" or not are_labels(target)):
        unused["n_subsamples"] = "solver='lbfgs' with labels in memory"
    if solver == "adam":
        unused["momentum"] = "solver='sgd'"
    if solver == "sgd":
        unused.update(dict.fromkeys(("beta_1", "beta_2", "epsilon"), "solver='adam'"))
    return unused


def warn_of_trouble(estimator, sample, target, converged):
    """Warn of a budget that ended first, a collapsed map, and nothing to learn from."""
    name = type(estimator).__name__
    # Given constraints are what they are.
    harder = " or choose harder constraints, for example positives='hard' or 'all'"
    easier = " or choose easier constraints, for example negatives='semihard' or 'all'"
    if not are_labels(target):
        harder, easier = " or give harder constraints", " or give easier constraints"
    if not converged:
        by_rounds = estimator.solver_ == "lbfgs"
        unit = "iterations, all rounds together" if by_rounds else "epochs"
        warn(
            f"{name} with solver={estimator.solver_!r} did not converge in "
            f"{estimator.n_iter_} {unit}. Increase max_iter, or scale the features, for "
            "example with StandardScaler.",
            ConvergenceWarning,
            stacklevel=6,
        )
    look_alike = _look_alike(estimator, sample)
    if look_alike:
        warn(
            f"{name} learnt next to nothing: most distances between rows are tiny against "
            f"their mean and margin={estimator.margin_:.4g}, and "
            f"{estimator.active_fraction_:.0%} of the constraints are active, whatever the "
            "map. Most likely a few rows or features are far from the others: drop them, "
            "or scale the features, for example with RobustScaler.",
            UserWarning,
            stacklevel=6,
        )
    elif not any(estimator.active_fraction_curve_) and _unmoved(estimator):
        warn(
            f"{name} found no active constraint: all of them are satisfied by "
            f"margin={estimator.margin_:.4g} already, and the map is the initial one. "
            f"Raise the margin,{harder}.",
            UserWarning,
            stacklevel=6,
        )
    if _collapsed(estimator, sample) and not look_alike:
        warn(
            f"{name} collapsed: distances between rows have become small against "
            f"margin={estimator.margin_:.4g}, so that the loss sits at the margin. Raise "
            f"alpha (got alpha={estimator.alpha}),{easier}.",
            UserWarning,
            stacklevel=6,
        )


def _unmoved(estimator):
    W0 = estimator.initial_components_
    return np.linalg.norm(estimator.components_ - W0) <= 1e-4 * np.linalg.norm(W0)


def _look_alike(estimator, sample):
    """Whether all is active, as half of the distances are tiny against their mean, 1."""
    E = map_rows(sample, estimator.initial_components_, estimator.metric)
    others = np.random.RandomState(0).permutation(len(E))
    distances = paired_distances(E, E[others], estimator.metric)
    tiny = 1e-3 * min(estimator.margin_, 1.0)
    return estimator.active_fraction_ > 0.9 and np.median(distances) < tiny


def _collapsed(estimator, sample):
    """Whether the mean distance fell to a tenth of the margin, and of what it was."""
    now, before = (
        _mean_distance(map_rows(sample, W, estimator.metric), estimator.metric)
        for W in (estimator.components_, estimator.initial_components_)
    )
    return now < 0.1 * min(estimator.margin_, before)


def _mean_distance(E, metric):
    squared = mean_squared_distance(E, np.eye(E.shape[1], dtype=E.dtype))
    return {"euclidean": np.sqrt(squared), "cosine": squared / 2}.get(metric, squared)


def score_of_maps(estimator):
    """The scorer of a user, who asks for an estimator, as a function of a map."""
    if estimator.scoring is None:
        return None

    def score_map(W, X, y):
        learner = clone(estimator)
        learner.components_, learner.n_features_in_ = W, X.shape[1]
        return float(estimator.scoring(learner, X, y))

    return score_map


def _problem(estimator, X, target, W0, solver):
    metric, by_entry = estimator.metric, solver == "adam"
    if not are_labels(target):
        return TupleProblem(X, target, W0, metric, by_entry)
    return Problem(X, target, W0, metric, estimator._constraints(len(W0)), by_entry)


def sums_at_start(problem, batch_size, n_rows, random_state):
    """Sums over the constraints of some batches at W₀.

    Of batches with about `n_rows` rows together.

    Returns
    -------
    loss : float
    gradient : ndarray
    n_constraints : int
    """
    some = problem.batches(batch_size, random_state)[: -(-n_rows // batch_size)]
    U0 = problem.W0 / problem.unit
    seen = [problem.on_batch(U0, batch, random_state) for batch in some]
    loss = sum(evaluation.n_constraints * evaluation.loss for evaluation in seen)
    gradient = sum(evaluation.n_constraints * evaluation.gradient for evaluation in seen)
    return loss, gradient, sum(evaluation.n_constraints for evaluation in seen)


def ready(estimator, problem, sums):
    """The problem with its margins and the weight of its pull.

    Parameters
    ----------
    problem : Coordinates
    sums : callable
        ``sums(problem)``, as of :func:`sums_at_start`.
    """

    def measure(lengths):
        total, _, count = sums(lengths)
        return total / max(count, 1)

    problem = problem.with_open_margins(measure)
    _, slope, count = sums(problem)
    problem.pull = estimator.alpha * problem.steepness(slope / max(count, 1))
    return problem


def _at_start(estimator, problem, target, random_state):
    batch_size = batch_size_for(estimator, problem.X, target)
    seed = random_state.randint(2**31 - 1)

    def sums(problem):
        rng = check_random_state(seed)
        return sums_at_start(problem, batch_size, ROWS_FOR_PULL, rng)

    return ready(estimator, problem, sums)


def optimizer_for(estimator, solver):
    """The two functions of :mod:`skmetric._optimizers` for a stochastic solver."""
    if solver == "sgd":
        init, update, names = sgd_init, sgd_update, ["momentum"]
    else:
        init, update, names = adam_init, adam_update, ["beta_1", "beta_2", "epsilon"]
    # A scalar of numpy's would make float64 of a float32 map.
    return init, partial(
        update, **{name: float(getattr(estimator, name)) for name in names}
    )


def by_lbfgs(estimator, problem, target, start, random_state, monitor):
    """Find the map in rounds, each with constraints formed under the map before.

    Parameters
    ----------
    problem : Coordinates
        With ``all_rows``, ``choose`` and ``on_choice`` as ``Problem`` has them.

    Returns
    -------
    result : Result
    """
    monitor.follow("iteration", problem.components)
    X, U = problem.all_rows(), start / problem.unit
    seed, n_iter = random_state.randint(2**31 - 1), 0

    def choose(U):
        # Draws are the same in every round, so that only the map changes the choice.
        return problem.choose(U, X, check_random_state(seed))

    U0 = problem.W0 / problem.unit
    choice = choose(U0)

    def at_start(problem):
        evaluation = problem.share(U0, X, choice)
        return evaluation.loss, evaluation.gradient, 1

    problem = ready(estimator, problem, at_start)
    monitor.margins = problem.margins
    if not np.array_equal(U, U0):
        choice = choose(U)
    for rounds_left in reversed(range(ROUNDS)):
        result = minimize_lbfgs(
            partial(problem.on_choice, X=X, choice=choice),
            U,
            max_iter=estimator.max_iter or LBFGS_ITERATIONS,
            tol=estimator.tol,
            monitor=monitor,
        )
        U, n_iter = result.parameters, n_iter + result.n_iter
        if result.stopped or not rounds_left:
            break
        before, choice = choice, choose(U)
        if choice.same_as(before):
            break
    monitor.close()
    return result._replace(parameters=problem.components(U), n_iter=n_iter)


def _by_halves(estimator, problem, target, start, random_state, monitor):
    """Average the metrics learnt from random halves of the rows."""
    results, margins = [], []
    # Half of the neighbours among half of the rows are as near as all among all.
    constraints = estimator._constraints(len(problem.W0), thinned=2)
    problem = problem.with_constraints(constraints)
    for _ in range(n_subsamples_for(estimator, target)):
        half = problem.half(random_state)
        results.append(by_lbfgs(estimator, half, target, start, random_state, monitor))
        margins.append(monitor.margins)
        if results[-1].stopped:
            break
    monitor.margins = {
        name: float(np.median([m[name] for m in margins])) for name in margins[0]
    }
    maps, n_iters, converged, stopped = zip(*results, strict=True)
    W = mean_map(maps, problem.W0)
    return Result(W, sum(n_iters), all(converged), any(stopped))


def _by_epochs(estimator, problem, target, start, random_state, monitor):
    score = None
    if estimator.early_stopping:
        fraction = estimator.validation_fraction
        scoring = score_of_maps(estimator)
        problem, score_held = problem.hold_out(fraction, random_state, scoring)

        def score(U):
            monitor.scores.append(score_held(U))
            return monitor.scores[-1]

    monitor.follow("epoch", problem.components)
    problem = _at_start(estimator, problem, target, random_state)
    monitor.margins = problem.margins
    batch_size = batch_size_for(estimator, problem.X, target)
    init, update = optimizer_for(estimator, solver_for(estimator, problem.X, target))
    on_batch = partial(problem.on_batch, random_state=random_state)

    def epoch(U, state, rates):
        batches = problem.batches(batch_size, random_state)
        return run_epoch(on_batch, batches, U, state, update, rates)

    U = start / problem.unit
    result = minimize_stochastic(
        epoch,
        U,
        init(U),
        max_iter=n_epochs(estimator, problem.X, target),
        rate=estimator.learning_rate_init,
        tol=estimator.tol,
        patience=estimator.n_iter_no_change,
        monitor=monitor,
        score=score,
    )
    return result._replace(parameters=problem.components(result.parameters))
