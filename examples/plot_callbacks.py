"""
How can I watch a fit, and end it early?
========================================

With ``early_stopping=True`` some rows are held out, and the map is kept that serves them
best. scikit-learn 1.9 brings callbacks, such as progress bars, to which learners report
each epoch.
"""

# %%
# ``scoring`` says by what the rows held out judge an epoch, here MAP@R. Ten epochs without
# improvement end the fit, of a hundred that it may take.

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
# The progress bar needs the package ``rich``. ``verbose=1`` prints a line an epoch instead,
# with any scikit-learn.

learner.set_callbacks(ProgressBar()).fit(X_train, y_train)
print(f"{learner.n_iter_} of {learner.max_iter} epochs")

# %%
# The same without rows held out goes through the whole budget.

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
# What is left on the estimator: the loss with the pull, the share of active triplets, and
# the scores of the rows held out, of which the line marks the best.

display = LossCurveDisplay.from_estimator(learner)
best = int(np.argmax(learner.validation_scores_))
display.axes_[2].axvline(best + 1, color="black", linestyle="--")
plt.show()
