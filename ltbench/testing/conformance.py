"""What every method must hold to, ours or a third party's, on a tiny synthetic task.

`check(specification)` returns the broken rules in words; the tests run it over the registry and
`ltbench check mine.py` over a file.
"""

import copy
import io
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from ltbench.api.compose import leaves
from ltbench.data.readers import Subset
from ltbench.data.training_images import TrainingImages
from ltbench.engine.evaluate import finalised, logits_of
from ltbench.engine.fit import Training
from ltbench.engine.isolation import seeded
from ltbench.errors import LtbenchError, located
from ltbench.registry.methods import build
from ltbench.testing.declaration import described
from ltbench.testing.rules import BrokenRuleError, Rule, equal, expect
from ltbench.testing.synthetic import (
    CLASSES,
    EPOCHS,
    drawn_split,
    first_step,
    interrupted,
    kind_of,
    training,
)

UNJUDGED = "cannot be judged"  # what is said of a rule that stands on a broken one


def check(specification: str, *, debug: bool = False) -> list[str]:
    """Return every rule that a method breaks, in words; `debug` raises unforeseen errors."""
    problems: list[str] = []
    for rule in RULES:
        try:
            if any(problem.startswith(f"{rule.needs}: ") for problem in problems):
                raise BrokenRuleError(f"{UNJUDGED} while {rule.needs} fails")
            rule.verify(specification)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a hook may raise what ends a program
            foreseen = isinstance(error, BrokenRuleError | LtbenchError)
            if debug and not foreseen:
                raise
            problems.append(f"{rule.name}: {error if foreseen else located(error)}")
    return problems


def _losses(specification: str) -> None:
    step = first_step(training(specification))
    outputs = step.forward()
    losses = step.method.losses(outputs, step.batch, step.clock)  # weights would stretch a scalar
    shape = step.batch.targets.shape[:1]
    expect(losses.shape == shape, f"losses have shape {tuple(losses.shape)}, not [B]")
    weighted = step.losses(outputs)
    found = f"sample_weights or shares stretch the losses to {tuple(weighted.shape)}, not [B]"
    expect(weighted.shape == losses.shape, found)
    expect(bool(weighted.isfinite().all()), "losses are not finite on fresh weights")


def _pure(specification: str) -> None:
    for epoch in (0, EPOCHS - 1):
        step = first_step(training(specification), epoch)
        outputs = {name: value.detach() for name, value in step.forward().items()}
        before, given = copy.deepcopy(step.method.state), copy.deepcopy(outputs)
        if not torch.equal(step.losses(outputs), step.losses(outputs)):
            again = [seeded(0, "losses")(step.losses)(outputs) for _ in range(2)]
            drawn = (
                "losses draws random numbers of its own, as dropout does, so two calls differ; "
                "draw from clock.generator, or in forward"
            )
            raise BrokenRuleError(
                drawn if torch.equal(*again) else "two calls of losses on the same outputs differ"
            )
        expect(equal(before, step.method.state), "losses changes state; move it to after_step")
        expect(equal(given, outputs), "losses changes the outputs in place")


def _gradient_rule(specification: str) -> None:
    work = training(specification)
    step = first_step(work)
    weights = copy.deepcopy(dict(work.network.named_parameters()))
    counters = [m.num_batches_tracked.clone() for m in _batch_norms(work.network)]
    state = copy.deepcopy(work.method.state)
    step.method.backward(step)
    for name, parameter in work.network.named_parameters():
        expect(torch.equal(parameter, weights[name]), f"backward moved the weight {name}")
        expect(
            parameter.requires_grad == (parameter.grad is not None),
            f"backward left {name} without a gradient"
            if parameter.requires_grad
            else f"backward filled the gradient of the frozen {name}",
        )
    moved = [
        int(module.num_batches_tracked - before)
        for module, before in zip(_batch_norms(work.network), counters, strict=True)
        if module.training
    ]
    expect(
        set(moved) <= {1},
        f"batch statistics moved {max(moved, default=0)} times in a step, not once",
    )
    expect(equal(state, work.method.state), "backward changes state; move it to after_step")
    expect(step.loss is not None, "backward never asked for step.losses")
    expect(step.outputs is not None, "backward never evaluated the undisplaced objective")


def _bookkeeping(specification: str) -> None:
    work = training(specification)
    step = first_step(work)
    step.method.backward(step)
    before = copy.deepcopy(work.network.state_dict())
    step.method.after_step(step)
    work.network.eval()
    images = TrainingImages(work.train, step.method.views[0], step.method.predict, work.autocast)
    step.method.after_epoch(work.network, images, step.clock)
    same = equal(before, work.network.state_dict())
    expect(same, "after_step or after_epoch changes the network")
    stream = io.BytesIO()
    try:
        torch.save(work.method.state, stream)
        stream.seek(0)
        kept = torch.load(stream, weights_only=True)
    except Exception as error:
        raise BrokenRuleError("state holds more than tensors, numbers and text") from error
    expect(equal(kept, work.method.state), "state does not survive a checkpoint")


def _resume(specification: str) -> None:
    """Interrupted after one epoch and resumed, a run ends where an undisturbed one does."""
    ends = [_end(work) for work in (training(specification), interrupted(specification))]
    expect(equal(*ends), "a resumed run ends elsewhere; keep what matters in state")


def _end(work: Training) -> list[Any]:
    """Run a training; return its weights, those it predicts by, and logits of training images."""
    work.run(lambda report: None)
    final = finalised(work.method, work.network)
    logits = logits_of(work.method, final, work.train, work.autocast)
    return [work.network.state_dict(), final.state_dict(), logits]


def _repetition(specification: str) -> None:
    ends = [_end(training(specification, epochs=2)) for _ in range(2)]
    expect(equal(*ends), "two runs of one seed on the same data differ; draw from clock.generator")


def _prediction(specification: str) -> None:
    work = training(specification)
    before = copy.deepcopy(work.network.state_dict())
    logits = logits_of(work.method, finalised(work.method, work.network), work.test, work.autocast)
    expect(bool(logits.isfinite().all()), "logits are not finite")
    expect(equal(before, work.network.state_dict()), "prediction changes the trained network")
    final, (batch, *_) = finalised(work.method, work.network), list(work.test.clean())
    with torch.no_grad():
        together = work.method.predict(final, batch.images)
        singly = [work.method.predict(final, image.unsqueeze(0)) for image in batch.images]
        half = work.method.adjust_logits(together[::2])
        adjusted = work.method.adjust_logits(together)
    close = partial(torch.allclose, rtol=1e-3, atol=1e-4)
    expect(close(together, torch.cat(singly)), "an image's logits depend on its batch")
    declared = any(
        "transductive" in line for part in leaves(work.method) for line in part.deviations
    )
    words = "adjusted logits depend on other test images, and no deviation says transductive"
    expect(declared or close(adjusted[::2], half), words)


def _firewall(specification: str) -> None:
    """Only training images reach a hook: a run with another test set trains the same weights.

    On a task whose classes and sizes are drawn by the method's name, so that none is made for it.
    """
    data = drawn_split(zlib.crc32(specification.encode()), kind_of(build(specification)))
    images = data.test.pictures(torch.arange(len(data.test.labels)), 0)
    test = Subset(255 - images, data.test.labels.flip(0))
    other = replace(data, test=test)
    ends = [_end(training(specification, epochs=2, data=variant)) for variant in (data, other)]
    expect(equal(ends[0][0], ends[1][0]), "the test set changes what is trained")
    expect(equal(*ends), "the test set changes the network or the logits that it predicts by")


def _learns(specification: str) -> None:
    # Most show in half the epochs, by a higher bar, that they learn; what displaces weights or
    # contrasts views starts slowly. Small steps and many are for the latter.
    for epochs, bar in ((12, 2.5), (24, 1.5)):
        work = training(
            specification, epochs, batch_size=16, learning_rate=0.02, warmup_epochs=epochs // 12
        )
        before = copy.deepcopy(work.network.state_dict())
        work.run(lambda report: None)
        if not any(stage.recipe.learning_rate for stage in work.stages):
            same = equal(before, work.network.state_dict())
            expect(same, "a method that trains at rate zero changes the network")
            return
        losses, last = [row["loss"] for row in work.progress.curves], work.scores()
        # By chance average precision is the share of positives, here of two labels an image.
        chance = 100 * (2 if work.task.kind == "multi" else 1) / CLASSES
        falls = min(losses[1:]) < losses[0]
        beaten = last is not None and last.headline > bar * chance
        if falls and beaten:
            return
    expect(falls, f"the loss never falls: {losses[0]:.3f} to {losses[-1]:.3f}")
    expect(beaten, "it does not beat chance by half")


def _batch_norms(network: nn.Module) -> Iterator[Any]:
    return (m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))


RULES = (
    Rule("specification", described),
    Rule("losses", _losses),
    Rule("purity", _pure),
    Rule("gradient rule", _gradient_rule),
    Rule("bookkeeping", _bookkeeping),
    Rule("prediction", _prediction),
    Rule("repetition", _repetition),
    Rule("resume", _resume, needs="repetition"),
    Rule("test-set firewall", _firewall, needs="repetition"),
    Rule("learning", _learns),
)
