"""Specification strings: `ldam_drw+sam(rho=0.8)` to terms and back, without importing torch.

The grammar is Python's, read with `ast` and never evaluated: names, `name@variant`, calls with
keyword literals, and `+` between terms.
"""

import ast
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ltbench.errors import UsageError

MAX_LENGTH = 2000  # far above any real specification; keeps ast's recursion out of reach
_LITERALS = (bool, int, float, str, type(None))
_UNREADABLE = (SyntaxError, ValueError, TypeError, RecursionError, MemoryError)


@dataclass(frozen=True)
class Term:
    """One part of a specification: a name, perhaps a variant, and keyword parameters."""

    name: str
    variant: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        head = f"{self.name}@{self.variant}" if self.variant else self.name
        if not self.parameters:
            return head
        return f"{head}({', '.join(f'{k}={v!r}' for k, v in self.parameters.items())})"


def parse(text: str, like: str = "ce, sam(rho=0.1) or ldam_drw+sam") -> tuple[Term, ...]:
    """Return the terms of a specification, in order.

    Raises UsageError, naming the text and what it should be like, for anything outside the grammar.
    """
    if len(text) > MAX_LENGTH:
        raise UsageError(f"a specification of {len(text)} characters is too long.")
    try:
        return tuple(_terms(_expression(text)))
    except _UNREADABLE as error:
        if re.fullmatch(r"[A-Za-z_]\w*(-[A-Za-z_]\w*)+", text.strip()):
            written = text.strip().lower().replace("-", "_")
            raise UsageError(
                f"cannot read {text!r}: names have no hyphen; write {written}."
            ) from None
        if re.fullmatch(r"[\w+()=., ]+(;[\w+()=., ]+)+", text):
            written = ",".join(text.replace(";", " ").split())
            raise UsageError(f"cannot read {text!r}: a list has commas; write {written}.") from None
        if remedy := _file_remedy(text.strip()):
            raise UsageError(f"cannot read {text!r}: {remedy}.") from None
        reason = error.args[0] if isinstance(error, _MalformedError) else "it does not parse"
        raise UsageError(f"cannot read {text!r}: {reason}; write it like {like}.") from None


def _file_remedy(text: str) -> str:
    """Return what to give instead where a text is a file's; nothing where it is none."""
    text = text.rpartition("+")[2].strip()
    stem = re.split(r"[/\\]", text)[-1].rpartition(".")[0]
    if text.endswith(".py") and stem.isidentifier():
        return f"a method's file is given by --load {text}, and then it is named {stem}"
    if names_file(text):
        return (
            f"a file has its own option: --data {text} for images, --table {text} for a table, "
            f"--protocol {text} for a protocol"
        )
    return ""


_LIKE = {
    "data set": "cifar100_lt(imbalance=50)", "protocol": "fast(epochs=60)",
    "analysis": "hessian(steps=20)",
}  # fmt: skip


def parse_one(text: str, kind: str) -> Term:
    """Return the only term of a specification, such as a data set's or a protocol's."""
    terms = parse(text, _LIKE.get(kind, "name(parameter=1)"))
    if len(terms) != 1:
        raise UsageError(f"{kind} {text!r} must be one name, such as {terms[0]}.")
    return terms[0]


def names_file(text: str) -> bool:
    """Return whether a text is the path of a YAML file, where a name may stand too."""
    return text.endswith((".yaml", ".yml"))


def network_name(text: str) -> str:
    """Return a network's name, such as resnet32 or torchvision:resnet18; it may be one unknown."""
    if not re.fullmatch(r"([a-z]+:)?\w[\w.\-]*", text.strip()):
        raise UsageError(
            f"cannot read {text!r} as a network; write it like resnet32 or torchvision:resnet18."
        )
    return text.strip()


def split(text: str) -> list[str]:
    """Split at the commas before which an expression is whole: `a,b(x=1, y=2)` gives two items."""
    items: list[str] = []
    begun: str | None = None  # within brackets or quotes, or of what cannot be read anyway
    for piece in text.split(","):
        item = piece if begun is None else f"{begun},{piece}"
        begun = None if not item.strip() or _is_whole(item) else item
        if begun is None:
            items.append(item)
    return [item.strip() for item in (*items, begun or "") if item.strip()]


class _MalformedError(ValueError):
    """A part of a specification outside the grammar; the message says which."""


def _expression(text: str) -> ast.expr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        return ast.parse(text.strip(), mode="eval").body


def _is_whole(text: str) -> bool:
    """Return whether a text is a Python expression, whatever it says."""
    try:
        return len(text) <= MAX_LENGTH and _expression(text) is not None
    except _UNREADABLE:
        return False


def _terms(node: ast.expr) -> list[Term]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*_terms(node.left), *_terms(node.right)]
    return [_term(node)]


def _term(node: ast.expr) -> Term:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        name, variant = _term(node.left), _term(node.right)
        if name.parameters or name.variant or variant.variant:
            raise _MalformedError("a variant is written name@variant(parameters)")
        return Term(name.name, variant.name, variant.parameters)
    if isinstance(node, ast.Name):
        return Term(node.id)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.args:
            raise _MalformedError("parameters need their names, as in sam(rho=0.1)")
        parameters = dict(_parameter(word) for word in node.keywords)
        if len(parameters) < len(node.keywords):
            raise _MalformedError(f"{node.func.id} gives a parameter twice")
        return Term(node.func.id, parameters=parameters)
    raise _MalformedError(f"'{ast.unparse(node)}' is not a name")


def _parameter(word: ast.keyword) -> tuple[str, Any]:
    if word.arg is None:
        raise _MalformedError("** is not allowed")
    try:
        value = ast.literal_eval(word.value)
    except ValueError:  # a name, or what would have to be computed
        value = word.value
    if not isinstance(value, _LITERALS):
        raise _MalformedError(
            f"the value of {word.arg} must be a number, text in quotes, True, False or None"
        )
    return word.arg, value
