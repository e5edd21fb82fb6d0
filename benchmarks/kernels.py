"""How fast: kernels against their floors, and kernels and whole fits against peers.

``python benchmarks/kernels.py`` measures kernels. ``python benchmarks/kernels.py FOLDER``
also times whole fits on ``FOLDER/NAME.npz`` with the arrays X, y and split (0 train,
1 test) for banking77_minilm, letter and isolet_1_5; NCA takes minutes. ``--picture FILE``
draws the ratios (matplotlib). The peer needs ``pip install torch pytorch-metric-learning``.

Floors are what no exact method in numpy can do without: two n x n x d products and one sort
of an n x n array for all triplets of n rows; the products X Wᵀ, E Eᵀ, C E and dZᵀ X for a
mini-batch. All in float32. Value and gradient with respect to the map are computed:

- all triplets: the same ones on both sides. The means differ: ours is over all, the peer's
  over those with a positive loss.
- semihard: ours takes for each (anchor, positive) the nearest negative that is farther than
  the positive, or the farthest; the peer's miner takes every negative that is farther by
  less than the margin.

With ``--threads 1``, the default, every library has one thread and times are of the
processor, which other work on the machine disturbs least; with more they are of the clock.
Contenders take turns, each with a call that does not count before those that do, since
threads of one library that still wait for work slow the other down.
"""

import argparse
import time
from itertools import product
from pathlib import Path

import numpy as np
from datasets import timed_calls
from peers import TorchTripletLayer, torch
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import KNeighborsClassifier, NeighborhoodComponentsAnalysis
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from skmetric import TripletMetricLearner
from skmetric._fit import constraints_for, resolve_auto
from skmetric._objective._evaluate import evaluate, mine
from skmetric._relations import LabelRelation
from skmetric.metrics import mean_average_precision_at_r

BATCHES = (32, 8), (16, 32), (64, 16)
MARGIN = 0.1


def best_seconds(calls, clock, rounds=5, repeats=9):
    """Shortest time of each of some calls that take turns: what is disturbed least."""
    seconds = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            seconds[name] += timed_calls(call, repeats, clock)
    return {name: min(found) for name, found in seconds.items()}


def ours(X, y, W, metric, negatives, chosen=False):
    """A call that gives loss and gradient of triplets with all positives.

    It also selects them, as for a mini-batch, or they are `chosen` beforehand, as for
    the iterations of L-BFGS.
    """
    learner = TripletMetricLearner(
        metric=metric, margin=MARGIN, positives="all", negatives=negatives
    )
    constraints = constraints_for(resolve_auto(learner, False), len(W))
    rng = check_random_state(0)
    mined = mine(W, X, LabelRelation(y), metric, constraints, rng) if chosen else None
    return lambda: evaluate(
        W, X, LabelRelation(y), metric, constraints, mined=mined, random_state=rng
    )


def theirs(X, y, negatives):
    """The same by torch and pytorch-metric-learning."""
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.losses import TripletMarginLoss
    from pytorch_metric_learning.miners import TripletMarginMiner

    distance = CosineSimilarity()
    loss = TripletMarginLoss(margin=MARGIN, distance=distance, triplets_per_anchor="all")
    miner = TripletMarginMiner(MARGIN, negatives, distance=distance)
    rows, labels = torch.from_numpy(X), torch.from_numpy(y)
    linear = torch.nn.Linear(X.shape[1], X.shape[1], bias=False)
    torch.nn.init.eye_(linear.weight)

    def step():
        linear.zero_grad()
        E = linear(rows)
        loss(E, labels, miner(E, labels) if negatives != "all" else None).backward()

    return step


def batch_of(n_classes, members, d=384):
    """Rows around class centers, their labels, and the identity as a map."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(n_classes), members)
    X = rng.standard_normal((len(y), d)) + rng.standard_normal((n_classes, d))[y] / 2
    return X.astype(np.float32), y, np.eye(d, dtype=np.float32)


def exact_against_floor(clock):
    """All triplets of digits: times the floor."""
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.float32)
    W = np.eye(X.shape[1], dtype=np.float32) / np.float32(np.sqrt(2 * X.var(axis=0).sum()))
    squares = np.random.default_rng(0).random((len(X), len(X)), dtype=np.float32)
    seconds = best_seconds(
        {
            "ours": ours(X, y, W, "sqeuclidean", "all", chosen=True),
            "with selection": ours(X, y, W, "sqeuclidean", "all"),
            "semihard": ours(X, y, W, "sqeuclidean", "semihard"),
            "products": lambda: (X @ X.T, X @ X.T),
            "sort": lambda: np.sort(squares, axis=1),
        },
        clock,
    )
    floor = seconds["products"] + seconds["sort"]
    print(_line("digits, 519 million triplets", seconds))
    return {
        "all triplets, n = 1797": seconds["ours"] / floor,
        "all triplets, selected": seconds["with selection"] / floor,
        "semihard, selected": seconds["semihard"] / floor,
    }


def batch_against_floor(clock):
    """A mini-batch step: times its bare products."""
    found = {}
    for n_classes, members in BATCHES:
        X, y, W = batch_of(n_classes, members)
        C = np.random.default_rng(0).random((len(X), len(X)), dtype=np.float32)
        E = X @ W.T
        seconds = best_seconds(
            {
                "ours": ours(X, y, W, "cosine", "all"),
                "products": lambda X=X, W=W, E=E, C=C: (X @ W.T, E @ E.T, C @ E, E.T @ X),
            },
            clock,
            repeats=20,
        )
        name = f"step, {n_classes} × {members}"
        print(_line(name, seconds))
        found[name] = seconds["ours"] / seconds["products"]
    return found


def batch_against_peer(clock):
    """A mini-batch step: how many times faster than the peer's."""
    found = {}
    for negatives in ("all", "semihard"):
        for n_classes, members in BATCHES:
            X, y, W = batch_of(n_classes, members)
            calls = {
                "ours": ours(X, y, W, "cosine", negatives),
                "peer": theirs(X, y, negatives),
            }
            seconds = best_seconds(calls, clock, rounds=3)
            name = f"{negatives}, {n_classes} × {members}"
            print(_line(name, seconds))
            found[name] = seconds["peer"] / seconds["ours"]
    return found


def _line(name, seconds):
    times = ", ".join(f"{key} {1e3 * value:.1f} ms" for key, value in seconds.items())
    return f"{name}: {times}"


def split_of(folder, name):
    """Training rows and labels, then those of the test split."""
    data = np.load(folder / f"{name}.npz")
    X, y = data["X"].astype(np.float32), np.unique(data["y"], return_inverse=True)[1]
    train = data["split"] == 0
    return X[train], y[train], X[~train], y[~train]


def fits_against_nca(folder, clock):
    """Whole fits at the defaults beside scikit-learn's NCA and LDA, with accuracies."""
    found = {}
    for name in ("isolet_1_5", "letter"):
        if not (folder / f"{name}.npz").exists():
            continue
        X, y, X_test, y_test = split_of(folder, name)
        scaler = StandardScaler().fit(X)
        X, X_test = scaler.transform(X), scaler.transform(X_test)
        seconds = {}
        for method, learner in {
            "ours": TripletMetricLearner(random_state=0),
            "LDA": LinearDiscriminantAnalysis(),
            "NCA": NeighborhoodComponentsAnalysis(random_state=0),
        }.items():
            seconds[method] = seconds_of_fit(learner, X, y, clock)
            nearest = KNeighborsClassifier(3).fit(learner.transform(X), y)
            accuracy = nearest.score(learner.transform(X_test), y_test)
            print(f"{name}, {method}: 3-NN {accuracy:.4f}, {seconds[method]:.2f} s")
        found[f"NCA, {name}"] = seconds["NCA"] / seconds["ours"]
        print(f"{name}: {seconds['ours'] / seconds['LDA']:.0f} times the time of LDA")
    return found


def fits_against_peer(folder, clock):
    """Whole fits to at least our MAP@R at the defaults, at the peer's best settings."""
    if not (folder / "banking77_minilm.npz").exists():
        return {}
    X, y, X_test, y_test = split_of(folder, "banking77_minilm")
    X, X_test = normalize(X), normalize(X_test)

    def fitted(name, learner):
        seconds = seconds_of_fit(learner, X, y, clock)
        score = mean_average_precision_at_r(normalize(learner.transform(X_test)), y_test)
        print(f"banking77, {name}: MAP@R {score:.4f}, {seconds:.2f} s", flush=True)
        return score, seconds

    fitted("LDA", LinearDiscriminantAnalysis())
    target, seconds = fitted("ours", TripletMetricLearner(metric="cosine", random_state=0))
    reached = []
    for batch_size, rate in product((64, 128, 256), (5e-3, 1e-2, 2e-2)):
        for max_iter in (4, 8, 16, 24):
            settings = {
                "batch_size": batch_size,
                "learning_rate": rate,
                "max_iter": max_iter,
            }
            peer = TorchTripletLayer(random_state=0, **settings)
            score, peer_seconds = fitted(f"peer {settings}", peer)
            if score >= target:
                reached.append(peer_seconds)
            if score >= target or (reached and peer_seconds > min(reached)):
                break
    return {"torch, banking77": min(reached) / seconds} if reached else {}


def seconds_of_fit(learner, X, y, clock):
    """Time of a fit."""
    start = clock()
    learner.fit(X, y)
    return clock() - start


def picture(path, floors, speedups):
    """Bars of the ratios, those to floors beside those to peers."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    titles = "times the floor (less is better)", "times faster than the peer"
    for ax, ratios, title in zip(axes, (floors, speedups), titles, strict=True):
        bars = ax.barh(list(ratios), list(ratios.values()))
        ax.bar_label(bars, fmt="%.1f", padding=3)
        ax.invert_yaxis()
        ax.set_title(title)
        ax.spines[["top", "right"]].set_visible(False)
        ax.margins(x=0.12)
    axes[1].set(xscale="log", xlim=(1, None), xticks=[1, 10, 100])
    axes[1].set_xticklabels([1, 10, 100])
    figure.savefig(path)


def main():
    """Measure what is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    folder, threads = arguments.folder, arguments.threads
    clock = time.process_time if threads == 1 else time.perf_counter
    speedups = {}
    if torch is None:
        print("no peer: torch and pytorch-metric-learning are not installed")
    else:
        torch.set_num_threads(threads)
    with threadpool_limits(threads):
        floors = exact_against_floor(clock) | batch_against_floor(clock)
        if torch is not None:
            speedups |= batch_against_peer(clock)
        if folder:
            speedups |= fits_against_nca(folder, clock)
        if folder and torch is not None:
            speedups |= fits_against_peer(folder, clock)
    for name, ratio in (floors | speedups).items():
        print(f"{name:<28} {ratio:.1f}")
    if arguments.picture:
        picture(arguments.picture, floors, speedups)


if __name__ == "__main__":
    main()
