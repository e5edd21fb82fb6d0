"""
Which of these texts are duplicates?
====================================

scikit-learn explains each parameter of each estimator. Many of these passages were copied,
and some copies were changed since. Which passages say the same? The job has three parts: a
distance, a threshold that keeps false matches rare, and a search for all pairs below it.
"""

# %%
# The passages come from the docstrings of the scikit-learn that is installed. Those that
# are equal letter by letter need no model.

import re
from collections import Counter
from inspect import getdoc

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.utils.discovery import all_estimators

from skmetric.metrics import PairVerifier
from skmetric.mining import mine_pairs
from skmetric.plotting import PairDistanceDisplay

SECTION = re.compile(r"Parameters\n-+\n(.*?)\n\n\w[\w ]*\n-+\n", re.DOTALL)
ENTRY = re.compile(r"^(\w+) : .*\n((?:(?:    .*)?\n)+)", re.MULTILINE)


def passages():
    """Name of a parameter and what is said of it, for each estimator of scikit-learn."""
    for _, estimator in all_estimators():
        section = SECTION.search(getdoc(estimator))
        for name, text in ENTRY.findall(section[1] + "\n" if section else ""):
            text = " ".join(text.split(".. version")[0].split())
            if len(text) > 40:
                yield name, text


found = list(passages())
texts = sorted(set(found))
y, texts = (np.array(column) for column in zip(*texts, strict=True))
print(f"{len(found)} passages on {len(set(y))} parameters, {len(texts)} of them different")

# %%
# A threshold for what is not yet known
# -------------------------------------
# Two passages are taken for similar if they are about parameters of one name. A threshold
# is calibrated on half of the names, and used on the other half. Any transformer can give
# the distance. Here it is a latent semantic analysis of words and pairs of words, which
# needs no labels and has seen all texts.
#
# Nearly all pairs are different, so a false match rate must be small to be of use. One in
# 10,000 different pairs may be accepted.

names = np.random.default_rng(0).permutation(np.unique(y))
known = np.isin(y, names[::2])
embedding = make_pipeline(
    TfidfVectorizer(sublinear_tf=True, min_df=2, ngram_range=(1, 2)),
    TruncatedSVD(200, random_state=0),
    Normalizer(),
).fit(texts)
X = embedding.transform(texts)
verifier = PairVerifier(embedding[-1], criterion="tpr_at_fpr", rate=1 / 10_000)
pairs, similar = mine_pairs(X[known], y[known])
verifier.fit(pairs, similar, rows=X[known])
print(f"{similar.sum()} similar and {(~similar).sum()} different pairs: ", end="")
print(f"threshold {verifier.threshold_:.3f}")

# %%
# All pairs, and their groups
# ---------------------------
# ``find_duplicates`` returns all pairs of rows at a distance up to the threshold,
# ``group_duplicates`` a number for each group of rows that such pairs connect.

new, y_new, texts_new = X[~known], y[~known], texts[~known]
pairs, distances = verifier.find_duplicates(new)
one_name = y_new[pairs[:, 0]] == y_new[pairs[:, 1]]
print(f"{len(texts_new)} passages: {len(pairs)} pairs, {one_name.mean():.0%} of one name")

groups = verifier.group_duplicates(new)
sizes = Counter(groups.tolist())
print(f"{len(sizes)} groups, {sum(n > 1 for n in sizes.values())} of several passages")
for group, size in sizes.most_common(4):
    inside = np.flatnonzero(groups == group)
    print(f"\n{size} passages on {', '.join(sorted(set(y_new[inside]))):.70}")
    for i in inside[:3]:
        print(f"  {y_new[i]}: {texts_new[i][:70]}")

# %%
# Look at the pairs of different names first: they show what the threshold confuses. Some
# are no errors, because one thing has two names.

order = np.flatnonzero(~one_name)[np.argsort(distances[~one_name])]
for i, j in pairs[order[:4]]:
    print(f"{y_new[i]}: {texts_new[i][:75]}\n{y_new[j]}: {texts_new[j][:75]}\n")

# %%
# A group is connected by chains of pairs, so one false pair joins two groups. At a larger
# false match rate they run together. The largest group shows it.

all_pairs, all_similar = mine_pairs(new, y_new)
calibration, calibration_similar = mine_pairs(X[known], y[known])
for rate in (1 / 10_000, 1 / 2000, 1 / 500, 1 / 100):
    verifier.set_params(rate=rate)
    verifier.fit(calibration, calibration_similar, rows=X[known])
    accepted = verifier.predict(all_pairs, rows=new)
    largest = np.bincount(verifier.group_duplicates(new)).max()
    kept, found = accepted[~all_similar].mean(), accepted[all_similar].mean()
    print(f"rate {rate:.4f}: false {kept:.4f}, found {found:.2f}, largest group {largest}")

verifier.set_params(rate=1 / 10_000).fit(calibration, calibration_similar, rows=X[known])
distances = verifier.threshold_ - verifier.decision_function(all_pairs, rows=new)
thresholds = {"passages on other parameters": verifier.threshold_}
PairDistanceDisplay.from_predictions(
    {"passages on other parameters": distances}, all_similar, thresholds=thresholds
)
plt.show()
