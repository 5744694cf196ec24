"""Signatures: of made-up methods, and of a name for a composition of them."""

import pytest

from ltbench.api.signature import Parameter, Signature, signature_of_composition
from ltbench.errors import UsageError
from ltbench.specification import parse

PARTS = {
    "loss": Signature(
        "loss",
        {"scale": Parameter(float, 30.0), "tau": Parameter(float, 0.1), "k": Parameter(int, 4)},
    ),
    "rule": Signature(
        "rule",
        {"scale": Parameter(float, 1.0), "k": Parameter(int, 4), "rho": Parameter(float, 0.05)},
        {"release": {"rho": 0.5}},
    ),
}


def composed(owners=None, variants=None):
    return signature_of_composition(
        "both", "loss(tau=0.2)+rule", owners or {}, variants or {}, PARTS.__getitem__
    )


def test_a_composition_takes_what_its_parts_take_where_they_agree():
    found = composed()
    assert {name: each.default for name, each in found.parameters.items()} == {
        "tau": 0.2, "k": 4, "rho": 0.05,
    }  # fmt: skip


def test_a_name_that_means_two_things_goes_to_its_owner():
    assert composed({"scale": "rule"}).parameters["scale"].default == 1.0
    assert composed({"scale": "loss"}).parameters["scale"].default == 30.0


def test_a_variant_of_another_composition_takes_what_its_own_parts_take():
    found = composed(variants={"bare": {"composition": "rule@release"}})
    assert list(found.taken()) == ["tau", "k", "rho"]
    assert list(found.taken("bare")) == ["k", "rho"]
    assert found.usual("bare") == {"k": 4, "rho": 0.5, "composition": "rule@release"}
    (term,) = parse("both@bare(tau=0.3)")
    with pytest.raises(UsageError, match="unknown parameter of both@bare 'tau'"):
        found.given(term)
    (term,) = parse("both@bare(k=2)")
    assert found.given(term)["k"] == 2
    assert str(found.term("bare", {**found.usual("bare"), "k": 2})) == "both@bare(k=2)"
