"""Curvature: quadratics in closed form, softmax regression against its dense Hessian."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_runs import Linear, data, rescaled, resnet, run_of, sample
from torch import nn

from ltbench.analysis.curvature import Curvature, check_memory
from ltbench.analysis.density import density, usual_width
from ltbench.analysis.directions import filter_norms, probe, weights_of
from ltbench.analysis.hessian import Hessian, mean_and_error, unconverged
from ltbench.analysis.lanczos import lanczos
from ltbench.analysis.subject import AnalysisPart, RunImages
from ltbench.errors import LtbenchError

D = 400


def quadratic(seed=0):
    """The rotated quadratic of the specification: 380 near 0, 9 negative, 11 outliers."""
    draw = torch.Generator().manual_seed(seed)
    near = 0.01 * torch.randn(380, generator=draw, dtype=torch.float64)
    negative = -torch.linspace(0.3, 1.5, 9, dtype=torch.float64)
    values = torch.cat([near, negative, torch.linspace(3, 30, 11, dtype=torch.float64)])
    basis = torch.linalg.qr(torch.randn(D, D, generator=draw, dtype=torch.float64)).Q
    return basis @ torch.diag(values) @ basis.T, values


def signs(seed, size=D):
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(2, (size,), generator=draw).double() * 2 - 1


def test_both_extremes_of_a_rotated_quadratic():
    matrix, values = quadratic()
    found = lanczos(lambda v: matrix @ v, signs(0), 20)
    assert found.nodes[-1].item() == pytest.approx(values.max().item(), rel=1e-14)
    assert found.nodes[0].item() == pytest.approx(values.min().item(), abs=1e-3)
    found = lanczos(lambda v: matrix @ v, signs(0), 30)
    assert found.nodes[[0, -1]].tolist() == pytest.approx([-1.5, 30], rel=1e-13)
    assert found.converged(1e-12)


def test_moments_of_the_nodes_are_those_of_the_start():
    matrix, _ = quadratic()
    v = signs(1)
    found = lanczos(lambda x: matrix @ x, v, 20)
    assert found.weights.sum().item() == pytest.approx(1, abs=1e-12)
    assert D * found.first_moment == pytest.approx((v @ matrix @ v).item(), rel=1e-10)
    assert found.second_moment == pytest.approx((matrix @ v).square().sum().item() / D, rel=1e-10)


def test_no_ghosts_in_float32():
    """Without re-orthogonalisation 120 steps make 82 nodes of the 11 outliers."""
    matrix, _ = quadratic()
    found = lanczos(lambda v: matrix.float() @ v, signs(0).float(), 120)
    assert int((found.nodes > 2).sum()) == 11


def test_density_converges_to_the_eigenvalues():
    matrix, values = quadratic()
    grid = torch.linspace(-3, 32, 4000, dtype=torch.float64)
    exact = torch.exp(-((grid[:, None] - values) / 0.1).square() / 2).mean(1) / (
        0.1 * (2 * torch.pi) ** 0.5
    )
    errors = []
    for probes in (1, 10):
        spectra = [lanczos(lambda v: matrix @ v, signs(s), 80) for s in range(probes)]
        starts = [(found.nodes.numpy(), found.weights.numpy()) for found in spectra]
        gap = np.abs(density(starts, grid.numpy(), 0.1) - exact.numpy())
        errors.append(float(np.trapezoid(gap, grid.numpy())))
    assert errors[0] < 0.12
    assert errors[1] < 0.04


def test_an_exhausted_space_ends_the_steps_with_exact_values():
    matrix = torch.diag(torch.tensor([1.0, 2.0, 5.0, 5.0], dtype=torch.float64))
    found = lanczos(lambda v: matrix @ v, torch.ones(4, dtype=torch.float64), 80)
    torch.testing.assert_close(found.nodes, torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64))
    assert found.residuals[1] < 1e-8


def test_too_few_steps_have_not_converged_and_the_residual_bounds_the_error():
    matrix, values = quadratic()
    found = lanczos(lambda v: matrix @ v, signs(0), 4)
    assert not found.converged(1e-3)
    gap = (values - found.nodes[-1]).abs().min().item()
    assert gap <= found.residuals[1]


def test_extremes_alone_stop_early():
    matrix, _ = quadratic()
    calls = []
    found = lanczos(lambda v: calls.append(1) or matrix @ v, signs(0), 200, tolerance=1e-3)
    assert len(calls) < 40
    assert found.converged(1e-3)


def regression(per_class=7):
    images = sample(per_class=per_class, shape=(1, 2, 3), dtype=torch.float64)
    network = Linear(6, 5)
    return network, images, run_of(network)


def dense(network, images, weights):
    """sum_i w_i (diag p - p p^T) (x) a a^T, bias being a last feature of one."""
    flat = torch.cat([images.images.flatten(1), torch.ones(len(images.labels), 1).double()], 1)
    likely = network(images.images)["logits"].softmax(1)
    total = 0
    for w, p, a in zip(weights, likely.detach(), flat, strict=True):
        total = total + w * torch.kron(torch.diag(p) - torch.outer(p, p), torch.outer(a, a))
    return total


@pytest.mark.parametrize("chunk", [64, 4])
def test_products_are_those_of_softmax_regressions_hessian(chunk):
    network, images, run = regression()
    curvature = Curvature(run, network, images, chunk=chunk)
    exact = dense(network, images, torch.full((35,), 1 / 35, dtype=torch.float64))
    draw = torch.Generator().manual_seed(0)
    for _ in range(3):  # more than once, for the graph is kept
        weight = torch.randn(5, 6, generator=draw, dtype=torch.float64)
        bias = torch.randn(5, 1, generator=draw, dtype=torch.float64)
        ordered = exact @ torch.cat([weight, bias], 1).flatten()
        found = curvature.product(torch.cat([weight.flatten(), bias.flatten()]))
        own = torch.cat([found[:30].view(5, 6), found[30:].view(5, 1)], 1).flatten()
        torch.testing.assert_close(own, ordered, rtol=1e-10, atol=1e-12)


def test_the_hessian_of_a_group_is_the_mean_of_its_classes():
    network, images, run = regression()
    vector = signs(3, 35)
    whole = Curvature(run, network, images).product(vector)
    each = [Curvature(run, network, images.of([c])).product(vector) for c in range(5)]
    torch.testing.assert_close(whole, torch.stack(each).mean(0), rtol=1e-10, atol=1e-12)


def test_classes_of_unequal_size_weigh_the_same():
    network, images, run = regression()
    few = torch.arange(35) >= 5  # class 0 keeps two of seven
    kept = type(images)("test", images.images[few], images.labels[few], 5)
    loss, _ = Curvature(run, network, kept).gradient()
    own = [Curvature(run, network, kept.of([c])).gradient()[0] for c in range(5)]
    assert loss == pytest.approx(sum(own) / 5, rel=1e-12)


def test_products_of_a_network_are_symmetric_and_those_of_finite_differences():
    network = resnet(torch.float64)
    run, images = run_of(network), sample(dtype=torch.float64)
    curvature = Curvature(run, network, images)
    u, v = signs(0, curvature.size), signs(1, curvature.size)
    assert (u @ curvature.product(v)).item() == pytest.approx(
        (v @ curvature.product(u)).item(), rel=1e-9
    )
    product = curvature.product(v)
    step, moved = 1e-9, []  # small enough for no unit to cross zero
    for side in (1, -1):
        other = copy.deepcopy(network)
        weights = torch.nn.utils.parameters_to_vector(other.parameters()).detach()
        torch.nn.utils.vector_to_parameters(weights + side * step * v, other.parameters())
        moved.append(Curvature(run, other, images).gradient()[1])
    difference = (moved[0] - moved[1]) / (2 * step)
    assert (difference - product).norm() / difference.norm() < 1e-3


def test_parameters_that_logits_do_not_depend_on_are_left_out():
    network = resnet()
    network.projection = nn.Linear(64, 32)
    curvature = Curvature(run_of(network), network, sample())
    assert curvature.size == sum(p.numel() for p in resnet().parameters())
    assert not any("projection" in name for name in curvature.names)


def filter_trace(network, images, run):
    curvature = Curvature(run, network, images)
    kappa, size = 0.0, curvature.size
    start, scale = 0, torch.zeros(size, dtype=torch.float64)
    for name, p in zip(curvature.names, curvature.parameters, strict=True):
        if name in weights_of(network):
            share = filter_norms(p.detach()).square() / p[0].numel()
            scale[start : start + p.numel()] = share.expand_as(p).flatten()
        start += p.numel()
    unit = torch.zeros(size, dtype=torch.float64)
    for position in range(size):
        if scale[position]:
            unit.zero_()[position] = 1
            kappa += float(scale[position] * curvature.product(unit)[position])
    return kappa


def test_the_filter_normalised_trace_is_its_sum_over_filters():
    network, images, run = regression()
    exact = filter_trace(network, images, run)
    curvature, draw = Curvature(run, network, images), torch.Generator().manual_seed(0)
    found = []
    for _ in range(2000):
        z = curvature.direction(probe(network, draw))
        found.append(float(curvature.product(z) @ z))
    mean, error = mean_and_error(found)
    assert abs(mean - exact) < 4 * error
    assert error < 0.05 * exact


def test_rescaling_before_batch_norm_changes_the_trace_but_not_the_filter_normalised_one():
    network = resnet(torch.float64, eps=1e-12)
    other, images = rescaled(network), sample(dtype=torch.float64)
    torch.testing.assert_close(other(images.images)["logits"], network(images.images)["logits"])
    kappas, traces = [], []
    for each in (network, other):
        curvature, draw = Curvature(run_of(each), each, images), torch.Generator().manual_seed(0)
        z = [curvature.direction(probe(each, draw)) for _ in range(3)]
        kappas.append([float(curvature.product(one) @ one) for one in z])
        v = signs(0, curvature.size)
        traces.append(float(curvature.product(v) @ v))
    assert kappas[0] == pytest.approx(kappas[1], rel=1e-8)
    assert abs(traces[0] - traces[1]) > 0.05 * abs(traces[0])


def test_ends_that_have_not_converged_are_named_with_the_worst_residual():
    def rows(group, converged, residual):
        fixed = {"view": "train", "group": group, "probe": None, "step": None}
        values = {"converged": converged, "lambda_max_residual": residual, "lambda_max": 9.0,
                  "lambda_min_residual": residual / 2}  # fmt: skip
        return [{**fixed, "quantity": name, "value": value} for name, value in values.items()]

    assert unconverged(rows("0", 1.0, 0.1)) is None
    said = unconverged(rows("0", 1.0, 7.0) + rows("8", 0.0, 0.25) + rows("9", 0.0, 0.5))
    assert said is not None
    assert "not converged for train/8, train/9: an eigenvalue lies within 0.5" in said
    assert "take more steps" in said


def test_rows_have_extremes_traces_and_the_nodes():
    network = resnet()
    run, analysis = run_of(network), Hessian(steps=12, probes=2, traces=4, view="test")
    parts = analysis.parts(run, data())
    assert [part.name for part in parts] == [f"test/{c}" for c in range(5)]
    rows = analysis.analyse(run, network, data(), parts[3])
    value = {row["quantity"]: row["value"] for row in rows if row["probe"] is None}
    assert value["lambda_min"] <= value["lambda_max"]
    assert value["converged"] == 0.0
    assert max(value["lambda_max_residual"], value["lambda_min_residual"]) > 0
    assert sum(row["quantity"] == "node" for row in rows) == 24
    weights = [r["value"] for r in rows if r["quantity"] == "weight" and r["probe"] == 1]
    assert sum(weights) == pytest.approx(1)


def test_traces_and_norm_of_the_rows_are_those_of_the_dense_hessian():
    """Softmax regression: traces, Frobenius norm and both ends, over 400 probes of 35 weights."""
    network, images, run = regression()
    exact = dense(network, images, torch.full((35,), 1 / 35, dtype=torch.float64))
    counts = (9,) * 12  # of more than ten classes, rows are of shot groups
    whole = run_of(network, counts, ("many",) * 5 + ("few",) * 7)
    analysis = Hessian(steps=35, probes=2, traces=400)
    rows = analysis.analyse(
        whole, network, RunImages(replace(images, view="train"), images),
        AnalysisPart("train/many", 1, 0),
    )  # fmt: skip
    found = {row["quantity"]: row["value"] for row in rows if row["probe"] is None}
    values = torch.linalg.eigvalsh(exact)
    assert found["lambda_max"] == pytest.approx(values[-1].item(), rel=1e-10)
    assert found["lambda_min"] == pytest.approx(values[0].item(), abs=1e-10)
    assert abs(found["trace"] - exact.trace().item()) < 4 * found["trace_error"]
    spread = (2 * (exact.square().sum() - exact.diagonal().square().sum())).sqrt().item()
    assert found["trace_error"] == pytest.approx(spread / 20, rel=0.2)
    assert found["frobenius"] == pytest.approx(exact.norm().item(), rel=0.05)
    assert found["parameters"] == 35
    kappa = filter_trace(network, images, run)
    assert abs(found["filter_trace"] - kappa) < 4 * found["filter_trace_error"]


def test_rows_are_the_same_again():
    network = resnet()
    run, analysis = run_of(network), Hessian(steps=5, probes=1, traces=2, view="test")
    part = analysis.parts(run, data())[0]
    assert analysis.analyse(run, network, data(), part) == analysis.analyse(
        run, network, data(), part
    )


def test_too_little_memory_is_said_with_how_much(monkeypatch):
    network = resnet()
    curvature = Curvature(run_of(network), network, sample())
    monkeypatch.setattr("ltbench.analysis.curvature.free_memory", lambda device: 2**20)
    with pytest.raises(
        LtbenchError, match=r"80 vectors of 74,965 weights take 24.0 MiB and 1.0 MiB"
    ):
        check_memory(curvature, 80)


def test_the_width_is_pyhessians():
    assert usual_width(-7.1, 75.1) == pytest.approx(0.029, abs=5e-4)


def test_a_class_without_images_is_said():
    images = sample()
    with pytest.raises(LtbenchError, match="class 4 has no test images"):
        images.of([0]).of([4])
