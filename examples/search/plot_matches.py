"""
Search an English index in Spanish: learn from a log of matches
===============================================================

An index has lines in English that say what a command of the terminal does. Some users ask
in Spanish. All there is to learn from is a log: which English line answered which
question. ``fit_matches`` takes the new questions whose answer is found first from 52 % to
83 %, and from 51 % to 84 % where the log has never matched the answer.
"""

# %%
# The lines are from `tldr-pages <https://github.com/tldr-pages/tldr>`__ (© the tldr-pages
# team and contributors, CC BY 4.0), which volunteers translated. A question is a line in
# Spanish. Names of commands and formats are often the same in both languages, so raw
# vectors find a part of the answers.

import csv
import gzip

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skmetric import TripletMetricLearner
from skmetric.metrics import retrieval_report
from skmetric.model_selection import MatchShuffleSplit
from skmetric.plotting import RetrievalDisplay

with gzip.open("../data/tldr_es.csv.gz", "rt", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
questions, question_of = np.unique([r["spanish"] for r in rows], return_inverse=True)
answers, answer_of = np.unique([r["english"] for r in rows], return_inverse=True)
matches = np.column_stack([question_of, answer_of])
print(f"{len(questions)} questions, {len(answers)} answers, {len(matches)} matches")
print(rows[1500]["spanish"], "->", rows[1500]["english"])

# %%
# The vectors are TF-IDF of parts of words, which the two languages have in common more
# often than words, and their 200 leading directions. A sentence encoder can take the
# place of both. The vectors of this example have not seen the questions that it is judged
# by.


def embed(train):
    """TF-IDF and its leading directions, of all questions and of all answers."""
    tfidf = TfidfVectorizer(
        analyzer="char_wb",
        ngram_range=(3, 4),
        min_df=3,
        sublinear_tf=True,
        dtype=np.float32,
    )
    reduce = make_pipeline(TruncatedSVD(200, random_state=0), Normalizer())
    words = tfidf.fit_transform([*answers, *questions[np.unique(matches[train, 0])]])
    reduce.fit(words)
    tables = tfidf.transform(questions), tfidf.transform(answers)
    return tables, [reduce.transform(table) for table in tables]


# %%
# Questions that the log does not have
# ------------------------------------
# ``side="queries"`` maps the questions only, so that an index that exists serves on: 71 %.
# Every question is compared with all answers.


def learn(unseen):
    """Questions and answers as vectors, raw and learnt, and the matches to judge by."""
    split = MatchShuffleSplit(1, unseen=unseen, test_size=0.25, random_state=0)
    train, test = next(split.split(matches))
    words, (Q, D) = embed(train)
    learner = TripletMetricLearner(metric="cosine", random_state=0)
    both = learner.fit_matches(Q, D, matches[train])
    mapped = both.transform(Q), both.transform(D)
    only = learner.fit_matches(Q, D, matches[train], side="queries")
    spaces = {
        "raw TF-IDF": words,
        "raw, 200 directions": (Q, D),
        "learnt": mapped,
        "learnt, questions only": (only.transform(Q), D),
    }
    return spaces, matches[test]


spaces, new = learn("queries")

# %%
# Ten of the new questions, drawn at random, and the nearest answer to each. These ten
# flatter the map: the titles count all of the new questions.


def nearest(queries, index):
    """The nearest row of the index to each query, by cosine."""
    search = NearestNeighbors(n_neighbors=1, algorithm="brute", metric="cosine").fit(index)
    return search.kneighbors(queries, return_distance=False)  # (n_queries, 1)


def found_first(queries, index):
    """The fraction of new questions whose answer is the nearest."""
    scores = ["success_at_1"]
    report = retrieval_report(queries, index=index, relevant=new, scores=scores)
    return report["success_at_1"]


answer_to = np.empty(len(questions), dtype=int)
answer_to[question_of] = answer_of
drawn = np.random.default_rng(0).choice(np.unique(new[:, 0]), 10, replace=False)
shown = {name: spaces[name] for name in ("raw TF-IDF", "learnt")}
figure, panels = plt.subplots(1, 2, figsize=(8, 4.2), layout="constrained")
# Questions and then answers are the rows of one table.
RetrievalDisplay(
    {name: len(questions) + nearest(Q[drawn], D) for name, (Q, D) in shown.items()},
    queries=drawn,
    y=[*answer_to, *range(len(answers))],
    items=[*questions, *answers],
).plot(ax=panels)
for axes, (name, space) in zip(panels, shown.items(), strict=True):
    share = found_first(*space)
    axes.set_title(f"{name}: {share:.0%} of {len(new)} answers found first", size=11)
plt.show()

# %%
# Answers that the log never matched
# ----------------------------------
# The second split has neither a question nor an answer in both parts. Such answers are
# found as well as others: what is learnt is which directions of Spanish and English
# belong together. Without the map, the 200 directions find less than all parts of words
# do.

# sphinx_gallery_thumbnail_number = 2
KS = [1, 3, 10, 30]
SCORES = [f"success_at_{k}" for k in KS]
figure, panels = plt.subplots(1, 2, figsize=(7.5, 4.5), layout="constrained", sharey=True)
judged = {"new questions": (spaces, new), "and new answers": learn("documents")}
for axes, (title, (spaces, new)) in zip(panels, judged.items(), strict=True):
    print(f"{title}, {len(new)} matches")
    for (name, (queries, index)), marker in zip(spaces.items(), "+xos", strict=True):
        report = retrieval_report(queries, index=index, relevant=new, scores=SCORES)
        curve = list(report.values())
        print(f"  {name:<24}", *[f"@{k} {v:.3f}" for k, v in zip(KS, curve, strict=True)])
        axes.plot(KS, curve, marker=marker, label=name)
    axes.set(xscale="log", xlabel="k", ylim=(0, 1), title=title)
    axes.set_xticks(KS, KS)
    axes.minorticks_off()
panels[0].set_ylabel("answer among the k nearest")
panels[0].legend(loc="lower right")
plt.show()
