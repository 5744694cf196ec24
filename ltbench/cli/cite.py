"""`ltbench cite`: the papers of a method, as BibTeX."""

import sys
from typing import Annotated

import typer

from ltbench.cli import complete
from ltbench.cli.loading import load_files
from ltbench.cli.options import Load
from ltbench.errors import UsageError
from ltbench.specification import split


def cite(
    methods: Annotated[
        str,
        typer.Argument(
            help="Specifications, such as gkp_gsa or ldam_drw+sam,bcl.",
            autocompletion=complete.methods,
        ),
    ],
    load: Load = None,
) -> None:
    """Print the BibTeX entries of what methods are made of, as their files name the papers.

    A field that a file does not give, such as first names or pages, is left out.
    """
    from ltbench.registry.citation import papers

    load_files(load)
    if not split(methods):
        raise UsageError("nothing to cite; name a method, such as gkp_gsa.")
    found = {name: own for each in split(methods) for name, own in papers(each).items()}
    entries = dict.fromkeys(paper.bibtex for own in found.values() for paper in own)
    if not entries:
        raise UsageError(
            f"{methods} names no paper; its file's docstring begins with "
            'Name: Authors, "Title", Venue Year.'
        )
    print("\n\n".join(entries))
    for name in (name for name, own in found.items() if not own):
        print(f"ltbench: left out: the file of {name} names no paper.", file=sys.stderr)
