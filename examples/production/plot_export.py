"""
How do I take a learnt map into production?
===========================================

A scaler, a learner and a classifier become one ONNX file, which predicts the same without
scikit-learn. The mapped rows go into faiss or usearch as they are, and the pipeline itself
into a skops file, whose loading runs no code.
"""

# %%
# Fit a pipeline.

from pathlib import Path
from tempfile import TemporaryDirectory

import faiss
import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import skops.io
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from usearch.index import Index

from skmetric import TripletMetricLearner
from skmetric.onnx import register_converters

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X.astype(np.float32), y, test_size=0.5, stratify=y, random_state=0
)
learner = TripletMetricLearner(n_components=16, metric="cosine", random_state=0)
model = make_pipeline(StandardScaler(), learner, KNeighborsClassifier(3))
model.fit(X_train, y_train)
print(f"3-NN accuracy {model.score(X_test, y_test):.3f}")

# %%
# ONNX
# ----
# One call registers the learners with skl2onnx, and whole pipelines convert. The option
# ``"cdist"`` is for k-NN: without it skl2onnx compares rows in a loop, which takes far
# longer.

register_converters()
onnx_model = to_onnx(
    model,
    X_train[:1],
    options={KNeighborsClassifier: {"optim": "cdist", "zipmap": False}},
)
session = onnxruntime.InferenceSession(
    onnx_model.SerializeToString(), providers=["CPUExecutionProvider"]
)
labels, probabilities = session.run(None, {"X": X_test})
print("nodes", *[node.op_type for node in onnx_model.graph.node][:6], "...")
print(f"{len(onnx_model.SerializeToString()) / 1024:.0f} KiB, training rows included")
different = np.count_nonzero(labels != model.predict(X_test))
print(f"{different} of {len(labels)} predictions differ")

# %%
# faiss and usearch
# -----------------
# ``transform`` returns what they take: contiguous rows, of float32 if X is. Under
# ``metric="cosine"`` rows have length 1, so that the index is one of inner products. For
# the other metrics it is one of squared distances.

indexed, queries = model[:-1].transform(X_train), model[:-1].transform(X_test)
expected = model[-1].kneighbors(queries, 3, return_distance=False)

index = faiss.IndexFlatIP(indexed.shape[1])
index.add(indexed)
_, by_faiss = index.search(queries, 3)

index = Index(ndim=indexed.shape[1], metric="ip", dtype="f32")
index.add(np.arange(len(indexed)), indexed)
by_usearch = index.search(queries, 3).keys

for name, found in {"faiss": by_faiss, "usearch": by_usearch}.items():
    print(f"{name}: {np.mean(found == expected):.2%} of the neighbours are scikit-learn's")

# %%
# skops
# -----
# skops reads only classes that it or the reader trusts. It lists the classes that a file
# needs, here only the class of the learner.

with TemporaryDirectory() as folder:
    path = Path(folder, "model.skops")
    skops.io.dump(model, path)
    print("to trust:", *skops.io.get_untrusted_types(file=path))
    again = skops.io.load(path, trusted=["skmetric._triplet.TripletMetricLearner"])
difference = np.abs(again[:-1].transform(X_test) - queries).max()
print(f"largest difference after loading {difference}")

# %%
# What the map looks at
# ---------------------
# Each row of ``components_`` has weights of the 8 x 8 pixels: blue is positive, red is
# negative. They come in the order of the variance that they give to the rows.

figure, grid = plt.subplots(4, 4, figsize=(5, 5), layout="constrained")
largest = np.abs(learner.components_).max()
for axes, row in zip(grid.flat, learner.components_, strict=True):
    axes.imshow(row.reshape(8, 8), cmap="RdBu", vmin=-largest, vmax=largest)
    axes.axis("off")
plt.show()
