"""Seeds that different code computed are told apart wherever they are joined."""

import ast
import json
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from ltbench.errors import LtbenchError
from ltbench.registry.methods import build, find, load_file
from ltbench.runs.code import code_of, modules_of, stripped
from ltbench.runs.execute import run_job
from ltbench.runs.plan import make
from ltbench.runs.provenance import Provenance, mixed_code, mixed_versions, provenance_of
from ltbench.runs.status import status
from ltbench.runs.store import Cell

COMPUTING = ("api", "blocks", "data", "engine", "evaluation", "networks")
CLEAN = ("0.1.0", "a" * 40, False)


def computed(code=(), versions=(), commit=CLEAN):
    return Provenance(tuple(versions), tuple(code), commit)


# the hashes


def test_a_run_is_hashed_by_the_folders_it_goes_through_and_the_files_of_its_method():
    plain, composed = code_of(build("ce")), code_of(build("bcl+gkp+gsa"))
    assert set(plain) >= {"api", "data", "engine", "evaluation", "networks", "methods/ce"}
    assert set(composed) - set(plain) == {"blocks", "methods/bcl", "methods/gkp", "methods/gsa"}
    assert all(plain[name] == composed[name] for name in ("api", "data", "engine", "networks"))
    assert not {"cli", "tables", "report", "errors"} & set(composed)


def test_what_trains_and_scores_a_run_is_hashed_and_what_files_it_is_not(jobs_of, workspace):
    (job,) = jobs_of(workspace.results)
    called = set()
    sys.setprofile(lambda frame, *rest: called.add(frame.f_globals.get("__name__", "")))
    try:
        run_job(job, workspace, lambda report: None)
    finally:
        sys.setprofile(None)
    hashed = {name for modules in modules_of(build("ce")).values() for name in modules}
    computing = tuple(f"ltbench.{folder}." for folder in (*COMPUTING, "methods"))
    assert {name for name in called if name.startswith(computing)} <= hashed
    assert {"ltbench.data.loading", "ltbench.runs.recording", "ltbench.runs.training"} <= (
        called & hashed
    )
    assert {"ltbench.data.listed", "ltbench.data.multilabel", "ltbench.data.archive"} <= hashed
    assert not {"ltbench.runs.store", "ltbench.runs.plan", "ltbench.errors"} & hashed


def test_comments_docstrings_and_empty_lines_compute_nothing():
    one = dedent('''
        """What it is."""

        def f(x):  # a comment
            """Return it,

            twice."""
            return "# not a comment", x


        class C: "also"
        ''')
    assert stripped(one) == 'def f(x):\n    return "# not a comment", x\nclass C:'
    assert stripped(one) != stripped(one.replace("x\n", "-x\n"))


def test_a_stripped_module_is_the_same_program():
    root, seen = Path(__file__).resolve().parents[2], 0
    folders = [root / "ltbench" / name for name in COMPUTING]
    for path in [path for folder in (*folders, root / "methods") for path in folder.rglob("*.py")]:
        tree = ast.parse(path.read_text())
        blocks = [n for n in ast.walk(tree) if isinstance(getattr(n, "body", None), list)]
        for block in blocks:
            block.body = [each for each in block.body if not is_text(each)]
        if all(block.body for block in blocks):  # else nothing is left to indent
            assert ast.dump(ast.parse(stripped(path.read_text()))) == ast.dump(tree), path
            seen += 1
    assert seen > 50


def is_text(node):
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


# the comparison


def test_seeds_of_one_code_are_one_whatever_the_commit():
    code = [("engine", "1"), ("methods/ce", "2")]
    other = ("0.2.0", "b" * 40, True)
    assert mixed_code({0: computed(code), 1: computed(code, commit=other)}) == ""
    assert mixed_code({0: computed(code)}) == mixed_code({}) == ""


def test_seeds_of_different_code_are_named_with_what_differs():
    one = computed([("engine", "1"), ("methods/ce", "2")])
    two = computed([("engine", "9"), ("methods/ce", "2")])
    assert mixed_code({0: one, 1: one, 4: two}) == (
        "seeds 0, 1 and seed 4 were computed by different code (engine)"
    )


def test_a_hash_that_older_records_lack_is_no_difference():
    old, one, two = (
        computed([("engine", "1"), *more]) for more in ((), [("runs", "1")], [("runs", "2")])
    )
    assert mixed_code({0: old, 1: one}) == mixed_code({0: one, 1: old, 2: one}) == ""
    words = "seeds 0, 1 and seed 2 were computed by different code (runs)"
    assert mixed_code({0: old, 1: one, 2: two}) == words
    later = computed([("engine", "2"), ("runs", "1")])
    words = "seed 0 and seed 1 were computed by different code (engine)"
    assert mixed_code({0: old, 1: later}) == words


def test_seeds_that_have_not_been_run_are_not_called_computed():
    one, two = computed([("engine", "1")]), computed([("engine", "2")])
    assert mixed_code({0: one, 1: two, 2: one, 3: two, 4: two}, {3, 4}) == (
        "seeds 0, 2 were computed by other code (engine) than seeds 3, 4 would be now"
    )
    assert mixed_code({0: one, 1: one}, {1}) == ""
    old, changed = computed(), computed(commit=("0.1.0", "b" * 40, True))
    assert mixed_code({0: old, 1: changed}, {1}) == (
        "seed 0 (commit aaaaaaa) was computed by other code than "
        "seed 1 (commit bbbbbbb with changes) would be now"
    )


def test_seeds_without_hashes_are_compared_by_commit():
    old, new = computed(), computed([("engine", "1")])
    assert mixed_code({0: old, 1: computed()}) == ""
    assert mixed_code({0: old, 1: new}) == ""  # of the same clean commit
    later = computed(commit=("0.1.0", "b" * 40, True))
    assert mixed_code({0: old, 1: later}) == (
        "seed 0 (commit aaaaaaa) and seed 1 (commit bbbbbbb with changes) "
        "were computed by different code"
    )


def test_seeds_of_different_versions_of_a_method_are_not_one_method():
    one, two = computed(), computed(versions=[("mine", 2)])
    assert mixed_versions({0: one, 1: one}) == ""
    assert mixed_versions({0: one, 1: two}) == "seed 0 by version 1 and seed 1 by version 2 of mine"


def test_seeds_of_other_pixels_are_told_apart_and_unknown_ones_are_not():
    one, two = (computed()._replace(pixels=digit * 64) for digit in "12")
    assert mixed_versions({0: one, 1: two, 2: computed()}) == "seed 0 and seed 1 on other images"
    assert mixed_versions({0: one, 1: one, 2: computed()}) == ""


# where seeds are joined


@pytest.fixture
def finished(jobs_of, workspace, store):
    """A record of seed 0 as this code makes it, whose hashes may be changed."""
    (job,) = jobs_of(workspace.results)
    (record,) = run_job(job, workspace, lambda report: None)

    def change(**code):
        store.write(record.model_copy(update={"code": {**record.code, **code}}))

    assert record.code == code_of(build("ce"))
    return change


def planned(store, seeds, **options):
    from ltbench.data.catalog import dataset

    return make([dataset("digits_lt")], ["ce"], seeds, store, protocol_name="smoke", **options)


def test_a_plan_warns_of_finished_seeds_that_other_code_computed(finished, store):
    assert planned(store, [0, 1]).warnings == ()
    finished(engine="0" * 12)
    (warning,) = planned(store, [0, 1]).warnings
    assert "seed 0 was computed by other code (engine) than seed 1 would be now;" in warning
    assert "--force" in warning
    assert planned(store, [0]).warnings == ()
    assert planned(store, [0, 1], force=True).warnings == ()


def test_a_plan_compares_finished_seeds_that_are_not_asked_for(finished, store):
    finished(engine="0" * 12)
    words = "seed 0 was computed by other code (engine) than seed 1 would be now"
    for options in ({}, {"force": True}):
        (warning,) = planned(store, [1], **options).warnings
        assert words in warning
        assert "--seeds 0,1 --force" in warning


def test_a_plan_warns_of_seeds_not_asked_for_that_other_files_made(
    method_file, jobs_of, workspace, store
):
    from ltbench.data.catalog import dataset

    path = method_file("mine", VERSIONED.format(1))
    load_file(path)
    for seed in (0, 1):
        (job,) = jobs_of(workspace.results, "mine", seeds=[seed])
        run_job(job, workspace, lambda report: None)
    path.write_text(path.read_text() + "\n# edited\n")
    load_file(path)
    plan = make([dataset("digits_lt")], ["mine"], [0], store, protocol_name="smoke", force=["mine"])
    (warning,) = plan.warnings
    assert "seed 0 and seed 1 by different files (mine): no mean is of both" in warning


def test_status_names_seeds_of_different_code(store, make_record):
    for seed, code in enumerate(("1", "1", "2")):
        store.write(make_record(seed=seed, code={"engine": code}))
    (line,) = status(store)
    assert line.mixed_code == "seeds 0, 1 and seed 2 were computed by different code (engine)"
    store.path(Cell.of(make_record(seed=2))).unlink()
    assert status(store)[0].mixed_code == ""


def test_a_record_from_before_the_hashes_still_reads(make_record):
    content = json.loads(make_record().model_dump_json())
    del content["code"], content["versions"]
    record = type(make_record()).model_validate_json(json.dumps(content))
    assert provenance_of(record).code == ()


VERSIONED = """
    version = {}

    def losses(self, outputs, batch, clock):
        return super().losses(outputs, batch, clock)
"""


def test_a_run_of_another_declared_version_is_refused(
    method_file, jobs_of, workspace, store, monkeypatch
):
    load_file(method_file("mine", VERSIONED.format(1)))
    (job,) = jobs_of(workspace.results, "mine")
    (record,) = run_job(job, workspace, lambda report: None)
    assert record.versions == {}
    monkeypatch.setattr(find("mine"), "version", 2)  # as an upgrade of ltbench would
    with pytest.raises(LtbenchError, match="another version of the method") as caught:
        jobs_of(workspace.results, "mine")
    assert "--force" in str(caught.value)
    (job,) = jobs_of(workspace.results, "mine", seeds=[1])
    (record,) = run_job(job, workspace, lambda report: None)
    assert record.versions == {"mine": 2}
    (line,) = status(store)
    assert "by version 1 and seed 1 by version 2 of mine" in line.mixed_code
    assert line.headline is None  # as in a table


def test_seeds_by_different_files_of_one_method_have_no_mean():
    one, two = (("mine", "a"), ("mine.helper", "b")), (("mine", "a"), ("mine.helper", "c"))
    here = {seed: computed()._replace(sources=files) for seed, files in enumerate((one, one, two))}
    words = "seeds 0, 1 and seed 2 by different files (mine.helper)"
    assert mixed_versions(here) == words
    assert mixed_versions({0: here[0], 1: here[1]}) == ""
