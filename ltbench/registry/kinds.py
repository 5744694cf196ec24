"""Which task kinds a method trains on: images with one label each, or with several."""

from ltbench.api.compose import leaves, overrides
from ltbench.api.method import Method
from ltbench.data.catalog import Dataset
from ltbench.data.kind import LABELS, Kind
from ltbench.errors import UsageError
from ltbench.registry.methods import describe


def kinds_of(method: Method) -> set[Kind]:
    """Return the kinds that all parts take and that the losses are of.

    Losses that no part brings are cross-entropy, which takes one label an image.
    """
    parts = leaves(method)
    found = set.intersection(*(set(part.kinds) for part in parts))
    return found if "losses" in overrides(parts[0]) else found & {"single"}


def check_kind(method: Method, dataset: Dataset) -> None:
    """Raise UsageError for a method that does not train on images like those of a data set."""
    kind, taken = dataset.info.kind, kinds_of(method)
    if kind in taken:
        return
    what = " or ".join(LABELS[each] for each in sorted(taken))
    raise UsageError(
        f"{describe(method)} takes {what}, and {dataset} has {LABELS[kind]}; "
        "`ltbench list methods` says which methods take those."
    )
