"""Constraints given as tuples of row indices: what they cost, how much each counts.

A triplet (anchor, positive, negative) has two edges, anchor-positive and anchor-negative,
a pair has one. Losses are functions of the lengths of edges, so a kind of tuples is an
object that says what lengths cost:

``slack(lengths)``
    The slack of each tuple, and its derivatives: 1 or -1 for each edge.
``importance``
    Weight of each tuple in the loss, such that the loss is the mean of importance times
    cost over all tuples, and on average also over some that are drawn from them.
``strata``
    Indices of the tuples of each mean that the loss consists of.
``score(lengths)``
    From 0 to 1, how well lengths agree with the tuples; larger is better.

What turns them into a loss of a map is in :mod:`skmetric._tuple_problem`.
"""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.metrics import roc_auc_score

from ._validation import check_margins

# Margins that are left open are these shares of the mean length of pairs under W₀.
NEAR, FAR = 0.5, 1.5
# The least share of the weight on a kind of pairs of which factors can be told.
MIN_SHARE = 1e-100


@dataclass(frozen=True)
class Triplets:
    """Triplets, what they cost, and how much each of them counts.

    Parameters
    ----------
    rows : ndarray of int of shape (m, 3)
        Anchor, positive and negative.
    weights : ndarray of shape (m,)
        From :func:`normalised`.
    loss : str
    margin : float
    """

    rows: np.ndarray
    weights: np.ndarray
    loss: str
    margin: float

    def __len__(self):
        return len(self.rows)

    def take(self, at):
        """Some of them, each as important as before."""
        return replace(self, rows=self.rows[at], weights=self.weights[at])

    @property
    def strata(self):
        """Indices of the tuples of each mean that the loss consists of."""
        return [np.arange(len(self))]

    @property
    def importance(self):
        """Weight of each in the loss, before division by their number."""
        return self.weights

    @property
    def margins(self):
        """Their margin by name."""
        return {"margin": self.margin}

    def slack(self, lengths):
        """Slacks of shape (m,) and signs from lengths of shape (2, m)."""
        return lengths[0] - lengths[1] + self.margin, np.array([[1], [-1]])

    def score(self, lengths):
        """The share in the right order, ties counted half."""
        return float(np.average(right_order(*lengths), weights=self.weights))


@dataclass(frozen=True)
class Pairs:
    """Pairs, what they cost, and how much each of them counts.

    Parameters
    ----------
    rows : ndarray of int of shape (m, 2)
    weights : ndarray of shape (m,)
        From :func:`normalised`.
    loss : str
    margin, pos_margin : float or "auto"
    similar : ndarray of bool of shape (m,)
    factors : tuple of two floats
        Importance of a weight of 1 on a similar and on a dissimilar pair, from
        :func:`pair_factors`.
    """

    rows: np.ndarray
    weights: np.ndarray
    loss: str
    margin: object
    pos_margin: object
    similar: np.ndarray
    factors: tuple

    def __len__(self):
        return len(self.rows)

    def take(self, at):
        """Some of them, each as important as before."""
        return replace(
            self,
            rows=self.rows[at],
            weights=self.weights[at],
            similar=self.similar[at],
        )

    @property
    def strata(self):
        """Indices of the tuples of each mean that the loss consists of."""
        return [np.flatnonzero(self.similar), np.flatnonzero(~self.similar)]

    @property
    def importance(self):
        """Weight of each in the loss, before division by their number."""
        return self.weights * np.where(self.similar, *self.factors)

    @property
    def margins(self):
        """Their margins by name."""
        return {"margin": self.margin, "pos_margin": self.pos_margin}

    def length(self, lengths):
        """The mean length, the similar and the dissimilar pairs counted half each."""
        sides = (self.similar, ~self.similar)
        means = [np.average(lengths[0, s], weights=self.weights[s]) for s in sides]
        return sum(means) / 2

    def slack(self, lengths):
        """Slacks of shape (m,) and signs from lengths of shape (1, m)."""
        v = np.where(self.similar, lengths - self.pos_margin, self.margin - lengths)
        return v[0], np.where(self.similar, 1, -1)

    def score(self, lengths):
        """The share of similar pairs nearer than dissimilar ones, ties counted half."""
        return float(roc_auc_score(self.similar, -lengths[0], sample_weight=self.weights))


def in_units_of(length, constraints):
    """Similar and dissimilar pairs with the margins that were left open.

    Parameters
    ----------
    length : float
        The mean length of the pairs under W₀.
    constraints : Pairs or PairConstraints

    Returns
    -------
    constraints : of the same kind

    Raises
    ------
    ValueError
        If the margin found is not above the `pos_margin` given.
    """
    margin, pos_margin = constraints.margin, constraints.pos_margin
    if margin == "auto":
        margin = FAR * float(length or 1)
    if pos_margin == "auto":
        pos_margin = margin * NEAR / FAR
    check_margins(margin, pos_margin, ', which "auto" stands for here')
    return replace(constraints, margin=margin, pos_margin=pos_margin)


def right_order(near, far):
    """1 where near < far, 1/2 where the two are equal, 0 elsewhere."""
    return 0.5 * ((near < far) + 1.0 * (near <= far))


def normalised(weights, n):
    """Weights with a mean of 1; None stands for n equal ones and takes no memory."""
    if weights is None:
        return np.broadcast_to(1.0, n)
    weights = weights / weights.max()
    return weights / weights.mean()


def without_zeros(weights, *arrays):
    """Weights and arrays without the entries that do not count."""
    if weights is None or weights.all():
        return weights, *arrays
    kept = weights > 0
    return weights[kept], *(array[kept] for array in arrays)


def pair_factors(weights, similar, negative_weight):
    """What makes sums of weighted pairs, divided by all pairs, two means of their own."""
    near = float(weights[similar].sum()) / len(weights)
    far = float(weights[~similar].sum()) / len(weights)
    if min(near, far) < MIN_SHARE:
        raise ValueError(
            f"Got sample_weight by which similar pairs have {near:.0e} and dissimilar ones "
            f"{far:.0e} of the weight, but expected at least {MIN_SHARE:.0e} of each. The "
            "two kinds are averaged apart: scale the weights of each to a mean of 1."
        )
    return 1 / near, negative_weight / far
