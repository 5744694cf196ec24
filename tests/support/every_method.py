"""Every method there is, as a specification that trains, for tests of the whole registry."""

from ltbench.registry.kinds import kinds_of
from ltbench.registry.methods import build, find, role


def specification_of(name):
    """The method by itself, or on cross-entropy where it is a modifier or a post-hoc part."""
    return name if role(find(name)) == "method" else f"ce+{name}"


def trains_any_network(name):
    return not build(specification_of(name)).network_library


def takes_one_label(name):
    return "single" in kinds_of(build(specification_of(name)))
