"""What a map is learnt from: matches, given triplets, given pairs; labels in `_labels`.

A kind of supervision is a class with these members:

``mined``
    Whether constraints are mined; given ones are what they are.
``weighs_classes``
    Whether weights of classes have a meaning.
``labeled``
    Whether rows have labels.
``side``, ``mapped_rows``
    ``"both"`` if all rows are mapped, else ``"queries"``; and which rows of X are mapped.
``len(target)``
    How many labeled rows or given constraints there are.
``relate(batch) -> (rows, relation)`` or ``(rows, relation, candidates)``
    The rows of X that a batch needs, and the relation between these, see
    :mod:`skmetric._relations`; a batch of None stands for everything. If the candidates
    are other rows of X than the anchors, these too.
``batches(batch_size, random_state, share=1.0)``
    Batches, which together hold everything once, or a random share of everything.
``hold_out(fraction, random_state) -> (kept, held)``
    A kind of the same for either part.
``scatters(rows_at) -> Scatters``
    Mean scatter of rows that belong together, and of all, of the rows ``rows_at(indices)``.
``strength(rows_at, rank)``
    How strongly it may shape the discriminant map, see
    :mod:`skmetric._objective._strength`.
``default_alpha(strength)``
    The weight of the penalty if none is given; for matches a parameter of their own.
``judge(kept, X, metric, random_state) -> score``
    How well a map does on what is held out: ``score(W)``, larger is better.
"""

from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, issparse, vstack
from sklearn.metrics import roc_auc_score
from sklearn.utils import gen_batches

from .._relations import EdgeLists, Edges, EdgeTables, MatchRelation, first_copies
from .._scales import to_scale
from .._validation import check_apart
from ..distances import block_distances, embed, gram_factors
from ..mining._ordering import rank_in_group
from ..mining._sampler import shuffle_strata
from ..mining._strategies import row_blocks
from ._edges import edge_distances
from ._evaluate import embed_tables
from ._labels import MAX_JUDGED
from ._scatter import PART_ENTRIES, Scatters, merge_moments, moments_of, n_independent
from ._strength import ALPHA

# How much of the discriminant map matches are good for.
STRENGTH_OF_MATCHES = 1 / 6
# The least share of the weight on a kind of pairs of which their mean can be told.
MIN_SHARE = 1e-100


@dataclass(frozen=True)
class Matches:
    """Rows of one table that belong with rows of another, or of the same one.

    An anchor is a query, or if its matches differ in weight, the query with its matches of
    one weight. Positives of it are the documents matched with that weight. Negatives are
    all candidates but those matched with the query, and in one table the query itself and
    the rows whose matches have it.

    Parameters
    ----------
    rows : ndarray of int of shape (n_anchors,)
        Rows of X.
    candidates : ndarray of int of shape (n_candidates,)
        Rows of X.
    matched, known, weights
        See :class:`~skmetric._relations.MatchRelation`.
    side : {"both", "queries"}
    in_batch : bool
        Whether the candidates of some anchors are only the documents matched with these.
    """

    rows: np.ndarray
    candidates: np.ndarray
    matched: csr_array
    known: csr_array
    weights: np.ndarray
    side: str
    in_batch: bool

    mined, labeled, weighs_classes = True, False, False

    @classmethod
    def of(cls, log, side, in_batch=True):
        """The matches of a log of them.

        Parameters
        ----------
        log : MatchLog
        side : {"both", "queries"}
        in_batch : bool, default=True
            False makes candidates of unmatched documents, too, always all of them.
        """
        n, weights = log.X.shape[0], log.weights
        order = np.lexsort((weights, log.queries))
        starts = _starts(np.column_stack([log.queries, weights])[order])
        anchors = np.empty(len(order), dtype=np.intp)  # (m,)
        anchors[order] = np.repeat(
            np.arange(len(starts)), np.diff(starts, append=len(order))
        )
        rows, weights = log.queries[order[starts]], weights[order[starts]]  # (n_anchors,)
        known = _mask(log.queries, log.documents, (n, n))
        if log.within:
            known = known + known.T + _mask(np.arange(n), np.arange(n), (n, n))
        known = known.tocsr()[rows]
        matched = _mask(anchors, log.documents, (len(rows), n))
        candidates = np.unique(log.documents) if in_batch else log.candidates
        target = cls(
            rows,
            candidates,
            matched[:, candidates],
            known[:, candidates],
            weights / weights.mean(),
            side,
            in_batch,
        )
        target._check_negatives()
        return target

    def __len__(self):
        return len(self.rows)

    def strength(self, rows_at, rank):
        """Little: a log says nothing of the documents that nobody matched."""
        return STRENGTH_OF_MATCHES

    def scatters(self, rows_at):
        """Mean scatter of queries and the documents matched with them, and of all rows."""
        anchors, columns = self.matched.nonzero()  # (n_matches,)
        pairs = np.column_stack([self.rows[anchors], self.candidates[columns]])
        named = np.union1d(self.rows, self.candidates)
        return scatters_of_pairs(rows_at, named, pairs, self.weights[anchors])

    @property
    def n_pairs(self):
        """How many pairs of an anchor and a candidate there are."""
        return len(self) * len(self.candidates)

    @property
    def mapped_rows(self):
        """All rows of X, or the queries."""
        return slice(None) if self.side == "both" else self.rows

    def _check_negatives(self):
        if (np.diff(self.known.indptr) == len(self.candidates)).all():
            raise ValueError(
                f"Got matches of {len(self)} queries with {len(self.candidates)} documents "
                "in which no query has a document of another one, where equal rows are "
                "one row, but expected some: without them there is nothing to push away. "
                "Give matches of more queries."
            )

    def relate(self, batch=None):
        """The anchors of a batch, or all, their relation, and the candidates."""
        part = self if batch is None else self.take(batch)
        relation = MatchRelation(part.matched, part.known, part.weights)
        return part.rows, relation, part.candidates

    def take(self, at):
        """Some anchors, with the candidates that they have."""
        matched, known, columns = self.matched[at], self.known[at], slice(None)
        if self.in_batch:
            columns = np.unique(matched.indices)
            matched, known = matched[:, columns], known[:, columns]
        return replace(
            self,
            rows=self.rows[at],
            candidates=self.candidates[columns],
            matched=matched,
            known=known,
            weights=self.weights[at],
        )

    def batches(self, batch_size, random_state, share=1.0):
        """Batches that together hold every anchor once, or a part of them."""
        order = random_state.permutation(len(self))
        order = order[: max(1, round(share * len(order)))]
        return np.array_split(order, max(1, round(len(order) / batch_size)))

    def hold_out(self, fraction, random_state):
        """Hold out a share of the queries, rounded down, with all their matches.

        Those held out are judged among the candidates of all.

        Raises
        ------
        ValueError
            If there are too few to give one.
        """
        queries = random_state.permutation(np.unique(self.rows))
        count = int(fraction * len(queries))
        if not count:
            raise ValueError(
                f"Got early_stopping=True with validation_fraction={fraction}, but "
                f"{len(queries)} queries are too few to hold any out. Raise "
                "validation_fraction, or set early_stopping=False."
            )
        is_held = np.isin(self.rows, queries[:count])
        kept = self.take(np.flatnonzero(~is_held))
        kept._check_negatives()
        return kept, replace(self, in_batch=False).take(np.flatnonzero(is_held))

    def judge(self, kept, X, metric, random_state):
        """The mean reciprocal rank of the nearest match, of at most `MAX_JUDGED` anchors.

        Among all candidates; ties count half.
        """
        held = self
        if len(self) > MAX_JUDGED:
            held = self.take(random_state.permutation(len(self))[:MAX_JUDGED])
        return lambda W: held.score(X, W, metric)

    def score(self, X, W, metric):
        """The mean reciprocal rank under a map of the nearest match of each anchor."""
        rows, relation, candidates = self.relate()
        # In float32 rows far from 0 would lose the digits that tell them apart.
        queries, documents = (X[at].astype(np.float64) for at in (rows, candidates))
        *tables, _ = to_scale(queries, documents)
        A, B, _ = embed_tables(W.astype(np.float64), *tables, metric, self.side)
        A, B, _ = to_scale(A, B)
        ranks = ranks_of_matches(A, B, relation, metric)
        return float(np.average(1 / ranks, weights=relation.weights))


class MatchLog(NamedTuple):
    """Who was matched with whom, where equal rows of a table are one row.

    Attributes
    ----------
    X : ndarray or CSR of shape (n, d)
        The distinct rows of the queries and of the documents.
    queries, documents : ndarrays of int of shape (m,)
        Rows of X, no two matches the same.
    weights : ndarray of float64 of shape (m,)
        Sums over equal matches.
    candidates : ndarray of int
        The rows of X that are documents, matched or not.
    within : bool
        Whether queries and documents are one table.
    """

    X: object
    queries: np.ndarray
    documents: np.ndarray
    weights: np.ndarray
    candidates: np.ndarray
    within: bool

    @classmethod
    def of(cls, queries, documents, matches, weights, in_batch=True):
        """The log of a table of queries and one of documents.

        Parameters
        ----------
        queries : ndarray or CSR of shape (n, d)
        documents : ndarray or CSR of shape (m, d), or None for `queries`
        matches : ndarray of int of shape (n_matches, 2)
            A row of either table.
        weights : ndarray of shape (n_matches,) or None
            None stands for 1 each.
        in_batch : bool, default=True
            Whether documents without a match are left out.
        """
        weights, matches = without_zeros(weights, matches)
        weights = np.ones(len(matches)) if weights is None else weights / weights.max()
        within = documents is None
        first, second = matches.T
        if within:
            used = np.unique(matches) if in_batch else np.arange(queries.shape[0])
            X, place = _distinct_rows(queries, used)
            first, second = place[first], place[second]
            candidates = np.arange(X.shape[0])
            apart = first != second
            # A copy of the query tells nothing.
            first, second, weights = first[apart], second[apart], weights[apart]
            if not apart.any():
                raise ValueError(
                    "Got matches of rows with themselves or with equal rows only, but "
                    "expected some with other rows."
                )
        else:
            A, place = _distinct_rows(queries, np.unique(first))
            first = place[first]
            every = np.arange(documents.shape[0])
            B, place = _distinct_rows(documents, np.unique(second) if in_batch else every)
            second = place[second] + A.shape[0]
            candidates = np.arange(B.shape[0]) + A.shape[0]
            X = _stack(A, B)
        keys = first.astype(np.int64) * X.shape[0] + second
        keys, inverse = np.unique(keys, return_inverse=True)
        first, second = np.divmod(keys, X.shape[0])
        weights = np.bincount(inverse.reshape(-1), weights=weights)
        return cls(X, first, second, weights, candidates, within)

    def in_units_of_distances(self):
        """The same with a mean squared distance of 1 between queries and documents.

        Of all pairs of a query that was matched and a candidate.
        """
        queries, documents = self.X[np.unique(self.queries)], self.X[self.candidates]
        distance = mean_squared_distance_between(queries, documents) ** 0.5
        if distance == 0:
            return self
        check_apart(distance, self.X.dtype, what="queries and documents")
        return self._replace(X=self.X * self.X.dtype.type(1 / distance))


def mean_squared_distance_between(A, B):
    """Mean of |a - b|² over all pairs of a row of A and a row of B, in float64."""
    total, means = 0.0, []
    for X in (A, B):
        mean = np.asarray(X.mean(axis=0, dtype=np.float64)).ravel()  # (d,)
        means.append(mean)
        for rows in gen_batches(X.shape[0], max(1, 2**20 // X.shape[1])):
            block = X[rows].toarray() if issparse(X) else X[rows]
            total += np.square(block - mean).sum() / X.shape[0]
    return float(total + np.square(means[0] - means[1]).sum())


def ranks_of_matches(A, B, relation, metric):
    """The rank of the nearest positive of each anchor among its negatives, ties half.

    Parameters
    ----------
    A, B : ndarrays of shapes (n, k) and (m, k)
        Embedded anchors and candidates.
    relation : MatchRelation
    metric : str

    Returns
    -------
    ranks : ndarray of float of shape (n,)
        At least 1.
    """
    factors, ranks = gram_factors(A, B, metric), []
    for rows in row_blocks(len(A), len(B)):
        D = block_distances(factors, rows, metric, within=False)  # (b, m)
        is_positive, is_negative = relation.masks(rows)
        nearest = np.where(is_positive, D, np.inf).min(axis=1, keepdims=True)  # (b, 1)
        nearer = ((nearest > D) & is_negative).sum(axis=1)
        as_near = ((nearest == D) & is_negative).sum(axis=1)
        ranks.append(1 + nearer + as_near / 2)
    return np.concatenate(ranks)


def _distinct_rows(X, used):
    """Some rows of X without copies, and the place of each row of X among these."""
    first = first_copies(X[used], np.zeros(len(used), dtype=np.intp))
    distinct, inverse = np.unique(first, return_inverse=True)
    place = np.zeros(X.shape[0], dtype=np.intp)
    place[used] = inverse.reshape(-1)
    return X[used[distinct]], place


def _stack(A, B):
    """Rows of A over rows of B, CSR if either is."""
    if issparse(A) or issparse(B):
        return vstack([A, B], format="csr")
    return np.concatenate([A, B])


def _mask(rows, columns, shape):
    return csr_array((np.ones(len(rows), dtype=bool), (rows, columns)), shape=shape)


@dataclass(frozen=True)
class GivenConstraints:
    """Constraints that are given as tuples of row indices, and their weights.

    Parameters
    ----------
    tuples : ndarray of int of shape (m, 3) or (m, 2)
    weights : ndarray of shape (m,)
        With a mean of 1 over all that were given, see :func:`normalize_weights`.
    n_rows : int
        How many rows X has.
    """

    tuples: np.ndarray
    weights: np.ndarray
    n_rows: int

    mined, labeled, weighs_classes = False, False, False
    side, mapped_rows = "both", slice(None)

    def __len__(self):
        return len(self.tuples)

    def relate(self, batch=None):
        """The rows that a batch of constraints, or all of them, name; and their edges."""
        part = self if batch is None else self.take(batch)
        rows, places = compact_indices(part.tuples, self.n_rows)
        return rows, replace(part, tuples=places).edge_lists()

    def strength(self, rows_at, rank):
        """Given constraints name no classes to leave out."""
        return 1.0

    def default_alpha(self, strength):
        """The usual weight of the penalty."""
        return ALPHA

    @property
    def together(self):
        """Indices of the tuples whose first two rows belong together: all."""
        return np.arange(len(self.tuples))

    def scatters(self, rows_at):
        """Mean scatter of rows that belong together, and of the rows named."""
        at = self.together
        pairs, weights = self.tuples[at, :2], self.weights[at]
        return scatters_of_pairs(rows_at, np.unique(self.tuples), pairs, weights)

    def batches(self, batch_size, random_state, share=1.0):
        """Batches of constraints, each with its share of every stratum."""
        order = shuffle_strata(self.strata, random_state)
        # Strata are spread evenly, so that the first of all are a part of each.
        order = order[: max(1, round(share * len(order)))]
        n_batches = min(round(share * len(self) / batch_size), len(order))
        return np.array_split(order, max(1, n_batches))

    def hold_out(self, fraction, random_state):
        """Hold out a share of each stratum, rounded down.

        Raises
        ------
        ValueError
            If a stratum is too small to give one.
        """
        strata = [random_state.permutation(stratum) for stratum in self.strata]
        counts = [int(fraction * len(stratum)) for stratum in strata]
        if not all(counts):
            raise ValueError(
                f"Got early_stopping=True with validation_fraction={fraction}, but "
                f"{min(map(len, strata))} constraints of a kind are too few to hold any "
                "out. Raise validation_fraction, or set early_stopping=False."
            )
        parts = [np.split(s, [count]) for s, count in zip(strata, counts, strict=True)]
        held, kept = (np.sort(np.concatenate(part)) for part in zip(*parts, strict=True))
        return self.take(kept), self.take(held)

    def judge(self, kept, X, metric, random_state):
        """How many constraints are in order."""
        rows, lists = self.relate()

        def score(W):
            # In float32 rows far from 0 would lose the digits that tell them apart.
            E, _ = embed(X[rows].astype(np.float64, copy=False) @ W.T, metric)
            distances = [edge_distances(E, E, edges, metric)[:, 0] for edges in lists[:2]]
            return self.order(*distances, *(edges.weights for edges in lists[:2]))

        return score

    @property
    def _index_dtype(self):
        """Sparse arrays have indices of 32 bits where these suffice."""
        return np.int32 if self.n_rows < 2**31 else np.intp

    def _by_anchor(self, at):
        """Columns and weights of some tuples, in order of the first column."""
        tuples = self.tuples[at].astype(self._index_dtype)
        order = np.argsort(tuples[:, 0], kind="stable")
        return *tuples[order].T, self.weights[at][order]


@dataclass(frozen=True)
class Triplets(GivenConstraints):
    """Given triplets: anchor, positive, negative."""

    def take(self, at):
        """Some of them, each of the weight that it had."""
        return replace(self, tuples=self.tuples[at], weights=self.weights[at])

    @property
    def strata(self):
        """Indices of the triplets: one mean is taken over all."""
        return [np.arange(len(self))]

    def edge_lists(self):
        """An edge to the positive and one to the negative for each triplet."""
        anchors, positives, negatives, weights = self._by_anchor(slice(None))
        sides = (Edges(anchors, rows[:, None], weights) for rows in (positives, negatives))
        return EdgeLists(*sides, np.array([float(len(self))]))

    def order(self, d_pos, d_neg, weights, _):
        """The share in the right order, ties counted half."""
        return float(np.average(right_order(d_pos, d_neg), weights=weights))

    def grouped(self):
        """The same by pairs of anchor and positive, which have a mean weight of 1.

        Equal triplets become one with the sum of their weights.
        """
        order = np.lexsort(self.tuples.T[::-1])
        tuples = self.tuples[order]  # (m, 3)
        first = _starts(tuples)
        weights = np.add.reduceat(self.weights[order], first)
        groups = TripletGroups(tuples[first], weights, self.n_rows)
        return replace(groups, weights=weights / groups.group_weights.mean())


@dataclass(frozen=True)
class TripletGroups(GivenConstraints):
    """Given triplets by pairs of anchor and positive, each with several negatives.

    Batches and what is held out consist of whole groups. A group weighs as much as the
    triplet of its own that weighs most.

    Parameters
    ----------
    tuples, weights, n_rows
        See :class:`GivenConstraints`; the tuples are in order, and none repeats.
    """

    @cached_property
    def starts(self):
        """The first triplet of each group."""
        return _starts(self.tuples[:, :2])

    @property
    def sizes(self):
        """How many negatives each group has."""
        return np.diff(self.starts, append=len(self))

    @property
    def group_weights(self):
        """The weight of each group."""
        return np.maximum.reduceat(self.weights, self.starts)

    def take(self, at):
        """Some groups, in order of their indices."""
        at = np.sort(at)
        sizes = self.sizes[at]
        # Of each group the triplets that come after its first one.
        rows = np.repeat(self.starts[at] - np.cumsum(sizes) + sizes, sizes)
        rows += np.arange(len(rows))
        return replace(self, tuples=self.tuples[rows], weights=self.weights[rows])

    @property
    def strata(self):
        """Indices of the groups: one mean is taken over all."""
        return [np.arange(len(self.starts))]

    def edge_lists(self):
        """For each group an edge to the positive and one to each negative.

        Groups are in tables by the power of 2 that their size is below, so that no table
        has more than twice as many entries as edges.
        """
        widths, weights = np.frexp(self.sizes)[1], self.group_weights  # (n_groups,)
        tuples = self.tuples.astype(self._index_dtype)
        totals = np.array([float(len(widths))])
        tables = []
        for width in np.unique(widths):
            at = np.flatnonzero(widths == width)
            anchors, positives, _ = tuples[self.starts[at]].T
            rows = np.repeat(np.arange(len(at)), self.sizes[at])  # (n_edges,)
            places = rows, rank_in_group(rows)
            edges = np.repeat(widths == width, self.sizes)
            columns = np.full((len(at), self.sizes[at].max()), -1, dtype=tuples.dtype)
            own = np.zeros(columns.shape)
            columns[places], own[places] = tuples[edges, 2], self.weights[edges]
            tables.append(
                EdgeLists(
                    Edges(anchors, positives[:, None], weights[at]),
                    Edges(anchors, columns, own),
                    totals,
                )
            )
        return EdgeTables(tables, totals)

    def judge(self, kept, X, metric, random_state):
        """How many triplets are in order."""
        triplets = Triplets(self.tuples, self.weights, self.n_rows)
        return triplets.judge(kept, X, metric, random_state)


def scatters_of_pairs(rows_at, named, pairs, weights):
    """Mean scatter of the rows of pairs that belong together, and of all that are named.

    Parameters
    ----------
    rows_at : callable
    named : ndarray of int of shape (n,)
    pairs : ndarray of int of shape (m, 2)
    weights : ndarray of shape (m,)

    Returns
    -------
    scatters : Scatters
    """
    within, size = 0.0, max(1, PART_ENTRIES // rows_at(named[:1]).shape[1])
    parts = (named[part] for part in gen_batches(len(named), size))
    moments = reduce(merge_moments, (moments_of(rows_at(part)) for part in parts))
    for part in gen_batches(len(pairs), size):
        first, second = pairs[part].T
        apart = rows_at(first).astype(np.float64) - rows_at(second)  # (b, d)
        within += (apart.T * weights[part]) @ apart
    within /= 2 * weights.sum()
    n_degrees = n_independent(np.searchsorted(named, pairs), len(named))
    return Scatters(within, moments.scatter / moments.n, n_degrees)


def _starts(tuples):
    """Where a sorted array of shape (m, c) has a row that differs from the one before."""
    differs = (tuples[1:] != tuples[:-1]).any(axis=1)
    return np.flatnonzero(np.concatenate([[True], differs]))


@dataclass(frozen=True)
class Pairs(GivenConstraints):
    """Given pairs, similar or dissimilar.

    Parameters
    ----------
    tuples, weights, n_rows
        See :class:`GivenConstraints`.
    similar : ndarray of bool of shape (m,)
    mean_weights : tuple of two floats
        Of the weight of similar and of dissimilar pairs, that on one pair of either kind on
        average, from :func:`mean_weights`.
    """

    similar: np.ndarray
    mean_weights: tuple

    def take(self, at):
        """Some of them, each of the weight that it had."""
        return replace(
            self,
            tuples=self.tuples[at],
            weights=self.weights[at],
            similar=self.similar[at],
        )

    @property
    def together(self):
        """Indices of the pairs whose rows belong together."""
        return np.flatnonzero(self.similar)

    @property
    def strata(self):
        """Indices of the similar and of the dissimilar pairs: a mean is taken over each."""
        return [np.flatnonzero(self.similar), np.flatnonzero(~self.similar)]

    def edge_lists(self):
        """An edge for each pair; totals are what they are on average for as many pairs."""
        sides = []
        for stratum in self.strata:
            first, second, weights = self._by_anchor(stratum)
            sides.append(Edges(first, second[:, None], weights))
        return EdgeLists(*sides, len(self) * np.array(self.mean_weights))

    def order(self, d_pos, d_neg, *weights):
        """The share of similar pairs nearer than dissimilar ones, ties counted half."""
        similar = np.arange(len(self)) < len(d_pos)
        distances, weights = np.concatenate([d_pos, d_neg]), np.concatenate(weights)
        return float(roc_auc_score(similar, -distances, sample_weight=weights))


def right_order(d_pos, d_neg):
    """1 where d_pos < d_neg, 1/2 where the two are equal, 0 elsewhere."""
    return 0.5 * ((d_pos < d_neg) + 1.0 * (d_pos <= d_neg))


def normalize_weights(weights, n):
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


def mean_weights(weights, similar):
    """The weights of similar and of dissimilar pairs, each divided by the number of all.

    Raises
    ------
    ValueError
        If either is so small that it is lost against the other.
    """
    near = float(weights[similar].sum()) / len(weights)
    far = float(weights[~similar].sum()) / len(weights)
    if min(near, far) < MIN_SHARE:
        raise ValueError(
            f"Got sample_weight by which similar pairs have {near:.0e} and dissimilar ones "
            f"{far:.0e} of the weight, but expected at least {MIN_SHARE:.0e} of each. The "
            "two kinds are averaged apart: scale the weights of each to a mean of 1."
        )
    return near, far


def compact_indices(tuples, n):
    """The rows that tuples name, and where among them.

    Returns
    -------
    rows : slice or ndarray of int
        All n rows if tuples have at least as many places.
    places : ndarray of int of the shape of `tuples`
    """
    if tuples.size >= n:
        return slice(None), tuples
    rows, places = np.unique(tuples, return_inverse=True)
    return rows, places.reshape(tuples.shape)
