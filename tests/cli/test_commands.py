"""The commands that look: they answer at once, in words or in JSON, and change nothing."""

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from ltbench import __version__
from ltbench.runs.store import Store

HEAVY = ("torch", "torchvision", "numpy", "pandas", "scipy", "sklearn", "matplotlib")
LIGHT = "print(*[name for name in ('pydantic', 'yaml') if name in sys.modules], file=sys.stderr)"
WATCH = f"print(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"


def strict(text: str) -> object:
    """Parse JSON as other programs do: NaN and Infinity are none."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(
    "words", [[], ["--help"], ["run", "--help"], ["--version"], ["data", "--help"]]
)
def test_help_imports_nothing_heavy(words):
    script = f"""
import sys
import ltbench.cli
{WATCH}
{LIGHT}
try:
    ltbench.cli.main()
finally:
    {WATCH}
"""
    call = [sys.executable, "-c", script, *words]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.stderr.split() == []
    assert done.returncode == (0 if words else 2)  # no command at all: the help, as an error
    assert __version__ in done.stdout if words == ["--version"] else "Usage: " in done.stdout


def test_a_table_without_intervals_imports_nothing_heavy(tmp_path):
    script = f"import sys; from ltbench.cli import main\ntry: main()\nfinally: {WATCH}"
    call = [sys.executable, "-c", script, "table", "1", "--results", str(tmp_path)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Top-1 accuracy" in done.stdout
    assert done.stderr.split() == []


@pytest.mark.parametrize("option", ["--coverage", "--details"])
def test_what_is_only_shown_loads_no_templates(tmp_path, option):
    script = (
        "import sys\nfrom ltbench.cli import main\ntry: main()\n"
        "finally: print('jinja2' in sys.modules, file=sys.stderr)"
    )
    call = [sys.executable, "-c", script, "table", "1", option, "--results", str(tmp_path)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr.split() == ["False"]


@pytest.mark.parametrize(
    ("words", "drawing"),
    [(("figure", "5"), "matplotlib.pyplot"), (("ledger", "--format", "csv"), "matplotlib")],
)
def test_neither_figures_nor_the_ledger_import_torch_or_a_method(tmp_path, words, drawing):
    heavy = {"torch", "pandas", "sklearn", "ltbench.methods", drawing}
    script = (
        f"import sys; from ltbench.cli import app; app({[*words]}, standalone_mode=False)\n"
        f"print(*{heavy}.intersection(sys.modules), file=sys.stderr)"
    )
    call = [sys.executable, "-c", script]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not {*done.stderr.split()} & heavy


def test_a_package_that_does_not_load_is_called_so_and_no_fault_of_ltbench():
    script = "import sys; sys.modules['torch'] = None; from ltbench.cli import main; main()"
    call = [sys.executable, "-c", script, "data", "check", "digits_lt"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "a package that ltbench needs does not load, and `ltbench doctor` says" in done.stderr
    assert "fault" not in done.stderr


def test_help_names_every_command_and_the_debug_option(ltbench):
    answer = ltbench("--help")
    assert answer.code == 0
    for name in ["run", "table", "figure", "ledger", "list", "show", "status", "data", "doctor"]:
        assert name in answer.out
    for name in ["check", "--debug"]:
        assert name in answer.out


def test_every_list_is_json_when_asked(ltbench):
    everything = strict(ltbench("list", "--json").out)
    assert sorted(everything) == [
        "analyses", "datasets", "figures", "methods", "networks", "protocols", "tables",
    ]  # fmt: skip
    for kind, rows in everything.items():
        alone = ltbench("list", kind, "--json")
        assert alone.code == 0
        assert strict(alone.out) == rows
        assert rows
        assert all(isinstance(row, dict) and row["name"] for row in rows)
        shown = ltbench("list", kind).out
        assert all(row["name"] in shown for row in rows)


def test_the_lists_say_what_runs_can_name(ltbench):
    listed = strict(ltbench("list", "--json").out)
    methods = {row["name"]: row for row in listed["methods"]}
    assert methods["ce"]["role"] == "method"
    assert methods["sam"]["role"] == "modifier"
    assert methods["posthoc_logit_adjustment"]["role"] == "post-hoc"
    assert all(row["paper"] for row in listed["methods"])
    networks = {row["name"]: row["encoder parameters"] for row in listed["networks"]}
    assert networks["resnet32"] == 463_504
    datasets = {row["name"]: row for row in listed["datasets"]}
    assert "fast (default)" in datasets["digits_lt"]["protocols"]
    assert "paper (default)" in datasets["cifar100_lt"]["protocols"]
    assert "1" in [row["name"] for row in listed["tables"]]


@pytest.mark.parametrize(
    "name", ["ce", "sam(rho=0.5)", "ldam_drw+sam(rho=0.8)", "posthoc_logit_adjustment"]
)
def test_a_methods_facts_are_json_when_asked(ltbench, name):
    answer = ltbench("show", name, "--json")
    assert answer.code == 0
    facts = strict(answer.out)
    assert facts["specification"] == name
    for part in facts["parts"]:
        assert part["paper"]
        assert part["method"]
        assert part["name"] in name
    shown = ltbench("show", name)
    assert shown.code == 0
    assert facts["parts"][0]["paper"].split()[0] in shown.out


def test_show_takes_a_name_for_a_composition_apart(ltbench):
    facts = strict(ltbench("show", "gkp_gsa", "--json").out)
    assert facts["composed of"] == "bcl+gkp+gsa"
    assert [part["name"] for part in facts["parts"]] == ["gkp_gsa", "bcl", "gkp", "gsa"]


def test_show_has_one_table_of_parameters_with_what_each_means(ltbench, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = ltbench("show", "gkp_gsa").out
    lines = text.splitlines()
    for name in ("groups", "alpha", "cap"):
        assert sum(line.startswith(f"{name}  ") for line in lines) == 1
    assert len([line for line in lines if line.startswith("parameter ")]) == 1
    assert "Z of Eq. 13" in " ".join(text.split())
    assert max(map(len, lines)) <= 80
    deviations = [line for line in lines if line.startswith("Deviation: ")]
    assert len(deviations) == len(set(deviations))
    facts = strict(ltbench("show", "ldam_drw+sam(rho=0.8)", "--json").out)
    assert all(each["meaning"] for part in facts["parts"] for each in part["parameters"])
    text = ltbench("show", "ldam_drw+sam(rho=0.8)").out
    (line,) = (line for line in text.splitlines() if line.startswith("sam.rho"))
    assert line.split()[1:3] == ["0.8", "0.05"]


@pytest.mark.parametrize("width", [80, 100])
def test_lists_have_a_line_each_within_the_terminal(ltbench, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    methods = strict(ltbench("list", "methods", "--json").out)
    lines = ltbench("list", "methods").out.splitlines()
    assert len([line for line in lines if line.strip()]) == len(methods) + 3  # title, head, hint
    assert max(map(len, lines)) <= width
    paper = next(row["paper"] for row in methods if row["name"] == "gkp_gsa")
    assert paper not in " ".join(" ".join(lines).split())
    assert paper in " ".join(ltbench("list", "methods", "--long").out.split())


def test_columns_that_do_not_fit_go_by_priority_and_are_named(ltbench, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = ltbench("list", "datasets").out
    assert "fashion_mnist_lt" in text
    assert "No room for source, head; a wider terminal and --json have them." in text
    monkeypatch.setenv("COLUMNS", "200")
    assert "No room" not in ltbench("list", "datasets").out


@pytest.mark.parametrize("name", ["gsa@release", "gkp_gsa@release"])
def test_show_lists_the_deviations_of_a_variant_not_of_its_class(ltbench, name):
    facts = strict(ltbench("show", name, "--json").out)
    for part in facts["parts"]:
        if part["name"] in ("gsa", "gkp_gsa"):
            assert any("published command" in line for line in part["deviations"])
            assert not any("Eq. 37" in line for line in part["deviations"])


def test_show_says_how_long_records_took(ltbench, make_record, results):
    for method, seconds in {"ce": 10.0, "ldam_drw+sam": 20.0}.items():
        for seed in (0, 1):
            Store(results).write(make_record(method, seed, 40.0, seconds=seconds + seed))
    call = ("show", "ldam_drw+sam", "--results", results)
    (time,) = strict(ltbench(*call, "--json").out)["time"]
    assert time.startswith("2.00x the time of ce on ")
    assert "the shortest training of each in " in time
    assert f"Time: {time}" in " ".join(ltbench(*call).out.split())
    assert strict(ltbench("show", "ce", "--results", results, "--json").out)["time"] == []


def test_show_says_the_values_a_specification_sets(ltbench):
    for name, value in {"sam(rho=0.5)": 0.5, "posthoc_logit_adjustment(tau=2.0)": 2.0}.items():
        (part,) = strict(ltbench("show", name, "--json").out)["parts"]
        (parameter,) = part["parameters"]
        assert parameter["value"] == value
        assert parameter["default"] != value


def test_a_data_sets_facts_are_json_when_asked(ltbench):
    facts = strict(ltbench("show", "digits_lt(imbalance=50)", "--json").out)
    assert facts["data set"] == "digits_lt(imbalance=50)"
    assert facts["class counts"][0] == 120
    assert sum(facts["class counts"]) == facts["training images"]
    assert sum(facts["many / medium / few classes"]) == 10
    assert facts["test images"] == 500
    assert "digits_lt(imbalance=20)" in ltbench("show", "digits_lt").out


def test_status_of_an_empty_folder_says_what_fills_it(ltbench, home):
    assert "`ltbench run`" in ltbench("status").out
    assert strict(ltbench("status", "--json").out) == []
    assert not list(home.iterdir())


def test_data_check_prints_what_would_be_trained_on(ltbench, home):
    answer = ltbench("data", "check", "digits_lt", "--imbalance", "50")
    assert answer.code == 0
    assert "ok  digits_lt(imbalance=50): " in answer.out
    assert "500 test images" in answer.out
    assert answer.err == ""
    assert ltbench("data", "prepare", "digits_lt").code == 0
    assert not list(home.iterdir())


def test_doctor_says_that_this_machine_is_in_order_and_writes_nothing(ltbench, home):
    answer = ltbench("doctor", "--results", "not/yet")
    assert answer.code == 0, answer
    for part in ("Python", "torch", "torchvision", "results folder", "device", "data folder",
                 "free for results", "cores"):  # fmt: skip
        assert part in answer.out
    assert not list(home.iterdir())


def test_doctor_fails_where_the_disk_is_full(ltbench, monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2_000_000))
    answer = ltbench("doctor")
    assert answer.code == 1
    assert "has 2.0 MB free" in answer.err
    assert "free for results" not in answer.out


def test_data_check_without_names_fails_for_no_set_that_nobody_asked_for(ltbench):
    answer = ltbench("data", "check", "--data-root", "nowhere")
    assert answer.code == 0
    assert answer.err == ""
    assert "--  cifar10_lt is not here; `ltbench data prepare cifar10_lt` brings it" in answer.out
    assert "ok  digits_lt" in answer.out
    asked = ltbench("data", "check", "cifar10_lt", "--data-root", "nowhere")
    assert asked.code == 1
    assert "download=True" not in asked.err


def test_doctor_names_every_gpu_with_its_memory(ltbench, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties",
        lambda index: SimpleNamespace(name=f"GPU {index}", total_memory=80 * 10**9),
    )  # fmt: skip
    out = ltbench("doctor").out
    assert "ok  cuda:0: GPU 0, 80.0 GB" in out
    assert "ok  cuda:1: GPU 1, 80.0 GB" in out


def test_doctor_names_a_torchvision_that_does_not_fit(ltbench, monkeypatch):
    import importlib

    real = importlib.import_module

    def fail(name, *rest):
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", fail)
    answer = ltbench("doctor")
    assert answer.code == 1
    assert "does not fit torch" in answer.err
    assert "pip install --force-reinstall torch torchvision" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.slow
def test_check_passes_a_method_of_ones_own_and_names_the_rules_another_breaks(ltbench, method_file):
    good = method_file("calm", "strength: float = 1.0")
    answer = ltbench("check", good)
    assert answer.code == 0, answer
    assert "calm holds to the method protocol." in answer.out
    assert "FAIL" not in answer.out
    bad = method_file(
        "moody", "def losses(self, *given):\n    return super().losses(*given).mean()"
    )
    answer = ltbench("check", bad)
    assert answer.code == 1
    assert "FAIL  losses: losses have shape (), not [B]" in answer.out
    assert "moody breaks " in answer.err
    assert "Traceback" not in answer.err


def test_check_says_an_error_once_with_file_and_line_and_debug_shows_the_traceback(
    ltbench, method_file
):
    path = method_file("mine", "def losses(self, outputs, batch, clock):\n    self.task.counts\n")
    answer = ltbench("check", path)
    assert answer.code == 1
    assert answer.out.count("'Task' object has no attribute 'counts'") == 1
    assert re.search(r"AttributeError: .*'counts' \(mine\.py, line \d+\)", answer.out)
    assert answer.out.count(": the same as ") >= 3
    debugged = ltbench("check", path, "--debug")
    assert debugged.code == 1
    assert "self.task.counts" in debugged.err
    assert "Traceback" in debugged.err


def test_status_of_many_methods_has_a_row_a_data_set_and_long_a_row_each(
    ltbench, monkeypatch, store, make_record, capsys
):
    from ltbench.cli.status import status

    monkeypatch.setenv("COLUMNS", "80")
    names = [f"sam(rho={number})" for number in range(1, 23)]
    for name in names[:20]:
        store.write(make_record(name, 0, 50.0))
    status(store.root)
    text = capsys.readouterr().out
    assert sum(line.startswith("sam(rho=") for line in text.splitlines()) == 20
    assert "finished seeds" in text
    for name in names[20:]:
        store.write(make_record(name, 0, 50.0))
    status(store.root)
    text = capsys.readouterr().out
    assert "sam(rho=" not in text
    assert "22 methods in all: --long shows each." in text
    assert "finished runs" in text
    assert len(text.splitlines()) < 8
    status(store.root, long=True)
    text = capsys.readouterr().out
    assert sum(line.startswith("sam(rho=") for line in text.splitlines()) == 22
    assert max(map(len, text.splitlines())) <= 80


def test_list_says_where_titles_are_cut_and_long_shows_them_whole(ltbench, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    cut = "Some lines are cut: `ltbench list --long` shows them whole."
    assert ltbench("list", "tables").out.splitlines()[-1] == cut
    whole = ltbench("list", "tables", "--long").out
    assert "…" not in whole
    assert cut not in whole
    assert cut not in ltbench("list", "analyses").out
