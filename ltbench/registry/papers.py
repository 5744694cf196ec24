"""Papers as docstrings name them, and their BibTeX; no method is imported."""

import ast
import re
from dataclasses import dataclass

from ltbench.registry.reading import source_of
from ltbench.registry.signatures import GROUP

# Cao et al., "Title", NeurIPS 2019, arXiv 1906.07413; authors and the arXiv number may be missing.
_PAPER = re.compile(
    r"(?:(?P<authors>[A-Z][\w-]*(?:, [A-Z][\w-]*)*(?: et al\.)?), )?"
    r'"(?P<title>[^"]+)", (?P<venue>[A-Z][\w ]*?) (?P<year>\d{4})'
    r"(?:, arXiv (?P<arxiv>\d{4}\.\d{5}))?"
)


_NAMELESS = "its authors are not named here: take them from the paper before citing it"


@dataclass(frozen=True)
class Paper:
    """A paper, as far as a docstring names it: empty texts for what it leaves out."""

    authors: str  # surnames, "Cao et al." or "Ahn, Ko, Yun"
    title: str
    venue: str
    year: str
    arxiv: str

    @property
    def key(self) -> str:
        """Return the name to cite it by: first author, year and first long word of the title."""
        author = re.split("[^a-z-]", self.authors.lower())[0]
        word = next(iter(re.findall("[a-z]{4,}", self.title.lower())), "")
        return f"{author}{self.year}{word}" if author else f"{word}{self.year}"

    @property
    def short(self) -> str:
        """Return how a text names it: authors, or the title without them, venue and year."""
        return f"{self.authors or self.title}, {self.venue} {self.year}"

    @property
    def bibtex(self) -> str:
        """Return the entry; fields that the docstring does not give are left out."""
        others = self.authors.removesuffix(" et al.")
        names = " and ".join(others.split(", ")) + " and others" * (others != self.authors)
        fields = {"title": f"{{{self.title}}}", "author": names, "booktitle": self.venue}
        fields |= {"year": self.year, "eprint": self.arxiv}
        fields |= {"archiveprefix": "arXiv"} if self.arxiv else {}
        fields |= {} if self.authors else {"note": _NAMELESS}
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return "\n".join([f"@inproceedings{{{self.key},", *lines, "}"])


def papers_in(docstring: str) -> list[Paper]:
    """Return the papers that a text names as `Authors, "Title", Venue Year`, in order."""
    text = " ".join(docstring.split())
    return [Paper(**match.groupdict(default="")) for match in _PAPER.finditer(text)]


def papers_of(name: str) -> list[Paper]:
    """Return the papers that the file of one of ltbench's own methods names; imports nothing."""
    source = source_of(f"{GROUP}.{name}")
    return papers_in(ast.get_docstring(source.tree) or "") if source else []
