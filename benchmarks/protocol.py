"""Which map is best? Nested model selection with the same budget for every method.

``python benchmarks/protocol.py --short`` takes minutes, ``--full`` takes hours. Both run on
scikit-learn's bundled wine, breast cancer and digits data, or with ``--data FOLDER`` on
every ``NAME.npz`` there with arrays X and y, or with ``--openml NAME ...`` on those. Writes
``STEM.json`` and ``STEM.md`` for ``--out STEM``. Give all methods the same number of
threads, as with ``OMP_NUM_THREADS=1`` in the environment.

Closed track
    The test rows are of the classes trained on. Pipeline: scaler, map, k-NN; accuracy.
Class-disjoint track
    The test classes are neither trained nor tuned on: the outer and the inner splits both
    part the classes. Pipeline: scaler, map; MAP@R among the test rows. Needs 6 classes.

A repetition is a seed: one outer split, which holds out a third; inner splits of the rest,
on which every method tries the same number of settings, drawn from its space; and a refit
at the best, scored once on what was held out. The scaler, and k of k-NN, are part of every
space. What is to be chosen for raw distances is little: with the same budget these have
fewer distinct settings, and the table says how many. A setting that fails on an inner fold
is out, and counted; a method without a setting left, or that fails at the refit, has no
score for that seed.

Intervals are for the mean over seeds of paired differences, at 95 %, Student's t with the
corrected variance ``(1 / n_seeds + n_test / n_train) * s²`` of C. Nadeau and Y. Bengio,
"Inference for the generalization error", Machine Learning 52, 2003, as the splits of
different seeds share rows; n counts rows, or classes on the class-disjoint track. The best
other method is the one with the best mean, chosen after the fact; no correction is made for
many comparisons.

Seconds are of the refit, and of the scaler too. The peak is the largest over seeds of how
much a second refit, in a process of its own, raises the largest resident size of that
process: it sees what numpy, LAPACK and torch allocate, with what the first use of a library
costs, and is good to a few MiB. This is for Linux and macOS.

A published ``split`` of the data is not used.
"""

import argparse
import json
import resource
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
import sklearn
from peers import peers
from scipy.stats import loguniform, t, uniform
from sklearn.base import clone
from sklearn.datasets import fetch_openml, load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    ParameterSampler,
    StratifiedKFold,
    StratifiedShuffleSplit,
    train_test_split,
)
from sklearn.neighbors import KNeighborsClassifier, NeighborhoodComponentsAnalysis
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

import skmetric
from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric.metrics import retrieval_scorer
from skmetric.model_selection import ClassDisjointShuffleSplit

TEST_SHARE, INNER_CLASS_SHARE = 1 / 3, 0.4
MIN_CLASSES, MIN_MEMBERS = 6, 6
TRACKS = ("closed", "class-disjoint")
# What a process for a peak shall not have to import: those that are not there are no error.
HEAVY = [
    "sklearn.datasets",
    "sklearn.neighbors",
    "skmetric",
    "pytorch_metric_learning.losses",
]


@dataclass(frozen=True)
class Budget:
    """How much is tried.

    Parameters
    ----------
    trials : int
        Settings of each method, for each seed.
    folds : int
        Inner splits.
    seeds : int
        Repetitions.
    rows : int
        Of each data set; more are sampled by class.
    """

    trials: int
    folds: int
    seeds: int
    rows: int


BUDGETS = {"short": Budget(6, 3, 5, 800), "full": Budget(20, 3, 10, 4000)}


def methods(n_features, random_state):
    """Transformer and search space by name, and what is left out and why."""
    sizes = sorted({max(2, n_features // part) for part in (1, 2, 4)})
    found, left_out = peers(sizes, random_state)
    ours = {
        "n_components": sizes,
        "metric": ["sqeuclidean", "cosine"],
        "positives": ["nearest", "all"],
        "negatives": ["nearest", "all"],
        "alpha": loguniform(0.003, 1),
    }
    return {
        "raw": (FunctionTransformer(), {}),
        "PCA": (PCA(), {"n_components": uniform(0.5, 0.499), "whiten": [False, True]}),
        "LDA": (
            LinearDiscriminantAnalysis(solver="eigen"),
            {"shrinkage": loguniform(1e-4, 1)},
        ),
        "NCA": (
            NeighborhoodComponentsAnalysis(random_state=random_state),
            {
                "n_components": sizes,
                "init": ["pca", "identity"],
                "max_iter": [10, 20, 50, 100],
            },
        ),
        "triplet": (
            TripletMetricLearner(random_state=random_state),
            ours | {"margin": loguniform(0.03, 1)},
        ),
        "contrastive": (
            ContrastiveMetricLearner(random_state=random_state),
            ours | {"margin": ["auto", 0.25, 0.5, 1.0]},
        ),
        **found,
    }, left_out


def pipeline(track, transformer, space):
    """The model and its search space on a track."""
    steps = [("scaler", StandardScaler()), ("map", transformer)]
    space = {f"map__{name}": choices for name, choices in space.items()}
    space["scaler"] = [StandardScaler(), MinMaxScaler()]
    if track == "closed":
        steps.append(("knn", KNeighborsClassifier()))
        space["knn__n_neighbors"] = [1, 3, 5, 9, 15]
    return Pipeline(steps), space


def outer_split(track, X, y, seed):
    """Rows to train and to test on."""
    if track == "closed":
        splitter = StratifiedShuffleSplit(1, test_size=TEST_SHARE, random_state=seed)
    else:
        splitter = ClassDisjointShuffleSplit(1, test_size=TEST_SHARE, random_state=seed)
    return next(check_apart(track, y, splitter.split(X, y)))


def inner_splits(track, X, y, n_folds, seed):
    """The same for tuning, within the rows to train on."""
    if track == "closed":
        splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    else:
        splitter = ClassDisjointShuffleSplit(
            n_folds, test_size=INNER_CLASS_SHARE, random_state=seed
        )
    return list(check_apart(track, y, splitter.split(X, y)))


def check_apart(track, y, splits):
    """Splits without a row, or on the class-disjoint track a class, on both sides."""
    for train, test in splits:
        seen, asked = (train, test) if track == "closed" else (y[train], y[test])
        assert not np.isin(asked, seen).any(), "a split leaks"
        yield train, test


def attempt(function, *arguments):
    """What a call returns, or None and the message of what it raises."""
    try:
        with catch_warnings():
            simplefilter("ignore")
            return function(*arguments), None
    except Exception as error:
        message = str(error).strip().partition("\n")[0]
        return None, f"{type(error).__name__}: {message}"


def fitted_score(model, scorer, X, y, train, test):
    """Score on the test rows of a model fitted on the others."""
    return finite(scorer(model.fit(X[train], y[train]), X[test], y[test]))


def finite(score):
    """The score as a float; one that is none counts as a failure."""
    if not np.isfinite(score):
        raise ValueError(f"Got a score of {score}, but expected a finite one.")
    return float(score)


def search(model, space, scorer, X, y, splits, n_trials, seed):
    """The best of random settings by mean inner score.

    Returns
    -------
    best : Pipeline or None
        Not fitted; None if every setting failed.
    record : dict
        Its setting and score, how many were tried, and the messages of failed fits.
    """
    with catch_warnings():
        simplefilter("ignore")  # A space may have fewer settings than trials.
        settings = list(ParameterSampler(space, n_trials, random_state=seed))
    best, chosen, top, failures = None, None, -np.inf, Counter()
    for setting in settings:
        candidate = clone(clone(model).set_params(**setting))
        found = [
            attempt(fitted_score, clone(candidate), scorer, X, y, *split)
            for split in splits
        ]
        failures.update(message for _, message in found if message)
        scores = [score for score, _ in found]
        if None not in scores and np.mean(scores) > top:
            best, chosen, top = candidate, setting, float(np.mean(scores))
    return best, {
        "setting": chosen and {name: plain(value) for name, value in chosen.items()},
        "inner_score": None if best is None else top,
        "n_settings": len(settings),
        "n_fits": len(settings) * len(splits),
        "failures": dict(failures),
    }


def plain(value):
    """A value as JSON has it."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, int | float | str | None) else str(value)


def peak_of_fit(model, X, y):
    """By how much a fit raises the peak of this process, MiB."""
    before = peak_of_process()
    with catch_warnings():
        simplefilter("ignore")
        model.fit(X, y)
    return peak_of_process() - before


def peak_of_process():
    """Largest resident size so far, MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def peak_elsewhere(model, X, y):
    """The same in a process of its own."""
    with processes(1) as pool:
        return pool.submit(peak_of_fit, model, X, y).result()


def processes(n_jobs):
    """A pool of processes that are forked from one which has no threads."""
    context = get_context("forkserver")
    context.set_forkserver_preload(HEAVY)
    return ProcessPoolExecutor(n_jobs, mp_context=context)


def refit(model, scorer, X, y, train, test):
    """Score, and seconds of the fit."""
    start = time.perf_counter()
    model.fit(X[train], y[train])
    seconds = time.perf_counter() - start
    return {"score": finite(scorer(model, X[test], y[test])), "seconds": seconds}


def repetition(track, X, y, budget, seed):
    """A record for each method, all on the same splits."""
    scorer = get_scorer("accuracy") if track == "closed" else retrieval_scorer("map_at_r")
    train, test = outer_split(track, X, y, seed)
    splits = inner_splits(track, X[train], y[train], budget.folds, seed)
    sizes = [len(np.unique(y[rows])) for rows in (test, train)]
    ratio = len(test) / len(train) if track == "closed" else sizes[0] / sizes[1]
    records = []
    for name, (transformer, space) in methods(X.shape[1], seed)[0].items():
        model, space = pipeline(track, transformer, space)
        best, record = search(
            model, space, scorer, X[train], y[train], splits, budget.trials, seed
        )
        result = {"score": None, "seconds": None, "peak_mib": None}
        if best is not None:
            record["n_fits"] += 1
            found, message = attempt(refit, best, scorer, X, y, train, test)
            if found:
                result |= found
                result["peak_mib"], message = attempt(
                    peak_elsewhere, clone(best), X[train], y[train]
                )
            if message:
                record["failures"][message] = record["failures"].get(message, 0) + 1
        records.append(
            {"method": name, "seed": seed, "test_to_train": ratio, **record, **result}
        )
    return records


def interval(differences, test_to_train):
    """Mean of paired differences, and half the width of its corrected 95 % interval."""
    n = len(differences)
    if n == 0:
        return None, None
    mean = float(np.mean(differences))
    if n == 1:
        return mean, None
    variance = (1 / n + test_to_train) * np.var(differences, ddof=1)
    return mean, float(t.ppf(0.975, n - 1) * np.sqrt(variance))


def summary(records):
    """A row for each method from the records of all seeds on a track."""
    by_method = {}
    for record in records:
        by_method.setdefault(record["method"], {})[record["seed"]] = record
    scores = {
        name: {seed: r["score"] for seed, r in of.items() if r["score"] is not None}
        for name, of in by_method.items()
    }
    means = {name: mean_of(of.values()) for name, of in scores.items()}
    ratio = float(np.mean([record["test_to_train"] for record in records]))

    def against(name, other):
        if other in (None, name):
            return {"other": None, "mean": None, "half_width": None, "n": 0}
        both = sorted(scores[name].keys() & scores[other].keys())
        differences = [scores[name][seed] - scores[other][seed] for seed in both]
        mean, half_width = interval(differences, ratio)
        return {"other": other, "mean": mean, "half_width": half_width, "n": len(both)}

    rows = []
    for name, of in by_method.items():
        others = {n: m for n, m in means.items() if n != name and m is not None}
        done = [record for record in of.values() if record["score"] is not None]
        peaks = [r["peak_mib"] for r in done if r["peak_mib"] is not None]
        failures = sum((Counter(r["failures"]) for r in of.values()), Counter())
        rows.append(
            {
                "method": name,
                "score": means[name],
                "against_raw": against(name, "raw"),
                "against_best_other": against(
                    name, max(others, key=others.get, default=None)
                ),
                "seconds": mean_of(record["seconds"] for record in done),
                "peak_mib": max(peaks, default=None),
                "n_settings": mean_of(record["n_settings"] for record in of.values()),
                "n_fits": sum(record["n_fits"] for record in of.values()),
                "failures": dict(failures),
            }
        )
    return rows


def mean_of(values):
    """Mean, or None of nothing."""
    values = list(values)
    return float(np.mean(values)) if values else None


def markdown(results):
    """All tables."""
    lines = ["# Nested model selection", "", results["about"], ""]
    lines += [f"{name} left out: {why}.\n" for name, why in results["left_out"].items()]
    for block in results["blocks"]:
        score = "accuracy" if block["track"] == "closed" else "MAP@R"
        n, d, c = block["shape"]
        lines += [f"## {block['data']}, {block['track']}: {n} × {d}, {c} classes", ""]
        if "skipped" in block:
            lines += [f"Skipped: {block['skipped']}.", ""]
            continue
        columns = ["method", score, "− raw", "− best other", "fit s", "peak MiB"]
        lines += ["| " + " | ".join([*columns, "settings", "failed fits"]) + " |"]
        lines += ["|---" * 8 + "|"]
        lines += [table_row(row) for row in block["summary"]]
        lines += ["", *failure_lines(block["summary"])]
    return "\n".join(lines)


def table_row(row):
    """A method's line."""
    cells = [
        row["method"],
        number(row["score"], ".4f"),
        difference(row["against_raw"]),
        difference(row["against_best_other"], named=True),
        number(row["seconds"], ".3f"),
        number(row["peak_mib"], ".0f"),
        number(row["n_settings"], ".0f"),
        f"{sum(row['failures'].values())} of {row['n_fits']}",
    ]
    return "| " + " | ".join(cells) + " |"


def number(value, form):
    """A number or a dash."""
    return "–" if value is None else format(value, form)


def difference(of, named=False):
    """A mean difference and its interval."""
    if of["mean"] is None:
        return "–"
    text = f"{of['mean']:+.4f} ± {number(of['half_width'], '.4f')}"
    return f"{text} ({of['other']})" if named else text


def failure_lines(rows):
    """What was raised, method by method."""
    lines = [
        f"- {row['method']}, {count} fits: {message}"
        for row in rows
        for message, count in row["failures"].items()
    ]
    return [*lines, ""] if lines else []


def data_sets(folder, openml):
    """Name, X and labels 0, 1, ... of each data set, loaded when asked for."""
    if folder is not None:
        for path in sorted(folder.glob("*.npz")):
            with np.load(path, allow_pickle=False) as data:
                if {"X", "y"} <= set(data.files):
                    yield path.stem, data["X"], data["y"]
    elif openml:
        for name in openml:
            data = fetch_openml(name, as_frame=True)
            X = data.data.select_dtypes("number").dropna(axis=1)
            yield name, X.to_numpy(), data.target.astype(str).to_numpy()
    else:
        for load in (load_wine, load_breast_cancer, load_digits):
            yield load.__name__.removeprefix("load_"), *load(return_X_y=True)


def prepared(X, y, n_rows):
    """Rows of classes with enough members, at most so many, by class."""
    X, y = X.astype(np.float64), np.unique(y, return_inverse=True)[1]
    if len(X) > n_rows:
        X, _, y, _ = train_test_split(X, y, train_size=n_rows, stratify=y, random_state=0)
    kept = np.bincount(y)[y] >= MIN_MEMBERS
    return X[kept], np.unique(y[kept], return_inverse=True)[1]


def run(track, X, y, budget, n_jobs):
    """Records and summary, or why there are none."""
    n_classes = len(np.unique(y))
    if track == "class-disjoint" and n_classes < MIN_CLASSES:
        return {"skipped": f"{n_classes} classes, but {MIN_CLASSES} are needed"}
    repeat, seeds = partial(repetition, track, X, y, budget), range(budget.seeds)
    if n_jobs == 1:
        found = list(map(repeat, seeds))
    else:
        with processes(n_jobs) as pool:
            found = list(pool.map(repeat, seeds))
    records = [record for of_seed in found for record in of_seed]
    return {"summary": summary(records), "records": records}


def save(results, stem):
    """Write both files."""
    text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False)
    Path(f"{stem}.json").write_text(text + "\n", encoding="utf-8")
    Path(f"{stem}.md").write_text(markdown(results), encoding="utf-8")


def arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    size = parser.add_mutually_exclusive_group()
    for name, budget in BUDGETS.items():
        size.add_argument(
            f"--{name}", dest="size", action="store_const", const=name, help=str(budget)
        )
    parser.set_defaults(size="short")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--data", type=Path, metavar="FOLDER")
    source.add_argument("--openml", nargs="+", metavar="NAME")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of the data sets, these")
    parser.add_argument("--track", choices=TRACKS, nargs="+", default=TRACKS)
    for name in Budget.__dataclass_fields__:
        parser.add_argument(f"--{name}", type=int, help=f"in place of the budget's {name}")
    parser.add_argument(
        "--jobs", type=int, default=1, help="seeds at once; then seconds mean less"
    )
    parser.add_argument("--out", default="protocol", metavar="STEM")
    return parser.parse_args()


def main():
    """Run, and write after each table what there is so far."""
    args = arguments()
    changes = {name: getattr(args, name) for name in Budget.__dataclass_fields__}
    budget = replace(
        BUDGETS[args.size], **{name: n for name, n in changes.items() if n is not None}
    )
    about = (
        f"{budget.trials} settings a method, {budget.folds} inner folds, {budget.seeds} "
        f"seeds, at most {budget.rows} rows. skmetric {skmetric.__version__}, "
        f"scikit-learn {sklearn.__version__}, numpy {np.__version__}."
    )
    results = {
        "about": about,
        "budget": asdict(budget),
        "left_out": methods(8, 0)[1],
        "blocks": [],
    }
    for name, X, y in data_sets(args.data, args.openml):
        if args.only and name not in args.only:
            continue
        X, y = prepared(X, y, budget.rows)
        for track in args.track:
            start = time.perf_counter()
            block = {"data": name, "track": track, "shape": [*X.shape, int(y.max()) + 1]}
            results["blocks"].append(block | run(track, X, y, budget, args.jobs))
            save(results, args.out)
            spent = time.perf_counter() - start
            print(f"{name}, {track}: {spent:.0f} s", file=sys.stderr, flush=True)
    print(markdown(results))


if __name__ == "__main__":
    main()
