"""What a method's file says of its parameters: the comments above and beside their fields."""

import ast
import inspect
import io
import textwrap
import tokenize
from typing import Any

from ltbench.api.alias import Alias
from ltbench.api.compose import leaves, name_of
from ltbench.api.method import Method


def meanings(method: Method) -> dict[str, str]:
    """Return the comments on the parameters of a method and its parts, by parameter.

    A parameter without a comment has none; where several parts have one of a name, the first
    part's comment stands, or that of the part to which an alias gives it.
    """
    found: dict[str, str] = {}
    owners = method.owners if isinstance(method, Alias) else {}
    for part in leaves(method):
        name = name_of(part)
        for cls in type(part).__mro__:
            if issubclass(cls, Method) and cls is not Method:
                comments = _comments(cls).items()
                own = {key: text for key, text in comments if owners.get(key, name) == name}
                found = own | found
    return found


def _comments(cls: type[Any]) -> dict[str, str]:
    """Return the comments on the fields of a class's own source, by field."""
    source = textwrap.dedent(inspect.getsource(cls))
    lines = source.splitlines()
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            first = node.lineno
            while first - 1 in comments and lines[first - 2].lstrip().startswith("#"):
                first -= 1
            end = node.end_lineno or node.lineno
            words = [comments[line] for line in range(first, end + 1) if line in comments]
            if words:
                found[node.target.id] = " ".join(words)
    return found
