"""
Does it work for rows on several machines?
==========================================

Rows in dask collections stay on the workers that hold them: each step sends the map to the
workers and returns a sum. Here the cluster is two processes of this machine.
"""

# %%
# The rows are made up. Their 30 classes differ in 8 of 48 hidden directions. The rows are
# in random order: triplets are formed within a partition, so a partition should hold
# several rows of each class.

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
from distributed import Client, LocalCluster
from sklearn.neighbors import KNeighborsClassifier

from skmetric.dask import DaskTripletMetricLearner, retrieval_report

N_ROWS, N_FEATURES, N_CLASSES, CHUNK = 8000, 48, 30, 1000

rng = np.random.default_rng(0)
y = rng.integers(0, N_CLASSES, N_ROWS)
X = rng.standard_normal((N_ROWS, N_FEATURES))
X[:, :8] = rng.standard_normal((N_CLASSES, 8))[y] + 0.2 * X[:, :8]
X = (X @ np.linalg.qr(rng.standard_normal((N_FEATURES, N_FEATURES)))[0]).astype("f4")


# %%
# ``persist`` keeps rows in the memory of the workers. Adam goes through an epoch in each
# partition on its own, and then the maps are averaged. A fit in memory makes six times as
# many updates per epoch, one after the other. So a cluster needs more epochs: the default
# budget, 25 epochs here, ends below an accuracy of .8. ``retrieval_report`` looks for the
# neighbours of a sample of rows among all rows.


def accuracy(learner):
    """3-NN accuracy of the last quarter among the others."""
    Z, n = learner.transform(X), 3 * N_ROWS // 4
    return KNeighborsClassifier(3).fit(Z[:n], y[:n]).score(Z[n:], y[n:])


def main():
    """Fit over the cluster and in memory, on the same rows."""
    n = 3 * N_ROWS // 4
    rows = da.from_array(X[:n], chunks=(CHUNK, -1)).persist()
    labels = da.from_array(y[:n], chunks=CHUNK)
    learner = DaskTripletMetricLearner(
        8, solver="adam", batch_size=128, max_iter=120, random_state=0
    ).fit(rows, labels)
    local = learner.to_local()
    print(f"cluster {accuracy(local):.3f}")
    words = ["precision_at_1", "precision_at_10"]
    print(retrieval_report(rows, labels, scores=words, random_state=0))
    print(retrieval_report(learner.transform(rows), labels, scores=words, random_state=0))
    curve = learner.loss_curve_
    local.set_params(max_iter=None).fit(X[:n], y[:n])
    print(f"memory {accuracy(local):.3f}")

    _, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.plot(np.arange(1, len(curve) + 1), curve, label="cluster, six partitions")
    axes.plot(np.arange(1, local.n_iter_ + 1), local.loss_curve_, label="in memory")
    axes.set(xlabel="epoch", ylabel="loss", yscale="log")
    axes.legend()
    plt.show()


if __name__ == "__main__":
    with (
        LocalCluster(2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster),
    ):
        main()
