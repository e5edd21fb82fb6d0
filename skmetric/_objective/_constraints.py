"""What the constraints of labelled rows cost, by the distances that they compare.

A family of constraints, triplets or pairs, is an object with:

``of(parameters, strategies) -> constraints``
    Those of a learner's parameters.
``losses``
    The names of the losses that there are.
``auto_for_matches``
    What ``loss="auto"`` and ``negatives="auto"`` stand for with matches.
``strategies``, ``by_positive``
    What :func:`skmetric.mining._strategies.select` chooses with.
``count(selection, masks, weights) -> ndarray``
    The sum of the weights of a block's constraints, one number for each mean that the loss
    consists of. A constraint weighs as much as its anchor.
``block_loss_and_grad(D, selection, masks, totals, weights) -> (loss, G, active)``
    What a block contributes to the loss, given the totals of the counts over all blocks,
    its gradient with respect to the distances `D`, and the weight of the active ones.
``loss_and_grad(d_pos, d_neg, totals, weights) -> (loss, g_pos, g_neg, active)``
    The same from the distances to the listed positives and negatives of each anchor.
``margins``
    By name.
``mean_distances() -> constraints or None``
    The same constraints, whose loss is the mean distance of their rows, if margins are to
    follow from that.
``with_mean_distance(distance) -> constraints``
    The same with such margins.

Losses and gradients are sums with a weight: the same functions serve a block, a mini-batch
and a whole data set.
"""

from dataclasses import dataclass, replace

import numpy as np

from .._validation import check_margins
from ..losses import (
    LOSSES,
    dissimilar_slack,
    similar_slack,
    smoothed_hinge,
    triplet_slack,
    weighted_cost,
)
from ..mining._strategies import all_rows, row_blocks
from ._all_negatives import against_all_negatives
from ._edges import hinge_by_counts
from ._softmax import softmax_cost, softmax_over_negatives

# Margins that are left open are these shares of the mean distance of pairs under W₀.
NEAR, FAR = 0.5, 1.5
# Up to this slack, L-BFGS sees a quadratic cost instead of the hinge's kink: narrow against
# the mean squared distance of two rows, 1, and at most half of the margin.
TRIPLET_FOOT, PAIR_FOOT = 0.05, 0.02


class Costs:
    """What both families have in common: from slacks to costs."""

    def smoothed(self):
        """The same with a hinge that has a quadratic foot instead of a kink."""
        if self.loss != "hinge":
            return self
        return replace(self, foot=min(self.widest_foot, self.margin / 2))

    def cost_of(self, v):
        """Costs of slacks and their derivatives."""
        return smoothed_hinge(v, self.foot) if self.foot else LOSSES[self.loss](v)


@dataclass(frozen=True)
class TripletConstraints(Costs):
    """Triplets: the slack is d(anchor, positive) - d(anchor, negative) + margin.

    Parameters
    ----------
    loss : str
    margin : float
    positives : callable
    negatives : callable, or None for every negative
        Neither is asked where constraints are given.
    foot : float, default=0.0
        Of the hinge, see :func:`skmetric.losses.smoothed_hinge`; 0 for a kink.
    """

    loss: str
    margin: float
    positives: object
    negatives: object
    foot: float = 0.0

    losses = (*LOSSES, "softmax")
    auto_for_matches = ("softmax", "all")
    by_positive = True
    widest_foot = TRIPLET_FOOT

    @classmethod
    def of(cls, parameters, strategies):
        """Those of a learner's parameters."""
        if parameters.loss == "softmax":
            return SoftmaxConstraints(parameters.temperature, *strategies)
        return cls(parameters.loss, parameters.margin, *strategies)

    @property
    def strategies(self):
        """For positives and for negatives."""
        return self.positives, self.negatives

    @property
    def margins(self):
        """Its margin by name."""
        return {"margin": self.margin}

    def mean_distances(self):
        """None: the margin does not follow from distances."""

    def count(self, selection, masks, weights):
        """The weight of all triplets, as an array of one number."""
        anchors, _ = selection.positives
        if selection.layout == "tuples":
            return np.array([weights[anchors].sum()])
        if selection.layout == "all":
            n_negatives = masks()[1].sum(axis=1)
        else:
            n_negatives = np.bincount(selection.negatives[0], minlength=len(weights))
        return np.array([n_negatives[anchors] @ weights[anchors]])

    def block_loss_and_grad(self, D, selection, masks, totals, weights):
        """What a block contributes to the mean over all triplets."""
        anchors, columns = selection.positives
        scale = 1 / (totals[0] or 1)
        if selection.layout != "tuples":
            is_negative = _negatives_mask(D.shape, selection, masks)
            loss, G, n_active = self._against_all(
                D, anchors, columns, is_negative, weights=scale * weights
            )
            return loss, G, float(weights @ n_active)
        v = triplet_slack(D[selection.positives], D[selection.negatives], self.margin)
        loss, grad, active = weighted_cost(v, self.cost_of, weights[anchors], scale)
        return loss, _tuples_gradient(D, selection, grad, -grad), active

    def _against_all(self, *block, weights):
        if not self.foot:
            return against_all_negatives(*block, self.margin, self.loss, weights)
        # A hinge with a foot is the difference of two squared hinges.
        weights = weights / (2 * self.foot)
        loss, G, n_active = against_all_negatives(
            *block, self.margin, "squared_hinge", weights
        )
        less, by_less, _ = against_all_negatives(
            *block, self.margin - self.foot, "squared_hinge", weights
        )
        return loss - less, G - by_less, n_active

    def loss_and_grad(self, d_pos, d_neg, totals, weights):
        """The same from distances to the listed positives and negatives of each anchor.

        Parameters
        ----------
        d_pos : ndarray of shape (b, p)
            -inf where there is none.
        d_neg : ndarray of shape (b, q)
            inf where there is none.
        totals : ndarray
        weights : tuple of two ndarrays of shape (b,)
            Of the anchors, the same for positives and negatives.

        Returns
        -------
        loss : float
        g_pos, g_neg : ndarrays of the shapes of `d_pos` and `d_neg`
        active : float
            The weight of the active triplets.
        """
        scale = 1 / (totals[0] or 1)
        if self.loss == "hinge" and not self.foot:
            return hinge_by_counts(d_pos, d_neg, self.margin, weights[0], scale)
        loss, active, (g_pos, g_neg) = 0.0, 0.0, map(np.empty_like, (d_pos, d_neg))
        triplets_per_anchor = d_pos.shape[1] * d_neg.shape[1]
        for rows in row_blocks(len(d_pos), 4 * triplets_per_anchor):
            v = triplet_slack(d_pos[rows, :, None], d_neg[rows, None, :], self.margin)
            part, grad, part_active = weighted_cost(
                v, self.cost_of, weights[0][rows], scale
            )
            loss += part
            active += part_active
            # Of shape (b, p, q), as the slacks.
            g_pos[rows], g_neg[rows] = grad.sum(axis=2), -grad.sum(axis=1)
        return loss, g_pos, g_neg, active


@dataclass(frozen=True)
class SoftmaxConstraints:
    """(anchor, positive) pairs, each against all negatives selected for it.

    The cost is log(1 + Σ exp((d(anchor, positive) - d(anchor, negative)) / temperature)).
    A pair is active if a negative is nearer than the positive. Constraints are counted by
    pairs.

    Parameters
    ----------
    temperature : float
    positives, negatives
        As for :class:`TripletConstraints`.
    """

    temperature: float
    positives: object
    negatives: object

    by_positive = True

    @property
    def strategies(self):
        """For positives and for negatives."""
        return self.positives, self.negatives

    @property
    def margins(self):
        """Empty: there is no margin."""
        return {}

    def smoothed(self):
        """Itself: the loss has no kink."""
        return self

    def mean_distances(self):
        """None: there is no margin."""

    def count(self, selection, masks, weights):
        """The weight of all pairs, as an array of one number."""
        return np.array([weights[selection.positives[0]].sum()])

    def block_loss_and_grad(self, D, selection, masks, totals, weights):
        """What a block contributes to the mean over all pairs."""
        anchors, columns = selection.positives
        scale = 1 / (totals[0] or 1)
        if selection.layout != "tuples":
            is_negative = _negatives_mask(D.shape, selection, masks)
            loss, G, is_active = softmax_over_negatives(
                D, anchors, columns, is_negative, self.temperature, scale * weights
            )
            return loss, G, float(weights[anchors] @ is_active)
        pairs, d_neg = np.arange(len(anchors)), D[selection.negatives][:, None]
        loss, g_pos, g_neg, is_active = softmax_cost(
            D[selection.positives], pairs, d_neg, self.temperature, scale * weights[anchors]
        )
        G = _tuples_gradient(D, selection, g_pos, g_neg[:, 0])
        return loss, G, float(weights[anchors] @ is_active)

    def loss_and_grad(self, d_pos, d_neg, totals, weights):
        """The same from distances to the listed positives and negatives of each anchor.

        Parameters
        ----------
        d_pos : ndarray of shape (b, p)
            -inf where there is none.
        d_neg : ndarray of shape (b, q)
            inf where there is none. Overwritten.
        totals : ndarray
        weights : tuple of two ndarrays of shape (b,), the second maybe of shape (b, q)
            Of the pairs of each anchor, and of its negatives. A negative counts in the sum
            as much as its weight is of the anchor's.

        Returns
        -------
        loss : float
        g_pos, g_neg : ndarrays of the shapes of `d_pos` and `d_neg`
        active : float
            The weight of the active pairs.
        """
        anchors = np.repeat(np.arange(len(d_pos)), d_pos.shape[1])  # (b * p,)
        of_pairs, of_negatives = weights[0][anchors], weights[1].reshape(len(d_neg), -1)
        shares = of_negatives / np.where(weights[0] > 0, weights[0], 1)[:, None]
        loss, g_pos, g_neg, is_active = softmax_cost(
            d_pos.ravel(),
            anchors,
            d_neg,
            self.temperature,
            of_pairs / (totals[0] or 1),
            shares.astype(d_neg.dtype),
        )
        return loss, g_pos.reshape(d_pos.shape), g_neg, float(of_pairs @ is_active)


def _negatives_mask(shape, selection, masks):
    """Which entries of a block are among its negatives, all or listed, shape (b, n)."""
    if selection.layout == "all":
        return masks()[1]
    is_negative = np.zeros(shape, dtype=bool)
    is_negative[selection.negatives] = True
    return is_negative


def _tuples_gradient(D, selection, g_pos, g_neg):
    """The gradient (b, n) of one negative per positive, whose entries may repeat."""
    G = np.zeros_like(D)
    for (rows, at), g in ((selection.positives, g_pos), (selection.negatives, g_neg)):
        np.add.at(G.reshape(-1), rows * D.shape[1] + at, g)
    return G


@dataclass(frozen=True)
class PairConstraints(Costs):
    """Pairs: the slack is d - pos_margin of similar rows and margin - d of dissimilar ones.

    Parameters
    ----------
    loss : str
    margin, pos_margin : float or "auto"
    negative_weight : float
    positives : callable
    negatives : callable, or None for every negative
    foot : float, default=0.0
        As for triplets.
    """

    loss: str
    margin: object
    pos_margin: object
    negative_weight: float
    positives: object
    negatives: object
    foot: float = 0.0

    losses = tuple(LOSSES)
    auto_for_matches = ("squared_hinge", "nearest")
    by_positive = False
    widest_foot = PAIR_FOOT

    @classmethod
    def of(cls, parameters, strategies):
        """Those of a learner's parameters."""
        return cls(
            parameters.loss,
            parameters.margin,
            parameters.pos_margin,
            parameters.negative_weight,
            *strategies,
        )

    @property
    def strategies(self):
        """For positives and for negatives."""
        return self.positives, self.negatives

    @property
    def margins(self):
        """Its margins by name."""
        return {"margin": self.margin, "pos_margin": self.pos_margin}

    def mean_distances(self):
        """What measures the same pairs, if margins follow from their distances."""
        return MeanPairDistance(**vars(self)) if "auto" in self.margins.values() else None

    def with_mean_distance(self, distance):
        """The same with margins that follow from the mean distance of pairs under W₀.

        Raises
        ------
        ValueError
            If the margin found is not above the `pos_margin` given.
        """
        margin, pos_margin = self.margin, self.pos_margin
        if margin == "auto":
            margin = FAR * float(distance or 1)
        if pos_margin == "auto":
            pos_margin = margin * NEAR / FAR
        check_margins(margin, pos_margin, ', which "auto" stands for here')
        return replace(self, margin=margin, pos_margin=pos_margin)

    def count(self, selection, masks, weights):
        """The weight of all similar and of all dissimilar pairs."""
        similar = weights[selection.positives[0]].sum()
        if selection.layout == "all":
            return np.array([similar, weights @ masks()[1].sum(axis=1)])
        return np.array([similar, weights[selection.negatives[0]].sum()])

    def block_loss_and_grad(self, D, selection, masks, totals, weights):
        """What a block contributes to the two means."""
        positives, negatives = selection.positives, selection.negatives
        if selection.layout == "all":
            negatives = self._listed_negatives(D, masks()[1])
        (loss_pos, g_pos, active_pos), (loss_neg, g_neg, active_neg) = (
            self._side(side, D[at], total, weights[at[0]])
            for side, at, total in zip((0, 1), (positives, negatives), totals, strict=True)
        )
        G = np.zeros_like(D)
        G[negatives], G[positives] = g_neg, g_pos
        return loss_pos + loss_neg, G, active_pos + active_neg

    def loss_and_grad(self, d_pos, d_neg, totals, weights):
        """The same from distances to the listed similar and dissimilar rows of each anchor.

        Parameters
        ----------
        d_pos, d_neg : ndarrays of shapes (b, p) and (c, q)
            -inf and inf where there is no pair.
        totals : ndarray
        weights : tuple of two ndarrays of shapes (b,) and (c,)
            Of the anchors of similar and of dissimilar pairs.

        Returns
        -------
        loss : float
        g_pos, g_neg : ndarrays of the shapes of `d_pos` and `d_neg`
        active : float
            The weight of the active pairs.
        """
        (loss_pos, g_pos, active_pos), (loss_neg, g_neg, active_neg) = (
            self._side(side, *given)
            for side, *given in zip((0, 1), (d_pos, d_neg), totals, weights, strict=True)
        )
        return loss_pos + loss_neg, g_pos, g_neg, active_pos + active_neg

    def _side(self, side, d, total, weights):
        """Loss, gradient and weight of active pairs of one kind, similar (0) or not (1)."""
        if side == 0:
            v, factor = similar_slack(d, self.pos_margin), 1
        else:
            v, factor = dissimilar_slack(d, self.margin), self.negative_weight
        loss, grad, active = weighted_cost(v, self.cost_of, weights, factor / (total or 1))
        return loss, grad if side == 0 else np.negative(grad, out=grad), active

    def _listed_negatives(self, D, is_negative):
        """Every dissimilar pair, or every active one if the others cost nothing."""
        if self.loss != "softplus":
            is_negative &= D.dtype.type(self.margin) > D
        return all_rows(D, is_negative, None)


class MeanPairDistance(PairConstraints):
    """The mean distance of pairs instead of their loss, with a gradient of 0.

    The mean over the similar pairs and that over the dissimilar ones count half each.
    """

    def _side(self, side, d, total, weights):
        each = d[:, None] if d.ndim == 1 else d  # (m, 1) of a list of pairs, or (b, p)
        sums = each.sum(axis=1, where=np.isfinite(each), dtype=np.float64)
        return float(weights @ sums) / (total or 1) / 2, np.zeros_like(d), 0.0

    def _listed_negatives(self, D, is_negative):
        return all_rows(D, is_negative, None)
