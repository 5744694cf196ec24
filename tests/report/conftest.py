"""A store of a few records, and the report on it as tags."""

from collections.abc import Callable, Sequence
from functools import partial
from html.parser import HTMLParser

import pytest

from ltbench.evaluation.scores import Scores
from ltbench.report.page import Page, render
from ltbench.report.settings import Setting, gather
from ltbench.runs.record import Cost, DataFacts, Environment, Record
from ltbench.runs.store import Cell, Store

COUNTS = (500, 60, 5)
CURVES = "epoch,stage,loss,top1\n1,train,2.0,\n2,train,1.0,{first}\n3,train,0.5,{last}\n"


def scores(hits: tuple[int, ...], epoch: int) -> Scores:
    return Scores(
        epoch=epoch, top1=100 * sum(hits) / 300, many=float(hits[0]), medium=float(hits[1]),
        few=float(hits[2]), calibration_error=sum(hits) / 30, correct=hits, total=(100,) * 3,
    )  # fmt: skip


def record(method: str, seed: int = 0, few: int = 10, **changes) -> Record:
    environment = Environment(
        ltbench="0", commit="0123456789abcdef", dirty=False, python="3", torch="2", torchvision="0",
        cuda=None, device="a processor", threads=1, platform="Linux",
    )  # fmt: skip
    cost = Cost(
        train_seconds=10.0 + few, evaluate_seconds=1.0, steps=3, images_per_second=1.0,
        peak_memory_mib=1.0, parameters=9,
    )  # fmt: skip
    content = {
        "dataset": "cifar100_lt(imbalance=100)", "network": "resnet32", "method": method,
        "trained": method, "protocol": "paper", "seed": seed, "fingerprint": "0" * 16,
        "parameters": {}, "settings": {}, "stages": [],
        "data": DataFacts(class_counts=COUNTS, indices_sha256="0", many_above=100, few_below=20,
                     test_images=300),
        "last": scores((60, 40 + seed, few + seed), 3),
        "best": scores((60, 40, few + 20), 2), "selected": None,
        "cost": cost, "environment": environment, "deviations": [],
        "finished": "2026-01-02T03:04:05+00:00",
    }  # fmt: skip
    return Record(**{**content, **changes})


@pytest.fixture
def make_record() -> Callable[..., Record]:
    return record


def write(store: Store, *words, **changes) -> Record:
    made = record(*words, **changes)
    store.write(made)
    curves = CURVES.format(first=made.last.top1 - 10, last=made.last.top1)
    store.curves_path(Cell.of(made)).write_text(curves)
    return made


@pytest.fixture
def keep(store) -> Callable[..., Record]:
    """Write a record with its curves, and return it."""
    return partial(write, store)


@pytest.fixture(scope="package")
def filled(tmp_path_factory) -> Store:
    """Two methods of Table 1 by the paper's protocol, one by another, one of no table: to read."""
    store = Store(tmp_path_factory.mktemp("filled") / "results")
    for seed in range(3):
        write(store, "ce", seed, 3)
        write(store, "ldam_drw", seed, 20)
    write(store, "bcl", 0, 30, protocol="fast")
    setting = {"dataset": "digits_lt(imbalance=20)", "network": "resnet8"}
    write(store, "ce+gkp(strength=3.0)", 0, 12, **setting)
    return store


@pytest.fixture(scope="package")
def made(filled) -> Page:
    """The report on it."""
    return render(filled)


@pytest.fixture
def text(made) -> str:
    return made.text


@pytest.fixture
def page(text) -> "Tags":
    return Tags(text)


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and the text within some."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.texts.append("")

    def handle_data(self, data):
        if self.texts:
            self.texts[-1] += data

    def of(self, name: str) -> list[dict[str, str | None]]:
        """Return the attributes of every tag of a name."""
        return [attributes for tag, attributes in self.found if tag == name]

    def having(self, attribute: str) -> list[tuple[dict[str, str | None], str]]:
        """Return the tags with an attribute, and the text right after each."""
        pairs = zip(self.found, self.texts, strict=True)
        return [(attrs, text.strip()) for (_, attrs), text in pairs if attribute in attrs]


@pytest.fixture
def tags_of() -> Callable[[str], Tags]:
    return Tags


@pytest.fixture
def setting() -> Callable[..., Setting]:
    """Gather a store of one setting; the methods of `order` come first."""

    def gathered(store: Store, order: Sequence[str] = ("ce",)) -> Setting:
        (found,) = gather(store, order).settings
        return found

    return gathered
