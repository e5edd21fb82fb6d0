"""Append a learnt map to a sentence-transformers model, as its last modules.

The result is an ordinary SentenceTransformer, to be saved, pushed and served as any other.
Needs ``pip install sentence-transformers``. Embeddings are stood in for by random vectors
here, so that no model is downloaded: with one of your own, call
``SentenceTransformer(modules=[*model, *modules_of(learner)])``.
"""

import numpy as np
import torch
from sentence_transformers.sentence_transformer.modules import Dense, Normalize

from skmetric import TripletMetricLearner


def modules_of(learner):
    """The modules that map a sentence embedding as a learner does."""
    n_components, n_features = learner.components_.shape
    dense = Dense(
        n_features, n_components, bias=False, activation_function=torch.nn.Identity()
    )
    weight = torch.from_numpy(learner.components_)
    dense.load_state_dict({"linear.weight": weight.to(torch.float32)})
    return [dense, Normalize()] if learner.metric == "cosine" else [dense]


rng = np.random.default_rng(0)
y = np.repeat(np.arange(20), 40)
embeddings = rng.normal(size=(20, 384))[y] + 2 * rng.normal(size=(800, 384))
embeddings = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype("f4")
learner = TripletMetricLearner(64, metric="cosine", random_state=0).fit(embeddings, y)

features = {"sentence_embedding": torch.from_numpy(embeddings)}
with torch.no_grad():
    for module in modules_of(learner):
        features = module(features)
served = features["sentence_embedding"].numpy()
print("modules:", *(type(module).__name__ for module in modules_of(learner)))
print("shape:", served.shape)
print(f"largest difference: {np.abs(served - learner.transform(embeddings)).max():.1e}")
