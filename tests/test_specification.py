"""Specification strings: every text is read or refused in words; what is written reads back."""

import keyword

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ltbench.data.catalog import CATALOG, dataset
from ltbench.errors import UsageError
from ltbench.specification import MAX_LENGTH, Term, network_name, parse, parse_one, split

# Anything at all, lone surrogates included, and text that is nearly a specification.
CHAOS = st.text(st.characters()) | st.text("abx_+@()[]{}=,'\"\\*:.#0159eEjf- \t\n\0∞é")
PIECES = st.sampled_from(
    [
        "a",
        "b1",
        "sam",
        "ldam_drw",
        "+",
        "@",
        "(",
        ")",
        "[",
        "{",
        "=",
        ",",
        "'",
        '"',
        "**",
        "1",
        "1e999",
        "-1",
        "0x0f",
        "1j",
        "nan",
        "None",
        "True",
        "f''",
        "b''",
        "\\",
        "lambda",
        "if",
        "for",
        "yield",
        "await",
        ":=",
        "...",
        "#",
        "\n",
        "rho=0.1",
        "(x=1)",
        "(x='a,b')",
    ]
)
TEXTS = CHAOS | st.lists(PIECES).map("".join) | st.lists(PIECES).map(" ".join)

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,11}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name)
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=20)
)
TERMS = st.builds(Term, NAMES, st.just("") | NAMES, st.dictionaries(NAMES, VALUES, max_size=3))
SPECIFICATIONS = st.lists(TERMS, min_size=1, max_size=4).map(
    lambda terms: "+".join(map(str, terms))
)


def refusal(read, *given):
    """Return the words of a UsageError, or None; anything else that is raised is the test's."""
    try:
        read(*given)
    except UsageError as error:
        return str(error)
    return None


@given(TEXTS)
@example("(" * MAX_LENGTH)
@example("a" + "+a" * (MAX_LENGTH // 2 - 1))
@example("-" * (MAX_LENGTH - 1) + "1")
@example("a" * (MAX_LENGTH + 1))
@example("a(x=" + "9" * 1500 + ")")
@example("a(x=" + "[" * 500 + "]" * 500 + ")")
@example("a(x='\\d')")
@example("a(x=1if 1else 2)")
@example("a(**{'x': 1})")
def test_no_text_whatever_raises_anything_but_a_usage_error(text):
    for read in (parse, lambda text: parse_one(text, "thing"), split, dataset):
        assert refusal(read, text) != ""


@given(TEXTS)
def test_a_refusal_is_one_line(text):
    said = refusal(parse, text)
    assert said is None or (said.isprintable() and said.endswith("."))


@given(st.lists(TERMS, min_size=1, max_size=4))
def test_terms_written_and_read_are_the_same_terms(terms):
    text = "+".join(map(str, terms))
    assert len(text) <= MAX_LENGTH
    read = parse(text)
    assert list(read) == terms
    assert [str(term) for term in read] == [str(term) for term in terms]  # 1 is not True


@given(TEXTS)
def test_what_can_be_read_is_written_so_that_it_reads_the_same(text):
    try:
        terms = parse(text)
    except UsageError:
        return
    written = "+".join(map(str, terms))
    if "inf" not in written:  # no parameter takes it, so it is refused a step later
        assert parse(written) == terms


@given(TEXTS)
def test_splitting_loses_nothing_but_commas_and_space_between_items(text):
    items = split(text)
    assert all(item and item == item.strip() for item in items)

    def bare(text):
        return "".join(text.replace(",", "").split())

    assert bare(text) == bare("".join(items))


@settings(max_examples=30)
@given(st.lists(SPECIFICATIONS, max_size=4), st.sampled_from([",", ", ", " ,\t", ",,"]))
@example(["a(x='it\\'s \"so\", b')", "c"], ",")
def test_splitting_respects_brackets_and_quotes(items, separator):
    assert split(separator.join(items)) == items


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", []),
        (" , ,", []),
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        ("a(x=1, y=2),b", ["a(x=1, y=2)", "b"]),
        ("a(x='p,q'),b", ["a(x='p,q')", "b"]),
        ("a(x=')'),b", ["a(x=')')", "b"]),
        ("a(x=[1,{2,3}]),b", ["a(x=[1,{2,3}])", "b"]),
        ("a(x=1,b", ["a(x=1,b"]),
        ("a),b", ["a),b"]),
    ],
)
def test_commas_separate_only_outside_brackets_and_quotes(text, items):
    assert split(text) == items


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("ce", [Term("ce")]),
        (" ldam_drw + sam(rho=0.8) ", [Term("ldam_drw"), Term("sam", "", {"rho": 0.8})]),
        ("a@release(x=-1)", [Term("a", "release", {"x": -1})]),
        ("a(x='b', y=None, z=True)", [Term("a", "", {"x": "b", "y": None, "z": True})]),
    ],
)
def test_the_grammar_is_names_variants_calls_and_plus(text, terms):
    assert list(parse(text)) == terms


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sam(0.1)", "parameters need their names"),
        ("sam(rho=1, rho=2)", "sam gives a parameter twice"),
        ("sam(rho=1)@release", "a variant is written name@variant(parameters)"),
        ("sam(**x)", "** is not allowed"),
        ("sam(rho=(1, 2))", "the value of rho must be"),
        ("a.b", "'a.b' is not a name"),
        ("a-b", "names have no hyphen; write a_b"),
        ("'a'", "is not a name"),
        ("sam(rho=__import__('os'))", "the value of rho must be a number"),
    ],
)
def test_what_is_outside_the_grammar_is_refused_with_its_reason(text, reason):
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert reason in str(caught.value)
    assert repr(text) in str(caught.value)


def test_nothing_in_a_specification_is_ever_run(tmp_path):
    mark = tmp_path / "mark"
    for text in (f"open({str(mark)!r}, 'w')", f"a(x=open({str(mark)!r}, 'w'))"):
        with pytest.raises(UsageError):
            parse(text)
    assert not mark.exists()


def test_two_terms_where_one_belongs_are_refused():
    with pytest.raises(UsageError, match=r"data set 'a\+b' must be one name, such as a\."):
        parse_one("a+b", "data set")


@given(
    st.sampled_from(sorted(name for name, info in CATALOG.items() if not info.listed)),
    st.floats(1, 1e6, exclude_max=True) | st.integers(1, 999_999),
)
def test_the_canonical_name_of_a_data_set_is_a_fixed_point(name, ratio):
    once = dataset(name, ratio)
    assert dataset(str(once)) == once  # else two ratios would share a cell
    assert dataset(f"{name}(imbalance={ratio!r})") == once


def test_a_ratio_in_the_specification_goes_before_the_option_and_the_option_before_the_default():
    assert dataset("digits_lt").imbalance == 20
    assert dataset("digits_lt", 50).imbalance == 50
    assert dataset("digits_lt(imbalance=10)", 50).imbalance == 10
    assert str(dataset("cifar100_lt(imbalance=100.0)")) == "cifar100_lt(imbalance=100)"


@given(
    st.sampled_from(["0", "0.99", "-1", "True", "None", "'20'", "1e6", "1e999", "-1e999"])
    | st.floats(max_value=1, exclude_max=True).map(repr)
)
def test_a_ratio_that_is_none_is_refused(ratio):
    with pytest.raises(UsageError):
        dataset(f"digits_lt(imbalance={ratio})")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("digit_lt", "unknown data set 'digit_lt'; did you mean digits_lt or imagenet_lt?"),
        ("cifar10", "did you mean cifar10_lt"),
        (
            "svhn",
            "known: cifar100_lt, cifar10_lt, coco_lt, digits_lt, digits_mosaic, fashion_mnist_lt, ",
        ),
        (
            "digits_lt(ratio=3)",
            "data set digits_lt has no parameter ratio; it takes imbalance and profile.",
        ),
        (
            "digits_lt@small",
            "data set digits_lt has no parameter @small; it takes imbalance and profile.",
        ),
    ],
)
def test_an_unknown_data_set_or_parameter_is_named_with_what_there_is(text, words):
    with pytest.raises(UsageError) as caught:
        dataset(text)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["resnet32", "torchvision:resnet18", "timm:vit_tiny.augreg"])
def test_a_network_is_a_name_perhaps_of_a_library(name):
    assert network_name(f" {name} ") == name


@pytest.mark.parametrize("text", ["", "a b", "x:y:z", "../x", "resnet(8)"])
def test_what_is_no_name_of_a_network_is_refused(text):
    with pytest.raises(UsageError, match="as a network"):
        network_name(text)
