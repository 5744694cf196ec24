"""What a table's file says; a bad one is one sentence that names the file, key and remedy."""

import copy
import re
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from ltbench.cli.views.table import print_table
from ltbench.errors import UsageError
from ltbench.evaluation.selection import Selection
from ltbench.runs.store import Store
from ltbench.tables.definition import Table, load, over_seeds, selecting
from ltbench.tables.grid import grid_of
from ltbench.tables.reported import read_reported
from ltbench.tables.write.files import long_csv, markdown
from ltbench.tables.write.latex import latex

VALIDATED = "paper(validation=2)"
VALID = yaml.safe_load((Path(__file__).parent / "data" / "mine.yaml").read_text())


def test_loads_specifications_in_canonical_form(table):
    columns, rows = table.definition.columns, table.definition.rows
    assert [each.dataset for each in columns] == [
        "cifar100_lt(imbalance=100)",
        "cifar100_lt(imbalance=100)",
        "cifar10_lt(imbalance=50)",
    ]
    assert rows[1].method == "ce+sam(rho=0.1)"
    assert table.network(columns[0]) == "resnet32"
    assert table.protocol(columns[0]).exact


def test_network_and_protocol_default_to_the_data_sets(mine):
    text = mine.read_text().replace("protocol: paper\n", "")
    mine.write_text(text.replace("cifar10_lt(imbalance=50)", "digits_lt"))
    table = load(str(mine))
    assert [table.network(c) for c in table.definition.columns] == ["resnet32"] * 2 + ["resnet8"]
    assert [table.protocol(c).specification for c in table.definition.columns] == [
        "paper",
        "paper",
        "fast",
    ]


def test_reported_may_be_absent(mine):
    mine.write_text(mine.read_text().replace("reported: reported/mine.csv\n", ""))
    assert load(str(mine)).reported == {}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds:", "seed:", ": unknown key 'seed'; did you mean seeds or select?"),
        ("venue: X", "vennue: X", ", rows, item 3: unknown key 'vennue'; did you mean venue?"),
        ("label: Never, ", "", ", rows, item 4, label: it is missing; add it."),
        ("title:", r'"\ud800": 1' + "\ntitle:", "it holds a character that does not exist"),
        ("label: Never", "label: 2024", ", item 4, label: it must be text; put it in quotes."),
        ("label: Never", "label: Later", ": rows gives Later twice; keep one."),
        ("label: Never", 'label: ""', ", label: it is empty; give it a text"),
        ("label: Never", r'label: "a\nb"', ", label: it holds a character that does not print"),
        ("label: Never", r'label: "\ud800"', ", label: it holds a character that does not exist"),
        ("reason: needs a secret", "venue: X", "give a reason where method is null"),
        ("method: ce}", "method: ce, reason: X}", "give a reason where method is null"),
        ("method: ce}", "method: ce+}", ", rows, item 1, method: cannot read 'ce+'"),
        ("method: ce}", "method: sam(rhoo=1)}", "parameter of sam 'rhoo'; did you mean rho?"),
        ("method: ce}", "method: sam@x}", "unknown variant of sam 'x'; known: (none)."),
        ("method: ce}", "method: 1e-4}", "cannot read '1e-4': '0.0001' is not a name; write it"),
        ("rho=0.10", "rho=[1]", "the value of rho must be a number"),
        ("dataset: cifar10_lt(", "dataset: cifar_lt(", "did you mean cifar10_lt or cifar100_lt"),
        ("imbalance=50", "imbalance=0.5", "imbalance 0.5 must be a ratio"),
        ("imbalance=50", "ratio=50", "data set cifar10_lt has no parameter ratio"),
        ("dataset: cifar10_lt(imbalance=50)", "dataset: places_lt(imbalance=9)",
         "data set places_lt takes no parameter; write its name alone."),
        ("method: ce}", "method: ce, by_dataset: {places_lt: sam}}",
         "by_dataset of [CE] names places_lt, of which there is no column; correct it."),
        ("reason: needs a secret", "reason: X, by_dataset: {cifar10_lt: ce}",
         "item 4: by_dataset changes a method; give one."),
        ("method: ce}", "method: ce, by_dataset: {cifar10_lt: ce+}}", "cannot read 'ce+'"),
        ("method: ce}", "method: ce, thresholds: [100, 21]}\n  - {label: B, method: ce}",
         ": thresholds gives ce twice; keep one."),
        ("method: ce}", "method: ce, thresholds: [20, 100]}",
         ", rows, item 1, thresholds: by them a class would be both few and many; lower"),
        ("method: ce}", "method: ce, thresholds: [100]}", ", rows, item 1, thresholds"),
        ("method: ce}", "method: ce, thresholds: [100, x]}", ", rows, item 1, thresholds, item 2"),
        ("metric: few", "metric: few, network: a+b", "item 2, network: cannot read 'a+b'"),
        ("protocol: paper", "decimals: 9", ", decimals: it should be less than or equal to 4."),
        ("metric: few", "metric: mAP", "item 2, metric: cifar100_lt is scored by top1; write"),
        ("metric: few", "metric: fev", "item 2, metric: it should be 'top1', 'mAP', 'many', 'm"),
        ("dataset: cifar100_lt, metric: few", "dataset: cifar100_lt", "columns gives top1 on"),
        ("protocol: paper", "protocol: papr", ", protocol: unknown protocol for cifar100_lt"),
        ("protocol: paper", "protocol: paper(epoch=3)", "unknown field of protocol paper 'epoch'"),
        ("protocol: paper", "network: a+b", ", network: cannot read 'a+b' as a network"),
        ("protocol: paper", "select: first", "should be 'last', 'validation' or 'best_test'."),
        ("[0, 1, 2]", "[0, 1, 1e0]", ", seeds, item 3: it should be a valid integer."),
        ("[0, 1, 2]", "[0, true]", ", seeds, item 2: it should be a valid integer."),
        ("[0, 1, 2]", "[-1]", ", seeds, item 1: it should be greater than or equal to 0."),
        ("[0, 1, 2]", "[]", ", seeds: it is empty; give at least one."),
        ("[0, 1, 2]", "[3, 3]", ", seeds: it gives a seed twice; keep one."),
        ("[0, 1, 2]", "3", ", seeds: it must be a list; write [a, b]"),
        ("[0, 1, 2]", "[0, 1", "line 4"),
        ("[0, 1, 2]", "[0]\nseeds: [1]", "line 1: the key 'seeds' is given twice"),
        ("[0, 1, 2]", "[!!int '']", ": a value in it is not YAML; put texts in quotes."),
        ("[0, 1, 2]", "[2001-99-99]", ": a value in it is not YAML; put texts in quotes."),
        ("[0, 1, 2]", "[\x00]", ": a value in it is not YAML; put texts in quotes."),
        ("[0, 1, 2]", "[" * 9000, ": it is nested too deeply; write lists and keys only."),
        ("[0, 1, 2]", "&a [*a]", ", seeds, item 1: it should be a valid integer."),
        ("reported/mine.csv", "nowhere.csv", "(No such file or directory); mend the path"),
        ("reported/mine.csv", ".", "(Is a directory); mend the path or remove the key reported."),
        ("reported/mine.csv", "mine.yaml", "has no column method; it needs method, dataset"),
    ],
)  # fmt: skip
def test_spoilt_table_is_explained(mine, old, new, message):
    assert mine.read_text().count(old) >= 1
    mine.write_text(mine.read_text().replace(old, new, 1))
    assert message in _sentence(mine)


def test_a_table_in_another_encoding_is_named_and_utf_16_read(mine):
    text = mine.read_text()
    mine.write_bytes(text.replace("label: Never", "label: Nié").encode("latin-1"))
    assert _sentence(mine).endswith("is not in UTF-8; save it as text in UTF-8.")
    mine.write_bytes(text.encode("utf-16"))
    assert load(str(mine)).definition.rows[3].label == "Never"


@pytest.mark.parametrize("content", ["", "just text", "- 1", "null", "3"])
def test_file_that_is_no_table(mine, content):
    mine.write_text(content)
    assert "it must be keys with values" in _sentence(mine)


def test_numbers_in_specifications_may_have_exponents(mine):
    text = mine.read_text().replace("protocol: paper", "protocol: paper(weight_decay=1e-4)")
    mine.write_text(text.replace("rho=0.10", "rho=1e-4"))
    table = load(str(mine))
    assert table.protocol(table.definition.columns[0]).weight_decay == 1e-4
    assert table.definition.rows[1].method == "ce+sam(rho=0.0001)"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("9", "unknown table '9'; known: 1, "),
        ("mine.txt", "A table of your own is given by the path of its .yaml file."),
        ("nowhere.yaml", "cannot read nowhere.yaml (No such file or directory); check the path."),
        (f"{'x' * 5000}.yaml", "(File name too long); check the path."),
    ],
)
def test_an_unknown_table_is_answered_with_what_there_is(name, message):
    with pytest.raises(UsageError) as caught:
        load(name)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("6e1", "sixty", "line 5: value 'sixty' is not a number; correct it."),
        ("6e1", "nan", "line 5: value 'nan' is not a number; correct it."),
        ("6e1", "", "line 5: value '' is not a number; correct it."),
        (",6e1", "", "line 5: value '' is not a number; correct it."),
        ("1e2", "x", "line 3: imbalance_ratio 'x' is not a number; correct it."),
        ("few,top1_acc_pct", "few,hours", "'hours' is unknown; write top1_acc_pct or mAP_pct."),
        ("1e2,few", "1e2,tail", "split 'tail' is unknown; write all, many, medium or few."),
        ("1e2,few", "100,all", "'[CE]' on 'CIFAR-100-LT', r = 100, resnet32, 'top1' twice"),
        ("Never", '"Never', "is not a CSV file in UTF-8"),
    ],
)  # fmt: skip
def test_spoilt_reported_values_are_explained(mine, old, new, message):
    path = mine.parent / "reported" / "mine.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UsageError) as caught:
        load(str(mine))
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.encode("utf-16"), "is in UTF-16; save it as CSV in UTF-8."),
        (lambda text: text.replace(",", ";").encode(), "has semicolons between its columns"),
        (lambda text: text.replace(",", "\t").encode(), "has tabs between its columns"),
        (lambda text: text.replace("38.3", '"38,3"').encode(), "a decimal comma; write 38.3."),
        (lambda text: text.replace("38.3", "383").encode(), "383 for '[CE]' on"),
        (lambda text: text.replace("38.3", "-1").encode(), "is no accuracy in percent"),
        (
            lambda text: re.sub(r"(acc_pct),[\d.e]+", r"\1,0.383", text).encode(),
            "every accuracy is below 1, as 0.383 for '[CE]'",
        ),
    ],
)
def test_what_spreadsheets_make_of_reported_values_is_named(mine, change, message):
    path = mine.parent / "reported" / "mine.csv"
    path.write_bytes(change(path.read_text()))
    with pytest.raises(UsageError) as caught:
        load(str(mine))
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
    ],
)
def test_a_byte_order_mark_and_line_ends_of_windows_change_nothing(mine, change):
    whole = load(str(mine))
    for path in (mine, mine.parent / "reported" / "mine.csv"):
        path.write_bytes(change(path.read_text()))
    assert load(str(mine)) == whole


def _sentence(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load(str(path))
    message = str(caught.value)
    assert path.name in message or "mine.csv" in message or "reported" in message
    assert "\n" not in message
    assert message[-1] in ".?"
    return message


_WORDS = st.sampled_from(
    ["title", "rows", "columns", "seeds", "method", "label", "dataset", "metric", "protocol",
     "reported", "ce", "cifar10_lt", "paper", "1e-4", "<<", "mine.yaml", "reported/mine.csv"]
)  # fmt: skip
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.binary(max_size=8)
    | st.text(max_size=20)
    | _WORDS
)
_STRUCTURES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(_WORDS | st.integers() | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("scratch")


def _must_load_or_explain(folder: Path, content: bytes) -> None:
    path = folder / "any.yaml"
    path.write_bytes(content)
    try:
        table = load(str(path))
    except UsageError as error:
        message = str(error)
    else:
        _must_render(table, folder)
        message = ""
    assert "\n" not in message


def _must_render(table: Table, folder: Path) -> None:
    grid = grid_of(table, Store(folder / "results"))
    for text in (long_csv(grid), latex(grid), markdown(grid)):
        text.encode()
    with (folder / "screen").open("w", encoding="utf-8") as file:
        print_table(grid, Console(file=file, width=80))


@settings(deadline=None)
@given(content=st.binary() | st.text().map(lambda text: text.encode("utf-8", "replace")))
def test_any_file_loads_or_is_explained(scratch, content):
    _must_load_or_explain(scratch, content)


@settings(deadline=None)
@given(structure=_STRUCTURES)
def test_any_structure_loads_or_is_explained(scratch, structure):
    _must_load_or_explain(scratch, yaml.safe_dump(structure, allow_unicode=True).encode())


@settings(deadline=None, max_examples=400)
@given(data=st.data())
def test_any_change_of_a_table_loads_or_is_explained(scratch, data):
    table = copy.deepcopy(VALID)
    del table["reported"]
    branch = table
    while True:
        keys = list(branch) if isinstance(branch, dict) else list(range(len(branch)))
        key = data.draw(st.sampled_from(keys))
        inner = branch[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        branch = inner
    change = data.draw(st.sampled_from(["replace", "remove", "add"]))
    if change == "remove":
        del branch[key]
    elif change == "replace" or isinstance(branch, list):
        branch[key] = data.draw(_STRUCTURES)
    else:
        branch[data.draw(_WORDS | st.text(max_size=5))] = data.draw(_STRUCTURES)
    _must_load_or_explain(scratch, yaml.safe_dump(table, allow_unicode=True).encode())


@settings(deadline=None)
@given(label=st.text(min_size=1, max_size=30), method=st.text(max_size=30))
def test_any_label_is_shown_or_explained(scratch, label, method):
    table = copy.deepcopy(VALID)
    del table["reported"]
    table["title"] = table["columns"][0]["group"] = table["rows"][0]["label"] = label
    table["rows"][2]["method"] = method
    _must_load_or_explain(scratch, yaml.safe_dump(table, allow_unicode=True).encode())


@settings(deadline=None)
@given(lines=st.lists(st.lists(st.text(max_size=8) | _WORDS, max_size=9), max_size=4))
def test_any_reported_file_loads_or_is_explained(scratch, lines):
    path = scratch / "any.csv"
    header = "method,dataset,backbone,imbalance_ratio,split,metric,value\n"
    text = header + "\n".join(",".join(line) for line in lines)
    path.write_bytes(text.encode("utf-8", "replace"))
    with suppress(UsageError):
        read_reported(path)


def test_best_on_test_is_another_file_and_says_optimistic(table, store, make_record):
    store.write(make_record("ce", 0, 38.0, best=39.5))
    last, best = grid_of(table, store), grid_of(selecting(table, Selection.BEST_TEST), store)
    assert (last.lines[0][0].reproduced.mean, best.lines[0][0].reproduced.mean) == (38.0, 39.5)
    assert (last.name, best.name) == ("mine", "mine_best_test")
    assert "best epoch on the test set (optimistic)" in best.caption
    assert "last epoch" in last.caption
    assert "optimistic" in markdown(best)
    assert ",best_test," in long_csv(best)


def test_its_name_also_tells_the_protocol(table, store):
    chosen = selecting(table, Selection.BEST_TEST, "fast")
    assert grid_of(chosen, store, "fast").name == "mine_best_test_fast"


def test_over_more_seeds_it_is_another_file_and_incomplete_until_all_have_run(
    table, store, make_record
):
    for seed in range(3):
        store.write(make_record("ce", seed, 38.0 + seed))
    more = over_seeds(table, 5)
    assert (more.name, more.definition.seeds) == ("mine_seeds5", [0, 1, 2, 3, 4])
    assert grid_of(more, store).lines[0][0].status == "partial (3 of 5 seeds)"
    assert over_seeds(table, 3) is table


def test_the_tables_own_choice_is_the_table_itself(table):
    assert selecting(table, Selection.LAST) is table


def test_validation_needs_a_protocol_that_holds_images_out(table, store, make_record):
    with pytest.raises(UsageError, match=r"--protocol 'paper\(validation=2\)'"):
        selecting(table, Selection.VALIDATION)
    record = make_record("ce", 0, 38.0, protocol=VALIDATED)
    store.write(record.model_copy(update={"selected": record.last}))
    grid = grid_of(selecting(table, Selection.VALIDATION, VALIDATED), store, VALIDATED)
    assert grid.lines[0][0].reproduced.mean == 38.0
    assert "held-out training images" in grid.caption


@pytest.mark.usefixtures("places_unread")
def test_data_sets_that_cannot_be_read_hold_nothing_up():
    assert selecting(load("cc_sam/2"), Selection.VALIDATION).name == "cc_sam_table2_validation"
    mixed = load("cc_sam/3")  # of three data sets, Places-LT alone cannot be read
    chosen = selecting(mixed, Selection.VALIDATION, VALIDATED)
    assert chosen.name == "cc_sam_table3_validation"


def test_validation_images_of_a_data_sets_own_are_enough():
    chosen = selecting(load("2"), Selection.VALIDATION)
    assert "imagenet_lt" in {column.dataset for column in chosen.definition.columns}
    assert chosen.name == "table2_validation"
