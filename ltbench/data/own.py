"""Data of one's own: from the file that describes them to facts and arrays."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ltbench.data.arrays import Arrays, Collected, normalisation
from ltbench.data.description import Description, Part, read_description
from ltbench.data.info import LISTS, DatasetInfo
from ltbench.data.libraries import from_library
from ltbench.data.listing import check_classes
from ltbench.data.own_files import from_files
from ltbench.data.own_packed import PackedOwn, packed_own
from ltbench.data.splits import SPLIT_SEED, Indices, draw
from ltbench.errors import LtbenchError, MissingDataError, UsageError

READER = "own"  # of images in memory


@dataclass(frozen=True)
class Own:
    """A data set of one's own, read: its facts, arrays, and what was noticed."""

    info: DatasetInfo
    arrays: Arrays | None  # None: they are streamed
    sha256: str  # of description and images
    skipped: tuple[str, ...] = ()  # images that do not read, where the description allows it
    strangers: int = 0  # files beside the images


_kept: dict[Path, Own] = {}  # what was read last of each file


def read_own(path: Path, root: Path, download: bool = True) -> Own:
    """Return the data set that a YAML file describes.

    What is packed of it, and torchvision's files, lie under `root`. Raises UsageError for a
    description or list that is wrong, LtbenchError for images that do not read: one sentence each.
    """
    description = read_description(path)
    try:
        packed = packed_own(description, path, root)
        if packed is not None:
            _kept[path] = _streamed(description, path, packed, root / description.name)
        elif description.stream:
            raise MissingDataError(
                f"nothing is packed of it under {root}; `ltbench data prepare {path}` does so, or "
                "name the folder that has it with --data-root or LTBENCH_DATA."
            )
        elif description.source in ("images", "list"):
            _kept[path] = _finished(description, path, from_files(description, path))
        else:
            raw = from_library(description, root, download)
            _kept[path] = _finished(description, path, raw)
    except LtbenchError as error:
        raise type(error)(f"{description.name}: {error}") from None
    return _kept[path]


def arrays_of(info: DatasetInfo, root: Path, download: bool) -> Arrays:
    """Return the arrays of a data set that was read before, perhaps by another process.

    Raises LtbenchError where its images or description have changed since.
    """
    assert info.file is not None
    kept = _kept.get(info.file)
    own = kept if kept and kept.info == info else read_own(info.file, root, download)
    if own.info.variant != info.variant:
        raise LtbenchError(
            f"{info.name} is {own.info.name}@{own.info.variant} now, for its images or description "
            "have changed since this command began; give it again."
        )
    assert own.arrays is not None
    return own.arrays


def classes_of(info: DatasetInfo) -> tuple[str, ...]:
    """Return the names of the classes; numbers where there are none."""
    return info.class_names or tuple(map(str, range(info.classes)))


def noticed(info: DatasetInfo) -> dict[str, object]:
    """Return remarks on a data set of one's own from reading it, each by a keyword."""
    kept = _kept.get(info.file) if info.file else None
    if kept is None:
        return {}
    found: dict[str, object] = {"SHA-256": kept.sha256}
    if kept.skipped:
        found["left out"] = "; ".join(kept.skipped)
    if kept.strangers:
        found["files that are no images"] = kept.strangers
    return found


def _streamed(description: Description, path: Path, packed: PackedOwn, folder: Path) -> Own:
    """Return the set that is packed: its facts, with all counts."""
    counts = {part: packed.counts(part) for part in packed.parts}
    sha256 = _identity(description, packed.classes, packed.sha256, streamed=True)
    normal, names = (packed.mean, packed.std), packed.classes
    variant = f"h{sha256[:8]}"
    info = _info(description, path, normal, counts, variant, class_names=names, streamed=True)
    if packed.labels is not None:
        info = replace(
            info, kind="multi", whole=True, family="own_labels", label_folder=folder,
            test_count=len(packed.labels["test"]),
        )  # fmt: skip
    return Own(info, None, sha256, packed.skipped, packed.strangers)


def _identity(
    description: Description, classes: tuple[str, ...], images: str, *, streamed: bool = False
) -> str:
    """Return the SHA-256 of a set: of its description and the hash of its images."""
    facts: dict[str, object] = {"facts": description.facts(), "classes": classes, "images": images}
    if streamed:
        facts["streamed"] = True
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _finished(description: Description, path: Path, raw: Collected) -> Own:
    """Return the set with its test images drawn, and its facts."""
    parts = dict(raw.parts)
    images, labels = parts["train"]
    classes = len(raw.classes)
    if description.test is not None:
        if "test" in parts:
            raise UsageError("there are test images, and test: draws others; leave one out.")
        _check_left(labels, raw, description.test)
        test = draw(labels, [description.test] * classes, SPLIT_SEED)
        rest = np.setdiff1d(np.arange(len(labels)), test)
        parts["train"], parts["test"] = (
            (images[rest], labels[rest]),
            (images[test], labels[test]),
        )
    if "test" not in parts:
        raise UsageError("there are no test images; add `test: 10` to draw ten of each class.")
    counts = {part: np.bincount(own, minlength=classes) for part, (_, own) in parts.items()}
    for part, count in counts.items():
        check_classes(count, raw.classes, part, skipped=bool(raw.skipped))
    sha256 = _identity(description, raw.classes, raw.sha256)
    train, test_ = parts["train"], parts["test"]
    held = parts.get("val", (None, None))
    arrays = Arrays(*train, *test_, *held)
    mean, std = description.mean, description.std
    if mean is None or std is None:
        mean, std = normalisation(arrays.train_images)
    info = _info(description, path, (mean, std), counts, f"h{sha256[:8]}", class_names=raw.classes)
    return Own(info, arrays, sha256, raw.skipped, raw.strangers)


def _check_left(labels: Indices, raw: Collected, test: int) -> None:
    count = np.bincount(labels, minlength=len(raw.classes))
    if count.min() <= test:
        read = " that read" if raw.skipped else ""
        raise UsageError(
            f"class {raw.classes[count.argmin()]!r} has {count.min()} images{read}, so that test: "
            f"{test} leaves none to train on; draw fewer."
        )


def _info(
    description: Description,
    path: Path,
    normal: tuple[tuple[float, ...], tuple[float, ...]],
    counts: dict[Part, npt.NDArray[np.int64]],
    variant: str,
    *,
    class_names: tuple[str, ...],
    streamed: bool = False,
) -> DatasetInfo:
    drawn = description.imbalance is not None
    least = int(counts["train"].min())
    if drawn and (description.head or 0) > least:
        raise UsageError(
            f"head: {description.head} is more than the {least} training images of class "
            f"{int(counts['train'].argmin())}; a tail is drawn from as many of every class."
        )
    side = description.size
    padding = description.padding if description.padding is not None else side // 8
    whole = tuple(map(int, counts["train"]))
    return DatasetInfo(
        name=description.name,
        title=description.title or description.name,
        classes=len(whole),
        head_count=(description.head or least) if drawn else max(whole),
        test_count=int(counts["test"].max()),
        shape=(description.channels, side, side),
        mean=normal[0],
        std=normal[1],
        imbalance=description.imbalance or max(whole) / min(whole),
        network=description.network or ("resnet50" if streamed else "resnet32"),
        protocol=description.protocol,
        family="own_streamed" if streamed else "own",
        padding=0 if streamed else padding,
        flip=description.flip,
        source=f"described by {path.name}",
        reader=LISTS if streamed else READER,
        listed=not drawn,
        counts=None if drawn else whole,
        test_counts=tuple(map(int, counts["test"])),
        many_above=description.many_above,
        few_below=description.few_below,
        variant=variant,
        file=path,
        validated="val" in counts,
        class_names=class_names,
    )
