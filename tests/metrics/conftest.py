"""Data with singletons, duplicates and ties, and both ways to rank."""

import numpy as np
import pytest

from skmetric.metrics import _ranking


@pytest.fixture
def generic():
    """Unbalanced classes with singletons, no two distances alike."""
    rng = np.random.default_rng(3)
    y = rng.permutation(np.repeat(list("abcdefg"), [30, 14, 9, 5, 2, 1, 1]))
    centers = dict(zip("abcdefg", rng.standard_normal((7, 5)), strict=True))
    return np.array([centers[label] for label in y]) + rng.standard_normal((62, 5)), y


@pytest.fixture
def tied():
    """Points of a small grid, many of them several times: exact distances, many ties."""
    rng = np.random.default_rng(8)
    y = rng.permutation(np.repeat(list("abcdef"), [25, 18, 9, 4, 1, 1]))
    return rng.integers(-1, 3, (58, 2)).astype(float), y


@pytest.fixture(params=["search", "sort"])
def path(request, monkeypatch):
    """Both ways to the neighbors, at any depth."""
    share = 1.0 if request.param == "search" else 0.0
    monkeypatch.setattr(_ranking, "MAX_SEARCH_SHARE", share)
