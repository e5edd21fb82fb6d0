"""Numbers as targets, and weights of classes, on made-up data.

``python benchmarks/targets.py [regressions] [weights]``, or both: R² of k-NN regression
after either learner, without a map, and with ten quantile bins of the target as labels;
and precision@1 of classes that were not seen, where most rows trained on are of one class.
"""

import sys

import numpy as np
from sklearn.datasets import (
    load_diabetes,
    make_friedman1,
    make_friedman2,
    make_friedman3,
)
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric.metrics import precision_at_k

LEARNERS = (TripletMetricLearner, ContrastiveMetricLearner)


def with_noise(X, y, n_features):
    """The rows with so many features that say nothing."""
    noise = np.random.default_rng(0).normal(size=(len(X), n_features))
    return np.hstack([X, noise]), y


def tables():
    """Regressions by name."""
    yield "Friedman1", make_friedman1(800, 10, noise=1.0, random_state=0)
    yield "Friedman2", with_noise(*make_friedman2(800, random_state=0), 6)
    yield "Friedman3", with_noise(*make_friedman3(800, random_state=0), 6)
    yield "diabetes", load_diabetes(return_X_y=True)


def r2(X, y, fit):
    """Mean over five folds of R² of ten neighbors, under the map that `fit` returns."""
    scores = []
    for train, test in KFold(5, shuffle=True, random_state=0).split(X):
        scaler = StandardScaler().fit(X[train])
        parts = [scaler.transform(X[rows]) for rows in (train, test)]
        learner = fit(parts[0], y[train])
        if learner is not None:
            parts = [learner.transform(part) for part in parts]
        knn = KNeighborsRegressor(10).fit(parts[0], y[train])
        scores.append(knn.score(parts[1], y[test]))
    return np.mean(scores)


def tenths(y):
    """Ten quantile bins."""
    return np.searchsorted(np.quantile(y, np.arange(1, 10) / 10), y)


def regressions():
    """R² by table: no map, ten bins and the numbers, for either learner."""
    for name, (X, y) in tables():
        cells = [r2(X, y, lambda X, y: None)]
        for Learner in LEARNERS:
            learner = Learner(random_state=0)
            cells.append(r2(X, y, lambda X, y, learner=learner: learner.fit(X, tenths(y))))
            learner = Learner(target="continuous", random_state=0)
            cells.append(r2(X, y, learner.fit))
        print(f"  {name:<10}", " ".join(f"{cell:6.3f}" for cell in cells), flush=True)


def unbalanced(n_large=15_000, d=64, n_informative=8, noise=0.9):
    """Rows of one large class and 500 of 4, and rows of 500 other classes.

    Classes differ along a random map to `n_informative` dimensions.
    """
    rng = np.random.default_rng(0)
    Q, _ = np.linalg.qr(rng.normal(size=(d, d)))

    def rows_of(y):
        Z = noise * rng.normal(size=(len(y), d))
        centers = rng.normal(size=(y.max() + 1, n_informative))
        Z[:, :n_informative] *= 0.15 / noise
        Z[:, :n_informative] += centers[y]
        return (Z @ Q.T).astype(np.float32), y

    small = np.repeat(np.arange(500), 4)
    return *rows_of(np.r_[np.zeros(n_large, dtype=int), small + 1]), *rows_of(small)


def weights():
    """Precision@1 of classes not seen: without weights and balanced, by settings."""
    X, y, X_new, y_new = unbalanced()
    print(f"  raw {precision_at_k(X_new, y_new, 1):.3f}")
    for Learner in LEARNERS:
        for settings in ({}, {"max_iter": 60}, {"init": "lda"}):
            cells = []
            for class_weight in (None, "balanced"):
                learner = Learner(class_weight=class_weight, random_state=0, **settings)
                Z = learner.fit(X, y).transform(X_new)
                cells.append(f"{precision_at_k(Z, y_new, 1):.3f}")
            print(f"  {Learner.__name__:<25} {settings!s:<18}", *cells, flush=True)


PARTS = {part.__name__: part for part in (regressions, weights)}

if __name__ == "__main__":
    for name in sys.argv[1:] or PARTS:
        print(f"{name}: {PARTS[name].__doc__}")
        PARTS[name]()
