"""Evaluation: logits over a whole subset, and the scores they give."""

import copy

import torch
from torch import Tensor, nn

from ltbench.api.method import Method
from ltbench.data.feed import Feed
from ltbench.data.stream import feed_of
from ltbench.engine.isolation import seeded
from ltbench.engine.precision import Autocast
from ltbench.errors import LtbenchError


def finalised(method: Method, network: nn.Module) -> nn.Module:
    """Return a copy of a network, ready to predict; the original is not touched.

    Here and in `logits_of` the global generators have the same seed every time.
    """
    final = copy.deepcopy(network)
    with seeded(0, "finalize"):
        method.finalize(final)
    return final.eval()


@torch.no_grad()
@seeded(0, "predict")
def logits_of(method: Method, final: nn.Module, feed: Feed, autocast: Autocast) -> Tensor:
    """Return a method's logits [N, C] over a subset, in float32, by a finalised network.

    Raises LtbenchError for logits of another shape.
    """
    parts, classes = [], feed.info.classes
    for batch in feed.clean():
        with autocast():
            logits = method.predict(final, batch.images).float()
        parts.append(_of_shape(logits, (len(batch.images), classes), "predict"))
    whole = torch.cat(parts)
    return _of_shape(method.adjust_logits(whole), (len(whole), classes), "adjust_logits")


def is_transductive(
    method: Method, final: nn.Module, feed: Feed, autocast: Autocast, logits: Tensor
) -> bool:
    """Return whether predictions change when every second image of a subset is left out.

    `logits` [N, C] are those of the whole subset. One prediction in 500 may differ: networks round
    otherwise in batches of another size.
    """
    second = feed_of(feed.info, feed.subset.part(slice(None, None, 2)))
    half = logits_of(method, final, second, autocast)
    changed = half.argmax(1) != logits[::2].argmax(1)
    return float(changed.float().mean()) > 1 / 500


def _of_shape(logits: Tensor, shape: tuple[int, int], hook: str) -> Tensor:
    if logits.shape != shape:
        raise LtbenchError(
            f"{hook} returned logits of shape {list(logits.shape)}; "
            f"it must be [N, C], here {list(shape)}."
        )
    return logits
