"""An analysis of finished runs, part by part: its cost first, within a budget, taken up again."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from ltbench.analysis.results import FinishedParts, Header, lasting, path_of, read
from ltbench.analysis.subject import Analysis, AnalysisPart, FinishedRun, RunImages, images_hash
from ltbench.engine.isolation import generators_restored
from ltbench.runs.environment import device_name, source_state
from ltbench.runs.record import Record
from ltbench.runs.store import Cell, Store

_TIMED = 200  # images of the pass that the cost is made from


@dataclass
class Work:
    """One analysis of one run: what is done, and what the rest will take."""

    analysis: Analysis
    run: FinishedRun
    data: RunImages
    parts: list[AnalysisPart]
    path: Path
    kept: FinishedParts
    seconds_per_image: float

    @property
    def finished(self) -> bool:
        """Return whether the whole is there already, of the same weights, images and settings."""
        return self.path.exists() and lasting(read(self.path).header) == lasting(self.kept.header)

    @property
    def left(self) -> list[AnalysisPart]:
        """Return the parts that are not done."""
        return [part for part in self.parts if part.name not in self.kept.done]

    @property
    def seconds(self) -> float:
        """Return the estimated seconds of what is left."""
        return self.seconds_per_image * sum(part.images for part in self.left)

    def perform(
        self, before: float | None, report: Callable[[AnalysisPart, int, int], None]
    ) -> bool:
        """Compute what is left until a time of the monotonic clock; returns whether all is done.

        A part that has begun is finished. `report` hears of each: the part, how many are done.
        """
        started = time.monotonic()
        while left := self.left:
            if before is not None and time.monotonic() >= before:
                return False
            part = left[0]
            with exact(), generators_restored():
                network = self.run.network(part.epoch)
                rows = self.analysis.analyse(self.run, network, self.data, part)
            self.kept.add(part.name, rows)
            report(part, len(self.kept.done), len(self.parts))
        order = [part.name for part in self.parts]
        self.kept.finish(order, self.path, time.monotonic() - started)
        return True


def prepared(
    specification: str,
    analysis: Analysis,
    record: Record,
    store: Store,
    subject: tuple[FinishedRun, RunImages],
) -> Work:
    """Return an analysis of a run with what is done of it and what the rest will take."""
    run, data = subject
    path = path_of(store, Cell.of(record), specification)
    header = header_of(specification, analysis, record, run, data)
    return Work(
        analysis, run, data, analysis.parts(run, data), path, FinishedParts.of(path, header),
        seconds_of_image(run, data),
    )  # fmt: skip


def header_of(
    specification: str, analysis: Analysis, record: Record, run: FinishedRun, data: RunImages
) -> Header:
    """Return everything that determines the rows of an analysis of a record."""
    version, commit, dirty = source_state()
    images = [sample for sample in (data.train, data.test, data.held_out) if sample is not None]
    return {
        "analysis": specification,
        "settings": ", ".join(f"{k}={v!r}" for k, v in vars(analysis).items()),
        "dataset": record.dataset, "protocol": record.protocol, "network": record.network,
        "method": record.method, "seed": str(record.seed), "fingerprint": record.fingerprint,
        "weights_sha256": record.files["weights"], **beside(analysis, run),
        "epochs": " ".join(map(str, run.epochs)),
        "loss": getattr(analysis, "loss", "cross-entropy of the logits of inference"),
        "mode": getattr(analysis, "mode", "eval, stored batch statistics"),
        "precision": "float32, no TF32; sums in float64",
        **{f"images_{s.view}": f"{len(s.labels)}, sha256 {images_hash(s)}" for s in images},
        "ltbench": f"{version} {commit or 'without commit'}{', changed' if dirty else ''}",
        "torch": torch.__version__, "device": device_name(data.test.images.device),
    }  # fmt: skip


def skipped(analysis: Analysis, run: FinishedRun) -> str | None:
    """Return why an analysis leaves a run out; None where it looks at every run."""
    skips = getattr(analysis, "skips", None)
    found: str | None = None if skips is None else skips(run)
    return found


def beside(analysis: Analysis, run: FinishedRun) -> Header:
    """Return what determines the runs that an analysis sees beside its own."""
    others = getattr(analysis, "others", None)
    found = {} if others is None else others(run)
    return {
        f"{role}_{key}": value for role, other in found.items()
        for key, value in (("run", other.name), ("weights_sha256", other.weights_sha256))
    }  # fmt: skip


def seconds_of_image(run: FinishedRun, data: RunImages) -> float:
    """Return the seconds of one image's forward pass, measured on a few of the test set."""
    network, images = run.network(run.epochs[-1]), data.test.images[:_TIMED]
    best = float("inf")
    with torch.no_grad(), exact():
        for _ in range(2):
            started = time.perf_counter()
            run.predict(network, images).sum().item()  # waits for the device
            best = min(best, time.perf_counter() - started)
    return best / len(images)


@contextmanager
def exact() -> Iterator[None]:
    """Run a block in which products of float32 are those of float32."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
