"""Learning rates epoch by epoch, against the published schedules."""

import math
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltbench.api.recipe import Recipe, Stage
from ltbench.errors import UsageError
from ltbench.registry.methods import build

LDAM = Recipe(200, 128, 0.1, 2e-4, warmup_epochs=5)


def rates(recipe):
    return [recipe.learning_rate_at(epoch) for epoch in range(recipe.epochs)]


def test_the_ldam_schedule_warms_up_holds_and_falls_two_decades_twice():
    published = [0.02, 0.04, 0.06, 0.08, 0.1] + [0.1] * 155 + [1e-3] * 20 + [1e-5] * 20
    assert rates(LDAM) == pytest.approx(published, rel=1e-12)


def test_the_field_s_drops_fall_at_zero_based_epochs_160_and_180():
    assert LDAM.learning_rate_at(159) == 0.1
    assert LDAM.learning_rate_at(160) == pytest.approx(1e-3)
    assert LDAM.learning_rate_at(179) == pytest.approx(1e-3)
    assert LDAM.learning_rate_at(180) == pytest.approx(1e-5)


def test_milestones_scale_with_the_length_of_training():
    short = Recipe(30, 128, 0.1, 2e-4)
    assert rates(short) == pytest.approx([0.1] * 24 + [1e-3] * 3 + [1e-5] * 3)
    variant = Recipe(400, 256, 0.15, 5e-4, milestones=(0.9, 0.95), decay=0.1, warmup_epochs=10)
    published = [0.015 * (e + 1) for e in range(10)] + [0.15] * 350 + [0.015] * 20 + [0.0015] * 20
    assert rates(variant) == pytest.approx(published)


def test_a_decade_per_drop_is_the_decay_of_a_tenth():
    bcl = Recipe(200, 256, 0.15, 5e-4, warmup_epochs=5, decay=0.1)
    published = [0.03, 0.06, 0.09, 0.12] + [0.15] * 156 + [0.015] * 20 + [0.0015] * 20
    assert rates(bcl) == pytest.approx(published)


def test_the_cosine_schedule_starts_full_is_half_in_the_middle_and_ends_above_zero():
    recipe = Recipe(10, 128, 0.2, 2e-4, schedule="cosine")
    expected = [0.1 * (1 + math.cos(math.pi * e / 10)) for e in range(10)]
    assert rates(recipe) == pytest.approx(expected)
    assert recipe.learning_rate_at(0) == 0.2
    assert recipe.learning_rate_at(5) == pytest.approx(0.1)
    assert recipe.learning_rate_at(9) == pytest.approx(0.2 * math.sin(math.pi / 20) ** 2)
    assert recipe.learning_rate_at(10) == pytest.approx(0, abs=1e-16)


def test_the_shifted_cosine_is_an_epoch_ahead_as_in_the_code_of_bcl():
    recipe = Recipe(90, 256, 0.1, 5e-4, schedule="shifted_cosine")
    expected = [0.1 * 0.5 * (1 + math.cos(math.pi * (e + 1) / 91)) for e in range(90)]
    assert rates(recipe) == pytest.approx(expected)
    warm = replace(recipe, epochs=95, warmup_epochs=5)
    assert rates(warm)[5:] == pytest.approx(expected)


def test_the_cosine_falls_from_the_first_epoch_after_warm_up():
    recipe = Recipe(25, 128, 0.1, 2e-4, schedule="cosine", warmup_epochs=5)
    assert rates(recipe)[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    expected = [0.05 * (1 + math.cos(math.pi * e / 20)) for e in range(20)]
    assert rates(recipe)[5:] == pytest.approx(expected)


@given(
    epochs=st.integers(1, 300),
    warmup=st.integers(0, 20),
    schedule=st.sampled_from(["step", "cosine"]),
    decay=st.floats(1e-3, 1),
)
def test_no_rate_exceeds_the_peak_and_after_warm_up_rates_never_rise(
    epochs, warmup, schedule, decay
):
    recipe = Recipe(epochs, 128, 0.1, 0.0, warmup_epochs=warmup, schedule=schedule, decay=decay)
    found = rates(recipe)
    assert all(0 < rate <= 0.1 * (1 + 1e-12) for rate in found)
    assert found[:warmup] == sorted(found[:warmup])
    assert found[warmup:] == sorted(found[warmup:], reverse=True)


def test_a_recipe_is_read_without_importing_torch():
    read = "import sys, ltbench.api.recipe, ltbench.evaluation.scores"
    code = f"{read}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_second_stage_is_a_share_of_the_epochs_under_a_cosine_without_warm_up():
    first = Recipe(200, 128, 0.1, 2e-4, nesterov=True, warmup_epochs=5, decay=0.1)
    second = first.second(0.15)
    assert (second.epochs, second.schedule, second.warmup_epochs) == (30, "cosine", 0)
    assert second.nesterov
    assert second.learning_rate_at(0) == 0.1
    assert first.second(0.001).epochs == 1


def test_a_stage_is_written_with_the_names_of_its_fields():
    with pytest.raises(TypeError, match="positional"):
        Stage("train", LDAM)  # type: ignore[misc]
    assert Stage(name="train", recipe=LDAM).trainable == ("",)


def test_factors_are_those_of_the_recipes_family_and_else_one():
    large = Recipe(90, 256, 0.1, 5e-4, schedule="cosine", family="imagenet_lt")
    factors = {"cifar": (2, 1.5, 2.5), "inaturalist2018": (1, 0.5, 1)}
    assert large.times(**factors) == large
    small = LDAM.times(**factors)
    assert (small.batch_size, small.learning_rate, small.weight_decay) == (256, 1.5 * 0.1, 5e-4)
    inat = replace(large, family="inaturalist2018").times(**factors)
    assert (inat.batch_size, inat.learning_rate) == (256, 0.05)
    assert replace(LDAM, batch_size=1).times(cifar=(0.5, 1, 1)).batch_size == 1


@pytest.mark.parametrize(
    ("method", "small", "large"),
    [
        ("bcl", (256, 0.15, 5e-4), (256, 0.1, 5e-4)),
        ("lade", (256, 0.2, 5e-4), (256, 0.05, 5e-4)),
        ("ride", (128, 0.1, 5e-4), (256, 0.1, 5e-4)),
        ("gala", (64, 0.1, 5e-4), (256, 0.1, 5e-4)),
        ("cc_sam", (64, 0.1, 2e-4), (256, 0.1, 5e-4)),
        ("gcl", (64, 0.1, 2e-4), (256, 0.1, 5e-4)),
        ("gkp_gsa", (256, 0.15, 5e-4), (256, 0.1, 5e-4)),
        ("ce", (128, 0.1, 2e-4), (256, 0.1, 5e-4)),
    ],
)
def test_a_papers_settings_are_those_of_each_family(method, small, large):
    imagenet = Recipe(90, 256, 0.1, 5e-4, schedule="cosine", family="imagenet_lt")
    for recipe, expected in ((LDAM, small), (imagenet, large)):
        first = build(method).stages(recipe)[0].recipe
        found = first.batch_size, first.learning_rate, first.weight_decay
        assert found == pytest.approx(expected, rel=1e-12)


def test_a_warm_up_by_steps_rises_from_a_third_of_the_epochs_rate():
    recipe = Recipe(8, 32, 0.02, 1e-4, milestones=(0.625, 0.875), decay=0.1, warmup_steps=500)
    assert recipe.learning_rate_at(0, 0) == pytest.approx(0.02 / 3)
    assert recipe.learning_rate_at(2, 250) == pytest.approx(0.02 * (1 / 3 + 1 / 3))
    assert recipe.learning_rate_at(5, 499) == pytest.approx(0.002 * (1 / 3 + 2 / 3 * 499 / 500))
    assert recipe.learning_rate_at(4, 500) == 0.02
    assert recipe.learning_rate_at(0) == 0.02
    assert recipe.second(0.5).warmup_steps == 0


def test_a_recipe_of_the_tail_alone_overrules_how_a_stage_draws():
    alone = replace(LDAM, tail_only=True)
    assert Stage(name="train", recipe=alone, sampler="class_balanced").sampler == "tail"
    assert [stage.sampler for stage in build("crt").stages(alone)] == ["tail", "tail"]
    assert [stage.sampler for stage in build("bcl").stages(alone)] == ["tail"]
    for other in ("bbn", "db"):
        with pytest.raises(UsageError, match=r"draws by .* leave tail_only out"):
            build(other).stages(alone)
