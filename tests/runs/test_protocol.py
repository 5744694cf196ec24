"""Protocols: canonical names, refusals in words, and no field that a text could break."""

import dataclasses
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ltbench.api.recipe import Recipe
from ltbench.data.catalog import CATALOG, dataset
from ltbench.errors import UsageError
from ltbench.runs.protocol import Protocol, protocol_of, shortened, shots_under
from ltbench.runs.protocols import PROTOCOLS

DIGITS, CIFAR = CATALOG["digits_lt"], CATALOG["cifar100_lt"]
FIELDS = sorted(set(Protocol.model_fields) - {"specification"})
LITERALS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**500), 10**500)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["step", "cosine", "float32", "bfloat16", "", "x", "0.5, 0.75"])
).map(repr)


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_every_data_set_has_its_default_protocol(name):
    info = CATALOG[name]
    protocol = protocol_of(None, info)
    assert protocol.specification == info.protocol
    assert protocol == protocol_of(info.protocol, info)
    for known in PROTOCOLS[info.family]:
        assert protocol_of(known, info).specification == protocol_of(known, info).name == known


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("fast(epochs=20)", "fast(epochs=20)"),
        (" fast ( epochs = 20 ) ", "fast(epochs=20)"),
        ("fast()", "fast"),
        ("fast(epochs=60)", "fast"),  # the digits' own
        ("fast(warmup_epochs=5, epochs=20)", "fast(epochs=20)"),
        ("fast(subset_seed=1, epochs=20)", "fast(epochs=20, subset_seed=1)"),
        ("fast(learning_rate=1)", "fast(learning_rate=1.0)"),
        ("fast(weight_decay=0)", "fast(weight_decay=0.0)"),
        ("fast(schedule='cosine')", "fast(schedule='cosine')"),
        ("fast(validation=2)", "fast(validation=2)"),
        ("fast(milestones='0.60, 0.8')", "fast(milestones='0.6,0.8')"),
        ("fast(milestones='0.8,0.90', momentum=0.9)", "fast"),
        ("fast(nesterov=True, momentum=0)", "fast(momentum=0.0, nesterov=True)"),
        ("fast(epochs=3, warmup_epochs=0)", "fast(epochs=3)"),
    ],
)
def test_a_canonical_protocol_names_just_what_differs_in_one_order(text, canonical):
    protocol = protocol_of(text, DIGITS)
    assert protocol.specification == canonical
    assert protocol_of(canonical, DIGITS) == protocol


def test_a_changed_field_is_another_protocol_that_confirms_no_paper():
    assert protocol_of("paper", CIFAR).exact
    assert protocol_of("paper(epochs=200)", CIFAR).exact
    assert protocol_of("paper(precision='float32')", CIFAR).exact  # the papers' own precision
    changed = protocol_of("paper(epochs=199)", CIFAR)
    assert not changed.exact
    assert changed.name == "paper"
    assert changed.epochs == changed.recipe().epochs == 199
    assert not protocol_of("fast", CIFAR).exact


def test_every_field_of_a_recipe_is_a_protocols():
    changed = {
        "epochs": 7, "batch_size": 16, "learning_rate": 0.2, "weight_decay": 0.1,
        "momentum": 0.5, "nesterov": True, "warmup_epochs": 3, "schedule": "cosine",
        "milestones": "0.25,0.5,0.75", "decay": 0.5, "drop_last": True, "backbone_rate": 0.5,
        "norm_batch": 8, "clip_norm": 3.0, "frozen_stages": 2, "frozen_norms": True,
        "tail_only": True,
    }  # fmt: skip
    one_warm_up = {"warmup_steps": 0}
    fields = {field.name for field in dataclasses.fields(Recipe)}
    assert {*changed, *one_warm_up, "family"} == fields
    text = ", ".join(f"{name}={value!r}" for name, value in changed.items())
    recipe = protocol_of(f"fast({text})", DIGITS).recipe()
    expected = changed | one_warm_up | {"milestones": (0.25, 0.5, 0.75), "family": "cifar"}
    assert dataclasses.asdict(recipe) == expected
    other = protocol_of("fast(warmup_epochs=0, warmup_steps=9)", DIGITS).recipe()
    assert (other.warmup_epochs, other.warmup_steps) == (0, 9)


def test_a_warm_up_that_would_be_the_whole_training_is_shortened_and_said():
    short = protocol_of("fast(epochs=5)", DIGITS)
    assert (short.warmup_epochs, short.recipe().warmup_epochs) == (1, 1)
    assert short.recipe().learning_rate_at(1) == short.learning_rate
    assert shortened(short, DIGITS) == (
        "protocol fast(epochs=5): its usual warm-up of 5 epochs would be all of it, so it is 1; "
        "warmup_epochs=… sets another"
    )
    assert protocol_of("fast(epochs=6)", DIGITS).warmup_epochs == 5
    assert shortened(protocol_of("fast(epochs=6)", DIGITS), DIGITS) == ""


def test_the_validation_option_is_the_protocols_field():
    assert protocol_of("fast", DIGITS, 2) == protocol_of("fast(validation=2)", DIGITS)
    assert protocol_of("fast(validation=1)", DIGITS, 2).validation == 2
    assert protocol_of("fast", DIGITS, 0).specification == "fast"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("paper", "unknown protocol for digits_lt 'paper'; known: clip, fast, smoke."),
        ("fst", "did you mean fast?"),
        ("fast@x", "unknown protocol for digits_lt 'fast@x'"),
        ("fast+smoke", "must be one name"),
        ("fast(epoch=3)", "unknown field of protocol fast 'epoch'; did you mean epochs?"),
        ("fast(specification='paper')", "unknown field of protocol fast 'specification'"),
        ("fast(epochs='20')", "epochs = '20' is not allowed"),
        ("fast(epochs=20.0)", "epochs = 20.0 is not allowed"),
        ("fast(epochs=True)", "epochs = True is not allowed"),
        ("fast(epochs=None)", "epochs = None is not allowed"),
        ("fast(epochs=0)", "epochs = 0 is not allowed"),
        ("fast(epochs=-1)", "epochs = -1 is not allowed"),
        ("fast(epochs=nan)", "cannot read 'fast(epochs=nan)'"),
        ("fast(learning_rate=nan)", "cannot read"),
        ("fast(learning_rate=1e999)", "learning_rate = inf is not allowed"),
        ("fast(learning_rate=0)", "learning_rate = 0.0 is not allowed"),
        ("fast(decay=2)", "decay = 2.0 is not allowed"),
        ("fast(fraction=0)", "fraction = 0.0 is not allowed"),
        ("fast(subset_seed=4294967296)", "subset_seed = 4294967296 is not allowed"),
        ("fast(precision='float16')", "precision = 'float16' is not allowed"),
        ("fast(schedule='line')", "schedule = 'line' is not allowed"),
        ("fast(milestones='0.8,0.6')", "milestones = '0.8,0.6' is not allowed (give rising shares"),
        ("fast(milestones='')", "give rising shares of the epochs, such as '0.6,0.8'"),
        ("fast(milestones='0.5,1.5')", "give rising shares"),
        ("fast(momentum=1)", "momentum = 1.0 is not allowed"),
        ("fast(epochs=10, warmup_epochs=10)", "leaves none of epochs=10 at the full rate"),
        (" ", "cannot read ' '"),
    ],
)
def test_a_protocol_that_cannot_be_is_refused_with_its_reason(text, words):
    with pytest.raises(UsageError) as caught:
        protocol_of(text, DIGITS)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@given(st.sampled_from(sorted(CATALOG)), st.dictionaries(st.sampled_from(FIELDS), LITERALS))
@example("digits_lt", {"learning_rate": "1" + "0" * 400})
@example("digits_lt", {"epochs": "60.0"})
@example("digits_lt", {"validation": "False"})
def test_a_protocol_is_a_fixed_point_of_its_name_or_refused(name, fields):
    info = CATALOG[name]
    text = f"smoke({', '.join(f'{key}={value}' for key, value in fields.items())})"
    try:
        protocol = protocol_of(text, info)
    except UsageError:
        return
    assert protocol_of(protocol.specification, info) == protocol
    for key, value in fields.items():
        kept = getattr(protocol, key)
        assert repr(kept) == value or (type(kept) is float and repr(int(kept)) == value)


@given(st.text(st.characters()) | st.text("fast(epochs=20.,'_ )x"))
def test_no_text_for_a_protocol_raises_anything_but_a_usage_error(text):
    for info in CATALOG.values():
        with suppress(UsageError):
            protocol_of(text, info)


@pytest.mark.parametrize("name", ["paper", "fast", "smoke", "fast(epochs=3)"])
@pytest.mark.parametrize("data", ["imagenet_lt", "inaturalist2018"])
def test_large_sets_have_recipes_of_their_own_family(name, data):
    found = protocol_of(name, CATALOG[data])
    assert found.family == found.recipe().family == data
    assert (found.schedule, found.warmup_epochs) == ("cosine", 0)
    side = 32 if name == "smoke" else 224
    assert found.sized(CATALOG[data]).shape == (3, side, side)


def test_a_family_is_not_changed_and_a_side_only_where_images_are_streamed():
    assert protocol_of("fast(side=64)", CATALOG["imagenet_lt"]).side == 64
    for data, field in (("imagenet_lt", "family='cifar'"), ("digits_lt", "side=16")):
        with pytest.raises(UsageError, match="unknown field of protocol fast"):
            protocol_of(f"fast({field})", CATALOG[data])


def test_parts_of_a_batch_must_divide_it():
    assert protocol_of("fast(norm_batch=8)", DIGITS).recipe().norm_batch == 8
    with pytest.raises(UsageError, match="norm_batch=7 does not divide batch_size=32; choose"):
        protocol_of("fast(norm_batch=7)", DIGITS)


def test_shot_groups_under_a_protocol_are_of_the_images_it_leaves():
    """Images of CIFAR-10-LT: 5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50; or a tenth."""
    data = dataset("cifar10_lt")
    assert shots_under("paper", data) == ("many",) * 8 + ("medium",) * 2
    assert shots_under("fast(fraction=0.1)", data) == (
        *["many"] * 4, *["medium"] * 3, *["few"] * 3
    )  # fmt: skip
    assert shots_under("paper(validation=10)", data) == shots_under("paper", data)
