"""Powers of two that bring rows to where their squares can be held.

A product with a power of two loses no digit: orders, ratios and directions stay as they
are. Rows of an ordinary scale are left alone.
"""

import numpy as np
from scipy.sparse import issparse

from ._validation import check_apart

# Entries of float64 within these bounds have differences whose squares have all digits,
# and sums of many of these are finite.
LARGEST, SMALLEST = 2.0**500, 2.0**-400


def to_scale(*arrays):
    """Rows of several arrays times one power of two, if they need that.

    Parameters
    ----------
    *arrays : ndarrays or CSR of float64

    Returns
    -------
    *arrays : of the same kinds
        Those given, if their entries are within bounds. Else the largest entry is near
        the upper one, so that as many small ones as possible are.
    exponent : int
        Times ``2.0**exponent`` they are what they were.
    """
    sizes = [np.abs(X.data if issparse(X) else X) for X in arrays]
    largest = max(size.max(initial=0) for size in sizes)
    smallest = min(size.min(initial=np.inf, where=size > 0) for size in sizes)
    if largest <= LARGEST and smallest >= SMALLEST:
        return *arrays, 0
    exponent = int(np.frexp(largest)[1] - np.frexp(LARGEST)[1])
    return *(_times_power(X, -exponent) for X in arrays), exponent


def rows_to_scale(X):
    """Each row times its own power of two, such that its largest entry is near 1.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)

    Returns
    -------
    X : ndarray or CSR of shape (n, d)
        A copy.
    exponents : ndarray of int of shape (n,)
        Row i times ``2.0**exponents[i]`` is what it was.
    """
    largest = abs(X).max(axis=1)
    if issparse(X):
        largest = largest.toarray().reshape(-1)
    exponents = np.frexp(largest)[1]
    if issparse(X):
        return _times_power(X, -np.repeat(exponents, np.diff(X.indptr))), exponents
    return _times_power(X, -exponents[:, None]), exponents


def in_units(distances, exponent, dtype, **words):
    """Distances times ``2.0**exponent``, in a dtype that can hold the largest.

    Parameters
    ----------
    distances : ndarray of float64
        Or parts of them, which may be negative.
    exponent : int
    dtype : dtype
    **words : str
        What to call the rows, see :func:`~skmetric._validation.check_apart`.

    Returns
    -------
    distances : ndarray

    Raises
    ------
    ValueError
        If one is too large for the dtype, or all are too small.
    """
    with np.errstate(over="ignore"):
        held = np.ldexp(distances, exponent).astype(dtype, copy=False)
    if distances.any():
        check_apart(np.abs(held).max(), dtype, squared=False, **words)
    return held


def _times_power(X, exponents):
    if not issparse(X):
        return np.ldexp(X, exponents)
    scaled = X.copy()
    scaled.data = np.ldexp(X.data, exponents)
    return scaled
