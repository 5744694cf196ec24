"""Splits in one zip archive, for machines without their data sets: lossless, and no image more.

    manifest.json          SHA-256 by file, and what every split is made of
    images/<SHA-256>.png   some images of one size, one below the other
    labels/<SHA-256>.npy   [N] in int64, or of several labels each [N, C] in float32

An archive serves as a data root. Its names choose no path: nothing of it is unpacked to a disk.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ltbench.data.arrays import LARGEST as LARGEST_SET
from ltbench.data.catalog import Dataset
from ltbench.data.info import DatasetInfo
from ltbench.data.readers import Split, Subset
from ltbench.data.source import Source
from ltbench.data.zipped import add, unpack
from ltbench.errors import LtbenchError, UsageError, first_line

FORMAT: Literal["ltbench job 1"] = "ltbench job 1"
MANIFEST, PLAN = "manifest.json", "plan.json"
SHEET = 2**20  # bytes of the images in one file, at least one image
LARGEST = 2**28  # bytes of a file unpacked
_MODES = {1: "L", 3: "RGB"}  # Pillow's, by channels

Size = Annotated[int, Field(gt=0)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PackedPart(_Model):
    """Images [N, C, H, W] and their labels, by the names of their files."""

    shape: tuple[Size, Size, Size, Size]
    images: tuple[str, ...]
    labels: str


class PackedSplit(_Model):
    """A split: what it was asked for by, and its parts."""

    dataset: str
    subset_seed: int
    validation: int
    fraction: float
    class_counts: tuple[int, ...]
    indices_sha256: str
    train: PackedPart
    test: PackedPart
    held_out: PackedPart | None


class JobManifest(_Model):
    """The content of `manifest.json`."""

    format: Literal["ltbench job 1"] = FORMAT
    files: dict[str, str]  # SHA-256 by name
    splits: tuple[PackedSplit, ...]


@dataclass
class Writer:
    """An archive that is being written; the same content gives the same bytes."""

    archive: zipfile.ZipFile
    files: dict[str, str] = field(default_factory=dict)
    splits: list[PackedSplit] = field(default_factory=list)

    def add_split(
        self, split: Split, dataset: Dataset, *, subset_seed: int, fraction: float
    ) -> None:
        """Add a split of a data set; raises UsageError where its images are not in memory."""
        held = None if split.validation is None else self._part(split.validation, dataset)
        self.splits.append(
            PackedSplit(
                dataset=str(dataset), subset_seed=subset_seed, validation=split.held_out,
                fraction=float(fraction), class_counts=split.class_counts,
                indices_sha256=split.indices_sha256, train=self._part(split.train, dataset),
                test=self._part(split.test, dataset), held_out=held,
            )
        )  # fmt: skip

    def add_plan(self, plan: bytes) -> None:
        """Add the plan, and what vouches for it and the splits before it."""
        self.files[PLAN] = add(self.archive, PLAN, plan)
        manifest = JobManifest(files=self.files, splits=tuple(self.splits))
        add(self.archive, MANIFEST, (manifest.model_dump_json(indent=1) + "\n").encode())

    def _part(self, part: Source, dataset: Dataset) -> PackedPart:
        if not isinstance(part, Subset) or part.images.shape[1] not in _MODES:
            raise UsageError(
                f"the images of {dataset} do not go into an archive, which holds those of sets "
                "that are read into memory; copy its packed file to the other machine."
            )
        count, channels, height, width = part.images.shape
        images = [self._add("images", "png", each) for each in _sheets(part.images)]
        labels = io.BytesIO()
        np.save(labels, part.labels.numpy(), allow_pickle=False)
        name = self._add("labels", "npy", labels.getvalue())
        return PackedPart(shape=(count, channels, height, width), images=tuple(images), labels=name)

    def _add(self, folder: str, ending: str, content: bytes) -> str:
        """Add a file once, under the name of its content."""
        name = f"{folder}/{hashlib.sha256(content).hexdigest()}.{ending}"
        if name not in self.files:
            self.files[name] = add(self.archive, name, content)
        return name


@dataclass(frozen=True)
class Archive:
    """An archive of splits and a plan, which is read with suspicion."""

    path: Path
    manifest: JobManifest

    @classmethod
    def open(cls, path: Path) -> "Archive":
        """Open an archive; raises LtbenchError for a file that is none, or damaged."""
        if not path.is_file():
            raise UsageError(f"{path} is no file; `ltbench pack` makes such archives.")
        try:
            with zipfile.ZipFile(path) as archive:
                manifest = JobManifest.model_validate_json(unpack(archive, MANIFEST, LARGEST))
        except ValidationError as error:
            raise _damaged(path, f"its manifest: {error.errors()[0]['msg']}") from None
        except Exception as error:  # a damaged archive breaks its reader in many ways
            raise _damaged(path, first_line(error)) from None
        return cls(path, manifest)

    def read(self, name: str) -> bytes:
        """Return a file's content; raises LtbenchError unless it is what the manifest names."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                content = unpack(archive, name, LARGEST)
        except Exception as error:
            raise _damaged(self.path, first_line(error)) from None
        if hashlib.sha256(content).hexdigest() != self.manifest.files.get(name):
            raise _damaged(self.path, f"the checksum of {name} is not the manifest's")
        return content

    def split(
        self, dataset: Dataset, *, subset_seed: int, validation: int, fraction: float
    ) -> Split:
        """Return a split as the data set itself would give it; raises LtbenchError."""
        wanted = (str(dataset), subset_seed, validation, fraction)
        for each in self.manifest.splits:
            if wanted == (each.dataset, each.subset_seed, each.validation, each.fraction):
                info = dataset.info
                train, test = self._part(each.train, info), self._part(each.test, info)
                held = None if each.held_out is None else self._part(each.held_out, info)
                expected = dataset.class_counts(fraction=fraction, validation=validation)
                if each.class_counts != expected or _counted(train.labels, info) != expected:
                    raise _damaged(self.path, "its classes have other counts than their split")
                return Split(
                    train, test, held, each.class_counts, each.indices_sha256, validation
                )  # fmt: skip
        raise LtbenchError(
            f"{self.path} does not hold these images of {dataset}; pack them with the options "
            "that they are trained with."
        )

    def _part(self, part: PackedPart, info: DatasetInfo) -> Subset:
        count, channels, height, width = part.shape
        if (channels, height, width) != info.shape:
            raise _damaged(self.path, f"its images are not of the size of {info.name}'s")
        if count * channels * height * width > LARGEST_SET:
            raise _damaged(self.path, "it names more pixels than fit the memory")
        try:
            sheets: list[Any] = []
            for name in part.images:  # no more than there are to be, whatever the manifest names
                left = count - sum(map(len, sheets))
                sheets.append(_pixels(self.read(name), channels, height, width, most=left))
            images = np.concatenate(sheets).reshape(part.shape)
            labels = np.load(io.BytesIO(self.read(part.labels)), allow_pickle=False)
            if not _fits(labels, count, info):
                raise ValueError(f"its labels are none of {info.name}")
        except LtbenchError:
            raise
        except Exception as error:  # whatever Pillow and NumPy make of it
            raise _damaged(self.path, first_line(error)) from None
        return Subset(torch.from_numpy(images), torch.from_numpy(labels))


def _fits(labels: Any, count: int, info: DatasetInfo) -> bool:
    """Return whether labels are of so many images of a data set."""
    if info.kind == "multi":
        fits = labels.shape == (count, info.classes) and labels.dtype == np.float32
        return fits and set(np.unique(labels).tolist()) <= {0.0, 1.0}
    whole = labels.shape == (count,) and labels.dtype == np.int64
    return bool(whole and (count == 0 or 0 <= labels.min() <= labels.max() < info.classes))


def _counted(labels: torch.Tensor, info: DatasetInfo) -> tuple[int, ...]:
    """Return the images of each class, or with each label."""
    if info.kind == "multi":
        return tuple(map(int, labels.sum(0).tolist()))
    return tuple(labels.bincount(minlength=info.classes).tolist())


def _sheets(images: torch.Tensor) -> Iterator[bytes]:
    """Yield PNG files of images, one below the other in each."""
    from PIL import Image  # noqa: PLC0415  (only where there is something to pack)

    for some in torch.split(images, max(1, SHEET // images[0].numel())):
        count, channels, height, width = some.shape
        rows = some.permute(0, 2, 3, 1).reshape(count * height, width, channels).numpy()
        content = io.BytesIO()
        Image.fromarray(rows if channels > 1 else rows[..., 0]).save(content, "PNG")
        yield content.getvalue()


def _pixels(content: bytes, channels: int, height: int, width: int, *, most: int) -> Any:
    """Return the images [n, C, H, W] of a PNG file; raises ValueError for another."""
    from PIL import Image  # noqa: PLC0415

    with Image.open(io.BytesIO(content), formats=["PNG"]) as sheet:
        fits = sheet.width == width and sheet.height % height == 0
        if not fits or sheet.height > most * height or sheet.mode != _MODES.get(channels):
            raise ValueError("an image has another size than the manifest says")
        rows = np.asarray(sheet).reshape(-1, height, width, channels)
    return np.ascontiguousarray(rows.transpose(0, 3, 1, 2))


def _damaged(path: Path, reason: str) -> LtbenchError:
    return LtbenchError(f"{path} is damaged, or no job ({reason.rstrip('.')}); pack it again.")
