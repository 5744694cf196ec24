"""GKP+GSA: one name for a composition, its parameters, variants and records."""

import json

import pytest

from ltbench import Method, build, describe
from ltbench.api.alias import Alias
from ltbench.errors import UsageError
from ltbench.registry.contents import parameters
from ltbench.registry.methods import completed, find, parts_of, role, trained_part
from ltbench.registry.signatures import names
from ltbench.testing.conformance import equal, training


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("gkp_gsa", "gkp_gsa"),
        ("gkp_gsa(scale=0.02)", "gkp_gsa(scale=0.02)"),
        ("gkp_gsa(scale=0.01)", "gkp_gsa"),
        ("gkp_gsa(strength=10)", "gkp_gsa(strength=10.0)"),
        ("gkp_gsa(groups=6, gradients='owned')", "gkp_gsa(groups=6, gradients='owned')"),
        ("gkp_gsa@release", "gkp_gsa@release"),
        ("gkp_gsa@release(scale=0.2)", "gkp_gsa@release(scale=0.2)"),
        ("gkp_gsa+posthoc_logit_adjustment", "gkp_gsa+posthoc_logit_adjustment"),
        ("bcl+gkp+gsa", "bcl+gkp+gsa"),
    ],
)
def test_describing_is_a_fixed_point(given, canonical):
    assert describe(build(given)) == canonical
    assert describe(build(canonical)) == canonical


def test_it_is_the_composition():
    method = build("gkp_gsa(scale=0.02, groups=3, tau=0.2)")
    base, gkp, gsa = method.parts
    assert (base.tau, base.scale) == (0.2, 30.0)  # Z and the cosine's scale are two things
    assert (gkp.groups, gsa.groups, gsa.scale) == (3, 3, 0.02)
    assert method.views == base.views
    assert method.rule is gsa
    assert gsa.owner is gkp
    written = build("bcl(tau=0.2)+gkp(groups=3)+gsa(groups=3, scale=0.02)")
    assert parameters(method) == parameters(written)
    assert set(parameters(method)) == {"bcl", "gkp", "gsa"}
    assert role(find("gkp_gsa")) == "method"
    assert "gkp_gsa" in names()


def test_it_trains_the_same_weights():
    ends = []
    early = "(start=0.0, interval=0.05)"
    for specification in (f"gkp_gsa{early}", f"bcl+gkp{early}+gsa{early}"):
        work = training(specification)
        work.run(lambda report: None)
        ends.append(work.network.state_dict())
    assert equal(*ends)


def test_the_release_is_another_composition():
    method = build("gkp_gsa@release")
    assert set(parameters(method)) == {"bcl", "gsa@release"}
    assert method.parts[1].groups == 1
    assert any("published command" in line for line in method.deviations)
    assert not any("Fisher" in line for line in method.deviations)
    assert any("Fisher" in line for line in find("gkp_gsa").deviations)


@pytest.mark.parametrize(
    ("specification", "words"),
    [
        ("gkp_gsa(weight=1)", "unknown parameter of gkp_gsa 'weight'"),
        ("gkp_gsa(composition='ce')", "unknown parameter"),
        ("gkp_gsa(groups='four')", "not allowed"),
        ("gkp_gsa(groups=1)", "no other group"),
        ("gkp_gsa@later", "unknown variant"),
        ("gkp_gsa@release(strength=5.0)", "unknown parameter of gkp_gsa@release 'strength'"),
        ("gkp_gsa+sam", "two gradient rules in one composition: gkp_gsa and sam"),
        ("ce+gkp_gsa", "gkp_gsa cannot modify ce"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(specification, words):
    with pytest.raises(UsageError, match=words):
        build(specification)


def test_post_hoc_parts_share_its_training():
    method = build("gkp_gsa+posthoc_logit_adjustment")
    assert len(parts_of(method)) == 2
    assert describe(trained_part(method)) == "gkp_gsa"
    trained = build("gkp_gsa")
    assert parts_of(completed(trained, "gkp_gsa+posthoc_logit_adjustment"))[0] is trained


def test_a_record_has_the_name_of_the_whole_and_the_parameters_of_the_parts(tmp_path):
    from ltbench.data.catalog import dataset
    from ltbench.runs.execute import run_job
    from ltbench.runs.plan import make
    from ltbench.runs.store import Store
    from ltbench.runs.workspace import Workspace

    plan = make([dataset("digits_lt")], ["gkp_gsa"], [0], Store(tmp_path), protocol_name="smoke")
    (record,) = run_job(
        plan.jobs[0], Workspace(tmp_path, tmp_path, device="cpu"), lambda report: None
    )
    assert record.method == record.trained == "gkp_gsa"
    assert set(record.parameters) == {"bcl", "gkp", "gsa"}
    assert any("Eq. 13" in line for line in record.deviations)
    assert make(
        [dataset("digits_lt")], ["gkp_gsa"], [0], Store(tmp_path), protocol_name="smoke"
    ).finished
    json.dumps(record.model_dump())


def test_an_alias_is_a_method_with_parameters_like_any_other():
    cls = find("gkp_gsa")
    assert issubclass(cls, Alias)
    assert issubclass(cls, Method)
    assert find("gkp_gsa") is cls
    assert cls().strength == 100.0
    assert cls.__module__ == "ltbench.methods.gkp_gsa"
    assert cls.__doc__.startswith("The paper's method")
