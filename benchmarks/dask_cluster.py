"""What a cluster costs and gains, on a ``LocalCluster`` of two processes, a thread each.

``python benchmarks/dask_cluster.py FOLDER`` reads ``FOLDER/letter.npz`` with the arrays X,
y and split (0 train, 1 test); without a folder that part is left out.

- accuracy: 3-NN accuracy and MAP@R on letter from eight partitions against a fit in memory,
  with rows in random order and sorted by class, three or four of 26 to a partition.
- step: milliseconds of an L-BFGS step over partitions with hardly any rows, and bytes that
  travel between workers, by number of partitions and size of the map.
- weak scaling: the time of a step over twice the rows on two workers against that on one.
- memory: a fit to more rows than a worker may hold, which are made anew in each pass, with
  spilling off; a worker over its limit is killed.
- rate: rows that a worker goes through in a second at 512 features, for the calculation in
  the documentation.
"""

import argparse
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import dask
import dask.array as da
import numpy as np
from distributed import Client, LocalCluster
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from skmetric import TripletMetricLearner
from skmetric._fit import constraints_for, resolve_auto
from skmetric.dask import DaskTripletMetricLearner
from skmetric.dask._fit import PartitionedProblem
from skmetric.dask._labeled_partitions import LabeledPartitions
from skmetric.metrics import mean_average_precision_at_r

SPILLING_OFF = {
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
}


@contextmanager
def cluster(n_workers=2, **more):
    """A client of a new cluster."""
    more = {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 50} | more
    with LocalCluster(n_workers, **more) as local, Client(local) as client:
        yield client


def timed(function, *args):
    """What a call returns, and seconds."""
    start = time.perf_counter()
    result = function(*args)
    return result, time.perf_counter() - start


def accuracy(folder):
    """3-NN accuracy on letter, and MAP@R among the test rows."""
    data = np.load(folder / "letter.npz")
    y, train = np.unique(data["y"], return_inverse=True)[1], data["split"] == 0
    X = StandardScaler().fit(data["X"][train]).transform(data["X"]).astype("f4")

    def report(name, learner, seconds):
        Z = learner.transform(X)
        knn = KNeighborsClassifier(3).fit(Z[train], y[train])
        score = knn.score(Z[~train], y[~train])
        map_at_r = mean_average_precision_at_r(Z[~train], y[~train])
        print(f"  {name:<26} {score:.4f}  {map_at_r:.4f}  {seconds:6.1f} s", flush=True)

    print("accuracy: 3-NN and MAP@R on letter")
    rows = np.random.default_rng(0).permutation(np.flatnonzero(train))
    by_class = rows[np.argsort(y[rows], kind="stable")]
    for solver in ("adam", "lbfgs"):
        settings = {"solver": solver, "random_state": 0}
        local = TripletMetricLearner(**settings)
        report(f"{solver}, in memory", *timed(local.fit, X[rows], y[rows]))
        with cluster():
            for name, order in {"random": rows, "by class": by_class}.items():
                here = da.from_array(X[order], chunks=(2000, -1)).persist()
                names = da.from_array(y[order], chunks=2000)
                learner = DaskTripletMetricLearner(**settings)
                learner, seconds = timed(learner.fit, here, names)
                report(f"  eight partitions, {name}", learner.to_local(), seconds)


def problem_of(client, n_rows, n_features, k, n_partitions):
    """A problem over partitions, a map, and its constraints."""
    chunk = n_rows // n_partitions
    X = da.random.default_rng(0).standard_normal(
        (n_rows, n_features), chunks=(chunk, -1), dtype="f4"
    )
    y = da.random.default_rng(1).integers(0, 10, n_rows, chunks=chunk)
    X, y = client.persist([X, y])
    partitions = LabeledPartitions(X, y)
    W0 = np.eye(k, n_features, dtype="f4") / np.sqrt(2 * k, dtype="f4")
    constraints = constraints_for(resolve_auto(DaskTripletMetricLearner(), False), k)
    problem = PartitionedProblem(partitions, W0, "sqeuclidean", constraints)
    return problem, W0, problem.mine(W0, None, np.random.RandomState(0))


def seconds_a_step(problem, W, mined, n=15):
    """Median time of an evaluation."""
    times = [timed(problem.objective, W, None, mined)[1] for _ in range(n)]
    return float(np.median(times[2:]))


def sent(client):
    """Bytes that workers have sent to each other so far."""
    return sum(
        client.run(lambda dask_worker: dask_worker.transfer_outgoing_bytes_total).values()
    )


def step():
    """What a step costs besides the work."""
    print("step: hardly any rows")
    for n_partitions in (2, 8, 32, 128):
        for n_features, k in ((16, 16), (512, 128), (512, 512)):
            with cluster() as client:
                case = problem_of(client, 40 * n_partitions, n_features, k, n_partitions)
                before = sent(client)
                seconds = seconds_a_step(*case)
                traffic = (sent(client) - before) / 15 / 2**20
                print(
                    f"  {n_partitions:>4} partitions, map {k} x {n_features}: "
                    f"{1000 * seconds:6.1f} ms, {traffic:7.2f} MiB between workers",
                    flush=True,
                )


def weak_scaling():
    """Twice the rows on twice the workers."""
    print("weak scaling: a step, 4 partitions of 4000 rows x 64 a worker, 16 components")
    for n_workers in (1, 2, 1, 2):
        with cluster(n_workers) as client:
            case = problem_of(client, 16_000 * n_workers, 64, 16, 4 * n_workers)
            before = client.run(time.process_time)
            seconds = seconds_a_step(*case, n=7)
            after = client.run(time.process_time)
            busy = sum(after[w] - before[w] for w in after) / n_workers / 7
            print(
                f"  {n_workers} worker(s): {seconds:.2f} s, of which a worker had a "
                f"processor for {busy:.2f} s",
                flush=True,
            )


def random_rows(n_rows, n_features, chunk):
    """Rows of 50 classes around random centers, made on the workers when asked for."""
    y = da.random.default_rng(1).integers(0, 50, n_rows, chunks=chunk)

    def rows_of(labels):
        rng = np.random.default_rng(int(labels[:9].sum()))
        centers = np.random.default_rng(0).standard_normal((50, n_features), dtype="f4")
        return centers[labels] + 2 * rng.standard_normal(
            (len(labels), n_features), dtype="f4"
        )

    X = y[:, None].map_blocks(
        lambda labels: rows_of(labels[:, 0]),
        chunks=(y.chunks[0], (n_features,)),
        dtype="f4",
        meta=np.empty((0, 0), "f4"),
    )
    return X, y


def adam(max_iter, **more):
    """With settings of its own where a default may change."""
    return DaskTripletMetricLearner(
        16, solver="adam", init="random", batch_size=512, max_iter=max_iter, **more
    )


def memory():
    """More rows than a worker may hold."""
    limit, shape = 500, (600_000, 256)
    X, y = random_rows(*shape, 10_000)
    print(
        f"memory: {X.nbytes / 2**20:.0f} MiB in {X.numblocks[0]} partitions, "
        f"two workers of {limit} MiB, spilling off"
    )
    with dask.config.set(SPILLING_OFF), cluster(memory_limit=f"{limit}MiB") as client:
        pids = client.run(lambda dask_worker: dask_worker.nanny)
        learner, seconds = timed(adam(1).fit, X, y)
        same = client.run(lambda dask_worker: dask_worker.nanny) == pids
        peaks = client.run(peak_memory)
        print(
            f"  an epoch in {seconds:.0f} s, loss {learner.loss_curve_}, peak "
            f"{max(peaks.values()):.0f} MiB, no worker restarted: {same}"
        )


def peak_memory():
    """Of a worker, in MiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rate():
    """Rows a second of a worker."""
    print("rate: Adam, 512 features, 128 components, batches of 512, one thread")
    with cluster(1):
        X, y = dask.persist(*random_rows(80_000, 512, 20_000))
        learner = adam(1).set_params(n_components=128)
        short, long = (timed(learner.set_params(max_iter=n).fit, X, y)[1] for n in (1, 4))
        print(f"  {3 * len(X) / (long - short):.0f} rows a second")


def main():
    """Run the parts that are asked for."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    parts = {f.__name__: f for f in (step, weak_scaling, memory, rate)}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--only", choices=["accuracy", *parts])
    chosen = parser.parse_args()
    if chosen.folder and chosen.only in (None, "accuracy"):
        accuracy(chosen.folder)
    for name, part in parts.items():
        if chosen.only in (None, name):
            part()


if __name__ == "__main__":
    main()
