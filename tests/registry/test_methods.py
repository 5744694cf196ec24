"""Names and specifications to methods and back, by every route there is."""

import sys
from contextlib import ExitStack
from dataclasses import fields

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ltbench import Compose, Method, Task, build, describe
from ltbench.errors import UsageError
from ltbench.registry import methods
from ltbench.registry.methods import (
    completed,
    find,
    load_file,
    parts_of,
    role,
    trained_part,
)
from ltbench.registry.signatures import names

OWN = {
    "balanced_softmax", "ce", "focal", "ldam_drw", "logit_adjustment",
    "posthoc_logit_adjustment", "sam",
}  # fmt: skip

TYPED = '''"""Typed: a paper."""

from dataclasses import dataclass
from typing import Literal

from ltbench import Method


@dataclass
class Typed(Method):
    """A parameter of every type."""

    variants = {
        "release": {"scale": 2.0, "mode": "soft"},
        "second": {"count": 7},
    }

    scale: float = 1.0
    count: int = 3
    mode: str = "hard"
    hard: bool = False
    limit: float | None = None
    rule: Literal["l2", "l1"] = "l2"

    def __post_init__(self):
        if self.scale > 100:
            raise ValueError("scale must not exceed 100")

    def losses(self, outputs, batch, clock):
        return super().losses(outputs, batch, clock) * self.scale


class Later(Method):
    """Not the first, so not the method."""
'''


@pytest.fixture(autouse=True)
def _forget():
    """What a test loads is forgotten after it."""
    with methods.loaded():
        yield


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def typed(write):
    return load_file(write("typed.py", TYPED))


def refused(specification, *words):
    with pytest.raises(UsageError) as caught:
        build(specification)
    text = str(caught.value)
    return "\n" not in text and all(word in text for word in words)


# names


def test_every_file_of_the_methods_folder_is_a_method_of_its_name():
    assert set(names()) >= OWN
    assert names() == sorted(names())
    assert all(issubclass(find(name), Method) for name in OWN)


def test_an_unknown_name_is_refused_with_near_matches_or_the_whole_list():
    assert refused("samm", "unknown method 'samm'; did you mean sam", "--load mine.py")
    assert refused("ldam_dr", "did you mean ldam_drw")
    assert refused("xyzzy", "known: asl, balanced_softmax, bbn, bce, bcl, ")
    assert refused("ce+gsa_of_another_world", "unknown method 'gsa_of_another_world'")


# types


@given(rho=st.floats(0, 1e6, allow_nan=False))
def test_describing_is_a_fixed_point_for_any_number(rho):
    canonical = describe(build(f"ldam_drw+sam(rho={rho!r})"))
    method = build(canonical)
    assert describe(method) == canonical
    assert method.parts[1].rho == rho


@given(
    scale=st.floats(-1e300, 100),
    count=st.integers(-(10**9), 10**9),
    mode=st.text(max_size=20),
    hard=st.booleans(),
    limit=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    variant=st.sampled_from(["", "@release", "@second"]),
)
def test_describing_is_a_fixed_point_for_every_type(
    tmp_path_factory, *, scale, count, mode, hard, limit, variant
):
    path = tmp_path_factory.mktemp("methods") / "typed.py"
    path.write_text(TYPED)
    load_file(path)
    given_text = f"typed{variant}({scale=!r}, {count=!r}, {mode=!r}, {hard=!r}, {limit=!r})"
    method = build(given_text)
    canonical = describe(method)
    again = build(canonical)
    assert describe(again) == canonical
    for name, value in (("scale", scale), ("count", count), ("mode", mode), ("hard", hard)):
        assert getattr(method, name) == getattr(again, name) == value
    assert again.limit == method.limit == limit


def test_an_int_is_a_float_and_becomes_one():
    method = build("sam(rho=1)")
    assert method.rho == 1.0
    assert type(method.rho) is float
    assert describe(method) == "sam(rho=1.0)"
    assert describe(build("focal(gamma=1)")) == "focal"


@pytest.mark.parametrize("value", ["'0.1'", "True", "None", "1e999", "-1e999"])
def test_what_is_no_finite_number_is_refused_where_a_number_is_due(value):
    assert refused(f"sam(rho={value})", "sam(rho=", "is not allowed: input should be a ")


@pytest.mark.parametrize(
    "parameter",
    ["count=1.0", "count=True", "count='3'", "mode=3", "mode=None", "hard=1", "hard='yes'",
     "limit='none'", "rule='l3'", "scale=True"],
)  # fmt: skip
def test_every_type_is_strict(typed, parameter):
    name = parameter.partition("=")[0]
    assert refused(f"typed({parameter})", f"typed({name}=", "is not allowed: input should be")


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("count=-4", -4), ("mode=''", ""), ("hard=True", True), ("limit=2", 2.0), ("limit=None", None),
     ("rule='l1'", "l1")],
)  # fmt: skip
def test_values_of_the_right_type_arrive(typed, parameter, value):
    found = getattr(build(f"typed({parameter})"), parameter.partition("=")[0])
    assert found == value
    assert type(found) is type(value)


def test_a_value_the_method_itself_refuses_is_refused_in_its_words(typed):
    assert refused("typed(scale=101)", "scale must not exceed 100.")


def test_an_unknown_parameter_is_refused_with_the_known_ones():
    assert refused("sam(roh=0.1)", "unknown parameter of sam 'roh'; did you mean rho?")
    assert refused("ce(x=1)", "unknown parameter of ce 'x'; known: (it takes none).")
    for inner in ("state", "task", "views", "registered_name"):
        assert refused(f"sam({inner}=1)", f"unknown parameter of sam '{inner}'")


# describing


@pytest.mark.parametrize(
    ("specification", "canonical"),
    [
        ("ce", "ce"),
        (" ce( ) ", "ce"),
        ("ldam_drw( scale = 30 )+ sam( rho = 0.8 )", "ldam_drw+sam(rho=0.8)"),
        ("ldam_drw(defer=0.5, max_margin=0.3)", "ldam_drw(max_margin=0.3, defer=0.5)"),
        ("sam(rho=5e-2)", "sam"),
        ("ce+posthoc_logit_adjustment(tau=1.0)", "ce+posthoc_logit_adjustment"),
    ],
)
def test_the_canonical_form_has_only_what_differs_in_declaration_order(specification, canonical):
    assert describe(build(specification)) == canonical


def test_a_method_made_by_hand_is_described_by_its_file():
    assert describe(find("focal")(gamma=2.0)) == "focal(gamma=2.0)"
    by_hand = Compose(find("ce")(), find("sam")(rho=0.8))
    assert describe(by_hand) == "ce+sam(rho=0.8)"


# variants


def test_a_variant_starts_from_its_own_values(typed):
    method = build("typed@release")
    assert (method.scale, method.mode, method.count) == (2.0, "soft", 3)
    assert describe(method) == "typed@release"


def test_a_parameter_beats_the_variant_and_only_what_differs_from_it_is_told(typed):
    assert describe(build("typed@release(scale=3)")) == "typed@release(scale=3.0)"
    assert describe(build("typed@release(scale=2)")) == "typed@release"
    back = build("typed@release(scale=1, mode='hard')")
    assert (back.scale, back.mode) == (1.0, "hard")
    assert describe(back) == "typed@release(scale=1.0, mode='hard')"


def test_variants_compose(typed):
    assert describe(build("typed@second+sam(rho=0.1)")) == "typed@second+sam(rho=0.1)"


def test_an_unknown_variant_is_refused_with_the_known_ones(typed):
    assert refused("typed@releese", "unknown variant of typed 'releese'; did you mean release?")
    assert refused("sam@release", "unknown variant of sam 'release'")


def test_every_variant_of_every_method_builds_and_changes_declared_parameters_only():
    for name in OWN:
        cls = find(name)
        declared = {f.name for f in fields(cls) if f.init}
        for variant, values in cls.variants.items():
            assert set(values) <= declared
            assert describe(build(f"{name}@{variant}")) == f"{name}@{variant}"


# compositions


def test_a_clash_is_a_usage_error_that_names_both_parts():
    assert refused("ce+focal", "ce+focal: focal cannot modify ce: it brings its own losses")
    assert refused("sam+sam", "two gradient rules in one composition: sam and sam; keep one")
    assert refused("ce+ldam_drw", "ldam_drw cannot modify ce")


def test_a_post_hoc_part_needs_something_trained_before_it():
    assert refused("posthoc_logit_adjustment", "acts on a trained network", "ce+posthoc_")
    assert refused("posthoc_logit_adjustment+sam", "acts on a trained network")


def test_a_single_term_is_the_method_itself_and_more_are_a_composition():
    assert type(build("sam")) is find("sam")
    composed = build("ce+sam+posthoc_logit_adjustment")
    assert isinstance(composed, Compose)
    assert [type(part) for part in parts_of(composed)] == [
        find("ce"), find("sam"), find("posthoc_logit_adjustment"),
    ]  # fmt: skip
    single = build("ce")
    assert parts_of(single) == (single,)


def test_the_trained_part_is_what_is_left_without_post_hoc_parts():
    def trained(specification):
        return describe(trained_part(build(specification)))

    assert trained("ce") == "ce"
    assert trained("ce+posthoc_logit_adjustment(tau=2)") == "ce"
    assert trained("ldam_drw+sam(rho=0.8)") == "ldam_drw+sam(rho=0.8)"
    both = "ldam_drw+posthoc_logit_adjustment+sam(rho=0.8)+posthoc_logit_adjustment(tau=0.5)"
    assert trained(both) == "ldam_drw+sam(rho=0.8)"
    assert not isinstance(trained_part(build("ce+posthoc_logit_adjustment")), Compose)


def test_a_trained_method_is_completed_by_the_post_hoc_parts_of_a_specification():
    trained = build("ldam_drw+sam")
    trained.parts[0].state["kept"] = torch.ones(2)
    whole = completed(trained, "ldam_drw+posthoc_logit_adjustment(tau=0.5)+sam")
    assert describe(whole) == "ldam_drw+posthoc_logit_adjustment(tau=0.5)+sam"
    assert whole.parts[0] is trained.parts[0]
    assert whole.parts[2] is trained.parts[1]
    assert torch.equal(whole.state["0"]["kept"], torch.ones(2))
    assert completed(trained, "ldam_drw+sam") is trained
    single = build("ce")
    assert completed(single, "ce") is single
    assert completed(single, "ce+posthoc_logit_adjustment").parts[0] is single


def test_a_completed_method_adjusts_as_the_whole_specification_would():
    task, logits = Task(torch.tensor([8, 2])), torch.tensor([[1.0, 0.0]])
    whole = build("ce+posthoc_logit_adjustment")
    ours = completed(trained_part(whole), "ce+posthoc_logit_adjustment")
    for method in (whole, ours):
        method.setup(task)
    assert torch.equal(whole.adjust_logits(logits), ours.adjust_logits(logits))
    assert not torch.equal(whole.adjust_logits(logits), logits)


def test_the_parts_of_a_specification_need_not_fit_together():
    found = methods.parts("posthoc_logit_adjustment(tau=2)+focal+sam+sam")
    assert [describe(part) for part in found] == [
        "posthoc_logit_adjustment(tau=2.0)", "focal", "sam", "sam",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="unknown method"):
        methods.parts("ce+nothing")


def test_the_plain_method_is_the_one_that_changes_no_hook():
    assert methods.baseline() == "ce"


# roles


def test_roles_are_read_off_the_hooks(write):
    body = '"""P."""\nfrom ltbench import Method\nclass P(Method):\n    """P."""\n    '
    load_file(write("keeper.py", body + "def after_epoch(self, network, data, clock): pass\n"))
    load_file(write("ender.py", body + "def finalize(self, network): pass\n"))
    load_file(write("builder.py", body + "def build(self, network): return network\n"))
    load_file(write("puller.py", body + "def penalty(self, network, clock): return 0\n"))
    expected = {
        "ce": "method", "focal": "method", "ldam_drw": "method", "sam": "modifier",
        "posthoc_logit_adjustment": "post-hoc", "keeper": "modifier", "ender": "post-hoc",
        "builder": "method", "puller": "modifier",
    }  # fmt: skip
    assert {name: role(find(name)) for name in expected} == expected


# files of one's own


def test_a_loaded_file_is_known_under_its_stem_and_its_first_method_is_the_method(typed):
    assert typed == "typed"
    assert "typed" in names()
    assert find("typed").__name__ == "Typed"
    assert describe(build("typed(count=4)+sam")) == "typed(count=4)+sam"


def test_a_method_imported_into_a_file_is_not_its_method(write):
    text = (
        "from ltbench import Method\n"
        "from ltbench.methods.ce import CE\n\n\n"
        "class Mine(CE):\n    '''Mine.'''\n"
    )
    load_file(write("mine.py", text))
    assert find("mine").__name__ == "Mine"


def test_loading_a_file_again_takes_its_new_content(write, typed):
    path = write("typed.py", TYPED.replace("scale: float = 1.0", "scale: float = 5.0"))
    load_file(path)
    assert build("typed").scale == 5.0


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("mine.py", "x = 1\n", ("mine: the file defines no subclass of ltbench.Method",)),
        ("mine.py", "def broken(:\n", ("mine.py: SyntaxError",)),
        ("mine.py", "import no_such_module\n", ("ModuleNotFoundError", "no_such_module")),
        ("mine.py", "raise RuntimeError('half way')\n", ("RuntimeError: half way",)),
        ("mine.py", "1 / 0\n", ("ZeroDivisionError",)),
        ("mine.py", "raise ValueError('one\\ntwo')\n", ("ValueError: one",)),
        ("mine.py", "raise SystemExit(3)\n", ("SystemExit: 3",)),
        ("my-own.py", TYPED, ("give an existing Python file named like a method",)),
        ("mine", TYPED, ("this is not a Python file; give one that ends in .py",)),
        ("mine.txt", TYPED, ("this is not a Python file",)),
        ("ce.py", TYPED, ("a method ce exists already; rename the file",)),
        ("sam.py", TYPED, ("a method sam exists already",)),
    ],
)
def test_a_file_that_is_no_method_is_refused_in_one_sentence(write, name, text, words):
    before = names()
    with pytest.raises(UsageError) as caught:
        load_file(write(name, text))
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert all(word in message for word in words)
    assert names() == before
    assert caught.value.exit_code == 2


def test_a_file_that_does_not_exist_is_refused(tmp_path):
    for path in (tmp_path / "none.py", tmp_path):
        with pytest.raises(UsageError, match="give an existing Python file named like a method"):
            load_file(path)


def test_a_file_with_an_error_leaves_no_module_behind(write):
    with pytest.raises(UsageError):
        load_file(write("broken_one.py", "raise ValueError\n"))
    assert "ltbench_loaded_broken_one" not in sys.modules


def test_a_parameter_without_default_is_refused_in_words(write):
    text = TYPED.replace("    scale: float = 1.0", "    scale: float")
    load_file(write("typed.py", text))
    assert refused("typed", "typed", "scale")


# entry points


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution with one entry point, for the length of a test."""

    with ExitStack() as stack:

        def install(name, target, module="", text=""):
            info = tmp_path / "made_up-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\n")
            (info / "entry_points.txt").write_text(f"[ltbench.methods]\n{name} = {target}\n")
            if module:
                (tmp_path / f"{module}.py").write_text(text)
            monkeypatch.syspath_prepend(tmp_path)
            stack.enter_context(methods.loaded())

        yield install
        monkeypatch.undo()
    sys.modules.pop("made_up_methods", None)


@pytest.mark.parametrize("target", ["made_up_methods", "made_up_methods:Typed"])
def test_an_installed_method_is_known_under_its_entry_point_s_name(install, target):
    install("noisy", target, "made_up_methods", TYPED)
    assert "noisy" in names()
    assert find("noisy").__name__ == "Typed"
    assert describe(build("noisy(count=4)+sam")) == "noisy(count=4)+sam"
    assert describe(build("noisy@release")) == "noisy@release"
    assert build("noisy").count == 3


def test_an_installed_method_does_not_hide_one_of_ours(install):
    install("ce", "made_up_methods", "made_up_methods", TYPED)
    assert find("ce").__name__ == "CE"


def test_a_file_may_not_take_the_name_of_an_installed_method(install, write):
    install("noisy", "made_up_methods", "made_up_methods", TYPED)
    with pytest.raises(UsageError, match="a method noisy exists already"):
        load_file(write("noisy.py", TYPED))


@pytest.mark.parametrize(
    ("target", "text", "words"),
    [
        ("no_such_module", "", ("method noisy of no_such_module", "mend or remove it")),
        ("made_up_methods:Missing", TYPED, ("method noisy of made_up_methods:Missing",)),
        ("made_up_methods:VALUE", "VALUE = 3\n", ("made_up_methods:VALUE is not a Method",)),
        ("made_up_methods:Other", "class Other: pass\n", ("is not a Method",)),
        ("made_up_methods", "x = 1\n", ("noisy: the file defines no subclass",)),
    ],
)  # fmt: skip
def test_a_broken_entry_point_is_refused_in_words_and_harms_nothing_else(
    install, target, text, words
):
    install("noisy", target, "made_up_methods", text)
    assert refused("noisy", *words)
    assert describe(build("ce+sam")) == "ce+sam"
