"""Data sets of other packages: found by entry points, read like one's own, named if they break."""

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest
from made_images import describe, folders

from ltbench.data import installed as module
from ltbench.data.catalog import dataset
from ltbench.data.installed import GROUP, installed, installed_names
from ltbench.data.loading import load
from ltbench.errors import LtbenchError, UsageError

pytestmark = pytest.mark.usefixtures("known_again")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that offers `made`, whose description it has in a constant."""
    folders(tmp_path / "photos", {"amsel": 9, "eule": 4})
    birds = ModuleType("birds")
    birds.DESCRIPTION = describe(tmp_path / "made.yaml", images="photos", size=8, test=2)
    birds.NUMBER = 7
    monkeypatch.setitem(sys.modules, "birds", birds)
    offers = {"made": "birds:DESCRIPTION"}

    def entry_points(group, name=None):
        assert group == GROUP
        every = [EntryPoint(key, value, group) for key, value in offers.items()]
        return [each for each in every if name in (None, each.name)]

    monkeypatch.setattr(module, "entry_points", entry_points)
    return offers


@pytest.mark.usefixtures("package")
def test_a_set_that_a_package_offers_is_named_like_ltbenchs_own(tmp_path):
    assert installed_names() == ["made"]
    made = dataset("made")
    assert made.class_counts() == (7, 2)
    assert load(made, tmp_path).train.labels.bincount().tolist() == [7, 2]
    assert str(made).startswith("made@h")


@pytest.mark.usefixtures("package")
def test_a_name_that_nobody_offers_is_unknown():
    assert installed("maid") is None
    with pytest.raises(UsageError, match="unknown data set 'maid'; did you mean made"):
        dataset("maid")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("absent:DESCRIPTION", "that offers data set made does not import"),
        ("birds:NOTHING", "that offers data set made does not import"),
        ("birds:NUMBER", "birds:NUMBER is no path of a YAML file"),
    ],
)
def test_a_package_that_does_not_work_is_one_sentence(package, value, words):
    package["made"] = value
    with pytest.raises(LtbenchError, match=words) as caught:
        dataset("made")
    assert str(caught.value).count("\n") == 0


def test_another_name_than_the_descriptions_is_refused(package):
    package["birds"] = package.pop("made")
    with pytest.raises(LtbenchError, match="describes made; the package is to offer it by that"):
        dataset("birds")
