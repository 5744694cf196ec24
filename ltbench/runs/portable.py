"""Weights for others and from others: state dicts named as torchvision names those of its ResNets.

    conv1.weight, bn1.…, layer1.0.conv1.weight … layer3.…, fc.weight, fc.bias

Published CIFAR checkpoints have the same names but for `linear.` instead of `fc.`, `module.` before
all, or a cosine head stored as [features, classes]; all of that is understood.
"""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ltbench.errors import LtbenchError, UsageError
from ltbench.networks import CosineClassifier, Network, create
from ltbench.runs.files import write_file
from ltbench.runs.kept import check_installed

State = dict[str, Tensor]
_OURS = (("backbone.stages.0.", "layer1."), ("backbone.stages.1.", "layer2."),
         ("backbone.stages.2.", "layer3."), ("backbone.", ""), ("classifier.", "fc."))  # fmt: skip
_FORMAT = "ltbench imported weights 1"
_ORIGIN = "told"  # key of the metadata: data set, network, scale and the hash of the file
_COUNTER = "num_batches_tracked"


def plain(network: nn.Module) -> State:
    """Return the state dict of a finalised network by torchvision's names, without other heads.

    Raises LtbenchError for a network that is no plain ResNet with one classifier.
    """
    state = {
        name: tensor for name, tensor in network.state_dict().items()
        if name.startswith(("backbone.", "classifier."))
    }  # fmt: skip
    classifier = getattr(network, "classifier", None)
    if "classifier.weight" not in state or not any("backbone.stages.2." in name for name in state):
        raise LtbenchError(
            "this method predicts by a network of several branches or heads, which no plain "
            "state dict holds; its kept weights load with ltbench alone."
        )
    found = {_renamed(name, _OURS): tensor.cpu().contiguous() for name, tensor in state.items()}
    if isinstance(classifier, CosineClassifier):
        # A linear head on features of unit length: what is left is the scale and unit rows.
        rows = nn.functional.normalize(found["fc.weight"], dim=1)
        found["fc.weight"] = classifier.scale * rows
    return found


def needs_unit_features(network: nn.Module) -> bool:
    """Return whether the classifier's logits are those of `fc` on features of unit length."""
    return isinstance(getattr(network, "classifier", None), CosineClassifier)


def _renamed(name: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for before, after in pairs:
        if name.startswith(before):
            return after + name.removeprefix(before)
    return name


def check_suffix(path: Path) -> None:
    """Raise UsageError for the name of a file that weights are not written as."""
    if path.suffix not in (".pt", ".pth", ".safetensors"):
        raise UsageError(
            f"--output {path}: weights are written as .pt, .pth or .safetensors; end the name so."
        )


def save(state: State, path: Path) -> None:
    """Write a state dict as safetensors, or by torch.save where the name ends in .pt or .pth."""
    if path.suffix in (".pt", ".pth"):
        stream = io.BytesIO()
        torch.save(state, stream)
        content = stream.getvalue()
    else:
        check_installed()
        from safetensors.torch import save as as_bytes  # noqa: PLC0415

        content = as_bytes(state)
    write_file(path, lambda file: file.write(content), "--output")


def published(path: Path) -> State:
    """Return the state dict in a file of anybody's, nothing of it executed.

    Raises LtbenchError for what does not read or holds no tensors by name.
    """
    try:
        if path.suffix == ".safetensors":
            check_installed()
            from safetensors.torch import load_file  # noqa: PLC0415

            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except LtbenchError:
        raise
    except FileNotFoundError:
        raise LtbenchError(f"there is no {path}; give the file of a state dict.") from None
    except OSError as error:
        raise LtbenchError(f"{path} does not read ({error.strerror}).") from None
    except Exception:  # of a damaged file, or one with other things; torch advises to execute it
        raise LtbenchError(
            f"{path} does not read as weights: it is damaged, or holds other things than tensors; "
            "give a state dict saved by torch.save or as safetensors."
        ) from None
    for key in ("state_dict", "model", "net"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise LtbenchError(f"{path} holds no state dict, which has tensors by name.")
    return content


def network_from(state: State, name: str, channels: int, classes: int, scale: float) -> Network:
    """Return the named network with published weights, in eval mode.

    A head without bias is a cosine one of `scale`. Raises LtbenchError naming the first weight
    that is missing, is of another shape, is no number, or has no place.
    """
    theirs = (("layer1.", "backbone.stages.0."), ("layer2.", "backbone.stages.1."),
              ("layer3.", "backbone.stages.2."), ("fc.", "classifier."), ("linear.", "classifier."),
              ("conv1.", "backbone.conv1."), ("bn1.", "backbone.bn1."))  # fmt: skip
    named = {_renamed(key.removeprefix("module."), theirs): t for key, t in state.items()}
    named = {key: tensor for key, tensor in named.items() if not key.endswith(_COUNTER)}
    network = create(name, channels, classes)
    if "classifier.bias" not in named and "classifier.weight" in named:
        features = network.backbone.out_features
        network.classifier = CosineClassifier(features, classes, scale)
        if named["classifier.weight"].shape == (features, classes) != (classes, features):
            named["classifier.weight"] = named["classifier.weight"].T
    own = {k: t for k, t in network.state_dict().items() if not k.endswith(_COUNTER)}
    for key in sorted({*own, *named}):
        plain = _renamed(key, _OURS)
        if key not in named:
            raise LtbenchError(
                f"the weights lack {plain}; are they of {name} for {classes} classes?"
            )
        if key not in own:
            raise LtbenchError(f"the weights have {plain}, which {name} has no place for.")
        if named[key].shape != own[key].shape:
            raise LtbenchError(
                f"{plain} is {list(named[key].shape)} in the weights and {list(own[key].shape)} in "
                f"{name} for {classes} classes; choose another --network or --dataset."
            )
        if not named[key].isfinite().all():
            raise LtbenchError(f"{plain} of the weights is no number; they diverged in training.")
    network.load_state_dict(named, strict=False)
    return network.eval()


def bring_in(source: Path, target: Path, network: Network, origin: dict[str, str]) -> None:
    """Write an imported network with its origin and the SHA-256 of the file it came in."""
    check_installed()
    from safetensors.torch import save as as_bytes  # noqa: PLC0415

    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    metadata = {"format": _FORMAT, _ORIGIN: json.dumps({**origin, "source_sha256": digest})}
    state = {name: t.detach().contiguous() for name, t in network.state_dict().items()}
    content = as_bytes(state, metadata)
    write_file(target, lambda file: file.write(content))


def brought(path: Path) -> tuple[State, dict[str, str]]:
    """Return an imported network's weights and origin; raises LtbenchError for another file."""
    check_installed()
    from safetensors import safe_open  # noqa: PLC0415

    if not path.exists():
        raise LtbenchError(f"there is no {path}; `ltbench weights import` says where it wrote.")
    not_ours = f"{path} was not imported, or is damaged; bring it in with `ltbench weights import`."
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in list(file.keys())}
    except Exception:  # of a file of another kind
        raise LtbenchError(not_ours) from None
    if metadata.get("format") != _FORMAT:
        raise LtbenchError(not_ours)
    return state, json.loads(metadata[_ORIGIN])
