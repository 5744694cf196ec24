import csv
import io
from pathlib import Path

import pytest

from ltbench.errors import LtbenchError
from ltbench.tables.definition import load
from ltbench.tables.grid import grid_of
from ltbench.tables.ledger import ledger_of
from ltbench.tables.write.files import FIELDS, long_csv, markdown, write
from ltbench.tables.write.latex import escape, latex
from ltbench.tables.write.ledger import as_csv

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def grid(table, store, make_record):
    for seed, (low, high) in enumerate([(38.0, 45.0), (38.2, 45.2), (38.4, 45.4)]):
        store.write(make_record("ce", seed, low))
        store.write(make_record("ce+sam(rho=0.1)", seed, high, shots=(60.0, 40.0, None)))
    store.write(make_record("ce", 1, 75.0, dataset="cifar10_lt(imbalance=50)"))
    return grid_of(table, store)


@pytest.mark.parametrize("suffix", [".csv", ".tex", ".md"])
def test_files_are_as_committed(grid, tmp_path, suffix):
    """After a wanted change: copy the new file over `data/golden.*` and look at the difference."""
    written = {path.suffix: path for path in write(grid, tmp_path / "out")}
    assert written[suffix] == tmp_path / "out" / f"mine{suffix}"
    assert written[suffix].read_bytes() == (DATA / f"golden{suffix}").read_bytes()


def test_csv_has_one_line_for_each_row_and_column(grid):
    lines = list(csv.DictReader(io.StringIO(long_csv(grid))))
    assert len(lines) == 4 * 3
    assert tuple(lines[0]) == FIELDS
    first, last = lines[0], lines[-1]
    assert (first["row"], first["reported"], first["mean"]) == ("[CE]", "38.3", "38.2000")
    assert (first["ci95"], first["n"], first["seeds"]) == ("0.4968", "3", "0 1 2")
    assert (first["difference"], first["status"]) == ("-0.1000", "complete")
    assert (last["row"], last["specification"], last["status"]) == ("Never", "", "not implemented")
    assert (last["mean"], last["n"], last["seeds"]) == ("", "0", "")


def test_verdicts_and_names_are_the_ledgers(grid, table, store):
    lines = list(csv.DictReader(io.StringIO(long_csv(grid))))
    (few,) = [line for line in lines if line["column"] == "r=50" and line["row"] == "[CE]"]
    assert few["verdict"] == "undecided"
    judged = list(csv.DictReader(io.StringIO(as_csv(ledger_of([table], None, store)))))
    own = {"row", "venue", "select", "status"}
    assert set(FIELDS) - own < set(judged[0])
    for line in judged:
        (same,) = [one for one in lines if all(one[k] == line[k] for k in ("row", "column"))]
        for key in ("dataset", "network", "metric", "specification", "reported", "n", "seeds"):
            assert same[key] == line[key]
        if line["tier"] == "exact":
            for key in ("verdict", "missing_seeds", "enough_seeds"):
                assert same[key] == line[key]


def test_a_rounded_zero_has_no_sign(mine, store, make_record):
    path = mine.parent / "reported" / "mine.csv"
    path.write_text(path.read_text().replace("38.3", "38.300001"))
    store.write(make_record("ce", 0, 38.3))
    first = next(csv.DictReader(io.StringIO(long_csv(grid_of(load(str(mine)), store)))))
    assert first["difference"] == "0.0000"


def test_latex_escapes_everything_special():
    assert escape(r"\a{b}$&#%_^~") == (
        r"\textbackslash{}a\{b\}\$\&\#\%\_\textasciicircum{}\textasciitilde{}"
    )
    assert escape("[a]*") == "{[}a]{*}"  # would be arguments of the \\ before them


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("λ ≥ 3", r"$\lambda$ $\geq$ 3"),
        ("Γ, Α, ς, ο", r"$\Gamma$, A, $\varsigma$, o"),  # noqa: RUF001
        ("--validation 2 × --force", r"-{}-validation 2 $\times$ -{}-force"),  # noqa: RUF001
        ("a---b", "a-{}-{}-b"),
    ],
)
def test_latex_prints_signs_and_dashes_as_they_stand(text, escaped):
    assert escape(text) == escaped


def test_latex_of_many_columns_goes_over_both_of_a_page(grid, store):
    assert "\\begin{table}\n" in latex(grid)
    wide = latex(grid_of(load("1"), store))
    assert "\\begin{table*}\n" in wide
    assert wide.endswith("\\end{table*}\n")


def test_latex_rows_have_all_columns(grid):
    body = latex(grid).split("\\toprule\n")[1].split("\\bottomrule")[0]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 2 + 3 * 2 + 1 + 1  # and one of differences
    for row in rows[1:]:
        assert row.replace(r"\&", "").count("&") == 4
    assert r"\textcolor{gray}{38.3}" in body
    assert r"\textbf{45.2 $\pm$ 0.5}" in body


def test_latex_without_groups_has_no_empty_line(table, store):
    for column in table.definition.columns:
        object.__setattr__(column, "group", None)
    assert "\n\n" not in latex(grid_of(table, store)).partition(r"\end{tabular}")[0]


def test_differences_stand_beneath_where_there_are_any(grid):
    assert "38.3<br>38.2 ± 0.5<br><sub>-0.1</sub>" in markdown(grid)
    assert r"{\footnotesize $-$0.1} & {\footnotesize +0.9} & {\footnotesize +0.2} \\" in latex(grid)
    for text in (markdown(grid), latex(grid)):
        assert "reproduced minus reported" in text


def test_a_table_that_reports_nothing_has_one_line_a_method(mine, store, make_record):
    text = mine.read_text().replace("reported: reported/mine.csv\n", "caption: My 3 methods.\n")
    mine.write_text(text)
    for seed in range(3):
        store.write(make_record("ce", seed, 38.0 + seed))
    grid = grid_of(load(str(mine)), store)
    body = latex(grid).split("\\midrule\n")[1].split("\\bottomrule")[0]
    assert [line for line in body.splitlines() if line.startswith(("{[}CE", " & "))] == [
        r"{[}CE] &  & 39.0 $\pm$ 2.5 & 10.0 $\pm$ 0.0 & -- \\"
    ]
    assert r"\caption{My 3 methods.}" in latex(grid)
    assert "Grey" not in latex(grid)
    written = markdown(grid)
    assert written.startswith("My 3 methods.\n")
    assert r"| \[CE\] |  | 39.0 ± 2.5 | 10.0 ± 0.0 | -- |" in written
    for text in (latex(grid), written):  # how the values came about is a note then
        assert "half-width of the 95" in text


def test_markdown_cells_keep_to_themselves(grid):
    lines = [line for line in markdown(grid).splitlines() if line.startswith("|")]
    assert {line.replace(r"\|", "").count("|") for line in lines} == {6}
    assert r"Ours\|new\*" in lines[3]


def test_unwritable_folder_is_one_sentence(grid, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LtbenchError, match="cannot write"):
        write(grid, tmp_path / "file" / "tables")
