"""
Does it work for data that do not fit in memory?
================================================

``partial_fit`` goes once over a chunk and continues from the current map. Here chunks come
from a file, which ``numpy.memmap`` reads piece by piece.
"""

# %%
# The file has 40,000 rows in random order, as ``partial_fit`` needs them: constraints are
# formed within a chunk, so each chunk should hold several rows of each class.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from skmetric import TripletMetricLearner

N_ROWS, N_FEATURES, N_CLASSES, CHUNK = 40_000, 64, 50, 4000

rng = np.random.default_rng(0)
centers = rng.standard_normal((N_CLASSES, 8))
spread = np.linalg.qr(rng.standard_normal((N_FEATURES, N_FEATURES)))[0]


def draw(n):
    """Classes that differ in 8 of 64 hidden directions, and not in the others."""
    y = rng.integers(0, N_CLASSES, n)
    noise = rng.standard_normal((n, N_FEATURES))
    noise[:, :8] = centers[y] + 0.2 * noise[:, :8]
    return (noise @ spread).astype(np.float32), y


folder = tempfile.TemporaryDirectory()
path = Path(folder.name, "X.float32")
X_all, y_all = draw(N_ROWS)
X_all.tofile(path)
X_test, y_test = draw(4000)

# %%
# Compare three passes over the file with one ``fit`` of all rows in memory. The score is
# 3-NN accuracy on rows that neither has seen, with 4000 mapped rows as neighbours.
# ``partial_fit`` does not know the number of chunks, so it keeps its learning rate
# constant. If you know the number, lower the rate from chunk to chunk. With 40,000 rows a
# small penalty is enough.


def accuracy(learner):
    """3-NN accuracy of mapped rows."""
    knn = KNeighborsClassifier(3).fit(learner.transform(X_all[:4000]), y_all[:4000])
    return knn.score(learner.transform(X_test), y_test)


knn = KNeighborsClassifier(3).fit(X_all[:4000], y_all[:4000])
print(f"raw {knn.score(X_test, y_test):.3f}")
whole = accuracy(TripletMetricLearner(16, alpha=0.02, random_state=0).fit(X_all, y_all))
print(f"one fit {whole:.3f}")

X_file = np.memmap(path, dtype=np.float32, mode="r", shape=(N_ROWS, N_FEATURES))
learner = TripletMetricLearner(16, alpha=0.02, batch_size=256, random_state=0)
starts, curve = [*range(0, N_ROWS, CHUNK)] * 3, {}
for seen, start in enumerate(starts):
    rows = slice(start, start + CHUNK)
    learner.set_params(learning_rate_init=0.1 * (1 - seen / len(starts)))
    learner.partial_fit(X_file[rows], y_all[rows])
    if seen % 5 in (0, 4):
        curve[seen + 1] = accuracy(learner)
print(f"{len(starts)} chunks {curve[len(starts)]:.3f}")
assert curve[len(starts)] > whole - 0.01

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.plot([*curve], [*curve.values()], marker="o", label="partial_fit")
axes.axhline(whole, color="black", linestyle="--", label="one fit")
axes.set(xlabel=f"chunks of {CHUNK} rows", ylabel="3-NN accuracy")
axes.legend()
plt.show()

del X_file
folder.cleanup()
