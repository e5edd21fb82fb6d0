"""Several labels a row, and rows without one.

``python benchmarks/labels.py FOLDER`` reads ``FOLDER/NAME.npz`` with the arrays X, y and
split (0 train, 1 test) for banking77_minilm, with `class_names`, and for isolet_1_5,
pendigits and satimage; what is not there is left out.

The first table: questions have the words that at least three intents have in their names as
labels. Relevant are test rows with a label in common. The second: halves of the training
rows, of which a tenth keep their label; scores of the other half.
"""

import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler, normalize

from skmetric import TripletMetricLearner
from skmetric.metrics import retrieval_report

# Words that say nothing of a topic.
STOP = {"a", "and", "do", "for", "get", "i", "in", "is", "my", "not", "of", "or", "the"}
STOP |= {"to", "up"}
MAX_TESTED = 3000


def topics(class_names):
    """Which topics each class has, (n_classes, n_topics)."""
    words = [set(name.lower().replace("?", "").split("_")) - STOP for name in class_names]
    counts = Counter(word for of_class in words for word in of_class)
    named = sorted(word for word, count in counts.items() if count >= 3)
    return np.array([[word in of_class for word in named] for of_class in words])


def several_labels(folder):
    """Scores by labels in common, learnt from classes, sets of labels and labels."""
    data = np.load(folder / "banking77_minilm.npz", allow_pickle=True)
    X, y, train = normalize(data["X"].astype(np.float32)), data["y"], data["split"] == 0
    of_class = topics(map(str, data["class_names"]))
    Y, sets = of_class[y], np.unique(of_class, axis=0, return_inverse=True)[1].ravel()[y]
    train_on, tested = train & Y.any(axis=1), ~train
    print(f"{Y.shape[1]} labels, {(~Y.any(axis=1)).mean():.3f} of the rows without one")

    def scores(Z):
        report = retrieval_report(
            Z[tested], Y[tested], scores=["map_at_r", "precision_at_1"]
        )
        return list(report.values())

    print("raw", np.round(scores(X), 4))
    everything = {"positives": "all", "negatives": "all"}
    for name, labels, words in (
        ("classes", y, {}),
        ("sets as classes", sets, {}),
        ("labels", Y, {}),
        ("labels, all x all", Y, everything),
    ):
        found, start = [], time.process_time()
        for seed in range(3):
            learner = TripletMetricLearner(metric="cosine", random_state=seed, **words)
            learner.fit(X[train_on], labels[train_on])
            found.append(scores(learner.transform(X)))
        seconds = (time.process_time() - start) / 3
        print(name, np.mean(found, axis=0).round(4), f"{seconds:.1f} s", flush=True)


def tables(folder):
    """Training rows by name, and their metric."""
    X, y = load_digits(return_X_y=True)
    yield "digits", X, y, "sqeuclidean"
    for name in ("banking77_minilm", "isolet_1_5", "pendigits", "satimage"):
        path = folder / f"{name}.npz"
        if path.exists():
            data = np.load(path)
            rows = data["split"] == 0
            metric = "cosine" if name == "banking77_minilm" else "sqeuclidean"
            yield name, data["X"][rows].astype(float), data["y"][rows], metric


def unlabelled(folder):
    """MAP@R and 3-NN accuracy, raw and with a tenth of the labels."""
    for name, X, y, metric in tables(folder):
        X = normalize(X) if metric == "cosine" else StandardScaler().fit_transform(X)
        found = []
        for seed in range(3):
            rng = np.random.default_rng(seed)
            train, test = np.split(rng.permutation(len(y)), [len(y) // 2])
            test, marked = test[:MAX_TESTED], np.full(len(train), -1)
            for label in np.unique(y):
                rows = np.flatnonzero(y[train] == label)
                marked[rng.permutation(rows)[: max(2, round(0.1 * len(rows)))]] = label
            learner = TripletMetricLearner(metric=metric, unlabeled=-1, random_state=seed)
            learner.fit(X[train], marked)
            known = marked >= 0
            for of_rows in (np.asarray, learner.transform):
                E, others = of_rows(X[train][known]), of_rows(X[test])
                knn = KNeighborsClassifier(3).fit(E, marked[known])
                map_at_r = retrieval_report(others, y[test])["map_at_r"]
                found.append((map_at_r, knn.score(others, y[test])))
        raw, learnt = np.mean(np.reshape(found, (3, 2, 2)), axis=0).round(3)
        print(
            f"{name}: {known.sum()} of {len(train)}, raw {raw}, learnt {learnt}", flush=True
        )


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    if (folder / "banking77_minilm.npz").exists():
        several_labels(folder)
    unlabelled(folder)
