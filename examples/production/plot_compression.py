"""
How small can stored vectors be?
================================

The first 8 of the 64 columns of mapped digits find more of the query's digit than all 64
pixels do, in an eighth of the memory. Columns come in the order of their variance, so
stored vectors can be cut after any number of them. A map fitted with as many
``n_components`` does better still where these are few.
"""

# %%
# Each half of the digits gives a map, and the other half is searched: each row is a query
# among the others. MAP@R is the mean average precision of the R nearest rows, where R is
# the number of other rows of the query's digit.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold

from skmetric import TripletMetricLearner
from skmetric.metrics import mean_average_precision_at_r

X, y = load_digits(return_X_y=True)
X = X.astype(np.float32)
sizes = [2, 4, 6, 8, 12, 16, 24, 32, 64]
halves = StratifiedKFold(2, shuffle=True, random_state=0).split(X, y)


def score_by_size(X_train, y_train, X_test, y_test):
    """MAP@R of rows of each size: cut PCA, cut map, maps fitted with that size."""

    def score(rows):
        return mean_average_precision_at_r(rows, y_test)

    pca = PCA(random_state=0).fit(X_train).transform(X_test)
    mapped = TripletMetricLearner(random_state=0).fit(X_train, y_train).transform(X_test)
    scores = {"PCA, cut": [], "learnt map, cut": [], "learnt with n_components": []}
    for size in sizes:
        learner = TripletMetricLearner(size, random_state=0).fit(X_train, y_train)
        rows = pca[:, :size], mapped[:, :size], learner.transform(X_test)
        for values, some in zip(scores.values(), rows, strict=True):
            values.append(score(some))
    return score(X_test), scores


raw, curves = zip(*(score_by_size(X[a], y[a], X[b], y[b]) for a, b in halves), strict=True)
means = {name: np.mean([scores[name] for scores in curves], axis=0) for name in curves[0]}

# %%
# A row of float32 takes four bytes per column. Beyond 12 columns nothing is gained here,
# and smaller vectors are faster to search, too.

n_bytes = 4 * np.array(sizes)
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
for (name, values), style in zip(means.items(), ["s:", "o-", "^-"], strict=True):
    axes.plot(n_bytes, values, style, label=name)
axes.axhline(np.mean(raw), color="0.4", ls="--", label="raw pixels, 256 bytes")
axes.set_xscale("log", base=2)
axes.set_xticks(n_bytes, n_bytes)
axes.minorticks_off()
axes.set(xlabel="bytes per vector", ylabel="MAP@R")
axes.legend()
plt.show()

print(f"raw, 256 bytes: MAP@R {np.mean(raw):.3f}")
for i, size in enumerate(sizes):
    values = ", ".join(f"{name} {scores[i]:.3f}" for name, scores in means.items())
    print(f"{4 * size:4d} bytes: {values}")
