"""Computation of tasks by the workers of a cluster, or by threads without one.

`compute` waits for a result as long as the cluster can give one. Errors of the cluster are
raised as a RuntimeError that says what to do.
"""

import asyncio
from contextlib import ExitStack, contextmanager, suppress
from time import monotonic

import dask
from dask.utils import parse_timedelta

from .._validation import short

# Names of what distributed raises without its scheduler. It need not be installed, so the
# classes are not imported.
NO_SCHEDULER_ERRORS = {"CancelledError", "ClosedClientError", "CommClosedError"}
# distributed 2025.1 raises a plain Exception with this message for a closed client.
CLOSED_CLIENT = "Tried sending message after closing"
# What distributed raises if its scheduler has a time limit for tasks without a worker.
NO_WORKERS_ERRORS = {"NoValidWorkerError", "NoWorkerError"}
# The time to wait while there are no workers, in dask's configuration. None has no limit.
NO_WORKERS_TIMEOUT = "skmetric.no-workers-timeout"
DEFAULT_NO_WORKERS_TIMEOUT = "5 minutes"
# Seconds between two checks that the scheduler answers and has workers.
POLL_INTERVAL = 1.0


def compute(task):
    """The result of a task, computed by the current client or by threads without one.

    Parameters
    ----------
    task : Delayed

    Raises
    ------
    RuntimeError
        If there is no worker for the time that dask's configuration has under
        `NO_WORKERS_TIMEOUT`, if workers die one after the other, or if the scheduler does
        not answer. Work under way is then cancelled.
    """
    (persisted,) = persist(task)
    (future,) = persisted.dask.values()
    if not hasattr(future, "cancel"):
        # Threads have computed it: this is the value and no future.
        return persisted.compute()
    try:
        with _translated_errors(future), _seceded():
            return future.client.sync(_wait, future, _no_workers_timeout())
    except BaseException:
        release(persisted)
        raise


def persist(*tasks):
    """The same tasks, whose results stay where they are computed."""
    with _translated_errors():
        return dask.persist(*tasks)


def release(persisted):
    """Cancel a persisted task or free its result."""
    for future in persisted.dask.values():
        # Threads leave plain values. Without a scheduler there is nothing to cancel.
        if hasattr(future, "cancel") and future.client.status == "running":
            future.cancel()


async def _wait(future, timeout):
    """The result of a future, as long as the scheduler answers and has workers."""
    client, last_seen = future.client, monotonic()
    result = asyncio.ensure_future(client.gather(future, asynchronous=True))
    try:
        while not (await asyncio.wait([result], timeout=POLL_INTERVAL))[0]:
            workers = await asyncio.wait_for(client.scheduler.ncores(), timeout)
            if workers:
                last_seen = monotonic()
            elif timeout is not None and monotonic() - last_seen >= timeout:
                raise RuntimeError(_no_workers_message(timeout, NO_WORKERS_TIMEOUT))
        return await result
    finally:
        # An open result ends when its future is cancelled. Its error must be retrieved, as
        # asyncio would log it otherwise.
        result.add_done_callback(lambda task: task.cancelled() or task.exception())


def _no_workers_timeout():
    """The configured time in seconds, or None."""
    value = dask.config.get(NO_WORKERS_TIMEOUT, DEFAULT_NO_WORKERS_TIMEOUT)
    with suppress(ValueError, TypeError, LookupError, AttributeError):
        seconds = parse_timedelta(value)
        if seconds is None or seconds > 0:
            return seconds
    raise ValueError(
        f"Got {NO_WORKERS_TIMEOUT}={short(value)} in dask's configuration, but expected a "
        "time > 0, such as '5 minutes', or None to wait for ever."
    )


def _no_workers_message(seconds, setting):
    return (
        f"Got no worker from the cluster for {seconds:g} s, but expected at least one. "
        "Start workers, for example with cluster.scale(2), and try again; or wait longer: "
        f"dask's configuration has the time under {setting!r}."
    )


@contextmanager
def _seceded():
    """Within a task, let the worker run others meanwhile, as distributed itself does."""
    from distributed import rejoin, secede

    with ExitStack() as stack:
        # Errors of several types say that this is no task, or that it has seceded before.
        with suppress(Exception):
            secede()
            stack.callback(rejoin)
        yield


@contextmanager
def _translated_errors(future=None):
    """Raise errors of the cluster as a RuntimeError, and those of the task as they are."""
    try:
        yield
    except Exception as error:
        names = {kind.__name__ for kind in type(error).__mro__}
        if "KilledWorker" in names:
            raise RuntimeError(
                "Workers of the cluster died one after the other at the same partition, "
                "most likely as they ran out of memory. Use smaller chunks, or workers "
                "with more memory or fewer threads."
            ) from error
        if names & NO_WORKERS_ERRORS:
            setting = "distributed.scheduler.no-workers-timeout"
            raise RuntimeError(_no_workers_message(error.timeout, setting)) from error
        if names & _no_scheduler_errors(future) or str(error).startswith(CLOSED_CLIENT):
            raise RuntimeError(
                "The scheduler of the cluster does not answer, or has dropped the work: "
                "it was closed, restarted, or is out of reach. Connect a new "
                "dask.distributed.Client, load or persist the data again, and fit anew."
            ) from error
        raise


def _no_scheduler_errors(future):
    """Names of errors that mean a lost scheduler; none if the task itself has failed."""
    if future is None:
        return NO_SCHEDULER_ERRORS
    return set() if future.status == "error" else {*NO_SCHEDULER_ERRORS, "OSError"}
