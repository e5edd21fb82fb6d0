"""Every retrieval score in plain loops."""

import math

from skmetric.metrics import (
    mean_average_precision,
    mean_average_precision_at_r,
    mean_reciprocal_rank,
    ndcg_at_k,
    precision_at_k,
    r_precision,
    recall_at_k,
    success_at_k,
)

METRICS = ("euclidean", "sqeuclidean", "cosine", "manhattan")
AT_K = {
    "precision_at_k": precision_at_k,
    "success_at_k": success_at_k,
    "recall_at_k": recall_at_k,
    "ndcg_at_k": ndcg_at_k,
}
OTHERS = {
    "r_precision": r_precision,
    "map_at_r": mean_average_precision_at_r,
    "map": mean_average_precision,
    "mrr": mean_reciprocal_rank,
}
WORDS = [word.replace("_k", f"_{k}") for word in AT_K for k in (1, 3, 11)] + list(OTHERS)


def call(word, E, y, **options):
    """The function that a word stands for."""
    if word in OTHERS:
        return OTHERS[word](E, y, **options)
    name, k = word.rsplit("_", 1)
    return AT_K[f"{name}_k"](E, y, int(k), **options)


def distance(a, b, metric):
    if metric == "manhattan":
        return sum(abs(a - b))
    if metric == "cosine":
        lengths = math.sqrt(a @ a) * math.sqrt(b @ b)
        return 1 - (a @ b) / lengths if lengths else 1.0
    squared = sum((a - b) ** 2)
    return math.sqrt(squared) if metric == "euclidean" else squared


def ranking(query, index, metric, itself=None):
    """Row numbers by distance, equal ones by row number."""
    rows = [i for i in range(len(index)) if i != itself]
    return sorted(rows, key=lambda i: (distance(query, index[i], metric), i))


def score_by_loops(word, hits, R):
    """From the definitions; `hits` are of the whole ranking."""
    name, _, k = word.rpartition("_")
    if name == "precision_at":
        return sum(hits[: int(k)]) / int(k)
    if name == "success_at":
        return float(any(hits[: int(k)]))
    if name == "recall_at":
        return sum(hits[: int(k)]) / R
    if name == "ndcg_at":
        gain = sum(1 / math.log2(i + 2) for i, hit in enumerate(hits[: int(k)]) if hit)
        return gain / sum(1 / math.log2(i + 2) for i in range(min(int(k), R)))
    if word == "r_precision":
        return sum(hits[:R]) / R
    if word == "mrr":
        return 1 / (1 + hits.index(True))
    depth = R if word == "map_at_r" else len(hits)
    return sum(sum(hits[: i + 1]) / (i + 1) for i in range(depth) if hits[i]) / R


def by_loops(words, E, y, metric="euclidean", index=None, index_labels=None):
    """Mean of each score, and how many queries were left out."""
    values = {word: [] for word in words}
    left_out = 0
    for q in range(len(E)):
        if index is None:
            order, labels = ranking(E[q], E, metric, itself=q), y
        else:
            order, labels = ranking(E[q], index, metric), index_labels
        hits = [labels[i] == y[q] for i in order]
        left_out += not any(hits)
        for word in words if any(hits) else ():
            values[word].append(score_by_loops(word, hits, sum(hits)))
    return {word: sum(v) / len(v) for word, v in values.items()}, left_out
