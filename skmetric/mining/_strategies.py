"""Strategies: which positives and negatives to take for the anchors of a block.

The named strategies come first, with the signatures that are documented in
:mod:`skmetric.mining`. Then come the functions that choose and apply them. Arrays of
distances have shape (b, n), for b anchors and n rows.

References
----------
.. [1] C.-Y. Wu et al., "Sampling matters in deep embedding learning", ICCV 2017.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from sklearn import get_config

from .._validation import check_option
from ._ordering import argsort_exactly, cache_chunks, max_per_group, rank_in_group, slices

# At most this many positives per anchor: comparing each costs less than a sort.
FEW_POSITIVES = 12
# At most this many nearest rows: finding one after another costs less than a partition.
FEW_NEAREST = 32


def all_rows(distances, candidates, random_state):
    """Every candidate of every anchor."""
    # Faster than nonzero of an array of two dimensions.
    return np.divmod(np.flatnonzero(candidates), candidates.shape[1])


def nearest_rows(distances, candidates, random_state, n_neighbors):
    """The `n_neighbors` nearest candidates, or as many as there are.

    In order of their distances if few are asked for, else in order of their columns.
    """
    keys = np.where(candidates, distances, distances.dtype.type(np.inf))  # (b, n)
    keys, kept_columns = _drop_far(keys, n_neighbors)  # (b, w) with w <= n
    find = _nearest_in_turn if n_neighbors <= FEW_NEAREST else _nearest_by_partition
    anchors, columns = find(keys, n_neighbors)  # (n_chosen,) each
    # Back to the columns of (b, n).
    return anchors, columns if kept_columns is None else kept_columns[anchors, columns]


def _nearest_in_turn(keys, k):
    """Rows and columns of the k smallest finite keys of each row; `keys` is overwritten."""
    rows = np.arange(len(keys))
    chosen = []
    for _ in range(min(k, keys.shape[1])):
        columns = keys.argmin(axis=1)  # (b,)
        chosen.append(np.where(np.isfinite(keys[rows, columns]), columns, -1))
        if (chosen[-1] < 0).all():
            break
        keys[rows, columns] = np.inf  # The next argmin finds the next smallest key.
    chosen = np.stack(chosen, axis=1)  # (b, at most k), -1 where a row has no more.
    anchors, ranks = np.nonzero(chosen >= 0)
    return anchors, chosen[anchors, ranks]


def _nearest_by_partition(keys, k):
    """The same in a time that does not grow with k."""
    chosen = keys < np.inf  # (b, w)
    if k < keys.shape[1]:
        kth_smallest = np.partition(keys, k - 1, axis=1)[:, k - 1, None]  # (b, 1)
        chosen &= keys <= kth_smallest
        # A row with too many has ties at the k-th smallest key. Take the first of them.
        rows = np.flatnonzero(chosen.sum(axis=1) > k)
        ties = keys[rows] == kth_smallest[rows]  # (n_rows, w)
        n_ties = k - (keys[rows] < kth_smallest[rows]).sum(axis=1, keepdims=True)
        chosen[rows] &= ~ties | (ties.cumsum(axis=1) <= n_ties)
    return all_rows(keys, chosen, None)


def _drop_far(keys, k):
    """Drop keys that cannot be among the k smallest of a row, if rows are long.

    The columns are split into more than k groups. Let t be the k-th smallest minimum of a
    group. Then k groups have a key of at most t each, so the k smallest keys of the row are
    at most t.

    Parameters
    ----------
    keys : ndarray of shape (b, n)
    k : int

    Returns
    -------
    keys : ndarray of shape (b, w)
        The keys that are kept, then infinity.
    kept_columns : ndarray of int of shape (b, w), or None if all are kept
        Their columns.
    """
    n_groups = 8 * k
    if keys.shape[1] < 8 * n_groups:
        return keys, None
    # Column c is in group c % n_groups. The few columns left over are in no group.
    size = keys.shape[1] // n_groups
    minima = keys[:, : size * n_groups].reshape(-1, size, n_groups).min(axis=1)
    threshold = np.sort(minima, axis=1)[:, k - 1, None]  # (b, 1)
    rows, columns = np.divmod(
        np.flatnonzero((keys <= threshold) & (keys < np.inf)), keys.shape[1]
    )  # (n_kept,) each
    # Pack what is kept to the left of an array (b, w), w the most that a row keeps.
    ranks = rank_in_group(rows)
    shape = len(keys), ranks.max(initial=0) + 1
    packed = np.full(shape, np.inf, dtype=keys.dtype)
    kept_columns = np.zeros(shape, dtype=np.intp)
    packed[rows, ranks], kept_columns[rows, ranks] = keys[rows, columns], columns
    return packed, kept_columns


def farthest_row(distances, candidates, random_state):
    """The farthest candidate of every anchor that has one."""
    anchors = np.flatnonzero(candidates.any(axis=1))
    return anchors, np.where(candidates, distances, -np.inf).argmax(axis=1)[anchors]


def random_row(distances, candidates, random_state):
    """One candidate of every anchor that has one, uniformly."""
    anchors = np.flatnonzero(candidates.any(axis=1))
    return anchors, draw_uniform(candidates, anchors, random_state)


def draw_uniform(candidates, anchors, random_state):
    """One candidate column for each of the `anchors`, which may repeat."""
    counts = candidates.sum(axis=1)  # (b,)
    starts = np.cumsum(counts) - counts  # Where the candidates of each row start below.
    rank = (random_state.uniform(size=len(anchors)) * counts[anchors]).astype(np.intp)
    columns = np.flatnonzero(candidates) % candidates.shape[1]  # Row after row.
    # Rounding may take a number just below 1 to `counts`.
    return columns[starts[anchors] + np.minimum(rank, counts[anchors] - 1)]


def semihard_negatives(distances, candidates, anchors, positives, random_state):
    """The nearest that is strictly farther than the positive, else the farthest."""
    negatives = np.empty(len(anchors), dtype=np.intp)  # (n_pairs,)
    excluded = np.finfo(distances.dtype).max
    for rows, pairs, pos in cache_chunks(distances.shape, anchors, positives):
        pos_rows, flat = pos
        # The distance of positives and negatives, `excluded` for all other entries.
        keys = np.maximum(distances[rows], ~candidates[rows] * excluded)
        keys.reshape(-1)[flat] = distances[rows].reshape(-1)[flat]
        keys += 0  # Turns -0.0 into 0.0.
        few = max_per_group(pos_rows) <= FEW_POSITIVES
        next_negatives = _next_by_comparing if few else _next_by_sorting
        negatives[pairs] = next_negatives(keys, pos, excluded)
    # Pairs without a farther negative get the farthest, found once for each anchor.
    without = negatives < 0
    rows, inverse = np.unique(anchors[without], return_inverse=True)
    negatives[without] = farthest_row(distances[rows], candidates[rows], None)[1][inverse]
    return negatives


def _next_by_comparing(keys, pos, excluded):
    """Column of the first negative after each positive of its row, or -1 without one.

    Parameters
    ----------
    keys : ndarray of shape (b, n)
        Neither negative nor -0.0. Overwritten.
    pos : pair of ndarrays of int of shape (n_pairs,)
        Rows of the positives, and their positions in ``keys.ravel()``.
    excluded : float
        The key of entries that are neither positive nor negative.

    Returns
    -------
    columns : ndarray of int of shape (n_pairs,)
    """
    rows, flat = pos
    ranks, distances = rank_in_group(rows), keys.reshape(-1)[flat]
    keys.reshape(-1)[flat] = excluded  # Only negatives are left.
    # Bits of floats that are not negative sort as the floats do. A positive's bits plus 1
    # are the bound: the smallest number that is strictly farther. Unsigned subtraction of
    # the bound wraps around for all that is nearer, which then exceeds all that is farther.
    # So the argmin is the nearest that is strictly farther.
    bits = keys.view(f"u{keys.itemsize}")  # (b, n)
    bounds = np.zeros((ranks.max(initial=-1) + 1, len(keys)), dtype=bits.dtype)
    bounds[ranks, rows] = distances.view(bits.dtype) + bits.dtype.type(1)
    # bounds[r] and columns[r] are of the r-th positive of each row: (max_positives, b).
    columns, beyond = np.empty(bounds.shape, dtype=np.intp), np.empty_like(bits)
    for bound, column in zip(bounds, columns, strict=True):
        np.subtract(bits, bound[:, None], out=beyond)
        beyond.argmin(axis=1, out=column)
    columns = columns[ranks, rows]  # (n_pairs,)
    return np.where(keys[rows, columns] < excluded, columns, -1)


def _next_by_sorting(keys, pos, excluded):
    """The same for all positives of a row at once."""
    order, pos_ranks = argsort_exactly(keys, pos[1])
    # Positives without a negative between them have the same next entry.
    ends = np.flatnonzero(np.diff(pos_ranks, append=-1) != 1)  # Last one of each run.
    after = np.repeat(pos_ranks[ends] + 1, np.diff(ends, prepend=-1))  # (n_pairs,)
    # An excluded entry, such as the anchor itself, sorts last in each row. `minimum` only
    # matters if a positive is as far and sorts last of all: its own key is no match then.
    rows, columns = np.divmod(order[np.minimum(after, len(order) - 1)], keys.shape[1])
    pos_flat = order[pos_ranks]  # (n_pairs,), in sorted order.
    found = (rows == pos_flat // keys.shape[1]) & (keys[rows, columns] < excluded)
    # From sorted order to the order of `pos`.
    next_columns = np.empty(keys.size, dtype=np.intp)
    next_columns[pos_flat] = np.where(found, columns, -1)
    return next_columns[pos[1]]


def hard_negatives(distances, candidates, anchors, positives, random_state):
    """The nearest row of another class."""
    return np.where(candidates, distances, np.inf).argmin(axis=1)[anchors]


def random_negatives(distances, candidates, anchors, positives, random_state):
    """One row of another class for each pair, uniformly."""
    return draw_uniform(candidates, anchors, random_state)


def distance_weighted_negatives(
    distances, candidates, anchors, positives, random_state, n_components
):
    """Drawn with p ∝ min(λ, 1/q(d)), q the density of distances on the sphere.

    Wu et al. [1]_, section 4, on cosine distances. λ is the weight at d = 0.5, the cutoff
    of the authors' code. Weights are normalized for each anchor separately.
    """
    # On the unit sphere the cosine distance is half the squared Euclidean distance.
    log_weight = -log_sphere_density(np.sqrt(2 * distances), n_components)  # (b, n)
    log_weight = np.minimum(log_weight, -log_sphere_density(0.5, n_components))
    log_weight[~candidates] = -np.inf
    # Rows without candidates are not among the anchors. Any finite number avoids NaN.
    log_weight[~candidates.any(axis=1)] = 0
    log_weight -= log_weight.max(axis=1, keepdims=True)  # So that exp cannot overflow.
    cumulated = np.cumsum(np.exp(log_weight), axis=1, dtype=np.float64)
    # One searchsorted for all anchors: row i of the cumulated weights fills (i, i + 1].
    cumulated /= cumulated[:, -1:]
    cumulated += np.arange(len(cumulated))[:, None]
    drawn = anchors + (1 - random_state.uniform(size=len(anchors)))  # (n_pairs,)
    flat = np.searchsorted(cumulated.ravel(), drawn)
    return flat - anchors * distances.shape[1]


def log_sphere_density(distances, n_components):
    """Logarithm of d^(k-2) (1 - d²/4)^((k-3)/2), up to a constant."""
    tiny = np.finfo(np.float32).tiny
    distances = np.asarray(distances, dtype=np.float64)
    inner = np.maximum(1 - distances**2 / 4, tiny)
    return (n_components - 2) * np.log(np.maximum(distances, tiny)) + (
        (n_components - 3) / 2
    ) * np.log(inner)


POSITIVES = {
    "all": all_rows,
    "nearest": nearest_rows,
    "hard": farthest_row,
    "random": random_row,
}
NEGATIVES = {
    "all": None,
    "nearest": nearest_rows,
    "semihard": semihard_negatives,
    "hard": hard_negatives,
    "random": random_negatives,
    "distance_weighted": distance_weighted_negatives,
}


def resolve_strategies(
    positives, negatives, *, n_neighbors, n_impostors, metric, n_components, pairs
):
    """Look up the functions of two named strategies, and wrap callables in checks.

    Parameters
    ----------
    positives, negatives : str or callable
    n_neighbors : int
        For ``positives="nearest"``.
    n_impostors : int
        For ``negatives="nearest"``.
    metric : str
    n_components : int
        Dimension of the embedding, for ``"distance_weighted"``.
    pairs : bool
        Whether to mine pairs rather than triplets. For pairs ``"semihard"`` is an error.

    Returns
    -------
    positives : callable
    negatives : callable, or None for ``"all"``
    """
    if pairs and isinstance(negatives, str) and negatives == "semihard":
        raise ValueError(
            "Got negatives='semihard', but a pair has no positive to be farther than. "
            "Use negatives='hard', 'distance_weighted' or 'all', or triplets."
        )
    # Python's integers do not overflow, unlike numpy's.
    return (
        _resolve_positives(positives, int(n_neighbors)),
        _resolve_negatives(negatives, int(n_impostors), metric, n_components),
    )


def is_nearest(strategy):
    """Whether a strategy takes the nearest candidates of each anchor."""
    return isinstance(strategy, partial) and strategy.func is nearest_rows


def all_for_nearest(positives, negatives, relation):
    """Replace ``"nearest"`` by ``"all"`` where every candidate would be among the nearest.

    Up to `FEW_NEAREST` nearest rows are never replaced.

    Parameters
    ----------
    positives : callable
    negatives : callable, or None for ``"all"``
        From :func:`resolve_strategies`.
    relation : LabelRelation
        See :mod:`skmetric._relations`.

    Returns
    -------
    positives : callable
    negatives : callable, or None
    """
    k, q = n_nearest(positives), n_nearest(negatives)
    if max(k, q) <= FEW_NEAREST:
        return positives, negatives
    most_positives, most_negatives = relation.max_per_anchor()
    if k > FEW_NEAREST and k >= most_positives:
        positives = all_rows
    if q > FEW_NEAREST and q >= most_negatives:
        negatives = None
    return positives, negatives


def n_nearest(strategy):
    """How many a strategy takes that :func:`is_nearest`, else 0."""
    return strategy.keywords["n_neighbors"] if is_nearest(strategy) else 0


def _resolve_positives(positives, n_neighbors):
    if callable(positives):
        return partial(_checked_positives, positives)
    strategy = POSITIVES[check_option("positives", positives, POSITIVES)]
    if strategy is nearest_rows:
        return partial(nearest_rows, n_neighbors=n_neighbors)
    return strategy


def _resolve_negatives(negatives, n_impostors, metric, n_components):
    if callable(negatives):
        return partial(_checked_negatives, negatives)
    strategy = NEGATIVES[check_option("negatives", negatives, NEGATIVES)]
    if strategy is nearest_rows:
        return partial(nearest_rows, n_neighbors=n_impostors)
    if strategy is distance_weighted_negatives:
        if metric != "cosine":
            raise ValueError(
                f"Got negatives='distance_weighted' with metric={metric!r}, but the "
                "density of distances is known on the unit sphere only. Use "
                "metric='cosine', or negatives='random'."
            )
        return partial(distance_weighted_negatives, n_components=n_components)
    return strategy


def _checked_positives(strategy, distances, candidates, random_state):
    answer = strategy(*_read_only(distances, candidates), random_state)
    try:
        anchors, columns = answer
    except (TypeError, ValueError):
        raise ValueError(
            f"Got {type(answer).__name__} from the strategy for positives, but expected "
            "two integer arrays of one length: (anchors, positives)."
        ) from None
    anchors = _checked_indices(anchors, len(candidates), "positives")
    if (np.diff(anchors) < 0).any():
        raise ValueError("The strategy for positives must order its pairs by anchor.")
    return anchors, _checked_columns(columns, anchors, candidates, "positives")


def _checked_negatives(strategy, distances, candidates, anchors, positives, random_state):
    columns = strategy(*_read_only(distances, candidates), anchors, positives, random_state)
    return _checked_columns(columns, anchors, candidates, "negatives")


def _read_only(*arrays):
    """Views that a callable strategy cannot write to."""
    views = [array.view() for array in arrays]
    for view in views:
        view.flags.writeable = False
    return views


def _checked_columns(columns, anchors, candidates, name):
    columns = _checked_indices(columns, candidates.shape[1], name)
    if columns.shape != anchors.shape or not candidates[anchors, columns].all():
        raise ValueError(
            f"The strategy for {name} must return one column for each anchor it is "
            "asked for, and only columns that are candidates of that anchor."
        )
    return columns


def _checked_indices(values, n, name):
    """Indices below n as an array of intp, whose sums do not overflow."""
    try:
        array = np.asarray(values)
    except ValueError:  # Lists of several lengths are no array.
        array = np.asarray(None)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise ValueError(
            f"Got {type(values).__name__} of dtype {array.dtype} and {array.ndim} "
            f"dimensions from the strategy for {name}, but expected an integer array of 1 "
            "dimension."
        )
    if not ((array >= 0) & (array < n)).all():
        raise ValueError(
            f"Got indices from {array.min()} to {array.max()} from the strategy for "
            f"{name}, but expected them from 0 to {n - 1}."
        )
    return array.astype(np.intp, copy=False)


def may_take_many(strategy):
    """Whether a strategy may list more than a few candidates of an anchor."""
    if is_nearest(strategy):
        return n_nearest(strategy) > FEW_NEAREST
    return getattr(strategy, "func", strategy) in (all_rows, _checked_positives)


# Strategies that may ask their `random_state` for numbers.
DRAWING = {
    random_row,
    random_negatives,
    distance_weighted_negatives,
    _checked_positives,
    _checked_negatives,
}


def split_random_state(random_state, draw):
    """A separate RandomState for each of several uses.

    No use then changes what another draws. So the numbers that a use draws for row after
    row do not depend on how many rows a block has.

    Parameters
    ----------
    random_state : RandomState
        If at most one use draws, it gets this one.
    draw : list of bool
        Which uses draw numbers.

    Returns
    -------
    random_states : list of RandomState
        One per use.
    """
    if sum(draw) < 2:
        return [random_state] * len(draw)
    return [np.random.RandomState(random_state.randint(2**31 - 1)) for _ in draw]


def draws(strategy):
    """Whether a strategy is one of `DRAWING`."""
    return getattr(strategy, "func", strategy) in DRAWING


class Selection(NamedTuple):
    """The constraints that are chosen for the anchors of a block.

    Attributes
    ----------
    layout : {"all", "lists", "tuples"}
        Whether the negatives are all of them, a list per anchor, or one per positive.
    positives : tuple of two ndarrays of int
        Rows of the block, in order, and columns, of shape (n_positives,).
    negatives : tuple of two ndarrays of int, or None for all
        Rows and columns, of shape (n_negatives,). For ``"tuples"`` entry i belongs to
        entry i of the positives.
    """

    layout: str
    positives: tuple
    negatives: tuple | None

    @property
    def arrays(self):
        """All index arrays."""
        return (*self.positives, *(self.negatives or ()))

    @property
    def nbytes(self):
        """Memory of the indices."""
        return sum(array.nbytes for array in self.arrays)

    def equals(self, other):
        """Whether both are the same constraints."""
        return self.layout == other.layout and all(
            map(np.array_equal, self.arrays, other.arrays)
        )


def select(distances, masks, strategies, random_states, by_positive):
    """Choose the constraints of a block of anchors.

    Parameters
    ----------
    distances : ndarray of shape (b, n)
    masks : tuple of two ndarrays of bool of shape (b, n)
        Which rows are positives and negatives, from a relation. Overwritten.
    strategies : tuple of two
        For positives and for negatives, from :func:`resolve_strategies`.
    random_states : pair of RandomState
        For positives and for negatives, from :func:`split_random_state`.
    by_positive : bool
        Whether a negative is chosen for each positive, as triplets need it, rather than
        for each anchor.

    Returns
    -------
    selection : Selection
    """
    (find_positives, find_negatives), (is_positive, is_negative) = strategies, masks
    if by_positive:
        # An anchor without negatives is in no triplet.
        is_positive &= is_negative.any(axis=1)[:, None]
    positives = find_positives(distances, is_positive, random_states[0])
    if find_negatives is None:
        return Selection("all", positives, None)
    if is_nearest(find_negatives):
        found = find_negatives(distances, is_negative, random_states[1])
        return Selection("lists", positives, found)
    if by_positive:
        anchors, columns = positives
    else:
        anchors, columns = np.flatnonzero(is_negative.any(axis=1)), None
    found = find_negatives(distances, is_negative, anchors, columns, random_states[1])
    return Selection("tuples" if by_positive else "lists", positives, (anchors, found))


def with_each(anchors, positives, negatives):
    """Triplets of each (anchor, positive) pair with each listed negative of its anchor.

    Parameters
    ----------
    anchors, positives : ndarrays of int of shape (n_pairs,)
    negatives : pair of ndarrays of int
        Anchors, in order, and their negatives.

    Returns
    -------
    anchors, positives, negatives : ndarrays of int of shape (n_triplets,)
    """
    neg_anchors, neg_columns = negatives
    # Negatives of anchor a: neg_columns[starts[a] : starts[a] + counts[a]].
    counts = np.bincount(neg_anchors, minlength=anchors.max(initial=-1) + 1)
    starts = np.cumsum(counts) - counts
    repeats = counts[anchors]  # How many triplets each pair is in, (n_pairs,).
    pair = np.repeat(np.arange(len(anchors)), repeats)  # (n_triplets,)
    # Number of each triplet among those of its pair.
    rank = np.arange(len(pair)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return anchors[pair], positives[pair], neg_columns[starts[anchors[pair]] + rank]


def row_blocks(n, m):
    """Slices of n rows, such that a (b, m) array and its temporaries stay bounded."""
    return slices(n, max(1, entries_at_once() // m))


def entries_at_once():
    """How many entries a block may have, if each takes 64 bytes with all temporaries.

    Bounded by scikit-learn's ``working_memory``, and by 2**20, because larger blocks are
    no faster.
    """
    return int(min(get_config()["working_memory"] * 2**20 / 64, 2**20))
