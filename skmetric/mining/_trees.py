"""Nearest rows by trees, for many rows in few dimensions."""

import numpy as np
from sklearn.neighbors import KDTree


def nearest_in_groups(E, groups, k):
    """The k nearest other rows of each row's group.

    Parameters
    ----------
    E : ndarray of shape (n, d)
    groups : list of ndarrays of int
        Rows of E. Together every row once.
    k : int

    Returns
    -------
    columns : ndarray of int of shape (n, k)
        In order of their Euclidean distances; -1 where a row has fewer.
    """
    columns = np.full((len(E), k), -1)
    for group in groups:
        found = _query(E, group, group, k + 1)[1]  # (n_group, at most k + 1)
        # The row itself is left out, or the last where k + 1 others coincide with it.
        is_other = found != group[:, None]
        is_other[is_other.all(axis=1), -1] = False
        columns[group, : found.shape[1] - 1] = found[is_other].reshape(len(group), -1)
    return columns


def nearest_in_others(E, groups, k):
    """The k nearest rows of all other groups than a row's own.

    Half of the groups look among the other half and the other way round. Within each half
    the same is done again. So each row is looked for in log2(n_groups) trees, however the
    groups lie.

    Parameters
    ----------
    E, groups, k
        As for :func:`nearest_in_groups`.

    Returns
    -------
    columns : ndarray of int of shape (n, k)
        As there.
    """
    columns, distances = np.full((len(E), k), -1), np.full((len(E), k), np.inf)
    to_split = [groups]
    while to_split:
        part = to_split.pop()
        if len(part) < 2:
            continue
        # Halves of about as many rows, and at least one group each.
        ends = np.cumsum([len(group) for group in part])
        middle = 1 + int(np.searchsorted(ends[:-2], ends[-1] / 2))
        halves = part[:middle], part[middle:]
        to_split.extend(halves)
        left, right = map(np.concatenate, halves)
        for rows, others in ((left, right), (right, left)):
            far, found = _query(E, others, rows, k)
            far = np.hstack([distances[rows], far])  # (n_rows, at most 2 k)
            order = np.argsort(far, axis=1, kind="stable")[:, :k]
            distances[rows] = np.take_along_axis(far, order, axis=1)
            found = np.hstack([columns[rows], found])
            columns[rows] = np.take_along_axis(found, order, axis=1)
    return columns


def _query(E, others, rows, k):
    """Distances and numbers of the at most k nearest of `others`, for some rows."""
    distances, found = KDTree(E[others]).query(E[rows], min(k, len(others)))
    return distances, others[found]
