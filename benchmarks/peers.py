"""Metric learners of other packages, as transformers, where they are installed.

``pip install metric-learn`` and ``pip install torch pytorch-metric-learning``.
"""

import numpy as np
from scipy.stats import loguniform, uniform
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

try:
    from metric_learn import LMNN
except ImportError:
    LMNN = None
try:
    import torch
    from pytorch_metric_learning.losses import TripletMarginLoss
    from pytorch_metric_learning.miners import TripletMarginMiner
except ImportError:
    torch = None


def peers(dimensions, random_state):
    """What is installed, and what is not.

    Parameters
    ----------
    dimensions : list of int
        Choices for the dimension of the learnt space.
    random_state : int

    Returns
    -------
    methods : dict
        Transformer and search space by name.
    left_out : dict of str
        By name, what to install.
    """
    methods, left_out = {}, {}
    if LMNN is None:
        left_out["LMNN"] = "metric-learn is not installed"
    else:
        space = {
            "n_components": dimensions,
            "n_neighbors": [1, 3, 5],
            "regularization": uniform(0.1, 0.8),
        }
        methods["LMNN"] = LMNN(random_state=random_state), space
    if torch is None:
        left_out["torch"] = "torch and pytorch-metric-learning are not both installed"
    else:
        space = {
            "n_components": dimensions,
            "margin": loguniform(0.03, 0.5),
            "learning_rate": loguniform(1e-4, 3e-2),
            "batch_size": [32, 64, 128],
            "triplets": ["all", "semihard"],
        }
        methods["torch"] = TorchTripletLayer(random_state=random_state), space
    return methods, left_out


class TorchTripletLayer(TransformerMixin, BaseEstimator):
    """A linear layer trained by pytorch-metric-learning's triplet loss, on the CPU.

    Distances are Euclidean between rows of length 1, which is its default. The layer
    starts at PCA, and its Adam step falls linearly to 0, as those of the learners that it
    is compared with do.

    Parameters
    ----------
    n_components : int, default=None
        Dimension of the learnt space; None keeps `n_features`.
    margin : float, default=0.1
    learning_rate : float, default=1e-3
    batch_size : int, default=64
    max_iter : int, default=20
        Epochs.
    triplets : {"all", "semihard"}, default="all"
        Which triplets of a batch count.
    random_state : int, RandomState instance or None, default=None
        For the order of rows.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        The learnt map.
    """

    def __init__(
        self,
        n_components=None,
        *,
        margin=0.1,
        learning_rate=1e-3,
        batch_size=64,
        max_iter=20,
        triplets="all",
        random_state=None,
    ):
        self.n_components = n_components
        self.margin = margin
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.triplets = triplets
        self.random_state = random_state

    def fit(self, X, y):
        """Learn the map from rows and class labels."""
        X, y = validate_data(self, X, y, dtype=np.float32)
        rng = check_random_state(self.random_state)
        start = PCA(self.n_components, svd_solver="full").fit(X).components_
        layer = torch.nn.Linear(X.shape[1], len(start), bias=False)
        layer.weight.data = torch.from_numpy(start.astype(np.float32))
        rows, labels = torch.from_numpy(X), np.unique(y, return_inverse=True)[1]
        self._train(layer, rows, torch.from_numpy(labels), rng)
        self.components_ = layer.weight.detach().numpy()
        return self

    def transform(self, X):
        """Mapped rows, of length 1."""
        X = validate_data(self, X, dtype=np.float32, reset=False)
        return normalize(X @ self.components_.T)

    def _train(self, layer, X, y, rng):
        loss = TripletMarginLoss(margin=self.margin, triplets_per_anchor="all")
        miner = None
        if self.triplets == "semihard":
            miner = TripletMarginMiner(self.margin, type_of_triplets="semihard")
        optimizer = torch.optim.Adam(layer.parameters(), self.learning_rate)
        n_batches = max(1, round(len(X) / self.batch_size))
        fall = torch.optim.lr_scheduler.LinearLR(
            optimizer, 1, 0, total_iters=self.max_iter * n_batches
        )
        for _ in range(self.max_iter):
            for batch in np.array_split(rng.permutation(len(X)), n_batches):
                optimizer.zero_grad()
                E = layer(X[batch])
                loss(E, y[batch], miner(E, y[batch]) if miner else None).backward()
                optimizer.step()
                fall.step()
