"""Planes and lines of loss: quadratics in closed form, what rescaling leaves as it is."""

import copy
import re
from dataclasses import replace

import pytest
import torch
from made_runs import Linear, data, rescaled, resnet, run_of, sample
from torch import nn

from ltbench.analysis.directions import cosine, dot, drawn, filter_norms, place, restored
from ltbench.analysis.line import RATIOS, Line, by_row, is_scale_free, on_sphere, rises
from ltbench.analysis.plane import Plane, basin, basins, surface
from ltbench.analysis.subject import RunImages, class_losses
from ltbench.errors import LtbenchError
from ltbench.networks import CosineClassifier


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class Point(nn.Module):
    """Nothing but weights, of two shapes."""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.randn(4, 3, generator=generator(), dtype=torch.float64))
        self.b = nn.Parameter(torch.randn(2, 5, generator=generator(1), dtype=torch.float64))

    def flat(self):
        return torch.cat([self.a.flatten(), self.b.flatten()])


def flat(direction):
    return torch.cat([direction["a"].flatten(), direction["b"].flatten()])


def test_the_surface_of_a_quadratic_is_its_two_by_two_form():
    point, draw = Point(), generator(2)
    root = torch.randn(22, 22, generator=draw, dtype=torch.float64)
    matrix, centre = root @ root.T, point.flat().detach()
    pair = drawn(point, draw), drawn(point, draw)
    places = torch.linspace(-1, 1, 5, dtype=torch.float64)

    def loss(moved):
        gap = moved.flat().detach() - centre
        return 0.5 * gap @ matrix @ gap

    found = surface(point, pair, places, places, loss)
    axes = torch.stack([flat(pair[0]), flat(pair[1])])
    form = axes @ matrix @ axes.T
    for i, alpha in enumerate(places):
        for j, beta in enumerate(places):
            at = torch.stack([alpha, beta])
            assert found[i, j].item() == pytest.approx(
                (0.5 * at @ form @ at).item(), rel=1e-10, abs=1e-12
            )
    assert torch.equal(point.flat(), centre)


def test_every_filter_of_a_direction_is_as_long_as_the_weights_and_the_rest_is_zero():
    network = resnet()
    direction = drawn(network, generator())
    for name, p in network.named_parameters():
        if p.dim() > 1:
            torch.testing.assert_close(filter_norms(direction[name]), filter_norms(p.detach()))
        else:
            assert name not in direction
    assert abs(cosine(direction, drawn(network, generator(1)))) < 0.05


@pytest.mark.parametrize("train", [False, True])
def test_rescaling_before_batch_norm_leaves_the_curve_as_it_is(train):
    network = resnet(torch.float64, eps=1e-12)
    other, images = rescaled(network), sample(dtype=torch.float64)
    curves = []
    for each in (network, other):
        each.train(train)
        direction = drawn(each, generator())
        curves.append(
            rises(
                each, [direction], (-1, -0.3, 0.5, 1), lambda m: class_losses(run_of(m), m, images)
            )
        )
    torch.testing.assert_close(*curves, rtol=0, atol=1e-9)
    raw = {name: torch.ones_like(p) * 0.05 for name, p in network.named_parameters()}
    plain = [
        rises(each, [raw], (1,), lambda m: class_losses(run_of(m), m, images))
        for each in (network, other)
    ]
    assert (plain[0] - plain[1]).abs().max() > 1e-2


def test_weights_are_restored_bit_by_bit_even_when_the_function_fails():
    network = resnet()
    before = copy.deepcopy(network.state_dict())

    def fail(moved):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        surface(network, (drawn(network, generator()),) * 2, torch.ones(1), torch.ones(1), fail)
    with restored(network) as base:
        place(network, base, [(0.7, drawn(network, generator()))])
        network.train()(sample().images)
    after = network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_the_basin_of_a_bowl_is_its_disc():
    places = torch.linspace(-1, 1, 401, dtype=torch.float64)
    bowl = 4 * (places[:, None].square() + places.square())
    assert basin(bowl, places, places) == pytest.approx(torch.pi / 4, rel=0.01)


def test_basins_are_told_by_view_and_shot_group():
    """Two classes of the head: their mean loss is the bowl 4 r^2; the tail's is 16 r^2."""
    places = torch.linspace(-1, 1, 101, dtype=torch.float64).tolist()
    rows = [
        {"view": "test", "pair": pair, "alpha": alpha, "beta": beta, "class": label,
         "shots": shots, "value": factor * (alpha**2 + beta**2)}
        for pair in (0, 1) for alpha in places for beta in places
        for label, shots, factor in ((0, "many", 3), (1, "many", 5), (2, "few", 16))
    ]  # fmt: skip
    sentence = basins(rows)
    assert sentence.startswith("basin, where the loss is at most 1 above the trained weights', of")
    many, few = re.fullmatch(r".* of 4: test many (\S+), few (\S+)", sentence).groups()
    assert float(many) == pytest.approx(torch.pi / 4, rel=0.02)
    assert float(few) == pytest.approx(torch.pi / 16, rel=0.03)
    assert basins([{"view": "test", "quantity": "trace", "value": 1.0}]) is None


def test_an_even_grid_is_refused():
    with pytest.raises(ValueError, match="make it odd"):
        Plane(points=20)


def test_rows_of_a_plane_have_the_trained_loss_at_their_centre():
    network = resnet()
    run, analysis = run_of(network), Plane(points=3, view="test", reach=0.5)
    parts = analysis.parts(run, data())
    assert len(parts) == 3
    rows = [row for part in parts for row in analysis.analyse(run, network, data(), part)]
    assert len(rows) == 3 * 3 * 5
    centre = [row["value"] for row in rows if row["alpha"] == 0 and row["beta"] == 0]
    assert centre == pytest.approx(class_losses(run, network, data().test).tolist())


def test_the_rise_of_a_quadratic_is_its_trace():
    class Bowl(nn.Module):
        def __init__(self):
            super().__init__()
            self.v = nn.Parameter(torch.randn(300, generator=generator(), dtype=torch.float64))

    bowl, draw = Bowl(), generator(1)
    root = torch.randn(300, 300, generator=draw, dtype=torch.float64) / 300**0.5
    matrix, centre = root @ root.T, bowl.v.detach().clone()
    length = centre.norm().item()

    def loss(moved):
        gap = moved.v.detach() - centre
        return 0.5 * gap @ matrix @ gap

    found = rises(bowl, [on_sphere(bowl, draw) for _ in range(2000)], (0.05, 0.5), loss).mean(0)
    for ratio, value in zip((0.05, 0.5), found.tolist(), strict=True):
        theory = ratio**2 * length**2 / 2 * matrix.trace().item() / 300
        assert value == pytest.approx(theory, rel=0.02)
    assert rises(bowl, [on_sphere(bowl, draw)], (0.0,), loss).item() == 0


def cosine_head(scale=1.0):
    network = Linear(12, 5, torch.float32)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network.classifier = CosineClassifier(12, 5, 16.0)
    with torch.no_grad():
        network.classifier.weight.mul_(scale)
    return network


def curve(network, images):
    one = Line(draws=5, view="test")
    both = RunImages(type(images)("train", images.images, images.labels, 5), images)
    run = run_of(network)
    return one.analyse(run, network, both, one.parts(run, both)[0])


def test_half_the_weights_on_twice_the_features_have_the_same_curve():
    network, images = Linear(12, 5, torch.float32), sample(shape=(3, 2, 2))
    network.classifier.bias = None  # which would not scale with the features
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.classifier.weight.mul_(0.5)
    double = type(images)("test", 2 * images.images, images.labels, 5)
    one, two = curve(network, images), curve(other, double)
    assert [r["value"] for r in one] == pytest.approx([r["value"] for r in two], rel=1e-4, abs=1e-6)
    assert {r["scale_free"] for r in one} == {0}


def test_a_cosine_heads_curve_does_not_depend_on_its_norm():
    images = sample(shape=(3, 2, 2))
    one, two = curve(cosine_head(), images), curve(cosine_head(3.0), images)
    assert [r["value"] for r in one] == pytest.approx([r["value"] for r in two], rel=1e-4, abs=1e-6)
    assert {r["scale_free"] for r in one} == {1}


def test_what_is_scale_free():
    features = torch.randn(8, 12, generator=generator())
    assert is_scale_free(cosine_head().classifier, features)
    assert not is_scale_free(Linear(12, 5, torch.float32).classifier, features)


def test_rows_of_noise_are_as_long_as_the_classes_rows_and_that_of_the_sphere_as_all():
    classifier = Linear(12, 5, torch.float64).classifier
    with torch.no_grad():
        classifier.weight.mul_(torch.arange(1, 6).view(5, 1))
    own = {name: p.detach() for name, p in classifier.named_parameters()}
    rows = by_row(classifier, generator())
    torch.testing.assert_close(rows["weight"].norm(dim=1), own["weight"].norm(dim=1))
    torch.testing.assert_close(rows["bias"].abs(), own["bias"].abs())
    sphere = on_sphere(classifier, generator())
    assert dot(sphere, sphere) == pytest.approx(dot(own, own), rel=1e-12)
    assert (sphere["weight"].norm(dim=1) / own["weight"].norm(dim=1)).std() > 0.1


def test_a_network_that_predicts_by_more_than_its_classifier_is_refused():
    network, images = Linear(12, 5, torch.float32), sample(shape=(3, 2, 2))
    both = RunImages(type(images)("train", images.images, images.labels, 5), images)
    run = replace(run_of(network), predict=lambda net, x: 2 * net(x)["logits"])
    line = Line(draws=1, view="test")
    with pytest.raises(LtbenchError, match=r"more than its classifier; use line\(of=filters\)"):
        line.analyse(run, network, both, line.parts(run, both)[0])


@pytest.mark.parametrize("of", ["classifier", "rows", "filters"])
def test_rows_of_a_line_have_every_ratio_and_class(of):
    network = resnet()
    run, analysis = run_of(network), Line(of=of, draws=2)
    train, _ = analysis.parts(run, data())
    rows = analysis.analyse(run, network, data(), train)
    assert len(rows) == len(RATIOS) * 5
    assert all(row["deviation"] >= 0 for row in rows)
    assert abs(rows[0]["value"]) < abs(rows[-1]["value"])
