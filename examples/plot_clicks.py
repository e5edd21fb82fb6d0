"""
What can be learnt from clicks?
===============================

A log has the items shown for each query and the items clicked; there are no labels.
Queries and items are vectors, such as embeddings of their texts. Only a few of their
directions are about the topic of a query, and raw similarity does not know which. The
learner finds them from pairs, clicked or not.
"""

# %%
# The data are made up, so the topic of each query is known. The learner does not see the
# topics. Scores are of new queries, which are not in the log.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import normalize

from skmetric import ContrastiveMetricLearner
from skmetric.metrics import retrieval_report

N_TOPICS, N_ITEMS, N_QUERIES, N_NEW = 300, 3000, 2000, 1000
N_FEATURES, N_MEANINGFUL, SHOWN = 64, 8, 12

rng = np.random.default_rng(0)
n = N_ITEMS + N_QUERIES + N_NEW
topics = rng.integers(0, N_TOPICS, n)
centers = rng.standard_normal((N_TOPICS, N_MEANINGFUL))
meaning = centers[topics] + 0.3 * rng.standard_normal((n, N_MEANINGFUL))
style = 1.2 * rng.standard_normal((n, N_FEATURES - N_MEANINGFUL))
turn, _ = np.linalg.qr(rng.standard_normal((N_FEATURES, N_FEATURES)))
X = (np.hstack([meaning, style]) @ turn).astype(np.float32)

# %%
# Of twelve items shown, at most three are on topic. Users sometimes overlook these, and
# sometimes click others. A pair is two row numbers: those of a query and of an item.


def shown_for(query):
    """Items on topic, and others."""
    right = np.flatnonzero(topics[:N_ITEMS] == topics[query])
    right = rng.permutation(right)[: SHOWN // 4]
    others = np.setdiff1d(rng.integers(0, N_ITEMS, SHOWN - SHOWN // 4), right)
    return np.concatenate([right, others])


queries = range(N_ITEMS, N_ITEMS + N_QUERIES)
pairs = np.array([(query, item) for query in queries for item in shown_for(query)])
on_topic = topics[pairs[:, 0]] == topics[pairs[:, 1]]
clicked = rng.random(len(pairs)) < np.where(on_topic, 0.7, 0.03)
print(f"{len(pairs)} pairs of {N_QUERIES} queries, {clicked.mean():.0%} clicked")

# %%
# More of the log gives a better map; the map from 50 queries is worse than raw similarity.
# ``success_at_k`` is the fraction of new queries with an item on topic among the k nearest.

KS = (1, 3, 10, 30)


def successes(E):
    """Success of new queries among the items, for each k."""
    scores = [f"success_at_{k}" for k in KS]
    items = {"index": E[:N_ITEMS], "index_labels": topics[:N_ITEMS]}
    return list(
        retrieval_report(E[-N_NEW:], topics[-N_NEW:], scores=scores, **items).values()
    )


curves = {"raw": successes(normalize(X))}
for n_queries in (50, 200, 2000):
    part = pairs[:, 0] < N_ITEMS + n_queries
    learner = ContrastiveMetricLearner(16, metric="cosine", random_state=0)
    learner.fit_pairs(X[:-N_NEW], pairs[part], clicked[part])
    curves[f"{n_queries} queries in the log"] = successes(learner.transform(X))

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
for (name, curve), marker in zip(curves.items(), "xsdo", strict=True):
    print(f"{name:<26}", *[f"success@{k} {v:.3f}" for k, v in zip(KS, curve, strict=True)])
    axes.plot(KS, curve, marker=marker, label=name)
axes.set(xscale="log", xlabel="k", ylabel="success@k of new queries", ylim=(0, 1))
axes.set_xticks(KS, KS)
axes.minorticks_off()
axes.legend()
plt.show()
