"""Handwritten digits, before and after: closed set, and classes never seen in training.

Run with ``python examples/quickstart.py``; saves ``quickstart.png`` where matplotlib is
installed.
"""

import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skmetric import TripletMetricLearner
from skmetric.metrics import retrieval_report


def show(name, before, after):
    """Print a row of the table."""
    print(f"  {name:<14} {before:8.3f} -> {after:.3f}")


def show_retrieval(learner, X, y):
    """Print how well rows find those of their class, each against all the others."""
    scores = {"precision@1": "precision_at_1", "MAP@R": "map_at_r"}
    before, after = (
        retrieval_report(E, y, scores=list(scores.values()))
        for E in (X, learner.transform(X))
    )
    for name, score in scores.items():
        show(name, before[score], after[score])


def main():
    """Print both tables, and draw the picture."""
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.5, stratify=y, random_state=0
    )
    start = time.perf_counter()
    learner = TripletMetricLearner(random_state=0).fit(X_train, y_train)
    seconds = time.perf_counter() - start
    print(f"digits, all classes, {len(X_train)} training rows, fit in {seconds:.1f} s")
    knn = KNeighborsClassifier(3)
    show(
        "3-NN accuracy",
        knn.fit(X_train, y_train).score(X_test, y_test),
        knn.fit(learner.transform(X_train), y_train).score(
            learner.transform(X_test), y_test
        ),
    )
    show_retrieval(learner, X_test, y_test)

    seen = y < 5
    few = TripletMetricLearner(random_state=0).fit(X[seen], y[seen])
    print("digits 5 to 9, learnt from 0 to 4 only")
    show_retrieval(few, X[~seen], y[~seen])
    draw(X_train, y_train, X_test, y_test)


def draw(X_train, y_train, X_test, y_test):
    """Two dimensions by PCA, which is where the learner starts, and as learnt."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is not installed (pip install 'skmetric[plot]')")
        return
    learner = TripletMetricLearner(n_components=2, random_state=0).fit(X_train, y_train)
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    maps = {
        "before: PCA": learner.initial_components_,
        "after: learnt": learner.components_,
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
