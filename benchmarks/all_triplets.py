"""Exact all-triplets loss and gradient against its floor, and against a torch peer.

The floor at n = 1797 (scikit-learn's digits) is two n x n x d matrix products and one sort
of an n x n array, in float32. The peer is pytorch-metric-learning's ``TripletMarginLoss``
on the CPU with cosine similarity and all triplets, value and gradient with respect to the
map.

Run with ``python benchmarks/all_triplets.py``; the peer needs
``pip install torch pytorch-metric-learning``.
"""

import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.utils import check_random_state

from skmetric import TripletMetricLearner
from skmetric._objective import evaluate


def median_seconds(function, repeats=9):
    """Median wall time of a call, after one that does not count."""
    function()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def all_triplets(X, y, W, metric, margin):
    """A call that gives loss and gradient of all triplets."""
    learner = TripletMetricLearner(metric=metric, margin=margin, positives="all")
    constraints, rng = learner._constraints(len(W)), check_random_state(0)
    return lambda: evaluate(W, X, y, metric, constraints, random_state=rng)


def against_floor():
    """Print the ratio to the floor on digits."""
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.float32)
    n, d = X.shape
    W = np.eye(d, dtype=np.float32) / np.float32(np.sqrt(2 * X.var(axis=0).sum()))
    ours = all_triplets(X, y, W, "sqeuclidean", 0.1)
    squares = np.random.default_rng(0).random((n, n), dtype=np.float32)
    seconds = median_seconds(ours)
    products = median_seconds(lambda: (X @ X.T, X @ X.T))
    sort = median_seconds(lambda: np.sort(squares, axis=1))
    print(
        f"digits, {ours().n_constraints / 1e6:.0f} million triplets: "
        f"{1e3 * seconds:.0f} ms; "
        f"floor {1e3 * products:.0f} + {1e3 * sort:.0f} ms; "
        f"ratio {seconds / (products + sort):.2f}"
    )


def against_peer():
    """Print the ratios to pytorch-metric-learning, where installed."""
    try:
        import torch
        from pytorch_metric_learning.distances import CosineSimilarity
        from pytorch_metric_learning.losses import TripletMarginLoss
    except ImportError:
        print("no peer: torch and pytorch-metric-learning are not installed")
        return
    torch.set_num_threads(2)
    d = 384
    for n_classes, members in ((32, 8), (16, 32), (64, 16)):
        rng = np.random.default_rng(0)
        y = np.repeat(np.arange(n_classes), members)
        X = rng.standard_normal((len(y), d)) + rng.standard_normal((n_classes, d))[y] / 2
        X = X.astype(np.float32)
        W = np.eye(d, dtype=np.float32)
        rows, labels = torch.tensor(X), torch.tensor(y)
        linear = torch.nn.Linear(d, d, bias=False)
        torch.nn.init.eye_(linear.weight)
        loss = TripletMarginLoss(
            margin=0.1, distance=CosineSimilarity(), triplets_per_anchor="all"
        )

        def peer(linear=linear, loss=loss, rows=rows, labels=labels):
            linear.zero_grad()
            loss(linear(rows), labels).backward()

        ours = median_seconds(all_triplets(X, y, W, "cosine", 0.1), repeats=51)
        theirs = median_seconds(peer)
        print(
            f"{len(y)} rows ({n_classes} x {members}): ours {1e3 * ours:.1f} ms, "
            f"peer {1e3 * theirs:.0f} ms, ratio {theirs / ours:.0f}"
        )


if __name__ == "__main__":
    against_floor()
    against_peer()
