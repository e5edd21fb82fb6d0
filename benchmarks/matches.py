"""Search learnt from a log of matches: recall@1 of new queries and of unseen documents.

Data: an ``.npz`` with `queries`, `documents`, `pairs` (a row of either in each) and
`thread`, a group of each query, such as StackFAQ. Rows are unit vectors. Of either split
there are five, about 60 % to learn from:

- new queries: the others ask for documents that the log has;
- unseen documents: those of other groups ask for documents that no match of the log has.

All documents are the index. Methods: the embedding as it is (raw), ``fit_pairs`` with as
many pairs of random rows as dissimilar ones, ``fit_matches`` on both sides, and, where
torch is installed, a linear layer with in-batch softmax (scale 20, Adam at 1e-3).

Run with ``python benchmarks/matches.py stackfaq.npz``, which prints means over the splits,
their differences from raw, and processor time of a fit.
"""

import argparse
import time

import numpy as np

from skmetric import ContrastiveMetricLearner, TripletMetricLearner

try:
    import torch
except ImportError:
    torch = None

SEEDS = range(5)
SHARE = 0.6


def new_queries(groups, seed):
    """Mask of the queries whose matches are learnt from."""
    return np.random.RandomState(seed).rand(len(groups)) < SHARE


def new_documents(groups, seed):
    """Mask of the queries of the groups that are learnt from."""
    names = np.unique(groups)
    order = np.random.RandomState(seed).permutation(names)
    return np.isin(groups, order[: int(SHARE * len(names))])


SPLITS = {"new queries": new_queries, "unseen documents": new_documents}


def unit_rows(X):
    """Rows of length 1, in float32."""
    X = X.astype(np.float32)
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def raw(queries, documents, matches):
    """The identity, for both tables."""
    W = np.eye(queries.shape[1], dtype=np.float32)
    return W, W


def pairs_at_random(queries, documents, matches):
    """Given pairs, with dissimilar ones of random rows."""
    rng = np.random.default_rng(0)
    n = len(queries)
    others = np.column_stack(
        [rng.permutation(matches[:, 0]), rng.integers(len(documents), size=len(matches))]
    )
    pairs = np.concatenate([matches, others]) + np.array([0, n])
    similar = np.arange(len(pairs)) < len(matches)
    learner = ContrastiveMetricLearner(metric="cosine", random_state=0)
    learner.fit_pairs(np.concatenate([queries, documents]), pairs, similar)
    return learner.components_, learner.components_


def ours(side):
    """The defaults of ``fit_matches``."""

    def fit(queries, documents, matches):
        learner = TripletMetricLearner(metric="cosine", random_state=0)
        W = learner.fit_matches(queries, documents, matches, side=side).components_
        return W, W if side == "both" else raw(queries, documents, matches)[1]

    return fit


def torch_layer(side, n_epochs, batch_size=64, scale=20.0, rate=1e-3):
    """A linear layer, with the other documents of a batch as negatives."""

    def fit(queries, documents, matches):
        torch.manual_seed(0)
        layer = torch.nn.Linear(queries.shape[1], queries.shape[1], bias=False)
        torch.nn.init.eye_(layer.weight)
        optimizer = torch.optim.Adam(layer.parameters(), rate)
        Q, D, matches = map(torch.as_tensor, (queries, documents, matches))
        normalize = torch.nn.functional.normalize
        for _ in range(n_epochs):
            for batch in torch.randperm(len(matches)).split(batch_size):
                at, others = matches[batch].T
                E = normalize(layer(Q[at]))
                F = normalize(layer(D[others]) if side == "both" else D[others])
                loss = torch.nn.functional.cross_entropy(
                    scale * E @ F.T, torch.arange(len(batch))
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        W = layer.weight.detach().numpy()
        return W, W if side == "both" else raw(queries, documents, None)[1]

    return fit


def methods():
    """Functions of a log that give the maps of queries and of documents, by name."""
    found = {"raw": raw, "fit_pairs, random dissimilar pairs": pairs_at_random}
    for side in ("both", "queries"):
        found[f"fit_matches, side={side!r}"] = ours(side)
        if torch is not None:
            for n_epochs in (4, 20):
                name = f"torch, {n_epochs} epochs, side={side!r}"
                found[name] = torch_layer(side, n_epochs)
    return found


def recall_at_1(maps, queries, documents, matches, judged):
    """The share of the judged queries whose nearest document was matched with them."""
    E, F = (unit_rows(X @ W.T) for X, W in zip((queries, documents), maps, strict=True))
    is_match = np.zeros((len(E), len(F)), dtype=bool)
    is_match[tuple(matches.T)] = True
    return float(is_match[judged, (E @ F.T).argmax(axis=1)[judged]].mean())


def run(path):
    """Print a line for each method and kind of split."""
    with np.load(path) as data:
        tables = unit_rows(data["queries"]), unit_rows(data["documents"])
        matches, groups = data["pairs"].astype(np.intp), data["thread"]
    at_start = {}
    for name, fit in methods().items():
        for kind, split in SPLITS.items():
            scores, seconds = [], []
            for seed in SEEDS:
                learnt = split(groups, seed)
                start = time.process_time()
                maps = fit(*tables, matches[learnt[matches[:, 0]]])
                seconds.append(time.process_time() - start)
                judged = np.flatnonzero(~learnt)
                scores.append(recall_at_1(maps, *tables, matches, judged))
            at_start.setdefault(kind, scores)
            gains = np.subtract(scores, at_start[kind])
            print(
                f"{name:40} {kind:17} {np.mean(scores):.3f} "
                f"({gains.mean():+.3f}, least {gains.min():+.3f})  "
                f"{np.mean(seconds):.2f} s",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", help="the .npz with the matches")
    run(parser.parse_args().path)
