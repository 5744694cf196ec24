"""The leaderboard: every record with a link of its own, the most accurate first, papers named."""

import re

import pytest

from ltbench.report.leaderboard import papers_of_parts, render
from ltbench.report.page import render as report
from ltbench.runs.record import TRANSDUCTIVE, fingerprint_of
from ltbench.runs.store import Cell


@pytest.fixture
def board(keep, store):
    """Three methods by the paper's protocol, two of them by another, each record by its name."""

    def kept(method, seed, few, protocol="paper"):
        name = fingerprint_of({"run": [method, seed, protocol]})
        return keep(method, seed, few, protocol=protocol, fingerprint=name)

    made = [kept(method, seed, few) for method, few in ROWS for seed in range(3)]
    made += [kept(method, 0, 5, protocol="fast") for method in ("ce", "gala")]
    return made, render(store)


ROWS = (("ce", 3), ("ldam_drw", 30), ("ce+sam(rho=0.8)", 15))


def test_every_record_has_a_link_that_its_fingerprint_names(board, tags_of):
    records, page = board
    tags = tags_of(page.text)
    ids = [each["id"] for _, each in tags.found if "id" in each]
    assert len(ids) == len(set(ids))
    assert {record.fingerprint for record in records} <= set(ids)
    links = [each["href"] for each in tags.of("a")]
    assert all(f"#{record.fingerprint}" in links for record in records)
    assert {each for each in links if each.startswith("#")} <= {f"#{each}" for each in ids}
    assert page.records == len(records)


def test_links_stay_when_other_records_come(board, keep, store, tags_of):
    _, page = board
    before = {each["id"] for each in tags_of(page.text).of("tr") if "id" in each}
    keep("aaa_before_all", 0, 70, fingerprint=fingerprint_of({"run": "new"}))
    after = {each["id"] for each in tags_of(render(store).text).of("tr") if "id" in each}
    assert before < after


def test_methods_are_in_order_and_the_papers_protocol_comes_first(board):
    _, page = board
    rows = re.findall(r'<th scope="row"><a class="self" href="#m-[^>]*>(.*?)</a>', page.text)
    names = [row.replace("<wbr>", "") for row in rows]
    assert names[:3] == ["ldam_drw", "ce+sam(rho=0.8)", "ce"]
    titles = re.findall(r'<span class="under">resnet32, (protocol .*?)</span>', page.text)
    assert titles == [
        "protocol paper", "protocol fast: short runs, not to be compared with papers",
    ]  # fmt: skip


@pytest.mark.parametrize("page", [render, report])
def test_a_place_takes_three_seeds_and_a_transductive_method_has_a_t_and_none(keep, store, page):
    for seed in range(3):
        keep("ce", seed, 3)
        keep("sam", seed, 15)
        keep("ce+rebalance", seed, 30, deviations=[f"{TRANSDUCTIVE}: all at once"])
    keep("bcl", 0, 40)
    (article, *_) = re.findall(r"<article .*?</article>", page(store).text, re.DOTALL)
    rows = re.findall(r"<tr.*?</tr>", article, re.DOTALL)
    cells = [re.findall(r'<td class="number"[^>]*>(.*?)</td>', row, re.DOTALL) for row in rows]
    placed = [re.sub("<.*?>", "", cell) for each in cells if len(each) > 7 for cell in each[:1]]
    assert placed == ["", "", "1", "2"]
    marked = [row for row in rows if re.search(r"\d T(</a>)?</td>", row)]
    assert len(marked) == 1
    assert "rebalance" in marked[0]


@pytest.mark.parametrize("page", [render, report])
def test_who_brings_a_recipe_of_its_own_is_marked(keep, store, page):
    recipe = {"settings": {"batch_size": 128}, "stages": [{"recipe": {"batch_size": 256}}]}
    keep("ce")
    keep("bcl", few=20, **recipe)
    (article, *_) = re.findall(r"<article .*?</article>", page(store).text, re.DOTALL)
    rows = re.findall(r"<tr.*?</tr>", article, re.DOTALL)
    (marked,) = (row for row in rows if re.search(r"\d R(</a>)?</td>", row))
    assert "bcl" in marked


@pytest.mark.parametrize("page", [render, report])
def test_times_stand_where_one_beside_the_bases_repeats(keep, store, page):
    keep("ce", 0, 3)
    keep("ce", 1, 3)
    keep("sam", 0, 15)
    assert ">time<" not in page(store).text
    assert "Time: shortest" not in page(store).text
    keep("sam", 1, 15)
    assert ">time<" in page(store).text
    assert (
        "Time: shortest training on the clock relative to that of ce, on one machine"
        in page(store).text
    )


def test_the_papers_protocol_in_float32_is_the_papers(keep, store):
    keep("ce", 0, 3, protocol="paper(precision='float32')")
    assert "short runs" not in render(store).text
    assert "a proxy: neither confirms" not in report(store).text


def test_what_papers_report_stands_beside_runs_of_their_protocol_alone(board):
    _, page = board
    exact, proxy = re.findall(r"<article id=.*?</article>", page.text, re.DOTALL)
    assert 'data-key="42">42.0' in exact  # of LDAM-DRW
    assert "verdict" in exact
    assert "verdict" not in proxy


def test_papers_are_named_and_linked_without_importing_a_method(board):
    _, page = board
    assert "https://arxiv.org/abs/" in page.text
    assert "Cao et al., NeurIPS 2019" in page.text
    assert [paper.short for paper in papers_of_parts("ldam_drw+sam(rho=0.8)")] == [
        "Cao et al., NeurIPS 2019", papers_of_parts("sam")[0].short,
    ]  # fmt: skip
    assert papers_of_parts("mine+nobody") == ()


def test_it_loads_no_other_file_and_names_no_path_of_this_machine(board, tmp_path, tags_of):
    _, page = board
    tags = tags_of(page.text)
    assert {"link", "img", "iframe", "object", "base"}.isdisjoint(tag for tag, _ in tags.found)
    assert [each for _, each in tags.found if "src" in each] == []
    assert str(tmp_path) not in page.text
    used = set(re.findall(r'getElementById\("([^"]+)"\)', page.text))
    assert used <= {each["id"] for _, each in tags.found if "id" in each}


def test_the_same_records_give_the_same_page(board, store):
    assert render(store).text == board[1].text


def test_an_empty_store_says_what_fills_it(store):
    page = render(store)
    assert "There are no records yet." in page.text
    assert "ltbench run --methods" in page.text


def test_scripts_of_the_report_find_what_they_ask_for(filled, tags_of):
    text = report(filled).text
    ids = {each["id"] for _, each in tags_of(text).found if "id" in each}
    assert set(re.findall(r'getElementById\("([^"]+)"\)', text)) <= ids


def test_a_damaged_record_is_named_and_left_out(board, store):
    records, _ = board
    store.path(Cell.of(records[0])).write_text("{")
    page = render(store)
    assert len(page.problems) == 1
    assert records[0].fingerprint not in page.text
