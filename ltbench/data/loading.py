"""From a data set to its split, whether its images fit the memory or stay in their file."""

from pathlib import Path

from ltbench.data import listed, multilabel, readers
from ltbench.data.archive import Archive
from ltbench.data.catalog import Dataset
from ltbench.data.info import DatasetInfo
from ltbench.data.readers import Split


def load(
    dataset: Dataset,
    root: Path,
    *,
    subset_seed: int = 0,
    validation: int = 0,
    fraction: float = 1.0,
    stored_side: int | None = None,
    download: bool = True,
) -> Split:
    """Return the split of a data set; missing files are downloaded where `download` allows.

    `fraction` keeps that share of each class's training and test images, at least one;
    `stored_side` takes streamed images as they were packed with that shorter side. Where the
    root is an archive that `ltbench pack` made, the split comes from there.
    Raises LtbenchError for missing or damaged files, UsageError for an impossible split.
    """
    if root.is_file():
        return Archive.open(root).split(
            dataset, subset_seed=subset_seed, validation=validation, fraction=fraction
        )
    if dataset.info.streamed:
        return listed.load_listed(
            dataset, root, subset_seed=subset_seed, validation=validation, fraction=fraction,
            stored_side=stored_side,
        )  # fmt: skip
    if dataset.info.kind == "multi":
        dataset.class_counts(fraction=fraction, validation=validation)  # raises for the latter
        return multilabel.load_multilabel(dataset, root, subset_seed=subset_seed, fraction=fraction)
    return readers.load(
        dataset, root,
        subset_seed=subset_seed, validation=validation, fraction=fraction, download=download,
    )  # fmt: skip


def check_there(info: DatasetInfo, root: Path) -> None:
    """Raise LtbenchError where a data set cannot be read as it lies here; nothing is fetched."""
    if root.is_file():
        Archive.open(root)
    elif info.streamed:
        listed.check(info, root)
    elif info.kind == "single":
        readers.read(info, root, download=False)
