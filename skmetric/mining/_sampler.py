"""Stratified epochs: every row once, each batch with several rows of its classes."""

from functools import lru_cache

import numpy as np

from ._ordering import rank_in_group

# Rows of a class in a batch, if there are many classes. That is enough for an anchor to
# have near and far positives, and few enough for many classes per batch.
ROWS_PER_CLASS = 8


def shuffled_by_class(y, random_state):
    """Row indices grouped by class, in random order within each class."""
    return np.lexsort((random_state.uniform(size=len(y)), y))


def epoch(y, batch_size, random_state, counts=None):
    """Batches of row indices that together hold every row exactly once.

    Or as many rows of each class as are asked for, in pieces that hardly repeat a row.

    Each class is cut into pieces of at least two rows, so that each row finds a positive,
    and the pieces of a class are spread evenly over the epoch. If a batch can hold
    `ROWS_PER_CLASS` rows of every class, each batch gets its share of every class.
    Otherwise the pieces have about `ROWS_PER_CLASS` rows and classes take turns.

    A batch with rows of only one class gets a row of each of some other classes as
    negatives. Only such rows are visited more than once per epoch. They have no positive in
    the batch, so they are not anchors there.

    Parameters
    ----------
    y : ndarray of int of shape (n,)
        Labels 0 … n_classes - 1, of at least two classes.
    batch_size : int
        Approximate number of rows in a batch, as pieces are not split.
    random_state : RandomState
    counts : ndarray of int of shape (n_classes,), default=None
        How many rows of each class to draw, from :func:`draws_by_class`.

    Yields
    ------
    rows : ndarray of int
    """
    if counts is None:
        by_class, counts, passes = shuffled_by_class(y, random_state), np.bincount(y), 1
    else:
        by_class = _draw_by_class(y, counts, random_state)
        passes = -(-counts // np.maximum(np.bincount(y, minlength=len(counts)), 1))
    n_batches = max(1, round(len(by_class) / batch_size))
    piece_of_row, batch_of_piece = _deal(
        counts, passes, n_batches, batch_size, random_state
    )
    batch_of_row = batch_of_piece[piece_of_row]  # (n,), for rows grouped by class.
    in_batch = by_class[np.argsort(batch_of_row, kind="stable")]  # Batch after batch.
    ends = np.cumsum(np.bincount(batch_of_row, minlength=n_batches))

    # This takes O(n) time, and a large class may fill many batches in a row.
    @lru_cache(maxsize=1)
    def others_of(label):
        return np.flatnonzero(y != label)

    for rows in np.split(in_batch, ends[:-1]):
        if len(rows):
            yield _with_negatives(rows, y, others_of, batch_size, random_state)


def draws_by_class(sizes, weights):
    """How many rows of each class to draw so that it comes as often as it weighs.

    At least two, or it would have no positives.

    Parameters
    ----------
    sizes : ndarray of int of shape (n_classes,)
    weights : ndarray of shape (n_classes,)
        With a mean of about 1 over the rows.

    Returns
    -------
    counts : ndarray of int of shape (n_classes,)
    """
    counts = np.rint(sizes * weights).astype(np.intp)
    return np.maximum(counts, np.minimum(sizes, 2))


def _draw_by_class(y, counts, random_state):
    """Rows grouped by class: passes over each class, the last of them in part."""
    by_class = shuffled_by_class(y, random_state)
    sizes = np.bincount(y, minlength=len(counts))
    starts = np.cumsum(sizes) - sizes
    classes = np.repeat(np.arange(len(counts)), counts)  # (n_draws,)
    return by_class[starts[classes] + rank_in_group(classes) % sizes[classes]]


def hold_out(y, fraction, random_state):
    """Hold out the same share of each class, but keep at least two rows of it.

    Parameters
    ----------
    y : ndarray of int of shape (n,)
    fraction : float
        The share to hold out, rounded down in each class.
    random_state : RandomState

    Returns
    -------
    kept, held : ndarrays of int

    Raises
    ------
    ValueError
        If no class is large enough to give a row.
    """
    by_class, sizes = shuffled_by_class(y, random_state), np.bincount(y)
    rank = rank_in_group(y[by_class])  # (n,), in random order within each class.
    n_held = np.maximum(np.minimum((fraction * sizes).astype(np.intp), sizes - 2), 0)
    is_held = rank < n_held[y[by_class]]
    if not is_held.any():
        raise ValueError(
            f"Got early_stopping=True with validation_fraction={fraction}, but no class is "
            f"large enough to give a row: the largest has {sizes.max()}. Raise "
            "validation_fraction, or set early_stopping=False."
        )
    return np.sort(by_class[~is_held]), np.sort(by_class[is_held])


def stratified_part(y, share, random_state):
    """A random share of the rows of each class, rounded up and no less than two."""
    by_class, sizes = shuffled_by_class(y, random_state), np.bincount(y)
    rank = rank_in_group(y[by_class])
    most = np.maximum(np.ceil(share * sizes), 2)
    return np.sort(by_class[rank < most[y[by_class]]])


def shuffle_strata(strata, random_state):
    """All indices in random order, those of each stratum spread evenly.

    Parameters
    ----------
    strata : list of ndarrays of int
    random_state : RandomState

    Returns
    -------
    order : ndarray of int
    """
    shuffled = [random_state.permutation(stratum) for stratum in strata]
    if len(shuffled) == 1:
        return shuffled[0]
    places = [(np.arange(len(s)) + random_state.uniform()) / len(s) for s in strata]
    return np.concatenate(shuffled)[np.argsort(np.concatenate(places), kind="stable")]


def _deal(sizes, least, n_batches, batch_size, random_state):
    """Cut classes into at least a number of pieces, and deal these out to batches.

    Returns
    -------
    piece_of_row : ndarray of int of shape (n,)
        For rows grouped by class.
    batch_of_piece : ndarray of int of shape (n_pieces,)
    """
    piece_size = min(ROWS_PER_CLASS, max(2, batch_size // 2))
    # Pieces per class, (n_classes,): one per batch, or as many as give `piece_size` rows.
    if np.count_nonzero(sizes) * piece_size <= batch_size:
        n_pieces = np.full(len(sizes), n_batches)
    else:
        n_pieces = np.rint(sizes / piece_size).astype(np.intp)
    # A piece must have at least two rows. A class of one row is a piece of its own.
    n_pieces = np.clip(n_pieces, least, np.maximum(sizes // 2, 1)) * (sizes > 0)
    class_of_piece = np.repeat(np.arange(len(sizes)), n_pieces)  # (n_pieces,)
    number = rank_in_group(class_of_piece)
    # Piece j of m of a class is placed at (j + u) / m of the epoch, with one random u per
    # class: its pieces are evenly spaced, and classes start at different places.
    shift = random_state.uniform(size=len(sizes))[class_of_piece]
    order = np.argsort((number + shift) / n_pieces[class_of_piece], kind="stable")

    class_of_row = np.repeat(np.arange(len(sizes)), sizes)  # (n,)
    rank = rank_in_group(class_of_row)
    # Cut the rows of a class into pieces whose sizes differ by at most one.
    piece_in_class = rank * n_pieces[class_of_row] // sizes[class_of_row]
    first_piece = np.cumsum(n_pieces) - n_pieces  # (n_classes,)
    piece_of_row = first_piece[class_of_row] + piece_in_class  # (n,)

    # A piece goes to the batch in which its middle row falls, in the order of the epoch.
    rows_in_piece = np.bincount(piece_of_row, minlength=len(class_of_piece))[order]
    middle = np.cumsum(rows_in_piece) - rows_in_piece / 2
    batch_of_piece = np.empty(len(order), dtype=np.intp)
    batch_of_piece[order] = middle * n_batches // len(class_of_row)
    return piece_of_row, batch_of_piece


def _with_negatives(rows, y, others_of, batch_size, random_state):
    if (y[rows] != y[rows[0]]).any():
        return rows
    others = random_state.permutation(others_of(y[rows[0]]))
    # The first row of each other class, in random order of the classes.
    first_of_class = np.sort(np.unique(y[others], return_index=True)[1])
    return np.concatenate([rows, others[first_of_class[: max(1, batch_size // 2)]]])
