"""What a fit minimizes: the loss of constraints, and the penalty."""

from copy import copy
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import gen_batches

from ._evaluate import evaluate, mine
from ._span import restrict_to_span

# Rows of W₀ are 0 on the span if they are shorter than this share of its norm.
SMALL = 1e-7
# How many given constraints are measured at a time.
PART = 2**15


class BaseProblem:
    """What a fit minimizes: the loss of some constraints, and a penalty.

    A subclass has the attributes `constraints` and `metric`, and a method
    ``value_and_grad(W, rows, mined)``, the loss without the penalty.

    Parameters
    ----------
    W0 : ndarray of shape (k, d)
    part : ndarray of shape (k, r)
        W₀ on the span of the rows, see :mod:`skmetric._objective._span`. Its norm is what
        |W₀| stands for.

    Attributes
    ----------
    penalty : float
        Weight of ``penalty / 2 * |W - W0|**2 / |W0|**2``, at first 0.
    norm : float
        |W₀|.
    root_mean_square : float
        Of the entries of W₀, but for rows that are 0 on the span.
    """

    def __init__(self, W0, part):
        self.W0, self.penalty = W0, 0.0
        lengths = np.linalg.norm(part.astype(np.float64), axis=1)
        self.norm = float(np.linalg.norm(lengths))
        n_rows = int(np.count_nonzero(lengths > SMALL * self.norm))
        self.root_mean_square = self.norm / (n_rows * part.shape[1]) ** 0.5

    def penalized(self, W, evaluation):
        """An evaluation at W with the penalty; its gradient is changed in place."""
        away = W - self.W0
        weight = self.penalty / self.norm**2
        loss = evaluation.loss + weight / 2 * float(np.vdot(away, away))
        away *= weight
        gradient = evaluation.gradient
        gradient += away
        return evaluation._replace(loss=loss, gradient=gradient)

    def objective(self, W, rows, mined):
        """Evaluation, with the penalty, for constraints formed before."""
        return self.penalized(W, self.value_and_grad(W, rows, mined))

    def with_scaled_margins(self, measure):
        """The problem with margins that follow from the mean distance of pairs under W₀.

        Parameters
        ----------
        measure : callable
            ``measure(problem)`` is the loss at W₀ of a problem whose loss is that distance.

        Returns
        -------
        problem : BaseProblem
            Itself if its margins are given.
        """
        distances = self.constraints.mean_distances()
        if distances is None:
            return self
        mean = measure(self.with_constraints(distances))
        return self.with_constraints(self.constraints.with_mean_distance(mean))

    @property
    def margins(self):
        """The margins of its constraints, by name."""
        return self.constraints.margins

    def with_margins(self, margins):
        """The problem with other margins, given by name."""
        return self.with_constraints(replace(self.constraints, **margins))

    def with_constraints(self, constraints):
        """The problem for others."""
        problem = copy(self)
        problem.constraints = constraints
        return problem


def is_centered(X, metric):
    """Whether rows are centered, which changes no distance if all of them are mapped."""
    return metric != "cosine" and not issparse(X)


class RelatedRows(NamedTuple):
    """Rows, and which of them, or of a table of candidates, belong together."""

    X: object
    relation: object
    candidates: object = None


class Problem(BaseProblem):
    """What a fit minimizes to rows in memory.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
    target : Labels, Matches, Triplets or Pairs
        See :mod:`skmetric._objective._supervision`.
    W0 : ndarray of shape (k, d)
    metric : str
    constraints : TripletConstraints or PairConstraints
    part : ndarray of shape (k, r), default=None
        Of W₀, see :class:`BaseProblem`; None finds that for X.
    """

    def __init__(self, X, target, W0, metric, constraints, part=None):
        centered = target.side == "both" and is_centered(X, metric)
        if part is None:
            part = restrict_to_span(W0, X[target.mapped_rows], centered)
        super().__init__(W0, part)
        self.X, self.target, self.metric = X, target, metric
        self.constraints = constraints
        # Distances do not depend on where 0 is, but in float32 their digits do.
        self.center = X.mean(axis=0) if centered else None
        # Another problem may stand for one in more dimensions.
        self.given_rows, self.expand = X, lambda W: W

    def related_rows(self, batch=None):
        """The rows of a batch, or all; centered where that is of use."""
        rows, relation, *others = self.target.relate(batch)
        tables = [self.X[at] for at in (rows, *others)]
        if self.center is not None:
            tables = [X - self.center for X in tables]
        return RelatedRows(tables[0], relation, *tables[1:])

    def mine(self, W, rows, random_state):
        """Form the constraints among rows, given as ``related_rows()``."""
        return mine(
            W,
            rows.X,
            rows.relation,
            self.metric,
            self.constraints,
            random_state,
            rows.candidates,
            self.target.side,
        )

    def value_and_grad(self, W, rows, mined):
        """Evaluation for constraints formed before, without the penalty."""
        return self._evaluate(W, rows, mined=mined)

    def _evaluate(self, W, rows, **options):
        return evaluate(
            W,
            rows.X,
            rows.relation,
            self.metric,
            self.constraints,
            candidates=rows.candidates,
            side=self.target.side,
            **options,
        )

    def batches(self, batch_size, random_state, share=1.0):
        """Batches that hold every row, or given constraint, once, or a share of them."""
        return self.target.batches(batch_size, random_state, share)

    def batch_objective(self, W, batch, random_state):
        """Evaluation, with the penalty, on the constraints within a batch."""
        rows = self.related_rows(batch)
        evaluation = self._evaluate(W, rows, random_state=random_state)
        return self.penalized(W, evaluation)

    def with_scaled_margins(self, measure):
        """As for the base class; given constraints are measured all, which takes O(m)."""
        if self.target.mined:
            return super().with_scaled_margins(measure)

        def mean_distance(problem):
            n, total = len(self.target), 0.0
            for part in gen_batches(n, PART):
                rows = self.related_rows(np.arange(n)[part])
                evaluation = problem.value_and_grad(self.W0, rows, rows.relation)
                total += evaluation.n_constraints * evaluation.loss
            return total / n

        return super().with_scaled_margins(mean_distance)

    def half(self, random_state):
        """The problem of a random half of the rows of each class, at least two."""
        return self._with_target(self.target.half(random_state))

    def hold_out(self, fraction, random_state, scoring=None):
        """A problem without some of the rows or constraints, and a score on those.

        Parameters
        ----------
        fraction : float
        random_state : RandomState
        scoring : callable, default=None
            ``scoring(W, X, y)`` of a map, and of labeled rows that are held out, both as
            they were given.

        Returns
        -------
        problem : Problem
        score : callable
            ``score(W)``, of `scoring` or of the target's ``judge``; larger is better.
        """
        kept, held = self.target.hold_out(fraction, random_state)
        problem = self._with_target(kept)
        if scoring is None:
            return problem, held.judge(kept, self.X, self.metric, random_state)

        def score(W):
            return scoring(self.expand(W), self.given_rows[held.rows], held.y)

        return problem, score

    def _with_target(self, target):
        problem = copy(self)
        problem.target = target
        return problem
