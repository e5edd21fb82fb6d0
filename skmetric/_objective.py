"""From a map and rows to a loss and a gradient: the chain rule, in blocks.

The constraints are given as an object (see ``TripletConstraints`` and
``PairConstraints``):

``select(D, y, rows, random_state) -> selection``
    The constraints whose anchors are the given rows.
``count(selection, y, rows) -> ndarray``
    How many they are, one number for each mean that the loss consists of.
``sides(selection) -> ((anchors, positives), (anchors, negatives)) or None``
    Their edges, if each anchor has a set of negatives that are not all.
``share(D, y, rows, selection, totals) -> (loss, G, n_active)``
    What they contribute to the loss, given the totals of the counts over all blocks, and
    its gradient with respect to `D`.
``share_of_edges(near, far, totals) -> (loss, to_near, to_far, n_active)``
    The same from the distances of edges alone, see :mod:`skmetric._neighbourhoods`.
``margins``
    By name.
``lengths() -> constraints or None``
    The same constraints, whose loss is the mean length of their edges, if margins are to
    follow from that.
``in_units_of(length) -> constraints``
    The same with such margins.

Shares add up: the same functions serve a block, a mini-batch and a whole data set. X enters
in two products only, ``X @ W.T`` and ``dZ.T @ X``, so sparse X stays sparse.
"""

from copy import copy, deepcopy
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.utils import gen_batches

from ._batches import epoch, half, hold_out
from ._neighbourhoods import Neighbourhoods, evaluate_edges, neighbourhoods
from ._strategies import all_rows, row_blocks
from .distances import (
    block_distances,
    block_pullback,
    embed,
    embed_pullback,
    gram_factors,
    slope_by_square,
)

# Of the rows held out so many are judged by their nearest neighbours among all others.
MAX_JUDGED = 2048


def map_rows(X, W, metric):
    """``X @ W.T``, on the unit sphere under ``"cosine"``: what ``transform`` returns."""
    Z = X @ W.T
    return embed(Z, metric)[0] if metric == "cosine" else Z


def nearest_labels(E, X, y, W, metric):
    """The label of the nearest row to each of some mapped rows.

    Parameters
    ----------
    E : ndarray of shape (m, k)
    X : ndarray, CSR or SomeRows of shape (n, d)
        Mapped block by block, so that memory is O(m).
    y : ndarray of int of shape (n,)
    W : ndarray of shape (k, d)
    metric : str

    Returns
    -------
    labels : ndarray of int of shape (m,)
    """
    labels, least = np.zeros(len(E), dtype=y.dtype), np.full(len(E), np.inf)
    for rows in gen_batches(len(y), 4096):
        at, distances = pairwise_distances_argmin_min(E, map_rows(X[rows], W, metric))
        labels = np.where(distances < least, y[rows][at], labels)
        least = np.minimum(distances, least)
    return labels


def mean_map(maps, W0):
    """The map whose metric WᵀW is the mean of the metrics of some maps.

    Parameters
    ----------
    maps : sequence of ndarrays of shape (k, d)
    W0 : ndarray of shape (k, d)

    Returns
    -------
    W : ndarray of shape (k, d)
        Of the maps of that metric, or of its best approximation of rank k, the one
        nearest to `W0`.
    """
    _, scales, directions = np.linalg.svd(np.vstack(maps), full_matrices=False)
    k = len(W0)
    W = (scales[:k] / len(maps) ** 0.5)[:, None] * directions[:k]
    left, _, right = np.linalg.svd(W0 @ W.T)
    return left @ right @ W


class Choice(NamedTuple):
    """Constraints over all blocks of some rows.

    Attributes
    ----------
    selections : list, one a block
        An `Anew` for those that are formed at each evaluation.
    totals : ndarray
        Their counts.
    """

    selections: list
    totals: np.ndarray

    def same_as(self, other):
        """Whether both consist of the same constraints."""
        return isinstance(other, Choice) and _same(self.selections, other.selections)


class Anew(NamedTuple):
    """How to form the constraints of a block again.

    Attributes
    ----------
    blocks : _Blocks or None
        Distances that they follow from; None if those under any map will do.
    random_state : RandomState or None
        As it was.
    """

    blocks: object
    random_state: object


def _same(a, b):
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    if not (isinstance(a, (tuple, list)) and isinstance(b, (tuple, list))):
        return a is b
    return len(a) == len(b) and all(map(_same, a, b))


class Evaluation(NamedTuple):
    """A loss, its gradient with respect to W, and the share of active constraints."""

    loss: float
    gradient: np.ndarray
    active_fraction: float
    n_constraints: int


def add_evaluations(a, b):
    """Sum of two shares of one mean."""
    return a._replace(
        loss=a.loss + b.loss,
        gradient=a.gradient + b.gradient,
        active_fraction=a.active_fraction + b.active_fraction,
    )


def choose(W, X, y, metric, constraints, random_state):
    """Form the constraints of all rows under a map.

    Parameters
    ----------
    W : ndarray of shape (k, d)
    X : ndarray or CSR of shape (n, d)
    y : ndarray of int of shape (n,)
    metric : str
    constraints : TripletConstraints or PairConstraints
    random_state : RandomState

    Returns
    -------
    choice : Choice or Neighbourhoods
        The latter where anchors have few edges.
    """
    E, _ = embed(X @ W.T, metric)
    blocks = _Blocks(E, metric)
    choice = _choose(blocks, y, constraints, random_state)
    if any(isinstance(selection, Anew) for selection in choice.selections):
        return choice
    sides = [constraints.sides(selection) for selection in choice.selections]
    if None in sides:
        return choice
    few = neighbourhoods(blocks.rows, sides, choice.totals)
    return few if few.cost <= len(y) else choice


def evaluate(W, X, y, metric, constraints, *, choice=None, random_state=None):
    """Loss and gradient of a map.

    Parameters
    ----------
    W, X, y, metric, constraints
        As in :func:`choose`.
    choice : Choice or Neighbourhoods, default=None
        Constraints formed before; None forms them under `W`, with `random_state`.

    Returns
    -------
    evaluation : Evaluation

    Notes
    -----
    Time O(n² k) for products besides what the constraints cost, or O(k) an edge; memory
    O(n k) and one block of distances with its temporaries.
    """
    E, norms = embed(X @ W.T, metric)
    if isinstance(choice, Neighbourhoods):
        loss, n_active, dE = evaluate_edges(E, choice, metric, constraints)
    else:
        loss, n_active, dE, choice = _by_block(
            E, y, metric, constraints, choice, random_state
        )
    dZ = embed_pullback(dE, E, norms)
    # Sparse X gives the transpose of a C-ordered array, slow to mix with others.
    gradient = np.ascontiguousarray(dZ.T @ X)
    n_constraints = int(choice.totals.sum())
    return Evaluation(loss, gradient, n_active / max(n_constraints, 1), n_constraints)


def _by_block(E, y, metric, constraints, choice, random_state):
    blocks = _Blocks(E, metric)
    if choice is None:
        choice = _choose(blocks, y, constraints, random_state)
    loss, n_active, dE = 0.0, 0, np.zeros_like(E)
    for rows, selection in zip(blocks.rows, choice.selections, strict=True):
        D = blocks.distances(rows)
        if isinstance(selection, Anew):
            at_choice = (selection.blocks or blocks).distances(rows)
            draws = deepcopy(selection.random_state)
            selection = constraints.select(at_choice, y, rows, draws)
        part, G, active = constraints.share(D, y, rows, selection, choice.totals)
        loss += part
        n_active += active
        block_pullback(dE, slope_by_square(G, D, metric), E, rows)
    return loss, n_active, dE, choice


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
    y : ndarray of int of shape (n,)
    W0 : ndarray of shape (k, d)
    metric : str
    constraints : TripletConstraints or PairConstraints
    by_entry : bool
        See :class:`Coordinates`.
    """

    def __init__(self, X, y, W0, metric, constraints, by_entry=False):
        super().__init__(X, W0, metric, by_entry)
        self.y, self.constraints = y, constraints

    def choose(self, U, X, random_state):
        """Form the constraints over all rows, given as ``all_rows()``."""
        W = self.unit * U
        return choose(W, X, self.y, self.metric, self.constraints, random_state)

    def share(self, U, X, choice):
        """Evaluation over all rows for constraints formed before, without the pull."""
        W = self.unit * U
        return self.by_parameters(
            evaluate(W, X, self.y, self.metric, self.constraints, choice=choice)
        )

    def batches(self, batch_size, random_state):
        """Class-balanced batches that together hold every row once."""
        return list(epoch(self.y, batch_size, random_state))

    def on_batch(self, U, batch, random_state):
        """Evaluation on the constraints within a batch."""
        evaluation = evaluate(
            self.unit * U,
            self.rows(batch),
            self.y[batch],
            self.metric,
            self.constraints,
            random_state=random_state,
        )
        return self.penalised(U, self.by_parameters(evaluation))

    def half(self, random_state):
        """The problem of a random half of the rows of each class, of two at least."""
        return self._of(half(self.y, random_state))

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
            the rows that are left is of their class, of `MAX_JUDGED` rows at most.
        """
        kept, held = hold_out(self.y, fraction, random_state)
        problem = self._of(kept)
        if scoring is None and len(held) > MAX_JUDGED:
            held = random_state.permutation(held)[:MAX_JUDGED]

        def score(U):
            W = self.components(U)
            if scoring is not None:
                return scoring(W, self.X[held], self.y[held])
            E = map_rows(self.X[held], W, self.metric)
            found = nearest_labels(E, problem.X, problem.y, W, self.metric)
            return float((found == self.y[held]).mean())

        return problem, score

    def _of(self, rows):
        part = copy(self)
        part.X, part.y = SomeRows(self.X, rows), self.y[rows]
        return part


class _Blocks:
    """Distances of an embedding, block by block; a single block is kept."""

    def __init__(self, E, metric):
        self.rows = row_blocks(len(E))
        self._factors, self._metric = gram_factors(E, metric), metric
        self._only = None

    def distances(self, rows):
        if self._only is not None:
            return self._only
        D = block_distances(self._factors, rows, self._metric)
        if len(self.rows) == 1:
            self._only = D
        return D


def _choose(blocks, y, constraints, random_state):
    selections, totals = [], 0
    room = get_config()["working_memory"] * 2**20
    for rows in blocks.rows:
        again = _anew(blocks, constraints, random_state)
        selection = constraints.select(blocks.distances(rows), y, rows, random_state)
        totals = totals + constraints.count(selection, y, rows)
        room -= _n_bytes(selection) if again else 0
        selections.append(selection if room >= 0 else again)
    return Choice(selections, totals)


def _anew(blocks, constraints, random_state):
    """What forms constraints again, if they are so many that lists may not fit."""
    if constraints.positives is not all_rows or len(blocks.rows) == 1:
        return None
    if constraints.negatives is None:
        return Anew(None, None)
    return Anew(blocks, deepcopy(random_state))


def _n_bytes(selection):
    if isinstance(selection, np.ndarray):
        return selection.nbytes
    return sum(map(_n_bytes, selection or ()))
