"""
Can it learn from sparse text?
==============================

TF-IDF rows are long and have few nonzero entries. They stay sparse in ``fit`` and
``transform``. The map itself is dense, so the number of words times ``n_components`` must
fit in memory.
"""

# %%
# The data are questions to a help desk, composed of phrases. Each has a topic in one of
# several wordings, between polite phrases that do not depend on the topic. Half of the
# wordings of each topic are for training, and the others are for testing.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import pairwise_distances_argmin
from sklearn.metrics.pairwise import cosine_similarity

from skmetric import TripletMetricLearner
from skmetric.metrics import retrieval_report

ABOUT = {
    "password": "reset my password|a forgotten password|a new password does not arrive|"
    "the password link has expired|my password is refused|change an old password",
    "invoice": "a wrong amount on the invoice|an invoice twice|where is my invoice|"
    "the invoice shows an old address|pay an invoice later|a copy of the last invoice",
    "delivery": "where is my parcel|the parcel came damaged|a parcel at the wrong address|"
    "a late parcel|send the parcel to a neighbour|the parcel is lost",
    "login": "cannot sign in|sign in with another account|sign in fails on the phone|"
    "a code to sign in|sign in from abroad|kept from signing in, cannot sign in",
    "refund": "money back for a return|the refund is too small|when is money refunded|"
    "a refund to another card|return shoes for money|no money back yet, refund",
    "cancel": "end my contract|cancel the subscription|how to cancel in time|"
    "cancel before the contract renews|a contract by mistake|stop the subscription",
}
BEFORE = (
    "hello|good morning, I have a short question|could you please help me with this|"
    "I am a customer of yours and write about|dear team, it is like this"
)
AFTER = (
    "thank you and best wishes|thanks a lot for your help and your time|"
    "I look forward to your answer|please answer as soon as you can|have a good day"
)


def write(wordings, n, rng):
    """Questions, and the topic of each."""
    topics = rng.choice(list(ABOUT), n)
    before, after = (rng.choice(part.split("|"), n) for part in (BEFORE, AFTER))
    core = [rng.choice(ABOUT[topic].split("|")[wordings]) for topic in topics]
    return [", ".join(parts) for parts in zip(before, core, after, strict=True)], topics


rng = np.random.default_rng(0)
texts, topics = write(slice(0, 3), 400, rng)
new_texts, new_topics = write(slice(3, 6), 200, rng)

# %%
# The features are parts of words, so that *refunded* is near *refund*.

vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), dtype=np.float32)
X = vectorizer.fit_transform(texts)
X_new = vectorizer.transform(new_texts)
print(f"{X.shape[0]} x {X.shape[1]}, {X.nnz / np.prod(X.shape):.1%} are not 0")

learner = TripletMetricLearner(n_components=20, metric="cosine", random_state=0)
learner.fit(X, topics)
Z, Z_new = learner.transform(X), learner.transform(X_new)
for name, E, E_new in (("raw", X, X_new), ("learnt", Z, Z_new)):
    report = retrieval_report(E_new, new_topics, index=E, index_labels=topics)
    print(name, report, "", sep="\n")

# %%
# The picture has similarities of new questions (rows) to old ones (columns), both ordered
# by topic. Raw similarity is high for questions with the same polite phrases.

figure, both = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
order, order_new = np.argsort(topics), np.argsort(new_topics)
for axes, (name, E, E_new) in zip(
    both, (("raw", X, X_new), ("learnt", Z, Z_new)), strict=True
):
    axes.imshow(
        cosine_similarity(E_new[order_new], E[order]),
        aspect="auto",
        vmin=-1,
        vmax=1,
        cmap="RdBu",
    )
    axes.set(title=name, xticks=[], yticks=[])
plt.show()

# %%
# For these new questions, the raw and the learnt nearest questions have different topics.

nearest = {
    name: pairwise_distances_argmin(E_new, E)
    for name, E, E_new in (("raw", X, X_new), ("learnt", Z, Z_new))
}
differ = np.flatnonzero(topics[nearest["raw"]] != topics[nearest["learnt"]])
for text in list(dict.fromkeys(new_texts[i] for i in differ))[:5]:
    i = new_texts.index(text)
    print(text)
    for name, found in nearest.items():
        hit = "✓" if topics[found[i]] == new_topics[i] else "✗"
        print(f"  {hit} {name}: {texts[found[i]]}")
