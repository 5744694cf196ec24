"""The data set, protocol and method that a record names, resolved once for all such records."""

from dataclasses import dataclass

from ltbench.data.catalog import Dataset, dataset
from ltbench.errors import UsageError
from ltbench.registry.methods import build, describe, trained_part
from ltbench.registry.signatures import lacking, names
from ltbench.runs.identity import Identity
from ltbench.runs.protocol import Protocol, protocol_of
from ltbench.runs.record import Record
from ltbench.runs.size import TrainingSize


@dataclass(frozen=True)
class Expected:
    """A record's data set, protocol and method as this version resolves them, and their steps."""

    data: Dataset
    protocol: Protocol
    strange: list[str]  # parts of the method that are not here; the rest is then unknown
    identity: Identity | None
    trained: str = ""
    steps: int = 0

    @classmethod
    def of(cls, record: Record) -> "Expected":
        """Resolve the names of a record; raises ValueError for those that this version has not."""
        try:
            data = dataset(record.dataset)
            protocol = protocol_of(record.protocol, data.info)
            strange = lacking([record.method], names())
            if strange:
                return cls(data, protocol, strange, None)
            method = build(record.method)
        except UsageError as error:
            raise ValueError(f"this version cannot run it: {error}") from None
        trained = trained_part(method)
        steps = TrainingSize.of(trained.stages(protocol.recipe()), protocol, data).steps
        identity = Identity.of(method, protocol)
        return cls(data, protocol, [], identity, describe(trained), steps)
