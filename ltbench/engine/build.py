"""The network of a training: the one that was asked for, as the method changes it."""

from collections.abc import Callable
from dataclasses import replace

from ltbench.api.method import Method
from ltbench.data.info import DatasetInfo
from ltbench.errors import UsageError
from ltbench.networks import Network, Pretrained, create, normalises
from ltbench.registry.methods import describe


def build(
    method: Method, name: str, channels: int, classes: int, pretrained: Pretrained | None = None
) -> Network:
    """Return the named network, with the weights it begins from, as the method builds it.

    Raises UsageError for another backbone, LtbenchError for weights that do not fit.
    """
    network = create(name, channels, classes)
    if pretrained is not None:
        pretrained.put_into(network)
    return _changed(network, method.build, method)


def shown_to(network: str, info: DatasetInfo) -> DatasetInfo:
    """Return a data set's facts as a network is shown it: in 0..1 where it normalises itself."""
    if not normalises(network):
        return info
    channels = info.shape[0]
    return replace(info, mean=(0.0,) * channels, std=(1.0,) * channels)


def begin_stage(method: Method, network: Network, stage: str) -> Network:
    """Return the network that a later stage trains; raises UsageError for another backbone."""
    return _changed(network, lambda given: method.begin_stage(given, stage), method)


def _changed(network: Network, hook: Callable[[Network], Network], method: Method) -> Network:
    encoder = {id(parameter) for parameter in network.backbone.parameters()}
    made = hook(network)
    if encoder.isdisjoint(map(id, made.parameters())):
        raise UsageError(
            f"{describe(method)} trains another network than it was given, so a record would name "
            "the wrong one; change the one given, and choose which by --network."
        )
    return made
