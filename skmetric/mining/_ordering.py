"""Positives and negatives of many anchors in order of their distances, a part at a time."""

import numpy as np

# Blocks are worked on in chunks of at most this many entries, so that the temporary
# arrays stay in the processor's cache.
CACHED_ENTRIES = 2**16


def slices(n, size):
    """Cut n rows into slices of `size`, the last one maybe smaller."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def rank_in_group(groups):
    """Number of each entry within its group, from 0; `groups` is sorted.

    Parameters
    ----------
    groups : ndarray of int of shape (n,)
        For example the anchor of each pair.

    Returns
    -------
    ranks : ndarray of int of shape (n,)
    """
    counts = np.bincount(groups)  # (n_groups,)
    return np.arange(len(groups)) - (np.cumsum(counts) - counts)[groups]


def max_per_group(groups):
    """Size of the largest group, 0 if there is none."""
    return np.bincount(groups).max(initial=0)


def cache_chunks(shape, anchors, positives):
    """Cut a block into chunks of rows that fit in the processor's cache.

    Parameters
    ----------
    shape : tuple of two int
        Of the block: (b, n).
    anchors, positives : ndarrays of int of shape (n_pairs,)
        Rows and columns of the positives, ordered by row.

    Yields
    ------
    rows : slice
    pairs : slice
        The pairs whose anchors are these rows.
    pos : tuple of two ndarrays of int
        Of these pairs the rows in the chunk, and the positions in the raveled chunk.
    """
    n_columns = shape[1]
    for rows in slices(shape[0], max(1, CACHED_ENTRIES // n_columns)):
        # Pairs are ordered by anchor, so those of a chunk are side by side.
        pairs = slice(*np.searchsorted(anchors, [rows.start, rows.stop]))
        pos_rows = anchors[pairs] - rows.start
        yield rows, pairs, (pos_rows, pos_rows * n_columns + positives[pairs])


def argsort_keys(keys, pos, positives_first=True):
    """Sort each row by its keys, and find the positives in the result.

    Float64 keys are compared by their first digits, 40 binary ones in rows of 2,048. What
    agrees in these counts as equal. A loss that is homogeneous in differences of keys does
    not change by more than rounding; for the exact order see :func:`argsort_exactly`.

    Parameters
    ----------
    keys : ndarray of shape (b, w)
        Finite and not negative. Keys of positives must not be -0.0 either.
    pos : ndarray of int of shape (n_pairs,)
        Positions of the positives in ``keys.ravel()``. All other entries are negatives.
    positives_first : bool, default=True
        Whether a positive comes before a negative with the same key, or after it. Equal
        negatives are in order of their columns.

    Returns
    -------
    order : ndarray of int of shape (b * w,)
        Positions in ``keys.ravel()``, row by row in order of the keys.
    pos_ranks : ndarray of int of shape (n_pairs,)
        Where `order` has a positive, in increasing order.
    """
    width = keys.shape[1]
    # One sort of (key, kind, column) is several times faster than an argsort. Bits of
    # floats that are not negative sort as the floats do. Kind and column take the place of
    # the last digits, which float32 leaves free.
    kind = 1 << (width - 1).bit_length()  # The lowest bit above those of a column.
    codes = keys.astype(np.float64).view(np.int64)  # (b, w)
    codes &= -2 * kind
    codes += np.arange(width) + positives_first * kind
    codes.reshape(-1)[pos] ^= kind  # Flips the kind of positives.
    codes.sort(axis=1)
    # The kind of a positive is 0 if positives come first, else 1.
    pos_ranks = np.flatnonzero((codes & kind) == (0 if positives_first else kind))
    codes &= kind - 1  # Only the column is left.
    codes += np.arange(0, keys.size, width)[:, None]
    return codes.reshape(-1), pos_ranks


def argsort_exactly(keys, pos):
    """The same by all digits, a positive after a negative with the same key."""
    order, pos_ranks = argsort_keys(keys, pos, positives_first=False)
    in_order = keys.reshape(-1)[order].reshape(keys.shape)
    rows = np.flatnonzero((in_order[:, 1:] < in_order[:, :-1]).any(axis=1))
    if not len(rows):
        return order, pos_ranks
    is_positive = np.zeros(keys.size, dtype=bool)
    is_positive[pos] = True
    # Keys that differ in their last digits only are rare, so this may be slow.
    columns = np.lexsort((is_positive.reshape(keys.shape)[rows], keys[rows]))
    order.reshape(keys.shape)[rows] = columns + rows[:, None] * keys.shape[1]
    return order, np.flatnonzero(is_positive[order])
