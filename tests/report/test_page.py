"""The page: whole, self-contained, the ledger's numbers, the same for the same records."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import matplotlib as mpl
import pytest

from ltbench.errors import LtbenchError
from ltbench.report.page import render, without_paths
from ltbench.report.settings import gather
from ltbench.runs.record import Failure
from ltbench.runs.store import Cell, Store
from ltbench.tables.claims import load_claims
from ltbench.tables.definition import load
from ltbench.tables.ledger import ledger_of
from ltbench.tables.shipped import shipped


def test_a_small_store_has_its_tables_methods_and_figures(made, text, page):
    assert made.records == 8
    assert 'id="table-1"' in text
    assert 'id="table-2"' not in text  # nothing ran of it
    titles = re.findall(r"<h4>(.*?)</h4>", text)
    assert set(titles) == {
        "Seeds and intervals", "Accuracy by shot group", "Calibration", "Training curves",
        "Accuracy against class count", "Training time against accuracy",
        "Reproduced minus reported",
    }  # fmt: skip
    assert (
        titles.count("Training time against accuracy") == 1
    )  # one method alone has nothing to compare
    assert len(page.of("svg")) == len(titles)


def test_it_needs_no_other_file(text, page):
    assert not re.search(r"https?://|//cdn|@import|url\((?!#)", text)
    assert {"link", "img", "iframe", "object", "base"}.isdisjoint(tag for tag, _ in page.found)
    assert [attributes for _, attributes in page.found if "src" in attributes] == []
    links = {attributes["href"] for _, attributes in page.found if "href" in attributes}
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert links <= {f"#{each}" for each in ids}
    (policy,) = [each["content"] for each in page.of("meta") if "http-equiv" in each]
    assert policy.startswith("default-src 'none'")


def test_the_summary_counts_the_verdicts_of_the_ledger(filled, page):
    tables = [load(name) for name in shipped()]
    ledger = ledger_of(tables, load_claims(tables), filled)
    expected = Counter((line.table, line.verdict.word) for line in ledger.cells)
    expected.update(("claims", line.verdict.word) for line in ledger.claims)
    assert {word for _, word in expected} >= {"undecided", "proxy", "not run"}
    found, table, total = Counter(), "", Counter()
    for attributes, shown in page.having("data-word"):
        if attributes.get("class") == "count":
            total[attributes["data-word"]] = int(shown)
    for attributes, shown in zip((each for _, each in page.found), page.texts, strict=True):
        table = attributes.get("data-table", table)
        if "data-word" in attributes and attributes.get("class") == "number":
            found[table, attributes["data-word"]] = int(shown.strip() or 0)
    assert +found == expected
    assert +total == Counter(line.verdict.word for line in (*ledger.cells, *ledger.claims))


def test_every_number_leads_to_the_records_it_is_made_from(filled, text, page):
    links = [each for each in page.of("a") if each.get("class") == "records"]
    assert len(links) > 20
    titles = dict(re.findall(r'<summary id="([^"]*)">(.*?) <span', text))
    assert {key for each in links for key in each["data-runs"].split()} == set(titles)
    assert all(each["href"].removeprefix("#") in each["data-runs"].split() for each in links)
    title = "ldam_drw on cifar100_lt(imbalance=100), resnet32, protocol paper"
    ledger = [each for each in links if each["data-about"] == "LDAM-DRW, CIFAR-100-LT r=100"]
    assert ledger
    assert {titles[each["data-runs"]] for each in ledger} == {title}
    assert {each["data-seeds"] for each in ledger} == {"0 1 2"}
    paths = re.findall(r"<td><code>(runs/.*?)</code>", text)
    assert {filled.root / path for path in paths} == set(filled.root.glob("runs/*/*/*/*/*.json"))
    assert "<code>0123456789</code>" in text
    assert "a processor, 1 thread, torch 2, Python 3, ltbench 0, Linux" in text


def test_a_gain_leads_to_the_records_of_both_methods(store, keep, tags_of):
    for seed in range(3):
        keep("bcl", seed, 25)
        keep("gkp_gsa", seed, 30)
    page = tags_of(render(store).text)
    links = [each for each in page.of("a") if "adds 1.3 points" in each.get("data-about", "")]
    assert [len(each["data-runs"].split()) for each in links] == [2]


def test_what_a_paper_leaves_out_is_shown_where_it_ran(store, keep, text):
    assert "RIDE (3 experts), CIFAR-100-LT r=50" not in text
    keep("ride", 0, 10, dataset="cifar100_lt(imbalance=50)")
    keep("ce", 0, 10, dataset="cifar100_lt(imbalance=50)")
    assert "RIDE (3 experts), CIFAR-100-LT r=50" in render(store).text


NAMES = ["mine(of='<b>&\"')", "mine(of='$x_1$')", "mine(of='龍')"]


def test_names_are_text_and_nothing_else(store, keep, tags_of):
    for few, name in enumerate(NAMES):
        keep(name, 0, few)
    text = render(store).text
    assert "<b>" not in text
    page = tags_of(text)
    summaries = [shown for _, shown in page.having("id") if " on cifar100_lt" in shown]
    assert sorted(summary.partition(" on ")[0] for summary in summaries) == sorted(NAMES)
    for figure in page.of("svg")[:3]:
        assert all(name in figure["aria-label"] for name in NAMES)


def test_figures_are_told_in_words_and_take_the_colours_of_the_page(text, page):
    for each in page.of("svg"):
        assert each["role"] == "img"
        assert re.search(r"\d", each["aria-label"])
    drawn = "".join(re.findall(r"<svg.*?</svg>", text, re.DOTALL))
    assert re.findall(r"(?:fill|stroke): (?!none|var\()[^;\"]*", drawn) == []
    assert "<style" not in drawn


@pytest.mark.slow
def test_the_same_records_give_the_same_bytes(filled, text, tmp_path):
    elsewhere = shutil.copytree(filled.root, tmp_path / "other" / "place")
    code = (
        "import sys; from pathlib import Path\n"
        "from ltbench.report.page import render\n"
        "from ltbench.runs.store import Store\n"
        "sys.stdout.buffer.write(render(Store(Path(sys.argv[1]))).text.encode())\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'matplotlib.pyplot'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, filled.root], check=False, capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": "1", "MPLCONFIGDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode() == text
    assert render(Store(elsewhere)).text == text
    assert str(filled.root) not in text
    assert "--results" not in text


def test_a_setting_of_matplotlib_changes_nothing(filled, text):
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "xtick.labelsize": 20}):
        assert render(filled).text == text
        assert mpl.rcParams["font.size"] == 30


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_the_old_file(made, tmp_path, monkeypatch, fault):
    path = tmp_path / "page" / "report.html"
    path.parent.mkdir()
    path.write_text("the old one")

    def stop(file):
        raise fault

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises((LtbenchError, KeyboardInterrupt)):
        made.write(path, "--output")
    assert path.read_text() == "the old one"
    assert list(path.parent.iterdir()) == [path]


def test_an_empty_store_is_told_what_fills_it(store, tags_of):
    made = render(store)
    assert made.records == 0
    assert "holds no records yet" in made.text
    assert re.search(r"ltbench run --methods \w+,\w+ --dataset digits_lt", made.text)
    assert "ltbench run --methods &#39;ce,focal," in made.text  # of Table 1
    assert not store.root.exists()
    assert tags_of(made.text).of("svg") == []


def test_what_does_not_read_is_named_and_the_rest_is_shown(store, keep):
    keep("ldam_drw")
    store.path(Cell.of(keep("ce"))).write_text("{")
    of = keep("sam")
    failure = Failure(
        dataset=of.dataset, network=of.network, method="sam", protocol="paper", seed=1,
        error="the loss is <nan>.", epoch=1, step=2, environment=of.environment,
        finished=of.finished,
    )  # fmt: skip
    store.write_failure(failure)
    made = render(store)
    assert made.records == 2
    (problem,) = made.problems
    assert problem.startswith("runs/cifar100_lt-imbalance=100/paper/resnet32/ce/seed0.json does")
    assert "Left out: 1, each for its reason." in made.text
    assert "the loss is &lt;nan&gt;." in made.text


def test_no_path_of_the_machine_is_told(store, keep):
    store.path(Cell.of(keep("ce"))).write_text("{")
    of = keep("sam")
    failure = Failure(
        dataset=of.dataset, network=of.network, method="sam", protocol="paper", seed=1,
        error="cannot read '/srv/data/train.bin' (see /tmp/x/log.txt or C:\\me\\y.txt).",
        epoch=1, step=2, environment=of.environment, finished=of.finished,
    )  # fmt: skip
    store.write_failure(failure)
    text = render(store).text
    assert str(store.root) not in text
    assert "train.bin" in text
    assert not re.search(r"/srv|/tmp|C:", text)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("runs/a/b.json does not read", "runs/a/b.json does not read"),
        ("/mnt/x/results/runs/a.json does", "runs/a.json does"),
        ("1/2 of and/or at /usr/lib/python3/site.py:3", "1/2 of and/or at site.py:3"),
    ],
)
def test_paths_lose_what_is_the_machines(sentence, expected):
    assert without_paths(sentence, Path("/mnt/x/results")) == expected


def test_a_difference_says_over_how_many_seeds_it_is_where_not_over_all(store, keep):
    for seed in range(3):
        keep("ce", seed, 10)
        keep("sam", seed + 2, 40)
    page = render(store).text
    assert "+10.0 (n = 1)" in page
    assert "over the seeds both have, n of them unless it says how many" in page


def test_seeds_of_different_code_are_told(store, keep, text):
    assert "different code" not in text
    for seed, digest in enumerate(("a" * 8, "b" * 8)):
        keep("ce", seed, code={"ce": digest})
    page = render(store).text
    assert "seed 0 and seed 1 were computed by different code (ce)" in page


def test_seeds_of_different_versions_have_no_mean(store, keep):
    for seed in (0, 1):
        keep("ce", seed, versions={"ce": 2} if seed else {})
        keep("sam", seed)
    page = render(store)
    assert "seed 0 by version 1 and seed 1 by version 2 of ce: no mean is of both" in page.text
    (setting,) = gather(store, ("ce",)).settings
    assert [runs.method for runs in setting.methods] == ["sam"]
    assert "Seeds of one method that different code" not in page.text


def test_headers_of_sortable_columns_are_buttons(text):
    for table in re.findall(r'<table class="sortable.*?</thead>', text, re.DOTALL):
        headers = re.findall(r'<th scope="col".*?</th>', table, re.DOTALL)
        assert len(headers) > 2
        assert all(
            '<button type="button"' in header or 'class="share"' in header for header in headers
        )


def test_tables_of_which_nothing_was_run_are_folded_below_the_others(text):
    body = text.partition('<table class="sortable" id="summary">')[2]
    shown, _, folded = body.partition("</table>")
    folded = folded.partition("</section>")[0]
    in_rows, below = (re.findall(r'data-table="([^"]*)"', part) for part in (shown, folded))
    assert "1" in in_rows
    assert "2" in below
    assert sorted(in_rows + below) == sorted([*map(_short, shipped()), "claims"])
    assert "of which nothing was run</summary>" in folded


def _short(name):
    return load(name).short


def test_a_table_says_what_other_readings_of_its_rows_have(store, keep):
    keep("ce")
    read = keep("ce+gkp(fisher='printed')", few=12).last
    note = "CE + GKP, read otherwise (Fisher as printed, divided by n_j twice): "
    assert f"{note}many {read.many:.1f} (n = 1); medium" in render(store).text


def test_a_claim_on_classes_grouped_otherwise_has_its_gain_on_the_same_ones_beside_it(store):
    committed = Store(Path(__file__).parents[2] / "results")
    for method in ("ce", "ce+gkp"):
        for seed in range(3):
            cell = Cell("cifar100_lt(imbalance=100)", "paper", "resnet32", method, seed)
            store.write(committed.read(cell))
    text = render(store).text
    (few,) = re.findall(r"<tr[^>]*>\s*<th[^>]*>GKP adds only 0.2 points .*?</tr>", text, re.DOTALL)
    assert "; on the same classes: -7.4 ± 2.4 (n = 3)" in few
    assert text.count("; on the same classes: ") == 2  # few- and medium-shot
