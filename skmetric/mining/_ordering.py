"""Positives and negatives of many anchors in order of their distances, a part at a time."""

import numpy as np

# So many entries at a time are worked on: temporaries stay in the processor's cache.
CACHED_ENTRIES = 2**16
# Added to the bits of a float64, multiplies it by 2**512.
LARGER_EXPONENT = 512 << 52


def slices(n, size):
    """Cut n rows into slices of `size`, the last one maybe smaller."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def slots_of(anchors):
    """Position of each pair among the pairs of its anchor; `anchors` is sorted."""
    counts = np.bincount(anchors)
    return np.arange(len(anchors)) - (np.cumsum(counts) - counts)[anchors]


def most_an_anchor(anchors):
    """How many pairs the anchor with most of them has."""
    return np.bincount(anchors).max(initial=0)


def cached_parts(shape, anchors, positives):
    """Cut a block into rows that are sorted at a time.

    Parameters
    ----------
    shape : tuple of two int
    anchors, positives : ndarrays of int of shape (n_pairs,)
        Rows, in order, and columns.

    Yields
    ------
    rows : slice
    pairs : slice
        The pairs whose anchors these rows are.
    near : tuple of two ndarrays of int
        Of those pairs the rows, from 0 on, and the places in the flattened part.
    """
    for rows in slices(shape[0], max(1, CACHED_ENTRIES // shape[1])):
        pairs = slice(*np.searchsorted(anchors, [rows.start, rows.stop]))
        within = anchors[pairs] - rows.start
        yield rows, pairs, (within, within * shape[1] + positives[pairs])


def merge_order(keys, near, first=True):
    """Places in ``keys.ravel()``, row by row in order of their keys.

    Parameters
    ----------
    keys : ndarray of shape (b, w)
        Finite and not negative, those of positives not -0.0 either.
    near : ndarray of int of shape (n_pairs,)
        Places of the positives; the other entries are negatives.
    first : bool, default=True
        Whether a positive comes before an equal negative, or behind. Equal negatives are
        in order of their columns if it is behind, and else in any.

    Returns
    -------
    places : ndarray of int of shape (b * w,)
    at : ndarray of int of shape (n_pairs,)
        Which of the places are of positives.
    """
    if keys.dtype == np.float32:
        # One sort of (key, kind, column) is faster than an argsort. Kind and column fit in
        # the digits of a float64 that a float32 leaves free; floats sort faster than
        # integers. A larger exponent keeps them from 0, where digits might be flushed.
        width = keys.shape[1]
        kind = 1 << (width - 1).bit_length()
        order = keys.astype(np.float64).view(np.int64)
        order += np.arange(width) + (LARGER_EXPONENT + first * kind)
        order.reshape(-1)[near] ^= kind
        order.view(np.float64).sort(axis=1)
        at = np.flatnonzero(((order & kind) == 0) == first)
        order &= kind - 1
        order += np.arange(0, keys.size, width)[:, None]
        return order.reshape(-1), at
    # Bits of floats that are not negative sort as the floats do.
    code = keys.view(np.uint64) << 1 | np.uint64(first)
    code.reshape(-1)[near] ^= np.uint64(1)
    order = np.argsort(code, axis=1, kind=None if first else "stable")
    order += np.arange(0, keys.size, keys.shape[1])[:, None]
    is_positive = np.zeros(keys.size, dtype=bool)
    is_positive[near] = True
    return order.ravel(), np.flatnonzero(is_positive[order.ravel()])
