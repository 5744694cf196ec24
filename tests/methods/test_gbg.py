"""GBG against MGDA by hand on gradients taken one group at a time."""

import copy

import pytest
import torch
import torch.nn.functional as F
from made_methods import batch_of, with_network

from ltbench import Clock, Recipe, Step, build
from ltbench.blocks.contrastive import balanced_contrast
from ltbench.blocks.partition import affinities, normalised_cut
from ltbench.data.catalog import CATALOG
from ltbench.errors import LtbenchError, UsageError
from ltbench.runs.protocol import protocol_of
from ltbench.testing import conformance
from ltbench.testing.synthetic import training

COUNTS = (40, 20, 8, 3, 1)
CLOCK = Clock("train", 3, 9)
TARGETS = [0, 0, 1, 3, 0, 4, 2]
TWO, THREE = [0, 0, 1, 1, 1], [0, 1, 1, 2, 2]


def made(specification="gbg(groups=2)", groups=None):
    method, network = with_network(specification, COUNTS)
    if groups:
        method.state["groups"] = torch.tensor(groups)
    return method, network


def followed(method, network, targets=TARGETS):
    network = copy.deepcopy(network)
    step = Step(method, network, batch_of(targets, 3), CLOCK)
    method.backward(step)
    return step, {name: p.grad for name, p in network.named_parameters()}


def logged_weights(step):
    return torch.stack([step.logged[f"gbg{group}_weight"] for group in range(step.method.groups)])


def by_hand(method, network, weigh, factor=1.0):
    """Terms of the objective with a pass each; `weigh` makes weights of losses and gradients."""
    groups, batch = method.state["groups"], batch_of(TARGETS, 3)
    members = groups[batch.targets]
    outputs = method.forward(network, batch, CLOCK)
    losses = F.cross_entropy(outputs["logits"], batch.targets, reduction="none")
    means = [losses[members == group].mean() for group in members.unique()]
    encoder = [p for n, p in network.named_parameters() if n.startswith("backbone.")]
    gradients = [
        torch.cat([g.flatten() for g in torch.autograd.grad(m, encoder, retain_graph=True)])
        for m in means
    ]
    weights = weigh([m.detach() for m in means], gradients)
    anchors = outputs["projections"].transpose(0, 1).flatten(0, 1)
    contrast = balanced_contrast(anchors, batch.targets, outputs["prototypes"], method.tau).mean()
    total = method.alpha * sum(w * m for w, m in zip(weights, means, strict=True))
    total = factor * (total + method.beta * contrast)
    named = dict(network.named_parameters())
    return weights, dict(zip(named, torch.autograd.grad(total, named.values()), strict=True))


def two_group_mgda(losses, gradients):
    first, second = (s / (s.norm() * loss) for s, loss in zip(gradients, losses, strict=True))
    between = first - second
    share = ((-second @ between) / (between @ between)).clamp(0, 1)
    return torch.stack([share, 1 - share])


def test_two_groups_follow_the_closed_form():
    method, network = made(groups=TWO)
    weights, expected = by_hand(method, copy.deepcopy(network), two_group_mgda)
    step, found = followed(method, network)
    assert 0.05 < weights[0] < 0.95
    assert weights[0] != pytest.approx(3 / 7, abs=0.02)  # not the share of the images
    torch.testing.assert_close(logged_weights(step), weights)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)


def test_three_groups_weigh_so_that_none_is_neglected():
    """The sum's products with the normalised gradients of all groups in use are equal."""
    method, network = made("gbg(groups=3)", THREE)
    weights = logged_weights(followed(method, network)[0])
    seen = {}

    def kept(losses, gradients):
        seen["rows"] = torch.stack(
            [s / (s.norm() * loss) for s, loss in zip(gradients, losses, strict=True)]
        )
        return weights

    by_hand(method, network, kept)
    least = weights @ seen["rows"]
    products = seen["rows"] @ least
    assert float(weights.sum()) == pytest.approx(1)
    assert (products >= least.square().sum() * (1 - 1e-6)).all()
    torch.testing.assert_close(products[weights > 0], least.square().sum().expand(3)[weights > 0])


def test_a_weight_of_the_loss_scales_the_step_and_leaves_the_groups_weights():
    method, network = made(groups=TWO)
    weights, expected = by_hand(method, copy.deepcopy(network), two_group_mgda, factor=0.25)
    method.loss_weight = lambda clock: 0.25
    step, found = followed(method, network)
    torch.testing.assert_close(logged_weights(step), weights)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)


@pytest.mark.parametrize("specification", ["gbg(groups=1)", "gbg"])
def test_one_group_or_none_yet_is_cross_entropy_and_contrast(specification):
    method, network = made(specification)
    whole, _ = made("gbg(groups=1)", [0] * 5)
    _, expected = by_hand(whole, copy.deepcopy(network), lambda losses, gradients: [1.0])
    _, found = followed(method, network)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)


def test_a_group_alone_in_the_batch_has_all_the_weight():
    method, network = made(groups=TWO)
    step, found = followed(method, network, [0, 1, 0])
    plain, expected = followed(made("gbg(groups=1)")[0], network, [0, 1, 0])
    assert logged_weights(step).tolist() == pytest.approx([1.0, 0.0])
    assert torch.equal(step.loss, plain.loss)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)


def test_a_gradient_that_is_not_finite_is_told():
    method, network = made(groups=TWO)
    with torch.no_grad():
        network.classifier.weight[0, 0] = float("nan")
    with pytest.raises(LtbenchError, match="not finite at epoch 4, step 1"):
        followed(method, network)


def test_groups_are_those_of_the_initial_weights():
    work = training("gbg(groups=3)", epochs=2)
    method, network = work.method, copy.deepcopy(work.network).eval()
    work.run(lambda report: None)
    rows = []
    for label in range(6):
        batch = next(iter(work.train.clean(1000)))
        own = batch.select(batch.targets == label)
        network.zero_grad()
        F.cross_entropy(network(own.images)["logits"], own.targets).backward()
        parameters = network.backbone.parameters()
        rows.append(torch.cat([p.grad.flatten() for p in parameters]))
    snapshot_of_class = torch.arange(6)
    labels = normalised_cut(
        affinities(rows, snapshot_of_class, "raw"), snapshot_of_class, 3, "cluster_qr"
    )
    assert labels is not None
    together = labels[:, None] == labels
    found = method.state["groups"]
    assert torch.equal(found[:, None] == found, together)
    assert "initial" not in method.state
    assert sum(method.curves()[f"gbg{g}_classes"] for g in range(3)) == 6
    curves = work.progress.curves
    assert sum(curves[-1][f"gbg{g}_weight"] for g in range(3)) == pytest.approx(1)
    assert ["gbg0_weight" in row for row in curves] == [False, True, True]


def test_official_settings_under_the_paper_protocol():
    protocol = protocol_of("paper", CATALOG["cifar100_lt"])
    (stage,) = build("gbg").stages(protocol.recipe())
    assert stage.recipe == Recipe(
        epochs=300, batch_size=256, learning_rate=0.1, weight_decay=pytest.approx(5e-4),
        warmup_epochs=5, milestones=pytest.approx((160 / 300, 0.6)), decay=0.1,
    )  # fmt: skip
    rates = [stage.recipe.learning_rate_at(epoch) for epoch in (0, 4, 159, 160, 179, 180, 299)]
    assert rates == pytest.approx([0.02, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert (build("gbg").alpha, build("gbg").beta, build("gbg").groups) == (2.0, 1.6, 4)


@pytest.mark.parametrize("parameters", ["groups=0", "tau=0.0", "beta=-1.0"])
def test_parameters_out_of_range_are_refused(parameters):
    with pytest.raises(UsageError, match="must"):
        build(f"gbg({parameters})")


def test_more_groups_than_classes_are_refused():
    with pytest.raises(UsageError, match="at most as many groups as classes"):
        made("gbg(groups=6)")


@pytest.mark.slow
@pytest.mark.parametrize("specification", ["gbg(groups=2)", "gbg+posthoc_logit_adjustment"])
def test_conformance(specification):
    assert conformance.check(specification) == []
