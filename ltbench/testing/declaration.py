"""Whether the file of a method says what its author meant: names, parameters and docstrings."""

import ast
import difflib
import inspect
import sys
from importlib.metadata import entry_points
from types import ModuleType

from ltbench.api.method import Method
from ltbench.registry.methods import build, describe, find
from ltbench.registry.signatures import GROUP
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
    plain = _unset(cls)
    expect(
        not plain,
        f"{cls.__name__} declares {', '.join(plain)} and is no @dataclass, so nothing can set it; "
        "write @dataclass above the class",
    )
    try:
        used = _names(ast.parse(inspect.getsource(module)))
    except OSError:  # a package without its sources
        return
    others = [each for each in _methods_in(module) if each != cls.__name__ and each not in used]
    expect(
        not others,
        f"{name} is {cls.__name__}, and the file has another method, {', '.join(others)}, which "
        "nothing reads; give each a file",
    )
    for own, hook in _misspelt(cls, used):
        expect(False, f"nothing calls {own} of {cls.__name__}; the hook is {hook}")


def _unset(cls: type[Method]) -> list[str]:
    """Return the annotated values of a class that is itself no dataclass."""
    if "__dataclass_fields__" in vars(cls):
        return []
    own = inspect.get_annotations(cls)
    return [name for name, kind in own.items() if name in vars(cls) and "ClassVar" not in str(kind)]


def _names(tree: ast.AST) -> set[str]:
    """Return the names that a file reads, and the attributes of an object itself: `self.step`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in _ITSELF:
            found.add(node.attr)
    return found


_ITSELF = ("self", "cls", "super()")


def _methods_in(module: ModuleType) -> list[str]:
    """Return the methods that a file defines, but for those that entry points name."""
    named = {point.attr for point in entry_points(group=GROUP) if point.module == module.__name__}
    return [
        value.__name__
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Method)
        and value.__module__ == module.__name__
        and value.__name__ not in named
    ]


def _misspelt(cls: type[Method], used: set[str]) -> list[tuple[str, str]]:
    """Return the functions of a class that resemble a hook, with it, and that nothing calls."""
    found = []
    for name, value in vars(cls).items():
        function = callable(value) or isinstance(value, staticmethod | classmethod)
        inherited = any(hasattr(base, name) for base in cls.__mro__[1:])  # a base's helper, or hook
        if not function or inherited or name.startswith("_") or name in used:
            continue
        if similar := difflib.get_close_matches(name, _HOOKS, 1, _SIMILAR):
            found.append((name, similar[0]))
    return found
