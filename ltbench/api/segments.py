"""Segmented parameters: every image at its own displaced weights, all images in one forward pass.

Image i is evaluated at the weights plus perturbations[members[i]]. The network's code does not
change: a mode intercepts every torch function, and where a weight meets images, the images of a
segment get the weight of their segment. Three rules:

1. Images come in order of their segment, so a layer is one call a segment and a concatenation.
   Tensors of k B rows, k views of B images each one below the other, are k such blocks.
2. Batch norm normalises the joint batch, with gradient; only its affine part is the segment's.
   Running statistics stand still, unless the pass is `here`.
3. What depends on weights alone belongs to no image. Where it meets images as a weight, such as a
   normalised classifier, it is the segment's; as a result, such as prototypes made of the
   classifier's weights, it is the undisplaced one.

The cost is that of one pass, plus a call a segment and layer and two copies of the activations.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from torch.overrides import TorchFunctionMode

from ltbench.api.norm_batch import BatchNormCall, taken_in
from ltbench.api.perturb import Segments, evaluate_with, named_parameters


def evaluate_segmented(
    network: nn.Module,
    segments: Segments,
    function: Callable[[nn.Module, Tensor], dict[str, Tensor]],
) -> dict[str, Tensor]:
    """Return what `function(network, order)` gives for the images in `order`, put back in order.

    `function` runs the network on the batch's images taken in `order`, int64 [B]. Gradients land
    in the network's parameters and in the perturbations.
    Raises KeyError for a perturbation of what is no parameter, IndexError for a member without
    perturbation, TypeError where weights meet something that is neither images nor weights, or are
    computed from others.
    """
    if any(is_parametrized(module) for module in network.modules()):
        raise TypeError("segments displace plain weights, and this network's are parametrised")
    order = segments.members.argsort(stable=True)
    sizes = segments.members.bincount(minlength=len(segments.perturbations)).tolist()
    if len(sizes) > len(segments.perturbations):
        raise IndexError(
            f"segment {len(sizes) - 1} of {len(segments.perturbations)} has no perturbation"
        )
    present = [number for number, size in enumerate(sizes) if size]
    parameters = named_parameters(network, *segments.perturbations)
    buffers = {
        name: buffer if segments.here else buffer.clone()
        for name, buffer in network.named_buffers()
    }
    mode = _Segmented([sizes[number] for number in present])
    for name, parameter in parameters.items():
        mode.displace(parameter, [segments.perturbations[number].get(name) for number in present])
    for buffer in buffers.values():
        mode.keep(buffer)
    with taken_in(order), mode:
        outputs = evaluate_with(network, buffers, lambda network: function(network, order))
    inverse = order.argsort()
    return {name: mode.restored(name, value, inverse) for name, value in outputs.items()}


class _Weight:
    """What depends on weights alone: its undisplaced value, and each segment's on demand."""

    def __init__(self, base: Tensor, make: Callable[[int], Tensor] | None = None) -> None:
        self.base, self.make = base, make  # without `make` the segments do not differ
        self.made: dict[int, Tensor] = {}

    def at(self, segment: int) -> Tensor:
        if self.make is None:
            return self.base
        if segment not in self.made:
            self.made[segment] = self.make(segment)
        return self.made[segment]


class _Segmented(TorchFunctionMode):
    """Runs functions of images and weights segment by segment; inside, the mode is off."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.sizes = sizes  # images of each segment, in order
        self.weights: dict[int, _Weight] = {}  # by id; they hold their tensor, so ids stay unique

    def displace(self, parameter: Tensor, shifts: Sequence[Tensor | None]) -> None:
        """Let a parameter differ between segments."""

        def make(segment: int) -> Tensor:
            shift = shifts[segment]
            return parameter if shift is None else parameter + shift

        moves = any(shift is not None for shift in shifts)
        self.weights[id(parameter)] = _Weight(parameter, make if moves else None)

    def keep(self, tensor: Tensor) -> Tensor:
        """Count a tensor among the weights, and return it."""
        self.weights[id(tensor)] = _Weight(tensor)
        return tensor

    def restored(self, name: str, value: Tensor, inverse: Tensor) -> Tensor:
        """Return an output with its rows in the batch's order; one of weights alone as it is."""
        if id(value) in self.weights or value.dim() == 0:
            return value
        blocks = self._blocks(len(value), name)
        return torch.cat([block[inverse] for block in value.chunk(blocks)])

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        tensors = list(tensors_in((*args, *kwargs.values())))
        weights = [self.weights[id(t)] for t in tensors if id(t) in self.weights]
        if not weights:
            return func(*args, **kwargs)
        rows = [t for t in tensors if id(t) not in self.weights and t.dim()]
        differ = any(weight.make for weight in weights)
        if not rows:
            found = {id(t): self.weights[id(t)] for t in tensors if id(t) in self.weights}
            return self._of_weights(func, args, kwargs, found if differ else {})
        if not differ:
            return func(*args, **kwargs)
        if func is F.batch_norm:
            return self._batch_norm(BatchNormCall(*args, **kwargs))
        return self._by_segment(func, args, kwargs, rows)

    def _of_weights(
        self, func: Any, args: tuple[Any, ...], kwargs: Any, weights: dict[int, _Weight]
    ) -> Any:
        """Apply a function to weights alone; the segments' values are made when they are needed."""
        result = func(*args, **kwargs)

        def make(segment: int, part: int | None = None) -> Tensor:
            def version(tensor: Tensor) -> Tensor:
                found = weights.get(id(tensor))
                return tensor if found is None else found.at(segment)

            own = func(*_mapped(args, version), **_mapped(kwargs, version))
            return cast("Tensor", own if part is None else own[part])

        if isinstance(result, Tensor):
            self.weights[id(result)] = _Weight(result, make if weights else None)
        elif isinstance(result, tuple | list):
            for part, value in enumerate(result):
                if isinstance(value, Tensor):
                    own = partial(make, part=part) if weights else None
                    self.weights[id(value)] = _Weight(value, own)
        return result

    def _by_segment(
        self,
        func: Any,
        args: tuple[Any, ...],
        kwargs: Any,
        rows: list[Tensor],
        *,
        join: bool = True,
    ) -> Tensor:
        """Apply a function that treats rows apart to each segment's rows, at its weights.

        `join` copies a segment's rows in all blocks together: fewer calls, for what is costly.
        """
        name = getattr(func, "__name__", str(func))
        (count, *others) = {len(tensor) for tensor in rows}
        if others:
            raise TypeError(f"{name} of displaced weights meets tensors of {count}, {others} rows")
        segments, blocks = len(self.sizes), self._blocks(count, name)
        together = blocks if join else 1
        pieces = {id(tensor): self._pieces(tensor, blocks, together) for tensor in rows}

        def version(tensor: Tensor, piece: int) -> Tensor:
            if id(tensor) in self.weights:
                return self.weights[id(tensor)].at(piece % segments)
            return pieces[id(tensor)][piece] if tensor.dim() else tensor

        results = []
        for piece, size in enumerate(self.sizes * (blocks // together)):
            own = partial(version, piece=piece)
            result = func(*_mapped(args, own), **_mapped(kwargs, own))
            if not isinstance(result, Tensor) or not result.dim() or len(result) != size * together:
                raise TypeError(f"{name} of displaced weights does not treat images apart")
            results.append(result.chunk(together))
        return torch.cat([part for block in zip(*results, strict=True) for part in block])

    def _pieces(self, tensor: Tensor, blocks: int, together: int) -> Sequence[Tensor]:
        """Return the rows of each segment in each block, or those in all blocks together."""
        parts: tuple[Tensor, ...] = torch.split(tensor, self.sizes * blocks)
        if together == 1:
            return parts
        return [torch.cat(parts[segment :: len(self.sizes)]) for segment in range(len(self.sizes))]

    def _batch_norm(self, call: BatchNormCall) -> Tensor:
        """Normalise the joint batch, then scale and shift each image by its segment's weights."""
        images, running_mean, running_var, weight, bias, training, momentum, eps = call
        if id(images) in self.weights:
            raise TypeError("batch_norm of weights by statistics of images has no meaning here")
        normal = F.batch_norm(
            images, running_mean, running_var, None, None, training, momentum, eps
        )
        # By the kernel of evaluation mode, with mean 0 and variance 1, in the weights' precision.
        like = next(part for part in (weight, bias) if part is not None)
        zero, one = self.keep(torch.zeros_like(like)), self.keep(torch.ones_like(like))
        affine = partial(F.batch_norm, training=False, eps=0.0)
        args = (normal, zero, one, weight, bias)
        return self._by_segment(affine, args, {}, [normal], join=False)

    def _blocks(self, rows: int, name: str) -> int:
        blocks, rest = divmod(rows, sum(self.sizes))
        if rest or not blocks:
            raise TypeError(
                f"{name} of displaced weights has {rows} rows, no multiple of the "
                f"{sum(self.sizes)} images; only images can be evaluated segment by segment"
            )
        return blocks


def tensors_in(values: Any) -> Any:
    """Yield the tensors among arguments, also inside lists and tuples."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors_in(value)


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return arguments with every tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_mapped(item, change) for item in value)
    return value
