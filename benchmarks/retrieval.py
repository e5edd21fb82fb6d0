"""Retrieval scores against the one search they need, and against a torch peer.

Synthetic rows: 10,003 of 384 features in 77 classes of 35 to 187, and 50,000 of 128 in 500
classes, float32. The peer is pytorch-metric-learning's ``AccuracyCalculator`` on the CPU,
with its ``CustomKNN`` and Euclidean distances without normalisation, as faiss, its default,
may not be there. Its values and ours agree but for:

- ``mean_average_precision``: it sums over the hits among its k neighbours and divides by R,
  ours goes through the whole ranking. They are equal at ``k=None``, its default, which is
  all neighbours; at ``k="max_bin_count"`` its value is lower.
- ``mean_reciprocal_rank``: a query with no hit among its k neighbours counts 0, ours looks
  on to the first hit. They are equal at ``k=None``.
- Means: both average over queries and leave out those with no relevant row; only ours says
  how many these were.
- Ties and duplicates: the peer keeps the order that ``topk`` (or faiss) happens to give, in
  float32. Ours is by row number, in float64.
- Labels: the peer converts them to float32, so that integers above 2**24 are merged.
- ``k`` below R: the peer warns that R-precision and MAP@R are wrong; ours has no such k.

Run with ``python benchmarks/retrieval.py``; the peer needs
``pip install torch pytorch-metric-learning``.
"""

import resource
import time

import numpy as np
from datasets import timed_calls
from sklearn.neighbors import NearestNeighbors

from skmetric.metrics import retrieval_report

WORDS = ("precision_at_1", "r_precision", "map_at_r")
PEER_WORDS = {
    "precision_at_1": "precision_at_1",
    "r_precision": "r_precision",
    "map_at_r": "mean_average_precision_at_r",
    "map": "mean_average_precision",
    "mrr": "mean_reciprocal_rank",
}


def median_seconds(function, repeats=9):
    """Median wall time of a call, after one that does not count."""
    return float(np.median(timed_calls(function, repeats)))


def clouds(n_samples, n_features, sizes, apart=0.3):
    """Gaussian clouds that overlap, with class sizes in proportion to those given."""
    rng = np.random.default_rng(0)
    y = rng.choice(len(sizes), n_samples, p=sizes / np.sum(sizes))
    E = rng.standard_normal((n_samples, n_features))
    E += apart * rng.standard_normal((len(sizes), n_features))[y]
    return E.astype(np.float32), y


def against_search():
    """Print the ratio to the neighbour search, on both dtypes."""
    E, y = clouds(10_003, 384, np.linspace(35, 187, 77))
    k = int(np.bincount(y).max()) - 1
    for X in (E, E.astype(np.float64)):
        search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(X)
        floor = median_seconds(search.kneighbors)
        seconds = median_seconds(lambda X=X: retrieval_report(X, y))
        print(
            f"{X.shape} {X.dtype}, k = {k}: report {seconds:.2f} s, search {floor:.2f} s, "
            f"ratio {seconds / floor:.2f}"
        )
    for words in ((*WORDS, "mrr"), ("map",), ("mrr",)):
        seconds = median_seconds(lambda w=words: retrieval_report(E, y, scores=w), 1)
        print(f"  {', '.join(words)}: {seconds:.2f} s")


def memory():
    """Print seconds and peak memory at 50,000 rows, also with a class of 10,000."""
    for sizes in (np.linspace(50, 150, 500), np.r_[10_000, np.full(400, 100)]):
        E, y = clouds(50_000, 128, sizes)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        retrieval_report(E, y)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(
            f"{E.shape}, largest class {np.bincount(y).max()}: {seconds:.0f} s, "
            f"peak of the process {peak / 1024:.0f} MiB, {before / 1024:.0f} before"
        )


def against_peer():
    """Print the values of both, where the peer is installed."""
    try:
        import torch
        from pytorch_metric_learning.distances import LpDistance
        from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
        from pytorch_metric_learning.utils.inference import CustomKNN
    except ImportError:
        print("no peer: torch and pytorch-metric-learning are not installed")
        return
    E, y = clouds(2_000, 32, np.linspace(2, 40, 60), apart=0.8)
    y = np.append(y[:-1], 60)  # A class of one.
    ours = retrieval_report(E, y, scores=list(PEER_WORDS))
    search = CustomKNN(LpDistance(normalize_embeddings=False))
    print(f"{'':16}{'ours':>10}{'k=None':>10}{'max_bin_count':>16}")
    theirs = [
        AccuracyCalculator(
            include=tuple(PEER_WORDS.values()),
            k=k,
            knn_func=search,
            kmeans_func=object(),
            device=torch.device("cpu"),
        ).get_accuracy(torch.tensor(E), torch.tensor(y))
        for k in (None, "max_bin_count")
    ]
    for word, name in PEER_WORDS.items():
        print(f"{word:16}{ours[word]:10.6f}{theirs[0][name]:10.6f}{theirs[1][name]:16.6f}")
    print(f"{ours.n_queries} queries, {ours.n_left_out} left out")


if __name__ == "__main__":
    against_peer()
    against_search()
    memory()
