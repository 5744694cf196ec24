"""LaTeX tables are compiled where there is a TeX, and read as text where there is none."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ltbench.tables.definition import load
from ltbench.tables.grid import grid_of
from ltbench.tables.shipped import shipped
from ltbench.tables.write.latex import latex

GOLDEN = Path(__file__).parents[1] / "data" / "golden_siunitx.tex"
PAGE = r"""\documentclass{article}
\usepackage{booktabs,graphicx,xcolor%s}
\begin{document}
%s
\end{document}
"""


def has_package(name: str) -> bool:
    """Return whether this machine's TeX finds a package."""
    if not shutil.which("pdflatex") or not shutil.which("kpsewhich"):
        return False
    done = subprocess.run(["kpsewhich", f"{name}.sty"], capture_output=True, check=False)
    return done.returncode == 0


def compiled(texts: list[str], folder: Path, package: str = "") -> None:
    """Let pdflatex make one document of all texts, without a complaint."""
    (folder / "page.tex").write_text(PAGE % (f",{package}" * bool(package), "\n".join(texts)))
    call = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert not re.findall(r"^(?:Overfull|LaTeX Warning: (?!Label)).*", done.stdout, re.MULTILINE)
    assert (folder / "page.pdf").stat().st_size > 0


def well_formed(texts: list[str]) -> None:
    """Require what a compiler would: balanced braces and environments, as many cells a row."""
    for text in texts:
        bare = re.sub(r"\\[\\{}&%$#_]", lambda found: "\n" * (found[0] == r"\\"), text)
        assert bare.count("{") == bare.count("}")
        opened, closed = (re.findall(rf"\\{word}\{{(\w+)", text) for word in ("begin", "end"))
        assert sorted(opened) == sorted(closed)
        body = bare.split(r"\midrule")[1].split(r"\bottomrule")[0]
        assert len({line.count("&") for line in body.splitlines() if "&" in line}) == 1


@pytest.fixture
def grid(table, store, make_record):
    rows = {"ce": 38.0, "ce+sam(rho=0.1)": 45.0, "not_written": 30.0}
    for seed, spread in enumerate((0.0, 0.2, 0.4)):
        for method, top1 in rows.items():
            store.write(make_record(method, seed, top1 + spread, shots=(60.0, 40.0, None)))
    store.write(make_record("ce", 1, 75.0, dataset="cifar10_lt(imbalance=50)"))
    return grid_of(table, store)


def test_every_shipped_table_is_well_formed(store, tmp_path):
    texts = [latex(grid_of(load(name), store)) for name in sorted(shipped())]
    assert len(texts) > 10
    well_formed(texts)
    if shutil.which("pdflatex"):
        compiled(texts, tmp_path)


def test_the_best_is_bold_and_the_second_underlined(grid, tmp_path):
    text = latex(grid)
    assert r"\textbf{45.2 $\pm$ 0.5}" in text
    assert r"\underline{38.2 $\pm$ 0.5}" in text
    assert "Bold: best, underlined: second, where the intervals set them apart." in text
    well_formed([text])
    if shutil.which("pdflatex"):
        compiled([text], tmp_path)


def test_the_form_for_siunitx_is_the_golden_file(grid, tmp_path):
    """After a wanted change: write the text to the golden file and compile it once by hand."""
    text = latex(grid, siunitx=True)
    assert text == GOLDEN.read_text()
    well_formed([text])
    if has_package("siunitx"):
        compiled([text], tmp_path, "siunitx")


def test_notes_stand_beneath_the_table_and_not_in_its_caption(grid):
    text = latex(grid)
    caption = re.search(r"\\caption\{(.*)\}", text)[1]
    assert r"Costs \textless{}50" not in caption
    assert "last epoch" in caption
    assert "protocol paper" in caption
    assert "n~=~3" in caption
    below = text.split(r"\end{tabular}")[1]
    assert r"Costs \textless{}50 \$ \& runs." in below
    assert "Not implemented, hence reported only: Never." in below


def test_venues_have_a_column_only_where_there_are_any(grid):
    assert " & Venue & " in latex(grid)
    for row in grid.rows:
        object.__setattr__(row, "venue", None)
    assert "Venue" not in latex(grid)
    well_formed([latex(grid)])
