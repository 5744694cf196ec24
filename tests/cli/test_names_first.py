"""Names are checked before anything heavy is imported, and answered with the form that works."""

import json
import subprocess
import sys

# Each call's exit code and lines of error, where importing what is heavy raises ImportError.
WITHOUT = """
import contextlib, io, json, sys
for name in ("torch", "numpy", "pandas", "sklearn"):
    sys.modules[name] = None
from ltbench.cli import main
answers = []
for words in json.load(sys.stdin):
    sys.argv, said, code = ["ltbench", *words], io.StringIO(), 0
    with contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as end:
            code = end.code
    answers.append([code, said.getvalue().splitlines()])
print(json.dumps(answers))
"""
RUN = {"--methods": "ce", "--dataset": "digits_lt"}
RUNS = [
    ({"--methods": "LDAM_DRW"}, "unknown method 'LDAM_DRW'; did you mean ldam_drw?"),
    ({"--methods": "ldam-drw"}, "names have no hyphen; write ldam_drw."),
    ({"--methods": "ce, sma"}, "unknown method 'sma'; did you mean swa or sam or gsa?"),
    ({"--methods": "xx,yy"}, "unknown methods 'xx', 'yy'; known: "),
    ({"--methods": "sam(roh=1)"}, "unknown parameter of sam 'roh'; did you mean rho?"),
    ({"--methods": "sam(rho=-1)"}, "sam(rho=-1) is not allowed: rho must be at least 0."),
    ({"--dataset": "digit_lt"}, "'digit_lt'; did you mean digits_lt or imagenet_lt?"),
    ({"--seeds": "0-2"}, "--seeds 0-2: write 0,1,2 for that."),
    ({"--protocol": "papre"}, "unknown protocol for digits_lt 'papre'"),
    ({"--force": "sam"}, "--force sam: that is none of the methods of this command."),
]
SHOWN = [
    ("LDAM_DRW", "unknown method or data set 'LDAM_DRW'; did you mean ldam_drw?"),
    ("digits", "unknown method or data set 'digits'; did you mean digits_lt or digits_mosaic?"),
    ("ldam_drw+sma", "unknown method 'sma'; did you mean swa or sam or gsa?"),
    ("gkp_gsa@relaese", "unknown variant of gkp_gsa 'relaese'; did you mean release?"),
    ("sam(rho=-1)", "sam(rho=-1) is not allowed: rho must be at least 0."),
]


def test_what_is_misspelt_is_said_without_torch(tmp_path):
    calls = [
        ["run", *(word for pair in {**RUN, **changes}.items() for word in pair)]
        for changes, _ in RUNS
    ]
    calls += [["show", name] for name, _ in SHOWN]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], input=json.dumps(calls),
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    answers = zip(
        calls, [words for _, words in (*RUNS, *SHOWN)], json.loads(done.stdout), strict=True
    )
    for call, words, (code, lines) in answers:
        assert code == 2, (call, lines)
        (line,) = lines
        assert words in line


def test_a_composition_in_the_wrong_order_is_told_the_right_one(refused):
    said = refused("run", "--methods", "sam+ldam_drw", "--dataset", "digits_lt")
    assert said.endswith("only the first part of a composition may; write ldam_drw+sam.")
    said = refused("run", "--methods", "ce+ldam_drw", "--dataset", "digits_lt")
    assert said.endswith("only the first part of a composition may.")


def test_version_is_a_command_too(ltbench):
    assert ltbench("version").out == ltbench("--version").out


def test_a_list_with_a_space_is_told_without_one(refused):
    said = refused("run", "--methods", "ce,", "sam", "--dataset", "digits_lt")
    assert said.endswith("ce, sam: write ce,sam, without a space.")
