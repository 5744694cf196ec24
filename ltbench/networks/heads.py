"""Heads: classifiers, features [B, D] to logits [B, C], and projection to a unit sphere."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class KaimingLinear(nn.Linear):
    """A linear map with bias; Kaiming-normal weights."""

    def reset_parameters(self) -> None:
        """Draw new weights; the bias is torch's default."""
        super().reset_parameters()
        nn.init.kaiming_normal_(self.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits, [B, C], in float32 or finer."""
        # Logits of 8 bits of mantissa tie, and argmax gives ties to the head classes.
        with torch.autocast(features.device.type, enabled=False):
            return F.linear(features.to(self.weight.dtype), self.weight, self.bias)


class LinearClassifier(KaimingLinear):
    """A linear classifier, initialised as in the LDAM-DRW code."""


class UniformClassifier(KaimingLinear):
    """A linear classifier with torch's own initial weights, as on large images."""

    def reset_parameters(self) -> None:
        """Draw new weights and bias."""
        nn.Linear.reset_parameters(self)


class NormalClassifier(KaimingLinear):
    """A linear classifier with weights of N(0, 0.01) and no bias at first, as behind a neck."""

    def reset_parameters(self) -> None:
        """Draw new weights; the bias is zero."""
        nn.init.normal_(self.weight, std=0.01)
        nn.init.zeros_(self.bias)


class CosineClassifier(nn.Module):
    """`scale` times the cosine between features and class weights; no bias.

    Weights start as unit vectors of uniform direction components, as in LDAM-DRW.
    """

    def __init__(self, in_features: int, out_features: int, scale: float) -> None:
        super().__init__()
        self.in_features, self.out_features, self.scale = in_features, out_features, scale
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new class weights."""
        with torch.no_grad():
            self.weight.copy_(F.normalize(nn.init.uniform_(self.weight, -1, 1), dim=1))

    def forward(self, features: Tensor) -> Tensor:
        """Return the scaled cosines, [B, C]."""
        # Cosines at scale 30 in 8 bits of mantissa would lose the margins they are trained with.
        with torch.autocast(features.device.type, enabled=False):
            directions = F.normalize(features.to(self.weight.dtype), dim=1)
            return self.scale * F.linear(directions, F.normalize(self.weight, dim=1))


class ScaledClassifier(nn.Module):
    """`scale` [C], at first one, times the logits of a classifier, its bias included."""

    def __init__(self, classifier: nn.Module, classes: int) -> None:
        super().__init__()
        self.classifier, self.scale = classifier, nn.Parameter(torch.ones(classes))

    def forward(self, features: Tensor) -> Tensor:
        """Return the scaled logits, [B, C]."""
        logits: Tensor = self.classifier(features)
        return self.scale * logits


class ProjectionHead(nn.Module):
    """Linear, batch norm, ReLU, linear, then unit length: [N, D] to [N, out_features]."""

    def __init__(self, in_features: int, hidden_features: int, out_features: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            KaimingLinear(in_features, hidden_features),
            nn.BatchNorm1d(hidden_features),
            nn.ReLU(),
            KaimingLinear(hidden_features, out_features),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return unit vectors, [N, out_features]; batch norm sees the N rows."""
        # Similarities of these are divided by a small temperature: 8 bits of mantissa are too few.
        with torch.autocast(features.device.type, enabled=False):
            precise = features.to(next(self.parameters()).dtype)
            return F.normalize(self.layers(precise), dim=1)
