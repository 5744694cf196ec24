"""Composition: the four rules, who is named in a clash, and who acts in which stage."""

import inspect
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from made_methods import resnet8

from ltbench import Batch, Clock, Compose, Method, Recipe, Stage, Step, Task, build
from ltbench.api import compose
from ltbench.api.compose import BASE_ONLY, HOOKS, ONE_PART, is_post_hoc, name_of, overrides
from ltbench.errors import UsageError
from ltbench.registry.methods import describe

CLOCK = Clock("train", 0, 1)
RECIPE = Recipe(4, 128, 0.1, 2e-4)
TASK = Task(torch.tensor([4, 3, 2, 1]))


@pytest.fixture
def network():
    return resnet8(4)


@pytest.fixture
def batch():
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(5, 3, 8, 8, generator=draw)
    return Batch((images,), torch.tensor([0, 1, 2, 3, 0]), torch.arange(5))


@dataclass
class Logging(Method):
    """Writes down which of its hooks ran; `log` is shared by the parts."""

    name: str = "part"
    log: list = field(default_factory=list)
    pull: float = 0.0

    def setup(self, task):
        super().setup(task)
        self.log.append((self.name, "setup"))

    def build(self, network):
        self.log.append((self.name, "build"))
        network.extra = torch.nn.Linear(1, 1)
        network.extra.maker = self.name
        return network

    def penalty(self, network, clock):
        return self.pull * network.classifier.bias.square().sum() + self.pull

    def after_step(self, step):
        self.log.append((self.name, "after_step"))
        self.state["steps"] = self.state.get("steps", 0) + 1

    def after_epoch(self, network, data, clock):
        self.log.append((self.name, "after_epoch"))

    def curves(self):
        return {self.name: self.pull}

    def finalize(self, network):
        self.log.append((self.name, "finalize"))

    def adjust_logits(self, logits):
        self.log.append((self.name, "adjust_logits"))
        return 2 * logits + len(self.name)


@dataclass
class Base(Logging):
    """A base with everything that only a base may bring."""

    views = ("standard", "contrastive")

    def stages(self, recipe):
        return (Stage(name="first", recipe=recipe), Stage(name="second", recipe=recipe))

    def forward(self, network, batch, clock):
        return {"logits": network(batch.images)["logits"] + 1}

    def losses(self, outputs, batch, clock):
        return outputs["logits"].sum(1)

    def predict(self, network, images):
        return network(images)["logits"] - 1


@dataclass
class Rule(Method):
    """A gradient rule: the plain one, doubled."""

    def backward(self, step):
        step.descend(2 * step.objective())


@dataclass
class OtherRule(Rule):
    """Another gradient rule."""

    def backward(self, step):
        step.descend(3 * step.objective())


@dataclass
class Quiet(Method):
    """A modifier that only counts its steps."""

    def after_step(self, step):
        self.state["steps"] = self.state.get("steps", 0) + 1


@dataclass
class PostHoc(Method):
    """Only adjusts."""

    def adjust_logits(self, logits):
        return logits + 1


def trio():
    log = []
    parts = [Base("base", log, 1.0), Logging("one", log, 2.0), Logging("three", log, 4.0)]
    composed = Compose(*parts)
    composed.setup(TASK)
    log.clear()
    return composed, parts, log


# rule 1


def test_the_penalty_is_the_sum_of_the_parts_penalties(network):
    composed, parts, _ = trio()
    with torch.no_grad():
        network.classifier.bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert composed.penalty(network, CLOCK).item() == (1 + 2 + 4) * (30 + 1)
    assert [part.penalty(network, CLOCK).item() for part in parts] == [31, 62, 124]


def test_penalties_of_parts_without_any_add_to_zero(network):
    assert float(Compose(Method(), Quiet()).penalty(network, CLOCK)) == 0


def test_the_composed_objective_has_every_penalty_and_its_gradient(network, batch):
    composed, _, _ = trio()
    step = Step(composed, network, batch, CLOCK)
    plain = Step(Base("base"), network, batch, CLOCK).objective()
    bias = network.classifier.bias
    objective = step.objective()
    assert torch.allclose(objective, plain + 7 * bias.square().sum() + 7)
    gradient = step.gradients(objective, within="classifier.bias")["classifier.bias"]
    own = step.gradients(plain, within="classifier.bias")["classifier.bias"]
    assert torch.allclose(gradient, own + 14 * bias.detach())


# rule 2


def test_every_part_is_bound_and_builds_in_order(network):
    log = []
    composed = Compose(Base("base", log), Logging("one", log), Logging("two", log))
    composed.setup(TASK)
    assert log == [("base", "setup"), ("one", "setup"), ("two", "setup")]
    assert all(part.task is TASK for part in (composed, *composed.parts))
    log.clear()
    built = composed.build(network)
    assert built is network
    assert log == [("base", "build"), ("one", "build"), ("two", "build")]
    assert built.extra.maker == "two"  # the last one saw what the others made


def test_bookkeeping_and_finishing_run_in_every_part_in_order(network, batch):
    composed, _, log = trio()
    composed.after_step(Step(composed, network, batch, CLOCK))
    composed.after_epoch(network, list, CLOCK)
    composed.finalize(network)
    names = ("base", "one", "three")
    hooks = ("after_step", "after_epoch", "finalize")
    assert log == [(name, hook) for hook in hooks for name in names]


def test_the_curves_of_every_part_are_told():
    composed, _, _ = trio()
    assert composed.curves() == {"base": 1.0, "one": 2.0, "three": 4.0}
    assert Compose(Method(), Quiet()).curves() == {}


def test_logits_are_adjusted_by_one_part_after_the_other():
    composed, _, log = trio()
    logits = torch.tensor([[1.0, 0.0]])
    assert composed.adjust_logits(logits).tolist() == [[35.0, 27.0]]  # 2 (2 (2 x + 4) + 3) + 5
    assert [name for name, _ in log] == ["base", "one", "three"]


# rule 3


def test_the_one_part_with_a_gradient_rule_owns_the_step(network, batch):
    plain = Step(Method(), network, batch, CLOCK)
    plain.method.backward(plain)
    expected = [2 * p.grad for p in network.parameters()]
    for composed in (
        Compose(Method(), Rule()),
        Compose(Method(), Quiet(), Rule()),
        Compose(Rule(), Quiet()),
    ):
        network.zero_grad()
        composed.backward(Step(composed, network, batch, CLOCK))
        assert all(map(torch.allclose, (p.grad for p in network.parameters()), expected))


def test_the_rule_of_a_modifier_works_on_the_composed_objective(network, batch):
    @dataclass
    class Pull(Method):
        def penalty(self, network, clock):
            return network.classifier.bias.sum()

    composed = Compose(Method(), Pull(), Rule())
    composed.backward(Step(composed, network, batch, CLOCK))
    with_pull = network.classifier.bias.grad.clone()
    network.zero_grad()
    without = Compose(Method(), Rule())
    without.backward(Step(without, network, batch, CLOCK))
    assert torch.allclose(with_pull, network.classifier.bias.grad + 2)


def test_without_any_rule_the_gradient_is_the_plain_one(network, batch):
    plain = Step(Method(), network, batch, CLOCK)
    plain.method.backward(plain)
    expected = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    composed = Compose(Method(), Quiet())
    composed.backward(Step(composed, network, batch, CLOCK))
    assert all(map(torch.equal, (p.grad for p in network.parameters()), expected))


@pytest.mark.parametrize(
    "parts",
    [(Rule(), OtherRule()), (Method(), Rule(), OtherRule()), (Rule(), Quiet(), OtherRule())],
)
def test_two_gradient_rules_are_an_error_that_names_both(parts):
    with pytest.raises(TypeError, match=r"two gradient rules .*Rule and OtherRule; keep one"):
        Compose(*parts)


# rule 4


def test_the_base_alone_brings_views_forward_losses_and_predict(network, batch):
    composed, parts, _ = trio()
    base = parts[0]
    assert composed.views == ("standard", "contrastive")
    outputs = composed.forward(network, batch, CLOCK)
    assert torch.equal(outputs["logits"], network(batch.images)["logits"] + 1)
    assert torch.equal(composed.losses(outputs, batch, CLOCK), base.losses(outputs, batch, CLOCK))
    network.eval()
    predicted = composed.predict(network, batch.images)
    assert torch.equal(predicted, network(batch.images)["logits"] - 1)


def test_the_views_of_one_composition_do_not_leak_into_another():
    assert Compose(Base(), Quiet()).views == ("standard", "contrastive")
    assert Compose(Method(), Quiet()).views == Compose.views == Method.views == ("standard",)


BRINGING = {
    "views": {"views": ("clean",)},
    "stages": {"stages": lambda self, recipe: ()},
    "begin_stage": {"begin_stage": lambda self, network, stage: network},
    "forward": {"forward": lambda self, network, batch, clock: {}},
    "losses": {"losses": lambda self, outputs, batch, clock: outputs["logits"].sum(1)},
    "predict": {"predict": lambda self, network, images: images},
}


@pytest.mark.parametrize("hook", sorted(BASE_ONLY))
def test_a_modifier_that_brings_what_only_a_base_may_is_an_error_that_names_both(hook):
    modifier = type("Greedy", (Method,), BRINGING[hook])()
    with pytest.raises(TypeError) as caught:
        Compose(Rule(), Quiet(), modifier)
    words = f"Greedy cannot modify Rule: it brings its own {hook}, which only the first part"
    assert words in str(caught.value)
    assert Compose(modifier, Rule(), Quiet()).base is modifier


def test_a_clash_of_built_methods_is_told_in_their_registered_names():
    with pytest.raises(TypeError, match="focal cannot modify ce"):
        Compose(build("ce"), build("focal"))
    with pytest.raises(TypeError, match="two gradient rules in one composition: sam and Rule"):
        Compose(build("ce"), build("sam"), Rule())


# what a part is


def test_overrides_are_the_hooks_that_a_class_changes():
    assert overrides(Method()) == set()
    assert overrides(Rule()) == {"backward"}
    assert overrides(Base()) == {
        "views", "stages", "forward", "losses", "predict", "build", "penalty", "after_step",
        "after_epoch", "curves", "finalize", "adjust_logits",
    }  # fmt: skip


def test_a_part_is_post_hoc_if_it_only_finishes_or_adjusts():
    assert is_post_hoc(PostHoc())
    assert not is_post_hoc(Method())
    assert not is_post_hoc(Rule())
    assert not is_post_hoc(Logging())


def test_a_part_is_called_by_its_registered_name_or_its_class():
    assert name_of(build("sam")) == "sam"
    assert name_of(Rule()) == describe(Rule()) == "Rule"
    by_hand = type(build("sam"))()  # not through the registry
    assert name_of(by_hand) == describe(by_hand) == "sam"


# stages


@dataclass
class Staged(Method):
    """Stages of every kind: own, classifier alone, and each with a helper in charge."""

    helper: Method = field(default_factory=Quiet)

    def stages(self, recipe):
        second = replace(recipe, epochs=1)
        head = ("classifier",)
        return (
            Stage(name="all", recipe=recipe),
            Stage(
                name="head",
                recipe=second,
                sampler="class_balanced",
                trainable=head,
                reset=("classifier",),
            ),
            Stage(name="helped", recipe=second, method=self.helper),
            Stage(name="helped head", recipe=second, trainable=head, method=self.helper),
        )


def test_modifiers_act_on_stages_that_train_the_backbone_only():
    base, modifier = Staged(), Rule()
    composed = Compose(base, modifier)
    whole, head, helped, helped_head = composed.stages(RECIPE)
    assert whole == base.stages(RECIPE)[0]  # the composition itself is in charge
    assert whole.method is None
    assert head.method is base
    assert isinstance(helped.method, Compose)
    assert helped.method.parts == (base.helper, modifier)
    assert helped_head.method is base.helper


def test_composing_changes_nothing_else_about_a_stage():
    base = Staged()
    plain, composed = base.stages(RECIPE), Compose(base, Rule()).stages(RECIPE)
    assert [replace(stage, method=None) for stage in composed] == [
        replace(stage, method=None) for stage in plain
    ]


# state


def test_the_state_of_a_composition_is_its_parts_states_and_goes_back_into_them():
    first, second = Compose(Quiet(), Quiet()), Compose(Quiet(), Quiet())
    first.parts[0].state = {"steps": 3, "nest": {"mean": torch.ones(2)}}
    first.parts[1].state = {"steps": 5}
    state = first.state
    assert set(state) == {"0", "1"}
    second.state = state
    assert second.parts[0].state["steps"] == 3
    assert torch.equal(second.parts[0].state["nest"]["mean"], torch.ones(2))
    assert second.parts[1].state == {"steps": 5}
    assert second.state == state


def test_bookkeeping_changes_the_state_of_the_parts_alone(network, batch):
    composed, parts, _ = trio()
    composed.after_step(Step(composed, network, batch, CLOCK))
    assert composed.state == {"0": {"steps": 1}, "1": {"steps": 1}, "2": {"steps": 1}}
    parts[1].state["steps"] = 9
    assert composed.state["1"] == {"steps": 9}


def test_different_compositions_are_not_equal():
    assert Compose(build("ce"), build("sam")) != Compose(build("focal"), build("sam"))
    assert Compose(build("ce"), build("sam")) != Compose(build("ce"), build("sam(rho=0.8)"))


# weights and mixtures


@dataclass
class Weighing(Method):
    """Weighs a loss by its target."""

    factors: tuple = (1.0, 2.0, 3.0, 4.0)

    def sample_weights(self, batch, clock):
        return torch.tensor(self.factors)[batch.targets]


@dataclass
class Swapping(Method):
    """Mixes every image with its mirror in the batch, which has a quarter of the loss."""

    share: float = 0.75

    def mix(self, batch, clock):
        own, other = batch.images, batch.images.flip(0)
        return batch._replace(
            views=(self.share * own + (1 - self.share) * other,),
            mix_targets=batch.targets.flip(0),
            mix_ratio=torch.full((len(own),), self.share),
        )


def test_the_weights_of_all_parts_are_multiplied_onto_the_losses(network, batch):
    plain = Step(Method(), network, batch, CLOCK)
    outputs = plain.forward()
    expected = plain.losses(outputs)
    found = Step(Weighing(), network, batch, CLOCK)
    assert torch.allclose(found.losses(outputs), expected * torch.tensor([1.0, 2, 3, 4, 1]))
    assert torch.allclose(found.loss, found.losses(outputs).mean())
    both = Compose(Weighing(), Quiet(), Weighing((1.0, 1.0, 0.0, 0.5)))
    both = Step(both, network, batch, CLOCK).losses(outputs)
    assert torch.allclose(both, expected * torch.tensor([1.0, 2, 0, 2, 1]))


def test_without_weights_or_mixing_losses_and_batch_are_as_they_were(network, batch):
    step = Step(Compose(Method(), Quiet()), network, batch, CLOCK)
    assert step.batch is batch
    outputs = step.forward()
    losses = torch.nn.functional.cross_entropy(outputs["logits"], batch.targets, reduction="none")
    assert torch.equal(step.losses(outputs), losses)


@pytest.mark.parametrize("parts", [(Method(), Swapping()), (Swapping(), Quiet())])
def test_losses_of_mixed_images_are_mixed_and_weighed_by_their_labels(parts, network, batch):
    step = Step(Compose(*parts, Weighing()), network, batch, CLOCK)
    assert torch.allclose(step.batch.images, 0.75 * batch.images + 0.25 * batch.images.flip(0))
    outputs = step.forward()
    surprise = -outputs["logits"].log_softmax(1)
    own, other = batch.targets, batch.targets.flip(0)
    rows, factors = torch.arange(5), torch.tensor([1.0, 2.0, 3.0, 4.0])
    expected = 0.75 * factors[own] * surprise[rows, own]
    expected = expected + 0.25 * factors[other] * surprise[rows, other]
    assert torch.allclose(step.losses(outputs), expected)


def test_a_share_of_one_leaves_the_losses_as_they_were(network, batch):
    step = Step(Compose(Method(), Swapping(1.0)), network, batch, CLOCK)
    plain = Step(Method(), network, batch, CLOCK)
    assert torch.equal(step.losses(step.forward()), plain.losses(plain.forward()))


def test_two_ways_of_mixing_images_are_an_error_that_names_both():
    words = "two ways of mixing images in one composition: Swapping and Swapping; keep one"
    with pytest.raises(TypeError, match=words):
        Compose(Swapping(), Quiet(), Swapping())


def invert(images, augment, generator):
    return 255 - images


class Inverting(Method):
    """Ends the first view with an inversion."""

    def augment(self, view, targets, clock):
        return (*view, invert)


def test_one_part_changes_the_first_view_and_without_one_it_stays():
    targets, view = torch.tensor([0, 1]), (invert, invert)
    assert Compose(Method(), Quiet()).augment(view, targets, CLOCK) is view
    for parts in ((Method(), Inverting()), (Inverting(), Quiet())):
        assert Compose(*parts).augment(view, targets, CLOCK) == (invert,) * 3


def test_two_parts_that_augment_are_an_error_that_names_both():
    words = "two augmentations of the first view in one composition: Inverting and Inverting"
    with pytest.raises(TypeError, match=words):
        Compose(Method(), Inverting(), Quiet(), Inverting())


def test_a_composition_within_one_has_the_rules_that_its_parts_have():
    """A composition passes every hook on; that alone is no rule of its own."""
    inner = Compose(Method(), Rule())
    outer = Compose(inner, Swapping(), Inverting())
    assert outer.augment((), torch.tensor([0]), CLOCK) == (invert,)
    assert isinstance(outer.mixer, Swapping)
    assert outer.rule is inner
    with pytest.raises(TypeError, match="two gradient rules"):
        Compose(inner, OtherRule())


def test_a_selection_of_a_batch_keeps_what_is_mixed(batch):
    mixed = Swapping().mix(batch, CLOCK)
    chosen = mixed.select(torch.tensor([3, 0]))
    assert chosen.mix_targets.tolist() == [mixed.mix_targets[3].item(), mixed.mix_targets[0].item()]
    assert chosen.mix_ratio.tolist() == [0.75, 0.75]
    assert batch.select(torch.tensor([3])).mix_targets is None


@pytest.mark.parametrize("base", ["mislas", "bbn", "gcl", "h2t"])
def test_a_base_that_mixes_or_pairs_images_refuses_to_have_them_mixed(base):
    with pytest.raises(UsageError, match="two ways of mixing images"):
        build(f"{base}+mixup")


@pytest.mark.parametrize("part", ["ride(beta=1.0)", "ldam_drw(beta=1.0)", "gcl(scale=0.0)"])
def test_parameters_without_meaning_are_refused_at_once(part):
    with pytest.raises(UsageError):
        build(part)


def test_every_hook_has_one_rule_of_composition_and_a_method_of_the_composition():
    _, *rules = re.split(r"\n\d\. ", (compose.__doc__ or "").rsplit("\n\n", 1)[0])
    named = {number: set(re.findall("`(\\w+)`", text)) for number, text in enumerate(rules, 1)}
    assert named[4] == BASE_ONLY
    assert named[3] == set(ONE_PART)
    assert sum(map(len, named.values())) == len(set().union(*named.values()))
    assert set().union(*named.values()) == HOOKS
    assert HOOKS - {"views"} <= set(vars(Compose))


def test_the_page_about_methods_lists_every_hook_with_its_arguments():
    page = (Path(__file__).parents[2] / "docs" / "methods.md").read_text()
    table = page[page.index("## Hooks") : page.index("## What hooks are given")]
    cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    listed = {}
    for name, arguments in re.findall(r"(\w+)(?:\(([^)]*)\))?`", " ".join(cells)):
        listed[name] = arguments
    assert listed.keys() == HOOKS
    for name in HOOKS - {"views"}:
        own = [p for p in inspect.signature(getattr(Method, name)).parameters if p != "self"]
        assert listed[name] == ", ".join(own)
