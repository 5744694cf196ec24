"""Attacks by number: mutated records and bundles, hostile strings, disks that end, crowds.

`nox -s attack` does many of each; the ordinary tests do few (`LTBENCH_ATTACKS` is the factor). The
kills are `tests/runs/kill_driver.py`'s. The draws are the same every time.
"""

import copy
import io
import json
import os
import random
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from disks import disk_of

from ltbench.errors import LtbenchError, printable
from ltbench.exchange.bundle import MANIFEST, write_bundle
from ltbench.exchange.merge import merge
from ltbench.exchange.source import read_source
from ltbench.runs.files import read_record
from ltbench.runs.store import Cell, Store, slug
from ltbench.runs.unit import file_of, sha256, write_unit
from ltbench.specification import parse

ROOT = Path(__file__).resolve().parents[2]
MANY = int(os.environ.get("LTBENCH_ATTACKS", "1"))
COUNTS: dict[str, int] = {}

HOSTILE = [
    None, True, -1, 0, 10**9, 10**30, 10**400, 1e-320, 1e308, "", "x", "\x1b[2J", "\x00", "=1+1",
    "../../x", "/etc/passwd", "x" * 5000, [], {}, [[[[]]]], {"a": {"b": []}}, [0] * 500, "NaN",
    "digits_lt(imbalance=20)", "ce+sam", "\u202e", {"__class__": "x"}, "🙂" * 50, False, -0.0,
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def counted():
    """Write down what was done, where the session asks for it."""
    yield
    if target := os.environ.get("LTBENCH_ATTACK_COUNTS"):
        Path(target).write_text(json.dumps(COUNTS, indent=1) + "\n")


@pytest.fixture(scope="module")
def sound() -> list[str]:
    """The texts of ten committed records."""
    paths = sorted((ROOT / "results" / "runs").glob("digits*/fast/*/*/seed[01].json"))[:10]
    assert len(paths) == 10
    return [path.read_text() for path in paths]


def reason(call: Callable[[], object]) -> str:
    """The sentence that a call is refused with, nothing if it is not."""
    try:
        call()
    except LtbenchError as error:
        return str(error)
    return ""


def places(content, path=()):
    """Every place in a JSON value, as the keys that lead there."""
    yield path
    for key, each in content.items() if isinstance(content, dict) else enumerate(content):
        if isinstance(each, dict | list):
            yield from places(each, (*path, key))
        else:
            yield (*path, key)


def put(content, path, value):
    for key in path[:-1]:
        content = content[key]
    content[path[-1]] = value


def mutated(text: str, dice: random.Random) -> str:
    """A record with one to three values replaced, moved or removed."""
    content = json.loads(text)
    for _ in range(dice.randint(1, 3)):
        path = dice.choice([each for each in places(content) if each])
        try:
            put(content, path, copy.deepcopy(dice.choice(HOSTILE)))
        except (KeyError, IndexError, TypeError):
            continue
    return json.dumps(content)


def leaves(content, path=()):
    """Every value that holds no other, by the names that lead there; empty ones are values."""
    if content and isinstance(content, dict | list):
        pairs = content.items() if isinstance(content, dict) else enumerate(content)
        return {k: v for name, each in pairs for k, v in leaves(each, (*path, name)).items()}
    return {path: content}


# What only a record's author knows, beside what is checked of it: no replacement of it shows.
AUTHORS_OWN = {
    "environment": {"ltbench", "python", "torch", "torchvision", "cuda", "device", "platform",
                    "commit", "dirty", "threads", "processes"},
    "cost": {"train_seconds", "first_stage_seconds", "evaluate_seconds", "waited_seconds",
             "images_per_second", "peak_memory_mib", "joules", "first_stage_joules",
             "parameters"},
    "last": {"calibration_error"}, "best": {"calibration_error"}, "code": {},
}  # fmt: skip


def replaced(offered: str, merged: str) -> set[str]:
    """What of a record was replaced by another value, by class; nothing where it is the same."""
    one, other = (leaves(json.loads(text)) for text in (offered, merged))
    changed = [path for path in one.keys() | other.keys() if one.get(path) != other.get(path)]
    found = set()
    for path in changed:
        head, name = path[0], path[-1]
        assert head == "deviations" or name in AUTHORS_OWN[head], path
        found.add("words of deviations" if head == "deviations" else f"{head}.{name}")
    return found


def test_no_mutated_record_is_taken_for_another_than_it_was(sound, tmp_path):
    """0 spoiled, 0 executed: what merges is a record that our own rules find sound."""
    dice, added = random.Random(1), Counter()
    number = 150 * MANY
    beside = sorted(path for path in tmp_path.parent.iterdir() if path != tmp_path)
    for count in range(number):
        offered, ours = tmp_path / "offered", tmp_path / "ours"
        place = offered / "runs" / "a" / "b" / "c" / "d"
        place.mkdir(parents=True)
        before = dice.choice(sound)
        (place / "seed0.json").write_text(mutated(before, dice))
        dry = [each.word for each in merge(read_source(offered), Store(ours), dry_run=True)]
        real = [each.word for each in merge(read_source(offered), Store(ours))]
        assert dry == real, count
        assert len(real) == 1
        if real == ["added"]:
            store = Store(ours)
            (record,) = store.records()
            merged = store.content(Cell.of(record)).decode()
            added[", ".join(sorted(replaced(before, merged))) or "nothing"] += 1
            assert store.problems == []
            assert 0 <= record.last.top1 <= 100
        else:
            assert not list(ours.rglob("*.json"))
        shutil.rmtree(offered)
        shutil.rmtree(ours, ignore_errors=True)
    assert added.total() < number / 20
    assert sorted(path for path in tmp_path.parent.iterdir() if path != tmp_path) == beside
    COUNTS["mutated records"] = number
    COUNTS["mutated records that are sound records still"] = added.total()
    for replacement, times in added.items():
        COUNTS[f"… of them with {replacement} replaced"] = times


def test_no_byte_or_cut_of_a_bundle_breaks_the_receiver(sound, tmp_path):
    dice, number = random.Random(2), 40 * MANY
    store = Store(tmp_path / "sound")
    for text in sound:
        place = tmp_path / "one.json"
        place.write_text(text)
        store.write(read_record(place))
    out = io.BytesIO()
    write_bundle(store, store.records(), out)
    whole, bundle = out.getvalue(), tmp_path / "bundle.zip"
    true = {text.strip() for text in (p.read_text() for p in store.root.rglob("*.json"))}
    for _ in range(number):
        content = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(content))
            content[at : at + dice.choice((1, 1, 8))] = dice.randbytes(dice.choice((0, 1, 9)))
        bundle.write_bytes(content[: dice.choice((len(content), dice.randrange(len(content))))])
        ours = Store(tmp_path / "ours")
        said = reason(lambda: list(merge(read_source(bundle), ours)))  # noqa: B023  (called here)
        assert "\n" not in said
        for path in ours.root.rglob("*.json"):
            assert path.read_text().strip() in true
        shutil.rmtree(ours.root, ignore_errors=True)
    COUNTS["damaged bundles"] = number


def test_hostile_names_in_an_archive_write_nowhere_else(sound, tmp_path):
    dice, number = random.Random(3), 60 * MANY
    parts = ["..", ".", "", "/", "\\", "runs", "a", "C:", "seed0.json", "seed0.csv", "a\x00b", "~",
             "con", "\u202e", "x" * 300, "seed²5.json", "%2e%2e"]  # fmt: skip
    for _ in range(number):
        name = "/".join(dice.choice(parts) for _ in range(dice.randint(1, 8))) or "."
        files = {name: dice.choice(sound).encode()}
        manifest = {
            "format": "ltbench bundle 1", "schema_version": 1, "ltbench": "0", "records": 1,
            "files": {each: sha256(content) for each, content in files.items()},
        }  # fmt: skip
        folder = tmp_path / "here"
        folder.mkdir()
        with zipfile.ZipFile(folder / "bundle.zip", "w") as archive:
            archive.writestr(MANIFEST, json.dumps(manifest))
            for each, content in files.items():
                archive.writestr(each, content)
        ours = Store(folder / "ours")
        with suppress(LtbenchError):
            list(merge(read_source(folder / "bundle.zip"), ours))
        assert {path.name for path in folder.iterdir()} <= {"bundle.zip", "ours"}
        assert {path.name for path in ours.root.glob("*")} <= {"runs"}
        shutil.rmtree(folder)
    COUNTS["hostile names in archives"] = number


def test_hostile_strings_are_refused_or_read_in_one_sentence(tmp_path):
    dice, number = random.Random(4), 570 * MANY
    alphabet = "ce+sam(=),.'\"[]{}:@ \n\t\x1b\x00éß漢🙂0123456789eE-_*/\\%$`;|&<>"
    for _ in range(number):
        text = "".join(dice.choice(alphabet) for _ in range(dice.randint(0, 60)))
        said = reason(lambda: parse(text))  # noqa: B023  (called here)
        assert "\x1b" not in printable(said)
        assert slug(text or "x").isascii()
        assert Path("x", slug(text or "x")).resolve().parent == Path("x").resolve()
    COUNTS["hostile strings"] = number


def test_a_disk_that_ends_anywhere_leaves_the_old_unit_or_the_new(sound, tmp_path):
    one = tmp_path / "one.json"
    one.write_text(sound[0])
    record, store = read_record(one), Store(tmp_path / "store")
    old = write_unit(store, record, {"curves": b"o" * 3000, "logits": b"o" * 9000}, None)
    new = {"curves": b"n" * 3000, "logits": b"n" * 9000}
    limits = range(0, 10_000, 400 if MANY > 1 else 2000)
    for limit in limits:
        before = store.content(Cell.of(record))
        with disk_of(limit):
            said = reason(lambda: write_unit(store, record, new, before))  # noqa: B023
        assert not said or "cannot write" in said
        found = store.read(Cell.of(record))
        contents = {kind: file_of(store, found, kind).read_bytes() for kind in found.files}
        assert contents in ({"curves": b"o" * 3000, "logits": b"o" * 9000}, new)
        assert not [*store.root.rglob("*.tmp"), *store.root.rglob("*.new")]
        if contents == new:
            write_unit(store, record, dict.fromkeys(new, b"o"), store.content(Cell.of(record)))
            old = write_unit(
                store, record, {"curves": b"o" * 3000, "logits": b"o" * 9000},
                store.content(Cell.of(record)),
            )  # fmt: skip
    assert store.read(Cell.of(record)) == old
    COUNTS["disk limits"] = len(limits)


@pytest.mark.slow
def test_a_crowd_of_processes_on_one_store_neither_loses_nor_mixes_a_record(tmp_path):
    """Every other one trains with --force, into what the rest are reading and merging into."""
    number, methods = 10 if MANY > 1 else 3, ["ce", "focal"]
    shared, theirs = tmp_path / "results", tmp_path / "theirs"
    ltbench = [sys.executable, "-c", "from ltbench.cli import main; main()"]
    run = [
        *ltbench, "run", "--methods", ",".join(methods), "--dataset", "digits_lt", "--seeds", "2",
        "--protocol", "smoke(fraction=0.1)", "--quiet", "--results",
    ]  # fmt: skip
    subprocess.run([*run, str(theirs)], check=True, timeout=120)
    bundle = tmp_path / "bundle.zip"
    subprocess.run(
        [*ltbench, "export", "--results", str(theirs), "--format", "bundle", "--output",
         str(bundle)], check=True, timeout=120,
    )  # fmt: skip
    calls = [
        [*run, str(shared)],
        [*run, str(shared), "--force"],
        [*ltbench, "merge", str(bundle), "--results", str(shared)],
    ]
    crowd = [
        subprocess.Popen(
            calls[each % len(calls)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for each in range(number)
    ]
    said = [process.communicate(timeout=300) for process in crowd]
    assert [process.returncode for process in crowd] == [0] * number, said
    store, other = Store(shared), Store(theirs)
    found = {Cell.of(record): record for record in store.records()}
    assert store.problems == []
    assert len(found) == 2 * len(methods)
    for record in other.records():
        here = found[Cell.of(record)]
        assert here.last == record.last
        for kind in here.files:
            assert file_of(store, here, kind) is not None, kind
    assert not [*shared.rglob("*.tmp"), *shared.rglob("*.new"), *shared.rglob("*.failed.json")]
    COUNTS["processes at once on one store"] = number
