"""The training loop: repeatable, resumable after any epoch, honest about what it saw."""

import copy
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pytest
import torch
from made_trainings import quiet

from ltbench.api.compose import Compose
from ltbench.api.method import Method
from ltbench.api.recipe import Stage
from ltbench.engine.checkpoint import Checkpoint
from ltbench.engine.train import DivergedError
from ltbench.errors import LtbenchError
from ltbench.evaluation.metrics import scores_of
from ltbench.evaluation.selection import Selection

CLOCKS = ("train_seconds", "evaluate_seconds")


def plain(value):
    """A nest without its times, with tensors as bytes, to be compared bit by bit."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items() if key not in (*CLOCKS, "seconds")}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, torch.Tensor):
        return (value.dtype, tuple(value.shape), value.contiguous().numpy().tobytes())
    return value


def outcome(training):
    """Everything a run ends with that is not a time."""
    return plain(
        {
            "network": training.network.state_dict(),
            "state": training.method.state,
            "progress": asdict(training.progress),
        }
    )


@dataclass
class Drifting(Method):
    """Losses depend on state, and state on losses: whatever a checkpoint forgets shows."""

    def losses(self, outputs, batch, clock):
        noise = torch.rand(len(batch.targets), generator=clock.generator("noise"))
        harder = self.state["hardness"][batch.targets] if "hardness" in self.state else 1.0
        steps = self.state.get("steps", 0)
        return super().losses(outputs, batch, clock) * (1 + noise) * harder * (1 + steps / 10)

    def penalty(self, network, clock):
        centre = self.state.get("nest", {}).get("centre", torch.zeros(64))
        return 0.01 * (network.classifier.weight - centre).square().sum()

    def after_step(self, step):
        self.state["steps"] = self.state.get("steps", 0) + 1
        centre = self.state.get("nest", {}).get("centre", torch.zeros(64))
        mean = step.outputs["features"].mean(0)
        self.state["nest"] = {"centre": 0.9 * centre + 0.1 * mean}

    @torch.no_grad()
    def after_epoch(self, network, data, clock):
        hits = torch.zeros(self.task.num_classes)
        for batch in data():
            right = network(batch.images)["logits"].argmax(1) == batch.targets
            hits.index_add_(0, batch.targets, right.float())
        self.state["hardness"] = 2 - hits / self.task.class_counts


@dataclass
class Decoupled(Drifting):
    """Trains everything, then a fresh classifier on balanced batches with another method."""

    head: Method = field(default_factory=Drifting)

    def stages(self, recipe):
        second = replace(recipe, epochs=2, learning_rate=0.02, schedule="cosine")
        return (
            Stage(name="features", recipe=recipe),
            Stage(
                name="classifier",
                recipe=second,
                sampler="class_balanced",
                trainable=("classifier",),
                reset=("classifier",),
                method=self.head,
            ),
        )


@dataclass
class Returning(Drifting):
    """One helper is in charge before and after a stage of the method's own."""

    helper: Method = field(default_factory=Drifting)

    def stages(self, recipe):
        short = replace(recipe, epochs=1)
        return (
            Stage(name="before", recipe=short, method=self.helper),
            Stage(name="own", recipe=short),
            Stage(name="after", recipe=short, method=self.helper),
        )


@dataclass
class Weighing(Method):
    """A modifier with state and a penalty of its own."""

    def penalty(self, network, clock):
        return 0.001 * (1 + self.state.get("steps", 0)) * network.classifier.weight.square().sum()

    def after_step(self, step):
        self.state["steps"] = self.state.get("steps", 0) + 1


@dataclass
class LentOut(Drifting):
    """Another method is in charge of a stage that trains everything."""

    def stages(self, recipe):
        return (
            Stage(name="own", recipe=recipe),
            Stage(name="lent", recipe=replace(recipe, epochs=2), method=Drifting()),
        )


RESUMED = {
    "one stage": Drifting,
    "two stages": Decoupled,
    "composed": lambda: Compose(Decoupled(), Weighing()),
    "composed with another method in charge": lambda: Compose(LentOut(), Weighing()),
    "a helper that returns": Returning,
}


# repeatable


@pytest.mark.parametrize("make_method", [Drifting, Decoupled])
def test_the_same_run_twice_is_bit_identical_whatever_the_global_generators(
    make_training, make_method
):
    ends = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        training = make_training(make_method())
        training.run(quiet)
        ends.append(outcome(training))
    assert ends[0] == ends[1]


def test_another_seed_starts_from_other_weights_and_ends_elsewhere(make_training):
    first, second = make_training(seed=0), make_training(seed=1)
    for training in (first, second):
        weight = training.network.classifier.weight
        assert weight.isfinite().all()
    assert not torch.equal(first.network.classifier.weight, second.network.classifier.weight)
    first.run(quiet)
    second.run(quiet)
    assert not torch.equal(first.network.classifier.weight, second.network.classifier.weight)


def test_building_and_running_leave_the_global_generators_alone(make_training):
    np.random.seed(123)
    torch.manual_seed(123)
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    training = make_training(Decoupled())
    assert torch.equal(torch.get_rng_state(), torch_before)
    training.run(quiet)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)


def test_the_network_does_not_depend_on_how_many_numbers_another_purpose_drew(make_training):
    @dataclass
    class Drawing(Method):
        def losses(self, outputs, batch, clock):
            torch.rand(5, generator=clock.generator("mine"))
            return super().losses(outputs, batch, clock)

    usual, drawing = make_training(), make_training(Drawing())
    usual.run(quiet)
    drawing.run(quiet)
    assert outcome(usual) == outcome(drawing)


# resumable


@pytest.mark.parametrize("make_method", RESUMED.values(), ids=RESUMED)
def test_a_run_resumed_after_any_epoch_ends_bit_identical(make_training, make_tape, make_method):
    tape = make_tape()
    whole = make_training(make_method(), checkpoint=tape.checkpoint)
    whole.run(quiet)
    assert len(tape.versions) == whole.epochs + 1  # after every epoch, and at the end
    for version in tape.versions:
        resumed = make_training(make_method(), checkpoint=make_tape(content=version).checkpoint)
        assert resumed.resume()
        resumed.run(quiet)
        assert outcome(resumed) == outcome(whole)


def test_a_run_interrupted_again_and_again_ends_bit_identical(make_training, make_tape):
    undisturbed = make_training(Decoupled())
    undisturbed.run(quiet)
    tape = make_tape()
    for done in range(undisturbed.epochs):
        training = make_training(Decoupled(), checkpoint=tape.checkpoint)
        assert training.resume() == bool(done)
        assert training.progress.epochs_done == done

        def power_fails_in_the_second_epoch(report, done=done):
            if (report.epoch, report.step) == (done + 1, 2):
                raise RuntimeError("no power")

        if done + 1 < undisturbed.epochs:
            with pytest.raises(RuntimeError, match="no power"):
                training.run(power_fails_in_the_second_epoch)
    training.run(quiet)
    assert outcome(training) == outcome(undisturbed)


def test_without_a_file_there_is_nothing_to_resume(make_training, make_tape):
    assert not make_training().resume()
    assert not make_training(checkpoint=make_tape().checkpoint).resume()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("network", {}),
        ("network", {"classifier.weight": torch.zeros(3, 3)}),
        ("states", []),
        ("states", [{}, {}, {}]),
        ("progress", {"stage": 0, "colour": 1}),
        ("progress", 3),
    ],
)
def test_a_checkpoint_of_another_network_or_version_says_to_delete_it(
    make_training, make_tape, key, value
):
    tape = make_tape()
    make_training(checkpoint=tape.checkpoint).run(quiet)
    content = {**tape.checkpoint.load(), key: value}
    tape.checkpoint.save(content)
    with pytest.raises(LtbenchError, match="delete it to train this run from the start") as caught:
        make_training(checkpoint=tape.checkpoint).resume()
    assert "\n" not in str(caught.value)
    assert str(tape.path) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"finished": True}, "it is finished at epoch 1 of 5"),
        ({"epoch": 3}, "it is under way at epoch 1 of 5"),
        ({"stage": 1, "epoch": 0}, "it is under way at epoch 1 of 5"),
        ({"stage": 2, "epoch": 0, "epochs_done": 4, "finished": True}, "finished at epoch 4 of 5"),
        ({"epochs_done": 3}, "it is under way at epoch 3 of 5"),
        ({"epoch": -1}, "it is under way at epoch 1 of 5"),
        ({"curves": []}, "it is under way at epoch 1 of 5"),
        ({"best": {"epoch": 4}}, "scores of another epoch than its first 1"),
        ({"train_seconds": float("nan")}, "its steps, images or seconds"),
        ({"steps": -1}, "its steps, images or seconds"),
    ],
)
def test_a_checkpoint_that_is_at_no_place_of_its_training_is_refused(
    make_training, make_tape, change, reason
):
    """`finished` at epoch 1 of 4 would become a record of four epochs."""
    tape = make_tape(every=0.0)
    make_training(Decoupled(), checkpoint=tape.checkpoint).run(quiet)
    first = make_tape(content=tape.versions[0]).checkpoint
    assert make_training(Decoupled(), checkpoint=first).resume()
    content = first.load()
    first.save({**content, "progress": content["progress"] | change})
    with pytest.raises(LtbenchError, match=reason):
        make_training(Decoupled(), checkpoint=first).resume()


def test_a_finished_run_does_not_train_again(make_training, make_tape):
    tape = make_tape()
    training = make_training(checkpoint=tape.checkpoint)
    training.run(quiet)
    end = outcome(training)
    taken_up = make_training(checkpoint=tape.checkpoint)
    assert taken_up.resume()
    assert taken_up.progress.finished

    def fail(report):
        raise AssertionError("trained again")

    taken_up.run(fail)
    training.run(fail)
    assert outcome(taken_up) == outcome(training) == end


def test_saving_waits_for_its_interval_but_the_end_is_always_saved(make_training, make_tape):
    tape = make_tape(every=1e9)
    make_training(checkpoint=tape.checkpoint).run(quiet)
    assert len(tape.versions) == 1


@pytest.mark.parametrize(("epoch", "step"), [(1, 1), (1, 3), (2, 2), (4, 1)])
def test_ctrl_c_saves_the_last_whole_epoch_and_the_run_goes_on_from_there(
    make_training, make_tape, epoch, step
):
    whole = make_training(Decoupled())
    whole.run(quiet)
    tape = make_tape(every=1e9)
    training = make_training(Decoupled(), checkpoint=tape.checkpoint)

    def interrupt(report):
        if report.loss is None and (report.epoch, report.step) == (epoch, step):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.run(interrupt)
    assert len(tape.versions) == 1
    resumed = make_training(Decoupled(), checkpoint=tape.checkpoint)
    resumed.resume()
    assert resumed.progress.epochs_done == epoch
    assert resumed.progress.steps == 3 * epoch
    resumed.run(quiet)
    assert outcome(resumed) == outcome(whole)


class Widened(torch.nn.Module):
    """A classifier with a second one, drawn at random, beside it."""

    def __init__(self, classifier):
        super().__init__()
        self.first, self.second = classifier, torch.nn.Linear(64, 4)

    def forward(self, features):
        return self.first(features) + self.second(features)


@dataclass
class Entering(Method):
    """The second stage trains what the first did not have; the third adds nothing."""

    def stages(self, recipe):
        second = replace(recipe, epochs=2)
        added = ("classifier.second",)
        return (
            Stage(name="train", recipe=recipe),
            Stage(name="added", recipe=second, trainable=added, reset=added),
            Stage(name="again", recipe=second, trainable=added),
        )

    def begin_stage(self, network, stage):
        assert stage in ("added", "again")
        if stage == "added":
            network.classifier = Widened(network.classifier)
        return network


def test_a_later_stage_enters_a_network_of_its_own_and_resumes_in_it(make_training, make_tape):
    tape = make_tape()
    whole = make_training(Entering(), checkpoint=tape.checkpoint)
    whole.run(quiet)
    first = make_training(Method())
    first.run(quiet)
    for name, value in first.network.classifier.state_dict().items():
        assert torch.equal(whole.network.classifier.first.state_dict()[name], value)
    assert len(tape.versions) == 8  # seven epochs and the end
    for done, version in enumerate(tape.versions, 1):
        resumed = make_training(Entering(), checkpoint=make_tape(content=version).checkpoint)
        assert resumed.resume()
        assert resumed.progress.epochs_done == min(done, 7)
        assert isinstance(resumed.network.classifier, Widened) == (done > 3)
        resumed.run(quiet)
        assert outcome(resumed) == outcome(whole)
        assert resumed.network.classifier.second.weight.requires_grad


def test_ctrl_c_in_the_first_epoch_saves_nothing(make_training, make_tape):
    tape = make_tape()

    def interrupt(report):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_training(checkpoint=tape.checkpoint).run(interrupt)
    assert tape.versions == []
    assert not tape.path.exists()


# stages


def test_frozen_parameters_do_not_move_and_a_reset_classifier_starts_afresh(
    make_training, make_tape
):
    tape = make_tape()
    training = make_training(Decoupled(), checkpoint=tape.checkpoint, weight_decay=0.1)
    training.run(quiet)
    contents = [make_tape(content=version).checkpoint.load() for version in tape.versions]
    first, second = contents[2]["network"], contents[4]["network"]
    parameters = dict(training.network.named_parameters())
    frozen = [name for name in parameters if name.startswith("backbone.")]
    assert len(frozen) > 10
    assert all(torch.equal(first[name], second[name]) for name in frozen)
    assert not torch.equal(first["classifier.weight"], second["classifier.weight"])
    # The frozen encoder stays in training mode, so its statistics follow the balanced batches.
    assert not torch.equal(first["backbone.bn1.running_mean"], second["backbone.bn1.running_mean"])


def test_the_second_stage_s_classifier_does_not_depend_on_the_first_stage_s(make_training):
    """The reset is seeded by run and stage: two first stages, one fresh classifier."""

    @dataclass
    class Halting(Method):
        first_rate: float = 0.1

        def stages(self, recipe):
            idle = replace(recipe, epochs=1, learning_rate=0.0)
            busy = replace(recipe, epochs=1, learning_rate=self.first_rate)
            return (
                Stage(name="one", recipe=busy),
                Stage(name="two", recipe=idle, reset=("classifier",)),
            )

    ends = []
    for rate in (0.01, 0.1):
        training = make_training(Halting(rate))
        before = training.network.classifier.weight.detach().clone()
        training.run(quiet)
        ends.append(training.network)
        assert not torch.equal(training.network.classifier.weight, before)
    assert torch.equal(ends[0].classifier.weight, ends[1].classifier.weight)
    assert not torch.equal(ends[0].backbone.conv1.weight, ends[1].backbone.conv1.weight)


def test_the_method_in_charge_of_a_stage_trains_it_and_the_run_s_own_method_predicts(
    make_training,
):
    calls = []

    @dataclass
    class Helper(Method):
        def losses(self, outputs, batch, clock):
            calls.append(("helper trains", clock.stage, int(self.task.num_classes)))
            return super().losses(outputs, batch, clock)

        def predict(self, network, images):
            calls.append(("helper predicts", "", 0))
            return super().predict(network, images)

    @dataclass
    class Owner(Method):
        def stages(self, recipe):
            short = replace(recipe, epochs=1)
            return (
                Stage(name="own", recipe=short),
                Stage(name="lent", recipe=short, method=Helper()),
            )

        def losses(self, outputs, batch, clock):
            calls.append(("owner trains", clock.stage, 4))
            return super().losses(outputs, batch, clock)

        def predict(self, network, images):
            calls.append(("owner predicts", "", 0))
            return super().predict(network, images)

    make_training(Owner()).run(quiet)
    evaluations = [("owner predicts", "", 0)] * 2  # at the test set, at the held-out images
    expected = [("owner trains", "own", 4)] * 3 + evaluations
    expected += [("helper trains", "lent", 4)] * 3 + evaluations
    assert calls == expected


@dataclass
class Bound(Method):
    """Sets its state up where the task is first known."""

    def setup(self, task):
        super().setup(task)
        self.state["times bound"] = self.state.get("times bound", 0) + 1


@dataclass
class BoundModifier(Bound):
    """The same, as a modifier."""

    def after_step(self, step):
        """Do nothing; a hook makes it a modifier."""


@dataclass
class BoundStages(Bound):
    """A stage of the method's own, a helper's, and one of the classifier alone."""

    def stages(self, recipe):
        short = replace(recipe, epochs=1)
        return (
            Stage(name="own", recipe=short),
            Stage(name="helper", recipe=short, method=Bound()),
            Stage(name="classifier", recipe=short, trainable=("classifier",)),
        )


def test_a_method_is_bound_before_anything_else_and_knows_its_task_from_then_on(make_training):
    heard = []

    @dataclass
    class Eager(Method):
        def setup(self, task):
            super().setup(task)
            heard.append("setup")

        def build(self, network):
            heard.append("build")
            return network

        def stages(self, recipe):
            heard.append("stages")
            return super().stages(recipe)

    make_training(Eager())
    assert heard[0] == "setup"
    assert set(heard) == {"setup", "build", "stages"}


@pytest.mark.parametrize("composed", [False, True], ids=["alone", "composed"])
def test_every_method_is_bound_exactly_once_however_many_stages_it_has(make_training, composed):
    base, modifier = BoundStages(), BoundModifier()
    training = make_training(Compose(base, modifier) if composed else base)
    training.run(quiet)
    helpers = [stage.method for stage in training.stages if stage.method is not None]
    bound = [base, *([modifier] if composed else []), *helpers]
    times = {part.state.get("0", part.state)["times bound"] for part in bound}
    assert times == {1}


# what it saw


def test_the_curves_tell_every_epoch_of_every_stage(make_training):
    training = make_training(Decoupled(), warmup_epochs=2)
    training.run(quiet)
    rows = training.progress.curves
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["stage"] for row in rows] == ["features"] * 3 + ["classifier"] * 2
    rates = [row["learning_rate"] for row in rows]
    assert rates == pytest.approx([0.025, 0.05, 5e-4, 0.01, 0.02])
    assert all(row["loss"] > 0 for row in rows)
    seconds = [row["seconds"] for row in rows]
    assert seconds == sorted(seconds)
    assert training.progress.finished
    assert training.progress.steps == 15
    assert training.progress.images == 5 * 45
    assert training.progress.epochs_done == 5


@dataclass
class Plotting(Method):
    """A method with a scalar of its own."""

    name: str = "steps"

    def after_step(self, step):
        self.state["steps"] = self.state.get("steps", 0) + 1

    def curves(self):
        return {self.name: float(self.state["steps"])}


@dataclass
class Logging(Drifting):
    """A gradient rule that logs a scalar of each step."""

    name: str = "classifier_norm"

    def backward(self, step):
        super().backward(step)
        step.log(self.name, step.network.classifier.weight.norm())


def test_what_steps_log_is_a_curve_that_an_interrupted_run_has_too(make_training, make_tape):
    whole = make_training(Compose(Logging(), Plotting()))
    whole.run(quiet)
    curve = [row["classifier_norm"] for row in whole.progress.curves]
    assert len(set(curve)) == len(curve) == 3

    def interrupt(report):
        if report.epoch == 1 and report.step == 2:
            raise KeyboardInterrupt

    checkpoint = make_tape().checkpoint
    broken = make_training(Compose(Logging(), Plotting()), checkpoint=checkpoint)
    with pytest.raises(KeyboardInterrupt):
        broken.run(interrupt)
    again = make_training(Compose(Logging(), Plotting()), checkpoint=checkpoint)
    assert again.resume()
    again.run(quiet)
    assert outcome(again) == outcome(whole)


def test_the_scalars_of_a_method_stand_in_the_curves_after_every_epoch(make_training):
    training = make_training(Compose(Drifting(), Plotting()))
    training.run(quiet)
    assert [row["steps"] for row in training.progress.curves] == [3, 6, 9]


@pytest.mark.parametrize("name", ["epoch", "stage", "learning_rate", "loss", "top1"])
@pytest.mark.parametrize("method", [Plotting, Logging])
def test_the_scalars_of_a_method_do_not_hide_the_engine_s_own(make_training, method, name):
    base = Drifting() if method is Logging else Method()
    plain, plotting = make_training(base), make_training(method(name=name))
    plain.run(quiet)
    plotting.run(quiet)
    expected = [row[name] for row in plain.progress.curves]
    assert [row[name] for row in plotting.progress.curves] == expected


def test_the_loss_falls_and_the_method_learns(make_training):
    training = make_training(epochs=12)
    training.run(quiet)
    losses = [row["loss"] for row in training.progress.curves]
    assert losses[-1] < losses[0] / 2
    assert training.scores().top1 > 40  # of 25 by chance


@pytest.mark.parametrize(
    ("epochs", "every", "evaluated"),
    [(6, 1, [1, 2, 3, 4, 5, 6]), (6, 2, [2, 4, 6]), (5, 2, [2, 4, 5]), (3, 10, [3])],
)
def test_the_test_set_is_evaluated_when_due_and_at_the_end(make_training, epochs, every, evaluated):
    training = make_training(epochs=epochs, evaluate_every=every)
    training.run(quiet)
    rows = training.progress.curves
    assert [row["epoch"] for row in rows if "top1" in row] == evaluated
    assert training.scores().epoch == epochs
    assert training.scores(Selection.BEST_TEST).epoch in evaluated


def test_the_epochs_that_count_are_those_they_say(make_training, monkeypatch):
    """`best_test` is the first maximum on the test set, `validation` that on held-out images."""
    training = make_training(epochs=5)
    tested, held_out = iter([6, 14, 10, 14, 12]), iter([20.0, 10.0, 40.0, 40.0, 30.0])
    held_out_labels = training.feeds["validation"].subset.labels

    def scripted(logits, labels, task, epoch):
        scores = scores_of(logits, labels, task, epoch)
        if labels is held_out_labels:
            return scores.model_copy(update={"top1": next(held_out)})
        hits = next(tested)  # of 20
        correct = tuple(min(5, max(0, hits - 5 * c)) for c in range(4))
        return scores.model_copy(update={"top1": 5.0 * hits, "correct": correct})

    monkeypatch.setattr("ltbench.evaluation.metrics.scores_of", scripted)
    training.run(quiet)
    found = {
        select: (training.scores(select).epoch, training.scores(select).top1)
        for select in Selection
    }
    assert found == {"last": (5, 60.0), "best_test": (2, 70.0), "validation": (3, 50.0)}
    assert [row["validation_top1"] for row in training.progress.curves] == [20, 10, 40, 40, 30]


def test_without_held_out_images_nothing_is_selected(make_training, split):
    training = make_training()
    del training.feeds["validation"]
    training.run(quiet)
    assert training.scores(Selection.VALIDATION) is None
    assert all("validation_top1" not in row for row in training.progress.curves)


def test_before_training_there_are_no_scores(make_training):
    training = make_training()
    assert [training.scores(select) for select in Selection] == [None] * 3


def test_the_scores_of_the_end_are_those_of_the_trained_network(make_training):
    training = make_training()
    training.run(quiet)
    feed = training.test
    with torch.no_grad():
        logits = training.network.eval()(feed.normalise(feed.subset.images))["logits"]
    hits = logits.argmax(1) == feed.subset.labels
    correct = feed.subset.labels[hits].bincount(minlength=4).tolist()
    scores = training.scores()
    assert scores.top1 == pytest.approx(100 * float(hits.float().mean()))
    assert scores.correct == tuple(correct)
    row = training.progress.curves[-1]
    assert (row["top1"], row["many"], row["medium"], row["few"]) == (
        scores.top1, scores.many, scores.medium, scores.few,
    )  # fmt: skip


def test_looking_at_the_test_set_does_not_change_what_is_trained(make_training):
    often, seldom = make_training(epochs=4), make_training(epochs=4, evaluate_every=4)
    often.run(quiet)
    seldom.run(quiet)
    assert plain(often.network.state_dict()) == plain(seldom.network.state_dict())


def test_an_observer_hears_every_step_and_every_epoch(make_training):
    training, heard = make_training(epochs=2), []
    training.run(heard.append)
    steps = [(r.epoch, r.step) for r in heard if r.loss is None]
    assert steps == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]
    ends = [r for r in heard if r.loss is not None]
    assert [r.epoch for r in ends] == [1, 2]
    rows = training.progress.curves
    assert [(r.loss, r.headline) for r in ends] == [(row["loss"], row["top1"]) for row in rows]
    assert {(r.epochs, r.steps) for r in heard} == {(2, 3)}
    assert all(r.images_per_second > 0 for r in heard)


# divergence


@dataclass
class Breaking(Method):
    """A loss that is no number at one step of one epoch of the second stage."""

    epoch: int = 0
    step: int = 0
    value: float = float("nan")

    def stages(self, recipe):
        return (
            Stage(name="fine", recipe=replace(recipe, epochs=2)),
            Stage(name="broken", recipe=recipe),
        )

    def losses(self, outputs, batch, clock):
        losses = super().losses(outputs, batch, clock)
        here = (clock.stage, clock.epoch, clock.step) == ("broken", self.epoch, self.step)
        return losses * self.value if here else losses


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(("epoch", "step"), [(0, 0), (0, 2), (1, 1), (2, 2)])
def test_a_loss_that_is_no_number_stops_the_run_and_names_epoch_and_step(
    make_training, epoch, step, value
):
    training = make_training(Breaking(epoch, step, value))
    with pytest.raises(DivergedError) as caught:
        training.run(quiet)
    assert (caught.value.epoch, caught.value.step) == (2 + epoch + 1, step + 1)
    assert isinstance(caught.value, LtbenchError)
    assert not training.progress.finished


def test_a_diverged_epoch_is_neither_scored_nor_saved(make_training, make_tape):
    tape = make_tape()
    training = make_training(Breaking(1, 1), checkpoint=tape.checkpoint)
    with pytest.raises(DivergedError):
        training.run(quiet)
    assert len(training.progress.curves) == 3
    assert tape.checkpoint.load()["progress"]["epochs_done"] == 3


@pytest.mark.parametrize("rate", [1e5, 1e20])
def test_weights_that_break_in_the_last_step_of_an_epoch_are_divergence_too(make_training, rate):
    """The losses were all finite; the network they lead to is not."""
    training = make_training(epochs=2, batch_size=45, learning_rate=rate)
    with pytest.raises(DivergedError) as caught:
        training.run(quiet)
    assert caught.value.epoch == 1


def test_a_penalty_that_is_no_number_is_divergence(make_training):
    class Pulling(Method):
        def penalty(self, network, clock):
            return network.classifier.weight.sum() * float("nan")

    training = make_training(Pulling(), epochs=1, batch_size=45)
    with pytest.raises(DivergedError) as caught:
        training.run(quiet)
    assert (caught.value.epoch, caught.value.step) == (1, 1)


# precision


def test_bfloat16_trains_float32_weights(make_training):
    seen = {}

    class Looking(Method):
        def losses(self, outputs, batch, clock):
            seen["outputs"] = {name: value.dtype for name, value in outputs.items()}
            return super().losses(outputs, batch, clock)

    def remember(module, inputs, output):
        seen["maps"] = output.dtype

    training = make_training(Looking(), epochs=12, precision="bfloat16")
    with training.network.backbone.conv1.register_forward_hook(remember):
        training.run(quiet)
    assert seen["maps"] == torch.bfloat16
    assert seen["outputs"] == {"features": torch.float32, "logits": torch.float32}
    assert {p.dtype for p in training.network.parameters()} == {torch.float32}
    losses = [row["loss"] for row in training.progress.curves]
    assert losses[-1] < losses[0] / 2
    assert training.scores().top1 > 40


def test_bfloat16_is_another_run_than_float32_and_repeats_bit_identically(make_training):
    ends = []
    for precision in ("bfloat16", "bfloat16", "float32"):
        training = make_training(Decoupled(), precision=precision)
        training.run(quiet)
        ends.append(outcome(training))
    assert ends[0] == ends[1]
    assert ends[0]["network"] != ends[2]["network"]


def test_weights_lie_channels_last(make_training):
    weight = make_training().network.backbone.stages[1][0].conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_the_checkpoint_s_content_is_a_copy_that_training_does_not_touch(make_training, tmp_path):
    kept = []

    class Keeping(Checkpoint):
        def save(self, content):
            kept.append((content, copy.deepcopy(content)))

    checkpoint = Keeping(tmp_path / "none.pt", lambda path, write: None, every=0.0)
    make_training(Decoupled(), checkpoint=checkpoint).run(quiet)
    assert len(kept) == 6
    assert all(plain(content) == plain(then) for content, then in kept)
    assert plain(kept[0][0]) != plain(kept[1][0])
