"""From a map and rows to a loss and a gradient: the chain rule, in blocks.

The constraints are given as an object (see ``TripletConstraints`` and
``PairConstraints``):

``select(D, y, rows, random_states) -> selection``
    The constraints whose anchors are the given rows, with a RandomState for positives and
    one for negatives.
``count(selection, y, rows, weights) -> ndarray``
    The sum of their weights, one number for each mean that the loss consists of. A
    constraint weighs as much as its anchor, and `weights` has those of the given rows.
``sides(selection) -> ((anchors, positives), (anchors, negatives)) or None``
    Their edges, if each anchor has a set of negatives that are not all.
``share(D, y, rows, selection, totals, weights) -> (loss, G, active)``
    What they contribute to the loss, given the totals of the counts over all blocks, its
    gradient with respect to `D`, and the weight of the active ones.
``share_of_edges(near, far, totals, weights) -> (loss, to_near, to_far, active)``
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

from copy import deepcopy
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from sklearn import get_config

from ._neighbourhoods import Neighbourhoods, evaluate_edges, neighbourhoods
from ._strategies import (
    all_for_nearest,
    all_rows,
    draws,
    own_streams,
    row_blocks,
    takes_many,
)
from .distances import (
    block_distances,
    block_pullback,
    embed,
    embed_pullback,
    gram_factors,
    slope_by_square,
)


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
    random_states : sequence of two RandomState or None
        As they were.
    """

    blocks: object
    random_states: object


def _same(a, b):
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    if not (isinstance(a, (tuple, list)) and isinstance(b, (tuple, list))):
        return a is b
    return len(a) == len(b) and all(map(_same, a, b))


class Evaluation(NamedTuple):
    """A loss, its gradient with respect to W, and the share of active constraints.

    `n_constraints` is the sum of their weights.
    """

    loss: float
    gradient: np.ndarray
    active_fraction: float
    n_constraints: float


def add_evaluations(a, b):
    """Sum of two shares of one mean."""
    return a._replace(
        loss=a.loss + b.loss,
        gradient=a.gradient + b.gradient,
        active_fraction=a.active_fraction + b.active_fraction,
    )


def choose(W, X, y, metric, constraints, random_state, weights=None):
    """Form the constraints of all rows under a map.

    Parameters
    ----------
    W : ndarray of shape (k, d)
    X : ndarray or CSR of shape (n, d)
    y : ndarray of int of shape (n,)
    metric : str
    constraints : TripletConstraints or PairConstraints
    random_state : RandomState
    weights : ndarray of float64 of shape (n,), default=None
        Of the rows as anchors, with a mean of 1; None stands for equal ones.

    Returns
    -------
    choice : Choice or Neighbourhoods
        The latter where anchors have few edges.
    """
    E, _ = embed(X @ W.T, metric)
    blocks, constraints = _Blocks(E, metric), _for_labels(constraints, y)
    choice = _choose(blocks, y, constraints, random_state, _weights_of(y, weights))
    if any(isinstance(selection, Anew) for selection in choice.selections):
        return choice
    sides = [constraints.sides(selection) for selection in choice.selections]
    if None in sides:
        return choice
    few = neighbourhoods(blocks.rows, sides, choice.totals)
    return few if few.cost <= len(y) else choice


def evaluate(W, X, y, metric, constraints, *, choice=None, random_state=None, weights=None):
    """Loss and gradient of a map.

    Parameters
    ----------
    W, X, y, metric, constraints
        As in :func:`choose`.
    choice : Choice or Neighbourhoods, default=None
        Constraints formed before; None forms them under `W`, with `random_state`.
    weights : ndarray of float64 of shape (n,), default=None
        As for :func:`choose`.

    Returns
    -------
    evaluation : Evaluation

    Notes
    -----
    Time O(n² k) for products besides what the constraints cost, or O(k) an edge; memory
    O(n k) and one block of distances with its temporaries.
    """
    E, norms = embed(X @ W.T, metric)
    weights = _weights_of(y, weights)
    if isinstance(choice, Neighbourhoods):
        loss, active, dE = evaluate_edges(E, choice, metric, constraints, weights)
    else:
        loss, active, dE, choice = _by_block(
            E, y, metric, constraints, choice, random_state, weights
        )
    dZ = embed_pullback(dE, E, norms)
    # Sparse X gives the transpose of a C-ordered array, slow to mix with others.
    gradient = np.ascontiguousarray(dZ.T @ X)
    total = float(choice.totals.sum())
    return Evaluation(loss, gradient, active / (total or 1.0), total)


def _weights_of(y, weights):
    return np.ones(len(y)) if weights is None else weights


def _by_block(E, y, metric, constraints, choice, random_state, weights):
    blocks, constraints = _Blocks(E, metric), _for_labels(constraints, y)
    if choice is None:
        choice = _choose(blocks, y, constraints, random_state, weights)
    loss, active, dE = 0.0, 0.0, np.zeros_like(E)
    for rows, selection in zip(blocks.rows, choice.selections, strict=True):
        D = blocks.distances(rows)
        if isinstance(selection, Anew):
            at_choice = (selection.blocks or blocks).distances(rows)
            random_states = deepcopy(selection.random_states)
            selection = constraints.select(at_choice, y, rows, random_states)
        part, G, part_active = constraints.share(
            D, y, rows, selection, choice.totals, weights[rows]
        )
        loss += part
        active += part_active
        block_pullback(dE, slope_by_square(G, D, metric), E, rows)
    return loss, active, dE, choice


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


def _for_labels(constraints, y):
    """The same constraints, named ``"all"`` where they are all of these labels."""
    positives, negatives = all_for_nearest(constraints.positives, constraints.negatives, y)
    return replace(constraints, positives=positives, negatives=negatives)


def _choose(blocks, y, constraints, random_state, weights):
    selections, totals = [], 0
    sides = constraints.positives, constraints.negatives
    random_states = own_streams(random_state, [draws(side) for side in sides])
    room = get_config()["working_memory"] * 2**20
    for rows in blocks.rows:
        again = _anew(blocks, sides, random_states)
        selection = constraints.select(blocks.distances(rows), y, rows, random_states)
        totals = totals + constraints.count(selection, y, rows, weights[rows])
        room -= _n_bytes(selection) if again else 0
        selections.append(selection if room >= 0 else again)
    return Choice(selections, totals)


def _anew(blocks, sides, random_states):
    """What forms constraints again, if they are so many that lists may not fit."""
    if len(blocks.rows) == 1 or not any(map(takes_many, sides)):
        return None
    if sides == (all_rows, None):
        return Anew(None, (None, None))
    return Anew(blocks, deepcopy(random_states))


def _n_bytes(selection):
    if isinstance(selection, np.ndarray):
        return selection.nbytes
    return sum(map(_n_bytes, selection or ()))
