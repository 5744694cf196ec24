"""What a record keeps of a method."""

from ltbench.registry.contents import parameters
from ltbench.registry.methods import build


def test_parameters_are_all_there_are_defaults_included():
    assert parameters(build("ldam_drw(scale=20)+sam")) == {
        "ldam_drw": {"max_margin": 0.5, "scale": 20.0, "beta": 0.9999, "defer": 0.8},
        "sam": {"rho": 0.05},
    }
    assert parameters(build("ce")) == {"ce": {}}


def test_parameters_of_a_variant_are_its_own():
    found = parameters(build("ce+gsa@release(cap=0.5)"))
    assert list(found) == ["ce", "gsa@release"]
    assert found["gsa@release"]["groups"] == 1
    assert found["gsa@release"]["cap"] == 0.5


def test_parameters_keep_every_part_even_if_one_occurs_twice():
    method = build("ce+posthoc_logit_adjustment+posthoc_logit_adjustment(tau=0.5)")
    taus = sorted(values["tau"] for values in parameters(method).values() if values)
    assert taus == [0.5, 1.0]
