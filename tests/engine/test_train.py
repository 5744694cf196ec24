"""One stage's optimiser, resets, and one epoch's steps."""

import copy
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import pytest
import torch
from made_methods import resnet8

from ltbench.api.method import Method, Step
from ltbench.api.recipe import Recipe, Stage
from ltbench.api.task import Clock
from ltbench.data.batch import seed_of
from ltbench.engine.isolation import seeded
from ltbench.engine.train import DivergedError, optimiser_for, reset, train_epoch
from ltbench.errors import LtbenchError
from ltbench.networks import create
from ltbench.registry.methods import build

RECIPE = Recipe(4, batch_size=16, learning_rate=0.1, weight_decay=1e-3)


@pytest.fixture
def network():
    return resnet8(4)


@pytest.fixture
def feed(make_training):
    return make_training().train


def run_epoch(method, network, feed, stage=None, *, epoch=0, seed=0):
    stage = stage or Stage(name="train", recipe=RECIPE)
    heard = []
    losses, _ = train_epoch(
        method, network, optimiser_for(network, stage), feed=feed, stage=stage, epoch=epoch,
        autocast=nullcontext, seed=seed, after_step=lambda *numbers: heard.append(numbers),
    )  # fmt: skip
    return losses, heard


def moved(before, after):
    return {name for name, value in after.items() if not torch.equal(value, before[name])}


def test_exactly_the_parameters_of_the_stage_train(network):
    stage = Stage(name="head", recipe=RECIPE, trainable=("classifier", "backbone.bn1"))
    optimiser = optimiser_for(network, stage)
    names = {name for name, p in network.named_parameters() if p.requires_grad}
    assert names == {
        "classifier.weight", "classifier.bias", "backbone.bn1.weight", "backbone.bn1.bias",
    }  # fmt: skip
    (group,) = optimiser.param_groups
    assert len(group["params"]) == 4


def test_a_rate_of_its_own_is_a_factor_on_everything_a_step_does(network, feed):
    """With factor r, momentum and decay included, a weight moves as at r times the rate."""
    recipe = replace(RECIPE, momentum=0.9, weight_decay=0.05)
    slow = replace(recipe, learning_rate=0.25 * recipe.learning_rate)
    head = ("classifier.bias", "classifier.weight")
    twins = [copy.deepcopy(network) for _ in range(3)]
    stages = [
        Stage(name="head", recipe=recipe, trainable=head[:1]),
        Stage(name="head", recipe=slow, trainable=head[:1]),
        Stage(
            name="head",
            recipe=recipe,
            trainable=head[:1],
            rates=(("classifier.b", 0.25), ("", 7.0)),
        ),
    ]
    for twin, stage in zip(twins, stages, strict=True):
        run_epoch(Method(), twin, feed, stage)
    plain, slower, factored = (twin.classifier.bias.detach() for twin in twins)
    assert torch.equal(factored, slower)
    assert not torch.equal(factored, plain)


def test_a_later_stage_can_free_what_an_earlier_one_froze(network):
    optimiser_for(network, Stage(name="head", recipe=RECIPE, trainable=("classifier",)))
    optimiser_for(network, Stage(name="all", recipe=RECIPE))
    assert all(p.requires_grad for p in network.parameters())


def test_the_optimiser_is_sgd_by_the_recipe(network):
    recipe = replace(RECIPE, momentum=0.8, nesterov=True)
    optimiser = optimiser_for(network, Stage(name="train", recipe=recipe))
    assert isinstance(optimiser, torch.optim.SGD)
    (group,) = optimiser.param_groups
    kept = {key: group[key] for key in ("lr", "momentum", "weight_decay", "nesterov", "dampening")}
    assert kept == {
        "lr": 0.1, "momentum": 0.8, "weight_decay": 1e-3, "nesterov": True, "dampening": 0,
    }  # fmt: skip


def test_a_reset_touches_the_named_modules_only(network):
    before = copy.deepcopy(network.state_dict())
    reset(network, Stage(name="second", recipe=RECIPE, reset=("classifier",)), seed=0)
    assert moved(before, network.state_dict()) == {"classifier.weight", "classifier.bias"}


def test_a_reset_reaches_every_part_of_a_module(network):
    with torch.no_grad():
        for value in network.state_dict().values():
            value.add_(1)
    before = copy.deepcopy(network.state_dict())
    reset(network, Stage(name="second", recipe=RECIPE, reset=("backbone.stages.2",)), seed=0)
    inside = {name for name in before if name.startswith("backbone.stages.2")}
    assert moved(before, network.state_dict()) == inside


def test_a_reset_is_seeded_by_run_and_stage_and_leaves_the_global_generator_alone(network):
    drawn = []
    for seed, name in ((0, "second"), (0, "second"), (1, "second"), (0, "third")):
        torch.manual_seed(len(drawn))
        before = torch.get_rng_state()
        reset(network, Stage(name=name, recipe=RECIPE, reset=("classifier",)), seed)
        assert torch.equal(torch.get_rng_state(), before)
        drawn.append(network.classifier.weight.detach().clone())
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[3])


def test_a_seeded_block_restores_the_global_generator_even_after_an_error():
    torch.manual_seed(123)
    before, drawn = torch.get_rng_state(), []

    def draw_and_fail():
        with seeded(0, "purpose"):
            drawn.append(torch.rand(1))
            raise KeyError

    with pytest.raises(KeyError):
        draw_and_fail()
    assert torch.equal(torch.get_rng_state(), before)
    (first,) = drawn
    with seeded(0, "purpose"):
        assert torch.equal(torch.rand(1), first)
    with seeded(0, "other purpose"):
        assert not torch.equal(torch.rand(1), first)


@dataclass
class Listening(Method):
    """Keeps every clock it is shown, and whom it is shown."""

    heard: list = field(default_factory=list)

    def losses(self, outputs, batch, clock):
        self.heard.append(("losses", clock, len(batch.targets)))
        return super().losses(outputs, batch, clock)

    def after_step(self, step):
        self.heard.append(("after_step", step.clock, step.network.training))

    def after_epoch(self, network, data, clock):
        batches = list(data())
        images = sum(len(batch.targets) for batch in batches)
        in_order = torch.equal(torch.cat([b.indices for b in batches]), torch.arange(images))
        self.heard.append(("after_epoch", clock, network.training, images, in_order))


def test_the_clock_tells_stage_epoch_and_step(network, feed):
    method = Listening()
    stage = Stage(name="warm", recipe=RECIPE)
    _, heard = run_epoch(method, network, feed, stage, epoch=2, seed=5)
    assert [entry[0] for entry in method.heard] == ["losses", "after_step"] * 3 + ["after_epoch"]
    for number, (kind, clock, size) in enumerate(method.heard[:-1:2]):
        assert (clock.stage, clock.epoch, clock.epochs) == ("warm", 2, 4)
        assert (clock.step, clock.steps, clock.seed) == (number, 3, 5)
        assert (kind, size) == ("losses", (16, 16, 13)[number])
    assert [entry[1].step for entry in method.heard[1:-1:2]] == [0, 1, 2]
    assert heard == [(1, 3, 16), (2, 3, 16), (3, 3, 13)]


def test_bookkeeping_after_a_step_sees_training_and_after_an_epoch_evaluation(network, feed):
    method = Listening()
    run_epoch(method, network, feed)
    assert [entry[2] for entry in method.heard[1:-1:2]] == [True] * 3
    _, _, training, images, in_order = method.heard[-1]
    assert (training, images, in_order) == (False, 45, True)


def test_the_first_view_of_an_epoch_is_what_the_method_makes_of_it_at_its_start(network, feed):
    wanted, seen = [], []

    def invert(images, augment, generator):
        return 255 - images

    class Inverting(Method):
        views = ("clean", "clean")

        def augment(self, view, targets, clock):
            wanted.append((len(targets), clock))
            return (*view, invert)

        def losses(self, outputs, batch, clock):
            seen.append(batch)
            return super().losses(outputs, batch, clock)

        def after_epoch(self, network, data, clock):
            (batch,) = data.views(torch.arange(45), torch.Generator())  # not changed by `augment`
            assert torch.equal(batch.images, feed.normalise(feed.subset.images))
            wanted.append((len(data.logits(network, batch.images)), clock))

    run_epoch(Inverting(), network, feed, Stage(name="warm", recipe=RECIPE), epoch=2, seed=5)
    clock = Clock("warm", 2, 4, 0, 3, 5, RECIPE)
    assert wanted == [(45, clock), (45, clock)]
    for batch in seen:
        own = feed.subset.images[batch.indices]
        assert torch.equal(batch.views[0], feed.normalise(255 - own))
        assert torch.equal(batch.views[1], feed.normalise(own))


def test_losses_of_an_epoch_are_the_means_of_its_batches(network, feed):
    method, expected = Method(), []
    stage = Stage(name="train", recipe=replace(RECIPE, learning_rate=0.0, weight_decay=0.0))
    twin = copy.deepcopy(network).train()
    losses, _ = run_epoch(method, network, feed, stage)
    for batch in feed.epoch(
        ("standard",), "instance_balanced", 16, False, seed_of(0, "epoch", "train", 0)
    ):
        logits = twin(batch.images)["logits"].log_softmax(1)
        expected.append(-logits[torch.arange(len(batch.targets)), batch.targets].mean())
    assert torch.allclose(losses, torch.stack(expected).detach(), rtol=1e-4)
    assert not losses.requires_grad


def test_the_learning_rate_is_the_recipe_s_for_the_epoch(network, feed):
    stage = Stage(name="train", recipe=replace(RECIPE, epochs=10, warmup_epochs=4, decay=0.1))
    seen = []

    class Watching(Method):
        def after_step(self, step):
            seen.append(optimiser.param_groups[0]["lr"])

    optimiser = optimiser_for(network, stage)
    for epoch in (0, 3, 8, 9):
        train_epoch(
            Watching(), network, optimiser, feed=feed, stage=stage, epoch=epoch,
            autocast=nullcontext, seed=0, after_step=lambda *numbers: None,
        )  # fmt: skip
    assert seen == pytest.approx([0.025] * 3 + [0.1] * 3 + [0.01] * 3 + [0.001] * 3)


def test_gradients_do_not_pile_up_from_step_to_step(network, feed):
    """With neither momentum nor decay, a step moves weights by its own gradient alone."""
    recipe = replace(RECIPE, momentum=0.0, weight_decay=0.0, learning_rate=0.01)

    @dataclass
    class Checking(Method):
        before: dict = field(default_factory=dict)
        worst: list = field(default_factory=list)

        def backward(self, step):
            self.before = {n: p.detach().clone() for n, p in step.network.named_parameters()}
            objective = step.objective()
            own = step.gradients(step.objective())
            step.descend(objective)
            self.before = {n: p - 0.01 * own[n] for n, p in self.before.items()}

        def after_step(self, step):
            gaps = [(p - self.before[n]).abs().max() for n, p in step.network.named_parameters()]
            self.worst.append(float(torch.stack(gaps).max().detach()))

    method = Checking()
    run_epoch(method, network, feed, Stage(name="train", recipe=recipe))
    assert len(method.worst) == 3
    assert max(method.worst) < 1e-6


def test_a_gradient_rule_that_never_asks_for_losses_is_an_error(network, feed):
    class Silent(Method):
        def backward(self, step):
            step.descend(step.forward()["logits"].sum())

    with pytest.raises(LtbenchError, match=r"Silent\.backward never asked for step\.losses"):
        run_epoch(Silent(), network, feed)


def test_a_logged_scalar_s_curve_is_its_mean_over_the_steps_that_logged_it(network, feed):
    """Tensors, floats, a value changed in place afterwards, and one that some steps leave out."""
    norms, kept = [], torch.zeros(())

    class Logging(Method):
        def backward(self, step):
            gradient = step.gradients(step.objective())
            norm = torch.stack([part.square().sum() for part in gradient.values()]).sum()
            norms.append(float(norm))
            step.log("norm", norm.requires_grad_())
            super().backward(step)

        def after_step(self, step):
            step.log("number", 2.0 * step.clock.step)
            kept.add_(1)
            step.log("kept", kept)
            if step.clock.step != 1:
                step.log("outer", torch.tensor([[step.clock.step + 1]]))

    stage = Stage(name="train", recipe=RECIPE)
    _, logged = train_epoch(
        Logging(), network, optimiser_for(network, stage), feed=feed, stage=stage, epoch=0,
        autocast=nullcontext, seed=0, after_step=lambda *numbers: None,
    )  # fmt: skip
    assert logged.pop("norm") == pytest.approx(sum(norms) / 3, rel=1e-6)
    assert logged == {"number": 2.0, "kept": 2.0, "outer": 2.0}


def test_what_is_not_a_scalar_is_not_logged(network, feed):
    step = Step(Method(), network, next(feed.clean()), Clock("train", 0, 1))
    with pytest.raises(ValueError, match=r"step\.log\('shift'\) takes a scalar, not \(2,\)"):
        step.log("shift", torch.zeros(2))


def test_the_sampler_and_the_views_are_those_of_stage_and_method(network, split, make_training):
    source = make_training().train
    seen = []

    class Twofold(Method):
        views = ("clean", "standard")

        def forward(self, network, batch, clock):
            seen.append(batch)
            return super().forward(network, batch, clock)

    run_epoch(
        Twofold(), network, source, Stage(name="train", recipe=RECIPE, sampler="class_balanced")
    )
    indices = torch.cat([batch.indices for batch in seen])
    assert len(indices.unique()) < len(indices)  # drawn with replacement
    clean = source.normalise(split.train.images[indices])
    assert torch.equal(torch.cat([batch.views[0] for batch in seen]), clean)
    assert all(len(batch.views) == 2 for batch in seen)


def test_divergence_says_where_and_what_to_try():
    error = DivergedError(12, 3)
    assert (error.epoch, error.step, error.exit_code) == (12, 3, 1)
    assert str(error) == (
        "the loss is not finite at epoch 12, step 3; try a smaller learning rate or radius."
    )


def test_an_encoder_learns_at_its_share_of_the_rate():
    network = create("resnet8", 1, 3)
    stage = Stage(
        name="train", recipe=replace(RECIPE, backbone_rate=0.01), rates=(("backbone.conv1", 0.5),)
    )
    groups = optimiser_for(network, stage).param_groups
    factor = {id(each): group["factor"] for group in groups for each in group["params"]}
    found = {name: factor[id(each)] for name, each in network.named_parameters()}
    assert found["backbone.conv1.weight"] == 0.005
    assert found["backbone.bn1.weight"] == 0.01
    assert found["classifier.weight"] == 1.0


def test_batch_statistics_are_of_the_parts_that_the_recipe_says(network, feed):
    """One plain step, with the images in halves, is a step along the halves' joint loss."""
    twin = copy.deepcopy(network)
    stage = Stage(name="train", recipe=replace(RECIPE, norm_batch=8))
    (batch,) = list(feed.epoch(("standard",), "instance_balanced", 16, False,
                               seed_of(0, "epoch", "train", 0)))[:1]  # fmt: skip
    heard = []

    class Watched(Method):
        def after_step(self, step):
            heard.append([p.grad.clone() for p in step.network.parameters()])

    run_epoch(Watched(), network, feed, stage)
    logits = torch.cat([twin.train()(half)["logits"] for half in batch.images.split(8)])
    torch.nn.functional.cross_entropy(logits, batch.targets).backward()
    for found, other in zip(heard[0], twin.parameters(), strict=True):
        assert torch.allclose(found, other.grad, atol=1e-5)


def test_rates_of_a_warm_up_by_steps_change_every_step(network, feed):
    steps = feed.steps(16, False)
    recipe = replace(RECIPE, warmup_steps=steps + 2)
    heard = []

    class Listening(Method):
        def after_step(self, step):
            heard.append(optimiser.param_groups[0]["lr"])

    stage = Stage(name="train", recipe=recipe)
    optimiser = optimiser_for(network, stage)
    for epoch in range(2):
        train_epoch(
            Listening(), network, optimiser, feed=feed, stage=stage, epoch=epoch,
            autocast=nullcontext, seed=0, after_step=lambda *numbers: None,
        )  # fmt: skip
    shares = [min(1.0, 1 / 3 + 2 / 3 * step / (steps + 2)) for step in range(2 * steps)]
    assert heard == pytest.approx([0.1 * share for share in shares])


def test_a_long_gradient_is_cut_to_the_norm_that_the_recipe_says(network, feed):
    norms = []

    class Measuring(Method):
        def after_step(self, step):
            norms.append(float(torch.cat([p.grad.flatten() for p in network.parameters()]).norm()))

    def measured(clip_norm):
        norms.clear()
        recipe = replace(RECIPE, clip_norm=clip_norm, learning_rate=1e-6)
        run_epoch(Measuring(), network, feed, Stage(name="train", recipe=recipe))
        return list(norms)

    whole = measured(None)
    limit = sorted(whole)[len(whole) // 2]
    cut = measured(limit)
    assert max(cut) <= limit * (1 + 1e-4)
    assert sum(each < 0.99 * limit for each in cut) == sum(each < 0.99 * limit for each in whole)


@pytest.mark.parametrize("specification", ["ce", "ce+sam", "ce+more"])
def test_frozen_parts_of_an_encoder_do_not_move_and_its_norms_keep_their_statistics(
    specification, split, make_training
):
    recipe = replace(RECIPE, frozen_stages=1, frozen_norms=True)
    work = make_training(build(specification))
    before = copy.deepcopy(work.network.state_dict())
    run_epoch(work.method, work.network, work.train, Stage(name="train", recipe=recipe))
    changed = moved(before, work.network.state_dict())
    assert not [name for name in changed if "running_" in name or "num_batches" in name]
    frozen = ("backbone.conv1", "backbone.bn1", "backbone.stages.0.")
    assert not [name for name in changed if name.startswith(frozen)]
    assert any(name.startswith("backbone.stages.1.") for name in changed)
    assert any(name.startswith("backbone.stages.1.0.bn1.weight") for name in changed)
