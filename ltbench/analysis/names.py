"""The analyses there are, by name, without torch: what each shows, and the module it lies in."""

from importlib import import_module
from typing import Any, NamedTuple

from ltbench.api.parameters import fields_of, types_of, validated
from ltbench.errors import UsageError, unknown
from ltbench.specification import Term, parse_one


class Named(NamedTuple):
    """An analysis: its module beside this one, its class, and what it shows."""

    module: str
    cls: str
    shows: str


ANALYSES = {
    "features": Named("features", "Features", "feature quality of every class, in three forms"),
    "plane": Named("plane", "Plane", "the loss of every class over a plane of weights"),
    "line": Named("line", "Line", "the loss of every class over the size of random displacements"),
    "trajectory": Named("trajectory", "Trajectory", "the trajectory of the weights on its plane"),
    "drift": Named(
        "drift", "Drift", "where it ends beside training on all classes and on the tail alone"
    ),
    "hessian": Named("hessian", "Hessian", "eigenvalues, trace and density, by class or group"),
    "gradients": Named("gradients", "Gradients", "each class's gradient against the batch's"),
    "predictions": Named(
        "class_predictions", "Predictions", "positive predictions, weight norms, calibration"
    ),
    "openset": Named("openset", "OpenSet", "images of unknown classes told apart, F by 3 formulas"),
}


def build_analysis(specification: str) -> tuple[str, Any]:
    """Return the canonical specification of an analysis, such as `plane(points=51)`, and itself.

    Settings that are the default's are left out. Raises UsageError for names and values that are
    none.
    """
    term = parse_one(specification, "analysis")
    if term.name not in ANALYSES:
        raise unknown("analysis", term.name, ANALYSES)
    named = ANALYSES[term.name]
    cls = getattr(import_module(f"ltbench.analysis.{named.module}"), named.cls)
    fields, types = {field.name: field for field in fields_of(cls)}, types_of(cls)
    for key in term.parameters:
        if key not in fields:
            raise unknown(f"setting of {term.name}", key, fields)
    values = {key: validated(term.name, key, v, types[key]) for key, v in term.parameters.items()}
    try:
        analysis = cls(**values)
    except ValueError as error:
        raise UsageError(f"{specification} is not allowed: {error}.") from None
    others = {key: v for key in fields if (v := getattr(analysis, key)) != fields[key].default}
    return str(Term(term.name, "", others)), analysis
