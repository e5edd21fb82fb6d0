"""
Does it work for rows on several machines?
==========================================

Rows in dask collections stay on the workers that hold them. Each of them goes through an
epoch on its own, and only maps are exchanged. The map is as good as that of
a fit in memory: MAP@R, the average precision among as many neighbours as the class has
other rows, is .548 and .543 (raw .268).
"""

# %%
# The rows are questions of `banking77
# <https://github.com/PolyAI-LDN/task-specific-datasets>`__ (© PolyAI, CC BY 4.0) with 77
# intents: TF-IDF of parts of words, and 200 leading directions of these. They are in random
# order: triplets are formed within a partition, so a partition should hold several rows of
# each class. Here the cluster is two processes of this machine.

import csv
import gzip

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
from distributed import Client, LocalCluster
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skmetric import TripletMetricLearner
from skmetric.dask import DaskTripletMetricLearner, retrieval_report
from skmetric.metrics import mean_average_precision_at_r

N_PARTITIONS = 4


def read_questions():
    """Vectors and intents of the training part, in random order, and of the test part."""
    with gzip.open("../data/banking77.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    texts, intents, parts = (
        np.array([row[key] for row in rows]) for key in ("text", "intent", "part")
    )
    train = np.random.default_rng(0).permutation(np.flatnonzero(parts == "train"))
    test = parts == "test"
    embedding = make_pipeline(
        TfidfVectorizer(
            analyzer="char_wb",
            ngram_range=(3, 4),
            min_df=5,
            sublinear_tf=True,
            dtype=np.float32,
        ),
        TruncatedSVD(200, random_state=0),
        Normalizer(),
    )
    X_train = embedding.fit_transform(texts[train])
    return X_train, intents[train], embedding.transform(texts[test]), intents[test]


# %%
# ``persist`` keeps rows in the memory of the workers. After each epoch the maps of the
# partitions are averaged. A fit in memory makes four times as many updates per epoch, one
# after the other, so a cluster needs more epochs. ``to_local`` gives the learner
# without dask, here for the test part. ``retrieval_report`` draws rows as queries and looks
# for their neighbours among all rows of the cluster, which the map has seen.


def main():
    """Fit over the cluster and in memory, on the same rows."""
    X_train, y_train, X_test, y_test = read_questions()
    size = len(X_train) // N_PARTITIONS + 1
    rows = da.from_array(X_train, chunks=(size, -1)).persist()
    labels = da.from_array(y_train, chunks=size)
    settings = {"metric": "cosine", "solver": "adam", "learning_rate_init": 0.1}
    learner = DaskTripletMetricLearner(**settings, random_state=0).fit(rows, labels)
    memory = TripletMetricLearner(**settings, random_state=0).fit(X_train, y_train)

    service = learner.to_local()
    spaces = {
        "raw": X_test,
        "cluster": service.transform(X_test),
        "in memory": memory.transform(X_test),
    }
    for name, E in spaces.items():
        print(f"{name:<10} MAP@R {mean_average_precision_at_r(E, y_test):.3f}")

    print("1000 rows of the cluster, drawn as queries among all of them:")
    for E in (rows, learner.transform(rows)):
        print(retrieval_report(E, labels, scores=["precision_at_1"], random_state=0))

    _, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for name, fitted in (("cluster, four partitions", learner), ("in memory", memory)):
        curve = fitted.loss_curve_
        axes.plot(range(1, len(curve) + 1), curve, marker=".", label=name)
    axes.set(xlabel="epoch", ylabel="loss", yscale="log")
    axes.legend()
    plt.show()


if __name__ == "__main__":
    with (
        LocalCluster(2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster),
    ):
        main()
