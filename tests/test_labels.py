"""Rows without a label, and rows with several: what the estimators make of them."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_matrix, csr_array, csr_matrix
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import GridSearchCV

from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric.metrics import retrieval_scorer
from tests.designs import covering

LEARNERS = (TripletMetricLearner, ContrastiveMetricLearner)
RNG = np.random.default_rng(0)
Y = RNG.permutation(np.repeat([0, 1, 2], [30, 24, 18]))
X = RNG.normal(size=(len(Y), 5)) + 1.5 * np.eye(5)[Y]
IS_LABELED = RNG.random(len(Y)) < 0.5
SETS = np.column_stack([Y == 0, Y != 2, RNG.random(len(Y)) < 0.2, Y == 2])
WITH_NONE = SETS * IS_LABELED[:, None]
WORDS = np.array(["apple", "pear", "plum"])


def marked(labels, marker):
    """Labels of which those of some rows are the marker."""
    pairs = zip(labels.tolist(), IS_LABELED, strict=True)
    return [label if is_labeled else marker for label, is_labeled in pairs]


def objects(values):
    """An array of objects, also of tuples."""
    return np.fromiter(values, object, len(values))


CASES = {
    "integers": (np.where(IS_LABELED, Y, -1), -1),
    "floats": (np.where(IS_LABELED, Y, -1.0), -1),
    "list": (np.where(IS_LABELED, Y, -1).tolist(), np.int64(-1)),
    "words": (np.where(IS_LABELED, WORDS[Y], ""), ""),
    "words and a number": (objects(marked(WORDS[Y], -1)), -1),
    "list of words and a number": (marked(WORDS[Y], -1), -1),
    "series": (pd.Series(np.where(IS_LABELED, Y, 99), dtype="Int64"), 99),
    "category": (pd.Series(np.where(IS_LABELED, WORDS[Y], "?"), dtype="category"), "?"),
    "tuples": (objects(marked(WORDS[Y], ("none", 0))), ("none", 0)),
}


@pytest.mark.parametrize("case", CASES)
def test_unlabelled_rows_are_left_out(case):
    y, marker = CASES[case]
    found = TripletMetricLearner(unlabeled=marker).fit(X, y).components_
    expected = TripletMetricLearner().fit(X[IS_LABELED], Y[IS_LABELED]).components_
    np.testing.assert_array_equal(found, expected)


OPTIONS = [
    {"solver": "lbfgs", "n_subsamples": 2},
    {"solver": "adam", "early_stopping": True},
    {"solver": "sgd", "class_weight": "balanced"},
    {"class_weight": {0: 2.0, 2: 0.5}},
    {
        "solver": "adam",
        "early_stopping": True,
        "validation_fraction": 0.3,
        "scoring": retrieval_scorer("map_at_r"),
    },
    {"target": "continuous", "solver": "adam"},
    {"warm_start": True, "solver": "lbfgs", "n_subsamples": 1},
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("learner", "options", "init", "make"),
    covering(
        (*case, make)
        for *case, make in product(
            LEARNERS,
            range(len(OPTIONS)),
            ["discriminant", "lda", "pca", "identity"],
            [np.asarray, csr_matrix],
        )
        if make is np.asarray or case[2] in ("pca", "identity")
    ),
)
def test_every_option_leaves_them_out(learner, options, init, make):
    options = {**OPTIONS[options], "init": init, "random_state": 0, "max_iter": 3}
    if init == "lda":
        options["n_components"] = 2
    y = np.where(IS_LABELED, Y, -1)
    copies = np.concatenate([np.arange(len(y)), np.arange(20)])
    found = learner(unlabeled=-1, **options)
    expected = learner(**options)
    for _ in range(1 + ("warm_start" in options)):
        found.fit(make(X[copies]), y[copies])
        labeled = copies[IS_LABELED[copies]]
        expected.fit(make(X[labeled]), Y[labeled])
    np.testing.assert_array_equal(found.components_, expected.components_)
    assert found.validation_scores_ == expected.validation_scores_


@pytest.mark.parametrize("learner", LEARNERS)
def test_chunks_with_unlabelled_rows(learner):
    found, expected = learner(unlabeled=-1, random_state=0), learner(random_state=0)
    for part in (slice(0, 40), slice(40, None)):
        found.partial_fit(X[part], np.where(IS_LABELED, Y, -1)[part])
        labeled = IS_LABELED[part]
        expected.partial_fit(X[part][labeled], Y[part][labeled])
    np.testing.assert_array_equal(found.components_, expected.components_)
    before = dict(vars(found))
    with pytest.raises(ValueError, match=r"Got y of 9 rows with the label -1 .* expected"):
        found.partial_fit(X[:9], np.full(9, -1))
    assert vars(found) == before


def test_the_marker_is_a_class_unless_it_is_said_not_to_be():
    y = np.where(IS_LABELED, Y, -1)
    with pytest.warns(UserWarning, match="set unlabeled=-1, or leave them out"):
        as_class = TripletMetricLearner().fit(X, y).components_
    assert not np.allclose(
        as_class, TripletMetricLearner(unlabeled=-1).fit(X, y).components_
    )


@pytest.mark.parametrize("marker", [np.nan, pd.NA, np.datetime64("NaT", "D"), [-1], {}])
def test_what_can_mark_no_row(marker):
    with pytest.raises((ValueError, TypeError), match=r"Got unlabeled=.* expected None or"):
        TripletMetricLearner(unlabeled=marker).fit(X, Y)


def test_missing_labels_are_refused_beside_a_marker():
    y = np.where(IS_LABELED, Y, np.nan)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        TripletMetricLearner(unlabeled=-1).fit(X, y)


FORMS = {
    "integers": SETS.astype(int),
    "floats": SETS.astype(np.float32),
    "lists": SETS.astype(int).tolist(),
    "objects": SETS.astype(object),
    "CSR": csr_array(SETS),
    "CSC": csc_matrix(SETS.astype(int)),
    "frame": pd.DataFrame(SETS.astype(int)),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_several_labels(form):
    learner = TripletMetricLearner(target="classes")
    found = learner.fit(X, FORMS[form]).components_
    np.testing.assert_array_equal(found, clone(learner).fit(X, SETS).components_)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("learner", "solver", "metric", "init", "make"),
    covering(
        case
        for case in product(
            LEARNERS,
            ["lbfgs", "adam", "sgd"],
            ["sqeuclidean", "euclidean", "cosine"],
            ["auto", "pca"],
            [np.asarray, csr_matrix],
        )
    ),
)
def test_rows_without_any_label_are_left_out(learner, solver, metric, init, make):
    options = {"solver": solver, "metric": metric, "init": init, "max_iter": 4}
    if solver != "lbfgs":
        options |= {"early_stopping": True, "validation_fraction": 0.3}
    if init == "pca":
        options["n_components"] = 3
    fit = [
        learner(random_state=0, **options).fit(make(X[rows]), csr_array(WITH_NONE[rows]))
        for rows in (slice(None), WITH_NONE.any(axis=1))
    ]
    np.testing.assert_array_equal(fit[0].components_, fit[1].components_)
    assert fit[0].loss_ < fit[0].loss_curve_[0]


def test_a_fit_to_several_labels_finds_what_they_depend_on():
    rng = np.random.default_rng(1)
    labels = rng.random((300, 3)) < 0.4
    rows = np.hstack(
        [labels + 0.3 * rng.normal(size=(300, 3)), 2 * rng.normal(size=(300, 3))]
    )
    score = retrieval_scorer("map_at_r").score_embedding
    learner = TripletMetricLearner(positives="all", negatives="all").fit(
        rows[:200], labels[:200]
    )
    tested = labels[200:]
    raw, learnt = score(rows[200:], tested), score(learner.transform(rows[200:]), tested)
    assert learnt > raw + 0.2


def test_partial_fit_of_several_labels_goes_on():
    learner = TripletMetricLearner(random_state=0)
    for part in (slice(0, 40), slice(40, None)):
        learner.partial_fit(X[part], WITH_NONE[part])
    assert learner.n_iter_ == 2


def test_grid_search_over_several_labels():
    learner, scorer = TripletMetricLearner(), retrieval_scorer("map_at_r")
    grid = {"n_neighbors": [1, 3], "margin": [0.05, 0.5]}
    scores = [
        GridSearchCV(learner, grid, scoring=scorer, cv=3, error_score="raise")
        .fit(X, make(WITH_NONE))
        .cv_results_["mean_test_score"]
        for make in (np.asarray, csr_matrix)
    ]
    np.testing.assert_array_equal(*scores)
    assert len(set(scores[0])) > 1


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        (SETS, {"class_weight": "balanced"}, "class_weight='balanced' and y with several"),
        (SETS, {"target": "continuous"}, "target='continuous' and y of shape"),
        (SETS, {"init": "lda"}, "init='lda' without labels of classes"),
        (np.zeros_like(SETS), {}, "rows that are 0 throughout, but expected some"),
        (np.ones_like(SETS), {}, "every two rows have a label in common"),
        (np.eye(len(Y)), {}, "72 labels of one row each"),
        (2 * SETS, {}, "expected one label for each row"),
        (SETS[:-1], {}, "inconsistent numbers of samples"),
        (csr_matrix(SETS[:, :1]), {}, "expected one label for each row"),
    ],
)
@pytest.mark.parametrize("learner", LEARNERS)
def test_several_labels_from_which_nothing_is_learnt(learner, y, options, message):
    estimator = learner(**options)
    before = dict(vars(estimator))
    with pytest.raises(ValueError, match=message):
        estimator.fit(X, y)
    assert vars(estimator) == before


def test_a_column_of_0_and_1_is_raveled():
    y = (Y == 0).astype(int)
    with pytest.warns(DataConversionWarning, match="column-vector"):
        found = TripletMetricLearner().fit(X, y[:, None]).components_
    np.testing.assert_array_equal(found, TripletMetricLearner().fit(X, y).components_)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("learner", LEARNERS)
def test_a_continuous_target_takes_all_positives_and_near_negatives(learner):
    options = {"target": "continuous", "solver": "lbfgs", "positives": "all"}
    fitted = learner(negatives="nearest", n_subsamples=1, **options).fit(X, X[:, 0])
    assert fitted.loss_ < fitted.loss_curve_[0]
