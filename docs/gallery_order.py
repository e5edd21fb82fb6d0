"""The order of the examples in each section of the gallery: the most convincing first."""

ORDER = (
    "matches",
    "unseen_classes",
    "duplicates",
    "verification",
    "text",
    "knn_margins",
    "contributions",
    "clustering",
    "comparisons",
    "triplet_or_contrastive",
    "mining",
    "compression",
    "export",
    "streaming",
    "callbacks",
    "cluster",
)


def position(filename):
    """Where an example stands; one that is missing above comes after them."""
    name = filename.removeprefix("plot_").removesuffix(".py")
    return ORDER.index(name) if name in ORDER else len(ORDER)
