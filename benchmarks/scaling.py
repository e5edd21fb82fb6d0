"""Time and peak memory of a fit by rows, features and classes, and what ends a fit.

``python benchmarks/scaling.py [PART ...] [--folder FOLDER]`` runs the named parts, or all.
The part ``budget`` reads ``FOLDER/NAME.npz`` with the arrays X, y and split (0 train, 1
test) for letter, satimage, pendigits, isolet_1_5 and banking77_minilm, whichever are there.

Each fit is in a process of its own. Memory is how far the peak of its resident memory rises
beyond X, y and a small fit that loads what fits need; the ratio is that by the size of X.
Seconds are by the clock, so other programs on the machine add to them.
"""

import argparse
import resource
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches

from skmetric import TripletMetricLearner
from skmetric._fit import (
    LBFGS_ITERATIONS,
    MAX_UPDATES,
    ROUNDS,
    UPDATES_PER_ITERATION,
)
from skmetric.metrics import retrieval_report
from skmetric.mining import mine_triplets
from skmetric.mining._sampler import epoch

ADAM = {"solver": "adam"}
TWO_EPOCHS = ADAM | {"max_iter": 2}
EDGES = {"solver": "lbfgs", "max_iter": 10}
ALL = {"solver": "lbfgs", "max_iter": 3, "positives": "all", "negatives": "all"}
EMBEDDINGS = "banking77_minilm"
PUBLISHED = ("letter", "satimage", "pendigits", "isolet_1_5", EMBEDDINGS)
MIB = 2**20


def blobs(n, d, n_classes):
    """Rows of Gaussian classes in float32, and labels; nothing large is freed again."""
    rng = np.random.default_rng(0)
    y = rng.permutation(n) % n_classes
    X = rng.standard_normal((n, d), dtype=np.float32)
    for rows in gen_batches(n, 2**16 // d):
        # Centres by a formula: those of all classes would take memory and free it again.
        X[rows] += np.sin((y[rows, None] + 1.0) * np.arange(1, d + 1)).astype("f4") / 2
    return X, y


def texts(n, n_features, n_classes, per_row=100):
    """Rows with as many entries each, half of them among the words of their class."""
    rng = np.random.default_rng(0)
    y = rng.permutation(n) % n_classes
    words = rng.integers(0, n_features, (n, per_row), dtype=np.int32)
    share = n_features // n_classes
    words[:, ::2] = words[:, ::2] % share + (y * share)[:, None].astype(np.int32)
    starts = np.arange(0, n * per_row + 1, per_row, dtype=np.int32)
    values = np.full(n * per_row, per_row**-0.5, dtype=np.float32)
    return sp.csr_array((values, words.ravel(), starts), shape=(n, n_features)), y


def peak_bytes():
    """The largest resident memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def n_bytes(X):
    """Bytes of an array or CSR."""
    parts = (X.data, X.indices, X.indptr) if sp.issparse(X) else (X,)
    return sum(part.nbytes for part in parts)


def measured_fit(make, shape, settings):
    """Seconds, bytes beside X, bytes of X, and iterations of a fit."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    TripletMetricLearner(**settings | {"n_components": None}).fit(*blobs(300, 8, 3))
    X, y = make(*shape)
    before, start = peak_bytes(), time.perf_counter()
    learner = TripletMetricLearner(random_state=0, **settings).fit(X, y)
    seconds = time.perf_counter() - start
    return seconds, peak_bytes() - before, n_bytes(X), learner.n_iter_


def alone(function, *args):
    """What a function returns, called in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def table(title, settings, shapes, along, make=blobs):
    """Fits for some shapes (n, d, n_classes), and the slope along one of the three."""
    print(title, "\n         n       d  classes        s  MiB beside X ratio")
    seconds = []
    for shape in shapes:
        took, beside, of_X, n_iter = alone(measured_fit, make, shape, settings)
        seconds.append(took)
        n, d, n_classes = shape
        print(
            f"  {n:>8} {d:>7} {n_classes:>8} {took:8.2f} {beside / MIB:13.0f} "
            f"{beside / of_X:5.2f}  {n_iter} iterations",
            flush=True,
        )
    sizes = np.log([shape[along] for shape in shapes])
    slopes = np.diff(np.log(seconds)) / np.diff(sizes)
    print("  slopes", " ".join(f"{slope:.2f}" for slope in slopes), flush=True)


def rows(folder):
    """Time and memory by n."""
    shapes = [(n, 64, 100) for n in (1000, 10_000, 100_000, 1_000_000)]
    table("adam, two epochs", TWO_EPOCHS, shapes, 0)
    early = TWO_EPOCHS | {"early_stopping": True}
    table("adam, two epochs, early stopping", early, shapes[1:3], 0)
    table("adam, its own budget", ADAM, shapes, 0)
    few = [(n, 64, 100) for n in (1000, 2000, 4000, 8000, 16_000)]
    table("lbfgs, nearest x nearest, 10 iterations a round", EDGES, few, 0)
    table("lbfgs, all x all, 3 iterations", ALL, few[:3], 0)
    two = [(n, 64, 2) for n in (1000, 2000, 4000)]
    table("lbfgs, all x all of two classes, 3 iterations", ALL, two, 0)


def features(folder):
    """Time and memory by d."""
    shapes = [(8000, d, 100) for d in (16, 64, 256, 1024, 4096)]
    table("adam, two epochs, square map up to d = 64", TWO_EPOCHS, shapes[:2], 1)
    table(
        "adam, two epochs, 64 components", TWO_EPOCHS | {"n_components": 64}, shapes[1:], 1
    )


def classes(folder):
    """Time and memory by number of classes."""
    shapes = [(200_000, 64, n_classes) for n_classes in (2, 100, 10_000, 100_000)]
    table("adam, two epochs", TWO_EPOCHS, shapes, 2)


def sparse(folder):
    """Time and memory of sparse text by n."""
    settings = TWO_EPOCHS | {"n_components": 64, "metric": "cosine", "init": "random"}
    shapes = [(n, 100_000, 50) for n in (2000, 8000, 32_000)]
    table("sparse, adam, two epochs, random W0", settings, shapes, 0, texts)
    settings["init"] = "pca"
    table("sparse, adam, two epochs, pca W0", settings, shapes[:2], 0, texts)


def crossing(folder):
    """Where the times of the two solvers cross, at their own budgets."""
    print("nearest x nearest, seconds: n, d, lbfgs, adam")
    for d, sizes in {
        16: (4000, 8000, 12_000, 16_000),
        64: (2000, 4000, 8000),
        256: (250, 500, 1000),
    }.items():
        for n in sizes:
            took = [
                alone(measured_fit, blobs, (n, d, 10), {"solver": solver})[0]
                for solver in ("lbfgs", "adam")
            ]
            print(f"  {n:>6} {d:>4} {took[0]:7.2f} {took[1]:7.2f}", flush=True)


def splits(folder):
    """Training and test rows of the sets by name, features standardised but embeddings."""
    X, y = load_digits(return_X_y=True)
    yield "digits", scaled(*train_test_split(X, y, random_state=0, stratify=y))
    for path in (folder / f"{name}.npz" for name in PUBLISHED):
        if path.exists():
            data = np.load(path)
            X, y, train = data["X"], data["y"], data["split"] == 0
            parts = X[train], X[~train], y[train], y[~train]
            yield path.stem, parts if path.stem == EMBEDDINGS else scaled(*parts)


def scaled(X, X_test, y, y_test):
    """Features with mean 0 and variance 1 in the training rows."""
    scaler = StandardScaler().fit(X)
    return *(scaler.transform(rows).astype(np.float32) for rows in (X, X_test)), y, y_test


def budget(folder):
    """Epochs or iterations used of the budget, and 3-NN accuracy on test rows."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    long = ADAM | {"max_iter": 200}
    print("adam: default budget; 200 epochs: all, tol, early stopping; lbfgs, three rounds")
    for name, (X, X_test, y, y_test) in splits(folder):
        cells = []
        for settings in (
            ADAM,
            long | {"n_iter_no_change": 200},
            long,
            long | {"early_stopping": True},
            {"solver": "lbfgs"},
        ):
            learner = TripletMetricLearner(random_state=0, **settings)
            learner.set_params(metric="cosine" if name == EMBEDDINGS else "sqeuclidean")
            learner.fit(X, y)
            most = ROUNDS * LBFGS_ITERATIONS
            if settings["solver"] == "adam":
                most = settings.get("max_iter", MAX_UPDATES // UPDATES_PER_ITERATION)
            knn = KNeighborsClassifier(3).fit(learner.transform(X), y)
            accuracy = knn.score(learner.transform(X_test), y_test)
            cells.append(f"{learner.n_iter_:>5} of {most:<3} {accuracy:.4f}")
        print(f"  {name:<16}", "  ".join(cells), flush=True)


def many_classes(folder):
    """1,000 classes of 5: batches, mining and scores."""
    X, y = blobs(5000, 64, 1000)
    adam, lbfgs = (
        TripletMetricLearner(solver=solver, random_state=0) for solver in ("adam", "lbfgs")
    )
    for name, call in {
        "an epoch's batches": lambda: list(epoch(y, 1024, np.random.RandomState(0))),
        "mine_triplets, nearest x hard": lambda: mine_triplets(X, y, negatives="hard"),
        "retrieval_report": lambda: retrieval_report(X, y),
        "fit, adam": lambda: adam.fit(X, y),
        "fit, lbfgs": lambda: lbfgs.fit(X, y),
    }.items():
        start = time.perf_counter()
        call()
        print(f"  {name:<30} {time.perf_counter() - start:7.3f} s", flush=True)


PARTS = {
    part.__name__: part
    for part in (rows, features, classes, sparse, crossing, budget, many_classes)
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--folder", type=Path, default=Path("."))
    chosen = parser.parse_args()
    for part in chosen.parts or PARTS:
        print(f"{part}: {PARTS[part].__doc__}")
        PARTS[part](chosen.folder)
