"""
Do two images show the same person? A threshold for new people
==============================================================

Verification needs a threshold: pairs with a smaller distance are taken to be the same. The
classes are split in three parts. A map is learnt on the first part, a threshold is
calibrated on pairs of the second, and both are tested on the third.
"""

# %%
# The faces are made up, because real ones must be downloaded. There are 40 people, which
# are smooth random fields of 16 x 16, and 10 images of each with a shift, a light from one
# side, and noise. Images of a person differ in the same way for all people, so a map can
# learn this from 20 people.

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter, shift
from sklearn.datasets import load_digits
from sklearn.preprocessing import Normalizer, normalize

from skmetric import ContrastiveMetricLearner
from skmetric.metrics import PairVerifier, equal_error_rate
from skmetric.mining import mine_pairs
from skmetric.plotting import PairDistanceDisplay

N_PEOPLE, N_IMAGES, SIZE = 40, 10, 16


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


X, y = make_faces(np.random.default_rng(0))
figure, grid = plt.subplots(3, 6, figsize=(6, 3.2), layout="constrained")
for person, row in enumerate(grid):
    for image, axes in zip(X[y == person], row, strict=False):
        axes.imshow(image.reshape(SIZE, SIZE), cmap="gray")
        axes.axis("off")
figure.suptitle("three people, six images of each")

# %%
# :class:`~skmetric.metrics.PairVerifier` takes a fitted learner, or any fitted transformer,
# and learns the threshold. Here the false match rate of the calibration pairs is at most
# 5 %.


def verify(transformer, X, y, calibration, test):
    """A calibrated verifier, and its errors on other classes."""
    verifier = PairVerifier(transformer, criterion="tpr_at_fpr", rate=0.05)
    pairs, similar = mine_pairs(X[calibration], y[calibration])
    verifier.fit(pairs, similar, rows=X[calibration])
    pairs, similar = mine_pairs(X[test], y[test])
    nearness = verifier.decision_function(pairs, rows=X[test])
    accepted = verifier.predict(pairs, rows=X[test])
    return verifier, {
        "equal error rate": equal_error_rate(-nearness, similar),
        "false match rate": accepted[~similar].mean(),
        "false non-match rate": 1 - accepted[similar].mean(),
    }


def show(name, errors):
    """Print errors."""
    print(f"{name:<7}", ", ".join(f"{k} {v:.3f}" for k, v in errors.items()))


people = np.random.default_rng(0).permutation(N_PEOPLE)
learn, calibration, test = (np.isin(y, part) for part in np.split(people, [20, 30]))
learner = ContrastiveMetricLearner(metric="cosine", solver="adam", random_state=0)
maps = {"raw": Normalizer().fit(X), "learnt": learner.fit(X[learn], y[learn])}
for name, transformer in maps.items():
    verifier, errors = verify(transformer, X, y, calibration, test)
    show(name, errors)

PairDistanceDisplay.from_estimator(verifier, X[test], y[test])
plt.show()

# %%
# When it does not help
# ---------------------
# Handwritten digits have ten classes: five to learn from, two to calibrate on, and three to
# test on. A map that separates five digits need not separate five others. These are means
# over eight partitions of the classes:

X, y = load_digits(return_X_y=True)
X, y = normalize(X)[::3], y[::3]
found = {"raw": [], "learnt": []}
for seed in range(8):
    digits = np.random.default_rng(seed).permutation(10)
    learn, calibration, test = (np.isin(y, part) for part in np.split(digits, [5, 7]))
    maps = {"raw": Normalizer().fit(X), "learnt": learner.fit(X[learn], y[learn])}
    for name, transformer in maps.items():
        found[name].append(verify(transformer, X, y, calibration, test)[-1])
for name, errors in found.items():
    show(name, {kind: np.mean([e[kind] for e in errors]) for kind in errors[0]})
