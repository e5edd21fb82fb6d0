"""Parts of a computation in threads, as many as numpy's BLAS has at that moment.

What limits the one limits the other: ``OPENBLAS_NUM_THREADS``, ``threadpool_limits``, and
the workers of joblib and dask, which limit both by themselves.
"""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache
from threading import main_thread

from threadpoolctl import ThreadpoolController  # a dependency of scikit-learn

# So many entries at a time are worked on: temporaries stay in the processor's cache.
CACHED_ENTRIES = 2**16


def cached_rows(shape):
    """Slices of the rows of an array, with about `CACHED_ENTRIES` entries each."""
    n_rows, step = shape[0], max(1, CACHED_ENTRIES // shape[1])
    return [slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step)]


def in_threads(function, *parts):
    """``[function(*part) for part in zip(*parts)]``, some at a time.

    Results are in order, whatever the number of threads: sums over them are the same.

    Parameters
    ----------
    function : callable
        Writes nowhere that another part reads or writes, and calls no `in_threads`.
    *parts : sequences of one length

    Returns
    -------
    results : list

    Raises
    ------
    BaseException
        The first that a part raised; parts that have not begun are then left out.
    """
    threads = min(n_threads(), len(parts[0]))
    if threads < 2:
        return list(map(function, *parts))
    # Each part has the caller's numpy.errstate.
    contexts = [copy_context().run for _ in parts[0]]
    calls = (contexts, [function] * len(contexts), *parts)
    return list(_pool(threads).map(_call, *calls))


def n_threads():
    """How many threads numpy's BLAS has at present, 1 if that is not known."""
    # As the interpreter ends, no thread can be started.
    if not main_thread().is_alive():
        return 1
    return min((library.num_threads for library in _blas_of_numpy()), default=1)


def bundled_with(package):
    """Thread pools of the libraries in the wheel of a package."""
    place = re.compile(rf"[/\\]{package}(\.libs|[/\\]\.dylibs)[/\\]")
    pools = ThreadpoolController()
    paths = [library.filepath for library in pools.lib_controllers]
    return pools.select(filepath=[path for path in paths if place.search(path)])


@lru_cache
def _blas_of_numpy():
    own = bundled_with("numpy").lib_controllers
    every = ThreadpoolController().select(user_api="blas").lib_controllers
    scipys = [library.filepath for library in bundled_with("scipy").lib_controllers]
    return own or [library for library in every if library.filepath not in scipys]


def _call(run, function, *part):
    return run(function, *part)


# All callers share one pool, so that together they have no more threads.
@lru_cache(maxsize=1)
def _pool(threads):
    return ThreadPoolExecutor(threads, thread_name_prefix="skmetric")


if hasattr(os, "register_at_fork"):
    # A child process has none of its parent's threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)
