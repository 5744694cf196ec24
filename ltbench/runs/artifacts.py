"""What lies beside a record: the curves of its training, and the logits it was scored by."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ltbench.errors import LtbenchError, first_line
from ltbench.runs.files import csv_text

Array = npt.NDArray[Any]
Scored = tuple[Tensor, Tensor]  # logits and labels


def curves_csv(curves: list[dict[str, Any]]) -> bytes:
    """Return curves as a CSV file, one row an epoch; what an epoch did not measure stays empty."""
    columns = list(dict.fromkeys(name for row in curves for name in row))
    values = ([row.get(name) for name in columns] for row in curves)
    rows = ([f"{v:.6g}" if isinstance(v, float) else v for v in row] for row in values)
    return csv_text([columns, *rows]).encode()


@dataclass(frozen=True)
class Logits:
    """What a record was scored by, logits [N, C] in float32 and labels [N] or [N, C].

    `held_out` is the same of training images kept apart, where a protocol holds some out.
    """

    test: tuple[Array, Array]
    held_out: tuple[Array, Array] | None


def logits_npz(test: Scored, held_out: Scored | None = None) -> bytes:
    """Return logits [N, C] and labels, [N] or of several each [N, C], as an npz archive.

    In float16, half the size, where that holds them; in float32 where one would be infinite.
    """
    arrays = dict(zip(("logits", "labels"), _arrays(test), strict=True))
    if held_out is not None:
        arrays |= zip(("held_out_logits", "held_out_labels"), _arrays(held_out), strict=True)
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def read_logits(path: Path) -> Logits:
    """Return the logits in a file; raises LtbenchError if damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        logits = Logits(_pair(arrays, ""), _pair(arrays, "held_out_") if len(arrays) > 2 else None)
    except Exception as error:  # a damaged archive breaks its reader in many ways
        raise LtbenchError(
            f"{path} does not read ({first_line(error)}); delete it and train the run again."
        ) from None
    if not np.isfinite(logits.test[0]).all():
        raise LtbenchError(
            f"{path} has logits that are no numbers, as the network gave them or as an older "
            "version wrote them; train the run again with this one, or leave it out."
        )
    return logits


def _arrays(scored: Scored) -> tuple[Array, Array]:
    logits, labels = scored[0].float().cpu(), scored[1].cpu()
    half = logits.half()
    labels = labels.to(torch.uint8) if labels.ndim == 2 else labels
    return (half if half.isfinite().all() else logits).numpy(), labels.numpy()


def _pair(arrays: dict[str, Array], prefix: str) -> tuple[Array, Array]:
    logits, labels = arrays[f"{prefix}logits"].astype(np.float32), arrays[f"{prefix}labels"]
    if logits.ndim != 2 or labels.shape != logits.shape[: labels.ndim]:
        raise ValueError("logits and labels do not fit")
    return logits, labels
