"""Do two images show the same? Verification on classes that nobody has seen.

The classes are parted in three: a map is learnt on the first, a threshold on distances is
calibrated on pairs of the second, to let 5 % of the false ones pass, and both are judged on
the third, before and after. Whether a row is paired with all of its class or with the
nearest only is chosen on the first part, by splits of its classes. Several such partitions
are drawn; printed are means, and in how many the errors became fewer.

Faces are made up, as real ones would have to be downloaded: 40 people, smooth random fields
of 16 x 16, and 10 images of each with a shift, a light from some side, and noise. What
differs between images of a person is the same for all people, so 20 people teach it. The
other data are scikit-learn's digits, whose 10 classes leave 5 to learn from. What tells
these apart says little about the other five, and there is hardly a gain, or none.

Run with ``python examples/verification.py``; takes about 10 seconds.
"""

import time

import numpy as np
from scipy.ndimage import gaussian_filter, shift
from sklearn.datasets import load_digits
from sklearn.metrics import euclidean_distances
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import Normalizer, normalize

from skmetric import ContrastiveMetricLearner
from skmetric.metrics import PairVerifier, equal_error_rate
from skmetric.model_selection import ClassDisjointShuffleSplit

N_PEOPLE, N_IMAGES, SIZE = 40, 10, 16
N_TASKS = 50
GRID = {"positives": ["all", "nearest"]}
FALSE_MATCHES = 0.05


def smooth_fields(n, width, rng):
    """Random images of shape (n, SIZE, SIZE), of variance 1."""
    noise = rng.standard_normal((n, SIZE, SIZE))
    fields = gaussian_filter(noise, (0, width, width))
    return fields / fields.std(axis=(1, 2), keepdims=True)


def make_faces(rng):
    """Images, each of mean 0, and who is on them."""
    people = 2 * smooth_fields(1, 3, rng) + smooth_fields(N_PEOPLE, 2, rng)
    y = np.repeat(np.arange(N_PEOPLE), N_IMAGES)
    slopes = np.stack(np.meshgrid(*[np.linspace(-1, 1, SIZE)] * 2))
    faces = np.stack([shift(people[i], rng.uniform(-1, 1, 2), mode="nearest") for i in y])
    faces += np.einsum("nk,kij->nij", 2 * rng.standard_normal((len(y), 2)), slopes)
    faces += 0.3 * rng.standard_normal(faces.shape)
    X = faces.reshape(len(y), -1).astype(np.float32)
    return X - X.mean(axis=1, keepdims=True), y


def all_pairs(y):
    """Row indices of all pairs, and whether they are of a class."""
    pairs = np.stack(np.triu_indices(len(y), 1), axis=1)
    return pairs, y[pairs[:, 0]] == y[pairs[:, 1]]


def negative_eer(transformer, X, y):
    """A scorer: greater is better."""
    pairs, similar = all_pairs(y)
    A, B = transformer.transform(X)[pairs.T]
    return -equal_error_rate(np.linalg.norm(A - B, axis=1), similar)


def learn(X, y):
    """The learner that errs least on classes held out of those given."""
    learner = ContrastiveMetricLearner(metric="cosine", random_state=0)
    splits = ClassDisjointShuffleSplit(2, test_size=0.4, random_state=0)
    return GridSearchCV(learner, GRID, scoring=negative_eer, cv=splits).fit(X, y)


def few_shot(E, y, n_shots, rng):
    """Mean accuracy of the nearest of so many enrolled rows of each class."""
    accuracies = []
    for _ in range(N_TASKS):
        order = rng.permutation(len(y))
        enrolled = np.concatenate(
            [order[y[order] == label][:n_shots] for label in np.unique(y)]
        )
        others = np.setdiff1d(order, enrolled)
        nearest = euclidean_distances(E[others], E[enrolled]).argmin(axis=1)
        accuracies.append((y[enrolled][nearest] == y[others]).mean())
    return np.mean(accuracies)


def judge(transformer, X, y, calibration, test):
    """Scores on the test classes, with a threshold from those for calibration."""
    verifier = PairVerifier(transformer, criterion="tpr_at_fpr", rate=FALSE_MATCHES)
    verifier.fit(*all_pairs(y[calibration]), X=X[calibration])
    X, y = X[test], y[test]
    pairs, similar = all_pairs(y)
    accepted, E = verifier.predict(pairs, X=X), transformer.transform(X)
    return {
        "equal error rate": -negative_eer(transformer, X, y),
        "false matches": accepted[~similar].mean(),
        "false non-matches": 1 - accepted[similar].mean(),
        "accuracy, 1 enrolled": few_shot(E, y, 1, np.random.default_rng(0)),
        "accuracy, 3 enrolled": few_shot(E, y, 3, np.random.default_rng(0)),
    }


def show(name, X, y, n_learn, n_calibrate, n_partitions):
    """Print the mean scores before and after."""
    start, before, after = time.perf_counter(), [], []
    for seed in range(n_partitions):
        classes = np.random.default_rng(seed).permutation(np.unique(y))
        learnt, calibrated, tested = np.split(classes, [n_learn, n_learn + n_calibrate])
        rows = np.isin(y, learnt)
        sides = [np.flatnonzero(np.isin(y, part)) for part in (calibrated, tested)]
        before.append(judge(Normalizer().fit(X), X, y, *sides))
        after.append(judge(learn(X[rows], y[rows]).best_estimator_, X, y, *sides))
    eer = "equal error rate"
    n_better = sum(b[eer] > a[eer] for b, a in zip(before, after, strict=True))
    print(
        f"{name}: learnt on {n_learn} classes, calibrated on {n_calibrate}, judged on "
        f"{len(tested)}; fewer errors in {n_better} of {n_partitions} partitions "
        f"({time.perf_counter() - start:.0f} s)"
    )
    for score in before[0]:
        raw, ours = (np.mean([scores[score] for scores in of]) for of in (before, after))
        print(f"  {score:<20} {raw:8.3f} -> {ours:.3f}")


def main():
    """Print both tables."""
    show("faces", *make_faces(np.random.default_rng(0)), 20, 10, 3)
    X, y = load_digits(return_X_y=True)
    show("digits", normalize(X)[::3], y[::3], 5, 2, 8)


if __name__ == "__main__":
    main()
