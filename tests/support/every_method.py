"""Every method there is, as a specification that trains, for tests of the whole registry."""

from ltbench.api.compose import is_post_hoc, overrides
from ltbench.registry.kinds import kinds_of
from ltbench.registry.methods import build, find, role


def specification_of(name):
    """The method by itself, or on cross-entropy where it is a modifier or a post-hoc part."""
    return name if role(find(name)) == "method" else f"ce+{name}"


def trains_any_network(name):
    return not build(specification_of(name)).network_library


def takes_one_label(name):
    return "single" in kinds_of(build(specification_of(name)))


def one_of_each_way(names):
    """One method of each set of loss terms and stages, every one that changes more, none post hoc.

    What such a term is of comes to it complete, so they take the same way through a training loop.
    """
    terms, ways = {"losses", "sample_weights", "stages"}, {}
    for name in names:
        part = find(name)
        if not is_post_hoc(part):
            hooks = frozenset(overrides(part))
            ways.setdefault(hooks if hooks <= terms else name, name)
    return list(ways.values())
