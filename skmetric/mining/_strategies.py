"""Which constraints the anchors of a block of distances take part in.

First the words of ``positives`` and ``negatives`` as functions on a block; their common
signature is documented in :mod:`skmetric.mining`. Then what applies them.

References
----------
.. [1] C.-Y. Wu et al., "Sampling matters in deep embedding learning", ICCV 2017.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from sklearn import get_config

from .._validation import check_word
from ._ordering import cached_parts, merge_order, most_an_anchor, slices, slots_of

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
    left = np.where(candidates, distances, distances.dtype.type(np.inf))
    left, names = _without_far(left, n_neighbors)
    find = _nearest_in_turn if n_neighbors <= FEW_NEAREST else _nearest_by_partition
    anchors, columns = find(left, n_neighbors)
    return anchors, columns if names is None else names[anchors, columns]


def _nearest_in_turn(left, k):
    """Rows and columns of the k smallest finite keys of each row; `left` is overwritten."""
    within = np.arange(len(left))
    chosen = []
    for _ in range(min(k, left.shape[1])):
        columns = left.argmin(axis=1)
        chosen.append(np.where(np.isfinite(left[within, columns]), columns, -1))
        if (chosen[-1] < 0).all():
            break
        left[within, columns] = np.inf
    chosen = np.stack(chosen, axis=1)
    anchors, slots = np.nonzero(chosen >= 0)
    return anchors, chosen[anchors, slots]


def _nearest_by_partition(left, k):
    """The same in a time that does not grow with k."""
    chosen = left < np.inf
    if k < left.shape[1]:
        bound = np.partition(left, k - 1, axis=1)[:, k - 1, None]
        chosen &= left <= bound
        # Of those as far as the k-th the first are taken.
        rows = np.flatnonzero(chosen.sum(axis=1) > k)
        ties = left[rows] == bound[rows]
        n_ties = k - (left[rows] < bound[rows]).sum(axis=1, keepdims=True)
        chosen[rows] &= ~ties | (ties.cumsum(axis=1) <= n_ties)
    return all_rows(left, chosen, None)


def _without_far(keys, k):
    """Leave out what cannot be among the k smallest of a row, if rows are long.

    Each of the k groups of columns with the smallest minima holds one that is no larger
    than the k-th of these.

    Returns
    -------
    keys : ndarray of shape (b, w)
    names : ndarray of int of shape (b, w), or None for all columns
        Which columns they were.
    """
    n_groups = 8 * k
    if keys.shape[1] < 8 * n_groups:
        return keys, None
    size = keys.shape[1] // n_groups
    minima = keys[:, : size * n_groups].reshape(-1, size, n_groups).min(axis=1)
    bound = np.sort(minima, axis=1)[:, k - 1, None]
    rows, columns = np.divmod(
        np.flatnonzero((keys <= bound) & (keys < np.inf)), keys.shape[1]
    )
    slots = slots_of(rows)
    shape = len(keys), slots.max(initial=0) + 1
    left, names = np.full(shape, np.inf, dtype=keys.dtype), np.zeros(shape, dtype=np.intp)
    left[rows, slots], names[rows, slots] = keys[rows, columns], columns
    return left, names


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
    counts = candidates.sum(axis=1)
    first = np.cumsum(counts) - counts
    rank = (random_state.uniform(size=len(anchors)) * counts[anchors]).astype(np.intp)
    columns = np.flatnonzero(candidates) % candidates.shape[1]
    return columns[first[anchors] + np.minimum(rank, counts[anchors] - 1)]


def semihard_negatives(distances, candidates, anchors, positives, random_state):
    """The nearest that is strictly farther than the positive, else the farthest."""
    negatives = np.empty(len(anchors), dtype=np.intp)
    none = np.finfo(distances.dtype).max
    for rows, pairs, near in cached_parts(distances.shape, anchors, positives):
        keys = np.maximum(distances[rows], ~candidates[rows] * none)
        keys.reshape(-1)[near[1]] = distances[rows].reshape(-1)[near[1]]
        keys += 0  # No -0.0 is left.
        few = most_an_anchor(near[0]) <= FEW_POSITIVES
        next_negatives = _next_by_comparing if few else _next_by_sorting
        negatives[pairs] = next_negatives(keys, near, none)
    without = negatives < 0
    rows, inverse = np.unique(anchors[without], return_inverse=True)
    negatives[without] = farthest_row(distances[rows], candidates[rows], None)[1][inverse]
    return negatives


def _next_by_comparing(keys, near, none):
    """Column of the first negative behind each positive of its row, -1 if none is.

    Parameters
    ----------
    keys : ndarray of shape (b, n)
        Neither negative nor -0.0; `none` for what is neither positive nor negative.
        Overwritten.
    near : pair of ndarrays of int
        Rows and places of the positives.
    none : float
    """
    rows, places = near
    slots, distances = slots_of(rows), keys.reshape(-1)[places]
    keys.reshape(-1)[places] = none
    # Bits of floats that are not negative sort as the floats do, and what lies before a
    # bound lies beyond `none` once that is subtracted.
    bits = keys.view(f"u{keys.itemsize}")
    bounds = np.zeros((slots.max(initial=-1) + 1, len(keys)), dtype=bits.dtype)
    bounds[slots, rows] = distances.view(bits.dtype) + bits.dtype.type(1)
    columns, beyond = np.empty(bounds.shape, dtype=np.intp), np.empty_like(bits)
    for bound, column in zip(bounds, columns, strict=True):
        np.subtract(bits, bound[:, None], out=beyond)
        beyond.argmin(axis=1, out=column)
    columns = columns[slots, rows]
    return np.where(keys[rows, columns] < none, columns, -1)


def _next_by_sorting(keys, near, none):
    """The same for all positives of a row at once."""
    places, at = merge_order(keys, near[1], first=False)
    # Positives side by side have the next negative in common.
    ends = np.flatnonzero(np.diff(at, append=-1) != 1)
    behind = np.repeat(at[ends] + 1, np.diff(ends, prepend=-1))
    rows, columns = np.divmod(places[np.minimum(behind, len(places) - 1)], keys.shape[1])
    found = (rows == places[at] // keys.shape[1]) & (keys[rows, columns] < none)
    by_place = np.empty(keys.size, dtype=np.intp)
    by_place[places[at]] = np.where(found, columns, -1)
    return by_place[near[1]]


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
    of the authors' code. Weights are normalised for each anchor on its own.
    """
    log_weight = -log_sphere_density(np.sqrt(2 * distances), n_components)
    log_weight = np.minimum(log_weight, -log_sphere_density(0.5, n_components))
    log_weight[~candidates] = -np.inf
    # No anchor is a row without candidates.
    log_weight[~candidates.any(axis=1)] = 0
    log_weight -= log_weight.max(axis=1, keepdims=True)
    cumulated = np.cumsum(np.exp(log_weight), axis=1, dtype=np.float64)
    # One searchsorted for all anchors: row i of the cumulated weights fills (i, i + 1].
    cumulated /= cumulated[:, -1:]
    cumulated += np.arange(len(cumulated))[:, None]
    drawn = anchors + (1 - random_state.uniform(size=len(anchors)))
    places = np.searchsorted(cumulated.ravel(), drawn)
    return places - anchors * distances.shape[1]


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
    """Functions for two words, or the callables given in their place.

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
        For pairs rather than triplets, where ``"semihard"`` has no meaning.

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
    # Scalars of numpy's overflow.
    return (
        _resolve_positives(positives, int(n_neighbors)),
        _resolve_negatives(negatives, int(n_impostors), metric, n_components),
    )


def takes_set(strategy):
    """Whether it takes some candidates of each anchor: the nearest."""
    return isinstance(strategy, partial) and strategy.func is nearest_rows


def all_for_nearest(positives, negatives, relation):
    """The same strategies, ``"all"`` in the place of many nearest where none is left out.

    Lists of few nearest rows stay what they are.

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
    k, q = _n_nearest(positives), _n_nearest(negatives)
    if max(k, q) <= FEW_NEAREST:
        return positives, negatives
    most_positives, most_negatives = relation.max_per_anchor()
    if k > FEW_NEAREST and k >= most_positives:
        positives = all_rows
    if q > FEW_NEAREST and q >= most_negatives:
        negatives = None
    return positives, negatives


def _n_nearest(strategy):
    return strategy.keywords["n_neighbors"] if takes_set(strategy) else 0


def _resolve_positives(positives, n_neighbors):
    if callable(positives):
        return partial(_checked_positives, positives)
    strategy = POSITIVES[check_word("positives", positives, POSITIVES)]
    if strategy is nearest_rows:
        return partial(nearest_rows, n_neighbors=n_neighbors)
    return strategy


def _resolve_negatives(negatives, n_impostors, metric, n_components):
    if callable(negatives):
        return partial(_checked_negatives, negatives)
    strategy = NEGATIVES[check_word("negatives", negatives, NEGATIVES)]
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
    """Views of arrays that are still needed as they are."""
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


def takes_many(strategy):
    """Whether a strategy may take more than a few candidates of an anchor, each listed."""
    if takes_set(strategy):
        return _n_nearest(strategy) > FEW_NEAREST
    return getattr(strategy, "func", strategy) in (all_rows, _checked_positives)


# Strategies that may ask their `random_state` for numbers.
DRAWING = {
    random_row,
    random_negatives,
    distance_weighted_negatives,
    _checked_positives,
    _checked_negatives,
}


def own_streams(random_state, draw):
    """A RandomState for each of some uses.

    What is drawn for row after row then does not depend on how many rows a block has:
    no use takes from the numbers of another.

    Parameters
    ----------
    random_state : RandomState
        What a single use that draws has for itself.
    draw : list of bool
        Which uses do draw.

    Returns
    -------
    random_states : list
        As many.
    """
    if sum(draw) < 2:
        return [random_state] * len(draw)
    return [np.random.RandomState(random_state.randint(2**31 - 1)) for _ in draw]


def draws(strategy):
    """Whether a strategy is one of `DRAWING`."""
    return getattr(strategy, "func", strategy) in DRAWING


class Selection(NamedTuple):
    """Constraints of the anchors of a block.

    Attributes
    ----------
    layout : {"all", "lists", "tuples"}
        Whether the negatives are every one, some of each anchor, or one of each positive.
    positives : tuple of two ndarrays of int
        Rows of the block, in order, and columns.
    negatives : tuple of two ndarrays of int, or None for every one
        Likewise. For ``"tuples"`` they stand beside the positives.
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
        return (
            isinstance(other, Selection)
            and self.layout == other.layout
            and all(map(np.array_equal, self.arrays, other.arrays))
        )


def select(distances, masks, strategies, random_states, by_positive):
    """Constraints of a block of anchors.

    Parameters
    ----------
    distances : ndarray of shape (b, n)
    masks : tuple of two ndarrays of bool of shape (b, n)
        Positives and negatives, from a relation; overwritten.
    strategies : tuple of two
        For positives and for negatives, from :func:`resolve_strategies`.
    random_states : pair of RandomState
        For positives and for negatives, from :func:`own_streams`.
    by_positive : bool
        Whether a negative is chosen for each positive, as triplets need it, rather than
        for each anchor.

    Returns
    -------
    selection : Selection
    """
    (find_positives, find_negatives), (is_positive, is_negative) = strategies, masks
    if by_positive:
        is_positive &= is_negative.any(axis=1)[:, None]
    positives = find_positives(distances, is_positive, random_states[0])
    if find_negatives is None:
        return Selection("all", positives, None)
    if takes_set(find_negatives):
        found = find_negatives(distances, is_negative, random_states[1])
        return Selection("lists", positives, found)
    if by_positive:
        anchors, columns = positives
    else:
        anchors, columns = np.flatnonzero(is_negative.any(axis=1)), None
    found = find_negatives(distances, is_negative, anchors, columns, random_states[1])
    return Selection("tuples" if by_positive else "lists", positives, (anchors, found))


def with_each(anchors, positives, negatives):
    """Triplets of pairs with each of some negatives of their anchors.

    Parameters
    ----------
    anchors, positives : ndarrays of int of shape (n_pairs,)
    negatives : pair of ndarrays of int
        Anchors, in order, and their negatives.

    Returns
    -------
    anchors, positives, negatives : ndarrays of int of shape (n_triplets,)
    """
    rows, columns = negatives
    counts = np.bincount(rows, minlength=anchors.max(initial=-1) + 1)
    first = np.cumsum(counts) - counts
    repeats = counts[anchors]
    pair = np.repeat(np.arange(len(anchors)), repeats)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return anchors[pair], positives[pair], columns[first[anchors[pair]] + within]


def row_blocks(n, m):
    """Slices of n rows, such that a (b, m) array and its temporaries stay bounded."""
    return slices(n, max(1, entries_at_once() // m))


def entries_at_once():
    """How many entries an array may have that 64 bytes each are spent on.

    Bounded by scikit-learn's ``working_memory``, and by 2**20, beyond which larger blocks
    gain nothing.
    """
    return int(min(get_config()["working_memory"] * 2**20 / 64, 2**20))
