"""The YAML file that makes images of one's own a data set, read strictly. Imports no torch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ltbench.data.kind import Kind
from ltbench.data.profile import FEW_BELOW, MANY_ABOVE
from ltbench.errors import UsageError, unknown
from ltbench.yaml_file import read_keys

Part = Literal["train", "test", "val"]
PARTS: tuple[Part, ...] = ("train", "test", "val")
SOURCES = ("images", "list", "torchvision", "sklearn")


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


# A class may be called 7 or 2.5 in YAML; as a label it is text.
Label = Annotated[str, BeforeValidator(_text)]
Labels = list[Label]
PathByPart = str | dict[Part, str]
"""A path, or one for each part."""


class Description(BaseModel):
    """Where images lie and how they are shown to a network; paths are relative to the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)
    title: str | None = None
    images: PathByPart | None = None  # folder of class folders; beside `list`, of the listed files
    list: PathByPart | None = None  # CSV of path, label and perhaps split, or lines `path label`
    torchvision: str | None = None  # a class of torchvision.datasets
    sklearn: str | None = None  # a function of sklearn.datasets
    arguments: dict[str, Any] = {}  # of that class or function
    classes: int | Labels | None = None  # how many, or their names in order
    test: int | None = Field(default=None, ge=1)  # images a class drawn for test
    kind: Kind = "single"  # labels an image: one, or several, of a list
    unlabelled: Literal["stop", "keep"] = "stop"  # images without a label, of several an image
    unreadable: Literal["stop", "skip"] = "stop"
    imbalance: float | None = Field(default=None, ge=1, lt=1e6)  # None: the images as they are
    head: int | None = Field(default=None, ge=1)  # of the largest class, of a drawn tail
    stream: bool | None = None  # from a packed file; None: where images do not fit the memory
    size: int = Field(default=32, ge=8, le=512)
    channels: Literal[1, 3] = 3
    mean: tuple[float, ...] | None = None  # None: measured
    std: tuple[float, ...] | None = None
    padding: int | None = Field(default=None, ge=0)  # of the random crop; None: an eighth
    flip: bool = True
    many_above: int = Field(default=MANY_ABOVE, ge=1)
    few_below: int = Field(default=FEW_BELOW, ge=1)
    network: str | None = None  # None: resnet32, or resnet50 of streamed images
    protocol: str = "fast"

    @property
    def source(self) -> str:
        """Return which of `SOURCES` the images come from."""
        if self.list is not None:
            return "list"
        return next(each for each in SOURCES if getattr(self, each) is not None)

    def facts(self) -> dict[str, Any]:
        """Return what of the description determines a result beside the images themselves."""
        content = ("classes", "torchvision", "sklearn", "arguments", "test", "unreadable", "head")
        shown = ("size", "channels", "mean", "std", "padding", "flip", "many_above", "few_below")
        several = ("kind", "unlabelled") if self.kind == "multi" else ()  # as older hashes had none
        return self.model_dump(mode="json", include={*content, *shown, *several})


def read_description(path: Path) -> Description:
    """Return the description in a file; raises UsageError, in one sentence, for what is wrong."""
    content = read_keys(path, "data set", "datasets.md")
    try:
        found = Description(**_tupled(content))
    except ValidationError as error:
        first = error.errors()[0]
        where = str(first["loc"][0]) if first["loc"] else "it"
        if first["type"] == "extra_forbidden":
            raise unknown(f"field of {path}", where, Description.model_fields) from None
        if first["type"] == "string_pattern_mismatch":
            raise UsageError(
                f"{path}: {where} is small letters, digits and _, a letter first; correct it."
            ) from None
        reason = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
        raise UsageError(f"{path}: {where} is not as it must be ({reason}).") from None
    for problem in _problems(found):
        raise UsageError(f"{path}: {problem}.")
    return found


def _problems(found: Description) -> Iterator[str]:
    """Yield what does not fit together."""
    given = [each for each in SOURCES if getattr(found, each) is not None]
    if not given:
        yield f"give one of {', '.join(SOURCES)}: where the images come from"
    if len(given) > 1 and given != ["images", "list"]:
        yield f"{given[0]} and {given[1]} are two sources of images; leave one out"
    if found.list is not None and isinstance(found.images, dict):
        yield "beside list, images is one folder"
    for name in ("images", "list"):
        given = getattr(found, name)
        if isinstance(given, dict) and "train" not in given:
            yield f"{name} has no train part"
        if isinstance(given, dict) and ("test" in given) == (found.test is not None):
            yield f"give either a test part of {name} or test: the images a class to draw for it"
    if found.head is not None and found.imbalance is None:
        yield "head goes with imbalance: both say how a tail is drawn"
    if found.kind == "multi":
        yield from _several(found)
    for values in (found.mean, found.std):
        if (values is None) != (found.mean is None) or len(values or ()) not in (0, found.channels):
            yield f"give mean and std both, a number for each of the {found.channels} channels"
    if found.std is not None and min(found.std) <= 0:
        yield "std must be above 0"
    if found.few_below > found.many_above + 1:
        yield "few_below is above many_above, so a class would be both few and many"


def _several(found: Description) -> Iterator[str]:
    """Yield what does not go with several labels an image."""
    if found.list is None:
        yield "kind: multi is of a list with the labels of each image; give list"
    for field, value in (
        ("imbalance", found.imbalance), ("test", found.test),
        ("stream: false", found.stream is False), ("channels: 1", found.channels == 1),
    ):  # fmt: skip
        if value:
            yield f"{field} does not go with kind: multi; leave it out"


def _tupled(content: dict[str, Any]) -> dict[str, Any]:
    """Return YAML's content with whole numbers and lists as the fields have them."""
    fixed = dict(content)
    for name in ("mean", "std"):
        value = fixed.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = [value]
        if isinstance(value, list):
            fixed[name] = tuple(float(v) if isinstance(v, int) else v for v in value)
    if fixed.get("kind") == "multi":  # whose images are always packed; a hundred is many there
        fixed = {"stream": True, "many_above": MANY_ABOVE - 1, **fixed}
    if type(fixed.get("imbalance")) is int:
        fixed["imbalance"] = float(fixed["imbalance"])
    return fixed
