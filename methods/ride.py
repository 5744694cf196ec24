"""RIDE: Wang et al., "Long-tailed Recognition by Routing Diverse Distribution-Aware Experts",
ICLR 2021.
"""

import copy
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, cast

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor, nn

from ltbench import Batch, Clock, Method, Outputs, Recipe, Stage, Step, Task
from ltbench.blocks.margins import ldam_margins, lowered
from ltbench.networks import Network
from ltbench.networks.branches import Blocks, BranchedBackbone, with_stages
from ltbench.networks.heads import CosineClassifier, KaimingLinear
from ltbench.networks.resnet import initialise, stage

TEACHER, ROUTER = "teacher", "router"  # stages before and after the experts' own
TEACHER_DIVERSITY = -0.1  # of the released teacher, which has more experts
ASKING = 100.0  # weight of the images that another expert helps, in the router's loss


@dataclass
class RIDE(Method):
    """Sum over experts k of LDAM-DRW(o_k) + diversity T_m^2 KL(softmax(o / T) | softmax(o_k / T)).

    o is the experts' mean, constant under the KL; it predicts. The experts share the first stage
    of the network; later stages have widths 24 and 48 and a cosine head of scale 30. T_c is one
    and, from the share `defer` of the epochs, 0.95 + 0.05 C pi_c divided by its largest value; T_m
    is its mean. Official recipe, relative to the protocol's: Nesterov, decay x 2.5 (5e-4).

    With a `teacher` of so many experts, trained before with diversity -0.1, the loss is K times
    the sum of the above and t^2 KL(softmax(teacher / t) | softmax(o / t)), after a warm-up of a
    tenth of the epochs. The `router` is trained last, on frozen experts: 0.025 of the epochs (5 of
    200), a cosine from 0.1 of the rate, four times the batch, class-balanced. For expert k < K it
    takes that one's unit-length features, of which a linear map and ReLU make 16, and the `top`
    largest of the mean logits so far; a linear map of both gives r_k. By -100 y log sigmoid(r) -
    (1 - y) log sigmoid(-r), averaged over k, it learns y: that mean is wrong, and with some later
    expert right. Experts are asked in turn while r_k > 0; those asked predict.
    """

    number: Annotated[int, Ge(1)] = 3  # of experts
    diversity: float = -0.45  # negative: experts are driven apart
    max_margin: float = 0.5  # C: the margins are C (n_min / n_c)^{1/4}
    scale: Annotated[float, Gt(0)] = 30.0  # s of the cosine logits s cos
    # of the effective number (1 - beta^n) / (1 - beta)
    beta: Annotated[float, Ge(0), Lt(1)] = 0.9999
    # weights begin at this share of the epochs: 160 of 200
    defer: Annotated[float, Ge(0), Le(1)] = 0.8
    teacher: Annotated[int, Ge(0)] = 0  # experts of the network distilled from; 0: none
    temperature: Annotated[float, Gt(0)] = 1.5  # t of distillation
    router: bool = False  # whether each image asks for as many experts as it needs
    top: Annotated[int, Ge(1)] = 30  # of the largest logits that the router sees, of all at most

    later = ("teacher", "temperature", "router", "top")
    variants: ClassVar[dict[str, dict[str, Any]]] = {"distilled": {"teacher": 6, "diversity": -0.2}}
    deviations = (
        "no router and no distillation unless `router` or `teacher` asks for the paper's optional "
        "stages; its model zoo's figures are with the router",
        "crop and flip only; the release also rotates by up to 15 degrees",
        "the teacher predicts in evaluation mode and begins from the student's shared weights; the "
        "release's normalises by the batch and is a training of its own",
        "all experts are computed and those not asked left out: the router saves no time here",
    )

    def __post_init__(self) -> None:
        if self.router and self.number < 2:
            raise ValueError("a router needs two experts at least; give number=2 or more")

    def setup(self, task: Task) -> None:
        """Derive margins, deferred weights and deferred temperatures, each [C]."""
        super().setup(task)
        self.margins = ldam_margins(task.class_counts, self.max_margin)
        self.weights = task.effective_weights(self.beta)
        temperatures = 0.95 + 0.05 * task.num_classes * task.priors.double()
        self.temperatures = (temperatures / temperatures.max()).float()

    def build(self, network: Network) -> Network:
        """Part the network after its first stage, one narrower end and head an expert."""
        other = copy.deepcopy(network)
        self._part(network, self.number)
        if self.teacher:
            network.add_module(TEACHER, self._part(other, self.teacher))
        return network

    def _part(self, network: Network, number: int) -> Network:
        network.backbone = experts(network.backbone, number, (24, 48))
        features, classes = network.backbone.out_features, self.task.num_classes
        network.classifier = ExpertClassifier(features, classes, number, self.scale)
        return network

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return the experts' stage, after the teacher's and before the router's if there are."""
        own = replace(recipe.times(cifar=(1, 1, 2.5)), nesterov=True)
        found = [Stage(name="train", recipe=own)]
        if self.teacher:
            slow = replace(own, warmup_epochs=round(0.1 * own.epochs))
            found = [
                Stage(name=TEACHER, recipe=own, trainable=("teacher.",), evaluating=("backbone",)),
                Stage(
                    name="train", recipe=slow, trainable=("backbone.", "classifier."),
                    evaluating=(TEACHER,),
                ),
            ]  # fmt: skip
        if self.router:
            last = replace(recipe.times(cifar=(4, 0.1, 2.5)).second(0.025), nesterov=True)
            found += [
                Stage(name=ROUTER, recipe=last, sampler="class_balanced", trainable=("router.",),
                      evaluating=("backbone",))
            ]  # fmt: skip
        return tuple(found)

    def begin_stage(self, network: Network, stage: str) -> Network:
        """Put the router on the trained experts."""
        if stage == ROUTER:
            size = network.backbone.out_features // self.number
            seen = min(self.top, self.task.num_classes)
            network.add_module(ROUTER, Router(size, self.number, seen))
        return network

    def forward(self, network: nn.Module, batch: Batch, clock: Clock) -> Outputs:
        """Return features, the mean logits and those of the "experts", [B, K, C].

        Besides the "teacher"'s mean logits [B, C], or what the "router" says, [B, K - 1].
        """
        trained = network.teacher if clock.stage == TEACHER else network
        features, each = pass_of(trained, batch.images)
        outputs = {"features": features, "logits": each.mean(1), "experts": each}
        if clock.stage == ROUTER:
            outputs[ROUTER] = cast(Router, network.router)(features, each)
        elif clock.stage != TEACHER and self.teacher:
            with torch.no_grad():
                outputs[TEACHER] = pass_of(network.teacher, batch.images)[1].mean(1)
        return outputs

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return the sum over the experts, [B]; their weighted mean divides by summed weights."""
        if clock.stage == ROUTER:
            return self.router_losses(outputs, batch)
        late = clock.progress >= self.defer
        weights = self.weights[batch.targets] if late else torch.ones_like(outputs["logits"][:, 0])
        temperatures = self.temperatures if late else torch.ones_like(self.temperatures)
        diversity = TEACHER_DIVERSITY if clock.stage == TEACHER else self.diversity
        mean = (outputs["logits"].detach() / temperatures).log_softmax(1)
        total = torch.zeros_like(mean[:, 0])
        for logits in outputs["experts"].unbind(1):
            against = lowered(logits, batch.targets, self.margins, self.scale)
            fit = F.cross_entropy(against, batch.targets, reduction="none")
            own = (logits / temperatures).log_softmax(1)
            apart = F.kl_div(own, mean, reduction="none", log_target=True).sum(1)
            total = total + fit * weights / weights.mean()
            total = total + diversity * temperatures.mean() ** 2 * apart
        if TEACHER not in outputs:
            return total
        taught = (outputs[TEACHER] / self.temperature).log_softmax(1)
        own = (outputs["logits"] / self.temperature).log_softmax(1)
        apart = F.kl_div(own, taught, reduction="none", log_target=True).sum(1)
        return self.number * (total + self.temperature**2 * apart)

    def router_losses(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Return how badly the router tells whether a later expert helps, [B]."""
        right = outputs["experts"].cumsum(1).argmax(2) == batch.targets.unsqueeze(1)  # [B, K]
        later = torch.stack([right[:, k:].any(1) for k in range(1, self.number)], 1)
        helps = (~right[:, :-1] & later).to(outputs[ROUTER])
        each = F.softplus(outputs[ROUTER]) * (1 - helps)
        return (each + ASKING * F.softplus(-outputs[ROUTER]) * helps).mean(1)

    def after_step(self, step: Step) -> None:
        """Log how many experts the router asks, a mean over the batch."""
        if step.clock.stage == ROUTER and step.outputs is not None:
            step.log("experts", asked(step.outputs[ROUTER]).sum(1).mean())

    def finalize(self, network: nn.Module) -> None:
        """Leave the teacher out."""
        if self.teacher:
            del network.teacher

    def predict(self, network: nn.Module, images: Tensor) -> Tensor:
        """Return the mean logits, once there is a router of the experts it asks, [B, C]."""
        if not hasattr(network, ROUTER):
            return super().predict(network, images)
        features, each = pass_of(network, images)
        chosen = asked(cast(Router, network.router)(features, each)).unsqueeze(2)
        return (chosen * each).sum(1) / chosen.sum(1)


def pass_of(network: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the features of all K experts, [B, K D], and their logits, [B, K, C]."""
    features = network.backbone(images)
    return features, network.classifier.each(features)


def asked(says: Tensor) -> Tensor:
    """Return one for each expert that is asked, else zero, [B, K], by what the router says."""
    return torch.cat((torch.ones_like(says[:, :1]), (says > 0).to(says).cumprod(1)), 1)


class Router(nn.Module):
    """Whether another expert should be asked after each of K, [B, K - 1]; above zero is yes."""

    def __init__(self, size: int, experts: int, top: int, hidden: int = 16) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(KaimingLinear(size, hidden) for _ in range(experts - 1))
        self.last, self.top = KaimingLinear(top + hidden, 1), top  # the same after each expert

    def forward(self, features: Tensor, each: Tensor) -> Tensor:
        """Return its logits [B, K - 1], of features [B, K D] and experts' logits [B, K, C]."""
        parts, found = features.chunk(len(self.hidden) + 1, 1), []
        for k, hidden in enumerate(self.hidden):
            inner = F.relu(hidden(F.normalize(parts[k], dim=1)))
            largest = each[:, : k + 1].mean(1).topk(self.top, 1).values
            found.append(self.last(torch.cat((largest, inner), 1)))
        return torch.cat(found, 1)


class ExpertClassifier(nn.Module):
    """The mean of K cosine classifiers, each on its own part of the features [B, K D]."""

    def __init__(self, in_features: int, classes: int, experts: int, scale: float) -> None:
        super().__init__()
        size = in_features // experts
        self.experts = nn.ModuleList(CosineClassifier(size, classes, scale) for _ in range(experts))

    def forward(self, features: Tensor) -> Tensor:
        """Return the mean logits, [B, C]."""
        return self.each(features).mean(1)

    def each(self, features: Tensor) -> Tensor:
        """Return every expert's logits, [B, K, C]."""
        parts = features.chunk(len(self.experts), 1)
        own = [expert(part) for expert, part in zip(self.experts, parts, strict=True)]
        return torch.stack(own, 1)


def experts(backbone: nn.Module, count: int, widths: tuple[int, int]) -> BranchedBackbone:
    """Return a backbone that shares its first stage only, with `count` ends of other widths."""
    trunk = with_stages(backbone, 3)
    first = cast(Blocks, trunk.stages[0])
    blocks, width = len(first), first[-1].conv2.out_channels
    ends = [
        nn.Sequential(stage(blocks, width, widths[0], 2), stage(blocks, widths[0], widths[1], 2))
        for _ in range(count)
    ]
    for end in ends:
        initialise(end)
    trunk.stages = nn.Sequential(trunk.stages[0])
    return BranchedBackbone(trunk, ends, widths[1])
