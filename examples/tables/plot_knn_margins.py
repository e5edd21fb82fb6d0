"""
Which margin? A grid search before k-NN
=======================================

A learner is a step of a scikit-learn pipeline, so a grid search can choose its margin and
mining. A margin has the same unit on all data, so a grid needs only the same few orders of
magnitude.
"""

# %%
# The data are a third of the handwritten digits with standardised pixels, in three folds.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skmetric import TripletMetricLearner
from skmetric.plotting import MarginSweepDisplay

X, y = load_digits(return_X_y=True)
X, y = X[::3], y[::3]
folds = StratifiedKFold(3, shuffle=True, random_state=0)
raw = make_pipeline(StandardScaler(), KNeighborsClassifier(3))
raw_scores = cross_val_score(raw, X, y, cv=folds)
print(f"3-NN without a map: {raw_scores.mean():.3f} ± {raw_scores.std():.3f}")

# %%
# The steps have short names, so the names of parameters are short, too.

model = Pipeline(
    [
        ("scale", StandardScaler()),
        ("learn", TripletMetricLearner(n_components=8, random_state=0)),
        ("knn", KNeighborsClassifier(3)),
    ]
)
grid = {
    "learn__margin": [0.01, 0.1, 1.0, 10.0],
    "learn__positives": ["nearest", "all"],
}
search = GridSearchCV(model, grid, cv=folds).fit(X, y)
results = search.cv_results_
for setting, mean, spread in zip(
    results["params"], results["mean_test_score"], results["std_test_score"], strict=True
):
    print(f"{mean:.3f} ± {spread:.3f}  {setting}")
print("best:", search.best_params_)

# %%
# A search by halving tries all settings on few rows, and the best third of them on three
# times as many. The larger the grid, the more it saves. Neighbors among few rows are far,
# so rank the settings on as many rows as you can.

halving = HalvingGridSearchCV(model, grid, cv=folds, random_state=0).fit(X, y)
print("best by halving:", halving.best_params_)
for name, found in (("grid", search), ("halving", halving)):
    seconds = folds.n_splits * found.cv_results_["mean_fit_time"].sum()
    print(f"{name}: {seconds:.1f} s of fits")

# %%
# The picture has a line for each mining, and one for 3-NN without a map. Bars are one
# standard deviation over the folds. Where they overlap, the grid has not shown that one
# margin is better than another, and the score of the best of eight settings is too high.
# Test the chosen setting on rows that the search has not seen. The larger the margin, the
# more triplets are active. If the last margin of a grid is the best, extend the grid.

MarginSweepDisplay.from_estimator(search, X, y)
plt.show()
