"""The habits of scikit-learn's ecosystem: display, tables, routing, copies, processes."""

import ast
import copy
import importlib
import inspect
import pickle
import pkgutil
import re
import subprocess
import sys
from functools import partial
from itertools import product

import joblib
import numpy as np
import pytest
import sklearn
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import skmetric
from skmetric import ContrastiveMetricLearner, TripletMetricLearner
from skmetric._docs import with_texts
from skmetric.distances import paired_distances
from skmetric.metrics import PairVerifier, retrieval_report, retrieval_scorer
from skmetric.mining import mine_pairs, mine_triplets
from skmetric.model_selection import ClassDisjointShuffleSplit, TupleLearner
from tests.designs import covering

LEARNERS = [TripletMetricLearner, ContrastiveMetricLearner]
# With those of skmetric.dask, if dask is there.
DASK = getattr(skmetric, "dask", None)
DOCUMENTED = LEARNERS + [getattr(DASK, f"Dask{kind.__name__}") for kind in LEARNERS if DASK]
MODULES = sorted(set(dir(skmetric)) - set(skmetric.__all__))
X, Y = make_classification(
    150,
    4,
    n_informative=3,
    n_redundant=0,
    n_clusters_per_class=1,
    n_classes=3,
    random_state=0,
)


@pytest.fixture(params=LEARNERS)
def learner(request):
    return request.param(n_components=2, n_subsamples=1, max_iter=100, random_state=0)


def dumped_by_pickle(estimator, path):
    return pickle.loads(pickle.dumps(estimator))


def dumped_by_joblib(estimator, path):
    joblib.dump(estimator, path)
    return joblib.load(path)


def dumped_by_skops(estimator, path):
    """Trusts the estimator's own class and nothing else that skops does not know."""
    io = pytest.importorskip("skops.io")
    io.dump(estimator, path)
    kind = type(estimator)
    return io.load(path, trusted=[f"{kind.__module__}.{kind.__qualname__}"])


# Names


@pytest.mark.parametrize("name", MODULES)
def test_modules_show_what_they_are_for_and_nothing_else(name):
    module = importlib.import_module(f"skmetric.{name}")
    assert dir(module) == sorted(module.__all__)
    for public in module.__all__:
        value = getattr(module, public)
        if callable(value):
            assert value.__module__.startswith("skmetric.")
            assert inspect.getdoc(value), public


def test_modules_need_no_import_of_their_own():
    program = "import skmetric; print(skmetric.metrics.r_precision.__name__)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "r_precision"
    with pytest.raises(AttributeError, match="no attribute 'metric'"):
        _ = skmetric.metric


def test_a_module_whose_extra_is_missing_says_so_and_is_no_attribute(monkeypatch):
    for name in list(sys.modules):
        if name.startswith("skmetric.dask"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(skmetric, "dask", raising=False)
    monkeypatch.setitem(sys.modules, "dask.array", None)
    monkeypatch.setitem(sys.modules, "dask", None)
    assert not hasattr(skmetric, "dask")
    with pytest.raises(AttributeError, match=r"needs dask.*skmetric\[dask\]"):
        skmetric.dask  # noqa: B018


def test_every_module_of_the_package_is_private_or_shown():
    names = {module.name for module in pkgutil.iter_modules(skmetric.__path__)}
    public = {name for name in names if not name.startswith("_")}
    assert public == set(MODULES)


# Display


@pytest.mark.parametrize(
    ("estimator", "page"),
    [
        (TripletMetricLearner(), "skmetric.TripletMetricLearner"),
        (ContrastiveMetricLearner(), "skmetric.ContrastiveMetricLearner"),
        (PairVerifier(TripletMetricLearner()), "skmetric.metrics.PairVerifier"),
        (
            TupleLearner(TripletMetricLearner(), X, kind="triplets"),
            "skmetric.model_selection.TupleLearner",
        ),
    ],
)
def test_display_links_to_the_page_of_the_class(estimator, page):
    html = estimator._repr_html_()
    assert f'href="https://skmetric.readthedocs.io/page/generated/{page}.html"' in html


@pytest.mark.parametrize("Estimator", [*LEARNERS, PairVerifier, TupleLearner])
def test_each_parameter_has_a_line_that_the_display_can_find(Estimator):
    lines = [line.strip() for line in Estimator.__doc__.splitlines()]
    for name in inspect.signature(Estimator).parameters:
        assert sum(line.startswith(f"{name} : ") for line in lines) == 1, name


@pytest.mark.parametrize("Learner", DOCUMENTED)
def test_docstrings_tell_each_parameter_once_in_order(Learner):
    parameters = inspect.signature(Learner).parameters
    summary, rest = inspect.getdoc(Learner).split("\nParameters\n----------\n")
    section, _ = rest.split("\nAttributes\n----------\n")
    entries = re.findall(r"^(\w+) : (.*)$", section, re.MULTILINE)
    assert [name for name, _ in entries] == list(parameters)
    for name, kind in entries:
        default = ast.literal_eval(kind.split("default=")[1])
        assert default == parameters[name].default, name
    groups = summary.split("The parameters tell:\n")[1]
    assert re.findall(r"`(\w+)`", groups) == list(parameters)


@pytest.mark.parametrize("Learner", DOCUMENTED)
def test_docstrings_of_learners_are_complete(Learner):
    methods = [name for name in vars(Learner) if "fit_" in name and Learner in LEARNERS]
    for text in [Learner.__doc__, *(getattr(Learner, name).__doc__ for name in methods)]:
        assert "%(" not in text
        assert "\n\n\n" not in text
        for title in ("Parameters", "Examples" if ">>>" in text else "Raises"):
            assert f"\n\n{title}\n{'-' * len(title)}\n" in text
        long = [line for line in text.splitlines() if len(line) > 92]
        assert all(" : {" in line or line.startswith("dask.array<") for line in long)


def test_texts_are_for_docstrings_that_are_there():
    def documented():
        """%(first)s"""

    fill = with_texts(first="One and %(second)s.", second="two")
    assert fill(documented).__doc__ == "One and two.\n"
    documented.__doc__ = None
    assert fill(documented).__doc__ is None


# Tables


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output(learner, library):
    table = pytest.importorskip(library)
    names = ["a", "b", "c", "d"]
    frame = table.DataFrame(dict(zip(names, X.T, strict=True)))
    model = make_pipeline(StandardScaler(), learner).set_output(transform=library)
    out = model.fit(frame, Y).transform(frame)
    assert isinstance(out, table.DataFrame)
    assert list(out.columns) == model.get_feature_names_out().tolist()
    assert list(out.columns) == [f"{type(learner).__name__.lower()}{i}" for i in range(2)]
    expected = StandardScaler().fit_transform(X) @ learner.components_.T
    np.testing.assert_allclose(out.to_numpy(), expected)


# Routing


def test_weights_pass_a_learner_on_their_way_to_a_classifier(learner):
    weights = np.where(Y == 0, 5.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = LogisticRegression().set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        model = make_pipeline(scaler, learner, classifier)
        model.fit(X, Y, sample_weight=weights)
    Z = model[:-1].transform(X)
    expected = LogisticRegression().fit(Z, Y, sample_weight=weights)
    np.testing.assert_array_equal(model[-1].coef_, expected.coef_)
    assert not np.allclose(model[-1].coef_, LogisticRegression().fit(Z, Y).coef_)


def test_groups_reach_the_splitter_with_routing(learner):
    settings = {"estimator": learner, "X": X, "y": Y, "scoring": retrieval_scorer("mrr")}
    expected = cross_validate(**settings, cv=GroupKFold(3), groups=np.arange(150) % 6)
    disjoint = ClassDisjointShuffleSplit(2, test_size=0.4, random_state=0)
    expected_disjoint = cross_validate(**settings, cv=disjoint)
    with sklearn.config_context(enable_metadata_routing=True):
        params = {"groups": np.arange(150) % 6}
        found = cross_validate(**settings, cv=GroupKFold(3), params=params)
        found_disjoint = cross_validate(**settings, cv=disjoint, params={})
    np.testing.assert_array_equal(found["test_score"], expected["test_score"])
    np.testing.assert_array_equal(
        found_disjoint["test_score"], expected_disjoint["test_score"]
    )


# Parameters and copies


def test_set_params_reaches_a_nested_learner(learner):
    name = type(learner).__name__.lower()
    model = make_pipeline(StandardScaler(), learner, KNeighborsClassifier())
    model.set_params(**{f"{name}__margin": 0.9, f"{name}__n_components": 1}).fit(X, Y)
    assert learner.margin == 0.9 and learner.components_.shape == (1, 4)
    verifier = PairVerifier(learner).set_params(estimator__margin=0.7, criterion="f1")
    assert learner.margin == 0.7
    assert verifier.get_params()["estimator__margin"] == 0.7


STEPS = [
    ("lbfgs", "fit"),
    *product(["adam", "sgd"], ["fit", "partial_fit"]),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("learner", "dumped", "steps"),
    covering(
        product(LEARNERS, [dumped_by_pickle, dumped_by_joblib, dumped_by_skops], STEPS)
    ),
    indirect=["learner"],
)
def test_a_dumped_learner_maps_and_goes_on(learner, dumped, steps, tmp_path):
    solver, method = steps
    learner.set_params(solver=solver)
    getattr(learner, method)(X, Y)
    read = dumped(learner, tmp_path / "learner")
    assert read.get_params() == learner.get_params()
    np.testing.assert_array_equal(read.transform(X), learner.transform(X))
    if solver != "lbfgs":
        for one in (read, learner):
            one.partial_fit(X, Y)
    np.testing.assert_array_equal(read.components_, learner.components_)


@pytest.mark.parametrize("kind", ["triplets", "pairs"])
def test_a_learner_of_given_constraints_is_dumped(kind, tmp_path):
    if kind == "triplets":
        triplets = mine_triplets(X, Y, max_triplets=300, random_state=0)
        learner = TripletMetricLearner(solver="adam").partial_fit_triplets(X, triplets)
    else:
        pairs, similar = mine_pairs(X, Y, max_pairs=300, random_state=0)
        learner = ContrastiveMetricLearner(solver="adam")
        learner.partial_fit_pairs(X, pairs, similar)
    read = dumped_by_skops(learner, tmp_path / "learner")
    np.testing.assert_array_equal(read.transform(X), learner.transform(X))


def test_a_change_of_optimizer_between_chunks_starts_it_anew(learner):
    learner.set_params(solver="adam").partial_fit(X, Y)
    learner.set_params(solver="sgd").partial_fit(X, Y)
    assert (learner.solver_, learner.n_iter_) == ("sgd", 2)
    before = learner.components_
    learner.partial_fit(X, Y)
    assert not np.array_equal(learner.components_, before)


def test_a_verifier_is_cloned_with_its_frozen_learner(learner):
    pairs, similar = mine_pairs(X, Y, max_pairs=300, random_state=0)
    verifier = PairVerifier(FrozenEstimator(learner.fit(X, Y))).fit(pairs, similar, rows=X)
    again = clone(verifier).fit(pairs, similar, rows=X)
    assert again.threshold_ == verifier.threshold_


class Copier:
    """A callback that keeps a copy of the estimator after every iteration."""

    def __init__(self):
        self.copies = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if fitted_estimator is not None:
            self.copies.append(copy.deepcopy(fitted_estimator))
        return False

    def __deepcopy__(self, memo):
        return self  # or each copy would hold copies of all copies before it


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_callbacks_may_copy_the_estimator(learner, solver):
    pytest.importorskip("sklearn.callback")
    callback = Copier()
    learner.set_params(solver=solver).set_callbacks(callback).fit(X, Y)
    assert len(callback.copies) == learner.n_iter_ + 1
    np.testing.assert_array_equal(callback.copies[-1].transform(X), learner.transform(X))
    assert not np.array_equal(callback.copies[0].components_, learner.components_)


# Processes


def test_grid_search_in_two_processes(learner):
    grid = {"margin": [0.3, 0.9]}
    scorer = retrieval_scorer("map_at_r")
    one, two = (
        GridSearchCV(learner, grid, scoring=scorer, cv=3, n_jobs=n_jobs).fit(X, Y)
        for n_jobs in (1, 2)
    )
    scores = [search.cv_results_["mean_test_score"] for search in (one, two)]
    np.testing.assert_allclose(*scores, rtol=1e-6)
    assert len(set(scores[0])) == 2


# Sentences


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: TripletMetricLearner(init=None).fit(X, Y), "Got init=None.*'identity'"),
        (
            lambda: TripletMetricLearner(random_state=np.random.default_rng()).fit(X, Y),
            r"Got random_state=Generator.*int\(generator",
        ),
        (
            lambda: TripletMetricLearner(positives=lambda *_: 3).fit(X, Y),
            r"Got int from the strategy for positives.*\(anchors, positives\)",
        ),
        (
            lambda: paired_distances(X, X, "l2"),
            "Got metric='l2', but expected one of",
        ),
        (lambda: mine_pairs(X, None), "Got y=None, but expected class labels"),
    ],
)
def test_sentences_name_what_was_got_and_expected(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


# Sparse rows as users have them


def disordered(rows):
    """CSR with its columns in disorder, an entry in two halves, and a zero that is kept."""
    n, d = rows.shape
    columns = np.tile(np.r_[np.arange(d)[::-1], 0, 1], (n, 1))
    entries = np.column_stack([rows[:, ::-1], np.zeros(n), rows[:, 1] / 2])
    entries[:, -4] /= 2
    starts = np.arange(0, n * (d + 2) + 1, d + 2)
    return csr_matrix((entries.ravel(), columns.ravel(), starts), shape=rows.shape)


def of_all_pairs(call):
    return lambda S: call(S, *mine_pairs(X[:20], Y[:20]))


FITTED = TripletMetricLearner(n_components=2, random_state=0).fit(X, Y)
CALLS = {
    "transform": FITTED.transform,
    "pair_distances": lambda S: FITTED.pair_distances(S, S[::-1]),
    "score_triplets": lambda S: FITTED.score_triplets(S, mine_triplets(X, Y)),
    "verifier": of_all_pairs(lambda S, *pairs: PairVerifier(FITTED).fit(*pairs, S)),
    "verifier of a transformer": of_all_pairs(
        lambda S, *pairs: PairVerifier(FunctionTransformer().fit(S)).fit(*pairs, S)
    ),
}
for metric in ("euclidean", "cosine", "manhattan"):
    for score in ("map", "precision_at_1", "mrr"):
        CALLS[f"{score} by {metric}"] = partial(
            retrieval_report, y=Y, scores=[score], metric=metric
        )
    CALLS[f"index by {metric}"] = lambda S, metric=metric: retrieval_report(
        S, Y, index=S, index_labels=Y, metric=metric
    )
for init in ("identity", "pca", "random"):
    for kind in LEARNERS:
        for solver in ("lbfgs", "adam"):
            k = 4 if init == "identity" else 2
            CALLS[f"{kind.__name__}, {solver}, {init}"] = kind(
                k, init=init, solver=solver, random_state=0
            ).fit
CALLS["fit_pairs"] = of_all_pairs(ContrastiveMetricLearner(random_state=0).fit_pairs)
CALLS["partial_fit"] = TripletMetricLearner(random_state=0).partial_fit


@pytest.mark.parametrize("name", CALLS)
def test_sparse_rows_are_left_as_they_were(name):
    call, rows, same = CALLS[name], disordered(X), disordered(X)
    np.testing.assert_allclose(rows.toarray(), X)
    by_labels = name.startswith(("Triplet", "Contrastive", "partial_fit"))
    call(rows, Y) if by_labels else call(rows)
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(rows, part), getattr(same, part))
