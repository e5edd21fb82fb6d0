"""Positives and negatives of many anchors in order of their distances, a part at a time."""

import numpy as np

# So many entries at a time are worked on: temporaries stay in the processor's cache.
CACHED_ENTRIES = 2**16


def slices(n, size):
    """Cut n rows into slices of `size`, the last one maybe smaller."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def slots_of(anchors):
    """Position of each pair among the pairs of its anchor; `anchors` is sorted."""
    counts = np.bincount(anchors)
    return np.arange(len(anchors)) - (np.cumsum(counts) - counts)[anchors]


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
        Not negative.
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
    # Bits of floats that are not negative sort as the floats do. Adding 0 leaves no -0.0.
    if keys.dtype == np.float32:
        # One sort of (key, kind, place) is faster than an argsort.
        order = (keys + 0).view(np.int32).astype(np.int64)
        order <<= 32
        order |= np.arange(keys.size).reshape(keys.shape) | first << 31
        order.reshape(-1)[near] ^= 1 << 31
        order.sort(axis=1)
        places = order.reshape(-1)
        places &= (1 << 32) - 1
        at = np.flatnonzero((places < 1 << 31) == first)
        places &= (1 << 31) - 1
        return places, at
    code = (keys + 0).view(np.uint64) << 1 | np.uint64(first)
    code.reshape(-1)[near] ^= np.uint64(1)
    order = np.argsort(code, axis=1, kind=None if first else "stable")
    order += np.arange(0, keys.size, keys.shape[1])[:, None]
    is_positive = np.zeros(keys.size, dtype=bool)
    is_positive[near] = True
    return order.ravel(), np.flatnonzero(is_positive[order.ravel()])
