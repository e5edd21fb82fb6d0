"""What a fit minimises: the objective by parameters that know its scale, with the pull."""

from copy import copy
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from ._batches import epoch, half, hold_out
from ._maps import map_rows, nearest_labels
from ._objective import choose, evaluate

# Of the rows held out so many are judged by their nearest neighbours among all others.
MAX_JUDGED = 2048


class Coordinates:
    """Coordinates relative to the map that a fit starts from, and the pull towards it.

    ``W = unit * U``, where `unit` follows from the size of W₀. Steps, tolerances and
    gradients in U then mean the same however X is scaled.

    A problem that has such coordinates says with ``share(U, X, choice)`` what its
    constraints cost; shares of several problems in the same coordinates add up.

    Parameters
    ----------
    W0 : ndarray of shape (k, d)
    by_entry : bool
        Measure U by the root mean square of the entries of W₀, for optimizers whose steps
        are by entry, rather than by its Frobenius norm.

    Attributes
    ----------
    pull : float
        Weight of the penalty ``pull / 2 * |W - W0|**2 / |W0|**2``, at first 0.
    """

    def __init__(self, W0, by_entry=False):
        self.W0, self.by_entry, self.pull = W0, by_entry, 0.0
        self.norm = float(np.linalg.norm(W0))
        self.unit = self.norm / (W0.size**0.5 if by_entry else 1)

    def components(self, U):
        """The map W of some parameters."""
        return self.unit * U

    def steepness(self, gradient):
        """Norm of a gradient by U if W is measured in units of the norm of W₀."""
        return float(np.linalg.norm(gradient)) * self.norm / self.unit

    def by_parameters(self, evaluation):
        """An evaluation with its gradient with respect to U in place of W."""
        gradient = evaluation.gradient
        gradient *= self.unit
        return evaluation._replace(gradient=gradient)

    def penalised(self, U, evaluation):
        """An evaluation by U with the pull."""
        away = self.components(U)
        away -= self.W0
        share = self.pull / self.norm**2
        loss = evaluation.loss + share / 2 * float(np.vdot(away, away))
        away *= self.unit * share
        gradient = evaluation.gradient
        gradient += away
        return evaluation._replace(loss=loss, gradient=gradient)

    def on_choice(self, U, X, choice):
        """Evaluation, with the pull, for constraints formed before."""
        return self.penalised(U, self.share(U, X, choice))

    def with_open_margins(self, measure):
        """The problem with margins that follow from the length of edges under W₀.

        Parameters
        ----------
        measure : callable
            ``measure(problem)`` is the loss at W₀ of a problem whose loss is that length.

        Returns
        -------
        problem : Coordinates
            Itself if its margins are given.
        """
        lengths = self.constraints.lengths()
        if lengths is None:
            return self
        length = measure(self.with_constraints(lengths))
        return self.with_constraints(self.constraints.in_units_of(length))

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


class WeightedRows(NamedTuple):
    """Rows, their labels, and their weights as anchors."""

    X: object
    y: np.ndarray
    weights: np.ndarray


class SomeRows:
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


class OnRows(Coordinates):
    """What problems have in common that hold their rows.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
    W0 : ndarray of shape (k, d)
    metric : str
    by_entry : bool
        See :class:`Coordinates`.
    """

    def __init__(self, X, W0, metric, by_entry=False):
        super().__init__(W0, by_entry)
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


class Problem(OnRows):
    """What a fit to labels minimises.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
    labels : Labels
    W0 : ndarray of shape (k, d)
    metric : str
    constraints : TripletConstraints or PairConstraints
    by_entry : bool
        See :class:`Coordinates`.
    """

    def __init__(self, X, labels, W0, metric, constraints, by_entry=False):
        super().__init__(X, W0, metric, by_entry)
        self.labels, self.constraints = labels, constraints

    def all_rows(self):
        """All distinct rows."""
        rows, weights = self.labels.merged(np.arange(len(self.labels)))
        whole = len(rows) == len(self.labels)
        X = self.rows(slice(None) if whole else rows)
        return WeightedRows(X, self.labels.codes[rows], weights)

    def choose(self, U, rows, random_state):
        """Form the constraints over all rows, given as ``all_rows()``."""
        W, (X, y, weights) = self.unit * U, rows
        return choose(W, X, y, self.metric, self.constraints, random_state, weights)

    def share(self, U, rows, choice):
        """Evaluation over all rows for constraints formed before, without the pull."""
        W, (X, y, weights) = self.unit * U, rows
        return self.by_parameters(
            evaluate(W, X, y, self.metric, self.constraints, choice=choice, weights=weights)
        )

    def batches(self, batch_size, random_state):
        """Class-balanced batches that together hold every row once."""
        return list(epoch(self.labels.codes, batch_size, random_state))

    def on_batch(self, U, batch, random_state):
        """Evaluation on the constraints within a batch."""
        rows, weights = self.labels.merged(batch)
        evaluation = evaluate(
            self.unit * U,
            self.rows(rows),
            self.labels.codes[rows],
            self.metric,
            self.constraints,
            random_state=random_state,
            weights=weights,
        )
        return self.penalised(U, self.by_parameters(evaluation))

    def half(self, random_state):
        """The problem of a random half of the rows of each class, of two at least."""
        distinct = self.labels.distinct
        rows = distinct[half(self.labels.codes[distinct], random_state)]
        return self._of(self.labels.copies_of(rows))

    def hold_out(self, fraction, random_state, scoring=None):
        """A problem without some of the rows, and the score of parameters on those.

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
            ``score(U)``, of `scoring`, or the share of rows whose nearest neighbour among
            the rows that are left is of their class, of `MAX_JUDGED` rows at most. A row
            is held out with all of its copies.
        """
        codes, distinct = self.labels.codes, self.labels.distinct
        kept, held = hold_out(codes[distinct], fraction, random_state)
        kept, held = self.labels.copies_of(distinct[kept]), distinct[held]
        problem = self._of(kept)
        if scoring is None and len(held) > MAX_JUDGED:
            held = random_state.permutation(held)[:MAX_JUDGED]

        def score(U):
            W = self.components(U)
            if scoring is not None:
                return scoring(W, self.X[held], codes[held])
            # In float32 rows far from 0 would lose the digits that tell them apart.
            E = map_rows(self.X[held].astype(np.float64, copy=False), W, self.metric)
            found = nearest_labels(E, problem.X, codes[kept], W, self.metric)
            return float((found == codes[held]).mean())

        return problem, score

    def _of(self, rows):
        part = copy(self)
        part.X, part.labels = SomeRows(self.X, rows), self.labels.take(rows)
        return part
