"""Papers that docstrings name, and their BibTeX entries."""

import re

import pytest

from ltbench.registry.citation import Paper, papers, papers_in
from ltbench.registry.signatures import names


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('A: Foret et al., "Sharp\nand Flat", ICLR 2021.',
         [Paper("Foret et al.", "Sharp and Flat", "ICLR", "2021", "")]),
        ('A: Ahn, Ko, Yun, "CUDA: More", ECCV Workshops 2020, arXiv 2302.05499.',
         [Paper("Ahn, Ko, Yun", "CUDA: More", "ECCV Workshops", "2020", "2302.05499")]),
        ('A (B\'s "PN"): Le-Roux et al., "One", ICML 2022; in Cao et al., "Two", ICML 2023.',
         [Paper("Le-Roux et al.", "One", "ICML", "2022", ""),
          Paper("Cao et al.", "Two", "ICML", "2023", "")]),
        ('A: "Nobody\'s", CVPR 2026.', [Paper("", "Nobody's", "CVPR", "2026", "")]),
        ("Cross-entropy, as everybody does.", []),
        ('Mine: Authors, "Title of the paper", Venue Year.', []),
    ],
)  # fmt: skip
def test_papers_are_found_in_a_docstring(text, found):
    assert papers_in(text) == found


def test_an_entry_has_what_is_known_and_nothing_else():
    whole = Paper("Ahn, Ko, Yun", "CUDA: A Way", "ICLR", "2023", "2302.05499")
    assert whole.bibtex == (
        "@inproceedings{ahn2023cuda,\n"
        "  title = {{CUDA: A Way}},\n"
        "  author = {Ahn and Ko and Yun},\n"
        "  booktitle = {ICLR},\n"
        "  year = {2023},\n"
        "  eprint = {2302.05499},\n"
        "  archiveprefix = {arXiv},\n"
        "}"
    )
    bare = Paper("", "Reframing it", "CVPR", "2026", "")
    assert re.findall(r"(\w+) =", bare.bibtex) == ["title", "booktitle", "year", "note"]
    assert "its authors are not named here" in bare.bibtex
    assert bare.key == "reframing2026"
    assert "author = {Foret and others}" in Paper("Foret et al.", "A", "B", "2000", "").bibtex


@pytest.mark.parametrize("name", names())
def test_every_method_that_comes_with_ltbench_names_its_paper(name):
    assert papers(name)[name]


def test_a_name_for_a_composition_cites_its_parts_too():
    found = papers("gkp_gsa+tau_norm")
    assert list(found) == ["gkp_gsa", "bcl", "gkp", "gsa", "tau_norm"]
    keys = {paper.key for own in found.values() for paper in own}
    assert keys == {"reframing2026", "zhu2022balanced", "kang2020decoupling"}
