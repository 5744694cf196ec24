"""MORE against its equations written out, its controls, and the merge."""

import copy
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from ltbench.methods.more import LowRank, add_low_rank, without_low_rank
from made_methods import batch_of, with_network
from torch import nn
from torch.func import functional_call

from ltbench import Clock, Compose, Step, Task, build
from ltbench.data.catalog import CATALOG, dataset
from ltbench.data.readers import load
from ltbench.engine.fit import Training
from ltbench.engine.settings import Settings
from ltbench.errors import UsageError
from ltbench.networks import create
from ltbench.networks.parametrize import merge_weights
from ltbench.runs.protocol import protocol_of
from ltbench.testing import conformance
from ltbench.testing.synthetic import first_step, training

COUNTS = (120, 40, 8, 3)
TARGETS = (0, 0, 1, 2, 3, 0)
HALF = Clock("train", 0, 1)  # the middle of training: alpha = A
BASES = ["more", "logit_adjustment+more", "ldam_drw+more", "focal+more"]


def made(specification="more", dtype=torch.float64, used=False):
    """A bound method and its network; `used` gives the low-rank parts weights, as training does.

    An amplitude that is not given is 2, at which the term is not lost beside the base's loss.
    """
    method, network = with_network(specification, COUNTS, dtype)
    if "amplitude" not in specification:
        more_of(method).amplitude = 2.0
    if used:
        draw = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for part in parts(network).values():
                part.U.normal_(0, 0.02, generator=draw)
    return method, network


def plain(specification, dtype=torch.float64):
    base = specification.removesuffix("+more") if "+" in specification else "ce"
    return with_network(base, COUNTS, dtype)


def more_of(method):
    return method.parts[-1] if hasattr(method, "parts") else method


def parts(network):
    return {name: m for name, m in network.named_modules() if isinstance(m, LowRank)}


def weights(network, full):
    """Plain-named weights W_g + B A, or W_g, made by hand from the parametrized ones."""
    made_of = {}
    for name, value in network.named_parameters():
        if name.endswith("parametrizations.weight.original"):
            stem = name.removesuffix("parametrizations.weight.original")
            part = network.get_submodule(f"{stem}parametrizations.weight.0")
            tail = (part.U @ part.V).reshape(value.shape) if full else 0
            made_of[f"{stem}weight"] = value + tail
        elif ".parametrizations." not in name:
            made_of[name] = value
    return made_of


def by_the_equations(specification, network, batch, clock=HALF):
    """(M6) on a plain network, evaluated at the two sets of weights."""
    base, bare = plain(specification)
    full = functional_call(bare, weights(network, full=True), (batch.images,))
    general = functional_call(bare, weights(network, full=False), (batch.images,))["logits"]
    share = (clock.epoch + (clock.step + 0.5) / clock.steps) / clock.epochs
    alpha = 2.0 * len(COUNTS) * math.sin(math.pi * share)
    priors = torch.tensor(COUNTS) / sum(COUNTS)
    d = ((full["logits"] - general) ** 2).sum(1)
    rebalancing = sum(priors[y] * d[i] for i, y in enumerate(batch.targets)) / len(d)
    return base.losses(full, batch, clock).mean() + alpha * rebalancing, d


@pytest.mark.parametrize("specification", BASES)
def test_it_starts_as_the_base(specification):
    """f = f_g = the unwrapped network, bit for bit, from the same seed."""
    method, network = made(specification)
    _, bare = plain(specification)
    batch = batch_of(TARGETS)
    step = Step(method, network, batch, HALF)
    full = step.forward()["logits"]
    general = step.forward(without_low_rank(network))["logits"]
    assert torch.equal(full, bare(batch.images)["logits"])
    assert torch.equal(full, general)


@pytest.mark.parametrize("specification", BASES)
@pytest.mark.parametrize("clock", [HALF, Clock("train", 3, 10, 2, 7)])
def test_objective_and_gradient_are_the_equations(specification, clock):
    method, network = made(specification, used=True)
    batch = batch_of(TARGETS)
    expected, _ = by_the_equations(specification, network, batch, clock)
    trained = dict(network.named_parameters())
    gradients = torch.autograd.grad(expected, list(trained.values()))
    method.backward(Step(method, network, batch, clock))
    for (name, parameter), gradient in zip(trained.items(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-6, atol=1e-9, msg=name)


def test_the_general_pass_does_not_see_the_low_rank_part():
    method, network = made(used=True)
    batch = batch_of(TARGETS)
    step = Step(method, network, batch, HALF)
    _, bare = plain("more")
    general = step.forward(without_low_rank(network))["logits"]
    expected = functional_call(bare, weights(network, full=False), (batch.images,))["logits"]
    assert torch.equal(general, expected)
    general.square().sum().backward()
    for part in parts(network).values():
        assert (part.U.grad == 0).all()
        assert (part.V.grad == 0).all()


@pytest.mark.parametrize("specification", BASES)
def test_without_amplitude_it_is_the_base_bit_for_bit(specification):
    method, network = made(specification, torch.float32, used=True)
    more_of(method).amplitude = 0.0
    base, bare = plain(specification, torch.float32)
    merged = copy.deepcopy(network)
    merge_weights(merged)
    bare.load_state_dict(merged.state_dict())
    batch = batch_of(TARGETS, dtype=torch.float32)
    ours, theirs = Step(method, network, batch, HALF), Step(base, bare, batch, HALF)
    method.backward(ours)
    base.backward(theirs)
    assert torch.equal(ours.loss, theirs.loss)
    named = dict(network.named_parameters())
    for name, parameter in bare.named_parameters():
        split = name.removesuffix("weight") + "parametrizations.weight.original"
        assert torch.equal(named.get(name, named.get(split)).grad, parameter.grad), name
    for name, buffer in bare.named_buffers():
        assert torch.equal(network.get_buffer(name), buffer), name


def test_first_step_of_the_control_is_cross_entropy():
    """From the same seed: U is zero and the discrepancy does not count."""
    losses = []
    for specification in ("ce", "more(amplitude=0.0)"):
        work = training(specification)
        step = first_step(work)
        step.method.backward(step)
        losses.append(step.loss)
    assert torch.equal(*losses)


def test_alpha_rises_and_falls():
    method, _ = made("more(amplitude=0.5)")
    assert method.alpha(0.0) == 0
    assert method.alpha(1.0) == pytest.approx(0, abs=1e-14)
    assert method.alpha(0.5) == 0.5 * len(COUNTS)
    assert method.alpha(0.25) == pytest.approx(method.alpha(0.75))
    assert method.alpha(1 / 6) == pytest.approx(0.25 * len(COUNTS))


def test_alpha_follows_the_steps_of_the_whole_stage(monkeypatch):
    method, network = made()
    shares = []
    monkeypatch.setattr(method, "alpha", lambda share: shares.append(share) or 0.0)
    for epoch in range(2):
        for step in range(3):
            method.backward(
                Step(method, network, batch_of(TARGETS), Clock("train", epoch, 2, step, 3))
            )
    assert shares == pytest.approx([(i + 0.5) / 6 for i in range(6)])


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_merged_it_is_the_full_path_in_a_plain_network(dtype, error):
    method, network = made(dtype=dtype, used=True)
    network.eval()
    images = batch_of(TARGETS, dtype=dtype).images
    before = method.predict(network, images)
    final = copy.deepcopy(network)
    method.finalize(final)
    _, bare = plain("more", dtype)
    assert (method.predict(final, images) - before).abs().max() <= error
    assert {name: p.shape for name, p in final.named_parameters()} == {
        name: p.shape for name, p in bare.named_parameters()
    }
    assert {type(m) for m in final.modules()} == {type(m) for m in bare.modules()}
    assert all(p.requires_grad and p.is_leaf for p in final.parameters())
    assert torch.equal(method.predict(network, images), before), "merging a copy broke it"
    assert len(parts(network)) == 7


def test_parameters_of_the_exported_network():
    method = build("more")
    method.setup(Task(torch.arange(100) + 1))
    network = method.build(create("resnet32", 3, 100))
    assert len(parts(network)) == 31
    sides = [(16, 27), *[(16, 144)] * 10, (32, 144), *[(32, 288)] * 9, (64, 288), *[(64, 576)] * 9]
    ranks = [round(0.1 * min(side)) for side in sides]
    assert [part.U.shape[1] for part in parts(network).values()] == ranks
    extra = sum(r * (m + n) for r, (m, n) in zip(ranks, sides, strict=True))
    assert sum(p.numel() for p in network.parameters()) == 470_004 + extra
    method.finalize(network)
    assert sum(p.numel() for p in network.parameters()) == 470_004


def test_running_statistics_move_once_and_by_the_full_pass():
    method, network = made(used=True)
    batch = batch_of(TARGETS)
    alone = copy.deepcopy(network)
    alone(batch.images)
    method.backward(Step(method, network, batch, HALF))
    for name, buffer in alone.named_buffers():
        assert torch.equal(network.get_buffer(name), buffer), name
    assert int(network.backbone.bn1.num_batches_tracked) == 1


def shown(step):
    return {name: float(value) for name, value in step.logged.items()}


def test_the_discrepancy_of_each_shot_group_is_logged():
    method, network = made(used=True)
    group = ["many", "medium", "few", "few"]
    for number, targets in enumerate(((0, 0, 1, 2, 3, 0), (0, 1, 1, 2, 0, 0))):
        expected: dict[str, list[float]] = {"many": [], "medium": [], "few": []}
        step = Step(method, network, batch_of(targets), Clock("train", 0, 2, number, 2))
        _, d = by_the_equations("more", network, step.batch)
        method.backward(step)
        for value, y in zip(d.tolist(), targets, strict=True):
            expected[group[y]].append(value)
        means = {f"discrepancy_{name}": sum(d) / len(d) for name, d in expected.items()}
        assert shown(step) == pytest.approx(means)


def test_a_shot_group_without_images_has_no_curve():
    method, network = made()
    step = Step(method, network, batch_of((0, 0, 1)), HALF)
    method.backward(step)
    assert shown(step) == {"discrepancy_many": 0.0, "discrepancy_medium": 0.0}


def test_per_logit_weighs_every_logit_by_its_class():
    """The form for several labels: it reads no targets."""
    method, network = made("more(per_logit=True)", used=True)
    batch = batch_of(TARGETS)
    _, bare = plain("more")
    full = functional_call(bare, weights(network, full=True), (batch.images,))["logits"]
    general = functional_call(bare, weights(network, full=False), (batch.images,))["logits"]
    priors = torch.tensor(COUNTS) / sum(COUNTS)
    gaps = (full - general) ** 2
    rebalancing = sum(priors[c] * gaps[i, c] for i in range(6) for c in range(4)) / 6
    expected = F.cross_entropy(full, batch.targets) + 8 * rebalancing
    gradient = torch.autograd.grad(expected, network.classifier.weight)[0]
    step = Step(method, network, batch, HALF)
    method.backward(step)
    torch.testing.assert_close(network.classifier.weight.grad, gradient, rtol=1e-6, atol=1e-9)
    many, _, few = gaps[:, 0].mean(), gaps[:, 1].mean(), gaps[:, 2:].mean()
    assert shown(step)["discrepancy_many"] == pytest.approx(many.item())
    assert shown(step)["discrepancy_few"] == pytest.approx(few.item())


def test_per_logit_trains_on_several_labels_an_image():
    """A base on binary cross-entropy with targets [B, C] is all that is missing for such sets."""

    class Several(type(build("ce"))):
        def losses(self, outputs, batch, clock):
            targets = batch.targets.to(outputs["logits"].dtype)
            loss = F.binary_cross_entropy_with_logits(outputs["logits"], targets, reduction="none")
            return loss.sum(1)

    method = Compose(Several(), build("more(per_logit=True)"))
    method.setup(Task(torch.tensor(COUNTS)))
    network = method.build(create("resnet8", 3, len(COUNTS))).double().train()
    labels = torch.tensor([[1, 0, 0, 1], [1, 1, 0, 0], [0, 0, 0, 0]])
    step = Step(method, network, batch_of((0, 0, 0))._replace(targets=labels), HALF)
    method.backward(step)
    assert set(shown(step)) == {"discrepancy_many", "discrepancy_medium", "discrepancy_few"}


def test_kl_is_the_divergence_of_the_full_from_the_general_softmax():
    method, _ = made('more(distance="kl")')
    full, general = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0)).double()
    ours = torch.distributions.Categorical(logits=full)
    other = torch.distributions.Categorical(logits=general)
    expected = torch.distributions.kl_divergence(ours, other)
    torch.testing.assert_close(method.discrepancy(full, general).sum(1), expected)


def test_detached_the_general_path_gets_no_gradient():
    method, network = made("more(detach_general=True)", used=True)
    batch = batch_of(TARGETS)
    _, bare = plain("more")
    full = functional_call(bare, weights(network, full=True), (batch.images,))["logits"]
    with torch.no_grad():
        general = functional_call(bare, weights(network, full=False), (batch.images,))["logits"]
    priors = (torch.tensor(COUNTS) / sum(COUNTS))[batch.targets]
    d = ((full - general) ** 2).sum(1)
    expected = F.cross_entropy(full, batch.targets) + 8 * (priors * d).mean()
    trained = list(network.parameters())
    gradients = torch.autograd.grad(expected, trained)
    method.backward(Step(method, network, batch, HALF))
    for parameter, gradient in zip(trained, gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-6, atol=1e-9)


def test_a_base_of_several_views_keeps_them():
    method, network = made("bcl+more", used=True)
    step = Step(method, network, batch_of(TARGETS, 3), HALF)
    method.backward(step)
    assert shown(step)["discrepancy_many"] > 0
    assert method.views == ("autoaugment", "contrastive", "contrastive")


def test_only_ungrouped_convolutions_are_decomposed():
    network = nn.Sequential(
        nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 20, 1, bias=True), nn.BatchNorm2d(20)
    )
    add_low_rank(network, 0.01)
    assert list(parts(network)) == ["1.parametrizations.weight.0"]
    assert parts(network)["1.parametrizations.weight.0"].U.shape == (20, 1)  # at least rank one


def test_what_it_does_not_go_with_is_refused():
    with pytest.raises(UsageError, match=r"two gradient rules.*more and sam"):
        build("more+sam")
    with pytest.raises(UsageError, match="amplitude"):
        build("more(amplitude=-1.0)")
    with pytest.raises(UsageError, match="rank"):
        build("more(rank=0.0)")
    with pytest.raises(UsageError, match="per_logit"):
        build('more(distance="kl", per_logit=True)')
    with pytest.raises(ValueError, match="no ungrouped convolution"):
        add_low_rank(nn.Sequential(nn.Linear(2, 2)), 0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "specification",
    ["more(amplitude=0.0)", "more(per_logit=True)", "more+posthoc_logit_adjustment"],
)  # fmt: skip
def test_conformance(specification):
    assert conformance.check(specification) == []


@pytest.mark.slow
def test_the_term_takes_from_head_and_tail_alike_what_the_low_rank_part_does():
    """On real digits, as shares of the control's: 0.02 to 0.17 over eight seeds."""
    found = {}
    info = CATALOG["digits_lt"]
    recipe = protocol_of("fast(epochs=8)", info).recipe()
    settings = Settings(info, "resnet8", recipe, "float32", 8, 0, torch.device("cpu"))
    for specification in ("more(amplitude=0.2)", "more(amplitude=0.0)"):
        work = Training(build(specification), load(dataset("digits_lt"), Path("data")), settings)
        work.run(lambda report: None)
        rows = work.progress.curves[-3:]
        found[specification] = [
            sum(row[f"discrepancy_{name}"] for row in rows) for name in ("many", "few")
        ]
    ours, control = found.values()
    assert all(each < 0.3 * its for each, its in zip(ours, control, strict=True))
