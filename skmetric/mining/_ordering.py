"""Positives and negatives of many anchors in order of their distances, a part at a time."""

import numpy as np

# Blocks are worked on in chunks of at most this many entries, so that the temporary
# arrays stay in the processor's cache.
CACHED_ENTRIES = 2**16
# Added to the bits of a float64, multiplies it by 2**512: the exponent starts at bit 52.
LARGER_EXPONENT = 512 << 52


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

    Parameters
    ----------
    keys : ndarray of shape (b, w)
        Finite and not negative. Keys of positives must not be -0.0 either.
    pos : ndarray of int of shape (n_pairs,)
        Positions of the positives in ``keys.ravel()``. All other entries are negatives.
    positives_first : bool, default=True
        Whether a positive comes before a negative with the same key, or after it. If it
        comes after, equal negatives are in order of their columns. Else they are in any
        order.

    Returns
    -------
    order : ndarray of int of shape (b * w,)
        Positions in ``keys.ravel()``, row by row in order of the keys.
    pos_ranks : ndarray of int of shape (n_pairs,)
        Where `order` has a positive, in increasing order.
    """
    width = keys.shape[1]
    row_starts = np.arange(0, keys.size, width)[:, None]  # (b, 1)
    if keys.dtype == np.float32:
        # One sort of (key, kind, column) is faster than an argsort. Kind and column fit in
        # the digits of a float64 that a float32 leaves free; floats sort faster than
        # integers. A larger exponent keeps them from 0, where digits might be flushed.
        kind = 1 << (width - 1).bit_length()  # The lowest bit above those of a column.
        codes = keys.astype(np.float64).view(np.int64)  # (b, w)
        codes += np.arange(width) + (LARGER_EXPONENT + positives_first * kind)
        codes.reshape(-1)[pos] ^= kind  # Flips the kind of positives.
        codes.view(np.float64).sort(axis=1)
        # The kind of a positive is 0 if positives come first, else 1.
        pos_ranks = np.flatnonzero(((codes & kind) == 0) == positives_first)
        codes &= kind - 1  # Only the column is left.
        codes += row_starts
        return codes.reshape(-1), pos_ranks
    # Bits of floats that are not negative sort as the floats do. The shift drops the sign
    # and makes room for the kind in the lowest bit.
    codes = keys.view(np.uint64) << 1 | np.uint64(positives_first)  # (b, w)
    codes.reshape(-1)[pos] ^= np.uint64(1)
    order = np.argsort(codes, axis=1, kind=None if positives_first else "stable")
    order += row_starts
    order = order.ravel()  # (b * w,)
    is_positive = np.zeros(keys.size, dtype=bool)
    is_positive[pos] = True
    return order, np.flatnonzero(is_positive[order])
