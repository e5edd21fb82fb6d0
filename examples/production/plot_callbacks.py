"""
How can I watch a fit, and end it early?
========================================

With ``early_stopping=True`` some rows are held out, and the fit keeps the map with the best
score on them. scikit-learn 1.9 has callbacks, such as progress bars, to which learners
report each epoch.
"""

# %%
# ``scoring`` is the score of the rows held out, here MAP@R. The fit ends after ten epochs
# without improvement, and after a hundred epochs at most.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.callback import ProgressBar
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skmetric import TripletMetricLearner
from skmetric.metrics import retrieval_report, retrieval_scorer
from skmetric.plotting import LossCurveDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=0
)
learner = TripletMetricLearner(
    solver="adam",
    max_iter=100,
    learning_rate_init=0.1,
    early_stopping=True,
    validation_fraction=0.2,
    n_iter_no_change=10,
    scoring=retrieval_scorer("map_at_r"),
    random_state=0,
)

# %%
# The progress bar needs the package ``rich``. ``verbose=1`` prints a line per epoch
# instead, with any version of scikit-learn.

learner.set_callbacks(ProgressBar()).fit(X_train, y_train)
print(f"{learner.n_iter_} of {learner.max_iter} epochs")

# %%
# The same fit without rows held out uses the whole budget.

whole = TripletMetricLearner(
    solver="adam",
    max_iter=100,
    learning_rate_init=0.1,
    n_iter_no_change=100,
    random_state=0,
).fit(X_train, y_train)
embeddings = {
    "raw": X_test,
    "ended early": learner.transform(X_test),
    "whole budget": whole.transform(X_test),
}
for name, E in embeddings.items():
    print(f"{name:<13} MAP@R of new rows {retrieval_report(E, y_test)['map_at_r']:.3f}")

# %%
# The estimator keeps the loss with the penalty, the fraction of active triplets, and the
# scores of the rows held out. The dashed line marks the best score.

display = LossCurveDisplay.from_estimator(learner)
best = int(np.argmax(learner.validation_scores_))
display.axes_[2].axvline(best + 1, color="black", linestyle="--")
plt.show()
