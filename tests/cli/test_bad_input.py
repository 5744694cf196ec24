"""Bad input: one sentence with the thing and the remedy, the right exit code, nothing written."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

RUN = {"--methods": "ce", "--dataset": "digits_lt", "--protocol": "smoke", "--seeds": "1"}


def words(**changes: str) -> list[str]:
    given = {**RUN, **{f"--{name.replace('_', '-')}": value for name, value in changes.items()}}
    return ["run", *(word for pair in given.items() for word in pair)]


USAGE = [
    # methods
    (words(methods="gkp_gsb"), "unknown method 'gkp_gsb'; did you mean gkp_gsa"),
    (words(methods="cee"), "unknown method 'cee'; did you mean ce or bce? A method of your"),
    (words(executor="kubernetes"), "unknown executor 'kubernetes'; known: local,"),
    (words(executor="slurm:absent.yaml"), "cannot read absent.yaml (No such file"),
    (words(executor="ray", gpus="all"), "what runs where is up to ray."),
    ([*words(), "--time-limit", "soon"], "--time-limit soon: give a time such as 8h"),
    (words(methods="ldam_dr"), "unknown method 'ldam_dr'; did you mean ldam_drw"),
    (words(methods="ce,focall"), "unknown method 'focall'; did you mean focal or ml_focal?"),
    (words(methods="sam(rh=1)"), "unknown parameter of sam 'rh'; did you mean rho?"),
    (words(methods="ce(x=1)"), "unknown parameter of ce 'x'; known: (it takes none)."),
    (words(methods="sam(rho='a')"), "sam(rho='a') is not allowed: "),
    (words(methods="sam(rho=1e999)"), "sam(rho=inf) is not allowed: "),
    (words(methods="sam(rho=-1)"), "sam(rho=-1) is not allowed: rho must be at least 0."),
    (words(methods="ce@release"), "unknown variant of ce 'release'"),
    (words(methods="sam(0.1)"), "cannot read 'sam(0.1)': parameters need their names"),
    (words(methods="ce("), "cannot read 'ce(': it does not parse; write it like ce, "),
    ([*words(methods="ce"), "sam"], "no file sam; in a list write commas, such as ce,sam."),
    (words(methods="ce; sam"), "cannot read 'ce; sam': a list has commas; write ce,sam."),
    (words(methods="sam(rho=a)"), "the value of rho must be a number, text in quotes, True,"),
    (words(methods="ce+sam+sam"), "two gradient rules in one composition: sam and sam; keep one."),
    (words(methods="ce+ldam_drw"), "ldam_drw cannot modify ce: it brings its own losses"),
    (
        words(methods="posthoc_logit_adjustment"),
        "posthoc_logit_adjustment acts on a trained network; write what to train before it",
    ),
    (words(methods=""), "nothing to run"),
    (words(methods=" , "), "nothing to run"),
    # data sets
    (words(dataset="digit_lt"), "'digit_lt'; did you mean digits_lt or imagenet_lt?"),
    (words(dataset="imagenet"), "unknown data set 'imagenet'; did you mean imagenet_lt?"),
    (words(dataset="digits_lt(r=3)"), "data set digits_lt has no parameter r; it takes imbalance"),
    (words(dataset="digits_lt+digits_lt"), "must be one name"),
    (words(dataset="digits_lt(imbalance=a)"), "or None; write it like cifar100_lt(imbalance=50)."),
    (words(dataset=""), "nothing to run"),
    (
        words(imbalance="0.5"),
        "imbalance 0.5 must be a ratio n_max / n_min from 1 to below a million.",
    ),
    (words(imbalance="-3"), "imbalance -3.0 must be a ratio"),
    (words(imbalance="nan"), "imbalance nan must be a ratio"),
    (words(imbalance="inf"), "imbalance inf must be a ratio"),
    (
        words(imbalance="500"),
        "imbalance 500 leaves class 7 of 10 without images (the head has 120)",
    ),
    (words(validation="50"), "validation=50 leaves class 9 with no training image of its 1"),
    (words(validation="-1"), "protocol smoke: validation = -1 is not allowed"),
    # protocols, networks, seeds, devices
    (words(protocol="paper"), "unknown protocol for digits_lt 'paper'; known: clip, fast, smoke."),
    (words(protocol="smok"), "unknown protocol for digits_lt 'smok'; did you mean smoke?"),
    (
        words(protocol="fast(epoch=3)"),
        "unknown field of protocol fast 'epoch'; did you mean epochs",
    ),
    (words(protocol="fast(epochs=0)"), "protocol fast: epochs = 0 is not allowed"),
    (words(protocol="fast(epochs='3')"), "protocol fast: epochs = '3' is not allowed"),
    (words(protocol="fast(learning_rate=1e999)"), "learning_rate = inf is not allowed"),
    (words(protocol=f"fast(learning_rate=1{'0' * 400})"), "is not allowed"),
    (words(protocol=f"fast(epochs=1{'0' * 400})"), "is not allowed"),
    (words(network="resnet18"), "unknown network 'resnet18'; did you mean "),
    (words(network="vgg"), "unknown network 'vgg'; known: resnet110, resnet152, resnet20, "),
    (words(seeds="a"), "--seeds a: give a count such as 3 or a list such as 0,4."),
    (words(seeds=""), "--seeds : give at least one seed"),
    ([*words(seeds="2"), "--seed", "1"], "--seed and --seeds both say which seeds"),
    (words(protocol=""), "cannot read ''"),
    (words(dataset="x.yaml"), "--data x.yaml for images"),
    (words(methods="my/m.py"), "given by --load my/m.py, and then it is named m"),
    (words(methods="ce+my.py"), "given by --load my.py, and then it is named my"),
    (["run", "--table", "1", "--protocol", ""], "cannot read ''"),
    (["run", "mine.yaml"], "mine.yaml is no archive; give it with --table, --data or --protocol"),
    (["run", "m.py"], "m.py is no archive; give it with --load"),
    (["new", "method", "torch"], "torch is a Python module that others import"),
    (["new", "method", "json"], "json is a Python module that others import"),
    (words(seeds="0"), "such as 1 or 0,4; seed 0 alone is --seed 0."),
    (words(seeds="0-4"), "--seeds 0-4: write 0,1,2,3,4 for that."),
    (words(seeds="2..3"), "--seeds 2..3: write 2,3 for that."),
    (words(seeds="4-0"), "--seeds 4-0: give a count"),
    (words(seeds="-1"), "--seeds -1: give a count"),
    (words(device="quantum"), "no device 'quantum' here ("),
    (words(device="cuda:99"), "no device 'cuda:99' here ("),
    (words(device="meta"), "no device 'meta' here"),
    (words(device="mps"), "ltbench does not train on Apple's GPUs (mps) yet; use --device cpu."),
    # method files
    (words(load="absent.py"), "absent.py: give an existing Python file"),
    (words(load="."), ".: give an existing Python file"),
    # other commands
    (["list", "methodz"], "unknown list 'methodz'; did you mean methods?"),
    (["list", "--load", "absent.py"], "absent.py: give an existing Python file"),
    (["show", "cee"], "unknown method or data set 'cee'; did you mean ce or bce?"),
    (["show", "ce+ldam_drw"], "ldam_drw cannot modify ce"),
    (["show", "sam(rh=1)"], "unknown parameter of sam 'rh'"),
    (["show", "posthoc_logit_adjustment(taw=1)"], "unknown parameter of posthoc_logit_adjustment"),
    (["show", "digits_lt(r=3)"], "data set digits_lt has no parameter r"),
    (["show", "digits_lt(imbalance=500)"], "imbalance 500 leaves class 7"),
    (["show", ""], "cannot read ''"),
    (["data", "check", "digits"], "set 'digits'; did you mean digits_lt or digits_mosaic?"),
    (["data", "check", "digits_lt", "--imbalance", "0"], "imbalance 0.0 must be a ratio"),
    (["data", "check", "digits_lt", "--imbalance", "500"], "imbalance 500 leaves class 7"),
    (["check", "cee"], "unknown method 'cee'; did you mean ce or bce?"),
    (["check", "absent.py"], "absent.py: give an existing Python file"),
]


@pytest.mark.parametrize(("command", "sentence"), USAGE)
def test_what_cannot_be_asked_for_is_one_sentence_and_exit_code_2(refused, command, sentence):
    assert sentence in refused(*command)


def test_methods_of_the_papers_are_known_or_named_as_unknown(refused):
    from ltbench.registry.signatures import names

    wanted = ["gkp_gsa", "cc_sam", "no_such_method"]
    said = refused("run", "--methods", ",".join(wanted), "--dataset", "cifar100_lt")
    assert "unknown method" in said
    for name in wanted:
        assert (f"'{name}'" in said) == (name not in names())
    assert "did you mean" in said or "known: " in said


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (words(imbalance="many"), "--imbalance"),
        (words(jobs="0"), "--jobs"),
        ([*words(), "--quick"], "--quick"),
        (["train"], "train"),
        (["show"], "NAME"),
    ],
)
def test_a_command_line_that_does_not_parse_names_the_option_and_exits_with_2(
    ltbench, home, tree, command, option
):
    answer = ltbench(*command)
    assert answer.code == 2
    assert option.lower() in answer.err.lower()
    assert "--help" in answer.err
    assert "Traceback" not in answer.err
    assert tree(home) == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("def x(:\n", "SyntaxError"),
        ("import no_such_package\n", "No module named 'no_such_package'"),
        ("raise ValueError('one\\ntwo\\nthree')\n", "ValueError: one"),
        ("raise SystemExit(3)\n", "SystemExit"),
        ("x = 1\n", "defines no subclass of ltbench.Method; write one."),
        ("from ltbench import Method\n", "defines no subclass of ltbench.Method; write one."),
        ("\0", "mine.py"),
    ],
)
@pytest.mark.parametrize("command", [words(load="mine.py"), ["check", "mine.py"]])
def test_a_method_file_that_does_not_run_is_named_with_the_reason(
    refused, home, command, content, reason
):
    (home / "mine.py").write_text(content)
    said = refused(*command)
    assert reason in said
    assert "mine" in said


def test_a_method_file_may_not_take_the_name_of_another_method(refused, home):
    (home / "ce.py").write_text("x = 1\n")
    assert "a method ce exists already; rename the file." in refused(*words(load="ce.py"))


def test_a_results_path_that_is_a_file_is_named_with_the_option_that_helps(refused, home):
    (home / "taken").write_text("mine")
    for path in ("taken", "taken/below"):
        said = refused(*words(results=path), code=1)
        assert "taken" in said
        assert "--results" in said


def test_status_of_a_results_path_that_is_a_file_says_so(refused, home):
    (home / "taken").write_text("mine")
    assert "taken" in refused("status", "--results", "taken", code=1)


def test_doctor_finds_a_results_path_that_is_a_file(ltbench, home):
    (home / "taken").write_text("mine")
    for path in ("taken", "taken/below"):
        answer = ltbench("doctor", "--results", path)
        assert answer.code == 1
        assert answer.err.startswith(f"FAIL  {path} cannot be a folder, for ")
        assert "taken is a file; choose another with --results." in answer.err


@pytest.mark.parametrize("name", ["cifar10_lt", "cifar100_lt", "fashion_mnist_lt"])
def test_missing_data_is_named_with_the_folder_and_the_ways_to_get_it(ltbench, refused, home, name):
    said = refused(*words(dataset=name, data_root="nowhere"), code=1)
    assert f"{name} is missing under nowhere" in said
    for remedy in ("--data-root", "LTBENCH_DATA", f"`ltbench data prepare {name}`"):
        assert remedy in said
    answer = ltbench("data", "check", name, "--data-root", "nowhere")
    assert answer.code == 1
    assert answer.err.startswith(f"FAIL  {name} is missing under nowhere")
    assert "download=True" not in answer.err  # torchvision's advice to its own callers
    assert "[Errno" not in answer.err  # what is missing is said once
    assert answer.err.count("\n") == 1
    assert not [path for path in home.rglob("*") if path.is_file()]


@pytest.mark.parametrize("make", [None, Path.mkdir])
def test_a_missing_file_of_a_data_set_is_named_once(ltbench, home, make):
    folder = home / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    if make is not None:
        make(folder / "data_batch_1")
    said = ltbench("data", "check", "cifar10_lt").err
    assert "is missing under data (there is no file data_batch_1); name the folder" in said


def test_a_broken_archive_is_named_and_left_alone(ltbench, home, tree):
    for name in ("cifar-10-python.tar.gz", "cifar-100-python.tar.gz"):
        (home / "data").mkdir(exist_ok=True)
        (home / "data" / name).write_bytes(b"\x1f\x8b\x08 torn")
    before = tree(home)
    answer = ltbench("data", "check", "cifar10_lt", "cifar100_lt", "digits_lt")
    assert answer.code == 1
    assert len(answer.err.splitlines()) == 2
    assert answer.err.count("is missing under data") == 2
    assert "ok  digits_lt" in answer.out
    assert tree(home) == before


def test_the_folder_of_data_is_the_option_then_the_variable_then_data(ltbench, monkeypatch):
    def under(*words):
        return ltbench("data", "check", "cifar10_lt", *words).err

    assert "under data (there is no " in under()
    monkeypatch.setenv("LTBENCH_DATA", "elsewhere")
    assert "under elsewhere (" in under()
    assert "under mine (" in under("--data-root", "mine")


def test_debug_shows_the_traceback_and_keeps_the_exit_code(ltbench):
    for command, code in ((words(methods="cee"), 2), (["--debug", *words(methods="cee")], 2)):
        answer = ltbench(*command, *([] if "--debug" in command else ["--debug"]))
        assert answer.code == code
        assert "Traceback (most recent call last)" in answer.err
        assert "ltbench: unknown method 'cee'" in answer.err


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.text(
    "sam ce+@(rho=0.1,'\"[]){}\\\n-e9", max_size=40
)


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(TEXTS)
@example("posthoc_logit_adjustment(x='\N{GRINNING FACE}')")
@example("sam(rho=1e400)")
@example("a" * 3000)
def test_no_specification_typed_ends_in_anything_but_an_answer_or_a_sentence(ltbench, text):
    for command in (("show", "--", text), ("run", f"--methods={text}", "--dataset=cifar_lt")):
        answer = ltbench(*command)
        assert answer.code in (0, 2)
        assert "Traceback" not in answer.err
        assert "fault of ltbench" not in answer.err


def test_the_same_holds_for_bytes_that_are_no_text(start):
    process = start("show", os.fsdecode(b"ce(x='\xff\xfe')"))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Traceback" not in err
    assert err.startswith("ltbench: cannot read ")
    assert err.count("\n") == 1
    assert out == ""


def test_check_speaks_of_the_file_and_of_no_option_that_it_does_not_have(refused):
    assert "--load" not in refused("check", "absent.py")


def test_a_record_that_is_not_there_is_named_by_analyse(refused):
    said = refused("analyse", "hessian", "--runs", "nope.json", code=1)
    assert "--runs: there is no nope.json; give a record's .json file." in said
