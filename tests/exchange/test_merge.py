"""Bundles and merging: what is sound arrives byte by byte, the rest is named, nothing is lost."""

import io
import json
import os
import shutil
import stat
import zipfile
from pathlib import Path

import pytest
from archives import rewritten

from ltbench.errors import LtbenchError, UsageError
from ltbench.exchange import source as source_module
from ltbench.exchange.bundle import MANIFEST, write_bundle
from ltbench.exchange.merge import merge
from ltbench.exchange.source import read_source
from ltbench.runs import unit
from ltbench.runs.identity import fingerprint_in
from ltbench.runs.record import Record
from ltbench.runs.store import Cell
from ltbench.runs.unit import sha256


@pytest.fixture
def bundle(store, tmp_path) -> Path:
    path = tmp_path / "records.zip"
    with path.open("wb") as file:
        assert write_bundle(store, store.records(), file) == 10
    return path


def listed(files: dict[str, bytes]) -> None:
    """Make the manifest that an archive's contents should have."""
    manifest = json.loads(files[MANIFEST])
    manifest["files"] = {n: sha256(c) for n, c in files.items() if n != MANIFEST}
    files[MANIFEST] = json.dumps(manifest).encode()


def words(findings):
    return sorted(finding.word for finding in findings)


def changed(record: Record, **changes) -> Record:
    """Return a record with other content and the fingerprint which that gives."""
    other = Record(**{**record.__dict__, **changes})
    return other.model_copy(update={"fingerprint": fingerprint_in(other)})


# bundles


def test_the_same_records_give_the_same_bytes(store, bundle):
    again = io.BytesIO()
    write_bundle(store, store.records(), again)
    assert again.getvalue() == bundle.read_bytes()


def test_a_manifest_has_the_checksum_of_every_other_file(bundle):
    with zipfile.ZipFile(bundle) as archive:
        manifest = json.loads(archive.read(MANIFEST))
        names = set(archive.namelist()) - {MANIFEST}
        assert manifest["files"] == {name: sha256(archive.read(name)) for name in names}
    assert (manifest["records"], manifest["schema_version"], len(names)) == (10, 1, 20)


# what is sound


def test_a_bundle_arrives_byte_by_byte_and_twice_changes_nothing(store, ours, bundle, contents):
    assert words(merge(read_source(bundle), ours)) == ["added"] * 10
    assert contents(ours.root) == contents(store.root)
    assert words(merge(read_source(bundle), ours)) == ["already there"] * 10
    assert contents(ours.root) == contents(store.root)


def test_a_results_folder_and_an_unpacked_bundle_merge_like_a_bundle(
    store, ours, bundle, contents, tmp_path
):
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path / "unpacked")
    source = read_source(tmp_path / "unpacked")
    assert source.manifest is not None
    assert words(merge(source, ours)) == ["added"] * 10
    assert contents(ours.root) == contents(store.root)
    assert read_source(store.root).manifest is None
    assert words(merge(read_source(store.root), ours)) == ["already there"] * 10


def test_a_dry_run_finds_the_same_and_writes_nothing(ours, bundle):
    assert words(merge(read_source(bundle), ours, dry_run=True)) == ["added"] * 10
    assert not ours.root.exists()


def test_a_merged_record_removes_the_failure_it_makes_good(store, ours, bundle):
    record = next(store.records())
    failed = ours.failure_path(Cell.of(record))
    failed.parent.mkdir(parents=True)
    failed.write_text("{}")
    list(merge(read_source(bundle), ours))
    assert not failed.exists()


def test_a_foreign_method_is_taken_with_a_word_on_what_was_not_checked(store, ours):
    record = next(store.records())
    foreign = changed(
        record, method="theirs", trained="theirs", parameters={"theirs": {"x": 1.0}},
        sources={"theirs": "0" * 64},
    )  # fmt: skip
    store.write(foreign)
    findings = {finding.name: finding for finding in merge(read_source(store.root), ours)}
    found = next(finding for name, finding in findings.items() if "theirs" in name)
    assert found.word == "added"
    assert "there is no theirs here" in found.reason
    # Another seed of another file of that name: their mean would be of two methods.
    other = changed(foreign, seed=1, sources={"theirs": "1" * 64})
    store.path(Cell.of(foreign)).unlink()
    store.write(other)
    (conflict,) = [f for f in merge(read_source(store.root), ours) if f.word != "already there"]
    assert conflict.word == "conflict"
    assert "another file of the method" in conflict.reason


def test_a_neighbour_from_before_a_setting_was_added_is_no_other_recipe(store, ours):
    first, second, *_ = store.records()
    before = {name: value for name, value in first.settings.items() if name != "fraction"}
    ours.write(first.model_copy(update={"settings": before}))
    findings = {finding.name: finding.word for finding in merge(read_source(store.root), ours)}
    assert findings.pop(str(store.path(Cell.of(first)).relative_to(store.root))) == "already there"
    assert set(findings.values()) == {"added"}
    assert ours.read(Cell.of(second)) == second


# conflicts


def other_scores(record: Record) -> Record:
    """Return a record whose last epoch has one hit less, of the first class."""
    last = record.last
    correct = (last.correct[0] - 1, *last.correct[1:])
    accuracy = 100 * correct[0] / last.total[0]
    return record.model_copy(update={"last": last.model_copy(update={
        "correct": correct, "top1": 100 * sum(correct) / sum(last.total), "many": accuracy,
    })})  # fmt: skip


def test_the_same_result_at_another_time_is_already_there(store, ours, contents):
    list(merge(read_source(store.root), ours))
    before = contents(ours.root)
    record = next(store.records())
    cost = record.cost.model_copy(update={"train_seconds": 77.0})
    later = {"finished": "2030-01-01T00:00:00+00:00", "cost": cost}
    store.write(record.model_copy(update=later))
    assert words(merge(read_source(store.root), ours)) == ["already there"] * 10
    assert contents(ours.root) == before


def test_another_run_of_a_cell_is_a_conflict_and_ours_is_kept(store, ours, contents):
    list(merge(read_source(store.root), ours))
    before = contents(ours.root)
    record = next(store.records())
    store.write(other_scores(record))
    findings = list(merge(read_source(store.root), ours))
    assert words(findings) == ["already there"] * 9 + ["conflict"]
    (conflict,) = [finding for finding in findings if finding.word == "conflict"]
    assert str(Cell.of(record)) in conflict.reason
    assert "is another run, with top-1" in conflict.reason
    assert contents(ours.root) == before


def test_our_damaged_record_is_named_and_left(store, ours):
    path = ours.path(Cell.of(next(store.records())))
    path.parent.mkdir(parents=True)
    path.write_text("{")
    findings = list(merge(read_source(store.root), ours))
    assert words(findings) == ["added"] * 9 + ["conflict"]
    assert path.read_text() == "{"


def test_a_record_written_by_another_process_meanwhile_is_kept(store, ours, monkeypatch):
    record = next(store.records())
    meanwhile = other_scores(record)
    real = unit.write_new

    def late(path, content):
        if path == ours.path(Cell.of(record)):
            ours.write(meanwhile)
        return real(path, content)

    monkeypatch.setattr(unit, "write_new", late)
    assert words(merge(read_source(store.root), ours)) == ["added"] * 9 + ["conflict"]
    assert ours.read(Cell.of(record)) == meanwhile
    assert not list(ours.root.rglob("*.tmp"))


def test_records_of_other_pixels_are_a_conflict_and_old_ones_tell_nothing_of_them(store, ours):
    first, second, *rest = store.records()

    def of_pixels(record, digit):
        data = record.data.model_copy(update={"pixels_sha256": digit * 64})
        return record.model_copy(update={"data": data})

    for record in rest:
        store.path(Cell.of(record)).unlink()
    ours.write(first)
    store.write(of_pixels(first, "2"))
    store.write(of_pixels(second, "1"))
    assert words(merge(read_source(store.root), ours)) == ["added", "already there"]
    ours.path(Cell.of(first)).unlink()
    findings = {f.word: f for f in merge(read_source(store.root), ours)}
    assert findings.keys() == {"already there", "conflict"}
    assert "(pixels_sha256 22222222…, ours 11111111…)" in findings["conflict"].reason


def test_records_of_other_images_are_a_conflict(store, ours):
    list(merge(read_source(store.root), ours))
    shutil.rmtree(store.root)
    record = next(ours.records())
    other = record.data.model_copy(update={"indices_sha256": "1" * 64})
    store.write(record.model_copy(update={"seed": 77, "data": other}))
    stranger = store.read(Cell.of(record.model_copy(update={"seed": 77})))
    store.write(stranger.model_copy(update={"fingerprint": fingerprint_in(stranger)}))
    (finding,) = merge(read_source(store.root), ours)
    assert finding.word == "conflict"
    assert "its images are not those of our" in finding.reason


# what is refused


SPOILT = {
    "a better score, not its checksum": ("checksum of", lambda t: t.replace(b"96.2", b"97.2")),
    "cut": ("does not read|checksum", lambda t: t[: len(t) // 2]),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_changed_file_in_a_bundle_is_refused_by_its_sha256(ours, bundle, kind):
    reason, change = SPOILT[kind]
    name = "runs/digits_lt-imbalance=20/fast/resnet8/ce/seed0.json"
    rewritten(bundle, lambda files: files.update({name: change(files[name])}))
    findings = list(merge(read_source(bundle), ours))
    assert words(findings) == ["added"] * 9 + ["refused"]
    (refused,) = [finding for finding in findings if finding.word == "refused"]
    assert refused.name == name
    assert any(word in refused.reason for word in reason.split("|"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"method": "focal"}, "its fingerprint is"),
        ({"seed": 9}, "its fingerprint is"),
        ({"parameters": {"ce": {"x": 1}}}, "its fingerprint is"),
        ({"settings": {}}, "not those of a protocol"),
        ({"stages": [{"name": "train"}]}, "not those of a protocol"),
        ({"schema_version": 2}, "schema version is 2"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_record_whose_content_and_fingerprint_differ_is_refused(store, ours, change, reason):
    path = store.path(Cell.of(next(store.records())))
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    findings = list(merge(read_source(store.root), ours))
    (refused,) = [finding for finding in findings if finding.word != "added"]
    assert refused.word == "refused"
    assert reason in refused.reason


def with_cost(record, **changes):
    return {"cost": record.cost.model_copy(update=changes)}


def at(record, **changes):
    return {"environment": record.environment.model_copy(update=changes)}


def with_last(record, **changes):
    return {"last": record.last.model_copy(update=changes)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: {"data": r.data.model_copy(update={"class_counts": (5,) * 10})}, "class counts"),
        (lambda r: {"data": r.data.model_copy(update={"many_above": 50})}, "other thresholds"),
        (lambda r: {"data": r.data.model_copy(update={"indices_sha256": "x"})}, "no SHA-256"),
        (lambda r: with_last(r, few=99.9), "few does not follow"),
        (lambda r: with_last(r, medium=99.9), "medium does not follow"),
        (lambda r: with_last(r, many=None), "many does not follow"),
        (
            lambda r: with_last(r, total=(1,) * 10, correct=(1,) * 10, top1=100.0),
            "other test images",
        ),
        (
            lambda r: with_last(r, total=(10**400,) * 10, correct=(0,) * 10, top1=0.0),
            "other test images",
        ),
        (lambda r: with_last(r, epoch=10**9), "its last epoch is 1000000000, of 60"),
        (lambda r: {"best": r.best.model_copy(update={"epoch": 61})}, "its best epoch 61 is none"),
        (lambda r: {"best": r.best.model_copy(update={"epoch": 7})}, "its best epoch 7 is none"),
        (lambda r: {"selected": r.last}, "the protocol holds no images out"),
        (lambda r: {"data": r.data.model_copy(update={"test_images": 1})}, "test_images does not"),
        (lambda r: {"trained": "focal"}, "ce trains ce, not focal"),
        (lambda r: {"finished": "yesterday"}, "which is no time"),
        (lambda r: {"deviations": ["\x1b[2J"]}, "a character that does not print"),
        (lambda r: {"deviations": ["x" * 10_000]}, "a text of 10000 characters"),
        (lambda r: {"deviations": ["x"] * 101}, "more than 100 deviations"),
        (lambda r: {"code": {f"f{n}": "0" * 12 for n in range(3000)}}, "or 2000 other values"),
        (lambda r: {"files": {"curves": "0" * 63}}, "the files beside it have no SHA-256"),
        (lambda r: {"files": {"../x": "0" * 64}}, "the files beside it have no SHA-256"),
        (lambda r: with_cost(r, peak_memory_mib=-1.0), "its memory, energy, parameters"),
        (lambda r: with_cost(r, joules=1e13), "its memory, energy, parameters"),
        (lambda r: with_cost(r, joules=5.0, first_stage_joules=6.0), "its memory, energy, parame"),
        (lambda r: with_cost(r, parameters=-1), "its memory, energy, parameters"),
        (lambda r: with_cost(r, train_seconds=1e-320), "which no run does"),
        (lambda r: with_cost(r, train_seconds=1e300), "which no run does"),
        (lambda r: with_cost(r, first_stage_seconds=1e8), "its first stage or its waiting took"),
        (lambda r: with_cost(r, waited_seconds=1e8), "its first stage or its waiting took"),
        (lambda r: with_cost(r, evaluate_seconds=0), "evaluated for 0 seconds, which no run does"),
        (lambda r: with_cost(r, images_per_second=0), "speed or threads are those of no machine"),
        (lambda r: with_cost(r, peak_memory_mib=1e9), "its memory, energy, parameters"),
        (lambda r: {"best": None}, "it was evaluated and has no best epoch"),
        (lambda r: {"deviations": [" "]}, "a deviation without words"),
        (lambda r: {"code": {"api": "/etc/passwd"}}, "the hashes of its code are none"),
        (lambda r: at(r, torch="=1+1"), "has a version that is none"),
        (lambda r: at(r, cuda=""), "has a version that is none"),
        (lambda r: at(r, commit="/etc/passwd", dirty=False), "its commit is no SHA-1"),
        (lambda r: at(r, commit="0" * 40, dirty=None), "known together or not at all"),
        (lambda r: at(r, platform=""), "its device or platform has no name"),
        (lambda r: with_cost(r, steps=1), "it took 1 steps, where its recipe has"),
    ],
)
def test_images_and_scores_that_cannot_be_are_refused_by_an_empty_store(
    store, ours, change, reason
):
    record = next(store.records())
    counts = change(record)
    if "data" in counts and "class" in reason:  # so that its shot groups are none's
        scores = record.last.model_copy(update={"many": None, "few": record.last.top1})
        counts |= {"last": scores, "best": scores}
    shutil.rmtree(store.root)
    store.write(record.model_copy(update=counts))
    (finding,) = merge(read_source(store.root), ours)
    assert finding.word == "refused"
    assert reason in finding.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"seed": 10**30}, "its seed is above"),
        ({"seed": 10**300}, "its seed is above"),
        ({"network": "resnet9"}, "this version cannot run it: unknown network 'resnet9'"),
        (
            {"network": "../../../outside"},
            "this version cannot run it: unknown network '../../../outside'",
        ),
        ({"dataset": "digits_lt"}, "not written in canonical form"),
        ({"protocol": "fast(epochs=60)"}, "not written in canonical form"),
        ({"method": "ce(x=1)", "trained": "ce"}, "this version cannot run it: unknown parameter"),
    ],
)
def test_a_cell_that_cannot_be_is_refused_and_costs_itself_only(
    store, ours, bundle, change, reason
):
    record = changed(next(store.records()), **change)

    def add(files):
        files["runs/a/b/c/d/seed0.json"] = record.model_dump_json().encode()
        listed(files)

    source = read_source(rewritten(bundle, add))
    for dry_run in (True, False):
        findings = list(merge(source, ours, dry_run=dry_run))
        assert words(findings) == ["added"] * 10 + ["refused"]
        (refused,) = [finding for finding in findings if finding.word == "refused"]
        assert reason in refused.reason


@pytest.mark.parametrize(
    ("curves", "reason"),
    [
        (b"\xff\xfe", "no CSV file in UTF-8"),
        (b"", "no header"),
        (b"epoch,epoch\n1,1\n", "no header"),
        (b"epoch,=HYPERLINK()\n1,1\n", "a column whose name is none"),
        (b"epoch,loss\n1,=1+1\n", "not one number or name a column"),
        (b"epoch,loss\n1\n", "not one number or name a column"),
        (b"epoch,loss\n" + b"1,2\n" * 61, "more rows than its 60 epochs"),
    ],
)
def test_curves_that_are_none_are_refused_with_their_record(store, ours, curves, reason):
    store.curves_path(Cell.of(next(store.records()))).write_bytes(curves)
    findings = list(merge(read_source(store.root), ours))
    (refused,) = [finding for finding in findings if finding.word != "added"]
    assert (refused.word, reason in refused.reason) == ("refused", True)


def test_a_link_and_a_pipe_in_a_folder_are_refused_and_nothing_hangs(store, ours, tmp_path):
    first, second, *_ = store.records()
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    curves = store.curves_path(Cell.of(first))
    curves.unlink()
    curves.symlink_to(secret)
    pipe = store.path(Cell.of(second))
    pipe.unlink()
    os.mkfifo(pipe)
    findings = list(merge(read_source(store.root), ours))
    assert words(findings) == ["added"] * 8 + ["refused"] * 2
    assert all("no regular file" in f.reason for f in findings if f.word == "refused")
    assert not any(b"secret" in path.read_bytes() for path in ours.root.rglob("*.csv"))
    assert len(list(store.records())) == 9
    with pytest.raises(UsageError, match="it is no regular file"):
        read_source(pipe)


def test_a_linked_file_of_our_own_store_is_never_sent_to_others(store, tmp_path):
    first, second, *_ = store.records()
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    linked, piped = (store.curves_path(Cell.of(record)) for record in (first, second))
    for path in (linked, piped):
        path.unlink()
    linked.symlink_to(secret)
    os.mkfifo(piped)
    out = io.BytesIO()
    write_bundle(store, store.records(), out)
    with zipfile.ZipFile(out) as archive:
        names = archive.namelist()
        assert not any(b"secret" in archive.read(name) for name in names)
    assert len(names) == 10 + 8 + 1
    assert sum("it is no regular file" in problem for problem in store.problems) == 2


def test_curves_that_are_not_those_of_the_hash_in_their_record_are_refused(store, ours):
    record = next(store.records())
    curves = store.curves_path(Cell.of(record))
    own = record.model_copy(update={"files": {"curves": sha256(curves.read_bytes())}})
    store.write(own)
    assert words(merge(read_source(store.root), ours)) == ["added"] * 10
    assert ours.read(Cell.of(own)).files == own.files
    ours.curves_path(Cell.of(own)).write_text("spoilt")
    assert words(merge(read_source(store.root), ours)) == ["already there"] * 10
    assert ours.curves_path(Cell.of(own)).read_bytes() == curves.read_bytes()  # healed
    shutil.rmtree(ours.root)
    curves.write_text("epoch,loss\n1,2\n")
    (refused,) = [f for f in merge(read_source(store.root), ours) if f.word != "added"]
    assert "its curves are not those whose SHA-256 it has" in refused.reason


def test_a_file_that_unpacks_to_a_hundred_times_its_size_costs_itself_only(store, ours, tmp_path):
    """A bundle of 1.3 MB would write 1.3 GB."""
    path = store.curves_path(Cell.of(next(store.records())))
    path.write_text("epoch,loss\n" + "\n".join(f"{epoch},{'0' * 40}" for epoch in range(60)) * 100)
    bundle = tmp_path / "records.zip"
    with bundle.open("wb") as file:
        write_bundle(store, store.records(), file)
    for dry_run in (True, False):
        findings = list(merge(read_source(bundle), ours, dry_run=dry_run))
        assert words(findings) == ["added"] * 9 + ["refused"]
        (refused,) = [finding for finding in findings if finding.word == "refused"]
        assert "seed0.csv unpacks to more than 100 times its size" in refused.reason


def test_a_bundle_that_unpacks_to_more_than_any_has_is_stopped(ours, bundle, monkeypatch):
    monkeypatch.setattr(source_module, "LARGEST_WHOLE", 2**14)
    findings = list(merge(read_source(bundle), ours))
    assert {finding.word for finding in findings} == {"added", "refused"}
    refused = [finding for finding in findings if finding.word == "refused"]
    assert all("the files before it have more" in finding.reason for finding in refused)
    monkeypatch.setattr(source_module, "MOST", 3)
    with pytest.raises(UsageError, match="21 files, more than 3"):
        read_source(bundle)


def test_a_dry_run_tells_of_records_that_do_not_fit_one_another(store, ours):
    foreign = changed(
        next(store.records()), method="theirs", trained="theirs", parameters={"theirs": {"x": 1.0}},
        sources={"theirs": "0" * 64},
    )  # fmt: skip
    store.write(foreign)
    store.write(changed(foreign, seed=1, sources={"theirs": "1" * 64}))
    dry = words(merge(read_source(store.root), ours, dry_run=True))
    assert dry == ["added"] * 11 + ["conflict"]
    assert words(merge(read_source(store.root), ours)) == dry


def test_a_record_of_other_settings_under_a_protocols_name_is_refused(store, ours):
    record = next(store.records())
    settings = {**record.settings, "epochs": 90}
    store.write(changed(record, settings=settings))
    findings = list(merge(read_source(store.root), ours))
    (refused,) = [finding for finding in findings if finding.word != "added"]
    assert "with other settings" in refused.reason


def test_a_bundle_of_another_schema_is_refused_as_a_whole(bundle):
    def later(files):
        files[MANIFEST] = files[MANIFEST].replace(b'"schema_version": 1', b'"schema_version": 2')

    with pytest.raises(LtbenchError, match="schema version 2, and this version of ltbench reads 1"):
        read_source(rewritten(bundle, later))


EVIL = [
    "../outside.json", "/tmp/outside.json", "runs/../../x/fast/resnet8/seed0.json",
    "runs\\a\\b\\c\\d\\seed0.json", "C:/runs/seed0.json", "runs/a/b/c/d/notes.txt",
    "runs/a/b/c/d/seed0.failed.json", "seed0.json",
]  # fmt: skip


@pytest.mark.parametrize("name", EVIL)
def test_names_that_are_no_place_in_a_store_are_refused(ours, bundle, name, tmp_path):
    def add(files):
        files[name] = files["runs/digits_lt-imbalance=20/fast/resnet8/ce/seed0.json"]
        listed(files)

    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(ours.root)}
    findings = list(merge(read_source(rewritten(bundle, add)), ours))
    assert words(findings) == ["added"] * 10 + ["refused"]
    after = {path for path in tmp_path.rglob("*") if not path.is_relative_to(ours.root)}
    assert after == before
    assert sorted(path.name for path in ours.root.iterdir()) == ["runs"]


def test_the_record_chooses_its_place_not_the_name_in_the_archive(store, ours, bundle):
    def move(files):
        name = "runs/digits_lt-imbalance=20/fast/resnet8/ce/seed0.json"
        files["runs/a/b/c/d/seed0.json"] = files.pop(name)
        del files[name.replace("json", "csv")]
        listed(files)

    assert words(merge(read_source(rewritten(bundle, move)), ours)) == ["added"] * 10
    assert {Cell.of(r) for r in ours.records()} == {Cell.of(r) for r in store.records()}
    assert not ours.problems


def test_a_link_in_an_archive_is_refused(ours, bundle):
    entry = zipfile.ZipInfo("runs/a/b/c/d/seed0.json")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr(entry, "/etc/passwd")
    (refused,) = [f for f in merge(read_source(bundle), ours) if f.word == "refused"]
    assert refused.reason == "it is no plain file"


def test_what_the_manifest_names_and_the_archive_lacks_is_refused(ours, bundle):
    def lose(files):
        del files["runs/digits_lt-imbalance=20/fast/resnet8/ce/seed0.json"]
        del files["runs/digits_lt-imbalance=20/fast/resnet8/ce/seed1.csv"]

    findings = list(merge(read_source(rewritten(bundle, lose)), ours))
    assert words(findings) == ["added"] * 8 + ["refused"] * 2
    assert all("missing" in f.reason for f in findings if f.word == "refused")


def test_a_file_that_unpacks_to_more_than_a_record_can_have_is_refused(ours, bundle, monkeypatch):
    def swell(files):
        files["runs/a/b/c/d/seed0.json"] = b"0" * 2**21
        listed(files)

    monkeypatch.setattr("ltbench.exchange.source.LARGEST", 2**20)
    findings = list(merge(read_source(rewritten(bundle, swell)), ours))
    (refused,) = [finding for finding in findings if finding.word == "refused"]
    assert "has more than 1 MiB" in refused.reason


def test_a_bundle_that_was_zipped_again_with_its_folders_merges(ours, bundle, tmp_path):
    again = tmp_path / "again.zip"
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path / "out")
    with zipfile.ZipFile(again, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((tmp_path / "out").rglob("*")):  # folders too, as programs do
            archive.write(path, path.relative_to(tmp_path / "out"))
    found = list(merge(read_source(again), ours))
    assert set(words(found)) == {"added"}
    assert len(found) == len(list(ours.records())) > 0


def test_a_bundle_that_was_zipped_again_is_told_to_be_merged_unpacked(tmp_path):
    path = tmp_path / "again.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("records/manifest.json", "{}")
    with pytest.raises(UsageError, match="zipped again merges as a folder, unpacked"):
        read_source(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive"])
def test_what_is_no_bundle_is_named_with_the_remedy(tmp_path, content):
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"is no bundle .*--format bundle"):
        read_source(path)


def test_an_archive_without_manifest_a_missing_file_and_an_empty_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a", "b")
    for name, words_ in (("x.zip", "manifest.json"), ("none.zip", "does not exist")):
        with pytest.raises(UsageError, match=words_):
            read_source(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no records"):
        read_source(tmp_path / "empty")


@pytest.mark.slow
def test_no_byte_of_a_bundle_can_be_turned_unnoticed(store, ours, bundle, contents):
    """Every change is refused, or the bytes that arrive are the true ones."""
    whole, true = bundle.read_bytes(), contents(store.root)
    for index in range(0, len(whole), len(whole) // 60):
        turned = bytearray(whole)
        turned[index] ^= 0x10
        bundle.write_bytes(turned)
        shutil.rmtree(ours.root, ignore_errors=True)
        try:
            list(merge(read_source(bundle), ours))
        except LtbenchError:
            continue
        found = contents(ours.root) if ours.root.exists() else {}
        assert found.items() <= true.items()


def test_a_dry_run_tells_of_a_cell_that_is_offered_twice_as_the_merge_would(
    store, ours, bundle, contents
):
    def repeat(files):
        name = "runs/digits_lt-imbalance=20/fast/resnet8/ce/seed0.json"
        files["runs/a/b/c/d/seed0.json"] = files[name]
        record = other_scores(Record.model_validate_json(files[name]))
        files["runs/a/b/c/d/seed1.json"] = record.model_dump_json().encode()
        listed(files)

    source = read_source(rewritten(bundle, repeat))
    dry = words(merge(source, ours, dry_run=True))
    assert dry == ["added"] * 10 + ["already there", "conflict"]
    assert words(merge(source, ours)) == dry
    assert contents(ours.root) == contents(store.root)  # the curves came with the second
