"""Errors in one line: what they say, and where."""

import pytest

from ltbench.errors import counted, first_line, located


def raised(call, *given):
    try:
        call(*given)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("count", "noun", "words"),
    [
        (0, "cell", "0 cells"),
        (1, "cell", "1 cell"),
        (1, "class", "1 class"),
        (2, "class", "2 classes"),
    ],
)
def test_a_number_goes_with_the_form_of_its_noun(count, noun, words):
    assert counted(count, noun) == words


def test_the_first_line_is_without_stop_or_colon_and_the_type_where_nothing_is_said():
    assert first_line(ValueError("one.\ntwo")) == "one"
    assert first_line(ValueError("one of these:\ntwo")) == "one of these"
    assert first_line(ValueError()) == "ValueError"
    assert first_line(ValueError(" \n")) == "ValueError"


def test_an_error_is_located_in_the_innermost_line_that_is_not_the_harness_own(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("from ltbench.specification import parse\n\n\ndef call():\n    parse(None)\n")
    space = {}
    exec(compile(path.read_text(), path, "exec"), space)
    error = raised(space["call"])
    assert located(error).startswith("TypeError: ")
    assert located(error).endswith(" (mine.py, line 5)")


def test_an_error_that_says_nothing_is_its_type():
    def fails():
        raise KeyError

    assert located(raised(fails)).startswith("KeyError (test_errors.py, line ")
