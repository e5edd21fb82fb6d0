"""What a fit to labels minimizes: the loss of mined constraints, and the penalty."""

from copy import copy
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from .._relations import LabelRelation
from ..mining._sampler import epoch, half, hold_out
from ._evaluate import evaluate, mine
from ._maps import map_rows, nearest_labels

# At most this many held-out rows are judged by their nearest neighbors.
MAX_JUDGED = 2048


class BaseProblem:
    """What a fit minimizes: the loss of some constraints, and a penalty.

    A subclass has the attributes `constraints` and `metric`, and a method
    ``value_and_grad(W, rows, mined)``, the loss without the penalty.

    Parameters
    ----------
    W0 : ndarray of shape (k, d)

    Attributes
    ----------
    penalty : float
        Weight of ``penalty / 2 * |W - W0|**2 / |W0|**2``, at first 0.
    """

    def __init__(self, W0):
        self.W0, self.penalty = W0, 0.0
        self.norm = float(np.linalg.norm(W0))

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


class RelatedRows(NamedTuple):
    """Rows, and which of them belong together."""

    X: object
    relation: object


class RowSubset:
    """Rows of X that are copied only as far as they are asked for.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
    names : ndarray of int of shape (m,)
        Which rows.
    """

    def __init__(self, X, names):
        self.X, self.names, self.shape = X, names, (len(names), X.shape[1])

    def __getitem__(self, rows):
        return self.X[self.names[rows]]


class InMemoryProblem(BaseProblem):
    """What problems have in common that hold their rows.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
    W0 : ndarray of shape (k, d)
    metric : str
    """

    def __init__(self, X, W0, metric):
        super().__init__(W0)
        self.X, self.metric = X, metric
        # Distances do not depend on where 0 is, but in float32 their digits do.
        self.centre = None if metric == "cosine" or issparse(X) else X.mean(axis=0)

    def rows(self, batch=slice(None)):
        """Some rows of X, centred where that is of use."""
        X = self.X[batch]
        return X if self.centre is None else X - self.centre

    def all_rows(self):
        """The rows that evaluation takes if it is not on a batch."""
        return self.rows()


class Problem(InMemoryProblem):
    """What a fit to labels minimizes.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
    labels : Labels
    W0 : ndarray of shape (k, d)
    metric : str
    constraints : TripletConstraints or PairConstraints
    """

    def __init__(self, X, labels, W0, metric, constraints):
        super().__init__(X, W0, metric)
        self.labels, self.constraints = labels, constraints

    def all_rows(self):
        """All distinct rows."""
        rows, weights = self.labels.merged(np.arange(len(self.labels)))
        whole = len(rows) == len(self.labels)
        X = self.rows(slice(None) if whole else rows)
        return RelatedRows(X, LabelRelation(self.labels.codes[rows], weights))

    def mine(self, W, rows, random_state):
        """Form the constraints over all rows, given as ``all_rows()``."""
        return mine(W, *rows, self.metric, self.constraints, random_state)

    def value_and_grad(self, W, rows, mined):
        """Evaluation over all rows for constraints formed before, without the penalty."""
        return evaluate(W, *rows, self.metric, self.constraints, mined=mined)

    def batches(self, batch_size, random_state):
        """Stratified batches that together hold every row once."""
        return list(epoch(self.labels.codes, batch_size, random_state))

    def batch_objective(self, W, batch, random_state):
        """Evaluation, with the penalty, on the constraints within a batch."""
        rows, weights = self.labels.merged(batch)
        evaluation = evaluate(
            W,
            self.rows(rows),
            LabelRelation(self.labels.codes[rows], weights),
            self.metric,
            self.constraints,
            random_state=random_state,
        )
        return self.penalized(W, evaluation)

    def half(self, random_state):
        """The problem of a random half of the rows of each class, of two at least."""
        distinct = self.labels.distinct
        rows = distinct[half(self.labels.codes[distinct], random_state)]
        return self._of(self.labels.copies_of(rows))

    def hold_out(self, fraction, random_state, scoring=None):
        """A problem without some of the rows, and the score of a map on those.

        Parameters
        ----------
        fraction : float
        random_state : RandomState
        scoring : callable, default=None
            ``scoring(W, X, y)`` of a map and the rows held out.

        Returns
        -------
        problem : Problem
        score : callable
            ``score(W)``, of `scoring`, or the share of rows whose nearest neighbour among
            the rows that are left is of their class, of `MAX_JUDGED` rows at most. A row
            is held out with all of its copies.
        """
        codes, distinct = self.labels.codes, self.labels.distinct
        kept, held = hold_out(codes[distinct], fraction, random_state)
        kept, held = self.labels.copies_of(distinct[kept]), distinct[held]
        problem = self._of(kept)
        if scoring is None and len(held) > MAX_JUDGED:
            held = random_state.permutation(held)[:MAX_JUDGED]

        def score(W):
            if scoring is not None:
                return scoring(W, self.X[held], codes[held])
            # In float32 rows far from 0 would lose the digits that tell them apart.
            E = map_rows(self.X[held].astype(np.float64, copy=False), W, self.metric)
            found = nearest_labels(E, problem.X, codes[kept], W, self.metric)
            return float((found == codes[held]).mean())

        return problem, score

    def _of(self, rows):
        part = copy(self)
        part.X, part.labels = RowSubset(self.X, rows), self.labels.take(rows)
        return part
