"""Figure files: what ships is drawable, and bad ones are refused in one sentence."""

import pytest

from ltbench.errors import UsageError
from ltbench.figures.definition import figures

SWEEP = "sweeps:\n  - {name: mine, table: '6', axis: strength}\n"


def test_every_shipped_figure_has_a_title_and_is_found_by_its_name():
    shipped = figures()
    assert {"figure5", "figure7", "figure8", "table6", "imbalance"} <= {f.name for f in shipped}
    for figure in shipped:
        assert figure.title
        assert [found.name for found in figures(figure.name)] == [figure.name]
    assert figures("5")[0].name == "figure5"


def test_a_file_of_ones_own_may_have_several_and_a_table_beside_it(tmp_path):
    from ltbench.tables.shipped import shipped

    text = shipped()["6"].read_text().replace("reported: reported/gkp_gsa_table6.csv", "")
    (tmp_path / "own.yaml").write_text(text)
    path = tmp_path / "mine.yaml"
    path.write_text(SWEEP + "  - {name: other, table: own.yaml, axis: strength, log: true}\n")
    found = figures(str(path))
    assert [each.name for each in found] == ["mine", "other"]
    assert found[1].table.reported == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sweeps: []\n", "it defines no figure"),
        (SWEEP + SWEEP.partition("\n")[2], "two figures are named mine"),
        (SWEEP.replace("mine", "../mine"), "letters, digits and _"),
        (SWEEP.replace("axis", "axes"), "unknown key 'axes'; did you mean axis?"),
        (SWEEP.replace(", axis: strength", ""), "item 1, axis: it is missing"),
        ("imbalance:\n  - {name: a, table: '1', rows: []}\n", "it is empty; give at least one"),
        (
            "classes:\n  - {name: a, title: b, dataset: digits_lt, seeds: [0], methods: ['ce(']}\n",
            "it does not parse",
        ),
    ],
)
def test_bad_files_are_refused_in_one_sentence(tmp_path, text, words):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        figures(str(path))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_names_are_refused():
    with pytest.raises(UsageError, match="unknown figure 'figure3'; did you mean figure"):
        figures("figure3")


def test_a_missing_table_is_refused_when_its_figure_is_drawn(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(SWEEP.replace("'6'", "'66'"))
    (figure,) = figures(str(path))
    with pytest.raises(UsageError, match="unknown table '66'"):
        _ = figure.table
