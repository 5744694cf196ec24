"""Weights that a run keeps: one safetensors file beside the record, of its last or more epochs.

    epoch200.network.backbone.conv1.weight      a tensor of the network as it was trained
    epoch200.state.0.mean.classifier.weight     one of the state of the first method in charge

What is not a tensor, as a state's counts, is JSON in the file's metadata. Methods finish a network
for prediction from both, so a kept epoch predicts what the run would have predicted then.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor

from ltbench.engine.fit import Training
from ltbench.errors import LtbenchError, UsageError, first_line
from ltbench.runs.files import write_file
from ltbench.runs.store import Store

_FORMAT = "ltbench kept weights 1"
_EPOCH = re.compile(r"epoch(\d+)\.")


@dataclass(frozen=True)
class Keep:
    """Which epochs keep their weights: the last one, and every so many before it."""

    every: int | None = None  # None: the last alone

    @classmethod
    def parse(cls, text: str | None) -> "Keep | None":
        """Return what `weights` or `snapshots:10` asks for, or None; raises UsageError else."""
        if text is None:
            return None
        check_installed()
        if text == "weights":
            return cls()
        found = re.fullmatch(r"snapshots:([1-9]\d{0,5})", text)
        if found is None:
            raise UsageError(
                f"--keep {text}: give weights, or snapshots:10 for every tenth epoch too."
            )
        return cls(int(found[1]))

    def __str__(self) -> str:
        return "weights" if self.every is None else f"snapshots:{self.every}"


def check_installed() -> None:
    """Raise UsageError where the package that reads and writes weights is not installed."""
    if find_spec("safetensors") is None:
        raise UsageError(
            "weights are kept by the package safetensors, which is not installed; "
            "run `pip install 'ltbench[weights]'`."
        )


def keep_epoch(training: Training, store: Store, fingerprint: str, keep: Keep) -> None:
    """Write the weights of an epoch that has ended into the scratch folder, if it is to be kept.

    Epochs of an earlier try of the training are removed as its first one ends.
    """
    done = training.progress.epochs_done
    if done == 1:
        for path in store.work(fingerprint).glob("epoch*.safetensors"):
            path.unlink(missing_ok=True)
    if keep.every is not None and done % keep.every == 0:
        content = content_of(training)
        path = store.work(fingerprint) / f"epoch{done}.safetensors"
        write_file(path, lambda file: file.write(content))


def kept_file(training: Training, store: Store, fingerprint: str) -> bytes:
    """Return the file of a finished training: its last epoch, and those in the scratch folder."""
    from safetensors.torch import load_file, save  # noqa: PLC0415  (only where weights are kept)

    last = training.progress.epochs_done
    tensors, metadata = _flat(training)
    for path in sorted(store.work(fingerprint).glob("epoch*.safetensors")):
        if path.stem != f"epoch{last}":
            tensors |= load_file(path)
            metadata |= _metadata(path)
    content: bytes = save(tensors, metadata)
    return content


def content_of(training: Training) -> bytes:
    """Return a safetensors file of a training as it is now."""
    from safetensors.torch import save  # noqa: PLC0415

    content: bytes = save(*_flat(training))
    return content


def epochs_in(path: Path) -> tuple[int, ...]:
    """Return the epochs whose weights a file keeps; raises LtbenchError for one that is damaged."""
    with _opened(path) as file:
        found = map(_EPOCH.match, list(file.keys()))
        return tuple(sorted({int(match[1]) for match in found if match}))


def restore(training: Training, path: Path, epoch: int) -> None:
    """Take the weights of a kept epoch into a training that has not begun.

    Raises LtbenchError where the file has no such epoch, or is of another network or method.
    """
    prefix = f"epoch{epoch}."
    with _opened(path) as file:
        named = {
            name.removeprefix(prefix): file.get_tensor(name)
            for name in list(file.keys()) if name.startswith(prefix)
        }  # fmt: skip
        plain = (file.metadata() or {}).get(f"epoch{epoch}")
    if not named or plain is None:
        kept = epochs_in(path)
        shown = kept if len(kept) < 6 else (*kept[:2], "…", kept[-1])
        those = ", ".join(map(str, shown))
        raise LtbenchError(f"{path} keeps no weights of epoch {epoch}; it has those of {those}.")
    content = json.loads(plain)
    states: list[dict[str, Any]] = content["states"]
    network = {}
    for name, tensor in named.items():
        kind, _, rest = name.partition(".")
        if kind == "network":
            network[rest] = tensor
        else:
            number, _, key = rest.partition(".")
            _put(states[int(number)], json.loads(key), tensor)
    try:
        training.restore({**content, "network": network, "states": states})
    except Exception as error:  # torch and methods say in many ways that something does not fit
        raise LtbenchError(
            f"the weights in {path} do not fit the method as it is now ({first_line(error)}); "
            "train the run again with --keep weights."
        ) from None


def _flat(training: Training) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return a training's tensors by name, and the rest of it as metadata."""
    prefix = f"epoch{training.progress.epochs_done}"
    found = training.snapshot()
    tensors = {f"{prefix}.network.{name}": t for name, t in found["network"].items()}
    states: list[dict[str, Any]] = []
    for number, state in enumerate(found["states"]):
        rest: dict[str, Any] = {}
        for keys, value in _leaves(state):
            if isinstance(value, Tensor):
                tensors[f"{prefix}.state.{number}.{json.dumps(keys)}"] = value
            else:
                _put(rest, keys, value)
        states.append(rest)
    progress = {
        "stage": found["progress"]["stage"], "epoch": found["progress"]["epoch"],
        "epochs_done": found["progress"]["epochs_done"],
    }  # fmt: skip
    plain = json.dumps({"progress": progress, "states": states})
    # Tensors that share memory are one to torch and two to the file; layouts are torch's own.
    copies = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    return copies, {"format": _FORMAT, prefix: plain}


def _leaves(nest: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    for key, value in nest.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _put(nest: dict[str, Any], keys: Iterable[str], value: Any) -> None:
    *above, last = keys
    for key in above:
        nest = nest.setdefault(key, {})
    nest[last] = value


def _metadata(path: Path) -> dict[str, str]:
    with _opened(path) as file:
        return dict(file.metadata() or {})


def _opened(path: Path) -> Any:
    check_installed()
    from safetensors import safe_open  # noqa: PLC0415

    try:
        file: Any = safe_open(path, framework="pt")
    except Exception as error:  # a damaged file breaks its reader in many ways
        raise LtbenchError(
            f"{path} does not read ({first_line(error)}); restore it, or train the run again."
        ) from None
    if (file.metadata() or {}).get("format") != _FORMAT:
        raise LtbenchError(
            f"{path} was not kept by ltbench; bring such weights in with `ltbench weights import`."
        )
    return file
