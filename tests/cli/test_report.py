"""`ltbench report`."""


def test_it_is_written_beside_the_records_and_says_where(ltbench, home):
    answer = ltbench("report")
    assert answer.code == 0
    assert "results/report.html (0 records" in answer.out
    assert (home / "results" / "report.html").read_text().startswith("<!doctype html>")
    assert ltbench("report", "--output", "there/mine.html").code == 0
    there = home / "there" / "mine.html"
    assert there.read_text() == (home / "results" / "report.html").read_text()


def test_a_folder_is_no_file(refused, home):
    (home / "there").mkdir()
    assert "there/report.html" in refused("report", "--output", "there")


def test_records_that_do_not_read_are_named(ltbench, home):
    path = home / "results/runs/digits_lt-imbalance=20/smoke/resnet8/ce/seed0.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    answer = ltbench("report")
    assert answer.code == 0
    assert answer.err.startswith("ltbench: left out: runs/digits_lt")


def test_a_leaderboard_is_a_page_of_its_own(ltbench, home):
    answer = ltbench("report", "--public")
    assert answer.code == 0
    assert "leaderboard.html (0 records" in answer.out
    assert "ltbench leaderboard" in (home / "results" / "leaderboard.html").read_text()
    assert not (home / "results" / "report.html").exists()
