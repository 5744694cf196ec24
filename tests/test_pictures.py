"""The pictures of the docs are drawn from code and say what the code says now."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from docs_scripts import script
from PIL import Image

from ltbench.api.compose import HOOKS
from ltbench.figures.style import style

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "pictures"


@pytest.fixture(scope="module")
def pictures():
    return script("pictures")


def words(svg: bytes) -> list[str]:
    """Return the texts of a picture whose text is text."""
    return [node.text for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("text")]


@pytest.mark.parametrize("name", ["tail", "hooks", "verdict", "gkp_on_ce"])
def test_a_committed_picture_says_what_it_would_say_if_drawn_now(pictures, name):
    with style():
        drawn = words(pictures.svg(pictures.PICTURES[name]()))
    assert len(drawn) > 5
    assert words((FOLDER / f"{name}.svg").read_bytes()) == drawn


def named(items):
    """Yield the hooks in the picture of their order."""
    for title, content in items:
        yield from title.split(", ") if isinstance(content, str) else named(content)


def test_the_order_of_hooks_has_every_hook_once(pictures):
    assert sorted(named(pictures.ORDER)) == sorted(HOOKS)


def test_hooks_are_called_in_the_order_drawn(pictures, make_training):
    from ltbench import Method

    called = []

    class Spy(Method):
        """Notes what is called."""

    def spying(name):
        original = getattr(Method, name)

        def spy(self, *args, **kwargs):
            called.append(name)
            return original(self, *args, **kwargs)

        return spy

    for name in HOOKS - {"views"}:
        setattr(Spy, name, spying(name))
    work = make_training(Spy(), epochs=2, evaluate_every=2)
    work.run(lambda report: None)

    drawn = [name for name in named(pictures.ORDER) if name in called]
    assert drawn == sorted(drawn, key=called.index)
    assert HOOKS - {*drawn} == {"views", "on_compose", "begin_stage"}  # not of one plain stage


def test_every_picture_is_shown_and_all_are_small():
    pages = " ".join(
        page.read_text() for page in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    )
    shown = set(re.findall(r"!\[[^\]]+\]\((?:docs/)?pictures/([^)]+)\)", pages))
    files = sorted(FOLDER.iterdir())
    assert {path.name for path in files} == shown
    assert sum(path.stat().st_size for path in files) < 300_000


def test_the_picture_of_the_report_is_a_screen(pictures):
    with Image.open(FOLDER / "report.png") as picture:
        assert picture.size == pictures.SCREEN
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 8  # not a blank page
