"""Accuracy and time on published splits, beside raw distances, LDA and NCA.

``python benchmarks/datasets.py FOLDER [--nca]`` reads ``FOLDER/NAME.npz`` with the arrays
X, y and split (0 train, 1 test) for banking77_minilm, isolet_1_5, letter, satimage and
pendigits, whichever are there. NCA takes minutes on the larger ones.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import KNeighborsClassifier, NeighborhoodComponentsAnalysis
from sklearn.preprocessing import FunctionTransformer, StandardScaler, normalize

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric.metrics import mean_average_precision_at_r


def timed_fit(learner, X, y):
    """The fitted learner, and seconds."""
    start = time.perf_counter()
    learner.fit(X, y)
    return learner, time.perf_counter() - start


def timed_calls(function, repeats, clock=time.perf_counter):
    """Times of calls, after one that does not count."""
    function()
    seconds = []
    for _ in range(repeats):
        start = clock()
        function()
        seconds.append(clock() - start)
    return seconds


def banking(X, y, split, with_nca):
    """5-NN accuracy and MAP@R, closed set and on classes held out."""
    X = normalize(X.astype(np.float32))
    train, test = split == 0, split == 1
    seen = np.isin(y, np.random.RandomState(0).permutation(77)[:38])
    methods = {
        "raw": FunctionTransformer(),
        "LDA": LinearDiscriminantAnalysis(),
        "triplet": TripletMetricLearner(metric="cosine", random_state=0),
        "contrastive": ContrastiveMetricLearner(metric="cosine", random_state=0),
    }
    for name in ("triplet", "contrastive"):
        methods[f"{name}, init='lda'"] = clone(methods[name]).set_params(init="lda")
    for name, method in methods.items():
        learner, seconds = timed_fit(method, X[train], y[train])
        Z = normalize(learner.transform(X))
        accuracy = KNeighborsClassifier(5).fit(Z[train], y[train]).score(Z[test], y[test])
        closed = mean_average_precision_at_r(Z[test], y[test])
        learner, _ = timed_fit(method, X[train & seen], y[train & seen])
        held_out = mean_average_precision_at_r(
            normalize(learner.transform(X[~seen])), y[~seen]
        )
        print(
            f"  {name:<23} 5-NN {accuracy:.4f}  MAP@R {closed:.4f}  "
            f"held-out classes {held_out:.4f}  fit {seconds:.2f} s"
        )


def tabular(X, y, split, with_nca):
    """3-NN accuracy on standardised features."""
    train, test = split == 0, split == 1
    X = StandardScaler().fit(X[train]).transform(X).astype(np.float32)
    methods = {
        "raw": FunctionTransformer(),
        "LDA": LinearDiscriminantAnalysis(),
        "triplet": TripletMetricLearner(random_state=0),
        "contrastive": ContrastiveMetricLearner(random_state=0),
    }
    if with_nca:
        methods["NCA"] = NeighborhoodComponentsAnalysis(random_state=0)
    for name, method in methods.items():
        learner, seconds = timed_fit(method, X[train], y[train])
        Z = learner.transform(X)
        accuracy = KNeighborsClassifier(3).fit(Z[train], y[train]).score(Z[test], y[test])
        print(f"  {name:<12} 3-NN {accuracy:.4f}  fit {seconds:.2f} s", flush=True)


def main():
    """Read the arguments, run what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nca", action="store_true")
    arguments = parser.parse_args()
    for name, run in {
        "banking77_minilm": banking,
        "isolet_1_5": tabular,
        "letter": tabular,
        "satimage": tabular,
        "pendigits": tabular,
    }.items():
        path = arguments.folder / f"{name}.npz"
        if path.exists():
            print(name)
            data = np.load(path)
            y = np.unique(data["y"], return_inverse=True)[1]
            run(data["X"], y, data["split"], arguments.nca)


if __name__ == "__main__":
    main()
