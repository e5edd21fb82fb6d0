"""
How do I take a learnt map elsewhere?
=====================================

A learnt map is one array, ``components_``, and mapping rows is one product of matrices. So
it runs wherever matrices can be multiplied, for example as ONNX with a single ``MatMul``.
To save the estimator itself, use skops: loading its files runs no code from them.
"""

# %%
# Fit a learner, and a classifier on its output.

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import onnx
import onnxruntime
import skops.io
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skmetric import TripletMetricLearner

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X.astype(np.float32), y, test_size=0.5, stratify=y, random_state=0
)
learner = TripletMetricLearner(n_components=16, random_state=0).fit(X_train, y_train)
knn = KNeighborsClassifier(3).fit(learner.transform(X_train), y_train)
print(f"3-NN accuracy {knn.score(learner.transform(X_test), y_test):.3f}")

# %%
# Each row of the map has weights of the 8 x 8 pixels: blue is positive, red is negative.

figure, grid = plt.subplots(2, 8, figsize=(9, 2.5), layout="constrained")
largest = np.abs(learner.components_).max()
for axes, row in zip(grid.flat, learner.components_, strict=True):
    axes.imshow(row.reshape(8, 8), cmap="RdBu", vmin=-largest, vmax=largest)
    axes.axis("off")
plt.show()

# %%
# ONNX
# ----
# With ``metric="cosine"``, add a node ``LpNormalization(axis=1, p=2)``.

components = learner.components_.T.astype(np.float32)
n_features, n_components = components.shape
graph = helper.make_graph(
    [helper.make_node("MatMul", ["X", "W"], ["Z"])],
    "skmetric",
    [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, n_features])],
    [helper.make_tensor_value_info("Z", TensorProto.FLOAT, [None, n_components])],
    [numpy_helper.from_array(components, "W")],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
onnx.checker.check_model(model)

session = onnxruntime.InferenceSession(model.SerializeToString())
(Z,) = session.run(None, {"X": X_test})
predictions = knn.predict(learner.transform(X_test))
print(
    f"nodes {[node.op_type for node in graph.node]}, {len(model.SerializeToString())} bytes"
)
print(f"largest difference {np.abs(Z - learner.transform(X_test)).max():.1e}")
print(f"same predictions: {np.array_equal(knn.predict(Z), predictions)}")

# %%
# skops
# -----
# skops reads only classes that it or the reader trusts. It lists the classes that a file
# needs, here only the class of the learner.

with TemporaryDirectory() as folder:
    path = Path(folder, "learner.skops")
    skops.io.dump(learner, path)
    print("to trust:", skops.io.get_untrusted_types(file=path))
    again = skops.io.load(path, trusted=["skmetric._triplet.TripletMetricLearner"])
print(f"same map: {np.array_equal(again.transform(X_test), learner.transform(X_test))}")
