"""Images of one's own that do not fit the memory: packed once by `data prepare`, then streamed."""

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from ltbench.data.arrays import fits_memory, normalisation
from ltbench.data.decoding import cut
from ltbench.data.description import PARTS, Description, Part, read_description
from ltbench.data.listing import Listing, listing
from ltbench.data.lists import ListedImage
from ltbench.data.packed import Packed, open_packed
from ltbench.data.packing import Row, Say, bad_image, pack
from ltbench.data.pictures import opaque
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

    @property
    def sha256(self) -> str:
        """Return a hash of all images and labels."""
        return hashlib.sha256("".join(p.sha256 for p in self.parts.values()).encode()).hexdigest()

    def counts(self, part: Part) -> npt.NDArray[np.int64]:
        """Return the images of each class, [C]."""
        index = self.parts[part].index
        return np.bincount(index["label"][index["length"] > 0], minlength=len(self.classes))


def pack_own(path: Path, root: Path, say: Say) -> None:
    """Pack the images that a description names, under `root`, if they are to be streamed.

    That is where it says `stream: true`, or they do not fit the memory. Raises UsageError for a
    description that cannot be streamed, LtbenchError for images that do not read.
    """
    description = read_description(path)
    if description.source not in ("images", "list") or description.stream is False:
        return
    found = listing(description, path.parent)
    if description.stream or not fits_memory(
        len(found.entries), description.size, description.channels
    ):
        try:
            _pack(description, found, root / description.name, say)
        except LtbenchError as error:
            raise type(error)(f"{description.name}: {error}") from None


def packed_own(description: Description, root: Path) -> PackedOwn | None:
    """Return what is packed of a description under `root`; None where nothing of it is."""
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
    return PackedOwn(parts, **listed)


def _pack(description: Description, found: Listing, folder: Path, say: Say) -> None:
    if description.channels == 1 or description.imbalance is not None:
        field = "channels: 1" if description.channels == 1 else "imbalance"
        raise UsageError(
            f"{field} is for images that lie in memory, and these are to be streamed; leave it "
            "out, or give a smaller `size`."
        )
    lists = _by_part(found, description.test)
    pack(lists, folder, say, partial(_read, skip=description.unreadable == "skip"))
    parts = open_packed(folder, description.name)
    skipped = tuple(_skipped(lists, parts))
    _check_classes(parts, found.classes, bool(skipped))
    _check_twins(lists, parts)
    mean, std = description.mean, description.std
    if mean is None or std is None:
        mean, std = _measured(parts["train"], description.size)
    facts = {"of": _identity(description), "classes": found.classes, "mean": mean, "std": std,
             "skipped": skipped, "strangers": found.strangers}  # fmt: skip
    temporary = folder / f"{_FACTS}.tmp"
    temporary.write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    temporary.replace(folder / _FACTS)


def _identity(description: Description) -> dict[str, Any]:
    """Return what packed images depend on: with other values they are to be packed anew."""
    return description.facts() | description.model_dump(mode="json", include={"images", "list"})


def _by_part(found: Listing, test: int | None) -> dict[Part, list[ListedImage]]:
    """Return the entries of each part with their classes' numbers, test images drawn from train."""
    lists: dict[Part, list[ListedImage]] = {}
    for part in PARTS:
        own = [each for each in found.entries if each.part == part]
        numbers = map(str, found.indices(part))
        lists[part] = [replace(e, label=n) for e, n in zip(own, numbers, strict=True)]
    if test is not None:
        labels = np.asarray(found.indices("train"), np.int64)
        drawn = dict.fromkeys(draw(labels, [test] * len(found.classes), SPLIT_SEED).tolist())
        every = lists["train"]
        lists["test"] = [every[i] for i in drawn]
        lists["train"] = [each for i, each in enumerate(every) if i not in drawn]
    return {part: entries for part, entries in lists.items() if entries}


def _read(entry: ListedImage, *, skip: bool) -> Row:
    """Return an image's row: its file's bytes, or those of an upright and opaque copy.

    One that does not read has no bytes where it may be skipped; else raises LtbenchError.
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
        if skip:
            return b"", 0, 0, int(entry.label)
        remedy = "replace or remove it, or let it be left out with `unreadable: skip`"
        raise bad_image(entry, error, remedy) from None
    buffer = io.BytesIO()
    copy.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue(), *copy.size, int(entry.label)


def _skipped(lists: dict[Part, list[ListedImage]], parts: dict[Part, Packed]) -> Iterator[str]:
    for part, packed in parts.items():
        yield from (lists[part][row].name for row in np.flatnonzero(packed.index["length"] == 0))


def _check_classes(parts: dict[Part, Packed], classes: tuple[str, ...], skipped: bool) -> None:
    for part, packed in parts.items():
        there = packed.index["label"][packed.index["length"] > 0]
        counts = np.bincount(there, minlength=len(classes))
        if counts.min() == 0:
            left = " that reads" if skipped else ""
            raise UsageError(f"class {classes[counts.argmin()]!r} has no {part} image{left}.")


def _check_twins(lists: dict[Part, list[ListedImage]], parts: dict[Part, Packed]) -> None:
    """Raise UsageError for a training image that is, byte for byte, a test image too."""
    trained = {digest: row for row, digest in _digests(parts["train"])}
    both = [(trained[d], row) for row, d in _digests(parts["test"]) if d in trained]
    if both:
        first, second = both[0]
        raise UsageError(
            f"{len(both)} test images are training images under another name, first "
            f"{lists['test'][second].name}, which is {lists['train'][first].name}; remove one of "
            "each two."
        )


def _digests(packed: Packed) -> Iterator[tuple[int, bytes]]:
    for row in np.flatnonzero(packed.index["length"] > 0).tolist():
        yield row, hashlib.blake2b(packed.content(row), digest_size=16).digest()


def _measured(train: Packed, side: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of the middles of training images spread evenly over all."""
    rows = np.flatnonzero(train.index["length"] > 0)
    chosen = rows[np.linspace(0, len(rows) - 1, min(_MEASURED, len(rows))).astype(int)]
    middles = []
    for row in chosen.tolist():
        with Image.open(io.BytesIO(train.content(row))) as image:
            middles.append(np.asarray(cut(image.convert("RGB"), (), side)))
    return normalisation(np.stack(middles))
