"""Python files read with `ast`: the definition behind a name, while nothing is run or imported."""

import ast
import builtins
import math
import operator
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import annotated_types
import pydantic


class UnreadableError(ValueError):
    """What a file says can only be known by running it."""


# What values and types in a method's file may be made of, by the modules they are imported from.
_MODULES: Mapping[str, Any] = {
    "typing": typing, "math": math, "annotated_types": annotated_types, "pydantic": pydantic,
}  # fmt: skip
_CALLED = {"dict", "Field", "Ge", "Gt", "Le", "Lt", "Interval", "MultipleOf", "Len"}
_BUILTINS = ("bool", "int", "float", "str", "dict", "tuple", "list")
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.BitOr: operator.or_, ast.USub: operator.neg,
    ast.UAdd: operator.pos, ast.Not: operator.not_,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class SourceFile:
    """One file; `module` is the name under which it would be imported."""

    module: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        """Return the file's syntax tree; raises UnreadableError where it has none."""
        try:
            return ast.parse(self.path.read_bytes())
        except (OSError, SyntaxError, ValueError) as error:
            raise UnreadableError(f"{type(error).__name__}: {error}") from None

    @cached_property
    def names(self) -> dict[str, "ast.ClassDef | ast.expr | str"]:
        """Return each name of the module with its class, its value, or the full name it imports."""
        found: dict[str, ast.ClassDef | ast.expr | str] = {}
        for statement in _statements(self.tree.body):
            if isinstance(statement, ast.ClassDef):
                found[statement.name] = statement
            elif isinstance(statement, ast.Assign):
                found |= {t.id: statement.value for t in statement.targets if _is_name(t)}
            elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
                if isinstance(statement.target, ast.Name):
                    found[statement.target.id] = statement.value
            elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
                before = found.get(statement.target.id)
                if isinstance(before, ast.expr):
                    whole = ast.BinOp(before, statement.op, statement.value)
                    found[statement.target.id] = ast.copy_location(whole, statement)
            elif isinstance(statement, ast.Import):
                for alias in statement.names:
                    top = alias.name.partition(".")[0]
                    found[alias.asname or top] = alias.name if alias.asname else top
            elif isinstance(statement, ast.ImportFrom):
                found |= {a.asname or a.name: f"{self._base(statement)}.{a.name}"
                          for a in statement.names}  # fmt: skip
        return found

    def _base(self, statement: ast.ImportFrom) -> str:
        """Return the module that an import is from; a relative one counts from this file's."""
        if not statement.level:
            return statement.module or ""
        parts = self.module.split(".")
        if self.path.name != "__init__.py":
            parts.pop()
        parts = parts[: len(parts) - statement.level + 1]
        return ".".join([*parts, *([statement.module] if statement.module else [])])

    def full_name(self, node: ast.expr) -> str:
        """Return the dotted name of a name or attribute, from the module that defines it."""
        if isinstance(node, ast.Attribute):
            return settled(f"{self.full_name(node.value)}.{node.attr}")
        if not isinstance(node, ast.Name):
            raise UnreadableError(f"`{ast.unparse(node)}` is no name")
        own = self.names.get(node.id)
        if own is None:
            return f"builtins.{node.id}"
        return settled(own) if isinstance(own, str) else f"{self.module}.{node.id}"

    def value(self, node: ast.expr) -> Any:
        """Return the value of an expression of literals, arithmetic, types and constants' names.

        Raises UnreadableError for any other.
        """
        found: Any
        match node:
            case ast.Constant():
                found = node.value
            case ast.Name() | ast.Attribute():
                found = _named(self, node)
            case ast.BinOp() if type(node.op) in _OPERATORS:
                found = _OPERATORS[type(node.op)](self.value(node.left), self.value(node.right))
            case ast.UnaryOp() if type(node.op) in _OPERATORS:
                found = _OPERATORS[type(node.op)](self.value(node.operand))
            case ast.Tuple() | ast.List():
                items = map(self.value, node.elts)
                found = tuple(items) if isinstance(node, ast.Tuple) else list(items)
            case ast.Dict():
                found = dict(self._pairs(node))
            case ast.Subscript():
                found = self.value(node.value)[self.value(node.slice)]
            case ast.Call() if self.full_name(node.func).rpartition(".")[2] in _CALLED:
                words = {word.arg: self.value(word.value) for word in node.keywords if word.arg}
                found = self.value(node.func)(*map(self.value, node.args), **words)
            case _:
                raise UnreadableError(f"`{ast.unparse(node)}` cannot be read without running it")
        return found

    def _pairs(self, node: ast.Dict) -> Iterator[tuple[Any, Any]]:
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                yield from self.value(value).items()
            else:
                yield self.value(key), self.value(value)


def source_of(module: str) -> SourceFile | None:
    """Return the file of a module, if it has one; no package on the way to it is imported."""
    top, *rest = module.split(".")
    spec = find_spec(top)
    for depth, _ in enumerate(rest, 2):
        name = ".".join(module.split(".")[:depth])
        folders = None if spec is None else spec.submodule_search_locations
        spec = None if folders is None else PathFinder.find_spec(name, list(folders))
        if spec is None and name == _MAPPED:
            spec = find_spec(name)  # lies beside the package, by a finder of its own
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return _opened(module, spec.origin)


_MAPPED = "ltbench.methods"


@cache
def _opened(module: str, path: str) -> SourceFile:
    return SourceFile(module, Path(path))


def settled(name: str) -> str:
    """Return the full name of the definition behind a dotted name, re-exports followed."""
    module, _, last = name.rpartition(".")
    if not module or module.partition(".")[0] in _MODULES:
        return name
    source = source_of(module)
    found = None if source is None else source.names.get(last)
    return settled(found) if isinstance(found, str) and found != name else name


def defined(name: str) -> "tuple[SourceFile, ast.ClassDef | ast.expr]":
    """Return the file and the definition of a full name; raises UnreadableError without them."""
    module, _, last = name.rpartition(".")
    source = source_of(module) if module else None
    found = None if source is None else source.names.get(last)
    if source is None or found is None or isinstance(found, str):
        raise UnreadableError(f"there is no definition of {name} to read")
    return source, found


def _named(source: SourceFile, node: ast.expr) -> Any:
    own = source.names.get(node.id) if isinstance(node, ast.Name) else None
    if isinstance(own, ast.expr):
        return source.value(own)
    name = source.full_name(node)
    module, _, last = name.rpartition(".")
    if module == "builtins" and last in _BUILTINS:
        return getattr(builtins, last)
    if module in _MODULES and hasattr(_MODULES[module], last):
        return getattr(_MODULES[module], last)
    where, found = defined(name)
    if isinstance(found, ast.ClassDef):
        raise UnreadableError(f"{name} is a class")
    return where.value(found)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield a module's statements, those under `if` and `try` too."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try):
            yield from _statements(statement.body)


def _is_name(node: ast.expr) -> "typing.TypeGuard[ast.Name]":
    return isinstance(node, ast.Name)
