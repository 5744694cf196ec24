"""A page for every method, which the site is built with."""

import re

import pytest
from docs_scripts import script

from ltbench.api.parameters import fields_of
from ltbench.registry.citation import papers
from ltbench.registry.methods import find
from ltbench.registry.signatures import names


@pytest.fixture(scope="module")
def pages():
    return script("method_pages")


@pytest.mark.parametrize("name", names())
def test_a_page_has_every_parameter_deviation_and_paper(pages, name):
    text, cls = pages.page(name), find(name)
    assert text.startswith(f"# {name}\n")
    rows = re.findall(r"^\| `(\w+)` \| `.*` \| (.*) \| .*\|$", text, re.MULTILINE)
    assert [row[0] for row in rows] == [field.name for field in fields_of(cls)]
    assert all(kind for _, kind in rows)
    for variant in cls.variants:
        assert f"- `{name}@{variant}`: `" in text
    assert len(re.findall("^- .*", text.partition("## Dev")[2].partition("##")[0], re.M)) == len(
        cls.deviations
    )
    for paper in papers(name)[name]:
        assert paper.bibtex in text
        assert f"[{paper.title}](https://" in text
    for other in re.findall(r"\]\((\w+)\.md\)", text):
        assert other in names()


def test_symbols_of_equations_show_but_code_is_code(pages):
    assert pages.as_markdown("a_b * `c_d` |e| [f]") == r"a\_b \* `c_d` \|e\| \[f]"


def test_pages_of_methods_that_have_gone_go(pages, tmp_path):
    (tmp_path / "gone.md").write_text("# gone\n")
    pages.write(tmp_path)
    assert sorted(path.stem for path in tmp_path.iterdir()) == names()
