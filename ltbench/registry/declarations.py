"""A class read with `ast`: what it derives from, its attributes and its parameters."""

import ast
from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from functools import cached_property
from typing import Any

from ltbench.api.signature import Parameter
from ltbench.registry.reading import SourceFile, UnreadableError, defined

_NO_PARAMETERS = ("typing.ClassVar", "dataclasses.InitVar")


@dataclass(frozen=True)
class Declaration:
    """One class in a file."""

    source: SourceFile
    node: ast.ClassDef

    @property
    def name(self) -> str:
        """Return its full name."""
        return f"{self.source.module}.{self.node.name}"

    @cached_property
    def line(self) -> "list[Declaration]":
        """Return the class and its ancestors, nearest first, as far as their files are here."""
        found = [self]
        for base in self.node.bases:
            try:
                source, node = defined(self.source.full_name(base))
            except UnreadableError:
                continue
            if isinstance(node, ast.ClassDef):
                found += [each for each in Declaration(source, node).line if each not in found]
        return found

    @property
    def ancestors(self) -> set[str]:
        """Return the full names of its base classes, and of theirs."""
        return {each.name for each in self.line[1:]}

    def attribute(self, name: str) -> Any:
        """Return the value of a class attribute, its own or the nearest ancestor's, or None."""
        for declared in self.line:
            value = declared._own(name)
            if value is not None:
                return declared.source.value(value)
        return None

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Return the fields that a dataclass and its ancestors take, in their order."""
        return {
            name: parameter
            for declared in reversed(self.line)
            for name, parameter in declared._fields()
        }

    def _own(self, name: str) -> ast.expr | None:
        for line in self.node.body:
            targets = line.targets if isinstance(line, ast.Assign) else []
            targets = [line.target] if isinstance(line, ast.AnnAssign) else targets
            if any(isinstance(each, ast.Name) and each.id == name for each in targets):
                assert isinstance(line, ast.Assign | ast.AnnAssign)
                return line.value
        return None

    def _fields(self) -> Iterator[tuple[str, Parameter]]:
        decorators = [d.func if isinstance(d, ast.Call) else d for d in self.node.decorator_list]
        if "dataclasses.dataclass" not in map(self.source.full_name, decorators):
            return
        for line in self.node.body:
            if not isinstance(line, ast.AnnAssign) or not isinstance(line.target, ast.Name):
                continue
            hint = line.annotation
            if isinstance(hint, ast.Constant):  # in quotes
                hint = ast.parse(str(hint.value), mode="eval").body
            head = hint.value if isinstance(hint, ast.Subscript) else hint
            named = isinstance(head, ast.Name | ast.Attribute)
            if named and self.source.full_name(head) in _NO_PARAMETERS:
                continue
            default, taken = self._default(line.value)
            if taken:
                yield line.target.id, Parameter(self.source.value(hint), default)

    def _default(self, value: ast.expr | None) -> tuple[Any, bool]:
        """Return a field's default, and whether the constructor takes the field."""
        if value is None:
            return MISSING, True
        if not isinstance(value, ast.Call) or (
            self.source.full_name(value.func) != "dataclasses.field"
        ):
            return self.source.value(value), True
        words = {word.arg: word.value for word in value.keywords}
        if "init" in words and not self.source.value(words["init"]):
            return MISSING, False
        return self.source.value(words["default"]) if "default" in words else MISSING, True


def declarations(source: SourceFile) -> Iterator[Declaration]:
    """Yield the classes of a file in their order."""
    for node in source.names.values():
        if isinstance(node, ast.ClassDef):
            yield Declaration(source, node)
