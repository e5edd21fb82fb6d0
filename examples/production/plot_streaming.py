"""
Can it learn from a stream, or from data that do not fit in memory?
===================================================================

Questions of customers to a bank come in chunks of 1000. ``partial_fit`` goes once over a
chunk and continues from the current map. After 10,000 questions MAP@R
is .497 (raw .258, one fit in memory .514). It is the average precision among as many
neighbours as the intent has other questions.
"""

# %%
# The questions are `banking77 <https://github.com/PolyAI-LDN/task-specific-datasets>`__
# (© PolyAI, CC BY 4.0), with 77 intents. The published training part is sorted by intent.
# Here it comes in random order, as ``partial_fit`` needs it: triplets are formed within a
# chunk, so each chunk should hold several rows of each class. The test part is for scores.

import csv
import gzip

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skmetric import TripletMetricLearner
from skmetric.metrics import mean_average_precision_at_r

CHUNK = 1000

with gzip.open("../data/banking77.csv.gz", "rt", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
texts, intents, parts = (
    np.array([row[key] for row in rows]) for key in ("text", "intent", "part")
)
order = np.random.default_rng(0).permutation(np.flatnonzero(parts == "train"))
chunks = [order[start : start + CHUNK] for start in range(0, 10 * CHUNK, CHUNK)]
test = parts == "test"

# %%
# Vectors must not change on the way, so only the first chunk makes them: weights of hashed
# parts of words, and 200 leading directions of these. The learner sees one chunk at a time.
# ``partial_fit`` does not know how many chunks there will be, so its learning rate is
# constant. Of .005 (the default), .02 and .1 the last was best both for ``partial_fit``
# and for ``fit``, on 2000 training questions held out.

embedding = make_pipeline(
    HashingVectorizer(
        analyzer="char_wb",
        ngram_range=(3, 4),
        n_features=2**14,
        alternate_sign=False,
        dtype=np.float32,
    ),
    TfidfTransformer(sublinear_tf=True),
    TruncatedSVD(200, random_state=0),
    Normalizer(),
).fit(texts[chunks[0]])
X_test, y_test = embedding.transform(texts[test]), intents[test]


def score(rows):
    """MAP@R of test questions, each a query among the others."""
    return mean_average_precision_at_r(rows, y_test)


raw = score(X_test)
learner = TripletMetricLearner(metric="cosine", learning_rate_init=0.1, random_state=0)
n_read, curve = [], []
for chunk in chunks * 3:
    learner.partial_fit(embedding.transform(texts[chunk]), intents[chunk])
    n_read.append(len(chunk) * (len(n_read) + 1))
    curve.append(score(learner.transform(X_test)))

# %%
# For comparison, one ``fit`` of the same questions, all of them in memory.

read = np.concatenate(chunks)
whole = TripletMetricLearner(
    metric="cosine", solver="adam", learning_rate_init=0.1, random_state=0
).fit(embedding.transform(texts[read]), intents[read])
at_once = score(whole.transform(X_test))

print(f"raw                MAP@R {raw:.3f}")
for n_chunks in (1, 2, 5, 10, 20, 30):
    print(f"{n_read[n_chunks - 1]:6} questions   MAP@R {curve[n_chunks - 1]:.3f}")
print(f"one fit in memory  MAP@R {at_once:.3f}")

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.plot(n_read, curve, marker="o", label="partial_fit, three passes")
axes.axhline(at_once, color="0.4", linestyle=":", label="one fit in memory")
axes.axhline(raw, color="black", linestyle="--", label="raw")
axes.set(xlabel="questions read", ylabel="MAP@R of test questions", ylim=(0.2, None))
axes.legend(loc="center right")
plt.show()
