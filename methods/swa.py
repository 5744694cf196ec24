"""SWA: Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization",
UAI 2018.
"""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Lt
from torch import nn
from torch.optim.swa_utils import update_bn

from ltbench import Batch, Clock, Method, Recipe
from ltbench.api.compose import name_of, overrides
from ltbench.errors import UsageError


@dataclass
class SWA(Method):
    """Predict with w_swa <- (k w_swa + w) / (k + 1), once an epoch from the share `start` on.

    Before that with w. Batch statistics are computed anew for w_swa, in one pass over the
    training images. The average lasts one stage, so the base must have one.
    """

    start: Annotated[float, Ge(0), Lt(1)] = 0.8  # epoch 160 of 200

    deviations = (
        "the learning rate follows the base's recipe; the paper's is constant while it averages",
        "batch statistics of the average are those of the training images, not augmented",
    )

    def on_compose(self, parts: tuple[Method, ...]) -> None:
        """Refuse later stages, trained on other weights, and what finishes the network before."""
        base, mine = parts[0], [part is self for part in parts].index(True)
        if len(base.stages(Recipe(1, 1, 1.0, 0.0))) > 1:
            raise TypeError(
                f"{name_of(self)} averages a training of one stage, and {name_of(base)} has more"
            )
        for part in parts[1:mine]:
            if "finalize" in overrides(part):
                raise TypeError(
                    f"{name_of(self)} would undo what {name_of(part)} does to the trained "
                    f"network; write {name_of(self)} first"
                )

    def after_epoch(
        self, network: nn.Module, data: Callable[[], Iterable[Batch]], clock: Clock
    ) -> None:
        """Take the weights into the average and compute its batch statistics."""
        if clock.progress < self.start:
            return
        weights = {name: weight.detach() for name, weight in network.named_parameters()}
        mean, count = self.state.get("mean", weights), self.state.get("count", 0)
        self.state["mean"] = {
            name: mean[name] + (weight - mean[name]) / (count + 1)
            for name, weight in weights.items()
        }
        self.state["count"] = count + 1
        average = copy.deepcopy(network)
        average.load_state_dict(self.state["mean"], strict=False)
        update_bn((batch.images for batch in data()), average)
        self.state["statistics"] = dict(average.named_buffers())

    def finalize(self, network: nn.Module) -> None:
        """Put the average, with its own batch statistics, in the network's place."""
        if "mean" not in self.state:
            return
        average = {**self.state["mean"], **self.state["statistics"]}
        names = network.state_dict().keys()  # a base may have dropped what only trains
        if missing := names - average.keys():
            raise UsageError(
                f"swa cannot average a network whose base makes other weights of it at the end "
                f"({min(missing)}); choose another base."
            )
        network.load_state_dict({name: average[name] for name in names})
