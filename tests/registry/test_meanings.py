"""What comments say of parameters."""

import pytest

from ltbench.api.parameters import fields_of
from ltbench.registry.meanings import meanings
from ltbench.registry.methods import build, load_file, parts
from ltbench.registry.signatures import names


def test_comments_above_and_beside_a_field_are_its_meaning(method_file):
    load_file(
        method_file(
            "commented",
            """
            # of the ball,
            # in weights
            rho: float = 0.05  # SAM's
            size: tuple[int, int] = (
                1,  # first
                2,
            )
            bare: str = "# no comment"

            # Not a parameter's: a line lies between.

            other: int = 1
            plain = 3  # not a field
            def losses(self, outputs, batch, clock):
                rho: float = 1.0  # of the function
                return super().losses(outputs, batch, clock)
            """,
        )
    )
    assert meanings(build("commented")) == {"rho": "of the ball, in weights SAM's", "size": "first"}


def test_a_composition_has_its_parts_and_the_first_comment_stands():
    (named,) = parts("gkp_gsa")
    said = meanings(named)
    assert said["strength"] == meanings(parts("gkp")[0])["strength"]
    assert said["cap"] == meanings(parts("gsa")[0])["cap"]
    assert said["scale"] == meanings(parts("gsa")[0])["scale"]  # which owns it, not bcl's
    both = meanings(build("bcl+rebalance"))
    assert both["tau"] == meanings(build("bcl"))["tau"] != meanings(parts("rebalance")[0])["tau"]


@pytest.mark.parametrize("name", names())
def test_every_parameter_of_a_shipped_method_has_a_meaning(name):
    method = parts(name)[0]
    assert [
        each.name for each in fields_of(type(method)) if each.name not in meanings(method)
    ] == []
