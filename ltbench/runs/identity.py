"""What determines a run's result, and its fingerprint; docs/protocol.md says what it covers."""

from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ltbench.api.compose import leaves, name_of
from ltbench.api.method import Method
from ltbench.api.recipe import Recipe, Stage
from ltbench.errors import LtbenchError
from ltbench.registry.contents import parameters, sources
from ltbench.registry.methods import describe
from ltbench.runs.code import code_of
from ltbench.runs.protocol import Protocol
from ltbench.runs.record import Record, fingerprint_of


@dataclass(frozen=True)
class Identity:
    """A method resolved under a protocol: its parameters, stages, source files and versions.

    With data set, network and seed they give the fingerprint of a run.
    """

    method: str  # canonical specification
    parameters: dict[str, dict[str, Any]]
    stages: list[dict[str, Any]]
    sources: dict[str, str]
    versions: dict[str, int]  # that parts declare, where they are not the first
    code: dict[str, str]  # says what computed a run, and is no part of its fingerprint

    @classmethod
    def of(cls, method: Method, protocol: Protocol) -> "Identity":
        """Return the identity of a method that was built."""
        return cls(
            describe(method),
            parameters(method),
            stages_of(method, protocol),
            sources(method),
            {name_of(part): part.version for part in leaves(method) if part.version != 1},
            code_of(method),
        )

    def fingerprint(self, dataset: str, network: str, protocol: Protocol, seed: int) -> str:
        """Return the fingerprint of a run.

        Fields of protocol, stage and recipe count where they differ from their defaults, so that
        a field added later leaves old records valid; a test pins the defaults.
        """
        usual_stage, usual_recipe = _defaults(Stage), _defaults(Recipe)
        resolved = {
            "dataset": dataset,
            "network": network,
            "method": self.method,
            "parameters": self.parameters,
            "settings": protocol.model_dump(exclude_defaults=True),
            "stages": [
                {**_without(row, usual_stage), "recipe": _without(row["recipe"], usual_recipe)}
                for row in self.stages
            ],
            "seed": seed,
        }
        optional = {"sources": self.sources, "versions": self.versions}
        return fingerprint_of(resolved | {key: value for key, value in optional.items() if value})

    def check(self, record: Record, fingerprint: str, path: Path) -> None:
        """Raise LtbenchError unless a run now would be what the record in a file is of."""
        if record.versions != self.versions:
            raise LtbenchError(
                f"{path} was made by another version of the method "
                f"({record.versions or 'the first'}, now {self.versions or 'the first'}); "
                "run with --force to train it again, or with --results for another folder."
            )
        if record.sources != self.sources:
            named = ",".join(dict.fromkeys(name.partition(":")[0] for name in self.sources))
            raise LtbenchError(
                f"the files of {named} have changed since {path} was made; the same command "
                f"with --force {named} trains it again and keeps the old run beside it."
            )
        if record.fingerprint != fingerprint:
            raise LtbenchError(
                f"{path} was made with settings, or a method's file, that have changed since; "
                "run with --force to train it again, or with --results for another folder."
            )


def fingerprint_in(record: Record) -> str:
    """Return the fingerprint that a record's content gives; it states another if it was changed.

    Raises ValueError for settings that are no protocol's of this version.
    """
    own = Identity(
        record.method, record.parameters, record.stages, record.sources, record.versions,
        record.code,
    )  # fmt: skip
    protocol = Protocol(**record.settings)
    return own.fingerprint(record.dataset, record.network, protocol, record.seed)


def stages_of(method: Method, protocol: Protocol) -> list[dict[str, Any]]:
    """Return the stages of a method under a protocol as plain data."""
    plain = []
    for stage in method.stages(protocol.recipe()):
        row = {field.name: _plain(getattr(stage, field.name)) for field in fields(Stage)}
        plain.append(row | {"recipe": {k: _plain(v) for k, v in asdict(stage.recipe).items()}})
    return plain


def _plain(value: Any) -> Any:
    """Return a field of a stage or recipe as JSON gives it back."""
    if isinstance(value, Method):
        return describe(value)
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def _defaults(cls: type) -> dict[str, Any]:
    return {f.name: _plain(f.default) for f in fields(cls) if f.default is not MISSING}


def _without(row: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in usual or value != usual[key]}
