"""Figures as files: whole, the same every time, and looked into for what they must say."""

import re
import subprocess
import sys
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
from made_analyses import hessian, trajectory
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.text import Text
from PIL import Image

from ltbench.errors import LtbenchError
from ltbench.figures import style
from ltbench.figures.definition import figures
from ltbench.figures.draw_classes import draw_classes
from ltbench.figures.draw_lines import draw_lines
from ltbench.figures.line_chart import line_chart
from ltbench.figures.make import make
from ltbench.tables.grid import grid_of

FROM_TABLES = [figure.name for figure in figures() if figure.table and figure.table.reported]


def texts(drawn):
    """Return every text in a figure."""
    return " ".join(each.get_text() for each in drawn.findobj(Text)).replace("\u00a0", " ")


def drawn(name, store, protocol=None):
    (figure,) = figures(name)
    with style.style():
        return draw_lines(line_chart(figure, grid_of(figure.table, store, protocol)))


@pytest.mark.parametrize("name", FROM_TABLES)
def test_an_empty_store_gives_reported_points_and_says_so(name, store):
    (figure,) = figures(name)
    made = make(figure, store)
    assert made.remarks[0].startswith("Nothing is reproduced under protocol paper")
    assert [path.suffix for path in made.files] == [".pdf", ".svg", ".png", ".csv"]
    assert {path.stem for path in made.files} == {name}
    words = " ".join(texts(drawn(name, store)).split())
    assert "Nothing is reproduced under this protocol yet" in words
    assert "protocol paper" in words
    with Image.open(made.files[2]) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=int)
    assert pixels.std() > 5  # something is on it
    edge = np.concatenate([pixels[:, :3].ravel(), pixels[:, -3:].ravel(), pixels[:3].ravel()])
    assert (edge == 255).all()  # and nothing is cut off


def test_a_figure_of_a_table_says_what_its_table_says_of_its_seeds(store, make_record):
    for seed in range(3):
        record = make_record("gkp_gsa", seed, 50.0)
        store.write(record.model_copy(update={"code": {"engine": str(seed > 1)}}))
    (figure,) = figures("table6")
    words = "seeds 0, 1 and seed 2 were computed by different code (engine)"
    assert words in make(figure, store).remarks[0]


def test_reproduced_values_are_drawn_with_their_intervals(store, make_record):
    for seed, top1 in enumerate((50.0, 51.0, 52.0)):
        store.write(make_record("gkp_gsa", seed, top1))
    figure = drawn("table6", store)
    (axes,) = figure.axes
    (bar,) = axes.containers
    (x,), (y,) = bar.lines[0].get_data()
    assert (x, y) == (100, 51.0)
    (segment,) = bar.lines[2][0].get_segments()
    assert segment[:, 1] == pytest.approx([51 - 4.30265 / 3**0.5, 51 + 4.30265 / 3**0.5], abs=1e-4)
    low, high = axes.get_ylim()
    assert low < segment[:, 1].min() < segment[:, 1].max() < high
    grey = axes.lines[0]
    assert (grey.get_color(), grey.get_markerfacecolor()) == (style.GREY, "white")
    assert list(grey.get_ydata()) == [52.6, 52.7, 53.2, 52.4, 52.1]
    assert "n = 3 seeds, last epoch" in texts(figure).replace("\n", " ")


def test_a_proxy_says_so_in_title_and_caption(store, make_record):
    store.write(make_record("ce", 0, 30.0, protocol="fast"))
    words = texts(drawn("imbalance", store, "fast")).replace("\n", " ")
    assert "proxy: protocol fast" in words
    assert "can neither confirm nor contradict" in words


def test_classes_are_drawn_a_panel_a_method(store, make_record):
    from ltbench.figures.classes import per_class

    (figure,) = figures("per_class")
    for method in ("ce", "bcl"):
        store.write(make_record(method, 0, 50.0, shots=(60.0, None, 10.0)))
    with style.style():
        found = draw_classes(per_class(figure, store))
    assert len(found.axes) == 3
    words = texts(found)
    for word in ("ce  (n = 1)", "bcl \u2212 ce  (n = 1)", "many", "few", "protocol paper"):
        assert word in words
    accuracies, gains = found.axes[1:]
    assert accuracies.get_ylim() == (0, 112)
    assert [*gains.get_ylim()] == [-5, 5]
    assert {bar.get_height() for bar in gains.patches} == {0}  # both have the same record
    assert "Others: gain over ce on the seeds of both" in words.replace("\n", " ")


def bands_of(axes):
    return [each for each in axes.collections if isinstance(each, PolyCollection)]


def test_a_band_around_what_is_reported_is_the_tolerance_of_exact_protocols_alone(store):
    (axes,) = drawn("table6", store).axes
    (band,) = bands_of(axes)
    (outline,) = band.get_paths()
    ends = {}
    for x, y in outline.vertices:
        ends.setdefault(x, set()).add(round(float(y), 6))
    reported = dict(zip(*axes.lines[0].get_data(), strict=True))
    assert {x: (min(each), max(each)) for x, each in ends.items()} == {
        x: (round(y - 1, 6), round(y + 1, 6)) for x, y in reported.items()
    }
    assert "band: \u00b1 1, the tolerance" in texts(drawn("table6", store)).replace("\n", " ")
    proxy = drawn("table6", store, "fast")
    assert bands_of(proxy.axes[0]) == []
    assert "band" not in texts(proxy)


def test_lines_are_labelled_at_their_ends_and_no_label_is_on_another(store):
    figure = drawn("imbalance", store)
    FigureCanvasAgg(figure).draw()
    assert not figure.legends
    for axes in figure.axes:
        names = [each.get_text() for each in axes.texts]
        assert names == ["CE (Baseline)", "LDAM-DRW", "BCL", "GKP+GSA (Ours)"]
        boxes = sorted(Text.get_window_extent(each).extents[[1, 3]].tolist() for each in axes.texts)
        for (_, top), (bottom, _) in pairwise(boxes):
            assert bottom >= top


@pytest.mark.parametrize("hash_seed", ["0", "1"])
@pytest.mark.slow
def test_the_same_records_give_the_same_bytes(hash_seed, store, tmp_path):
    call = "from ltbench.cli import main; import sys; sys.argv[1:] = ['figure', '8']; main()"
    environment = {"PYTHONHASHSEED": hash_seed, "SOURCE_DATE_EPOCH": "0", "PATH": "/usr/bin"}
    subprocess.run([sys.executable, "-c", call], cwd=tmp_path, env=environment, check=True,
                   capture_output=True)  # fmt: skip
    made = make(figures("8")[0], store)
    for path in made.files:
        other = tmp_path / "results" / "figures" / path.name
        assert path.read_bytes() == other.read_bytes()
    pdf, svg = made.files[0].read_bytes(), made.files[1].read_text()
    assert b"CreationDate" not in pdf
    assert not re.search(r"dc:date", svg)


def test_the_users_settings_do_not_show_and_stay(store):
    before = make(figures("8")[0], store).files[2].read_bytes()
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert make(figures("8")[0], store).files[2].read_bytes() == before
        assert mpl.rcParams["font.size"] == 30


def test_a_failed_rendering_leaves_the_old_files(store, monkeypatch):
    made = make(figures("8")[0], store)
    before = [path.read_bytes() for path in made.files]
    from matplotlib.figure import Figure

    real = Figure.savefig

    def fails(self, *words, **options):
        if options["format"] == "svg":
            raise OSError("no space")
        real(self, *words, **options)

    monkeypatch.setattr(Figure, "savefig", fails)
    with pytest.raises(OSError, match="no space"):
        make(figures("8")[0], store)
    assert [path.read_bytes() for path in made.files] == before
    assert sorted(made.files[0].parent.iterdir()) == sorted(made.files)


def test_a_folder_that_cannot_be_written_is_one_sentence(store):
    store.root.mkdir()
    (store.root / "figures").write_text("")
    with pytest.raises(LtbenchError, match="cannot write"):
        make(figures("8")[0], store)


@pytest.mark.parametrize(("name", "rows"), [("trajectories", trajectory), ("9", hessian)])
def test_figures_of_analyses_have_their_data_beside_them_and_name_what_is_missing(
    store, place, name, rows
):
    (figure,) = figures(name)
    for method in ("ce", "bcl"):
        place(figure, rows(), 0, method)
    made = make(figure, store)
    assert {path.suffix for path in made.files} == {".pdf", ".svg", ".png", ".csv"}
    assert made.remarks == ("Without records, hence left out: ce+sam, gkp_gsa, cc_sam.",)
    data = next(path for path in made.files if path.suffix == ".csv").read_text()
    assert data.count("\nce,") + data.count(",ce,") > 10


@pytest.mark.parametrize("name", ["1", "9", "trajectories"])
def test_without_analyses_the_commands_are_told(store, name):
    (figure,) = figures(name)
    with pytest.raises(LtbenchError, match=r"--keep snapshots:1` and then `ltbench analyse"):
        make(figure, store)
