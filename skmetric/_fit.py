"""How a map is found: from an estimator's settings to a solver's result."""

from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, count, islice
from warnings import warn

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from ._objective._initialization import mean_squared_distance
from ._objective._maps import map_rows, mean_map
from ._objective._problem import Problem, is_centered
from ._objective._span import find_reduction
from ._objective._strength import STRONG_ALPHA
from ._solvers._minimize import Result, Step, minimize_lbfgs, minimize_stochastic, run_epoch
from ._solvers._optimizers import adam_init, adam_update, sgd_init, sgd_update
from ._validation import STOCHASTIC, changed_parameters, short
from .distances import paired_distances
from .mining._strategies import FEW_NEAREST, resolve_strategies

# Up to this many rows, and entries of X, "auto" takes L-BFGS, which sees all neighbours.
# Beyond, the stochastic solvers are faster.
AUTO_LBFGS_ROWS, AUTO_LBFGS_ENTRIES = 3000, 2**17
# The same where each anchor has few constraints: an iteration then takes O(n), not O(n²).
AUTO_FEW_ROWS, AUTO_FEW_ENTRIES = 20_000, 2**18
# Up to this many triplets or pairs, if they are given.
AUTO_LBFGS_TUPLES = 200_000
# Up to this many pairs of a query and a document, if matches are given.
AUTO_LBFGS_MATCHES = 2**21
# Up to this many entries of the map: L-BFGS keeps some 25 arrays of its size.
AUTO_LBFGS_MAP = 2**20
# At most this many rows, where chance matters, it takes the mean of this many maps.
AUTO_SUBSAMPLED_ROWS, SUBSAMPLES = 3000, 8
# How often L-BFGS forms constraints that follow the map, and its budget each time.
ROUNDS = 3
LBFGS_ITERATIONS = 200
# Rows in a batch: more where there are few features, as these cost less and neighbours in
# few dimensions matter more. So many entries of X at most, within bounds.
MIN_BATCH, MAX_BATCH, BATCH_ENTRIES = 256, 1024, 2**16
# The budget of the stochastic solvers in updates: what there is to learn does not grow with
# the rows. A fit goes on to the last while it gains. One that starts from a map that knows
# the classes has less to learn: some epochs, within bounds. This many updates are an
# iteration.
MIN_UPDATES, MAX_UPDATES = 300, 1200
EPOCHS_FROM_CLASSES, UPDATES_FROM_CLASSES = 5, (100, 200)
UPDATES_PER_ITERATION = 20
# The budget over partitions, which average maps once per epoch: at least this many epochs
# and updates.
PARTITIONED_EPOCHS, PARTITIONED_UPDATES = 15, 200
# What "auto" stands for. Of the documents that answer a query, only the nearest need to be
# near. New queries gain nothing from the last iterations. Of documents that nobody matched
# a log says nothing, and they should stay.
AUTO_FOR_OTHERS = {
    "loss": "hinge",
    "negatives": "nearest",
    "n_neighbors": 4,
    "tol": 1e-4,
}
AUTO_FOR_MATCHES = {
    "n_neighbors": 2,
    "tol": 1e-3,
    "alpha": STRONG_ALPHA,
}
# About this many rows or constraints give the gradient at W₀ to stochastic solvers.
ROWS_FOR_PENALTY = 1024


@dataclass(frozen=True)
class Settings:
    """What a fit goes by, found once from the parameters and the data.

    Parameters
    ----------
    parameters : BaseMetricLearner
        A copy of the estimator with checked parameters, from ``check_parameters``.
    solver : {"lbfgs", "adam", "sgd"}
        What ``"auto"`` stands for, if that was given.
    batch_size : int
        Rows or given constraints in a mini-batch.
    n_batches : int
        Updates in an epoch.
    n_subsamples : int
        How many maps L-BFGS takes the mean of.
    min_updates : int
        What a stochastic solver makes at least, if no number of epochs is given.
    """

    parameters: object
    solver: str
    batch_size: int
    n_batches: int
    n_subsamples: int
    min_updates: int

    @property
    def n_tasks(self):
        """How many iterations callbacks may expect; None where nobody knows."""
        return None if self.solver == "lbfgs" else self.parameters.max_iter

    @property
    def n_epochs_over_partitions(self):
        """The budget of a stochastic solver over partitions."""
        least = max(PARTITIONED_EPOCHS, -(-PARTITIONED_UPDATES // self.n_batches))
        return self.parameters.max_iter or least

    def scale_of(self, problem):
        """The unit of the solver's steps: Adam's are by entry."""
        return problem.root_mean_square if self.solver == "adam" else problem.norm


def resolve_auto(parameters, of_matches):
    """Set the parameters that are ``"auto"`` because matches suit others than labels do.

    Parameters
    ----------
    parameters : BaseMetricLearner
        See :class:`Settings`; changed in place.
    of_matches : bool

    Returns
    -------
    parameters : BaseMetricLearner
    """
    resolved = AUTO_FOR_OTHERS
    if of_matches:
        loss, negatives = parameters._family.auto_for_matches
        resolved = AUTO_FOR_MATCHES | {"loss": loss, "negatives": negatives}
    for name, value in resolved.items():
        given = getattr(parameters, name)
        if isinstance(given, str) and given == "auto":
            setattr(parameters, name, value)
    return parameters


def resolve_settings(parameters, X, target, from_classes=False):
    """Settings of a fit.

    Parameters
    ----------
    parameters : BaseMetricLearner
        See :class:`Settings`.
    X : ndarray or CSR of shape (n, d)
    target : Labels, Triplets or Pairs
    from_classes : bool, default=False
        Whether it starts from the discriminant map.

    Returns
    -------
    settings : Settings
    """
    batch_size = parameters.batch_size
    if batch_size is None:
        most = MAX_BATCH if target.mined else MIN_BATCH
        batch_size = min(most, max(MIN_BATCH, BATCH_ENTRIES // X.shape[1]))
    n_batches = max(1, round(len(target) / batch_size))
    n_subsamples = 1
    if target.labeled:
        few = target.n_distinct <= AUTO_SUBSAMPLED_ROWS
        n_subsamples = parameters.n_subsamples or (SUBSAMPLES if few else 1)
    solver = _solver_for(parameters, X, target)
    min_updates = MIN_UPDATES
    if from_classes:
        min_updates = int(np.clip(EPOCHS_FROM_CLASSES * n_batches, *UPDATES_FROM_CLASSES))
    return Settings(parameters, solver, batch_size, n_batches, n_subsamples, min_updates)


def _solver_for(parameters, X, target):
    if parameters.solver != "auto":
        return parameters.solver
    if changed_parameters(parameters).intersection(STOCHASTIC):
        return "adam"
    # A fit to fewer rows than features is one in as many dimensions as rows.
    d = min(X.shape)
    if not target.mined:
        few = len(target) <= AUTO_LBFGS_TUPLES and d**2 <= AUTO_LBFGS_MAP
        return "lbfgs" if few else "adam"
    if not target.labeled:
        few = target.n_pairs <= AUTO_LBFGS_MATCHES and d**2 <= AUTO_LBFGS_MAP
        return "lbfgs" if few else "adam"
    rows, entries = AUTO_LBFGS_ROWS, AUTO_LBFGS_ENTRIES
    few = max(parameters.n_neighbors, parameters.n_impostors) <= FEW_NEAREST
    if few and parameters.negatives == "nearest" and parameters.positives != "all":
        rows, entries = AUTO_FEW_ROWS, AUTO_FEW_ENTRIES
    return "lbfgs" if target.n_distinct <= min(rows, entries // d) else "adam"


def settings_for_chunk(parameters, X, target):
    """The same where a chunk comes at a time: ``"auto"`` is Adam."""
    settings = resolve_settings(parameters, X, target)
    solver = "adam" if parameters.solver == "auto" else parameters.solver
    return replace(settings, solver=solver)


def fit_map(settings, X, target, W0, start, random_state, history):
    """Find the map for a whole data set.

    Parameters
    ----------
    settings : Settings
    X : ndarray or CSR of shape (n, d)
    target : Labels, Matches, Triplets or Pairs
        What to learn from: labels, matches, or given constraints.
    W0, start : ndarray of shape (k, d)
        Where the penalty is 0, and where to start.
    random_state : RandomState
    history : History

    Returns
    -------
    result : Result
        Its parameters are the map.
    """
    centered = target.side == "both" and is_centered(X, settings.parameters.metric)
    reduction = find_reduction(X, W0, start, centered, target.side)
    if reduction is not None:
        rest = X, target, start, random_state, history
        return _fit_reduced(reduction, settings, *rest)
    problem = _problem(settings, X, target, W0)
    return _fit_problem(settings, problem, start, random_state, history)


def _fit_reduced(reduction, settings, X, target, start, random_state, history):
    """The same in the span of the rows."""
    B0 = reduction.reduce(reduction.W0)
    B = B0 if start is reduction.W0 else reduction.reduce(start)
    # The span of the queries is a part of that of all rows.
    part = B0 if target.side == "both" else None
    problem = _problem(settings, X @ reduction.rows, target, B0, part=part)
    problem.given_rows, problem.expand = X, partial(reduction.expand, B0=B0)
    history.expand = problem.expand
    result = _fit_problem(settings, problem, B, random_state, history)
    return result._replace(parameters=problem.expand(result.parameters))


def _fit_problem(settings, problem, start, random_state, history):
    if settings.solver != "lbfgs":
        return fit_by_epochs(settings, problem, start, random_state, history)
    if settings.n_subsamples > 1:
        return fit_subsamples(settings, problem, start, random_state, history)
    return fit_lbfgs(settings, problem, start, random_state, history)


def fit_chunk(settings, X, target, W0, W, random_state, state):
    """Go once over a chunk of rows or constraints, from the map there is.

    Parameters
    ----------
    settings, X, target, random_state
        As for :func:`fit_map`.
    W0, W : ndarray of shape (k, d)
        Where the penalty is 0, and the map there is.
    state : tuple or None
        From the chunk before.

    Returns
    -------
    step : Step
        Its parameters are the map.
    margins : dict
        The margins that are used, by name.
    state : tuple
        `alpha`, the penalty, the margins, and the optimizer's state, plain tuples and
        numbers: they are kept on the estimator, and a reader of a saved one must not need
        to trust more classes for them.
    """
    # Steps must not depend on what a chunk spans.
    problem = _problem(settings, X, target, W0, part=W0)
    init, update = optimizer_for(settings)
    # A loss with a margin after one without starts anew: the penalty was for the other.
    if state is None or state[2].keys() != problem.margins.keys():
        problem = _calibrate_on_batches(settings, problem, random_state)
        state = settings.parameters.alpha, problem.penalty, problem.margins, init(W)
    alpha, penalty, margins, state = state
    problem = problem.with_margins(margins)
    problem.penalty = penalty
    rate = settings.parameters.learning_rate_init
    W, state, loss, active = run_epoch(
        partial(problem.batch_objective, random_state=random_state),
        problem.batches(settings.batch_size, random_state),
        W,
        state,
        update,
        (rate, rate),
        settings.scale_of(problem),
    )
    return Step(W, loss, active), margins, (alpha, penalty, margins, tuple(state))


def check_options(settings, target):
    """Refuse or warn of parameters that were set but have no effect.

    Parameters
    ----------
    settings : Settings
    target : Labels, Triplets or Pairs

    Raises
    ------
    ValueError
        If early stopping or a scorer is asked of ``"lbfgs"``, or a scorer without labels.
    """
    estimator, solver = settings.parameters, settings.solver
    changed = changed_parameters(estimator)
    if solver == "lbfgs":
        for name in ("early_stopping", "scoring"):
            if name in changed:
                raise ValueError(
                    f"Got {name}={short(getattr(estimator, name))} with solver='lbfgs', "
                    "which has no epochs to judge. Use solver='auto', 'adam' or 'sgd'."
                )
    if estimator.early_stopping and estimator.scoring is not None and not target.labeled:
        raise ValueError(
            "Got scoring with matches or given constraints, but expected None: a scorer "
            "needs labels. None judges by the matches or constraints held out."
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
    if estimator.loss == "softmax":
        unused = {"margin": "the other losses"}
    else:
        unused = {"temperature": "loss='softmax'"}
    if solver == "lbfgs":
        unused.update(dict.fromkeys(STOCHASTIC, "solver='adam' or 'sgd'"))
    elif not estimator.early_stopping:
        unused["scoring"] = "early_stopping=True"
    if (estimator.n_subsamples or 1) > 1 and (solver != "lbfgs" or not target.labeled):
        unused["n_subsamples"] = "solver='lbfgs' with labels in memory"
    if not target.weighs_classes:
        unused["class_weight"] = "labels of classes"
    if solver == "adam":
        unused["momentum"] = "solver='sgd'"
    if solver == "sgd":
        unused.update(dict.fromkeys(("beta_1", "beta_2", "epsilon"), "solver='adam'"))
    return unused


def warn_about_fit(estimator, sample, target, converged, from_classes=False):
    """Warn of a budget that ended first, a collapsed map, and nothing to learn from.

    A start that knows the classes may satisfy all constraints and still be worth having.
    """
    name, scale = type(estimator).__name__, _scale_of_loss(estimator)
    # Given constraints are what they are.
    harder = " or choose harder constraints, for example positives='hard' or 'all'"
    easier = " or choose easier constraints, for example negatives='semihard' or 'all'"
    if not target.mined:
        harder, easier = " or give harder constraints", " or give easier constraints"
    if not converged:
        by_rounds = estimator.solver_ == "lbfgs"
        unit = "iterations" if estimator.max_iter is None else "epochs"
        if by_rounds:
            unit = "iterations, all rounds together"
        longer = "Increase max_iter"
        if estimator.max_iter is None:
            counted = "iterations of a round" if by_rounds else "epochs"
            longer = f"Set max_iter, a number of {counted}, to go beyond the default budget"
        warn(
            f"{name} with solver={estimator.solver_!r} did not converge in "
            f"{estimator.n_iter_} {unit}. {longer}, or scale the features, for example "
            "with StandardScaler.",
            ConvergenceWarning,
            stacklevel=6,
        )
    look_alike = _look_alike(estimator, sample)
    if look_alike:
        warn(
            f"{name} learnt next to nothing: most distances between rows are tiny against "
            f"their mean and {scale[0]}={scale[1]:.4g}, and "
            f"{estimator.active_fraction_:.0%} of the constraints are active, whatever the "
            "map. Most likely a few rows or features are far from the others: drop them, "
            "or scale the features, for example with RobustScaler.",
            UserWarning,
            stacklevel=6,
        )
    elif not (any(estimator.active_fraction_curve_) or from_classes) and _unmoved(
        estimator
    ):
        warn(
            f"{name} found no active constraint: all of them are satisfied by the "
            f"{scale[0]} already, and the map is the initial one. Raise the {scale[0]},"
            f"{harder}. Got {_setting(estimator, target)}.",
            UserWarning,
            stacklevel=6,
        )
    if _collapsed(estimator, sample) and not look_alike:
        warn(
            f"{name} collapsed: distances between rows have become small against the "
            f"{scale[0]}, so that the loss sits at the {scale[0]}. Raise alpha,"
            f"{easier}. Got {_setting(estimator, target)}.",
            UserWarning,
            stacklevel=6,
        )


def _scale_of_loss(estimator):
    """What the loss compares distances with, margin or temperature: name and value."""
    if estimator.margin_ is None:
        return "temperature", estimator.temperature
    return "margin", estimator.margin_


def _setting(estimator, target):
    """What matters most for a warning, as given: a grid has the same text for all folds."""
    names = [_scale_of_loss(estimator)[0], "alpha"]
    names += ["positives", "negatives"] if target.mined else []
    return ", ".join(f"{name}={short(getattr(estimator, name))}" for name in names)


def _unmoved(estimator):
    W0 = estimator.initial_components_
    return np.linalg.norm(estimator.components_ - W0) <= 1e-4 * np.linalg.norm(W0)


def _look_alike(estimator, sample):
    """Whether all is active, as half of the distances are tiny against their mean, 1."""
    E = map_rows(sample, estimator.initial_components_, estimator.metric)
    others = np.random.RandomState(0).permutation(len(E))
    distances = paired_distances(E, E[others], estimator.metric)
    tiny = 1e-3 * min(_scale_of_loss(estimator)[1], 1.0)
    return estimator.active_fraction_ > 0.9 and np.median(distances) < tiny


def _collapsed(estimator, sample):
    """Whether the mean distance fell to a tenth of the margin, and of what it was."""
    now, before = (
        _mean_distance(map_rows(sample, W, estimator.metric), estimator.metric)
        for W in (estimator.components_, estimator.initial_components_)
    )
    return now < 0.1 * min(_scale_of_loss(estimator)[1], before)


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


def constraints_for(parameters, n_components, *, mined=True, divisor=1):
    """The constraints of a learner, triplets or pairs.

    Parameters
    ----------
    parameters : BaseMetricLearner
        Whose `_family` is their class.
    n_components : int
        Dimension of the learnt space.
    mined : bool, default=True
        Given constraints need no strategies.
    divisor : int, default=1
        Of `n_neighbors` and `n_impostors`: 2 for half of the rows.

    Returns
    -------
    constraints : TripletConstraints, SoftmaxConstraints or PairConstraints
    """
    family, strategies = parameters._family, (None, None)
    if mined:
        strategies = resolve_strategies(
            parameters.positives,
            parameters.negatives,
            n_neighbors=-(-parameters.n_neighbors // divisor),
            n_impostors=-(-parameters.n_impostors // divisor),
            metric=parameters.metric,
            n_components=n_components,
            pairs=not family.by_positive,
        )
    return family.of(parameters, strategies)


def _problem(settings, X, target, W0, part=None):
    parameters = settings.parameters
    constraints = constraints_for(parameters, len(W0), mined=target.mined)
    return Problem(X, target, W0, parameters.metric, constraints, part)


def sums_at_start(problem, batch_size, n_rows, random_state):
    """Sums over the constraints of some batches at W₀.

    Of batches with about `n_rows` rows together.

    Returns
    -------
    loss : float
    gradient : ndarray
    n_constraints : float
    """
    some = problem.batches(batch_size, random_state)[: -(-n_rows // batch_size)]
    seen = [problem.batch_objective(problem.W0, batch, random_state) for batch in some]
    loss = sum(evaluation.n_constraints * evaluation.loss for evaluation in seen)
    gradient = sum(evaluation.n_constraints * evaluation.gradient for evaluation in seen)
    return loss, gradient, sum(evaluation.n_constraints for evaluation in seen)


def calibrate(alpha, problem, sums):
    """The problem with its margins and the weight of its penalty.

    Parameters
    ----------
    alpha : float
    problem : BaseProblem
    sums : callable
        ``sums(problem)``, as of :func:`sums_at_start`.
    """

    def mean_loss(problem):
        total, _, count = sums(problem)
        return total / max(count, 1)

    problem = problem.with_scaled_margins(mean_loss)
    _, gradient, count = sums(problem)
    steepness = float(np.linalg.norm(gradient)) / max(count, 1)
    problem.penalty = alpha * problem.norm * steepness
    return problem


def _calibrate_on_batches(settings, problem, random_state):
    seed = random_state.randint(2**31 - 1)

    def sums(problem):
        rng = check_random_state(seed)
        return sums_at_start(problem, settings.batch_size, ROWS_FOR_PENALTY, rng)

    return calibrate(settings.parameters.alpha, problem, sums)


def optimizer_for(settings):
    """The two functions of :mod:`skmetric._solvers._optimizers` for a stochastic solver."""
    if settings.solver == "sgd":
        init, update, names = sgd_init, sgd_update, ["momentum"]
    else:
        init, update, names = adam_init, adam_update, ["beta_1", "beta_2", "epsilon"]
    return init, partial(
        update, **{name: getattr(settings.parameters, name) for name in names}
    )


def fit_lbfgs(settings, problem, start, random_state, history):
    """Find the map in rounds, each with constraints formed under the map before.

    Parameters
    ----------
    settings : Settings
    problem : BaseProblem
        With ``related_rows``, ``mine`` and ``objective`` as ``Problem`` has them.
    start : ndarray of shape (k, d)
    random_state : RandomState
    history : History

    Returns
    -------
    result : Result
    """
    parameters = settings.parameters
    history.follow("iteration")
    rows, W = problem.related_rows(), start
    seed, n_iter = random_state.randint(2**31 - 1), 0

    def mine(W):
        # Draws are the same in every round: what is mined changes with the map only.
        return problem.mine(W, rows, check_random_state(seed))

    mined = mine(problem.W0)

    def sums(problem):
        evaluation = problem.value_and_grad(problem.W0, rows, mined)
        return evaluation.loss, evaluation.gradient, 1

    problem = calibrate(parameters.alpha, problem, sums)
    problem = problem.with_constraints(problem.constraints.smoothed())
    history.margins = problem.margins
    if not np.array_equal(W, problem.W0):
        mined = mine(W)
    for rounds_left in reversed(range(ROUNDS)):
        result = minimize_lbfgs(
            partial(problem.objective, rows=rows, mined=mined),
            W,
            max_iter=parameters.max_iter or LBFGS_ITERATIONS,
            tol=parameters.tol,
            history=history,
            scale=settings.scale_of(problem),
        )
        W, n_iter = result.parameters, n_iter + result.n_iter
        if result.stopped or not rounds_left:
            break
        before, mined = mined, mine(W)
        if mined.equals(before):
            break
    history.close()
    return result._replace(n_iter=n_iter)


def fit_subsamples(settings, problem, start, random_state, history):
    """Average the metrics learnt from random halves of the rows."""
    results, margins = [], []
    # Half of the neighbors among half of the rows are as near as all among all.
    constraints = constraints_for(settings.parameters, len(problem.W0), divisor=2)
    problem = problem.with_constraints(constraints)
    for _ in range(settings.n_subsamples):
        half = problem.half(random_state)
        results.append(fit_lbfgs(settings, half, start, random_state, history))
        margins.append(history.margins)
        if results[-1].stopped:
            break
    history.margins = {
        name: float(np.median([m[name] for m in margins])) for name in margins[0]
    }
    maps, n_iters, converged, stopped = zip(*results, strict=True)
    W = mean_map(maps, problem.W0)
    return Result(W, sum(n_iters), all(converged), any(stopped))


def fit_by_epochs(settings, problem, start, random_state, history):
    """Find the map by a stochastic solver."""
    parameters, score = settings.parameters, None
    if parameters.early_stopping:
        problem, score_held = problem.hold_out(
            parameters.validation_fraction, random_state, score_of_maps(parameters)
        )

        def score(W):
            history.scores.append(score_held(W))
            return history.scores[-1]

    history.follow("iteration" if parameters.max_iter is None else "epoch")
    problem = _calibrate_on_batches(settings, problem, random_state)
    history.margins = problem.margins
    init, update = optimizer_for(settings)
    function = partial(problem.batch_objective, random_state=random_state)
    scale = settings.scale_of(problem)
    draw, min_iter, max_iter = _budget(settings, problem, random_state)

    def epoch(W, state, rates):
        return run_epoch(function, draw(), W, state, update, rates, scale)

    return minimize_stochastic(
        epoch,
        start,
        init(start),
        min_iter=min_iter,
        max_iter=max_iter,
        rate=parameters.learning_rate_init,
        tol=parameters.tol,
        patience=parameters.n_iter_no_change,
        history=history,
        score=score,
    )


def _budget(settings, problem, random_state):
    """The batches of each iteration of a stochastic solver, and how many iterations.

    With `max_iter` an iteration is an epoch. Without, it is `UPDATES_PER_ITERATION`
    updates, and a pass goes over as many rows or constraints as `min_updates` take, or
    over all. Each pass draws its own, of which the first is seen in full.

    Returns
    -------
    draw : callable
        ``draw()`` gives the batches of the next iteration.
    min_iter : int or None
    max_iter : int
    """
    n_epochs = settings.parameters.max_iter
    share = 1.0
    if n_epochs is None:
        share = min(1.0, settings.min_updates * settings.batch_size / len(problem.target))
    draw_pass = partial(problem.batches, settings.batch_size, random_state, share)
    if n_epochs is not None:
        return draw_pass, None, n_epochs
    first = draw_pass()
    later = (batch for _ in count() for batch in draw_pass())
    batches, size = chain(first, later), UPDATES_PER_ITERATION
    least = max(settings.min_updates, len(first))
    most = max(MAX_UPDATES, len(first))
    min_iter, max_iter = -(-least // size), -(-most // size)
    return lambda: list(islice(batches, size)), min_iter, max_iter
