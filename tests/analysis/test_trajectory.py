"""Trajectories: known planes recovered, a random walk's explained variance."""

import pytest
import torch
import torch.nn.functional as F
from made_runs import data, resnet, run_of, sample
from sklearn.decomposition import PCA
from torch import nn

from ltbench.analysis.directions import dot
from ltbench.analysis.subject import FinishedRun
from ltbench.analysis.trajectory import Trajectory, principal, project, renew_statistics, through
from ltbench.errors import LtbenchError


def named(rows):
    return [{"a": row[:4].view(2, 2), "b": row[4:]} for row in rows]


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_points_of_a_plane_are_recovered_without_residual():
    axes = torch.linalg.qr(draws(9, 2)).Q.T
    rows = named(draws(6, 2, seed=1) @ axes)
    found = principal(rows)
    assert sum(found.explained) == pytest.approx(1)
    for row in rows:
        x, y, off = project(row, found.directions)
        assert off < 1e-6
        again = {n: x * found.directions[0][n] + y * found.directions[1][n] for n in row}
        torch.testing.assert_close(again, row)


def test_axes_and_shares_are_those_of_scikit_learn():
    rows = draws(12, 30)
    found, oracle = principal(named(rows)), PCA(2, svd_solver="full").fit(rows.numpy())
    assert found.explained == pytest.approx(tuple(oracle.explained_variance_ratio_), rel=1e-9)
    for mine, theirs in zip(found.directions, oracle.components_, strict=True):
        flat = torch.cat([mine["a"].flatten(), mine["b"]])
        assert abs(flat @ torch.from_numpy(theirs)) == pytest.approx(1, abs=1e-9)
        assert flat[flat.abs().argmax()] > 0


def test_a_random_walk_has_the_explained_variance_of_theory():
    walk = draws(100, 3000).cumsum(0)
    found = principal(named(walk - walk[-1]))
    assert found.explained[0] == pytest.approx(6 / torch.pi**2, abs=0.02)
    assert found.explained[1] == pytest.approx(6 / torch.pi**2 / 4, abs=0.02)


def test_the_plane_through_three_points_holds_them():
    origin, first, second = named(draws(3, 9))
    axes = through(origin, first, second)
    assert dot(*axes) == pytest.approx(0, abs=1e-12)
    for point in (first, second):
        row = {name: point[name] - origin[name] for name in point}
        assert project(row, axes)[2] < 1e-7
    x, y, _ = project({name: first[name] - origin[name] for name in first}, axes)
    assert (x > 0, y) == (True, pytest.approx(0, abs=1e-12))


def test_epochs_on_a_line_are_refused():
    line = torch.arange(4).double()[:, None] * draws(9)
    with pytest.raises(LtbenchError, match="lie on one line"):
        principal(named(line))


def several():
    networks = {epoch: resnet(seed=epoch) for epoch in (1, 2, 3)}
    plain = run_of(networks[3])
    return FinishedRun(
        plain.name, 0, plain.class_counts, plain.shots, (1, 2, 3), plain.predict, networks.get
    )


def test_rows_place_the_last_epoch_at_the_origin_and_leave_the_weights_alone():
    run = several()
    network = run.network(3)
    before = {name: t.clone() for name, t in network.state_dict().items()}
    analysis = Trajectory(points=3, per_class=4, statistics=20)
    parts = analysis.parts(run, data())
    assert [part.name for part in parts] == ["epochs", "row0", "row1", "row2"]
    rows = analysis.analyse(run, network, data(), parts[0])
    last = [row for row in rows if row["epoch"] == 3]
    assert {(row["x"], row["y"], row["off_plane"]) for row in last} == {(0.0, 0.0, 0.0)}
    grid = analysis.analyse(run, network, data(), parts[2])
    assert len(grid) == 3 * 5
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())


def test_batch_statistics_are_those_of_all_images_though_they_lie_class_by_class(monkeypatch):
    """Four batches of images that differ by class most: batches of one class vary by less."""
    monkeypatch.setattr("ltbench.analysis.trajectory.CHUNK", 10)
    network, images = resnet(torch.float64), sample("train", 8, dtype=torch.float64)
    images.images.mul_(0.1).add_(images.labels.view(-1, 1, 1, 1))
    renew_statistics(network, images.images)
    first = F.conv2d(images.images, network.backbone.conv1.weight, padding=1)
    norm = next(part for part in network.modules() if isinstance(part, nn.BatchNorm2d))
    torch.testing.assert_close(norm.running_mean, first.mean((0, 2, 3)), rtol=1e-9, atol=1e-12)
    variance = first.var((0, 2, 3), correction=0)
    torch.testing.assert_close(norm.running_var, variance, rtol=0.03, atol=0)
    assert not network.training


def test_a_run_of_one_epoch_is_told_how_to_keep_more():
    with pytest.raises(LtbenchError, match="--keep snapshots:1"):
        Trajectory().parts(run_of(resnet()), data())
