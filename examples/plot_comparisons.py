"""
How many comparisons does it take?
==================================

People find it hard to say how similar two things are, and easy to say which of two things
is more similar to a third. Such an answer is a triplet (anchor, the nearer, the farther).
``fit_triplets`` learns from such triplets alone.
"""

# %%
# Items have 20 measured features. People judge by three mixtures of these features, which
# the learner does not know. One answer in ten is wrong. Questions are about random triples
# of 300 items, and the map is tested on true answers about 300 other items.

import matplotlib.pyplot as plt
import numpy as np

from skmetric import TripletMetricLearner

N_ITEMS, N_FEATURES = 300, 20
rng = np.random.default_rng(0)
taste = rng.standard_normal((N_FEATURES, 3))


def ask(X, n_questions, slips):
    """Answers of people: anchor, the nearer, the farther."""
    triplets = np.array(
        [rng.choice(len(X), size=3, replace=False) for _ in range(n_questions)]
    )
    a, b, c = (X @ taste)[triplets.T]
    swap = np.linalg.norm(a - b, axis=1) > np.linalg.norm(a - c, axis=1)
    swap ^= rng.random(n_questions) < slips
    triplets[swap] = triplets[swap][:, [0, 2, 1]]
    return triplets


X = rng.standard_normal((N_ITEMS, N_FEATURES))
X_new = rng.standard_normal((N_ITEMS, N_FEATURES))
answers = ask(X, 5000, slips=0.1)
true_answers = ask(X_new, 5000, slips=0)

# %%
# ``score_triplets`` is the fraction of triplets in the right order.

numbers, scores = [50, 150, 500, 1500, 5000], []
for number in numbers:
    learner = TripletMetricLearner(random_state=0).fit_triplets(X, answers[:number])
    scores.append(learner.score_triplets(X_new, true_answers))
    print(f"{number:5} answers: {scores[-1]:.3f} of new questions answered rightly")

a, b, c = X_new[true_answers.T]
raw = np.mean(np.linalg.norm(a - b, axis=1) < np.linalg.norm(a - c, axis=1))
print(f"raw distances: {raw:.3f}")

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.plot(numbers, scores, marker="o", label="learnt")
axes.axhline(raw, color="black", linestyle="--", label="raw")
axes.set(xscale="log", xlabel="answers to learn from", ylabel="right on new questions")
axes.set_ylim(0.5, 1)
axes.set_xticks(numbers, numbers)
axes.minorticks_off()
axes.legend()
plt.show()
