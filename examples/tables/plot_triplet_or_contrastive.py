"""
Triplets or pairs: the order of distances, or distances themselves?
===================================================================

The loss of :class:`~skmetric.TripletMetricLearner` is small if rows of the same class are
nearer than rows of another class. The loss of :class:`~skmetric.ContrastiveMetricLearner`
is small if distances within a class are below one margin and distances between classes are
above another. The first is for rankings, the second for thresholds.
"""

# %%
# Half of the handwritten digits are for training, and half are for testing.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import FunctionTransformer

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric.metrics import equal_error_rate, retrieval_report
from skmetric.plotting import PairDistanceDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=0
)
maps = {
    "raw": FunctionTransformer(),
    "triplet": TripletMetricLearner(random_state=0),
    "contrastive": ContrastiveMetricLearner(
        positives="all", negatives="all", random_state=0
    ),
}

# %%
# Each map has three scores. 3-NN accuracy shows whether the nearest rows have the right
# class. MAP@R shows whether all rows of a class are near each other. The equal error rate
# shows how well one threshold on distances separates similar from dissimilar pairs (less is
# better).

rows, columns = np.triu_indices(len(y_test), 1)
similar = y_test[rows] == y_test[columns]
distances = {}
for name, learner in maps.items():
    learner.fit(X_train, y_train)
    Z_train, Z = learner.transform(X_train), learner.transform(X_test)
    accuracy = KNeighborsClassifier(3).fit(Z_train, y_train).score(Z, y_test)
    map_at_r = retrieval_report(Z, y_test)["map_at_r"]
    distances[name] = pairwise_distances(Z)[rows, columns]
    error = equal_error_rate(distances[name], similar)
    print(f"{name:<12} 3-NN {accuracy:.3f}   MAP@R {map_at_r:.3f}   EER {error:.3f}")

# %%
# The contrastive learner separates the distances of similar and dissimilar pairs, on all of
# the data at once. The loss of the triplet learner does not require this.

_, axes = plt.subplots(1, 3, figsize=(9, 4), layout="constrained")
PairDistanceDisplay.from_predictions(distances, similar, ax=axes)
plt.show()
