"""
What does mining change?
========================

``positives`` and ``negatives`` say which triplets are learnt from. A triplet is active
while it violates the margin, and only active ones move the map: a share near 0 means that
there is little left to learn, a share near 1 that the triplets ask for more than the map
can give.
"""

# %%
# Half of the handwritten digits to learn from, half to judge by: MAP@R, which asks for all
# of a class together, and precision@1, which asks for the nearest row only.

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
# Collapse, and its cure
# ----------------------
# Where classes overlap, the farthest positive is farther than the nearest negative under
# any map, and the cheapest thing to do is to map all rows to one point: the loss is then
# exactly the margin. Such are three classes that differ in two of six features, and not by
# much. Nothing pulls towards the initial map here, and the fit ends with a warning.

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
# A pull towards the initial map, ``alpha``, keeps the map from shrinking to nothing. It is
# the mining, though, that makes it learn something.

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
