"""Images of one's own that do not fit the memory: packed once by `data prepare`, then streamed."""

import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from ltbench.data.annotations import write_labels
from ltbench.data.arrays import fits_memory, normalisation
from ltbench.data.decoding import cut
from ltbench.data.description import PARTS, Description, Part, read_description
from ltbench.data.label_lists import LabelSets
from ltbench.data.listing import Listing, check_classes, check_twins, listing
from ltbench.data.lists import ListedImage
from ltbench.data.packed import Packed, open_packed
from ltbench.data.packing import PackedImage, Say, bad_image, pack
from ltbench.data.pictures import opaque
from ltbench.data.several_labels import (
    check_labelled,
    label_matrix,
    packed_labels,
    several_listing,
)
from ltbench.data.splits import SPLIT_SEED, draw
from ltbench.errors import LtbenchError, UsageError

_FACTS = "own.json"  # beside the packed images: of which description they are, and what was found
_MEASURED = 2000  # training images that mean and deviation are measured on
_ORIENTATION = 0x0112  # EXIF's tag; 1 is upright
_PLAIN = {"1", "L", "P", "RGB", "YCbCr", "CMYK"}  # modes whose bytes are packed as they are


@dataclass(frozen=True)
class PackedOwn:
    """What is packed of a description: its classes, and what was found in its images."""

    parts: dict[Part, Packed]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    skipped: tuple[str, ...]
    strangers: int
    labels: dict[Part, LabelSets] | None = None  # of several an image

    @property
    def sha256(self) -> str:
        """Return a hash of all images and labels."""
        found = "".join(p.sha256 for p in self.parts.values())
        for own in (self.labels or {}).values():
            found += hashlib.sha256(own.astype(np.uint8).tobytes()).hexdigest()
        return hashlib.sha256(found.encode()).hexdigest()

    def counts(self, part: Part) -> npt.NDArray[np.int64]:
        """Return the images of each class, or with each label, [C]."""
        if self.labels is not None:
            return np.asarray(self.labels[part].sum(0), np.int64)
        return np.bincount(self.parts[part].index["label"], minlength=len(self.classes))


def pack_own(path: Path, root: Path, say: Say) -> tuple[Path, bool] | None:
    """Pack the images that a description names under `root`, if they are to be streamed.

    Returns their folder, and False where they were packed before; None for images that lie in
    memory. They are streamed where it says `stream: true`, or they do not fit the memory. Raises
    UsageError for a description that cannot be streamed, LtbenchError for images that do not read.
    """
    description = read_description(path)
    if description.source not in ("images", "list") or description.stream is False:
        return None
    several = description.kind == "multi"
    found = (several_listing if several else listing)(description, path.parent)
    size = description.size, description.channels
    if not description.stream and fits_memory(len(found.entries), *size):
        return None
    folder = root / description.name
    try:
        new = _pack(description, found, folder, path, say)
    except LtbenchError as error:
        raise type(error)(f"{description.name}: {error}") from None
    return folder, new


def packed_own(description: Description, path: Path, root: Path) -> PackedOwn | None:
    """Return what is packed under `root` of the description in a file; None where nothing is."""
    folder = root / description.name
    try:
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        of = facts.pop("of")
    except (OSError, ValueError, KeyError):
        return None
    if description.stream is False or of != _identity(description):
        return None
    parts = open_packed(folder, description.name)
    listed: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()}
    if description.kind == "multi":
        classes = len(listed["classes"])
        listed["labels"] = {part: packed_labels(folder, part, classes) for part in parts}
    return PackedOwn(parts, **listed)


def _pack(description: Description, found: Listing, folder: Path, path: Path, say: Say) -> bool:
    if description.channels == 1 or description.imbalance is not None:
        field = "channels: 1" if description.channels == 1 else "imbalance"
        raise UsageError(
            f"{field} is for images that lie in memory, and these are to be streamed; leave it "
            "out, or give a smaller `size`."
        )
    skipped = _unreadable(found) if description.unreadable == "skip" else []
    kept = tuple(each for each in found.entries if each not in set(skipped))
    several = description.kind == "multi"
    lists = _by_part(replace(found, entries=kept), description.test, several=several)
    if several:
        trained = label_matrix(lists["train"], len(found.classes))
        check_labelled(trained, found.classes, skipped=bool(skipped))
        new = pack(lists, folder, say, lambda entry: _read(replace(entry, label="0")))
        write_labels(lists, folder)
    else:
        for part, entries in lists.items():
            labels = [int(each.label) for each in entries]
            counts = np.bincount(labels, minlength=len(found.classes))
            check_classes(counts, found.classes, part, skipped=bool(skipped))
        new = pack(lists, folder, say, _read)
    parts = open_packed(folder, str(path))
    check_twins(*(list(_digests(lists[part], parts[part])) for part in ("train", "test")))
    mean, std = description.mean, description.std
    if mean is None or std is None:
        mean, std = _measured(parts["train"], description.size)
    facts = {"of": _identity(description), "classes": found.classes, "mean": mean, "std": std,
             "skipped": [each.name for each in skipped], "strangers": found.strangers}  # fmt: skip
    temporary = folder / f"{_FACTS}.tmp"
    temporary.write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    temporary.replace(folder / _FACTS)
    return new


def _unreadable(found: Listing) -> list[ListedImage]:
    """Return the images that do not read: known before test images are drawn from the others."""

    def reads(entry: ListedImage) -> bool:
        try:
            _read(replace(entry, label="0"))
        except LtbenchError:
            return False
        return True

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        good = list(pool.map(reads, found.entries))
    return [entry for entry, one in zip(found.entries, good, strict=True) if not one]


def _identity(description: Description) -> dict[str, Any]:
    """Return what packed images depend on: with other values they are to be packed anew."""
    return description.facts() | description.model_dump(mode="json", include={"images", "list"})


def _by_part(found: Listing, test: int | None, *, several: bool) -> dict[Part, list[ListedImage]]:
    """Return the entries of each part with their classes' numbers, test images drawn from train."""
    lists: dict[Part, list[ListedImage]] = {}
    for part in PARTS:
        own = [each for each in found.entries if each.part == part]
        if several:
            lists[part] = own  # which have their numbers
            continue
        numbers = map(str, found.indices(part))
        lists[part] = [replace(e, label=n) for e, n in zip(own, numbers, strict=True)]
    if test is not None:
        labels = np.asarray(found.indices("train"), np.int64)
        drawn = dict.fromkeys(draw(labels, [test] * len(found.classes), SPLIT_SEED).tolist())
        every = lists["train"]
        lists["test"] = [every[i] for i in drawn]
        lists["train"] = [each for i, each in enumerate(every) if i not in drawn]
    return {part: entries for part, entries in lists.items() if entries}


def _read(entry: ListedImage) -> PackedImage:
    """Return an image's row: its file's bytes, or those of an upright and opaque copy.

    Raises LtbenchError for one that does not read.
    """
    try:
        content = entry.path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            upright = image.getexif().get(_ORIENTATION, 1) == 1
            if upright and image.mode in _PLAIN and "transparency" not in image.info:
                return content, *image.size, int(entry.label)
            copy = opaque(ImageOps.exif_transpose(image)).convert("RGB")
    except MemoryError:
        raise
    except Exception as error:  # damage breaks Pillow's decoders in many ways
        remedy = "replace or remove it, or let it be left out with `unreadable: skip`"
        raise bad_image(entry, error, remedy) from None
    buffer = io.BytesIO()
    copy.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue(), *copy.size, int(entry.label)


def _digests(entries: Sequence[ListedImage], packed: Packed) -> Iterator[tuple[str, ListedImage]]:
    for row, entry in enumerate(entries):
        yield hashlib.blake2b(packed.content(row), digest_size=16).hexdigest(), entry


def _measured(train: Packed, side: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of the middles of training images spread evenly over all."""
    images = len(train.index)
    chosen = np.linspace(0, images - 1, min(_MEASURED, images)).astype(int)
    middles = []
    for row in chosen.tolist():
        with Image.open(io.BytesIO(train.content(row))) as image:
            middles.append(np.asarray(cut(image.convert("RGB"), (), side)))
    return normalisation(np.stack(middles))
