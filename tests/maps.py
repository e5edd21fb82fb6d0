"""What tests ask of learnt maps."""


def metric_of(W):
    """The matrix of the metric of a map: a rotation of the map has the same."""
    return W.T @ W
