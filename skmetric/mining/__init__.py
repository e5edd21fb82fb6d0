"""Which constraints to learn from: ``positives`` x ``negatives``.

Two words name every miner: all x all is batch-all, hard x hard batch-hard [1]_,
all x semihard FaceNet's [2]_, nearest x all the objective of LMNN [3]_ with targets
that follow the map, nearest x nearest the same among near rows only, nearest x hard
easy-positive, random x random the naive baseline.

A strategy sees a block of anchors and all rows they may be paired with. Its arguments
are arrays, its answer is index arrays, and any callable of the same signature is a
strategy too:

``positives(distances, candidates, random_state) -> (anchors, positives)``
    `distances` and the boolean `candidates` have shape (n_anchors, n_rows). Here
    distances are in float64, in a fit in the dtype of X.
    ``candidates[a, p]`` is true where row p is of the class of anchor a and is not a
    itself. Returns two integer arrays of one length: pairs for which `candidates` holds,
    ordered by anchor.

``negatives(distances, candidates, anchors, positives, random_state) -> negatives``
    Here `candidates` marks the rows of other classes. Returns one column for each of
    the given (anchor, positive) pairs. The contrastive learner has no positive to
    compare with; it passes ``positives=None`` and every anchor once.

The same arguments must give the same answer: L-BFGS asks again for what does not fit in
memory. `distances` and `candidates` are read-only. How many anchors a block has depends on
scikit-learn's ``working_memory``; what a strategy draws does not if it is one array a call,
the numbers for one anchor after those for another. Ties go to the smallest index. Self is
excluded by index. Copies of a row are rows like others here; the learners merge those with
one label first.

References
----------
.. [1] A. Hermans, L. Beyer, B. Leibe, "In defense of the triplet loss for person
   re-identification", 2017.
.. [2] F. Schroff, D. Kalenichenko, J. Philbin, "FaceNet", CVPR 2015, section 3.2.
.. [3] K. Weinberger, L. Saul, "Distance metric learning for large margin nearest
   neighbor classification", JMLR 10, 2009.
"""

from functools import partial
from numbers import Integral

import numpy as np
from sklearn.utils.random import sample_without_replacement

from .._relations import LabelRelation
from .._scales import in_units, to_scale
from .._validation import check_embedding, check_number, check_word, random_state_of
from ..distances import METRICS, about_most, close_distances, embed, gram_factors
from ._ordering import max_per_group, slices
from ._strategies import (
    all_for_nearest,
    all_rows,
    draws,
    entries_at_once,
    resolve_strategies,
    row_blocks,
    select,
    split_random_state,
    with_each,
)

__all__ = ["mine_pairs", "mine_triplets"]


def __dir__():
    return __all__


def mine_triplets(
    E,
    y,
    *,
    positives="nearest",
    negatives="nearest",
    n_neighbors=4,
    n_impostors=8,
    metric="sqeuclidean",
    max_triplets=None,
    random_state=None,
):
    """Triplets that a :class:`skmetric.TripletMetricLearner` would learn from.

    Parameters
    ----------
    E : array-like of shape (n_samples, k)
        An embedding, or any rows between which distances mean something.
    y : array-like of shape (n_samples,)
        Class labels of any type.
    positives : {"all", "nearest", "hard", "random"} or callable, default="nearest"
    negatives : {"all", "nearest", "semihard", "hard", "random", "distance_weighted"} or \
callable, default="nearest"
        The strategies, see :mod:`skmetric.mining`.
    n_neighbors, n_impostors : int, default=4, 8
        How many are ``"nearest"``, of positives and of negatives.
    metric : {"sqeuclidean", "euclidean", "cosine"}, default="sqeuclidean"
    max_triplets : int, default=None
        If there are more, return that many of them, drawn uniformly without
        replacement. With ``negatives="all"`` the others are then never made.
    random_state : int, RandomState instance or None, default=None
        For random strategies, and for what is drawn of too many.

    Returns
    -------
    triplets : ndarray of int of shape (n_triplets, 3)
        Indices of anchor, positive and negative, ordered by anchor.

    Raises
    ------
    ValueError
        For an unknown word, fewer than two classes, or no class with two rows.

    Warns
    -----
    UserWarning
        For labels of which the learner would warn.

    Examples
    --------
    >>> from skmetric.mining import mine_triplets
    >>> E = [[0.0], [1.0], [3.0], [9.0]]
    >>> mine_triplets(E, ["a", "a", "b", "b"], positives="hard", negatives="hard")
    array([[0, 1, 2],
           [1, 0, 2],
           [2, 3, 1],
           [3, 2, 1]])
    """
    strategies, distances_of, y, rng = _prepare(
        E,
        y,
        metric,
        random_state,
        pairs=False,
        positives=positives,
        negatives=negatives,
        n_neighbors=n_neighbors,
        n_impostors=n_impostors,
    )
    if max_triplets is not None:
        max_triplets = check_number("max_triplets", max_triplets, kind=Integral, at_least=1)
    relation = LabelRelation(y)
    strategies = all_for_nearest(*strategies, relation)
    # With every negative, pairs are collected here, and triplets are made of them below.
    every_negative = strategies[1] is None
    limit = None if every_negative else max_triplets
    *strategy_rngs, sample_rng = split_random_state(
        rng, [*map(draws, strategies), limit is not None]
    )
    found = _Sample(limit)
    for rows in row_blocks(len(y)):
        selection = select(
            distances_of(rows), relation.masks(rows), strategies, strategy_rngs, True
        )
        for triplets in _in_portions(selection, limit):  # (n_triplets, 3) or (n_pairs, 2)
            triplets[:, 0] += rows.start  # From rows of the block to rows of E.
            found.add(triplets, sample_rng)
    if every_negative:
        return _with_every_negative(found.rows, y, max_triplets, rng)
    return found.rows


def mine_pairs(
    E,
    y,
    *,
    positives="all",
    negatives="all",
    n_neighbors=4,
    n_impostors=8,
    metric="sqeuclidean",
    max_pairs=None,
    random_state=None,
):
    """Every pair, or those that a :class:`skmetric.ContrastiveMetricLearner` learns from.

    Every pair is what a threshold on distances is to be judged by, so that is the default
    here. The learner's own is ``positives="nearest", negatives="nearest"``.

    Parameters
    ----------
    E : array-like of shape (n_samples, k)
        An embedding, or any rows between which distances mean something.
    y : array-like of shape (n_samples,)
        Class labels of any type.
    positives : {"all", "nearest", "hard", "random"} or callable, default="all"
    negatives : {"all", "nearest", "hard", "random", "distance_weighted"} or callable, \
default="all"
        The strategies, see :mod:`skmetric.mining`. ``"all"`` names each pair once, the
        smaller index first; the others choose partners for every row in turn, so that
        a pair can be chosen from both its ends.
    n_neighbors, n_impostors : int, default=4, 8
        How many are ``"nearest"``, of positives and of negatives.
    metric : {"sqeuclidean", "euclidean", "cosine"}, default="sqeuclidean"
    max_pairs : int, default=None
        If there are more, return that many of them, drawn uniformly without
        replacement.
    random_state : int, RandomState instance or None, default=None
        For random strategies, and for what is drawn of too many.

    Returns
    -------
    pairs : ndarray of int of shape (n_pairs, 2)
        Row indices.
    similar : ndarray of bool of shape (n_pairs,)
        True where both rows are of one class.

    Raises
    ------
    ValueError
        For an unknown word, fewer than two classes, or no class with two rows.

    Warns
    -----
    UserWarning
        For labels of which the learner would warn.

    Examples
    --------
    >>> from skmetric.mining import mine_pairs
    >>> pairs, similar = mine_pairs([[0.0], [1.0], [3.0]], ["a", "a", "b"])
    >>> pairs
    array([[0, 1],
           [0, 2],
           [1, 2]])
    >>> similar
    array([ True, False, False])
    """
    strategies, distances_of, y, rng = _prepare(
        E,
        y,
        metric,
        random_state,
        pairs=True,
        positives=positives,
        negatives=negatives,
        n_neighbors=n_neighbors,
        n_impostors=n_impostors,
    )
    if max_pairs is not None:
        max_pairs = check_number("max_pairs", max_pairs, kind=Integral, at_least=1)
    relation = LabelRelation(y)
    # With "all", each pair is found from both its ends and must be kept once.
    once = [strategy in (None, all_rows) for strategy in strategies]
    limited = max_pairs is not None
    # For each side, one to find the pairs and one to sample of them.
    rngs = split_random_state(rng, [*map(draws, strategies), limited, limited])
    found = _Sample(max_pairs)
    for rows in row_blocks(len(y)):
        selection = select(
            distances_of(rows), relation.masks(rows), strategies, rngs[:2], False
        )
        sides = selection.positives, selection.negatives
        if selection.layout == "all":
            sides = selection.positives, np.nonzero(relation.masks(rows)[1])
        for (anchors, columns), is_once, rng in zip(sides, once, rngs[2:], strict=True):
            pairs = np.stack([anchors + rows.start, columns], axis=1)  # (n_pairs, 2)
            found.add(pairs[pairs[:, 0] < pairs[:, 1]] if is_once else pairs, rng)
    pairs = found.rows
    similar = y[pairs[:, 0]] == y[pairs[:, 1]]
    # Similar pairs first. They were found block by block.
    order = np.argsort(~similar, kind="stable")
    return pairs[order], similar[order]


def _prepare(E, y, metric, random_state, pairs, **words):
    check_word("metric", metric, METRICS)
    for name in ("n_neighbors", "n_impostors"):
        words[name] = check_number(name, words[name], kind=Integral, at_least=1)
    E, y = check_embedding(E, y)
    strategies = resolve_strategies(
        **words, metric=metric, n_components=E.shape[1], pairs=pairs
    )
    rng = random_state_of(random_state)
    unscaled = callable(words["positives"]) or callable(words["negatives"])
    return strategies, _distances_of(E, metric, unscaled), y, rng


def _distances_of(E, metric, unscaled):
    """Distances from the rows of a slice to all rows, as a function of that slice.

    Parameters
    ----------
    E : ndarray of shape (n, k)
    metric : str
    unscaled : bool
        Whether the distances must be in the unit of E, as a callable strategy needs them.

    Returns
    -------
    distances_of : callable
        From a slice of b rows to an array of shape (b, n).
    """
    if metric == "cosine":
        E, _ = embed(E.copy(), metric)
        return partial(close_distances, gram_factors(E, metric), metric=metric, E=E)
    # The named strategies depend only on the order of distances, which the scale of E does
    # not change.
    E, exponent = to_scale(E)
    exponent *= 1 if metric == "euclidean" else 2  # Of distances rather than of rows.
    factors = gram_factors(about_most(E.copy()), metric)

    def distances_of(rows):
        D = close_distances(factors, rows, metric, E)
        return in_units(D, exponent, D.dtype, what="E") if unscaled and exponent else D

    return distances_of


class _Sample:
    """All rows added, or `limit` of them, drawn uniformly, in the order they came.

    Each row draws a number, and the rows with the smallest numbers are kept. So at most
    `limit` rows and one addition are held at a time.
    """

    def __init__(self, limit):
        self.limit, self._parts, self._numbers = limit, [], []

    def add(self, rows, random_state):
        self._parts.append(rows)  # (n_rows, 2) or (n_rows, 3)
        if self.limit is None:
            return
        self._numbers.append(random_state.uniform(size=len(rows)))
        if sum(map(len, self._parts)) > self.limit:
            numbers = np.concatenate(self._numbers)
            keep = np.sort(np.argpartition(numbers, self.limit)[: self.limit])
            self._parts, self._numbers = [self.rows[keep]], [numbers[keep]]

    @property
    def rows(self):
        return np.concatenate(self._parts)


def _in_portions(selection, limit):
    """Triplets of a block, or its (anchor, positive) pairs if every negative is chosen.

    With a limit, triplets with lists of negatives come in portions of at most about
    ``max(limit, entries_at_once())``.
    """
    (anchors, columns), negatives = selection.positives, selection.negatives
    if selection.layout != "lists":
        yield np.column_stack([anchors, columns, *(negatives or ())[1:]])
        return
    size = len(anchors)
    if limit is not None:
        size = max(limit, entries_at_once()) // max(max_per_group(negatives[0]), 1)
    for part in slices(max(1, len(anchors)), max(1, size)):
        yield np.column_stack(with_each(anchors[part], columns[part], negatives))


def _with_every_negative(pairs, y, limit, rng):
    """Each (anchor, positive) with each negative, or `limit` of these triplets."""
    by_class = np.argsort(y, kind="stable")  # Row indices, class after class.
    sizes = np.bincount(y)  # (n_classes,)
    starts = np.cumsum(sizes) - sizes  # Where each class starts in `by_class`.
    labels = y[pairs[:, 0]]  # (n_pairs,)
    # Number all triplets, pair after pair: those of pair i end before ends[i].
    ends = np.cumsum(len(y) - sizes[labels])
    total = int(ends[-1]) if len(ends) else 0
    if limit is None or total <= limit:
        numbers = np.arange(total)
    else:
        numbers = np.sort(sample_without_replacement(total, limit, random_state=rng))
    pair = np.searchsorted(ends, numbers, side="right")  # (n_triplets,)
    labels = labels[pair]
    # Number of the negative among those of the pair, in order of class.
    rank = numbers - (ends[pair] - (len(y) - sizes[labels]))
    # From there on `by_class` also has the class of the anchor, which is skipped.
    rank += np.where(rank >= starts[labels], sizes[labels], 0)
    return np.column_stack([pairs[pair], by_class[rank]])
