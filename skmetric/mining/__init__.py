"""Which constraints to learn from: ``positives`` x ``negatives``.

Each method of mining is named by two words. The first says which positives to take, the
second which negatives:

- all x all is batch-all, and hard x hard is batch-hard [1]_.
- all x semihard is the mining of FaceNet [2]_.
- nearest x all is the objective of LMNN [3]_, but the nearest positives are found anew as
  the map changes. nearest x nearest is the same among near rows only.
- nearest x hard is easy-positive mining.
- random x random is the naive baseline.

A strategy is a function of a block of anchors and of all rows that they may be paired with.
It takes arrays and returns arrays of indices. Any callable with one of these signatures can
be passed in place of a word:

``positives(distances, candidates, random_state) -> (anchors, positives)``
    `distances` and the boolean `candidates` have shape (n_anchors, n_rows). The functions
    of this module compute distances in float64, a fit in the dtype of X.
    ``candidates[a, p]`` is true where row p belongs with anchor a, for example has its
    class, and is not the anchor itself. Returns two integer arrays of the same length:
    pairs for which `candidates` is true, ordered by anchor.

``negatives(distances, candidates, anchors, positives, random_state) -> negatives``
    Here `candidates` is true for the negatives, such as the rows of other classes. Returns
    one column for each of the given (anchor, positive) pairs. For pairs there is no
    positive to compare with. The contrastive learner passes ``positives=None`` and every
    anchor once.

A strategy must return the same for the same arguments, because L-BFGS calls it again for
indices that do not fit in memory. `distances` and `candidates` are read-only. The number of
anchors in a block depends on scikit-learn's ``working_memory``. To draw the same numbers
whatever the size of the block, draw one array per call, ordered by anchor.

The named strategies break ties by the smallest index. A row is never paired with itself,
but it can be paired with its copies. The learners merge copies with the same label first.

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
from scipy.sparse import issparse
from sklearn.utils import check_consistent_length
from sklearn.utils.random import sample_without_replacement

from .._relations import LabelRelation, SharedLabelRelation
from .._scales import in_units, to_scale
from .._validation import (
    check_classes,
    check_number,
    check_option,
    check_rows,
    check_sets,
    check_unlabeled,
    distinct_labels,
    labeled_rows,
    labels_or_sets,
    random_state_of,
    warn_about_labels,
)
from ..distances import METRICS, center_on_most, close_distances, embed, gram_factors
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
    unlabeled=None,
    max_triplets=None,
    random_state=None,
):
    """Mine the triplets that a :class:`skmetric.TripletMetricLearner` would learn from.

    Parameters
    ----------
    E : array-like of shape (n_samples, k)
        An embedding, or any rows whose distances are meaningful.
    y : array-like of shape (n_samples,), or {array-like, sparse matrix} of shape \
(n_samples, n_labels)
        Class labels of any type, or several labels a row: 0 and 1 in a column for each.
    positives : {"all", "nearest", "hard", "random"} or callable, default="nearest"
    negatives : {"all", "nearest", "semihard", "hard", "random", "distance_weighted"} or \
callable, default="nearest"
        Which positives and negatives to take, see :mod:`skmetric.mining`.
    n_neighbors, n_impostors : int, default=4, 8
        How many positives and how many negatives ``"nearest"`` takes per anchor.
    metric : {"sqeuclidean", "euclidean", "cosine"}, default="sqeuclidean"
    unlabeled : object, default=None
        The label of rows that have none, such as -1. They are in no constraint, and neither
        are rows with none of several labels.
    max_triplets : int, default=None
        At most this many triplets are returned. If there are more, they are drawn
        uniformly without replacement. With ``negatives="all"``, the other triplets
        are then never formed.
    random_state : int, RandomState instance or None, default=None
        For random strategies, and for the draw of at most `max_triplets`.

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
        For labels about which the learner would warn.

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
    strategies, distances_of, relation, labeled, rng = _prepare(
        E,
        y,
        unlabeled,
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
    strategies = all_for_nearest(*strategies, relation)
    # With every negative, pairs are collected here, and triplets are made of them below.
    every_negative = strategies[1] is None
    limit = None if every_negative else max_triplets
    *strategy_rngs, sample_rng = split_random_state(
        rng, [*map(draws, strategies), limit is not None]
    )
    found, n_negatives, n = _Sample(limit), [], len(labeled)
    for rows in row_blocks(n, n):
        masks = relation.masks(rows)
        if every_negative:
            n_negatives.append(masks[1].sum(axis=1))
        selection = select(distances_of(rows), masks, strategies, strategy_rngs, True)
        for triplets in _in_portions(selection, limit):  # (n_triplets, 3) or (n_pairs, 2)
            triplets[:, 0] += rows.start  # From rows of the block to rows of E.
            found.add(triplets, sample_rng)
    triplets = found.rows
    if every_negative:
        triplets = _with_every_negative(
            triplets, np.concatenate(n_negatives), relation, max_triplets, rng
        )
    return labeled[triplets]


def mine_pairs(
    E,
    y,
    *,
    positives="all",
    negatives="all",
    n_neighbors=4,
    n_impostors=8,
    metric="sqeuclidean",
    unlabeled=None,
    max_pairs=None,
    random_state=None,
):
    """Mine every pair, or those of a :class:`skmetric.ContrastiveMetricLearner`.

    By default every pair is returned, because a threshold on distances must be evaluated on
    all of them. The learner's default is ``positives="nearest", negatives="nearest"``.

    Parameters
    ----------
    E : array-like of shape (n_samples, k)
        An embedding, or any rows whose distances are meaningful.
    y : array-like of shape (n_samples,), or {array-like, sparse matrix} of shape \
(n_samples, n_labels)
        Class labels of any type, or several labels a row: 0 and 1 in a column for each.
    positives : {"all", "nearest", "hard", "random"} or callable, default="all"
    negatives : {"all", "nearest", "hard", "random", "distance_weighted"} or callable, \
default="all"
        Which pairs to take, see :mod:`skmetric.mining`. ``"all"`` returns each pair once,
        with the smaller index first. The other strategies choose partners for every row,
        so that a pair can be returned twice, once in each order.
    n_neighbors, n_impostors : int, default=4, 8
        How many positives and how many negatives ``"nearest"`` takes per anchor.
    metric : {"sqeuclidean", "euclidean", "cosine"}, default="sqeuclidean"
    unlabeled : object, default=None
        The label of rows that have none, such as -1. They are in no constraint, and neither
        are rows with none of several labels.
    max_pairs : int, default=None
        At most this many pairs are returned. If there are more, they are drawn
        uniformly without replacement.
    random_state : int, RandomState instance or None, default=None
        For random strategies, and for the draw of at most `max_pairs`.

    Returns
    -------
    pairs : ndarray of int of shape (n_pairs, 2)
        Row indices.
    similar : ndarray of bool of shape (n_pairs,)
        True where both rows have the same class, or a label in common.

    Raises
    ------
    ValueError
        For an unknown word, fewer than two classes, or no class with two rows.

    Warns
    -----
    UserWarning
        For labels about which the learner would warn.

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
    strategies, distances_of, relation, labeled, rng = _prepare(
        E,
        y,
        unlabeled,
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
    # With "all", each pair is found from both its ends and must be kept once.
    once = [strategy in (None, all_rows) for strategy in strategies]
    limited = max_pairs is not None
    # For each side, one to find the pairs and one to sample of them.
    rngs = split_random_state(rng, [*map(draws, strategies), limited, limited])
    found = _Sample(max_pairs)
    n = len(labeled)
    for rows in row_blocks(n, n):
        selection = select(
            distances_of(rows), relation.masks(rows), strategies, rngs[:2], False
        )
        sides = selection.positives, selection.negatives
        if selection.layout == "all":
            sides = selection.positives, np.nonzero(relation.masks(rows)[1])
        kinds = zip((True, False), sides, once, rngs[2:], strict=True)
        for is_similar, (anchors, columns), is_once, rng in kinds:
            kind = np.full(len(anchors), is_similar)
            pairs = np.stack([anchors + rows.start, columns, kind], axis=1)  # (n_pairs, 3)
            found.add(pairs[pairs[:, 0] < pairs[:, 1]] if is_once else pairs, rng)
    # Similar pairs first. They were found block by block.
    pairs = found.rows
    pairs = pairs[np.argsort(-pairs[:, 2], kind="stable")]
    return labeled[pairs[:, :2]], pairs[:, 2].astype(bool)


def _prepare(E, y, unlabeled, metric, random_state, pairs, **words):
    check_option("metric", metric, METRICS)
    for name in ("n_neighbors", "n_impostors"):
        words[name] = check_number(name, words[name], kind=Integral, at_least=1)
    E, relation, labeled = _check_labels(E, y, unlabeled)
    strategies = resolve_strategies(
        **words, metric=metric, n_components=E.shape[1], pairs=pairs
    )
    rng = random_state_of(random_state)
    unscaled = callable(words["positives"]) or callable(words["negatives"])
    return strategies, _distances_of(E, metric, unscaled), relation, labeled, rng


def _check_labels(E, y, unlabeled):
    """The labeled rows of an embedding in float64, their relation, and which they are."""
    if issparse(E):
        raise TypeError(
            "Got sparse E, but expected an array, such as the rows that transform of a "
            "learner returns."
        )
    E, y = check_rows(E, "E", dtype=np.float64), labels_or_sets(y)
    check_consistent_length(E, y)
    labeled, y = labeled_rows(np.arange(len(E)), y, check_unlabeled(unlabeled))
    E = E[labeled]
    if issparse(y):
        relation = SharedLabelRelation(y)
        check_sets(y.sum(axis=0), relation)
        return E, relation, labeled
    labels, codes = distinct_labels(y)
    check_classes(codes)
    warn_about_labels(labels, len(codes), stacklevel=5)
    return E, LabelRelation(codes), labeled


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
        return partial(close_distances, gram_factors(E, E, metric), metric=metric, E=E)
    # The named strategies depend only on the order of distances, which the scale of E does
    # not change.
    E, exponent = to_scale(E)
    exponent *= 1 if metric == "euclidean" else 2  # Of distances rather than of rows.
    centered = center_on_most(E.copy())
    factors = gram_factors(centered, centered, metric)

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


def _with_every_negative(pairs, n_negatives, relation, limit, rng):
    """Each (anchor, positive) with each negative, or `limit` of these triplets.

    Parameters
    ----------
    pairs : ndarray of int of shape (n_pairs, 2)
        Ordered by anchor.
    n_negatives : ndarray of int of shape (n,)
        How many negatives each row has.
    relation : LabelRelation or SharedLabelRelation
    limit : int or None
    rng : RandomState
    """
    # Number all triplets, pair after pair: those of pair i end before ends[i].
    counts = n_negatives[pairs[:, 0]]  # (n_pairs,)
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    if limit is None or total <= limit:
        numbers = np.arange(total)
    else:
        numbers = np.sort(sample_without_replacement(total, limit, random_state=rng))
    pair = np.searchsorted(ends, numbers, side="right")  # (n_triplets,)
    # Number of the negative among those of the anchor, in order of the rows.
    rank = numbers - (ends - counts)[pair]
    anchors, n = pairs[pair, 0], len(n_negatives)
    negatives = np.empty(len(pair), dtype=np.intp)
    for rows in row_blocks(n, n):
        part = slice(*np.searchsorted(anchors, [rows.start, rows.stop]))
        columns = np.flatnonzero(relation.masks(rows)[1]) % n  # Row after row.
        starts = np.cumsum(n_negatives[rows]) - n_negatives[rows]
        negatives[part] = columns[starts[anchors[part] - rows.start] + rank[part]]
    return np.column_stack([pairs[pair], negatives])
