"""GKP: the penalty against Eq. 5-6 summed group by group, alpha against Eq. 20."""

import math

import pytest
import torch

from ltbench import Clock, Step, build
from ltbench.api.task import Task
from ltbench.blocks.feature_quality import encoder_of, encoder_parameters
from ltbench.errors import LtbenchError, UsageError
from ltbench.testing.conformance import check, training

CLOCK = Clock("train", 6, 12)
FAST = "gkp(start=0.0, interval=0.05, freeze=1.0)"


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
    value = (quadratic["pull"] * gap**2).sum() + quadratic["rest"]
    expected = (1 - alpha) * 100 / 2 * value
    torch.testing.assert_close(step.penalty().detach(), expected)
    total = step.losses(step.forward()).mean() + step.penalty()
    torch.testing.assert_close(step.objective(), total)


def by_double_sum(gkp, network, fishers, anchors, sizes):
    """Eq. 6 in every group, weighted by the group's share: sum_g w_g sum_{j != g} P_j."""
    weights = encoder_of(network).double()
    total = sum(sizes.values())
    value = 0.0
    for g in sizes:
        for j in sizes:
            if j != g:
                added = (fishers[j].double() * (weights - anchors[j].double()) ** 2).sum()
                value += sizes[g] / total * gkp.strength / 2 * float(added) / sizes[j]
    return (1 - gkp.alpha(CLOCK)) * value


def test_the_penalty_is_the_sum_over_groups_of_the_others(monkeypatch):
    work = training(f"ce+{FAST}")
    gkp = work.method.modifiers[0]
    counts = work.task.class_counts
    bank = gkp.state["bank"]
    draw = torch.Generator().manual_seed(0)
    width = len(encoder_of(work.network))
    bank["snapshots"] = {str(e): torch.randn(width, generator=draw) for e in range(3)}
    bank["slots"] = torch.tensor([0, 1, 1, 2, 2, 0])
    gkp.state["groups"] = torch.tensor([0, 1, 2, 3, 1, 0])
    fishers = {g: torch.rand(width, generator=draw) * 1e-4 for g in range(4)}
    seen = {}

    def fisher_at(anchor, network, sample, group, **rest):
        seen[group] = anchor
        return fishers[group]

    monkeypatch.setattr("ltbench.methods.gkp.fisher_at", fisher_at)
    gkp.state["penalty"] = gkp._anchored(work.network, work.train.clean, CLOCK)._asdict()
    sizes = {g: int(counts[gkp.state["groups"] == g].sum()) for g in range(4)}
    torch.testing.assert_close(seen[1], (bank["snapshots"]["1"] + bank["snapshots"]["2"]) / 2)
    expected = by_double_sum(gkp, work.network, fishers, seen, sizes)
    assert gkp.penalty(work.network, CLOCK).item() == pytest.approx(expected, rel=1e-4)


def test_the_penalty_is_zero_with_its_gradient_where_all_anchors_are_the_weights():
    work = training(f"ce+{FAST}")
    gkp = work.method.modifiers[0]
    work.network.eval()
    work.method.after_epoch(work.network, work.train.clean, Clock("train", 0, 3))
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


@pytest.mark.parametrize("fisher", ["paper", "mean", "unit"])
def test_curvature_is_clipped_so_that_steps_cannot_diverge(fisher):
    _, gkp = trained(f"ce+gkp(start=0.0, interval=0.05, fisher='{fisher}', strength=1e6)", 3)
    pull = gkp.state["penalty"]["pull"]
    assert 0 < gkp.strength * pull.max() <= 10 * (1 + 1e-5)


def test_unit_fisher_has_mean_one_and_mean_is_paper_times_the_groups_images():
    pulls = {}
    for fisher in ("paper", "mean", "unit"):
        work = training(f"ce+gkp(groups=2, start=0.0, fisher='{fisher}', strength=1e-6)")
        work.network.eval()
        work.method.after_epoch(work.network, work.train.clean, Clock("train", 0, 3))
        gkp = work.method.modifiers[0]
        pulls[fisher], sizes = gkp.state["penalty"]["pull"], gkp.group_images
    shares = sizes / sizes.sum()
    assert pulls["unit"].mean() <= (1 - shares).sum() * (1 + 1e-5)  # less what was clipped
    assert pulls["mean"].mean() / sizes.max() < pulls["paper"].mean() < pulls["mean"].mean()


def test_penalty_and_bank_hold_two_vectors_and_the_snapshots(run):
    work, gkp = run
    encoder = len(encoder_of(work.network))
    held = {id(t): t for t in tensors(gkp.state) if t.numel() == encoder}
    snapshots = gkp.state.get("bank", {}).get("snapshots", {})
    assert len(held) <= len(snapshots) + 2
    assert sum(t.numel() for t in tensors(gkp.state)) < (len(snapshots) + 2.01) * encoder


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
    assert {"gkp_penalty", "gkp_curvature", "gkp_stiffest"} <= work.progress.curves[-1].keys()


@pytest.mark.parametrize(
    "specification", ["balanced_softmax+gkp", "ldam_drw+gkp", f"ce+sam+{FAST}"]
)
def test_compositions_conform(specification):
    assert check(specification) == []


@pytest.mark.parametrize(
    ("specification", "words"),
    [
        ("ce+gkp(groups=1)", "no other group"),
        ("ce+gkp(strength=-1.0)", "at least 0"),
        ("ce+gkp(alpha_end=0.0)", "above 0"),
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
    with pytest.raises(LtbenchError, match="Fisher information of group 0 is not finite"):
        work.method.after_epoch(work.network, work.train.clean, Clock("train", 0, 3))


def test_a_class_without_training_images_is_no_obstacle():
    gkp = build("ce+gkp").modifiers[0]
    gkp.setup(Task(torch.tensor([40, 20, 6, 2, 0])))
    gkp.state["groups"] = torch.tensor([0, 1, 1, 2, 3])
    assert gkp.group_images.tolist() == [40, 26, 2, 0]
