"""
Does the map help with classes it has never seen?
=================================================

The data are pictures of letters in sixteen fonts, each with a light from one side. The
light changes most pixels of a picture, so the nearest picture by raw distance is commonly
another letter in the same light. A map is learnt from small letters and digits, and tested
on capital letters, which it has never seen. The tests are retrieval, and naming letters
from a few examples of each.
"""

# %%
# The pictures are drawn here, with the fonts that matplotlib includes.

import string
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.metrics import pairwise_distances_argmin
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import Normalizer

from skmetric import TripletMetricLearner
from skmetric.metrics import retrieval_report, retrieval_scorer
from skmetric.model_selection import ClassDisjointShuffleSplit
from skmetric.plotting import RetrievalDisplay

SIZE = 16
FONTS = [
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
    "STIXGeneralBolIta",
    "cmr10",
    "cmss10",
    "cmtt10",
    "cmb10",
    "cmti10",
]


def draw(letter, font, rng):
    """A letter, turned and shifted a little."""
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", f"{font}.ttf")
    image = Image.new("L", (64, 64))
    font = ImageFont.truetype(str(path), int(rng.uniform(38, 46)))
    ImageDraw.Draw(image).text((32, 32), letter, fill=255, font=font, anchor="mm")
    turn, (right, down) = rng.uniform(-5, 5), rng.uniform(-2, 2, 2)
    image = image.rotate(turn, Image.Resampling.BILINEAR, translate=(right, down))
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BOX)) / 255


def make_letters(letters, rng):
    """Rows of pixels, and which letter each is."""
    y = np.repeat(list(letters), len(FONTS))
    images = np.stack([draw(letter, font, rng) for letter in letters for font in FONTS])
    slopes = np.stack(np.meshgrid(*[np.linspace(-1, 1, SIZE)] * 2))
    lights = 0.4 * rng.standard_normal((len(y), 2))
    images += np.einsum("nk,kij->nij", lights, slopes)
    return images.reshape(len(y), -1).astype(np.float32), y


rng = np.random.default_rng(0)
X_train, y_train = make_letters(string.ascii_lowercase + string.digits, rng)
X_new, y_new = make_letters(string.ascii_uppercase, rng)
print(f"to learn from: {len(X_train)} pictures of {len(set(y_train))} letters and digits")
print(f"to judge by: {len(X_new)} pictures of {len(set(y_new))} capital letters")

# %%
# Choose settings under the conditions in which the map will be used: in every split, the
# classes for training and for scores are different.
# :class:`~skmetric.model_selection.ClassDisjointShuffleSplit` makes such splits of the
# training letters. The capital letters take no part in this.

search = GridSearchCV(
    TripletMetricLearner(metric="cosine", solver="adam", random_state=0),
    {"alpha": [0.05, 1.0]},
    scoring=retrieval_scorer("map_at_r"),
    cv=ClassDisjointShuffleSplit(3, test_size=0.3, random_state=0),
).fit(X_train, y_train)
results = search.cv_results_
for setting, score in zip(results["params"], results["mean_test_score"], strict=True):
    print(f"MAP@R on training letters left out {score:.3f}  {setting}")
learner = search.best_estimator_

# %%
# Retrieval among the new letters: each picture is a query against all the others.

maps = {"raw": Normalizer().fit(X_train), "learnt": learner}
for name, transformer in maps.items():
    report = retrieval_report(transformer.transform(X_new), y_new)
    print(name, report, "", sep="\n")

# %%
# Queries are at the left, one of each of six letters. Their five nearest pictures follow in
# order.

queries = [np.flatnonzero(y_new == letter)[3] for letter in "AEGKMS"]
figure, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
figure.get_layout_engine().set(h_pad=0.15)
RetrievalDisplay.from_predictions(
    {name: transformer.transform(X_new) for name, transformer in maps.items()},
    y_new,
    X_new.reshape(-1, SIZE, SIZE),
    queries=queries,
    ax=axes,
)
for panel in axes:
    panel.title.set_size(17)
plt.show()

# %%
# Few-shot classification names a letter by the nearest of one, two or five examples of each
# letter, drawn 20 times. The map has not learnt what an *A* is, only how pictures of the
# same letter can differ.


def few_shot(E, n_shots, rng):
    """Mean accuracy of the nearest example."""
    scores = []
    for _ in range(20):
        order = rng.permutation(len(E))
        ranks = np.empty(len(E), dtype=int)
        for letter in np.unique(y_new):
            of_letter = order[y_new[order] == letter]
            ranks[of_letter] = np.arange(len(of_letter))
        shown = ranks < n_shots
        nearest = pairwise_distances_argmin(E[~shown], E[shown])
        scores.append(np.mean(y_new[shown][nearest] == y_new[~shown]))
    return np.mean(scores)


for n_shots in (1, 2, 5):
    before, after = (
        few_shot(transformer.transform(X_new), n_shots, np.random.default_rng(0))
        for transformer in maps.values()
    )
    print(f"accuracy with {n_shots} of each: raw {before:.3f}, learnt {after:.3f}")
