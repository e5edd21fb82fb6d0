"""Positives and negatives of many anchors in order of their distances, a part at a time."""

import numpy as np
from sklearn.utils import gen_batches

# So many entries at a time are sorted: temporaries stay in the processor's cache.
CACHED_ENTRIES = 2**16


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
        Those pairs, with rows from 0 on.
    """
    for rows in gen_batches(shape[0], max(1, CACHED_ENTRIES // shape[1])):
        pairs = slice(*np.searchsorted(anchors, [rows.start, rows.stop]))
        yield rows, pairs, (anchors[pairs] - rows.start, positives[pairs])


def merge_order(keys, near, first=True):
    """Places in ``keys.ravel()``, row by row in order of their keys.

    Parameters
    ----------
    keys : ndarray of shape (b, w)
        Not negative.
    near : tuple of two ndarrays of int of shape (n_pairs,)
        Rows and columns of the positives; the other entries are negatives.
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
        # One sort of (key, kind, column) is faster than an argsort.
        order = (keys + 0).view(np.int32).astype(np.int64)
        order <<= 32
        order |= np.arange(keys.shape[1]) | first << 31
        order[near] ^= 1 << 31
        order.sort(axis=1)
        order &= (1 << 32) - 1
        at = np.flatnonzero((order < 1 << 31) == first)
        order &= (1 << 31) - 1
    else:
        code = (keys + 0).view(np.uint64) << 1 | np.uint64(first)
        code[near] ^= np.uint64(1)
        order = np.argsort(code, axis=1, kind=None if first else "stable")
        is_positive = np.zeros(keys.shape, dtype=bool)
        is_positive[near] = True
        at = np.flatnonzero(np.take_along_axis(is_positive, order, 1))
    order += np.arange(len(keys))[:, None] * keys.shape[1]
    return order.ravel(), at
