"""Figure specifications: one YAML file for all, read strictly."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from ltbench.errors import unknown
from ltbench.runs.record import Model
from ltbench.specification import names_file
from ltbench.tables.definition import Table, load
from ltbench.tables.shipped import folder
from ltbench.tables.validation import NetworkSpecification, Seed, Specification, Text, explain
from ltbench.yaml_file import read_yaml

_MOST = 6  # series or panels: as many colours and markers are told apart, also in print


def _file_name(text: str) -> str:
    if not text.replace("_", "").isalnum() or not text.isascii():
        raise PydanticCustomError("name", "it names files; use letters, digits and _")
    return text


Name = Annotated[Text, AfterValidator(_file_name)]
Rows = Annotated[list[Text], Field(min_length=1, max_length=_MOST)]
Methods = Annotated[list[Specification], Field(min_length=1, max_length=_MOST)]


def _once(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise PydanticCustomError("shows", "it shows a quantity twice; keep one")
    return names


class Sweep(Model):
    """The rows of a table as points: their labels end in the number that they differ in."""

    name: Name
    table: Text
    axis: Text
    log: bool = False


class ImbalanceChart(Model):
    """Rows of a table as lines over the imbalance ratio of its columns."""

    name: Name
    table: Text
    rows: Rows


class Recorded(Model):
    """Methods on one data set, drawn from their records alone."""

    name: Name
    title: Text
    dataset: Text
    network: NetworkSpecification | None = None  # where it is not the data set's
    protocol: Text | None = None
    seeds: list[Seed] = Field(min_length=1)
    methods: Methods


class Classes(Recorded):
    """The accuracy of every class, one panel a method."""


class Curves(Recorded):
    """What a training logs after every epoch: one panel a quantity, one line a seed."""

    shows: Annotated[list[Text], Field(min_length=1, max_length=_MOST), AfterValidator(_once)]
    titles: dict[Text, Text] = Field(default={})  # of panels, where a column's name says too little

    @model_validator(mode="after")
    def _titled(self) -> "Curves":
        for quantity in sorted(self.titles.keys() - set(self.shows)):
            raise PydanticCustomError(
                "titles", "titles has {quantity}, which it does not show; correct it",
                {"quantity": quantity},
            )  # fmt: skip
        return self


class Gains(Model):
    """Parts added to several bases: rows `base+part` of a table against its rows `base`."""

    name: Name
    table: Text


class Printed(Model):
    """A curve as a paper prints it: its name, the panel it stands in, and values by place."""

    name: Text
    panel: Text
    values: dict[float, float] = Field(min_length=1)


class Analysed(Model):
    """Networks that analyses looked at: which, and by which analysis with what settings."""

    name: Name
    title: Text
    dataset: Text
    network: NetworkSpecification | None = None
    protocol: Text | None = None
    methods: Methods
    analysis: Text | None = None  # with its settings, where they are not the usual ones
    keep: Literal["weights", "snapshots:1", "snapshots:10"] = "weights"


class Inside(Analysed):
    """Curves of what an analysis says, ours beside what is printed."""

    shows: Literal["features", "gradients", "noise", "positives", "weight_norms"]
    printed: list[Printed] = Field(default=[])


class PrintedSpectrum(Model):
    """What a paper prints of a Hessian: whose, in which panel, the largest eigenvalue and trace."""

    name: Text
    panel: Text
    lambda_max: float
    trace: float


class Spectra(Analysed):
    """Spectral densities of Hessians, with their largest eigenvalues and traces."""

    printed: list[PrintedSpectrum] = Field(default=[])


class Planes(Analysed):
    """The loss on the plane of each training's trajectory, by shot group."""


class Drifts(Analysed):
    """The loss on the plane of three trainings from one start, by tail and all classes."""


FigureDefinition = (
    Sweep | ImbalanceChart | Classes | Curves | Gains | Inside | Spectra | Planes | Drifts
)


class Figures(Model):
    """The content of the file."""

    sweeps: list[Sweep] = Field(default=[])
    imbalance: list[ImbalanceChart] = Field(default=[])
    classes: list[Classes] = Field(default=[])
    curves: list[Curves] = Field(default=[])
    gains: list[Gains] = Field(default=[])
    inside: list[Inside] = Field(default=[])
    spectra: list[Spectra] = Field(default=[])
    planes: list[Planes] = Field(default=[])
    drifts: list[Drifts] = Field(default=[])

    @property
    def every(self) -> list[FigureDefinition]:
        """Return all figures, of whatever kind."""
        return [
            *self.sweeps, *self.imbalance, *self.classes, *self.curves, *self.gains, *self.inside,
            *self.spectra, *self.planes, *self.drifts,
        ]  # fmt: skip

    @model_validator(mode="after")
    def _distinct(self) -> "Figures":
        names = [figure.name for figure in self.every]
        if not names:
            raise PydanticCustomError("empty", "it defines no figure; give sweeps or another list")
        for name in names:
            if names.count(name) > 1:
                raise PydanticCustomError(
                    "twins", "two figures are named {name}; rename one", {"name": name}
                )
        return self


@dataclass(frozen=True)
class Figure:
    """A figure specification and the table it is drawn from, if it is."""

    definition: FigureDefinition
    path: Path  # of the file that defines it

    @cached_property
    def table(self) -> Table | None:
        """The table, read when asked for; raises UsageError where it is missing or misread."""
        if isinstance(self.definition, Recorded | Analysed):
            return None
        named = self.definition.table
        own = names_file(named)
        return load(str(self.path.parent / named) if own else named)

    @property
    def name(self) -> str:
        """Return the name that `ltbench figure` knows it by."""
        return self.definition.name

    @property
    def title(self) -> str:
        """Return the title: of the figure's own file, or of the table that it draws."""
        if isinstance(self.definition, Recorded | Analysed):
            return self.definition.title
        assert self.table is not None
        return self.table.definition.title


def figures(name: str | None = None) -> list[Figure]:
    """Return the shipped figure of a name such as `figure5` or `5`, those of a file, or all.

    Raises UsageError naming the file, the key and the remedy.
    """
    if name is not None and names_file(name):
        return _read(Path(name).expanduser())
    shipped = {figure.name: figure for figure in _read(folder() / "figures.yaml")}
    if name is None:
        return list(shipped.values())
    found = shipped.get(name) or shipped.get(f"figure{name}")
    found = found or shipped.get(name.replace("/", "_figure"))  # cc_sam/1
    if found is None:
        hint = "Figures of your own are given by the path of their .yaml file."
        raise unknown("figure", name, shipped, hint)
    return [found]


def _read(path: Path) -> list[Figure]:
    content = read_yaml(path)
    try:
        definitions = Figures.model_validate(content)
    except ValidationError as error:
        lists: dict[str, type[BaseModel]] = {
            "sweeps": Sweep, "imbalance": ImbalanceChart, "classes": Classes, "curves": Curves,
            "inside": Inside, "spectra": Spectra, "planes": Planes, "drifts": Drifts,
            "gains": Gains,
        }  # fmt: skip
        raise explain(path, error, lists, Figures) from None
    return [Figure(each, path) for each in definitions.every]
