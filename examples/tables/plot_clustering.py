"""
Can labels of a few rows improve clusters?
==========================================

k-means separates groups that are far apart, but these need not be the groups that you want.
Here a map is learnt from a few rows with labels, and the other rows are clustered after
``transform``.
"""

# %%
# The data are handwritten digits. A fifth of the rows have labels, and the others are
# clustered. The contrastive learner suits clusters, because its margins are on distances
# themselves.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import FunctionTransformer

from skmetric import ContrastiveMetricLearner
from skmetric.plotting import EmbeddingDisplay

X, y = load_digits(return_X_y=True)
X_known, X_rest, y_known, y_rest = train_test_split(
    X, y, train_size=0.2, stratify=y, random_state=0
)
print(f"{len(X_known)} rows with labels, {len(X_rest)} rows to cluster")

# %%
# The adjusted Rand index compares clusters with classes: 1 is the same partition, 0 is
# chance. Rows of the pictures are clusters, ordered by the most frequent class of each.

maps = {
    "raw": FunctionTransformer(),
    "learnt": ContrastiveMetricLearner(positives="all", negatives="all", random_state=0),
}
figure, both = plt.subplots(1, 2, figsize=(7.5, 4), layout="constrained")
for axes, (name, transformer) in zip(both, maps.items(), strict=True):
    Z = transformer.fit(X_known, y_known).transform(X_rest)
    clusters = KMeans(10, n_init=10, random_state=0).fit_predict(Z)
    score = adjusted_rand_score(y_rest, clusters)
    print(f"{name}: adjusted Rand index {score:.3f}")
    counts = contingency_matrix(y_rest, clusters).T
    counts = counts[np.argsort(counts.argmax(axis=1))]
    axes.imshow(counts, cmap="Blues")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = "white" if count > counts.max() / 2 else "black"
            axes.text(column, row, count, ha="center", va="center", size=8, color=color)
    axes.set(title=f"{name}: {score:.3f}", xlabel="digit", ylabel="cluster", yticks=[])
    axes.set_xticks(range(10))
plt.show()

# %%
# For a picture of the classes, learn a map to two dimensions instead of a projection of
# another map. Two dimensions separate fewer classes than 64 do, and some still overlap.

learner = ContrastiveMetricLearner(2, positives="all", negatives="all")
learner.fit(X_known, y_known)
EmbeddingDisplay.from_estimator(learner, X_rest, y_rest)
plt.show()
