"""Networks of torchvision and timm as backbones: images to features, without their classifier."""

import copy
import importlib
from typing import Any

from torch import Tensor, nn

from ltbench.errors import UsageError

# The papers' networks on large images: name -> torchvision's.
RESNETS = {"resnet50": "resnet50", "resnet152": "resnet152", "resnext50": "resnext50_32x4d"}
NECKED = {"resnet50_neck": "resnet50"}  # with a neck before the classifier
LIBRARIES = ("torchvision", "timm")


class ResidualBackbone(nn.Module):
    """Images [B, 1 or 3, h, w] to the globally averaged features of a ResNet of torchvision's."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.stem = nn.Sequential(model.conv1, model.bn1, model.relu, model.maxpool)
        self.stages = nn.Sequential(model.layer1, model.layer2, model.layer3, model.layer4)
        self.out_features: int = model.fc.in_features

    def forward(self, images: Tensor) -> Tensor:
        """Return globally averaged features, [B, out_features]."""
        return self.maps(images).mean(dim=(2, 3))

    def maps(self, images: Tensor) -> Tensor:
        """Return the last stage's feature maps, [B, channels, h, w]."""
        found: Tensor = self.stages(self.stem(_coloured(images)))
        return found

    def fresh_block(self) -> nn.Module:
        """Return a new block like the last one, freshly initialised as torchvision does."""
        block: nn.Module = copy.deepcopy(self.stages[-1][-1])  # type: ignore[index]
        for module in block.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()
        return block


class NeckedBackbone(ResidualBackbone):
    """A residual backbone whose pooled features a neck maps to fewer, with dropout.

    Linear, batch norm, dropout, as between encoder and classifier of Wu et al., "Distribution-
    Balanced Loss for Multi-Label Classification in Long-Tailed Datasets", ECCV 2020.
    """

    def __init__(self, model: Any, out_features: int = 256, dropout: float = 0.5) -> None:
        super().__init__(model)
        self.neck = nn.Sequential(
            nn.Linear(self.out_features, out_features),
            nn.BatchNorm1d(out_features),
            nn.Dropout(dropout),
        )
        self.out_features = out_features

    def forward(self, images: Tensor) -> Tensor:
        """Return the neck's features, [B, out_features]."""
        found: Tensor = self.neck(super().forward(images))
        return found


class WholeBackbone(nn.Module):
    """Images [B, 1 or 3, h, w] to what the last linear layer of a network was given."""

    def __init__(self, model: nn.Module, out_features: int, grey: bool = False) -> None:
        super().__init__()
        self.model, self.out_features, self.grey = model, out_features, grey

    def forward(self, images: Tensor) -> Tensor:
        """Return features, [B, out_features]."""
        found: Tensor = self.model(images if self.grey else _coloured(images))
        return found


def backbone(name: str, channels: int) -> ResidualBackbone | WholeBackbone:
    """Return a backbone of random weights: `resnet50`, `torchvision:NAME` or `timm:NAME`.

    Raises UsageError for a network that a library does not have, or that has no features.
    """
    if name in RESNETS:
        return ResidualBackbone(_torchvision(RESNETS[name]))
    if name in NECKED:
        return NeckedBackbone(_torchvision(NECKED[name]))
    library, _, own = name.partition(":")
    if library == "torchvision":
        model = _torchvision(own)
        if all(hasattr(model, part) for part in ("layer4", "maxpool", "fc")):
            return ResidualBackbone(model)
        return WholeBackbone(model, _beheaded(model, own))
    model = _timm(own, channels)
    return WholeBackbone(model, model.num_features, grey=True)


def _torchvision(name: str) -> Any:
    from torchvision import models  # noqa: PLC0415  (slow: only when used)

    if name not in models.list_models(models):
        raise UsageError(
            f"torchvision has no classifier {name!r}; `torchvision.models.list_models()` names "
            "those there are, such as resnet18."
        )
    model = models.get_model(name, weights=None)
    if getattr(model, "AuxLogits", None) is not None or getattr(model, "aux1", None) is not None:
        raise UsageError(f"torchvision's {name} has more outputs than one; choose another network.")
    return model


def _timm(name: str, channels: int) -> Any:
    try:
        timm = importlib.import_module("timm")
    except ImportError:
        raise UsageError(
            f"timm:{name} needs timm, which is not here; install it with "
            "`python -m pip install 'ltbench[timm]'`."
        ) from None
    if not timm.is_model(name):
        near = timm.list_models(f"*{name}*")[:3]
        hint = f"did you mean {' or '.join(near)}?" if near else "`timm.list_models()` names all."
        raise UsageError(f"timm has no network {name!r}; {hint}")
    return timm.create_model(name, pretrained=False, num_classes=0, in_chans=channels)


def _beheaded(model: nn.Module, name: str) -> int:
    """Put the identity in place of a model's last linear layer; return what that was given."""
    layers = [(path, m) for path, m in model.named_modules() if isinstance(m, nn.Linear)]
    if not layers or layers[-1][1].out_features != 1000:
        raise UsageError(
            f"torchvision's {name} does not end in a linear layer, so it has no features that a "
            "head can be put on; choose another network."
        )
    path, last = layers[-1]
    parent, _, own = path.rpartition(".")
    setattr(model.get_submodule(parent), own, nn.Identity())
    return last.in_features


def _coloured(images: Tensor) -> Tensor:
    """Return grey images with three equal channels."""
    return images if images.shape[1] == 3 else images.expand(-1, 3, -1, -1)
