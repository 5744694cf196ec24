"""Drift: distances and places by plane geometry, losses at the ends those of the networks there."""

import pytest
import torch
from made_runs import Linear, data, run_of

from ltbench.analysis.drift import Drift
from ltbench.analysis.subject import class_losses
from ltbench.errors import LtbenchError

FEATURES, CLASSES = 3 * 8 * 8, 5
ENDS = {"tail": (3.0, 0.0, 0.0), "full": (0.0, 4.0, 0.0), "run": (1.0, 2.0, 2.0)}


def at(*places, start=0.0):
    """Return a linear network whose weights are `start` but for its first three."""
    network = Linear(FEATURES, CLASSES, torch.float32)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(start)
        network.classifier.weight.view(-1)[: len(places)] += torch.tensor(places)
    return network.eval()


def way(end, others=None, **start):
    networks = {0: at(**start), 1: at(*(each / 2 for each in end), **start), 2: at(*end, **start)}
    beside = None if others is None else lambda method, tail_only: others[tail_only]
    run = run_of(networks[2], beside=beside)
    return type(run)(**{**vars(run), "epochs": (1, 2), "network": networks.get})


def drifting(**changed):
    tail, full = changed.get("tail", way(ENDS["tail"])), changed.get("full", way(ENDS["full"]))
    return way(ENDS["run"], {True: tail, False: full})


def rows_of(run, analysis, *names):
    parts = [part for part in analysis.parts(run, data()) if part.name in names]
    return [row for part in parts for row in analysis.analyse(run, run.network(2), data(), part)]


def test_distances_and_cosines_are_those_of_the_three_ends():
    found = {r["of"]: r["value"] for r in rows_of(drifting(), Drift(), "epochs")
             if r["kind"] == "quantity"}  # fmt: skip
    assert found == pytest.approx({
        "distance_ratio": 12**0.5 / 5,  # from (1, 2, 2) to (3, 0, 0), of 3-4-5
        "distance_ratio_by_length": 18**0.5 / 5,  # of length 3 along the second axis
        "cosine_tail": 1 / 3, "cosine_full": 2 / 3, "cosine_tail_full": 0.0,
        "length_tail": 3.0, "length_full": 4.0, "length_run": 3.0,
    })  # fmt: skip


def test_kept_epochs_stand_where_they_are_with_the_first_weights_at_the_origin():
    rows = rows_of(drifting(), Drift(), "epochs")
    places = {(r["of"], r["epoch"]): (r["x"], r["y"], r["off_plane"])
              for r in rows if r["kind"] == "epoch"}  # fmt: skip
    assert len(places) == 9
    for role in ENDS:
        assert places[role, 0] == (0, 0, 0)
    assert places["tail", 2] == pytest.approx((3, 0, 0), abs=1e-6)
    assert places["full", 1] == pytest.approx((0, 2, 0), abs=1e-6)
    assert places["run", 2] == pytest.approx((1, 2, 2 / 3))
    start = class_losses(drifting(), at(), data().train)
    own = [r["value"] for r in rows if (r["kind"], r["of"], r.get("epoch")) == ("epoch", "run", 0)]
    assert own == pytest.approx(start.tolist())


def test_lines_end_at_the_networks_and_the_grid_holds_every_epoch():
    analysis, run = Drift(points=3, between=3), drifting()
    before = [p.clone() for p in run.network(2).parameters()]
    rows = rows_of(run, analysis, "lines", "row0", "row1", "row2")
    assert all(map(torch.equal, before, run.network(2).parameters()))
    lines = {(r["of"], r["x"], r["class"]): r["value"] for r in rows if r["kind"] == "line"}
    assert len(lines) == 3 * 3 * CLASSES
    for place, end in (("tail to full", "full"), ("full to run", "run"), ("tail to run", "run")):
        losses = class_losses(run, at(*ENDS[end]), data().train).tolist()
        assert [lines[place, 1.0, c] for c in range(CLASSES)] == pytest.approx(losses, rel=1e-5)
    middle = class_losses(run, at(1.5, 2.0), data().train).tolist()
    assert [lines["tail to full", 0.5, c] for c in range(CLASSES)] == pytest.approx(
        middle, rel=1e-5
    )
    grid = {(r["x"], r["y"]) for r in rows if r["kind"] == "grid"}
    assert sorted({x for x, _ in grid}) == pytest.approx([-0.6, 1.5, 3.6])
    assert sorted({y for _, y in grid}) == pytest.approx([-0.8, 2.0, 4.8])


def test_trainings_of_another_network_or_start_are_refused():
    other = run_of(Linear(FEATURES - 1, CLASSES).eval())
    with pytest.raises(LtbenchError, match="have other weights, so no plane holds both"):
        Drift().parts(drifting(full=other), data())
    with pytest.raises(LtbenchError, match="do not begin at the same weights"):
        Drift().parts(drifting(tail=way(ENDS["tail"], start=1.0)), data())


def test_ends_on_one_line_are_told():
    for end in ((6.0, 0.0, 0.0), ENDS["tail"]):
        straight = drifting(full=way(end))
        with pytest.raises(LtbenchError, match="three points on a line span no plane"):
            rows_of(straight, Drift(), "epochs")


def test_parameters_that_logits_do_not_depend_on_have_no_part():
    run = drifting()
    for network in (run.network(epoch) for epoch in (0, 1, 2)):
        network.head = torch.nn.Linear(2, 2)
    found = {r["of"]: r["value"] for r in rows_of(run, Drift(), "epochs")
             if r["kind"] == "quantity"}  # fmt: skip
    assert found["length_run"] == pytest.approx(3.0)
