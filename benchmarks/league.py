"""3-NN accuracy on published folds, beside raw distances, LDA, NCA and published results.

``python benchmarks/league.py FOLDER [-j JOBS] [--inner] [--set NAME=VALUE ...]`` reads
``FOLDER/keel18.npz`` (``NAME/X``, ``NAME/y``, ``NAME/fold``: the test fold of a row) and
``FOLDER/keel18_published_3nn.csv`` (a row a set, a column a method), if it is
there. Features are min-max scaled on each training part. Both learners are at their
defaults, or at the parameters given.

``--inner`` never looks at a test fold: within each training part a quarter of the rows,
stratified, takes its place. Choose parameters by this, then report the other once.
"""

import argparse
import csv
import time
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
from joblib import Parallel, delayed
from scipy.stats import rankdata
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, NeighborhoodComponentsAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler

from skmetric import ContrastiveMetricLearner, TripletMetricLearner


def methods(parameters):
    """Transformers by name."""
    return {
        "raw": FunctionTransformer(),
        "LDA (sklearn)": LinearDiscriminantAnalysis(),
        "NCA (sklearn)": NeighborhoodComponentsAnalysis(random_state=0),
        "triplet": TripletMetricLearner(random_state=0, **parameters),
        "contrastive": ContrastiveMetricLearner(random_state=0, **parameters),
    }


def parts(X, y, fold, inner):
    """Training and test rows of each published fold."""
    for number in np.unique(fold):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if inner:
            kept = np.bincount(y)[y[train]] > 4
            train, test = train_test_split(
                train[kept], test_size=0.25, stratify=y[train][kept], random_state=number
            )
        yield train, test


def accuracy(method, X, y, train, test):
    """3-NN accuracy on the test rows, and seconds."""
    model = make_pipeline(MinMaxScaler(), method, KNeighborsClassifier(3))
    start = time.perf_counter()
    with catch_warnings():
        simplefilter("ignore")
        score = model.fit(X[train], y[train]).score(X[test], y[test])
    return score, time.perf_counter() - start


def league(archive, names, parameters, inner, n_jobs):
    """Mean accuracy (set, method) and seconds a fit (method,)."""
    tasks = [
        (method, archive[f"{name}/X"], y, *rows)
        for name in names
        for y in [np.unique(archive[f"{name}/y"], return_inverse=True)[1]]
        for method in methods(parameters).values()
        for rows in parts(archive[f"{name}/X"], y, archive[f"{name}/fold"], inner)
    ]
    found = Parallel(n_jobs)(delayed(accuracy)(*task) for task in tasks)
    found = np.reshape(found, (len(names), len(methods(parameters)), -1, 2)).mean(axis=2)
    return found[..., 0], found[..., 1].mean(axis=0)


def published(path, names):
    """Published accuracy (set, method) and the methods' names."""
    if not path.exists():
        return np.empty((len(names), 0)), []
    with path.open() as file:
        rows = {row.pop("dataset"): row for row in csv.DictReader(file)}
    columns = list(rows[names[0]])
    return np.array([[float(rows[n][c]) for c in columns] for n in names]), columns


def table(names, scores, columns, seconds):
    """Print accuracies by set, and what they amount to."""
    raw = scores[:, columns.index("raw")]
    summary = {
        "mean": scores.mean(axis=0),
        "mean rank": np.mean([rankdata(-row.round(4)) for row in scores], axis=0),
        "sets > 1 point below raw": (scores < raw[:, None] - 0.01).sum(axis=0),
        "worst against raw": (scores - raw[:, None]).min(axis=0),
    }
    print("| set | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name, row in [*zip(names, scores, strict=True), *summary.items()]:
        form = "{:.0f}" if name.startswith("sets") else "{:.4f}"
        print(f"| {name} | " + " | ".join(form.format(value) for value in row) + " |")
    print("seconds a fit: " + ", ".join(f"{c} {s:.2f}" for c, s in seconds.items()))


def parsed(assignment):
    """A parameter's name and value from ``NAME=VALUE``."""
    name, value = assignment.split("=")
    for kind in (int, float, str):
        try:
            return name, kind(value)
        except ValueError:
            continue


def main():
    """Read the arguments, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", action="append", default=[], type=parsed)
    parser.add_argument("-j", "--jobs", type=int, default=None)
    parser.add_argument("--inner", action="store_true")
    arguments = parser.parse_args()
    archive = np.load(arguments.folder / "keel18.npz", allow_pickle=True)
    names = sorted({key.split("/")[0] for key in archive})
    parameters = dict(arguments.set)
    scores, seconds = league(archive, names, parameters, arguments.inner, arguments.jobs)
    ours, theirs = list(methods(parameters)), []
    if not arguments.inner:
        theirs_scores, theirs = published(
            arguments.folder / "keel18_published_3nn.csv", names
        )
        scores = np.hstack([scores, theirs_scores])
    table(names, scores, ours + theirs, dict(zip(ours, seconds, strict=True)))


if __name__ == "__main__":
    main()
