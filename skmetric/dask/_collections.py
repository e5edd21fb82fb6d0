"""Checks of dask collections, and their conversion to aligned dask arrays."""

import dask.array as da
import numpy as np
from dask import delayed
from sklearn.utils.validation import validate_data

from .._validation import float_dtypes
from ._compute import compute


def is_collection(X):
    """Whether X is a dask array, dataframe or series."""
    return isinstance(X, da.Array) or hasattr(X, "to_dask_array")


def array_dtype(X):
    """The dtype of the rows of a collection as an array."""
    return X.dtype if isinstance(X, da.Array) else np.result_type(*X.dtypes)


def check_table(X, name):
    """Check that X is a collection of two dimensions with one chunk of columns."""
    _check_is_collection(X, name)
    if X.ndim != 2:
        raise ValueError(
            f"Got {name} of {X.ndim} dimension, but expected 2: a row for each sample."
        )
    if isinstance(X, da.Array) and X.numblocks[1] > 1:
        raise ValueError(
            f"Got {name} in {X.numblocks[1]} chunks of columns, but expected whole rows in "
            f"each chunk. Use {name}.rechunk({{1: -1}})."
        )


def _check_is_collection(X, name):
    if not is_collection(X):
        raise TypeError(
            f"Got {name} of type {type(X).__name__}, but expected a dask array or "
            "dataframe. Use dask.array.from_array, or what has the same name without Dask."
        )


def check_features(estimator, X, reset):
    """Set or check the number and the names of the features."""
    meta = np.empty((0, X.shape[1]), X.dtype) if isinstance(X, da.Array) else X._meta
    dtype = float_dtypes(meta)
    validate_data(estimator, meta, reset=reset, dtype=dtype, ensure_min_samples=0)


def as_dask_array(collection, name):
    """A dask array of known chunk sizes. The collection itself is not changed."""
    _check_is_collection(collection, name)
    if not isinstance(collection, da.Array):
        meta = np.asarray(collection._meta)
        collection = collection.map_partitions(np.asarray, meta=meta)
    if not np.isnan(collection.chunks[0]).any():
        return collection
    blocks = collection.to_delayed().reshape(collection.numblocks[0], -1)[:, 0]
    shapes = compute(delayed([delayed(np.shape)(block) for block in blocks]))
    known = collection.copy()
    known._chunks = tuple(n_rows for n_rows, *_ in shapes), *collection.chunks[1:]
    return known


def align(X, y, name="X"):
    """X, and y of one dimension in chunks of the same rows."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or len(y) != len(X):
        raise ValueError(
            f"Got {name} of shape {X.shape} and y of shape {y.shape}, but expected one "
            "label for each row."
        )
    if not len(X):
        raise ValueError(f"Got {name} without rows, but expected at least 2.")
    return X, y if y.chunks[0] == X.chunks[0] else y.rechunk((X.chunks[0],))
