"""Segmented parameters against one full pass a segment, and against images one at a time."""

from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ltbench import Batch, Clock, Method, Step, Task
from ltbench.api.perturb import Segments, combined, evaluate_at
from ltbench.api.segments import evaluate_segmented
from ltbench.engine import precision
from ltbench.networks import create

CLOCK = Clock("train", 0, 1)
TARGETS = torch.tensor([2, 0, 1, 0, 2, 0, 3, 1, 0, 0])


class Views(Method):
    """Three views in one pass; prototypes made of the classifier's weights, with a batch norm."""

    def build(self, network):
        network.prototypes = nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(True))
        network.scale = nn.Parameter(torch.tensor(2.0))
        return network

    def forward(self, network, batch, clock):
        size = len(batch.targets)
        every = network(torch.cat(batch.views))
        return {
            "logits": network.scale * every["logits"][:size],
            "projections": every["features"][size:],
            "prototypes": F.normalize(network.prototypes(network.classifier.weight)),
        }


def step_of(method=None, classes=10, views=1, targets=TARGETS, dtype=torch.float64):
    method = method or Method()
    method.setup(Task(torch.full((classes,), 5)))
    torch.manual_seed(0)
    network = method.build(create("resnet8", 3, classes)).to(dtype)
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(views, len(targets), 3, 8, 8, generator=draw, dtype=torch.float64)
    batch = Batch(tuple(images.to(dtype)), targets, torch.arange(len(targets)))
    return Step(method, network, batch, CLOCK)


def random_perturbations(network, count, size=0.05, seed=2):
    draw = torch.Generator().manual_seed(seed)
    return [
        {
            name: size * torch.randn(p.shape, generator=draw, dtype=torch.float64).to(p.dtype)
            for name, p in network.named_parameters()
        }
        for _ in range(count)
    ]


def gradients(step, value):
    return step.gradients(value)


def assert_close(left, right, tolerance):
    assert left.keys() == right.keys()
    for name in left:
        torch.testing.assert_close(left[name], right[name], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 5e-6)])
def test_equals_a_full_pass_for_each_group(dtype, tolerance):
    step = step_of(dtype=dtype)
    step.network.eval()  # fixed statistics: else a pass's statistics are those of its weights
    perturbations = random_perturbations(step.network, 4)
    members = step.batch.targets
    together = step.losses(step.forward(Segments(perturbations, members)))
    apart = torch.zeros_like(together)
    for group, perturbation in enumerate(perturbations):
        apart = torch.where(members == group, step.losses(step.forward(perturbation)), apart)
    torch.testing.assert_close(together, apart, rtol=tolerance, atol=tolerance)
    both = [gradients(step, losses.mean()) for losses in (together, apart)]
    assert_close(*both, 10 * tolerance)


def explicit(network, images, members, perturbations):
    """ResNet-8 image by image, with the statistics of the joint batch: nothing is intercepted."""
    parameters = dict(network.named_parameters())

    def weight(name, image):
        return parameters[name] + perturbations[members[image]].get(name, 0.0)

    def convolved(name, maps, stride=1):
        parts = [
            F.conv2d(maps[i : i + 1], weight(f"{name}.weight", i), stride=stride, padding=1)
            for i in range(len(maps))
        ]
        return torch.cat(parts)

    def normalised(name, maps):
        mean = maps.mean((0, 2, 3), keepdim=True)
        variance = (maps - mean).square().mean((0, 2, 3), keepdim=True)
        normal = (maps - mean) / (variance + 1e-5).sqrt()
        scale, shift = (
            torch.stack([weight(f"{name}.{part}", i) for i in range(len(maps))])[..., None, None]
            for part in ("weight", "bias")
        )
        return normal * scale + shift

    maps = F.relu(normalised("backbone.bn1", convolved("backbone.conv1", images)))
    for stage, stride in enumerate((1, 2, 2)):
        block = f"backbone.stages.{stage}.0"
        inner = F.relu(normalised(f"{block}.bn1", convolved(f"{block}.conv1", maps, stride)))
        inner = normalised(f"{block}.bn2", convolved(f"{block}.conv2", inner))
        short = maps[:, :, ::stride, ::stride]
        padding = (inner.shape[1] - short.shape[1]) // 2
        maps = F.relu(inner + F.pad(short, (0, 0, 0, 0, padding, padding)))
    features = maps.mean((2, 3))
    return torch.stack(
        [
            weight("classifier.weight", i) @ features[i] + weight("classifier.bias", i)
            for i in range(len(images))
        ]
    )


def test_in_training_mode_statistics_are_those_of_the_joint_batch_with_gradient():
    step = step_of()
    step.network.train()
    perturbations = random_perturbations(step.network, 4)
    logits = step.forward(Segments(perturbations, step.batch.targets))["logits"]
    expected = explicit(step.network, step.batch.images, step.batch.targets.tolist(), perturbations)
    torch.testing.assert_close(logits, expected, rtol=1e-11, atol=1e-11)
    draw = torch.randn(logits.shape, generator=torch.Generator().manual_seed(3)).double()
    both = [gradients(step, (each * draw).sum()) for each in (logits, expected)]
    assert_close(*both, 1e-9)


def test_zero_perturbations_are_the_plain_pass():
    step = step_of(Views(), views=3)
    step.network.train()
    plain = step.forward()
    zeros = [{name: torch.zeros_like(p) for name, p in step.network.named_parameters()}] * 4
    for segments in (Segments(zeros, TARGETS), Segments([{}] * 4, TARGETS)):
        assert_close(step.forward(segments), plain, 1e-12)
    both = [
        gradients(step, step.losses(outputs).mean() + outputs["prototypes"].sum())
        for outputs in (step.forward(Segments(zeros, TARGETS)), plain)
    ]
    assert_close(*both, 1e-11)


def test_views_share_their_images_segment_and_prototypes_stay_undisplaced():
    step = step_of(Views(), views=3)
    step.network.eval()
    perturbations = random_perturbations(step.network, 4)
    outputs = step.forward(Segments(perturbations, TARGETS))
    for group, perturbation in enumerate(perturbations):
        member = group == TARGETS
        alone = step.forward(perturbation)
        torch.testing.assert_close(outputs["logits"][member], alone["logits"][member])
        twice = member.repeat(2)
        torch.testing.assert_close(outputs["projections"][twice], alone["projections"][twice])
    assert torch.equal(outputs["prototypes"], step.forward()["prototypes"])


def test_prototypes_are_not_taken_for_images_where_there_are_as_many():
    step = step_of(Views(), classes=len(TARGETS), views=3)
    step.network.eval()
    perturbations = random_perturbations(step.network, 4)
    outputs = step.forward(Segments(perturbations, TARGETS))
    assert torch.equal(outputs["prototypes"], step.forward()["prototypes"])


def test_running_statistics_stand_still_and_move_once_in_a_pass_that_is_here():
    step = step_of(Views(), views=3)
    step.network.train()
    before = {name: buffer.clone() for name, buffer in step.network.named_buffers()}
    zeros = [{name: torch.zeros_like(p) for name, p in step.network.named_parameters()}] * 4
    step.forward(Segments(random_perturbations(step.network, 4), TARGETS))
    assert all(torch.equal(before[name], b) for name, b in step.network.named_buffers())
    assert step.outputs is None
    step.forward(Segments(zeros, TARGETS, here=True))
    here = {name: buffer.clone() for name, buffer in step.network.named_buffers()}
    assert step.outputs is not None
    step.network.load_state_dict(before, strict=False)
    step.forward()
    assert_close(here, dict(step.network.named_buffers()), 1e-12)


def test_segments_that_no_image_names_change_nothing():
    step = step_of()
    step.network.eval()
    perturbations = random_perturbations(step.network, 6)
    members = 2 * (TARGETS > 0).long() + 1  # 1 and 3 of 0..5
    wild = [{name: part + torch.nan for name, part in perturbations[0].items()}]
    few = step.forward(Segments([perturbations[1], perturbations[3]], (members - 1) // 2))
    many = step.forward(
        Segments([*wild, perturbations[1], *wild, perturbations[3], *wild], members)
    )
    assert_close(few, many, 0)


def test_one_image_a_segment_and_one_segment():
    step = step_of()
    step.network.eval()
    perturbations = random_perturbations(step.network, len(TARGETS))
    each = step.forward(Segments(perturbations, torch.arange(len(TARGETS)).flip(0)))["logits"]
    for image, perturbation in enumerate(reversed(perturbations)):
        torch.testing.assert_close(each[image], step.forward(perturbation)["logits"][image])
    one = step.forward(Segments(perturbations[:1], torch.zeros_like(TARGETS)))
    assert_close(one, step.forward(perturbations[0]), 1e-12)


def test_gradients_by_perturbations_are_owned_and_add_up_to_the_whole():
    step = step_of(Views(), views=3)
    step.network.train()
    names = dict(step.network.named_parameters())
    copies = [
        {name: torch.zeros_like(p).requires_grad_() for name, p in names.items()} for _ in range(4)
    ]
    losses = step.losses(step.forward(Segments(copies, TARGETS, here=True)))
    own = [
        torch.autograd.grad(
            losses.mean(), list(copy.values()), retain_graph=True, materialize_grads=True,
            allow_unused=True,
        )
        for copy in copies
    ]  # fmt: skip
    added = combined([dict(zip(names, part, strict=True)) for part in own], [1.0] * 4)
    assert_close(added, gradients(step, step.losses(step.forward()).mean()), 1e-11)


def assert_together_is_alone(network, perturbations, inputs):
    """All groups in one pass give what each gives in a pass of its own."""
    segments = Segments(perturbations, TARGETS)
    together = evaluate_segmented(
        network, segments, lambda network, order: {"out": network(inputs[order])}
    )["out"]
    for group, perturbation in enumerate(perturbations):
        alone = evaluate_at(network, perturbation, lambda network: network(inputs))
        member = group == TARGETS
        torch.testing.assert_close(together[member], alone[member])


def test_frozen_weights_without_affine_and_other_layers():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, groups=1, bias=True), nn.BatchNorm2d(4, affine=False), nn.ReLU(True),
        nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 3, groups=4), nn.Flatten(), nn.LayerNorm(64),
        nn.PReLU(), nn.Linear(64, 5, bias=False),
    ).double().eval()  # fmt: skip
    images = torch.randn(10, 3, 8, 8, dtype=torch.float64)
    perturbations = random_perturbations(network, 4)
    for perturbation in perturbations:
        del perturbation["4.bias"]
    assert_together_is_alone(network, perturbations, images)


def test_weights_made_of_weights_are_the_segments():
    class Cosine(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(5, 6, dtype=torch.float64))
            self.other = nn.Parameter(torch.randn(5, 6, dtype=torch.float64))

        def forward(self, features):
            first, second = (self.weight + self.other).T.chunk(2, dim=1)
            return F.linear(F.normalize(features), F.normalize(torch.cat((first, second), 1).T))

    network, features = Cosine(), torch.randn(10, 6, dtype=torch.float64)
    perturbations = [{"weight": part} for part in torch.randn(4, 5, 6, dtype=torch.float64)]
    assert_together_is_alone(network, perturbations, features)


def test_bfloat16_autocast_keeps_the_affine_part_in_full_precision():
    step = step_of(dtype=torch.float32)
    step.autocast = lambda: torch.autocast("cpu", torch.bfloat16, cache_enabled=False)
    step.network.train()
    plain = step.forward()["logits"]
    for perturbations in ([{}] * 4, random_perturbations(step.network, 4, 0.0)):
        logits = step.forward(Segments(perturbations, TARGETS))["logits"]
        assert logits.dtype == torch.float32
        torch.testing.assert_close(logits, plain, rtol=0.1, atol=0.05)


@pytest.mark.parametrize("outside", [False, True])
def test_bfloat16_on_a_processor_without_it_knows_the_segments(monkeypatch, outside):
    step = step_of(dtype=torch.float32)
    images = step.batch.views[0]

    def logits(perturbations, has_bfloat16):
        monkeypatch.setattr(precision, "has_bfloat16", lambda device: has_bfloat16)
        autocast = precision.autocast_of("bfloat16", torch.device("cpu"))

        def of(network, order):
            with nullcontext() if outside else autocast():
                return {"logits": network(images[order])["logits"]}

        with autocast() if outside else nullcontext():
            segments = Segments(perturbations, TARGETS)
            return evaluate_segmented(step.network, segments, of)["logits"]

    step.network.eval()
    perturbations = random_perturbations(step.network, 4)
    with_it, without = (logits(perturbations, has) for has in (True, False))
    torch.testing.assert_close(without, with_it, rtol=0.01, atol=0.01)
    plain = logits([{}] * 4, False)
    assert ((with_it - plain).norm(dim=1) > 10 * (with_it - without).norm(dim=1)).all()


def test_penalties_are_undisplaced():
    class Decay(Method):
        def penalty(self, network, clock):
            return sum(p.square().sum() for p in network.parameters())

    step = step_of(Decay())
    segments = Segments(random_perturbations(step.network, 4), TARGETS)
    assert torch.equal(step.penalty(segments), step.penalty())
    assert not torch.equal(step.penalty(segments.perturbations[0]), step.penalty())


def test_what_is_neither_images_nor_weights_is_refused():
    network = nn.Linear(3, 3).double()
    perturbations = random_perturbations(network, 4)
    features = torch.randn(10, 3, dtype=torch.float64)

    def run(function, members=TARGETS):
        return evaluate_segmented(network, Segments(perturbations, members), function)

    with pytest.raises(TypeError, match="linear of displaced weights has 7 rows"):
        run(lambda network, order: {"out": network(features[:7])})
    with pytest.raises(TypeError, match="does not treat images apart"):
        run(lambda network, order: {"out": torch.cat((features, network.weight))})
    with pytest.raises(TypeError, match="rows"):
        run(lambda network, order: {"out": torch.addmm(features, features[:5], network.weight)})
    with pytest.raises(KeyError, match="no parameter 'wieght'"):
        evaluate_segmented(network, Segments([{"wieght": 1}], TARGETS * 0), lambda n, o: {})
    with pytest.raises(IndexError, match="segment 4 of 4"):
        run(lambda network, order: {}, TARGETS + 1)
    nn.utils.parametrizations.weight_norm(network)
    with pytest.raises(TypeError, match="are parametrised"):
        run(lambda network, order: {})
