"""ImbSAM: Zhou et al., "ImbSAM: A Closer Look at Sharpness-Aware Minimization in
Class-Imbalanced Recognition", ICCV 2023.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge

from ltbench import Method, Step, Task
from ltbench.api.perturb import scaled
from ltbench.errors import UsageError


@dataclass
class ImbSAM(Method):
    """Descend along grad L_head(w) + grad L_tail(w + rho g / |g|), g = grad L_tail(w).

    Both losses are sums over their images divided by the batch, so rho = 0 is the plain mean. A
    class is in the tail if it has fewer than eta images; where none has, as on CIFAR-10 at
    imbalance 100, eta has to be raised, and it says so. Alone it trains cross-entropy; behind `+`
    any objective. `tail`: `twice` adds grad L_tail(w), as released, so that rho = 0 is no longer
    the mean.
    """

    rho: Annotated[float, Ge(0)] = 0.05  # length of the displacement rho g / |g|
    eta: Annotated[int, Ge(0)] = 20  # classes with fewer training images are the tail
    # how often grad L_tail counts: as printed, or as released
    tail: Literal["once", "twice"] = "once"

    later = ("tail",)
    variants: ClassVar[dict[str, dict[str, Any]]] = {"release": {"tail": "twice"}}
    deviations = (
        "trained by the protocol's recipe and network, not the release's wider one at rate 0.01",
        "batch statistics move in the first pass only; the release moves them in both",
        "the tail's loss as often as `tail` says: once in the paper; the release adds that of the "
        "displaced tail to that of all images, so that it counts twice",
    )

    def setup(self, task: Task) -> None:
        """Raise UsageError where no class is in the tail, so that it would be its base."""
        super().setup(task)
        least = int(task.class_counts.min())
        if self.eta <= least:
            raise UsageError(
                f"imbsam(eta={self.eta}) has no tail here: the rarest class has {least} images; "
                f"give an eta above {least}."
            )

    def backward(self, step: Step) -> None:
        """Take the head's losses here and the tail's at the weights displaced along their own."""
        tail = (self.task.class_counts < self.eta)[step.batch.targets]
        losses = step.losses(step.forward())
        if not tail.any():
            return step.descend(losses.mean() + step.penalty())
        gradient = step.gradients((losses * tail).mean(), retain=True)
        displaced = step.losses(step.forward(scaled(gradient, self.rho)))
        here = losses if self.tail == "twice" else losses * ~tail
        value = (here + displaced * tail).mean()
        return step.descend(value + step.penalty())
