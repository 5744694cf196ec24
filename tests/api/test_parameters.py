"""Parameters: their types and ranges, in what is refused and in what is shown."""

import json
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Interval, Le, Lt
from pydantic import Field

from ltbench.api.parameters import range_of, validated
from ltbench.errors import UsageError
from ltbench.registry.contents import parameters
from ltbench.registry.methods import build, load_file

Share = Annotated[float, Ge(0), Lt(1)]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (float, ""),
        (bool, ""),
        (float | None, ""),
        (Annotated[float, Ge(0)], "at least 0"),
        (Annotated[float, Gt(0)], "above 0"),
        (Annotated[int, Le(3)], "at most 3"),
        (Annotated[float, Lt(0.5)], "below 0.5"),
        (Share, "from 0 to below 1"),
        (Annotated[float, Gt(0), Le(1)], "above 0 to 1"),
        (Annotated[float, Interval(ge=0, le=1)], "from 0 to 1"),
        (Annotated[int, Field(ge=1, le=9)], "from 1 to 9"),
        (Share | None, "from 0 to below 1 or None"),
        (Literal["l2", "l1"], "'l2' or 'l1'"),
    ],
)
def test_a_range_is_told_in_words(wanted, words):
    assert range_of(wanted) == words


@pytest.mark.parametrize(
    ("value", "wanted", "reason"),
    [
        (-0.5, Annotated[float, Ge(0)], "rho must be at least 0"),
        (1.0, Share, "rho must be from 0 to below 1"),
        (2.0, Share | None, "rho must be from 0 to below 1 or None"),
        (0, Annotated[int, Field(ge=1)], "rho must be at least 1"),
        ("a", Share, "input should be a valid number"),
        (0.5, Annotated[int, Ge(0)], "input should be a valid integer"),
    ],
)
def test_a_value_out_of_its_range_is_refused_with_parameter_value_and_range(value, wanted, reason):
    with pytest.raises(UsageError) as caught:
        validated("sam", "rho", value, wanted)
    assert str(caught.value) == f"sam(rho={value!r}) is not allowed: {reason}."


def test_a_value_in_its_range_becomes_its_type():
    found = validated("sam", "rho", 0, Share)
    assert (found, type(found)) == (0.0, float)
    assert validated("sam", "rho", None, Share | None) is None


RANGED = """
    variants = {"half": {"share": 0.5}}

    share: Annotated[float, Ge(0), Lt(1)] = 0.25
    kind: Literal["l2", "l1"] = "l2"

    def penalty(self, network, clock):
        return self.share * super().penalty(network, clock)
"""


@pytest.fixture
def ranged(method_file):
    path = method_file("ranged", RANGED)
    head = (
        "from typing import Annotated, Literal\n\nfrom annotated_types import Ge, Lt\n\nimport os\n"
    )
    path.write_text(path.read_text().replace("import os\n", head, 1))
    load_file(path)
    return path


def test_ranges_hold_in_specifications(ranged):
    assert parameters(build("ranged@half")) == {"ranged@half": {"share": 0.5, "kind": "l2"}}
    for specification in ("ranged(share=1)", "ce+ranged(share=1)", "ranged@half(share=1)"):
        with pytest.raises(UsageError, match="share must be from 0 to below 1"):
            build(specification)


def test_show_prints_ranges(ranged, capsys):
    from ltbench.cli.show import show

    show("ranged", load=[ranged], as_json=True)
    (part,) = json.loads(capsys.readouterr().out)["parts"]
    assert [row["range"] for row in part["parameters"]] == ["from 0 to below 1", "'l2' or 'l1'"]
    show("ranged", load=[ranged])
    assert "from 0 to below 1" in capsys.readouterr().out
