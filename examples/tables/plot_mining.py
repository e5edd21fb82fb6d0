"""
What does mining change?
========================

``positives`` and ``negatives`` choose the triplets of the loss. A triplet is active while
it violates the margin, and only active triplets move the map. An active fraction near 0
means that there is little left to learn. A fraction near 1 means that the map cannot
satisfy the triplets.
"""

# %%
# Half of the handwritten digits are for training, and half are for testing. MAP@R is about
# all rows of a class, and precision@1 is about the nearest row only.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skmetric import TripletMetricLearner
from skmetric.metrics import retrieval_report

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=0
)


def show(name, Z, y, learner=None):
    """Print scores of an embedding."""
    report = retrieval_report(Z, y)
    active = f", active {learner.active_fraction_:.1%}" if learner else ""
    scores = f"MAP@R {report['map_at_r']:.3f}, precision@1 {report['precision_at_1']:.3f}"
    print(f"{name:<18} {scores}{active}")


minings = [
    ("nearest", "all"),
    ("all", "all"),
    ("all", "semihard"),
    ("hard", "hard"),
    ("random", "random"),
]
show("raw", X_test, y_test)
figure, axes = plt.subplots(figsize=(6.5, 4), layout="constrained")
for (positives, negatives), marker in zip(minings, "os^vx", strict=True):
    learner = TripletMetricLearner(
        positives=positives,
        negatives=negatives,
        solver="adam",
        batch_size=128,
        random_state=0,
    ).fit(X_train, y_train)
    name = f"{positives} × {negatives}"
    show(name, learner.transform(X_test), y_test, learner)
    curve = learner.active_fraction_curve_
    axes.plot(range(1, len(curve) + 1), curve, marker=marker, label=name)
axes.set(yscale="log", xlabel="epoch", ylabel="active share of triplets")
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %%
# Collapse, and how to prevent it
# -------------------------------
# Where classes overlap, the farthest positive is farther than the nearest negative under
# any map. The loss is then smallest if all rows are mapped to one point, where it
# depends on the margin alone: .075 for .1, as L-BFGS rounds the kink of the hinge. Here
# three classes differ a little in two of six features. With ``alpha=0`` there is no
# penalty, and the fit ends with a warning.

rng = np.random.default_rng(0)
y = np.repeat([0, 1, 2], 200)
X = rng.standard_normal((len(y), 6))
X[:, :2] += 1.2 * np.array([[0, 0], [1, 0], [0, 1]])[y]
X_train, y_train, X_test, y_test = X[::2], y[::2], X[1::2], y[1::2]

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    collapsed = TripletMetricLearner(positives="hard", negatives="hard", alpha=0)
    collapsed.fit(X_train, y_train)
print(*(warning.message for warning in caught), sep="\n")
print(f"loss {collapsed.loss_:.4f}, margin {collapsed.margin}")

# %%
# The penalty on the distance from the initial map, with the weight ``alpha``, prevents a
# collapse. The choice of mining changes the scores more.

cures = {
    "hard × hard": collapsed,
    "with alpha=1": TripletMetricLearner(positives="hard", negatives="hard", alpha=1.0),
    "all × semihard": TripletMetricLearner(positives="all", negatives="semihard"),
    "all × all": TripletMetricLearner(positives="all", negatives="all"),
}
show("raw", X_test, y_test)
for name, learner in cures.items():
    if learner is not collapsed:
        learner.fit(X_train, y_train)
    show(name, learner.transform(X_test), y_test, learner)
