"""What lies beside a record: the curves of its training, and the logits it was scored by."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ltbench.runs.store import write_file, write_text


def write_curves(path: Path, curves: list[dict[str, Any]]) -> None:
    """Write curves as CSV, one row an epoch; what an epoch did not measure stays empty."""
    columns = list(dict.fromkeys(name for row in curves for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: f"{v:.6g}" if isinstance(v, float) else v for name, v in row.items()}
        for row in curves
    )
    write_text(path, text.getvalue())


def write_logits(path: Path, logits: Tensor, labels: Tensor) -> None:
    """Write test logits [N, C] in float16 and labels [N] as an npz archive."""
    arrays = logits.half().cpu().numpy(), labels.cpu().numpy()
    write_file(path, lambda file: np.savez_compressed(file, logits=arrays[0], labels=arrays[1]))
