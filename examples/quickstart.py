"""Handwritten digits before and after, for seen classes and for classes not seen.

The default is best for near neighbours. All positives and all negatives gather whole
classes. Run with ``python examples/quickstart.py``. It saves ``quickstart.png`` if
matplotlib is installed.
"""

import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skmetric import TripletMetricLearner
from skmetric.metrics import retrieval_report

WHOLE = {"positives": "all", "negatives": "all"}


def learnt(X, y):
    """The learner with its defaults, and with the mining for whole classes."""
    return [
        TripletMetricLearner(random_state=0, **choice).fit(X, y) for choice in ({}, WHOLE)
    ]


def show(name, scores):
    """Print a row of a table."""
    print(f"  {name:<14}" + "".join(f"{score:9.3f}" for score in scores))


def show_retrieval(learners, X, y):
    """Print scores of retrieval, with each row as a query against all the others."""
    spaces = [X, *(learner.transform(X) for learner in learners)]
    for name, score in {"precision@1": "precision_at_1", "MAP@R": "map_at_r"}.items():
        show(name, [retrieval_report(E, y, scores=[score])[score] for E in spaces])


def main():
    """Print both tables, and draw the picture."""
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.5, stratify=y, random_state=0
    )
    start = time.perf_counter()
    learners = learnt(X_train, y_train)
    seconds = time.perf_counter() - start
    print(f"digits, {len(X_train)} training rows, both fits in {seconds:.1f} s")
    print("                      raw  default  all x all")
    knn = KNeighborsClassifier(3)
    accuracies = [knn.fit(X_train, y_train).score(X_test, y_test)]
    for learner in learners:
        knn.fit(learner.transform(X_train), y_train)
        accuracies.append(knn.score(learner.transform(X_test), y_test))
    show("3-NN accuracy", accuracies)
    show_retrieval(learners, X_test, y_test)

    seen = y < 5
    print("digits 5 to 9, learnt from 0 to 4 only: five classes say little about others")
    show_retrieval(learnt(X[seen], y[seen]), X[~seen], y[~seen])
    draw(X_train, y_train, X_test, y_test)


def draw(X_train, y_train, X_test, y_test):
    """Draw two dimensions, by PCA (the initial map) and as learnt."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is not installed (pip install 'skmetric[plot]')")
        return
    learner = TripletMetricLearner(2, random_state=0, **WHOLE).fit(X_train, y_train)
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    maps = {
        "before: PCA": learner.initial_components_,
        "after: learnt, all x all": learner.components_,
    }
    for axes, (title, W) in zip(figure.subplots(1, 2), maps.items(), strict=True):
        Z = X_test @ W.T
        for digit in range(10):
            at = y_test == digit
            axes.scatter(*Z[at].T, s=6, color=f"C{digit}")
            axes.text(*np.median(Z[at], axis=0), str(digit), fontsize=15, weight="bold")
        axes.set(title=title, xticks=[], yticks=[])
    figure.savefig("quickstart.png", dpi=120)
    print("picture: quickstart.png")


if __name__ == "__main__":
    main()
