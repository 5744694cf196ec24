"""The plan: what is asked for, what is finished, what one training serves."""

import itertools
import json
from dataclasses import MISSING, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import cell_fingerprint

from ltbench.api.recipe import Recipe, Stage
from ltbench.data.catalog import CATALOG, dataset
from ltbench.errors import LtbenchError, UsageError
from ltbench.registry.methods import build, describe
from ltbench.runs import commands, identity, plan
from ltbench.runs.protocol import Protocol, protocol_of
from ltbench.runs.store import Cell

DIGITS = [dataset("digits_lt")]


def finish(store, cell, make_record):
    """Write the record that a run of this cell would leave."""
    info = dataset(cell.dataset).info
    mark = cell_fingerprint(cell, build(cell.method), protocol_of(cell.protocol, info))
    return store.write(
        make_record(
            dataset=cell.dataset, protocol=cell.protocol, network=cell.network,
            method=cell.method, seed=cell.seed, fingerprint=mark,
        )
    )  # fmt: skip


# seeds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("3", [0, 1, 2]),
        ("1", [0]),
        (" 2 ", [0, 1]),
        ("0,4", [0, 4]),
        ("4, 0", [4, 0]),
        ("4,", [4]),
        ("0,", [0]),
        ("1,1,01", [1]),
    ],
)
def test_seeds_are_a_count_or_a_list(text, seeds):
    assert commands.seeds_of(text) == seeds


@pytest.mark.parametrize(
    "text", ["", " ", ",", "0", "-1", "a", "1.5", "1-3", "0;4", "1 2", "٣", "²", "9" * 20, "nan"]
)
def test_seeds_that_are_none_are_refused_with_an_example(text):
    with pytest.raises(UsageError, match=r"such as .*0,4|write 1,2,3 for that") as caught:
        commands.seeds_of(text)
    assert f"--seeds {text}: " in str(caught.value)


@given(st.text(st.characters()) | st.text("0123456789, -"))
def test_no_text_for_seeds_raises_anything_but_a_usage_error(text):
    try:
        seeds = commands.seeds_of(text)
    except UsageError:
        return
    assert seeds
    assert len(set(seeds)) == len(seeds)
    assert all(seed >= 0 for seed in seeds)


@given(st.integers(1, 20_000))
def test_a_count_of_seeds_gives_that_many(count):
    try:
        seeds = commands.seeds_of(str(count))
    except UsageError:
        assert count > 1000  # too many is refused, never cut short
        return
    assert seeds == list(range(count))


# cells and jobs


def test_every_method_has_its_first_seed_before_any_has_its_second(store):
    whole = plan.make([dataset("digits_lt"), dataset("cifar10_lt")], ["ce", "focal"], [4, 0], store)
    order = [(cell.seed, cell.dataset.partition("(")[0], cell.method) for cell in whole.cells]
    assert order == list(itertools.product([4, 0], ["digits_lt", "cifar10_lt"], ["ce", "focal"]))
    assert [job.cells for job in whole.jobs] == [(cell,) for cell in whole.cells]
    assert whole.finished == ()
    assert len({job.fingerprint for job in whole.jobs}) == len(whole.jobs)


def test_each_data_set_gets_its_own_network_and_protocol(store):
    whole = plan.make([dataset("digits_lt"), dataset("cifar10_lt")], ["ce"], [0], store)
    assert [(cell.network, cell.protocol) for cell in whole.cells] == [
        ("resnet8", "fast"),
        ("resnet32", "paper"),
    ]
    smaller = plan.make([dataset("cifar10_lt")], ["ce"], [0], store, network="resnet8")
    assert smaller.cells[0].network == smaller.jobs[0].network == "resnet8"


def test_finished_cells_are_dropped_and_their_records_kept(store, make_record):
    whole = plan.make(DIGITS, ["ce", "focal"], [0, 1], store)
    for cell in whole.cells[:3]:
        finish(store, cell, make_record)
    rest = plan.make(DIGITS, ["ce", "focal"], [0, 1], store)
    assert rest.cells == whole.cells
    assert [Cell.of(record) for record in rest.finished] == list(whole.cells[:3])
    assert [job.cells for job in rest.jobs] == [(whole.cells[3],)]
    again = plan.make(DIGITS, ["ce", "focal"], [0, 1], store, force=True)
    assert again.finished == ()
    assert again.jobs == tuple(replace(job, anew=True) for job in whole.jobs)


def test_post_hoc_cells_share_the_training_of_their_base(store, make_record):
    methods = ["ce", "ce+posthoc_logit_adjustment", "ce+posthoc_logit_adjustment(tau=2.0)", "focal"]
    whole = plan.make(DIGITS, methods, [0], store)
    shared, other = whole.jobs
    assert [cell.method for cell in shared.cells] == methods[:3]
    assert shared.trained == "ce"
    assert other.trained == "focal"
    finish(store, whole.cells[0], make_record)
    (again, _) = plan.make(DIGITS, methods, [0], store).jobs
    assert again.fingerprint == shared.fingerprint
    assert [cell.method for cell in again.cells] == methods[1:3]


def test_a_post_hoc_part_between_others_does_not_hide_what_is_trained(store):
    methods = ["ce+posthoc_logit_adjustment+sam", "ce+sam"]
    (job,) = plan.make(DIGITS, methods, [0], store).jobs
    assert job.trained == "ce+sam"
    assert [cell.method for cell in job.cells] == methods


def test_the_same_cell_asked_for_twice_is_one(store):
    whole = plan.make(
        [*DIGITS, dataset("digits_lt(imbalance=20.0)")],
        ["sam", "sam(rho=0.05)", " sam( rho = 0.05 ) ", "sam(rho=0.1)"],
        [0, 0],
        store,
        protocol_name="fast(epochs=60)",
    )
    assert [cell.method for cell in whole.cells] == ["sam", "sam(rho=0.1)"]
    assert {cell.protocol for cell in whole.cells} == {"fast"}
    assert len(whole.jobs) == 2


def test_a_cell_names_everything_canonically(store):
    (cell,) = plan.make(
        [dataset("digits_lt", 50)], ["ldam_drw + sam(rho=0.8,)"], [3], store,
        protocol_name="fast( validation=0 , epochs=7)",
    ).cells  # fmt: skip
    assert cell == Cell(
        "digits_lt(imbalance=50)", "fast(epochs=7)", "resnet8", "ldam_drw+sam(rho=0.8)", 3
    )
    assert describe(build(cell.method)) == cell.method


def test_every_coordinate_of_a_run_is_in_its_fingerprint(store):
    def mark(data="digits_lt", method="ce", seed=0, name="fast", **options):
        whole = plan.make([dataset(data)], [method], [seed], store, protocol_name=name, **options)
        return whole.jobs[0].fingerprint

    marks = [
        mark(),
        mark(data="digits_lt(imbalance=10)"),
        mark(data="cifar10_lt"),
        mark(method="focal"),
        mark(method="focal(gamma=2.0)"),
        mark(seed=1),
        mark(name="smoke"),
        mark(name="fast(epochs=7)"),
        mark(network="resnet32"),
        mark(validation=1),
    ]
    assert len(set(marks)) == len(marks)
    assert mark() == marks[0]


def test_fingerprints_and_the_defaults_they_leave_out_do_not_change(store):
    """A changed default, or rule, would silently make old records stale, or pass them as new."""
    jobs = plan.make(DIGITS, ["ce", "ldam_drw+sam"], [0], store).jobs
    assert [job.fingerprint for job in jobs] == ["3ae1bafc8ee0c360", "9ad8a7210fd8d5bb"]
    assert {f.name: f.default for f in fields(Stage) if f.default is not MISSING} == {
        "sampler": "instance_balanced", "trainable": ("",), "reset": (), "evaluating": (),
        "method": None, "rates": (),
    }  # fmt: skip
    assert {f.name: f.default for f in fields(Recipe) if f.default is not MISSING} == {
        "momentum": 0.9, "nesterov": False, "warmup_epochs": 0, "schedule": "step",
        "milestones": (0.8, 0.9), "decay": 0.01, "drop_last": False,
        "family": "cifar", "norm_batch": None, "backbone_rate": 1.0,
        "warmup_steps": 0, "clip_norm": None, "frozen_stages": 0, "frozen_norms": False,
        "tail_only": False,
    }  # fmt: skip
    known = Protocol.model_fields.items()
    assert {name: f.default for name, f in known if not f.is_required()} == {
        "warmup_epochs": 5, "schedule": "step", "milestones": "0.8,0.9", "decay": 0.01,
        "momentum": 0.9, "nesterov": False, "drop_last": False, "precision": "bfloat16",
        "subset_seed": 0, "evaluate_every": 1, "validation": 0, "fraction": 1.0,
        "side": None, "family": "cifar", "norm_batch": None, "backbone_rate": 1.0,
        "pretrained": False, "stored_side": None,
        "warmup_steps": 0, "clip_norm": None, "frozen_stages": 0, "frozen_norms": False,
        "tail_only": False,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["ce", "cc_sam", "disalign", "mislas", "bbn"])
def test_stages_are_as_json_gives_them_back(name):
    rows = identity.stages_of(build(name), protocol_of("fast", DIGITS[0].info))
    assert json.loads(json.dumps(rows)) == rows


def test_a_record_made_with_other_settings_is_refused_and_force_is_named(store, make_record):
    (cell,) = plan.make(DIGITS, ["ce"], [0], store).cells
    path = finish(store, cell, make_record)
    path.write_text(path.read_text().replace(store.read(cell).fingerprint, "f" * 16))
    with pytest.raises(LtbenchError) as caught:
        plan.make(DIGITS, ["ce"], [0], store)
    assert str(path) in str(caught.value)
    assert "--force" in str(caught.value)
    assert "--results" in str(caught.value)
    assert len(plan.make(DIGITS, ["ce"], [0], store, force=True).jobs) == 1


def test_a_record_that_does_not_read_is_named_before_anything_is_trained(store, make_record):
    (cell,) = plan.make(DIGITS, ["ce"], [0], store).cells
    path = finish(store, cell, make_record)
    path.write_text(path.read_text()[:200])
    with pytest.raises(LtbenchError, match="does not read") as caught:
        plan.make(DIGITS, ["ce"], [0], store)
    assert str(path) in str(caught.value)


# what cannot be planned


DRAWN = sorted(n for n, info in CATALOG.items() if not info.listed and info.kind == "single")


@pytest.mark.parametrize("name", DRAWN)
def test_an_imbalance_that_leaves_a_class_empty_is_refused_with_the_largest_that_does_not(
    store, name
):
    head = CATALOG[name].head_count
    plan.make([dataset(name, head)], ["ce"], [0], store)
    with pytest.raises(UsageError, match=rf"without images .* at most {head}\."):
        plan.make([dataset(name, head + 1)], ["ce"], [0], store)


def test_an_unknown_network_is_named_with_those_there_are(store):
    with pytest.raises(UsageError, match="unknown network 'resnet18'; did you mean resnet"):
        plan.make(DIGITS, ["ce"], [0], store, network="resnet18")


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("gkp_gsb", "unknown method 'gkp_gsb'"),
        ("ce+sam+sam", "two gradient rules in one composition: sam and sam"),
        ("ce+ldam_drw", "ldam_drw cannot modify ce"),
        ("posthoc_logit_adjustment", "acts on a trained network"),
        ("posthoc_logit_adjustment+sam", "acts on a trained network"),
    ],
)
def test_a_method_that_cannot_be_is_refused_before_any_cell_is_looked_at(store, method, words):
    with pytest.raises(UsageError) as caught:
        plan.make(DIGITS, ["ce", method], [0], store)
    assert words in str(caught.value)
    assert not store.root.exists()


def test_planning_writes_nothing(store):
    plan.make(DIGITS, ["ce", "ldam_drw+sam"], [0, 1], store)
    assert not store.root.exists()
