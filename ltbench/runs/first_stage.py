"""A first stage that is another method's whole training: trained once, taken up by all.

It is kept as that training's own checkpoint, under that training's fingerprint: a run that begins
so trains it there if it is missing, and the other method's cell is then read off it.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ltbench.compose import overrides
from ltbench.engine.checkpoint import Checkpoint
from ltbench.engine.recipe import Recipe
from ltbench.errors import LtbenchError
from ltbench.method import Method
from ltbench.registry import build, describe, parts_of, plain
from ltbench.runs.store import Store, write_file

if TYPE_CHECKING:
    from ltbench.runs.plan import Job

LATER = {"stages", "enter"}  # hooks that leave the first stage as it is


def beginning(method: Method, recipe: Recipe) -> Method | None:
    """Return the method whose whole training is a method's first stage, or None.

    It is plain training with the same modifiers: the base must change nothing but what follows,
    and the first stage must be, field by field, the plain method's only one.
    """
    base, *modifiers = parts_of(method)
    if not overrides(base) <= LATER or type(base).bind is not Method.bind:
        return None
    stages = method.stages(recipe)
    if len(stages) < 2:
        return None
    whole = build("+".join([plain(), *map(describe, modifiers)]))
    return whole if whole.stages(recipe) == stages[:1] else None


def origins(jobs: Sequence["Job"], store: Store) -> dict[str, str]:
    """Return where each job's first stage comes from, by the job's fingerprint.

    `kept`: an earlier command trained it; `shared`: an earlier job of this plan; `own`: this one.
    """
    found: dict[str, str] = {}
    trained: set[str] = set()
    for job in jobs:
        if job.first_stage is not None:
            mark = job.first_stage.fingerprint
            at_hand = "shared" if mark in trained else "kept" if is_kept(mark, store) else "own"
            found[job.fingerprint] = at_hand
            trained.add(mark)
        trained.add(job.fingerprint)
    return found


def is_kept(fingerprint: str, store: Store) -> bool:
    """Return whether a training's checkpoint is at hand and finished; a damaged one is not."""
    checkpoint = Checkpoint(store.work(fingerprint) / "checkpoint.pt", write_file)
    with suppress(LtbenchError):
        content = checkpoint.load()
        return content is not None and bool(content["progress"]["finished"])
    return False
