"""Conversion of learners, alone or in pipelines, to ONNX by skl2onnx."""

from sklearn.utils.validation import check_is_fitted

from ._contrastive import ContrastiveMetricLearner
from ._triplet import TripletMetricLearner

__all__ = ["register_converters"]

LEARNERS = (TripletMetricLearner, ContrastiveMetricLearner)


def __dir__():
    return __all__


def register_converters():
    """Let skl2onnx convert both learners, also within pipelines.

    Call it once per process. ``skl2onnx.to_onnx`` and ``skl2onnx.convert_sklearn`` then
    convert the learners as they convert the estimators of scikit-learn.

    Raises
    ------
    ImportError
        If skl2onnx is not installed. It comes with ``pip install 'skmetric[onnx]'``.

    Notes
    -----
    The map becomes a ``MatMul``, and under ``metric="cosine"`` an ``LpNormalization``
    follows. Both are in float32, or in float64 if the input is of that type. Of a learner
    over a cluster, convert ``to_local()``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skmetric import TripletMetricLearner
    >>> from skmetric.onnx import register_converters
    >>> X, y = load_iris(return_X_y=True)
    >>> learner = TripletMetricLearner(random_state=0).fit(X, y)
    >>> register_converters()  # doctest: +SKIP
    >>> from skl2onnx import to_onnx  # doctest: +SKIP
    >>> model = to_onnx(learner, X[:1].astype(np.float32))  # doctest: +SKIP
    >>> [node.op_type for node in model.graph.node]  # doctest: +SKIP
    ['MatMul']
    """
    try:
        from skl2onnx import update_registered_converter
    except ImportError as error:
        raise ImportError(
            "Got no module skl2onnx, but expected it for conversion to ONNX. Install it by "
            "pip install 'skmetric[onnx]'."
        ) from error
    for Learner in LEARNERS:
        name = f"Skmetric{Learner.__name__}"
        update_registered_converter(Learner, name, set_output_type, add_nodes)


def set_output_type(operator):
    """Say the type and shape of the mapped rows, for skl2onnx.

    Parameters
    ----------
    operator : skl2onnx Operator
        With the fitted learner as its `raw_operator`.
    """
    from skl2onnx.common.data_types import guess_tensor_type

    check_is_fitted(operator.raw_operator)
    rows = operator.inputs[0]
    k = len(operator.raw_operator.components_)
    of_type = guess_tensor_type(rows.type)
    operator.outputs[0].type = of_type.__class__([rows.get_first_dimension(), k])


def add_nodes(scope, operator, container):
    """Write the nodes of a learner to a graph, for skl2onnx.

    Parameters
    ----------
    scope : skl2onnx Scope
    operator : skl2onnx Operator
        With the fitted learner as its `raw_operator`.
    container : skl2onnx ModelComponentContainer
    """
    from skl2onnx.algebra.onnx_ops import OnnxCast, OnnxLpNormalization, OnnxMatMul
    from skl2onnx.common.data_types import guess_numpy_type, guess_proto_type

    learner, version = operator.raw_operator, container.target_opset
    rows, mapped = operator.inputs[0], operator.outputs[0]
    W = learner.components_.T.astype(guess_numpy_type(mapped.type))
    if guess_numpy_type(rows.type) != W.dtype:
        rows = OnnxCast(rows, to=guess_proto_type(mapped.type), op_version=version)
    cosine = learner.metric == "cosine"
    names = [mapped]
    Z = OnnxMatMul(rows, W, op_version=version, output_names=None if cosine else names)
    if cosine:
        Z = OnnxLpNormalization(Z, axis=1, p=2, op_version=version, output_names=names)
    Z.add_to(scope, container)
