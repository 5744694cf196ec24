"""Losses of several labels: hand values, and loops over images and labels as oracles."""

import math

import pytest
import torch
from made_methods import losses_of

from ltbench import Clock, Recipe, Task, build
from ltbench.registry.kinds import kinds_of

LOSSES = [
    "asl", "bce", "db", "ml_cb", "ml_focal", "ml_la", "ml_ldam", "ml_rw", "ntr", "rbce",
]  # fmt: skip
CLOCK = Clock("train", 0, 10)
COUNTS, IMAGES = [150, 100, 40, 10, 3], 200


def of_labels(specification, counts=COUNTS, images=IMAGES):
    """A method that knows its task of several labels an image."""
    method = build(specification)
    method.setup(Task(torch.tensor(counts), 0, 99, 20, "multi", images))
    return method


def each(specification, logits, targets, counts=(100, 10), images=200):
    """The losses of one image's labels, in float64."""
    method = of_labels(specification, list(counts), images)
    z, y = (torch.tensor([row], dtype=torch.float64) for row in (logits, targets))
    return method.label_losses(z, y)[0].tolist()


def drawn(seed=0, images=24, double=True):
    draw = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(images, len(COUNTS), generator=draw)
    targets = (torch.rand(images, len(COUNTS), generator=draw) < 0.4).float()
    return (logits.double(), targets.double()) if double else (logits, targets)


Z, Y, THREE = (2.0, -1.0, 0.0), (1.0, 0.0, 1.0), (50, 50, 50)


@pytest.mark.parametrize(
    ("specification", "expected"),
    [
        ("bce", (0.126928, 0.313262, 0.693147)),
        ("ml_focal(kappa=1.0)", (0.001804, 0.022658, 0.173287)),
        ("ml_focal(gamma=0.0, kappa=1.0)", (0.126928, 0.313262, 0.693147)),
        ("asl(positive=1.0)", (0.015130, 0.000568, 0.346574)),
        ("asl(positive=0.0, negative=0.0, margin=0.0)", (0.126928, 0.313262, 0.693147)),
        ("ntr(kappa=0.0, scale=1.0)", (0.126928, 0.313262, 0.693147)),
        ("ml_rw(power=0.0)", (0.126928, 0.313262, 0.693147)),
        ("ml_cb(beta=0.0)", (0.126928, 0.313262, 0.693147)),
        ("ml_la(tau=0.0)", (0.126928, 0.313262, 0.693147)),
        ("ml_ldam(max_margin=0.0)", (0.126928, 0.313262, 0.693147)),
    ],
)
def test_hand_values_of_three_labels(specification, expected):
    assert each(specification, Z, Y, THREE) == pytest.approx(expected, abs=1e-6)


def test_the_loss_of_an_image_is_the_mean_over_its_labels():
    z, y = (torch.tensor([row], dtype=torch.float64) for row in (Z, Y))
    assert float(losses_of(of_labels("bce", list(THREE)), z, y)) == pytest.approx(
        0.377779, abs=1e-6
    )


@pytest.mark.parametrize("name", LOSSES)
def test_the_mean_over_images_is_the_mean_over_images_and_labels(name):
    z, y = drawn(4)
    method = of_labels(name)
    assert float(losses_of(method, z, y).mean()) == pytest.approx(
        float(method.label_losses(z, y).mean()), abs=1e-12
    )


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_bce_at_zero_is_the_logarithm_of_two(target):
    assert each("bce", (0.0, 0.0), (target, target)) == pytest.approx([math.log(2)] * 2, abs=1e-12)


def test_asl_at_zero_and_where_a_negative_is_easy():
    assert each("asl(positive=1.0)", (0.0, 0.0), (1.0, 0.0)) == pytest.approx(
        (0.346574, 0.024515), abs=1e-6
    )
    logits = torch.tensor([[-2.944440, -5.0]], dtype=torch.float64, requires_grad=True)
    losses = of_labels("asl", [9, 9]).label_losses(logits, torch.zeros(1, 2).double())
    losses.sum().backward()
    assert losses.tolist() == [[0.0, 0.0]]
    assert logits.grad.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(("detached", "slope"), [(True, -0.25), (False, -0.423287)])
def test_asl_takes_no_gradient_through_its_factors_as_released(detached, slope):
    logits = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    method = of_labels(f"asl(positive=1.0, detached={detached})", [9])
    method.label_losses(logits, torch.ones(1, 1).double()).sum().backward()
    assert float(logits.grad) == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize(
    ("targets", "factors"),
    [
        ((1.0, 1.0), (0.351447, 1.099168)),
        ((1.0, 0.0), (1.099665, 1.1)),
        ((0.0, 1.0), (0.368941, 1.099665)),
        ((0.0, 0.0), (1.099665, 1.099665)),  # as if drawn for each: alpha + sigmoid(beta (1 - mu))
    ],
)
def test_hand_values_of_the_rebalancing_factor(targets, factors):
    found = each("rbce", (0.0, 0.0), targets)
    assert [value / math.log(2) for value in found] == pytest.approx(factors, abs=1e-6)


def test_hand_values_of_the_tolerant_loss():
    method = of_labels("ntr", [10, 100], 200)
    assert method.shift.tolist() == pytest.approx([0.147222, 0.0], abs=1e-6)
    logits = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    losses = of_labels("ntr(scale=5.0)", [100], 200).label_losses(
        logits, torch.zeros(1, 1).double()
    )
    losses.sum().backward()
    assert losses.item() == pytest.approx(0.138629, abs=1e-6)
    assert float(logits.grad) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("specification", "expected"),
    [
        ("db", (0.049833, 0.000886)),
        ("db@release", (0.049833, 0.001329)),
        ("db(gamma=0.0, focal=1.0)", (0.344483, 0.052829)),
        ("db@release(gamma=0.0, focal=1.0)", (0.344483, 0.060761)),
    ],
)
def test_hand_values_of_the_distribution_balanced_loss(specification, expected):
    assert each(specification, (1.0, -1.0), (1.0, 0.0)) == pytest.approx(expected, abs=1e-6)


def test_hand_values_of_effective_numbers():
    by_label = of_labels("ml_cb(by='label')", [100, 10])
    both = torch.ones(1, 2)
    assert by_label.weights(both)[0].tolist() == pytest.approx([0.100003, 0.153534], abs=1e-6)
    assert float(of_labels("ml_cb", [100, 10]).weights(both)) == pytest.approx(0.126768, abs=1e-6)
    assert float(of_labels("ml_cb(by='min_n')", [100, 10]).weights(both)) == pytest.approx(
        0.153534, abs=1e-6
    )
    mean = (1 - 0.9) / (1 - 0.9**55)
    assert float(of_labels("ml_cb(by='average_n')", [100, 10]).weights(both)) == pytest.approx(mean)
    none = of_labels("ml_cb", [100, 10]).weights(torch.zeros(1, 2))
    assert float(none) == pytest.approx(0.100003, abs=1e-6)
    steep = of_labels("ml_cb(by='label', beta=0.9999999)", [100, 10]).weights(both.double())[0]
    assert float(steep[1] / steep[0]) == pytest.approx(10, rel=1e-4)


def test_hand_values_of_adjustment_and_margins():
    found = each("ml_la", (0.0, 0.0), (1.0, 0.0), (10, 10))
    assert found == pytest.approx((math.log(20), 0.051293), abs=1e-6)
    assert each("ml_la", (0.7, -0.2), (1.0, 0.0), (100, 100)) == pytest.approx(
        each("bce", (0.7, -0.2), (1.0, 0.0))
    )
    lowered = each("ml_ldam(scale=2.0)", (0.0, 0.0), (1.0, 1.0), (16, 1))
    assert lowered == pytest.approx([math.log(1 + math.exp(m)) for m in (0.5, 1.0)])
    assert each("ml_ldam", (0.0, 0.0), (0.0, 0.0), (16, 1)) == pytest.approx([math.log(2)] * 2)


def surprise(z, y):
    return math.log1p(math.exp(-z)) if y else math.log1p(math.exp(z))


def db_by_loops(z, y, counts, images, *, divided, mu, lam, gamma, kappa_f):
    total = 0.0
    for label, count in enumerate(counts):
        labelled = sum(1 / counts[j] for j in range(len(counts)) if y[j])
        rho = (1 / count) / labelled if labelled else 1.0
        factor = 0.1 + 1 / (1 + math.exp(-10 * (rho - mu)))
        nu = 0.05 * math.log(images / count - 1) / (lam if divided else 1)
        steep = 1.0 if y[label] else lam
        ell = surprise(steep * (z[label] - nu), y[label])
        total += factor * kappa_f * (1 - math.exp(-ell)) ** gamma * ell / steep
    return total / len(counts)


@pytest.mark.parametrize(
    ("specification", "settings"),
    [
        ("db", {"divided": False, "mu": 0.2, "lam": 2.0, "gamma": 2.0, "kappa_f": 2.0}),
        ("db@release", {"divided": True, "mu": 0.2, "lam": 2.0, "gamma": 2.0, "kappa_f": 2.0}),
        ("db@voc", {"divided": False, "mu": 0.3, "lam": 5.0, "gamma": 2.0, "kappa_f": 2.0}),
        (
            "db(gamma=1.5, focal=1.0)",
            {"divided": False, "mu": 0.2, "lam": 2.0, "gamma": 1.5, "kappa_f": 1.0},
        ),
    ],
)
def test_db_is_a_loop_over_images_and_labels(specification, settings):
    z, y = drawn()
    method = of_labels(specification)
    divisor = settings["lam"] if settings["divided"] else 1
    exact = [0.05 * math.log(IMAGES / n - 1) / divisor for n in COUNTS]
    assert method.shift.tolist() == pytest.approx(exact, abs=1e-7)
    method.shift = torch.tensor(exact, dtype=torch.float64)
    found = losses_of(method, z, y)
    for row, value in enumerate(found.tolist()):
        oracle = db_by_loops(z[row].tolist(), y[row].tolist(), COUNTS, IMAGES, **settings)
        assert value == pytest.approx(oracle, abs=1e-10)


@pytest.mark.parametrize(
    ("positive", "negative", "margin"), [(0.0, 4.0, 0.05), (1.0, 4.0, 0.05), (2.0, 3.0, 0.0)]
)
def test_asl_is_a_loop_over_images_and_labels(positive, negative, margin):
    z, y = drawn(1)
    method = of_labels(f"asl(positive={positive}, negative={negative}, margin={margin})")
    for row, value in enumerate(losses_of(method, z, y).tolist()):
        total = 0.0
        for logit, target in zip(z[row].tolist(), y[row].tolist(), strict=True):
            p = 1 / (1 + math.exp(-logit))
            shifted = max(p - margin, 0.0)
            hit = -((1 - p) ** positive) * math.log(p)
            total += hit if target else -(shifted**negative) * math.log(1 - shifted)
        assert value == pytest.approx(total / len(COUNTS), abs=1e-10)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_finite_at_extreme_logits_and_so_are_their_gradients(name):
    z = torch.tensor([[100.0, -100.0, 100.0, -100.0, 0.0]] * 2, requires_grad=True)
    y = torch.tensor([[1.0, 1.0, 0.0, 0.0, 1.0], [0.0] * 5])
    losses = losses_of(of_labels(name), z, y)
    losses.sum().backward()
    assert losses.isfinite().all()
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_neither_logits_nor_targets_are_written_into(name):
    z, y = drawn(2, double=False)
    before = z.clone(), y.clone()
    losses_of(of_labels(name), z, y)
    assert torch.equal(z, before[0])
    assert torch.equal(y, before[1])


@pytest.mark.parametrize("name", LOSSES)
def test_labels_of_equal_counts_are_treated_alike(name):
    z, y = drawn(3, double=False)
    method = of_labels(name, [50] * 5)
    turned = [4, 2, 0, 1, 3]
    found, other = method.label_losses(z, y), method.label_losses(z[:, turned], y[:, turned])
    assert torch.allclose(other, found[:, turned])


def test_a_label_that_every_image_has_leaves_the_shift_finite():
    assert of_labels("ml_la", [200, 10], 200).shift.isfinite().all()
    assert of_labels("ntr", [200, 10], 200).shift.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_takes_several_labels_alone_and_draws_by_class_where_asked(name):
    method = build(f"{name}(sampler='class_aware')")
    assert kinds_of(method) == {"multi"}
    (stage,) = method.stages(Recipe(2, 8, 0.1, 0.0))
    assert stage.sampler == "class_aware"
