"""A click log: what was shown for a query and what was clicked, and no labels at all.

Queries and items are vectors, such as embeddings of their texts. Only a few of their
directions say what a query is after, which the raw similarity cannot know. The pairs of
the log, clicked or not, tell the learner. Judged by queries that the log has not seen; what
those are after is known because the data are made up, and the learner is not told.

Run with ``python examples/clicks.py``; takes a few seconds.
"""

import time

import numpy as np

from skmetric import ContrastiveMetricLearner
from skmetric.metrics import recall_at_k

N_TOPICS, N_ITEMS, N_QUERIES, N_NEW = 300, 3000, 2000, 1000
N_FEATURES, N_MEANINGFUL = 64, 8
SHOWN, K = 12, 10


def make_world(rng):
    """Features of items, queries of the log and new queries; the hidden topic of each."""
    n = N_ITEMS + N_QUERIES + N_NEW
    topics = rng.integers(0, N_TOPICS, n)
    centres = rng.standard_normal((N_TOPICS, N_MEANINGFUL))
    meaning = centres[topics] + 0.3 * rng.standard_normal((n, N_MEANINGFUL))
    style = 1.2 * rng.standard_normal((n, N_FEATURES - N_MEANINGFUL))
    turn, _ = np.linalg.qr(rng.standard_normal((N_FEATURES, N_FEATURES)))
    return (np.hstack([meaning, style]) @ turn).astype(np.float32), topics


def make_log(topics, rng):
    """What was shown, a quarter of it on topic, and what was clicked.

    Returns
    -------
    pairs : ndarray of int of shape (n_shown, 2)
        Rows of a query and of an item.
    clicked : ndarray of bool of shape (n_shown,)
        Good items are overlooked at times, and others clicked.
    """
    pairs = []
    for query in range(N_ITEMS, N_ITEMS + N_QUERIES):
        right = np.flatnonzero(topics[:N_ITEMS] == topics[query])
        right = rng.permutation(right)[: SHOWN // 4]
        others = np.setdiff1d(rng.integers(0, N_ITEMS, SHOWN - SHOWN // 4), right)
        pairs += [(query, item) for item in (*right, *others)]
    pairs = np.array(pairs)
    on_topic = topics[pairs[:, 0]] == topics[pairs[:, 1]]
    return pairs, rng.random(len(pairs)) < np.where(on_topic, 0.7, 0.03)


def main():
    """Print recall before and after."""
    rng = np.random.default_rng(0)
    X, topics = make_world(rng)
    pairs, clicked = make_log(topics, rng)
    print(f"{len(pairs)} pairs of {N_QUERIES} queries, {clicked.mean():.0%} clicked")
    start = time.perf_counter()
    learner = ContrastiveMetricLearner(16, metric="cosine", random_state=0)
    learner.fit_pairs(X[:-N_NEW], pairs, clicked)
    print(f"learnt by {learner.solver_} in {time.perf_counter() - start:.1f} s")
    raw = X / np.linalg.norm(X, axis=1, keepdims=True)
    for when, E in (("before", raw), ("after", learner.transform(X))):
        recall = recall_at_k(
            E[-N_NEW:],
            topics[-N_NEW:],
            K,
            index=E[:N_ITEMS],
            index_labels=topics[:N_ITEMS],
        )
        print(f"recall@{K} of {N_NEW} new queries {when}: {recall:.3f}")


if __name__ == "__main__":
    main()
