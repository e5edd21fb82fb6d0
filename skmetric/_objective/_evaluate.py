"""From a map and rows to a loss and a gradient: the chain rule, in blocks.

Which rows belong together is a relation (:mod:`skmetric._relations`), what that costs a
family of constraints (:mod:`skmetric._objective._constraints`). X enters in two products
only, ``X @ W.T`` and ``dZ.T @ X``, so sparse X stays sparse.
"""

from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config

from .._relations import EdgeLists, Edges, GroupLists
from ..distances import (
    block_distances,
    block_pullback,
    embed,
    embed_pullback,
    grad_by_square,
    gram_factors,
)
from ..mining._strategies import (
    Selection,
    all_for_nearest,
    all_rows,
    draws,
    is_nearest,
    may_take_many,
    n_nearest,
    row_blocks,
    select,
    split_random_state,
)
from ..mining._trees import nearest_in_groups, nearest_in_others
from ._edges import edge_lists, evaluate_edges, evaluate_groups, listed_edges

# What an edge costs in distances of a block, and what a group does besides its distances.
EDGE_COST, GROUP_COST = 8, 2**15
# Trees find the nearest faster than blocks of distances with at least this many rows, in at
# most this many dimensions.
TREE_ROWS, TREE_DIMENSIONS = 10_000, 8
# Each group costs a few trees, and blocks grow with the square of the rows. So n rows must
# be at least this number times the square root of the groups.
ROWS_PER_ROOT_OF_GROUPS = 300


class MinedBlocks(NamedTuple):
    """Constraints over all blocks of some rows.

    Attributes
    ----------
    selections : list, one a block
        An `Deferred` for those that are formed at each evaluation.
    totals : ndarray
        Their counts.
    """

    selections: list
    totals: np.ndarray

    layout = "blocks"

    def equals(self, other):
        """Whether both consist of the same constraints."""
        return (
            self.layout == other.layout
            and len(self.selections) == len(other.selections)
            and all(
                a.equals(b) for a, b in zip(self.selections, other.selections, strict=True)
            )
        )


class Deferred(NamedTuple):
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

    layout = "deferred"

    def equals(self, other):
        """Whether both will be the same constraints for sure."""
        both = self.layout == other.layout
        return both and self.blocks is None and other.blocks is None


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


def mine(W, X, relation, metric, constraints, random_state, candidates=None, side="both"):
    """Form the constraints of all rows under a map.

    Parameters
    ----------
    W : ndarray of shape (k, d)
    X : ndarray or CSR of shape (n, d)
        The anchors.
    relation : LabelRelation, MatchRelation, EdgeLists or EdgeTables
        Which candidates are positives and negatives of each, see
        :mod:`skmetric._relations`.
    metric : str
    constraints : TripletConstraints or PairConstraints
    random_state : RandomState
    candidates : ndarray or CSR of shape (m, d), default=None
        None for the anchors themselves.
    side : {"both", "queries"}, default="both"
        Which tables are mapped; ``"queries"`` compares the mapped anchors with the
        candidates as they are.

    Returns
    -------
    mined : MinedBlocks, EdgeLists, EdgeTables or GroupLists
        Whichever takes the least time. Given edges are what they are.
    """
    if relation.layout == "lists":
        return relation
    A, B, _ = embed_tables(W, X, candidates, metric, side)
    constraints = _for_relation(constraints, relation)
    if B is A and _pays_by_trees(constraints, A):
        groups = relation.groups()
        if groups and len(A) >= ROWS_PER_ROOT_OF_GROUPS * len(groups) ** 0.5:
            return _mine_by_trees(A, relation, constraints, groups)
    blocks = _Blocks(A, B, metric)
    if B is A and (groups := _cheap_groups(constraints, relation)):
        return _mine_groups(blocks, relation, constraints, random_state, groups)
    mined = _mine(blocks, blocks.rounded_distances, relation, constraints, random_state)
    if not all(s.layout == "lists" for s in mined.selections):
        return mined
    few = edge_lists(blocks.rows, mined.selections, relation.weights, mined.totals)
    return few if few.cost <= len(B) else mined


def evaluate(
    W,
    X,
    relation,
    metric,
    constraints,
    *,
    mined=None,
    random_state=None,
    candidates=None,
    side="both",
):
    """Loss and gradient of a map.

    Parameters
    ----------
    W, X, relation, metric, constraints, candidates, side
        As in :func:`mine`.
    mined : MinedBlocks, EdgeLists, EdgeTables or GroupLists, default=None
        Constraints formed before; None forms them under `W`, with `random_state`.

    Returns
    -------
    evaluation : Evaluation

    Notes
    -----
    Time O(n m k) for products besides what the constraints cost, or O(k) per edge; memory
    O((n + m) k) and one block of distances with its temporaries.
    """
    A, B, norms = embed_tables(W, X, candidates, metric, side)
    if mined is None and relation.layout == "lists":
        mined = relation
    layout = "blocks" if mined is None else mined.layout
    if layout == "lists":
        loss, active, dA, dB = evaluate_edges(A, B, mined, metric, constraints)
    elif layout == "groups":
        loss, active, dA = evaluate_groups(A, mined, metric, constraints)
    else:
        loss, active, dA, dB, mined = _by_block(
            A, B, relation, metric, constraints, mined, random_state, side
        )
    # Sparse X gives the transpose of a C-ordered array, slow to mix with others.
    gradient = np.ascontiguousarray(embed_pullback(dA, A, norms[0]).T @ X)
    if candidates is not None and side == "both":
        gradient += embed_pullback(dB, B, norms[1]).T @ candidates
    total = float(mined.totals.sum())
    return Evaluation(loss, gradient, active / (total or 1.0), total)


def embed_tables(W, X, candidates, metric, side="both"):
    """Embeddings of the anchors and the candidates, about one center, and their norms.

    For the parameters see :func:`mine`.
    """
    if candidates is None:
        A, norms = embed(X @ W.T, metric)
        return A, A, (norms, norms)
    if side == "queries":
        others = candidates.toarray() if issparse(candidates) else candidates
    else:
        others = candidates @ W.T
    E, norms = embed(np.concatenate([X @ W.T, others]), metric)  # (n + m, k)
    n = X.shape[0]
    norms = (None, None) if norms is None else (norms[:n], norms[n:])
    return E[:n], E[n:], norms


def _by_block(A, B, relation, metric, constraints, mined, random_state, side):
    blocks, constraints = _Blocks(A, B, metric), _for_relation(constraints, relation)
    if mined is None:
        mined = _mine(blocks, blocks.distances, relation, constraints, random_state)
    loss, active, dA = 0.0, 0.0, np.zeros_like(A)
    dB = None
    if side == "both":
        dB = dA if B is A else np.zeros_like(B)
    for rows, selection in zip(blocks.rows, mined.selections, strict=True):
        D, masks = blocks.distances(rows), partial(relation.masks, rows)  # D: (b, m)
        if selection.layout == "deferred":
            at_mining = (selection.blocks or blocks).rounded_distances(rows)
            random_states = deepcopy(selection.random_states)
            selection = _select(at_mining, masks, constraints, random_states)
        part, G, part_active = constraints.block_loss_and_grad(
            D, selection, masks, mined.totals, relation.weights[rows]
        )
        loss += part
        active += part_active
        block_pullback(dA, dB, grad_by_square(G, D, metric), A, B, rows)
    return loss, active, dA, dB, mined


def _select(distances, masks, constraints, random_states):
    return select(
        distances, masks(), constraints.strategies, random_states, constraints.by_positive
    )


class _Blocks:
    """Distances between two embeddings, block by block; a single block is kept."""

    def __init__(self, A, B, metric):
        self.rows = row_blocks(len(A), len(B))
        self._factors, self._metric = gram_factors(A, B, metric), metric
        self._within, self._only = B is A, None

    def distances(self, rows):
        if self._only is not None:
            return self._only
        D = block_distances(self._factors, rows, self._metric, self._within)
        if len(self.rows) == 1:
            self._only = D
        return D

    def rounded_distances(self, rows):
        """The same, those equal that differ by rounding errors only.

        Ties, as rows of integers have them, then do not depend on the unit of X.
        """
        D = self.distances(rows)
        largest = float(self._factors[1][:, -1].max())  # squared norm
        if self._metric == "euclidean":
            largest **= 0.5
        if largest == 0:
            return D
        # Two thirds of the digits that the dtype has below the largest distance.
        step = 2.0 ** (np.ceil(np.log2(largest)) - 2 * np.finfo(D.dtype).nmant // 3)
        D = D / D.dtype.type(step)
        np.rint(D, out=D)
        D *= D.dtype.type(step)
        return D


def _for_relation(constraints, relation):
    """The same constraints, named ``"all"`` where they are all of this relation."""
    positives, negatives = all_for_nearest(*constraints.strategies, relation)
    return replace(constraints, positives=positives, negatives=negatives)


def _pays_by_trees(constraints, E):
    """Whether there are many rows in few dimensions, and the nearest are looked for."""
    fits = len(E) >= TREE_ROWS and E.shape[1] <= TREE_DIMENSIONS
    return fits and all(map(is_nearest, constraints.strategies))


def _mine_by_trees(E, relation, constraints, groups):
    """Lists as from blocks of distances, if no distances tie."""
    counts = map(n_nearest, constraints.strategies)
    sides = [
        find(E, groups, k)
        for find, k in zip((nearest_in_groups, nearest_in_others), counts, strict=True)
    ]
    at = [all_rows(columns, columns >= 0, None) for columns in sides]
    totals = constraints.count(Selection("lists", *at), None, relation.weights)
    anchors = np.arange(len(E))
    return EdgeLists(*(Edges(anchors, side, relation.weights) for side in sides), totals)


def _cheap_groups(constraints, relation):
    """The groups of a relation if it has some and it pays to evaluate by these."""
    positives, negatives = constraints.strategies
    in_lists = is_nearest(negatives) or not (constraints.by_positive or negatives is None)
    if positives is not all_rows or not in_lists:
        return None
    groups, n = relation.groups(), len(relation.weights)
    if groups is None:
        return None
    sizes = np.array([len(group) for group in groups])
    p, q = sizes.max() - 1, n_nearest(negatives) or 1
    # Distances that take about as long, per anchor: by groups, edges and blocks.
    by_groups = sizes @ sizes / n + EDGE_COST * q + GROUP_COST * len(groups) / n
    by_edges = p * q + EDGE_COST * (p + q)
    return groups if by_groups < min(n, by_edges) else None


def _mine_groups(blocks, relation, constraints, random_state, groups):
    listed, totals = [], 0
    sides = constraints.strategies
    random_states = split_random_state(random_state, [draws(side) for side in sides])
    for rows in blocks.rows:
        masks = partial(relation.masks, rows)
        selection = _select(
            blocks.rounded_distances(rows), masks, constraints, random_states
        )
        totals = totals + constraints.count(selection, masks, relation.weights[rows])
        # Lists of all positives would be long, and the groups say the same.
        listed.append(selection.negatives)
    negatives = listed_edges(blocks.rows, listed, relation.weights)
    return GroupLists(groups, negatives, totals)


def _mine(blocks, distances_of, relation, constraints, random_state):
    selections, totals = [], 0
    sides = constraints.strategies
    random_states = split_random_state(random_state, [draws(side) for side in sides])
    room = get_config()["working_memory"] * 2**20
    for rows in blocks.rows:
        deferred = _deferred(blocks, sides, random_states)
        masks = partial(relation.masks, rows)
        selection = _select(distances_of(rows), masks, constraints, random_states)
        totals = totals + constraints.count(selection, masks, relation.weights[rows])
        room -= selection.nbytes if deferred else 0
        selections.append(selection if room >= 0 else deferred)
    return MinedBlocks(selections, totals)


def _deferred(blocks, sides, random_states):
    """How to form constraints again, if their lists may be too long to keep."""
    if len(blocks.rows) == 1 or not any(map(may_take_many, sides)):
        return None
    if sides == (all_rows, None):
        return Deferred(None, (None, None))
    return Deferred(blocks, deepcopy(random_states))
