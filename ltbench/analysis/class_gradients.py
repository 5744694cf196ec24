"""Gradients of the classes' cross-entropy over the whole training set."""

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltbench.perturb import evaluate_with
from ltbench.task import Batch


def class_gradients(
    network: nn.Module,
    tensors: Mapping[str, Tensor],
    batches: Iterable[Batch],
    classes: int,
    within: str,
) -> Tensor:
    """Return by class the summed gradient of its images' cross-entropy, flat, [C, P].

    At the parameters and buffers `tensors`, by name, instead of the network's own, which does not
    change; by its parameters whose name begins `within`. In evaluation mode an image's gradient is
    its own, so a class's images pass in pieces.
    """
    names = [name for name, _ in network.named_parameters() if name.startswith(within)]
    weights = {name: tensors[name].detach().requires_grad_() for name in names}
    total = torch.stack([torch.cat([w.detach().flatten() for w in weights.values()])] * classes)
    total.zero_()
    for batch in batches:
        for label in sorted(set(batch.targets.tolist())):
            own = batch.select(batch.targets == label)

            def loss(network: nn.Module, own: Batch = own) -> Tensor:
                return F.cross_entropy(network(own.images)["logits"], own.targets, reduction="sum")

            value = evaluate_with(network, {**tensors, **weights}, loss)
            parts = torch.autograd.grad(value, list(weights.values()))
            total[label] += torch.cat([part.flatten() for part in parts])
    return total
