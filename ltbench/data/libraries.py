"""Images of one's own by name: any classification set of torchvision or scikit-learn."""

import hashlib
import inspect
import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from ltbench.data.arrays import Collected, Images, Parts, check_size
from ltbench.data.description import PARTS, Description, Part
from ltbench.data.pictures import square
from ltbench.data.splits import Indices
from ltbench.errors import LtbenchError, UsageError, first_line

LibraryParts = tuple[Parts, tuple[str, ...]]
"""Parts with the library's labels, and the names by label, as far as it has any."""


def from_library(description: Description, root: Path, download: bool) -> Collected:
    """Return the images of a set of torchvision or scikit-learn; its files lie under `root`.

    Raises UsageError for a name or arguments that are not the library's, or no images with classes,
    LtbenchError where files are missing.
    """
    reader = _torchvision if description.source == "torchvision" else _sklearn
    parts, names = reader(description, root, download)
    parts, classes = _dense(parts, names)
    sha = hashlib.sha256()
    for part in PARTS:
        if part in parts:
            images, labels = parts[part]
            sha.update(f"{part} {images.shape}".encode() + labels.tobytes() + images.tobytes())
    return Collected(parts, classes, sha.hexdigest())


def _torchvision(description: Description, root: Path, download: bool) -> LibraryParts:
    from torchvision import datasets  # noqa: PLC0415  (slow: only when used)

    name = description.torchvision or ""
    reader = getattr(datasets, name, None)
    if not inspect.isclass(reader) or name.startswith("_"):
        raise UsageError(f"torchvision.datasets has no {name}; correct `torchvision`.")
    takes = inspect.signature(reader).parameters
    given: dict[Part, dict[str, Any]] = {"train": {}}
    if "train" in takes:
        given = {"train": {"train": True}, "test": {"train": False}}
    elif "split" in takes and "split" not in description.arguments:
        given = {"train": {"split": "train"}, "test": {"split": "test"}}
    parts: Parts = {}
    names: tuple[str, ...] = ()
    for part, chosen in given.items():
        arguments = {**description.arguments, **chosen}
        images = _opened(reader, arguments, root, download and "download" in takes)
        parts[part] = _stacked(name, images, description)
        names = names or tuple(map(str, getattr(images, "classes", ())))
    return parts, names


def _opened(reader: Any, arguments: dict[str, Any], root: Path, download: bool) -> Any:
    """Return a data set of torchvision's; what is there already is not fetched."""
    name, problem = f"torchvision's {reader.__name__}", ""
    for more in ({}, {"download": True}) if download else ({},):
        try:
            with redirect_stdout(io.StringIO()):
                return reader(root, **arguments, **more)
        except TypeError as error:
            raise _unfit(name, error) from None
        except Exception as error:  # missing or damaged: torchvision raises many kinds
            problem = first_line(error)
    raise LtbenchError(
        f"{name} does not read under {root} ({problem}); name its folder with --data-root, or run "
        "where there is a network."
    )


def _stacked(name: str, images: Any, description: Description) -> tuple[Images, Indices]:
    side, channels = description.size, description.channels
    check_size(len(images), side, channels)
    pixels, labels = np.empty((len(images), side, side, channels), np.uint8), []
    for position in range(len(images)):
        image, label = images[position]
        if not hasattr(image, "convert") or not isinstance(label, int | np.integer):
            raise UsageError(
                f"torchvision's {name} gives no image with one class, so it is no data set here."
            )
        pixels[position] = square(image, side, channels)
        labels.append(int(label))
    return pixels, np.asarray(labels, np.int64)


def _sklearn(description: Description, root: Path, download: bool) -> LibraryParts:
    from PIL import Image  # noqa: PLC0415
    from sklearn import datasets  # noqa: PLC0415

    name = description.sklearn or ""
    reader = getattr(datasets, name, None)
    if not callable(reader) or not name.startswith(("load_", "fetch_")):
        raise UsageError(f"sklearn.datasets has no {name}, such as load_digits; correct `sklearn`.")
    takes = inspect.signature(reader).parameters
    where = {"data_home": str(root), "download_if_missing": download}
    more = {key: value for key, value in where.items() if key in takes}
    try:
        bunch = reader(**{**more, **description.arguments})
    except TypeError as error:
        raise _unfit(f"scikit-learn's {name}", error) from None
    except Exception as error:
        raise LtbenchError(
            f"scikit-learn's {name} does not load ({first_line(error)}); run where there is a "
            "network."
        ) from None
    if "images" not in bunch or "target" not in bunch:
        raise UsageError(f"scikit-learn's {name} has no images with classes.")
    scaled = np.round(np.asarray(bunch.images, np.float64) * (255 / np.max(bunch.images)))
    side, channels = description.size, description.channels
    pixels = [square(Image.fromarray(each), side, channels) for each in scaled.astype(np.uint8)]
    classes = tuple(map(str, bunch.get("target_names", ())))
    return {"train": (np.stack(pixels), np.asarray(bunch.target, np.int64))}, classes


def _unfit(name: str, error: TypeError) -> UsageError:
    return UsageError(f"{name}: {first_line(error)}; correct `arguments`.")


def _dense(parts: Parts, names: tuple[str, ...]) -> tuple[Parts, tuple[str, ...]]:
    """Return the parts with labels from 0 on, in the order of the library's, and their names."""
    there = np.unique(parts["train"][1])
    dense: Parts = {}
    for part, (images, labels) in parts.items():
        if strange := np.setdiff1d(labels, there).tolist():
            raise UsageError(f"class {strange[0]} has {part} images and none to train on.")
        dense[part] = images, np.searchsorted(there, labels).astype(np.int64)
    return dense, tuple(names[c] if 0 <= c < len(names) else str(c) for c in there.tolist())
