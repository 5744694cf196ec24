"""A page for every method, made of its file: `conf.py` writes them before the site is built."""

import inspect
import re
import sys
import typing
from pathlib import Path
from urllib.parse import quote_plus

from ltbench.api.compose import leaves, name_of
from ltbench.api.method import Method
from ltbench.api.parameters import fields_of
from ltbench.registry.citation import Paper, papers
from ltbench.registry.meanings import meanings
from ltbench.registry.methods import baseline, describe, parts, role
from ltbench.registry.signatures import names


def write(folder: Path) -> None:
    """Write the page of every method into a folder, and none besides."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.md"):
        old.unlink()
    for name in names():
        (folder / f"{name}.md").write_text(page(name))


def page(name: str) -> str:
    """Return a method's page: paper, equations, parameters, variants, deviations, BibTeX."""
    (method,) = parts(name)
    cls, inner = type(method), leaves(method)
    trained = name if role(cls) == "method" else f"{baseline()}+{name}"
    text = [
        f"# {name}",
        f"*{role(cls)}*. {as_markdown(inspect.getdoc(sys.modules[cls.__module__]))}",
        as_markdown(inspect.getdoc(cls)),
        f"    ltbench run --methods {trained} --dataset digits_lt",
    ]
    if len(inner) > 1:
        links = ", ".join(f"[{each}]({each}.md)" for each in map(name_of, inner))
        composed = "+".join(map(describe, inner))
        text.append(f"The name stands for `{composed}`; {links} say their own equations.")
    if fields_of(cls):
        text += ["## Parameters", _parameters(method)]
    if cls.variants:
        rows = (f"- `{name}@{key}`: {_changed(cls, key)}" for key in cls.variants)
        text += ["## Variants", "\n".join(rows)]
    if method.deviations:
        rows = (f"- {as_markdown(each)}" for each in method.deviations)
        text += ["## Deviations from the paper", "\n".join(rows)]
    every = list(dict.fromkeys(paper for own in papers(name).values() for paper in own))
    entries = "\n\n".join(paper.bibtex for paper in every)
    text += ["## Cite", "\n".join(map(_link, every)), f"`ltbench cite {name}` prints"]
    return "\n\n".join([*text, f"```bibtex\n{entries}\n```"]) + "\n"


def _parameters(method: Method) -> str:
    said, hints = meanings(method), typing.get_type_hints(type(method))
    rows = ["| parameter | default | values | meaning |", "| --- | --- | --- | --- |"]
    for field in fields_of(type(method)):
        words = as_markdown(said.get(field.name))
        kind = _type_words(hints[field.name])
        rows.append(f"| `{field.name}` | `{field.default!r}` | {kind} | {words} |")
    return "\n".join(rows)


def _type_words(hint: typing.Any) -> str:
    """Return the values that a parameter may have, in words."""
    if typing.get_origin(hint) is typing.Literal:
        return ", ".join(f"`{value!r}`" for value in typing.get_args(hint))
    kinds = {float: "number", int: "whole number", bool: "`True`, `False`", str: "text"}
    return kinds.get(hint, "")


def _changed(cls: type[Method], variant: str) -> str:
    usual = {field.name: field.default for field in fields_of(cls)}
    values = {k: v for k, v in cls.variants[variant].items() if v != usual.get(k)}
    return ", ".join(f"`{key}={value!r}`" for key, value in values.items())


def _link(paper: Paper) -> str:
    """Return a line on a paper that links to it, or to a search where its number is unknown."""
    authors = f"{paper.authors}, " if paper.authors else ""
    url = f"https://scholar.google.com/scholar?q={quote_plus(paper.title)}"
    if paper.arxiv:
        url = f"https://arxiv.org/abs/{paper.arxiv}"
    return f"- {authors}[{paper.title}]({url}), {paper.venue} {paper.year}"


def as_markdown(text: str | None) -> str:
    """Return a docstring as Markdown that shows its symbols as they are, but for code."""
    pieces = (text or "").split("`")
    for index in range(0, len(pieces), 2):
        pieces[index] = re.sub(r"[\\*_<\[|]", r"\\\g<0>", pieces[index])
    return "`".join(pieces)
