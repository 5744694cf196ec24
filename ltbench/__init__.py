"""ltbench: long-tailed recognition under one protocol, reported beside reproduced.

The public names load on first use, so that the command line starts without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ltbench.compose import Compose as Compose
    from ltbench.data.graded import Grading as Grading
    from ltbench.engine.images import TrainingImages as TrainingImages
    from ltbench.engine.recipe import Recipe as Recipe
    from ltbench.method import Method as Method
    from ltbench.method import Outputs as Outputs
    from ltbench.method import Stage as Stage
    from ltbench.perturb import Offset as Offset
    from ltbench.perturb import evaluate_at as evaluate_at
    from ltbench.registry import build as build
    from ltbench.registry import describe as describe
    from ltbench.step import Step as Step
    from ltbench.task import Batch as Batch
    from ltbench.task import Clock as Clock
    from ltbench.task import Task as Task

_HOME = {
    "Compose": "ltbench.compose",
    "Grading": "ltbench.data.graded",
    "TrainingImages": "ltbench.engine.images",
    "Recipe": "ltbench.engine.recipe",
    "Batch": "ltbench.task",
    "Clock": "ltbench.task",
    "Method": "ltbench.method",
    "Outputs": "ltbench.method",
    "Stage": "ltbench.method",
    "Step": "ltbench.step",
    "Task": "ltbench.task",
    "Offset": "ltbench.perturb",
    "evaluate_at": "ltbench.perturb",
    "build": "ltbench.registry",
    "describe": "ltbench.registry",
}

__all__ = ["__version__", *sorted(_HOME)]  # noqa: PLE0604  (names that load on first use)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'ltbench' has no attribute {name!r}")
