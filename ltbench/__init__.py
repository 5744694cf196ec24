"""ltbench: long-tailed recognition under one protocol, reported beside reproduced.

The public names load on first use, so that the command line starts without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ltbench.api.compose import Compose as Compose
    from ltbench.api.method import Method as Method
    from ltbench.api.method import Outputs as Outputs
    from ltbench.api.method import Step as Step
    from ltbench.api.perturb import Perturbation as Perturbation
    from ltbench.api.perturb import evaluate_at as evaluate_at
    from ltbench.api.recipe import Recipe as Recipe
    from ltbench.api.recipe import Stage as Stage
    from ltbench.api.task import Clock as Clock
    from ltbench.api.task import Task as Task
    from ltbench.data.augment.views import Augment as Augment
    from ltbench.data.augment.views import View as View
    from ltbench.data.batch import Batch as Batch
    from ltbench.data.training_images import TrainingImages as TrainingImages
    from ltbench.exchange.frame import records as records
    from ltbench.registry.methods import build as build
    from ltbench.registry.methods import describe as describe
    from ltbench.runs.store import Store as Store
    from ltbench.session import run as run

_HOME = {
    "Compose": "ltbench.api.compose",
    "Augment": "ltbench.data.augment.views",
    "View": "ltbench.data.augment.views",
    "TrainingImages": "ltbench.data.training_images",
    "Recipe": "ltbench.api.recipe",
    "Batch": "ltbench.data.batch",
    "Clock": "ltbench.api.task",
    "Method": "ltbench.api.method",
    "Outputs": "ltbench.api.method",
    "Stage": "ltbench.api.recipe",
    "Step": "ltbench.api.method",
    "Task": "ltbench.api.task",
    "Perturbation": "ltbench.api.perturb",
    "evaluate_at": "ltbench.api.perturb",
    "build": "ltbench.registry.methods",
    "describe": "ltbench.registry.methods",
    "Store": "ltbench.runs.store",
    "records": "ltbench.exchange.frame",
    "run": "ltbench.session",
}

__all__ = ["__version__", *sorted(_HOME)]  # noqa: PLE0604  (names that load on first use)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'ltbench' has no attribute {name!r}")
