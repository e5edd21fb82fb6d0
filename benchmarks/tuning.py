"""What tuning brings on classes that neither the search nor the learner has seen.

``python benchmarks/tuning.py FOLDER [--trials N]`` reads ``FOLDER/banking77_minilm.npz``
(arrays X and y). Of its 77 classes 26 are held out and looked at once, at the end. On the
other 51, random settings of each learner are compared by MAP@R in 3 folds that part the
classes, so that every setting is judged by classes that its fits have not seen. Printed are
MAP@R and precision at 1 among the rows of the 26 classes: raw, at the defaults, tuned.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from scipy.stats import loguniform
from sklearn.model_selection import GroupKFold, RandomizedSearchCV
from sklearn.preprocessing import normalize

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric.metrics import retrieval_report, retrieval_scorer

N_HELD_OUT = 26
SCORES = ("map_at_r", "precision_at_1")
SHARED = {"alpha": loguniform(0.003, 1), "learning_rate_init": loguniform(0.003, 0.1)}
SPACES = {
    TripletMetricLearner: {
        "margin": loguniform(0.03, 0.5),
        "positives": ["nearest", "all"],
        "negatives": ["nearest", "all", "semihard", "distance_weighted"],
    },
    ContrastiveMetricLearner: {
        "margin": ["auto", 0.25, 0.5, 1.0],
        "positives": ["nearest", "all"],
        "negatives": ["nearest", "all", "hard", "distance_weighted"],
    },
}


def questions(folder):
    """Unit rows, and 0, 1, ... for the classes."""
    with np.load(folder / "banking77_minilm.npz") as data:
        X, y = data["X"].astype(np.float32), data["y"]
    return normalize(X), np.unique(y, return_inverse=True)[1]


def tuned(learner, space, X, y, n_trials):
    """A search, refitted on all rows given."""
    search = RandomizedSearchCV(
        learner,
        SHARED | space,
        n_iter=n_trials,
        scoring=retrieval_scorer("map_at_r"),
        cv=GroupKFold(3, shuffle=True, random_state=0),
        random_state=0,
    )
    return search.fit(X, y, groups=y)


def show(name, E, y):
    """Print a line of scores."""
    report = retrieval_report(E, y, scores=SCORES)
    scores = "  ".join(f"{report[score]:14.4f}" for score in SCORES)
    print(f"{name:<22}{scores}", flush=True)


def readable(setting):
    """A setting as it would be typed."""
    words = (
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in setting.items()
    )
    return ", ".join(words)


def compare(learner, space, X, y, unseen, n_trials):
    """Print scores at the defaults and tuned."""
    name = type(learner).__name__.removesuffix("MetricLearner").lower()
    learner.fit(X[~unseen], y[~unseen])
    show(f"{name}, default", learner.transform(X[unseen]), y[unseen])
    start = time.perf_counter()
    search = tuned(learner, space, X[~unseen], y[~unseen], n_trials)
    seconds = time.perf_counter() - start
    show(f"{name}, tuned", search.transform(X[unseen]), y[unseen])
    print(f"  {readable(search.best_params_)}")
    print(f"  MAP@R {search.best_score_:.4f} in the folds; {seconds:.0f} s")


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, default=12)
    arguments = parser.parse_args()
    start = time.perf_counter()
    X, y = questions(arguments.folder)
    unseen = np.isin(y, np.random.RandomState(0).permutation(77)[:N_HELD_OUT])
    print(f"{unseen.sum()} rows of {N_HELD_OUT} classes held out, {(~unseen).sum()} left")
    print(f"{'':<22}" + "  ".join(f"{score:>14}" for score in SCORES))
    show("raw", X[unseen], y[unseen])
    for kind, space in SPACES.items():
        learner = kind(metric="cosine", random_state=0)
        compare(learner, space, X, y, unseen, arguments.trials)
    print(f"{time.perf_counter() - start:.0f} s in all, {arguments.trials} settings each")


if __name__ == "__main__":
    main()
