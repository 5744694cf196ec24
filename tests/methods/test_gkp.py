"""GKP: the penalty against Eq. 5-6 summed group by group, alpha against Eq. 20."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ltbench.methods.gkp import Quadratic

from ltbench import Clock, Recipe, Step, build
from ltbench.api.task import Task
from ltbench.blocks.class_groups import SnapshotBank
from ltbench.blocks.feature_quality import encoder_of, encoder_parameters
from ltbench.data.catalog import CATALOG, dataset
from ltbench.data.readers import load
from ltbench.data.training_images import TrainingImages
from ltbench.engine.fit import Training
from ltbench.engine.settings import Settings
from ltbench.engine.train import optimiser_for
from ltbench.errors import LtbenchError, UsageError
from ltbench.runs.protocol import protocol_of
from ltbench.testing.conformance import check, training

RECIPE = Recipe(epochs=12, batch_size=32, learning_rate=0.1, weight_decay=2e-4)
CLOCK = Clock("train", 6, 12, recipe=RECIPE)
FAST = "gkp(start=0.0, interval=0.05, freeze=1.0)"


def at(epoch, epochs):
    return Clock("train", epoch, epochs, recipe=RECIPE)


def regrouped(specification):
    """Return a training after its first partition, without a step."""
    work = training(specification)
    work.network.eval()
    images = TrainingImages(work.train, "standard", work.method.predict, work.autocast)
    work.method.after_epoch(work.network, images, at(0, 3))
    return work


def trained(specification=f"ce+{FAST}", epochs=4):
    work = training(specification, epochs=epochs)
    work.run(lambda report: None)
    return work, work.method.modifiers[0]


def first_step(work):
    batch = next(work.train.epoch(work.method.views, "instance_balanced", 32, False, seed=7))
    work.network.train()
    return Step(work.method, work.network, batch, CLOCK)


@pytest.fixture(scope="module")
def run():
    return trained()


def test_alpha_is_a_cosine_from_start_to_end():
    gkp = build("ce+gkp").modifiers[0]
    alphas = [gkp.alpha(Clock("train", epoch, 200)) for epoch in range(201)]
    assert alphas[0] == 0.95
    assert alphas[100] == pytest.approx(0.775)
    assert alphas[200] == pytest.approx(0.6)
    for t in (1, 50, 163):
        assert alphas[t] == pytest.approx(0.6 + 0.175 * (1 + math.cos(t * math.pi / 200)))


def test_without_anchors_the_objective_is_the_bases():
    step, plain = first_step(training("ce+gkp")), first_step(training("ce"))
    assert step.method.loss_weight(CLOCK) == 1.0
    assert step.penalty() == 0
    assert torch.equal(step.objective(), plain.objective())


def test_with_anchors_losses_and_penalty_are_mixed_by_alpha(run):
    _, gkp = run
    step = first_step(training(f"ce+{FAST}"))
    step.method.modifiers[0].state = gkp.state
    alpha = gkp.alpha(CLOCK)
    losses = step.losses(step.forward()).detach()
    assert step.loss is not None
    torch.testing.assert_close(losses.mean(), alpha * step.loss)  # what is logged is the loss
    quadratic = gkp.state["penalty"]
    gap = encoder_of(step.network) - quadratic["centre"]
    terms = (1 - alpha) * 100 / 2 * (quadratic["pull"] * gap**2 + quadratic["rest"])
    most = 1.9 / RECIPE.learning_rate  # of the curvature
    expected = (terms * (most / ((1 - alpha) * 100 * quadratic["pull"])).clamp_max(1)).sum()
    torch.testing.assert_close(step.penalty().detach(), expected)
    total = step.losses(step.forward()).mean() + step.penalty()
    torch.testing.assert_close(step.objective(), total)


def by_double_sum(gkp, network, fishers, anchors, sizes):
    """Eq. 6 in every group, then the sum over groups that is meant: sum_g c_g sum_{j != g} P_j."""
    weights = encoder_of(network).double()
    total = sum(sizes.values())
    value = 0.0
    for g in sizes:
        for j in sizes:
            if j != g:
                added = float((fishers[j].double() * (weights - anchors[j].double()) ** 2).sum())
                added /= {"mean": 1, "unit": float(fishers[j].mean())}.get(gkp.fisher, sizes[j])
                share = {"group": 1 / len(sizes), "image": sizes[g] / total, "sum": 1}[gkp.average]
                value += share * gkp.strength / 2 * added
    return (1 - gkp.alpha(CLOCK)) * value


@pytest.mark.parametrize("average", ["group", "image", "sum"])
@pytest.mark.parametrize("fisher", ["mean", "printed", "release", "unit"])
def test_the_penalty_is_the_sum_over_groups_of_the_others(monkeypatch, fisher, average):
    work = training(f"ce+gkp(fisher='{fisher}', average='{average}', strength=0.1)")
    gkp = work.method.modifiers[0]
    counts = work.task.class_counts
    draw = torch.Generator().manual_seed(0)
    width = len(encoder_of(work.network))
    encoders = {str(e): torch.randn(width, generator=draw) for e in range(3)}
    epochs = torch.tensor([0, 1, 1, 2, 2, 0])
    labels = torch.tensor([0, 1, 2, 3, 1, 0])
    gkp.state["bank"] = vars(SnapshotBank(torch.zeros(6), epochs, torch.tensor(3), encoders))
    gkp.state["groups"] = labels
    gkp.state["regrouped"] = torch.tensor(1)
    found = {g: torch.rand(width, generator=draw) * 1e-4 for g in range(4)}
    anchors = {
        0: encoders["0"], 1: (encoders["1"] + encoders["2"]) / 2, 2: encoders["1"], 3: encoders["2"]
    }  # fmt: skip

    def fisher_at(anchor, network, mixed, labelled, *, batch, **rest):
        assert batch == (256 if fisher == "release" else None)
        (group,) = set(labels[labelled[1]].tolist())
        torch.testing.assert_close(anchor, anchors[group])
        return found[group]

    monkeypatch.setattr("ltbench.methods.gkp.fisher_at", fisher_at)
    monkeypatch.setattr(type(gkp), "measure", lambda *given: pytest.fail("no new snapshot wanted"))
    monkeypatch.setattr("ltbench.blocks.class_groups.Grouped.after_epoch", lambda *given: None)
    gkp.after_epoch(work.network, work.train.clean, CLOCK)
    sizes = {g: int(counts[labels == g].sum()) for g in range(4)}
    expected = by_double_sum(gkp, work.network, found, anchors, sizes)
    assert gkp.penalty(work.network, CLOCK).item() == pytest.approx(expected, rel=1e-4)


def test_the_penalty_is_zero_with_its_gradient_where_all_anchors_are_the_weights():
    work = regrouped(f"ce+{FAST}")
    gkp = work.method.modifiers[0]
    value = gkp.penalty(work.network, CLOCK)
    assert value.item() == 0.0
    gradients = torch.autograd.grad(value, encoder_parameters(work.network))
    assert all(gradient.abs().max() == 0 for gradient in gradients)
    assert gkp.state["penalty"]["pull"].max() > 0


def test_only_the_encoder_is_under_it(run):
    work, gkp = run
    value = gkp.penalty(work.network, CLOCK)
    parts = torch.autograd.grad(value, list(work.network.parameters()), allow_unused=True)
    names = [name for name, _ in work.network.named_parameters()]
    reached = [name for name, part in zip(names, parts, strict=True) if part is not None]
    assert reached == [name for name in names if name.startswith("backbone.")]


def curvatures(gkp, network, clock):
    """The second derivatives of the penalty, from two gradients of it."""
    weights = encoder_parameters(network)
    both = []
    for shift in (0.0, 1.0):
        with torch.no_grad():
            for weight in weights:
                weight.add_(shift)
        gradients = torch.autograd.grad(gkp.penalty(network, clock), weights)
        both.append(torch.cat([g.flatten() for g in gradients]).double())
    with torch.no_grad():
        for weight in weights:
            weight.sub_(1)
    return both[1] - both[0]


def anchored_by_hand(pull):
    work = training("ce+gkp(strength=100.0)")
    gkp, width = work.method.modifiers[0], len(encoder_of(work.network))
    pulls = torch.zeros(width)
    pulls[: len(pull)] = torch.tensor(pull)
    gkp.state["penalty"] = dict(pull=pulls, centre=torch.zeros(width), rest=torch.zeros(width))
    return gkp, work.network.double()


@pytest.mark.parametrize(
    ("changed", "limit"),
    [({}, 1.9 / 0.1), ({"nesterov": True}, 1.9 / 2.8 / 0.1), ({"momentum": 0.0}, 1 / 0.1)],
)
def test_the_curvature_is_bounded_by_what_the_epochs_sgd_stands(changed, limit):
    """Half of 2 (1 + m) / rate, of the sum over groups; whatever lies below is as it is."""
    clock = Clock("train", 6, 12, recipe=replace(RECIPE, **changed))
    gkp, network = anchored_by_hand([0.0, 1e-3, 0.087, 5.0])
    factor = (1 - gkp.alpha(clock)) * 100
    expected = [0.0, 1e-3 * factor, 0.087 * factor, limit]
    found = curvatures(gkp, network, clock)[:4]
    torch.testing.assert_close(found, torch.tensor(expected).double(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.9, False), (0.9, True), (0.0, False)])
def test_sgd_settles_below_twice_the_bound_and_diverges_above(momentum, nesterov):
    """What the bound is half of, by torch's own optimiser on the quadratic."""
    rate, limit = 0.1, (1 + momentum) / (1 + 2 * momentum * nesterov) / 0.1
    ends = []
    for curvature in (1.98 * limit, 2.02 * limit):
        x = torch.ones(1, dtype=torch.float64, requires_grad=True)
        sgd = torch.optim.SGD([x], lr=rate, momentum=momentum, nesterov=nesterov)
        for _ in range(2000):
            x.grad = curvature * x.detach()
            sgd.step()
        ends.append(float(x.detach().abs()))
    assert ends[0] < 1e-6
    assert ends[1] > 1e6


def test_what_the_bound_removes_is_logged_and_the_rate_of_the_epoch_counts():
    gkp, network = anchored_by_hand([1.0, 3.0])
    for rate, kept in ((1e-3, 1.0), (0.1, 2 * 19 / 4 / ((1 - gkp.alpha(CLOCK)) * 100))):
        clock = replace(CLOCK, recipe=replace(RECIPE, learning_rate=rate))
        step = Step(gkp, network, None, clock)
        for weight in network.parameters():
            weight.grad = torch.ones_like(weight)
        gkp.penalty(network, clock)
        gkp.after_step(step)
        assert float(step.logged["gkp_removed"]) == pytest.approx(1 - kept, abs=1e-5)


def test_the_logged_gradient_is_the_penaltys_over_the_rest(run):
    _, gkp = run
    work = training(f"ce+{FAST}")
    step = first_step(work)
    step.method.modifiers[0].state = gkp.state
    weights = encoder_parameters(step.network)
    losses = step.losses(step.forward()).mean()
    own, rest = (
        torch.cat([g.flatten() for g in torch.autograd.grad(value, weights)])
        for value in (step.penalty(), losses)
    )
    step.method.backward(step)
    optimiser_for(step.network, work.stages[0]).step()  # both are of the weights before it
    step.method.after_step(step)
    found = float(step.logged["gkp_gradient"])
    assert found == pytest.approx(float(own.norm() / rest.norm()), rel=1e-3)


def pulls_of(fisher, monkeypatch):
    """The pull of each group's anchor in its order, and the groups' training images."""
    pulls, plus = [], Quadratic.plus

    def watched(self, curvature, anchor):
        pulls.append(float(curvature.sum()))
        return plus(self, curvature, anchor)

    monkeypatch.setattr(Quadratic, "plus", watched)
    work = regrouped(f"ce+gkp(groups=2, start=0.0, fisher='{fisher}')")
    return pulls, work.method.modifiers[0].group_images.tolist()


def test_a_mean_over_images_balances_the_groups_and_one_more_division_does_not(monkeypatch):
    """The larger group's pull over the other's: near 1 by `mean`; by `printed` n_1 / n_0 of it."""
    (large, small), sizes = pulls_of("mean", monkeypatch)
    assert sizes[0] > 3 * sizes[1]
    assert 0.5 < large / small < 2
    (printed_large, printed_small), again = pulls_of("printed", monkeypatch)
    assert again == sizes
    ratio = printed_large / printed_small
    assert ratio == pytest.approx(large / small * sizes[1] / sizes[0], rel=1e-4)
    assert ratio < 0.5


def test_a_clock_without_a_recipe_is_refused():
    gkp, network = anchored_by_hand([1.0])
    with pytest.raises(LtbenchError, match="give the clock the stage's"):
        gkp.penalty(network, Clock("train", 6, 12))


def test_penalty_and_bank_hold_three_vectors_and_the_snapshots(run):
    work, gkp = run
    encoder = len(encoder_of(work.network))
    held = {id(t): t for t in tensors(gkp.state) if t.numel() == encoder}
    snapshots = gkp.state.get("bank", {}).get("encoders", {})
    assert len(held) <= len(snapshots) + 3
    assert sum(t.numel() for t in tensors(gkp.state)) < (len(snapshots) + 3.01) * encoder


def tensors(state):
    for value in state.values():
        if isinstance(value, dict):
            yield from tensors(value)
        elif isinstance(value, torch.Tensor):
            yield value


def test_anchors_are_renewed_with_the_groups_and_then_stay():
    work = training("ce+gkp(start=0.1, interval=0.3, freeze=0.7)", epochs=10)
    gkp, centres = work.method.modifiers[0], []
    after = gkp.after_epoch

    def watched(*arguments):
        after(*arguments)
        centres.append(gkp.state["penalty"]["centre"])

    gkp.after_epoch = watched
    work.run(lambda report: None)
    changed = [epoch + 2 for epoch in range(9) if centres[epoch] is not centres[epoch + 1]]
    assert changed == [4]  # first after epoch 1, again after 4; 7 is frozen
    assert {"gkp_penalty", "gkp_stiffest"} <= work.progress.curves[-1].keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    "specification", ["balanced_softmax+gkp", "ldam_drw+gkp", f"ce+sam+{FAST}"]
)
def test_compositions_conform(specification):
    assert check(specification) == []


@pytest.mark.parametrize(
    ("specification", "words"),
    [
        ("ce+gkp(groups=1)", "no other group"),
        ("ce+gkp(strength=-1.0)", "must be at least 0"),
        ("ce+gkp(alpha_end=0.0)", "must be above 0"),
        ("ce+gkp(fisher='none')", "not allowed"),
    ],
)
def test_bad_parameters_are_refused(specification, words):
    with pytest.raises(UsageError, match=words):
        build(specification)


def test_a_fisher_that_is_not_finite_stops_the_run():
    work = training(f"ce+{FAST}")
    with torch.no_grad():
        work.network.classifier.weight.fill_(math.nan)
    work.network.eval()
    images = TrainingImages(work.train, "standard", work.method.predict, work.autocast)
    with pytest.raises(LtbenchError, match="Fisher information of group 0 is not finite"):
        work.method.after_epoch(work.network, images, at(0, 3))


def test_a_class_without_training_images_is_no_obstacle():
    gkp = build("ce+gkp").modifiers[0]
    gkp.setup(Task(torch.tensor([40, 20, 6, 2, 0])))
    gkp.state["groups"] = torch.tensor([0, 1, 1, 2, 3])
    assert gkp.group_images.tolist() == [40, 26, 2, 0]


@pytest.mark.slow
@pytest.mark.parametrize("base", ["ce", "bcl"])
def test_the_penalty_acts_on_real_images(base):
    """Its gradient is 5 % of the rest's at least and a few times it at most; the loss still falls.

    At the weights before a step, 0.31 to 3.6: what lies far beyond is no penalty beside a loss.
    """
    info = CATALOG["digits_lt"]
    settings = Settings(
        info, "resnet8", replace(protocol_of("fast(epochs=5)", info).recipe(), warmup_epochs=5),
        "float32", 5, 0, torch.device("cpu"),
    )  # fmt: skip
    work = Training(build(f"{base}+gkp"), load(dataset("digits_lt"), Path("data")), settings)
    work.run(lambda report: None)
    rows = [row for row in work.progress.curves if "gkp_gradient" in row]
    assert len(rows) == 4
    shares = [row["gkp_gradient"] for row in rows]
    assert min(shares) > 0.05
    assert max(shares) < 10
    assert max(row["gkp_removed"] for row in rows) < 0.3
    assert work.progress.curves[-1]["loss"] < 0.5 * work.progress.curves[0]["loss"]
