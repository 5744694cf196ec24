"""A plan with its data in one archive, for a machine without network: `ltbench pack`."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from ltbench.data.archive import PLAN, Archive, Writer
from ltbench.errors import LtbenchError, UsageError
from ltbench.evaluation.scores import Model
from ltbench.registry.methods import build
from ltbench.runs.code import code_of
from ltbench.runs.commands import MAX_SEEDS
from ltbench.runs.environment import in_words, source_state
from ltbench.runs.plan import Plan
from ltbench.runs.protocol_file import named_in
from ltbench.runs.record import fingerprint_of
from ltbench.runs.store import Cell
from ltbench.runs.training import split_of
from ltbench.runs.workspace import Workspace


class PackedPlan(Model):
    """What a run command would be given, and by which code it was planned."""

    ltbench: str
    commit: str | None
    dirty: bool | None
    code: str  # hash of all that computes the methods' runs
    datasets: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...] = Field(max_length=MAX_SEEDS)
    protocol: str | None
    network: str | None
    validation: int | None
    fingerprints: tuple[str, ...]  # of the cells

    @classmethod
    def read(cls, path: Path) -> "PackedPlan":
        """Return the plan in an archive.

        Raises LtbenchError for one that is damaged, or of another version of ltbench than this.
        """
        content = Archive.open(path).read(PLAN)
        try:
            found = cls.model_validate_json(content)
        except ValidationError as error:
            raise LtbenchError(
                f"the plan in {path} does not read ({error.errors()[0]['msg']}); pack it again."
            ) from None
        if found.ltbench != source_state()[0]:
            raise _other_code(path, (found.ltbench, found.commit, found.dirty))
        return found

    def options(self) -> tuple[str, str, str, str | None, str | None, int | None]:
        """Return --methods, --dataset, --seeds, --protocol, --network and --validation."""
        seeds = f"{','.join(map(str, self.seeds))},"  # a bare 4 means 0 to 3
        return (
            ",".join(self.methods), ",".join(self.datasets), seeds,
            self.protocol, self.network, self.validation,
        )  # fmt: skip

    def check(self, plan: Plan, path: Path) -> None:
        """Raise LtbenchError unless a plan made here would train just what was packed."""
        if self.code != _code(self.methods):
            raise _other_code(path, (self.ltbench, self.commit, self.dirty))
        if self.fingerprints != _fingerprints(plan):
            raise LtbenchError(
                f"{path} was packed with another file of a method than --load names here, or with "
                "other settings; give the same on both machines."
            )


def write_job(
    archive: zipfile.ZipFile,
    plan: Plan,
    workspace: Workspace,
    *,
    methods: Sequence[str],
    protocol: str | None,
    network: str | None,
    validation: int | None,
) -> int:
    """Write a plan and the images that it needs, and return how many these are."""
    writer, images = Writer(archive), 0
    seen: set[tuple[Any, ...]] = set()
    for job in plan.jobs:
        if job.dataset.info.file is not None:
            raise UsageError(
                f"{job.dataset.info.name} is a data set of your own; copy its images and its file "
                "to the other machine, and give --data there."
            )
        asked = job.protocol
        key = (job.dataset, asked.subset_seed, asked.validation, asked.fraction)
        if key not in seen:
            seen.add(key)
            split = split_of(job, workspace)
            writer.add_split(
                split, job.dataset, subset_seed=asked.subset_seed, fraction=asked.fraction
            )
            parts = (split.train, split.test, split.validation)
            images += sum(len(part.labels) for part in parts if part is not None)
    version, commit, dirty = source_state()
    packed = PackedPlan(
        ltbench=version, commit=commit, dirty=dirty, code=_code(methods),
        datasets=tuple(dict.fromkeys(str(job.dataset) for job in plan.jobs)),
        methods=tuple(methods), seeds=tuple(dict.fromkeys(cell.seed for cell in plan.cells)),
        protocol=named_in(protocol), network=network, validation=validation,
        fingerprints=_fingerprints(plan),
    )  # fmt: skip
    writer.add_plan((packed.model_dump_json(indent=1) + "\n").encode())
    return images


def _fingerprints(plan: Plan) -> tuple[str, ...]:
    """Return the fingerprints of a plan's cells, in their order."""
    found = {Cell.of(record): record.fingerprint for record in plan.finished}
    found |= {cell: job.fingerprint_of(cell) for job in plan.jobs for cell in job.cells}
    return tuple(found[cell] for cell in plan.cells)


def _other_code(path: Path, there: tuple[str, str | None, bool | None]) -> LtbenchError:
    return LtbenchError(
        f"{path} was packed with ltbench {in_words(there)}, and this machine has "
        f"{in_words(source_state())}, whose code is another; install the same on both."
    )


def _code(methods: Sequence[str]) -> str:
    return fingerprint_of({method: code_of(build(method)) for method in methods})
