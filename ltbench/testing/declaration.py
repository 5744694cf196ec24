"""Whether the file of a method says what its author meant: names, parameters and docstrings."""

import difflib
import inspect
import re
import sys
from types import FunctionType, ModuleType

from ltbench.api.method import Method
from ltbench.registry.methods import build, describe, find
from ltbench.specification import parse
from ltbench.testing.rules import expect

_HOOKS = [name for name in vars(Method) if not name.startswith("_")]
_SIMILAR = 0.8  # of difflib's measure, which has 0.8 for loss and losses


def described(specification: str) -> None:
    """Raise BrokenRuleError where a specification is not its own, or a part is not declared."""
    method = build(specification)
    canonical = describe(method)
    expect(describe(build(canonical)) == canonical, f"{canonical} does not describe itself")
    for term in parse(specification):
        _declared(find(term.name), term.name)


def _declared(cls: type[Method], name: str) -> None:
    cls()  # every parameter has a default
    module = sys.modules[cls.__module__]
    expect(bool(module.__doc__), f"{name} has no module docstring naming its paper")
    generated = (cls.__doc__ or "").startswith(f"{cls.__name__}(")  # by @dataclass
    expect(
        bool(cls.__doc__) and not generated, f"{name} has no class docstring giving its equation"
    )
    source = inspect.getsource(module)
    others = [each for each in _methods_in(module) if each != cls.__name__]
    others = [each for each in others if len(re.findall(rf"\b{each}\b", source)) == 1]
    expect(
        not others,
        f"{name} is {cls.__name__}, and the file has another method, {', '.join(others)}, which "
        "nothing reads; give each a file",
    )
    fields = getattr(cls, "__dataclass_fields__", {})
    plain = [each for each in _annotated(cls) if each not in fields]
    expect(
        not plain,
        f"{cls.__name__} declares {', '.join(plain)} and is no @dataclass, so nothing can set it; "
        "write @dataclass above the class",
    )
    for own, hook in _misspelt(cls, source):
        expect(False, f"nothing calls {own} of {cls.__name__}; the hook is {hook}")


def _methods_in(module: ModuleType) -> list[str]:
    return [
        value.__name__
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Method)
        and value.__module__ == module.__name__
    ]


def _annotated(cls: type[Method]) -> list[str]:
    """Return the names that a class annotates itself, but for class variables."""
    own = inspect.get_annotations(cls)
    return [name for name, kind in own.items() if "ClassVar" not in str(kind)]


def _misspelt(cls: type[Method], source: str) -> list[tuple[str, str]]:
    """Return the functions of a class that nothing in its file calls, with the hook they resemble.

    Only those that resemble one.
    """
    found = []
    for name, value in vars(cls).items():
        if not isinstance(value, FunctionType) or name.startswith("_") or name in _HOOKS:
            continue
        similar = difflib.get_close_matches(name, _HOOKS, 1, _SIMILAR)
        if similar and not re.search(rf"\.{name}\b", source):
            found.append((name, similar[0]))
    return found
