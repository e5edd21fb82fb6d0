"""What a map is learnt from where rows have labels or numbers.

The members of these classes are those of :mod:`skmetric._objective._supervision`.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import rankdata
from sklearn.utils import gen_batches

from .._relations import (
    LabelRelation,
    RankRelation,
    SharedLabelRelation,
    first_copies,
)
from ..mining._sampler import draws_by_class, epoch, hold_out, stratified_part
from ._maps import map_rows, nearest_labels
from ._scatter import (
    PART_ENTRIES,
    ClassMoments,
    Scatters,
    merge_moments,
    moments_of,
    n_independent,
    scatters_of,
)
from ._strength import ALPHA, default_alpha, strength_of

# At most this many held-out rows are judged by their nearest neighbors.
MAX_JUDGED = 2048
# A continuous target is divided into this many strata of equal size.
N_STRATA = 10


@dataclass(frozen=True)
class Labels:
    """The classes of rows, and which rows are copies of each other.

    A copy tells nothing that its original does not: as a positive at distance 0 it would
    only keep other rows from being among the nearest. So copies are one row, whose weight
    as an anchor is their number.

    Parameters
    ----------
    codes : ndarray of int of shape (n,)
        Labels 0 … n_classes - 1.
    first : ndarray of int of shape (n,)
        From :func:`skmetric._relations.first_copies`.
    rows : ndarray of int of shape (n,), default=None
        Which rows of X they belong to; None stands for all.
    class_weights : ndarray of shape (n_classes,), default=None
        Of the rows of each class as anchors; None stands for 1 each.
    """

    codes: np.ndarray
    first: np.ndarray
    rows: np.ndarray | None = field(default=None)
    class_weights: np.ndarray | None = field(default=None)

    mined, labeled, weighs_classes = True, True, True
    side, mapped_rows = "both", slice(None)

    @classmethod
    def of(cls, X, codes, class_weights=None):
        """The labels of the rows of X, given as `codes`."""
        return cls(codes, first_copies(X, codes), class_weights=class_weights)

    @property
    def y(self):
        """What a scorer is given as y."""
        return self.codes

    @property
    def classes(self):
        """The class of each row; None where it has no single one."""
        return self.codes

    def __len__(self):
        return len(self.codes)

    @property
    def distinct(self):
        """Rows that are no copy of an earlier one."""
        return np.flatnonzero(self.first == np.arange(len(self)))

    @cached_property
    def n_distinct(self):
        """How many these are."""
        return len(self.distinct)

    @property
    def n_pairs_of_copies(self):
        """How many ordered pairs of two rows are copies of each other."""
        counts = np.bincount(self.first)
        return int((counts * (counts - 1)).sum())

    def relate(self, batch=None):
        """Distinct rows of a batch of positions, or all, and how they are related."""
        at, weights = self.merged(np.arange(len(self)) if batch is None else batch)
        rows = at if self.rows is None else self.rows[at]
        if self.rows is None and batch is None and len(at) == len(self):
            rows = slice(None)
        if self.class_weights is not None:
            of_classes = self.class_weights
            if batch is not None:
                # Rows come as often as their class weighs, but for rounding.
                of_classes = of_classes * self._class_sizes / np.maximum(self._draws, 1)
            weights = weights * of_classes[self.codes[at]]
        return rows, self._relation(at, weights)

    def _relation(self, at, weights):
        return LabelRelation(self.codes[at], weights)

    @cached_property
    def _class_sizes(self):
        return np.bincount(self.codes, minlength=len(self.class_weights))

    @cached_property
    def _draws(self):
        """How many rows of each class the batches of an epoch hold."""
        return draws_by_class(self._class_sizes, self.class_weights)

    def merged(self, rows):
        """Some rows without copies among them.

        Parameters
        ----------
        rows : ndarray of int of shape (m,)

        Returns
        -------
        rows : ndarray of int
            Of each row that copy which comes first.
        weights : ndarray of shape (n_rows,)
            Number of its copies, divided by the mean of these.
        """
        if self.n_distinct == len(self) and self.class_weights is None:
            return rows, np.ones(len(rows))
        _, at, counts = np.unique(self.first[rows], return_index=True, return_counts=True)
        order = np.argsort(at)
        return rows[at[order]], counts[order] / counts.mean()

    def strength(self, rows_at, rank):
        """How strongly the classes may shape a map, from what they say about others."""
        return strength_of(self, rows_at, rank)

    def default_alpha(self, strength):
        """The weight of the penalty, if none is given, from a start of some strength."""
        return default_alpha(self.n_distinct, strength)

    def scatters(self, rows_at):
        """Mean scatter within classes, and in all, of the distinct rows."""
        labels, codes = np.unique(self.codes[self.distinct], return_inverse=True)
        # About the first row no digits are lost where all are far from 0.
        origin = rows_at(self.distinct[:1]).astype(np.float64)
        sums, moments = np.zeros((len(labels), origin.shape[1])), None
        for part in gen_batches(self.n_distinct, max(1, PART_ENTRIES // origin.shape[1])):
            X = rows_at(self.distinct[part]) - origin  # (m, d)
            own = moments_of(X)
            moments = own if moments is None else merge_moments(moments, own)
            is_of_class = csr_array(  # (m, n_classes), a 1 per row
                (np.ones(len(X)), codes[part], np.arange(len(X) + 1)),
                shape=(len(X), len(labels)),
            )
            sums += is_of_class.T @ X
        counts = np.bincount(codes)
        classes = ClassMoments(labels, counts, sums / counts[:, None])
        return scatters_of(moments, classes)

    def batches(self, batch_size, random_state, share=1.0):
        """Stratified batches that together hold every row, or a part of them, once.

        With weights of classes they hold the rows of a class as often as it weighs.

        Parameters
        ----------
        batch_size : int
        random_state : RandomState
        share : float, default=1.0
            Of the distinct rows of each class, but at least two, each with its copies.

        Returns
        -------
        batches : list of ndarrays of int
        """
        at = np.arange(len(self)) if share == 1 else self._part(share, random_state)
        codes, counts = self._strata(at, random_state), None
        if self.class_weights is not None:
            sizes = np.bincount(codes, minlength=len(self.class_weights))
            counts = draws_by_class(sizes, self.class_weights)
        return [at[b] for b in epoch(codes, batch_size, random_state, counts)]

    def half(self, random_state):
        """A random half of the distinct rows of each class, at least two, with copies."""
        return self.take(self._part(0.5, random_state))

    def _part(self, share, random_state):
        distinct = self.distinct
        strata = self._strata(distinct, random_state)
        part = stratified_part(strata, share, random_state)
        return self.copies_of(distinct[part])

    def _strata(self, at, random_state):
        """What some rows are in equal parts of, where rows are drawn or held out."""
        return self.codes[at]

    def hold_out(self, fraction, random_state):
        """Hold out a share of each class; a row goes with its copies, and is held once."""
        distinct = self.distinct
        strata = self._strata(distinct, random_state)
        kept, held = hold_out(strata, fraction, random_state)
        return self._with_copies(distinct[kept]), self.take(distinct[held])

    def judge(self, kept, X, metric, random_state):
        """The share of rows whose nearest neighbor among those kept is of their class.

        Of at most `MAX_JUDGED` rows.
        """
        held = self._some_to_judge(random_state)

        def score(W):
            # In float32 rows far from 0 would lose the digits that tell them apart.
            E = map_rows(X[held.rows].astype(np.float64, copy=False), W, metric)
            found = nearest_labels(E, X, kept.rows, kept.codes, W, metric)
            return float((found == held.codes).mean())

        return score

    def _some_to_judge(self, random_state):
        if len(self) <= MAX_JUDGED:
            return self
        return self.take(random_state.permutation(len(self))[:MAX_JUDGED])

    def take(self, at):
        """The labels of some rows; copies of a row that is not among them are none."""
        _, first, inverse = np.unique(
            self.first[at], return_index=True, return_inverse=True
        )
        rows = at if self.rows is None else self.rows[at]
        return replace(self, codes=self.codes[at], first=first[inverse], rows=rows)

    def _with_copies(self, distinct):
        return self.take(self.copies_of(distinct))

    def copies_of(self, rows):
        """Some distinct rows and all of their copies, in order."""
        among = np.zeros(len(self), dtype=bool)
        among[rows] = True
        return np.flatnonzero(among[self.first])


@dataclass(frozen=True)
class ContinuousTarget(Labels):
    """Numbers of rows: those with near ones belong together, those with far ones do not.

    Strata by quantiles take the place of classes where rows are drawn or held out.

    Parameters
    ----------
    codes, first, rows
        See :class:`Labels`; the codes are those of strata.
    values : ndarray of float64 of shape (n,)
    """

    values: np.ndarray = field(kw_only=True)

    weighs_classes = False

    @classmethod
    def of(cls, X, values):
        """The target of the rows of X, given as `values`."""
        first = first_copies(X, np.unique(values, return_inverse=True)[1])
        return cls(strata_of(values), first, values=values)

    @property
    def y(self):
        """What a scorer is given as y."""
        return self.values

    def strength(self, rows_at, rank):
        """There are no other classes."""
        return 1.0

    def default_alpha(self, strength):
        """The usual weight of the penalty."""
        return ALPHA

    def _relation(self, at, weights):
        return RankRelation(self.values[at], weights)

    def judge(self, kept, X, metric, random_state):
        """R² of the value of the nearest neighbor among those kept.

        Of at most `MAX_JUDGED` rows. The variance is that of the values kept; those beyond
        these count as the nearest of them, as no neighbor could be nearer.
        """
        held = self._some_to_judge(random_state)
        low, high = kept.values.min(), kept.values.max()
        largest = max(-low, high)
        low, high = low / largest, high / largest
        scaled, expected = (
            np.clip((part.values / largest - low) / (high - low), 0, 1)
            for part in (kept, held)
        )
        variance = scaled.var()

        def score(W):
            E = map_rows(X[held.rows].astype(np.float64, copy=False), W, metric)
            found = nearest_labels(E, X, kept.rows, scaled, W, metric)
            return 1 - float(((found - expected) ** 2).mean() / variance)

        return score

    def take(self, at):
        """The target of some rows, as for labels."""
        return replace(super().take(at), values=self.values[at])


@dataclass(frozen=True)
class SetsOfLabels(Labels):
    """Several labels a row: rows with a label in common belong together.

    Where rows are drawn or held out, one of its labels takes the place of a row's class.

    Parameters
    ----------
    codes, first, rows
        See :class:`Labels`; rows with one code have the same set of labels.
    indicator : CSR array of bool of shape (n, n_labels)
        Which labels each row has, at least one.
    """

    indicator: csr_array = field(kw_only=True)

    weighs_classes = False
    classes = None

    @classmethod
    def of(cls, X, indicator):
        """The labels of the rows of X, given as `indicator`."""
        alike = np.zeros(X.shape[0], dtype=np.intp)
        codes = first_copies(indicator.astype(np.float64), alike)
        return cls(codes, first_copies(X, codes), indicator=indicator)

    @property
    def y(self):
        """What a scorer is given as y."""
        return self.indicator

    def strength(self, rows_at, rank):
        """Sets of labels are not left out."""
        return 1.0

    def default_alpha(self, strength):
        """The usual weight of the penalty."""
        return ALPHA

    def _relation(self, at, weights):
        return SharedLabelRelation(self.indicator[at], weights)

    def _strata(self, at, random_state):
        return draw_labels(self.indicator[at], random_state)

    def scatters(self, rows_at):
        """Half the mean square of differences of anchors and positives; scatter of all.

        Of distinct rows. Each anchor that has a positive weighs 1, and so does each of its
        labels that another row has, and within a label each positive.
        """
        indicator = self.indicator[self.distinct].astype(np.float64)  # (n, n_labels)
        sizes = indicator.sum(axis=0)
        indicator, sizes = indicator[:, sizes > 1], sizes[sizes > 1]  # (n, n_shared)
        n_labels = np.maximum(indicator.sum(axis=1), 1)  # (n,)
        anchors = csr_array(indicator.multiply(1 / n_labels[:, None]))
        per_positive = 1 / (sizes - 1)  # (n_shared,)
        # The weight of a and p is ((anchors * per_positive) @ indicator.T)[a, p]. In the
        # weighted sum of (x_a - x_p)(x_a - x_p).T a row and itself add nothing.
        degrees = anchors @ (per_positive * sizes)
        degrees += indicator @ (per_positive * anchors.sum(axis=0))  # (n,)
        origin = rows_at(self.distinct[:1]).astype(np.float64)
        shape = len(per_positive), origin.shape[1]
        of_anchors, of_positives, squares = np.zeros(shape), np.zeros(shape), 0.0
        moments = None
        for part in gen_batches(self.n_distinct, max(1, PART_ENTRIES // origin.shape[1])):
            X = rows_at(self.distinct[part]) - origin  # (m, d)
            own = moments_of(X)
            moments = own if moments is None else merge_moments(moments, own)
            squares += (X.T * degrees[part]) @ X
            of_anchors += anchors[part].T @ X
            of_positives += indicator[part].T @ X
        crossed = (of_anchors.T * per_positive) @ of_positives
        within = (squares - crossed - crossed.T) / (2 * anchors.sum())
        rows, shared = indicator.nonzero()
        edges = np.column_stack([rows, shared + self.n_distinct])
        n_degrees = n_independent(edges, self.n_distinct)
        return Scatters(within, moments.scatter / moments.n, n_degrees)

    def judge(self, kept, X, metric, random_state):
        """The share of rows whose nearest neighbor among those kept shares a label.

        Of at most `MAX_JUDGED` rows.
        """
        held, every = self._some_to_judge(random_state), np.arange(len(kept))

        def score(W):
            E = map_rows(X[held.rows].astype(np.float64, copy=False), W, metric)
            found = nearest_labels(E, X, kept.rows, every, W, metric)
            shared = held.indicator.multiply(kept.indicator[found]).sum(axis=1)
            return float((shared > 0).mean())

        return score

    def take(self, at):
        """The labels of some rows, as for single labels."""
        return replace(super().take(at), indicator=self.indicator[at])


def draw_labels(indicator, random_state):
    """One label of each row, the rarer the likelier: p ∝ 1 / its number of rows.

    So rows of rare labels meet in a batch.

    Parameters
    ----------
    indicator : CSR array of shape (n, n_labels)
        At least one entry in each row.
    random_state : RandomState

    Returns
    -------
    labels : ndarray of int of shape (n,)
    """
    labels = indicator.indices  # (n_entries,)
    # The first of several exponential times is each with a probability ∝ its rate.
    times = random_state.exponential(size=len(labels)) * np.bincount(labels)[labels]
    rows = np.repeat(np.arange(indicator.shape[0]), np.diff(indicator.indptr))
    return labels[np.lexsort((times, rows))[indicator.indptr[:-1]]]


def strata_of(values):
    """At most `N_STRATA` strata by quantiles; equal values are in one.

    Parameters
    ----------
    values : ndarray of shape (n,)

    Returns
    -------
    codes : ndarray of int of shape (n,)
    """
    n = len(values)
    n_strata = min(max(n // 2, 2), N_STRATA)
    strata = ((rankdata(values) - 0.5) * n_strata / n).astype(np.intp)
    return np.unique(strata, return_inverse=True)[1]
