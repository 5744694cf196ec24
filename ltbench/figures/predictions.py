"""What finished runs predict, as files: by image and class, confusions and reliability drawn."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from ltbench.analysis.posthoc import Variant
from ltbench.analysis.predictions import (
    Counts,
    by_class,
    by_confidence,
    by_image,
    confusion,
    file_name,
)
from ltbench.figures.confusion import draw_confusion
from ltbench.figures.reliability import as_csv, draw_reliability
from ltbench.figures.style import save, style
from ltbench.runs.files import write_file
from ltbench.runs.record import Record
from ltbench.runs.store import Cell


@dataclass
class PredictionFiles:
    """The files of predictions: each run's when it is added, each method's at the end."""

    folder: Path
    thresholds: tuple[int, int] | None  # many above, few below; None: each record's
    bins: int  # of confidence
    files: int = 0
    _found: dict[tuple[Cell, str], list[tuple[Record, Counts, Counts]]] = field(
        default_factory=dict
    )

    def add(self, record: Record, variant: Variant, labels: Counts) -> None:
        """Write what one run predicts after a post-hoc part, by class and by image."""
        counts, post_hoc = confusion(variant.logits, labels), variant.post_hoc
        tables = {
            "classes": by_class(record, counts, self.thresholds),
            "predictions": by_image(variant.logits, labels),
        }
        for name, table in tables.items():
            text = table.to_csv(index=False, float_format="%.4f", lineterminator="\n").encode()
            path = self.folder / f"{file_name(record, post_hoc)}_seed{record.seed}_{name}.csv"
            write_file(path, lambda file, text=text: file.write(text), "--confusion")  # type: ignore[misc]
            self.files += 1
        cell = replace(Cell.of(record), seed=0)
        binned = by_confidence(variant.logits, labels, self.bins)
        self._found.setdefault((cell, post_hoc), []).append((record, counts, binned))

    def draw(self, refused: Collection[Cell]) -> None:
        """Draw each method's mean confusion and its reliability, the counts over all seeds beside.

        None of the cells whose seeds may have no mean.
        """
        with style():
            for (cell, post_hoc), found in self._found.items():
                if cell not in refused:
                    records, matrices, binned = zip(*found, strict=True)
                    counts = pd.DataFrame(sum(matrices)).rename_axis("class")
                    drawn = draw_confusion(records, matrices, post_hoc, self.thresholds)
                    name = file_name(records[0], post_hoc)
                    data = counts.to_csv(lineterminator="\n")
                    written = save(drawn, data, f"{name}_confusion", self.folder)
                    drawn, data = draw_reliability(records, binned, post_hoc), as_csv(binned)
                    written += save(drawn, data, f"{name}_reliability", self.folder)
                    self.files += len(written)
