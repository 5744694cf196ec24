"""What streaming images costs: against a bare loop of the same decoder, and a plain DataLoader.

JPEGs of 500 x 375 as ImageNet's, made up, cut to 224 x 224. Two sides of a ratio alternate inside
one run, with as many worker processes, and the median of the ratios is judged.
"""

import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from pairs import paired_ratio
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from ltbench.data.augment.large import LARGE_VIEWS
from ltbench.data.augment.views import Augment, render
from ltbench.data.catalog import CATALOG
from ltbench.data.decoding import Requests, cut, rgb
from ltbench.data.feed import generator_of
from ltbench.data.lists import ListedImage
from ltbench.data.packed import INDEX, open_packed
from ltbench.data.packing import pack
from ltbench.data.samplers import order
from ltbench.data.stored import Stored
from ltbench.data.stream import StreamFeed

INFO = CATALOG["imagenet_lt"]
IMAGES, BATCH, SIDE, PAIRS, WORKERS = 256, 64, 224, 5, 2
INATURALIST = 437_513  # entries of its list


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Made-up JPEGs in two class folders, about 100 kB each, and the same packed."""
    home = tmp_path_factory.mktemp("images")
    rng, entries = np.random.default_rng(0), []
    for number in range(IMAGES):
        rough = Image.fromarray(rng.integers(0, 256, (75, 100, 3), dtype=np.uint8))
        path = home / "files" / f"n{number % 2}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        rough.resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=92)
        entries.append(ListedImage(path.name, path, str(number % 2), "train"))
    pack({"train": entries}, home / "packed", lambda *done: None)
    return home


@pytest.fixture
def feed(home, monkeypatch):
    monkeypatch.setenv("LTBENCH_WORKERS", str(WORKERS))
    packed = open_packed(home / "packed", "made")["train"]
    labels = torch.from_numpy(np.array(packed.index["label"], np.int64))
    return StreamFeed(INFO, Stored(packed, np.arange(IMAGES), labels))


def streamed(feed):
    def epoch():
        seen = sum(len(b.targets) for b in feed.epoch(
            ("standard",), "instance_balanced", BATCH, False, 0))  # fmt: skip
        assert seen == IMAGES

    return epoch


def bare(feed):
    """The same workers, boxes and colours in a loop of one's own."""

    def epoch():
        draws = generator_of(0, "order")
        indices = order("instance_balanced", feed.labels, draws)
        boxes = feed.drawn("standard", indices, generator_of(0, "box", 0))
        requests = Requests(feed.subset.packed, indices.numpy(), (boxes,), SIDE, BATCH)
        loader = DataLoader(
            requests, batch_size=None, sampler=range(IMAGES // BATCH), num_workers=WORKERS
        )
        for number, (found, _) in enumerate(loader):
            (loaded,) = found
            images = loaded.permute(0, 3, 1, 2).contiguous()
            drawn = generator_of(0, "view", 0, number)
            made = render(LARGE_VIEWS["standard"], images, Augment(0, True), drawn)
            feed.normalise(made)

    return epoch


def plain(home):
    """What scripts do: a folder, one transform after the other in the workers."""
    views = transforms.Compose([
        transforms.RandomResizedCrop(SIDE), transforms.RandomHorizontalFlip(),
        transforms.ColorJitter(0.4, 0.4, 0.4), transforms.ToTensor(),
        transforms.Normalize(INFO.mean, INFO.std),
    ])  # fmt: skip
    folder: Dataset = ImageFolder(home / "files", views)

    def epoch():
        loader = DataLoader(folder, BATCH, shuffle=True, num_workers=WORKERS)
        assert sum(len(labels) for _, labels in loader) == IMAGES

    return epoch


def test_the_feed_is_as_fast_as_a_bare_loop(benchmark, measured, feed):
    ours, theirs = streamed(feed), bare(feed)
    benchmark.pedantic(ours, rounds=1)
    what = "images a second of the streaming feed / of a bare loop with its decoder and views"
    measured(what, 1 / paired_ratio(ours, theirs, PAIRS), at_least=0.95)


def test_the_feed_is_faster_than_a_plain_loader_of_a_folder(benchmark, measured, feed, home):
    ours, theirs = streamed(feed), plain(home)
    benchmark.pedantic(ours, rounds=1)
    what = "images a second of the streaming feed / of `ImageFolder` in a DataLoader, same views"
    measured(what, 1 / paired_ratio(ours, theirs, PAIRS), at_least=1.3)


def test_the_feed_takes_less_processor_time_than_a_plain_loader_of_a_folder(
    benchmark, measured, feed, home
):
    """Of all processes together: what other work on the machine changes least."""
    ours, theirs = streamed(feed), plain(home)
    benchmark.pedantic(ours, rounds=1)
    ratios = [processor_seconds(theirs) / processor_seconds(ours) for _ in range(PAIRS)]
    what = "processor seconds of `ImageFolder` in a DataLoader / of the streaming feed, same views"
    measured(what, statistics.median(ratios))


def processor_seconds(epoch):
    """Return what an epoch takes here and in its workers, which have ended with it."""
    before = os.times()
    epoch()
    return sum(os.times()[:4]) - sum(before[:4])


def test_images_are_decoded_and_cut(benchmark, measured, feed):
    boxes = feed.drawn("standard", torch.arange(IMAGES), generator_of(0, "box", 0))
    requests = Requests(feed.subset.packed, np.arange(IMAGES), (boxes,), SIDE, BATCH)

    def epoch():
        for number in range(IMAGES // BATCH):
            requests[number]

    benchmark.pedantic(epoch, rounds=1)
    started = time.process_time()
    for _ in range(3):
        epoch()
    found = 3 * IMAGES / (time.process_time() - started)
    measured("images of 500 x 375 decoded and cut to 224 in a second of one core", found,
             at_least=550)  # fmt: skip


def test_images_of_a_short_side_of_256_are_decoded_and_cut(benchmark, measured, home):
    path = sorted((home / "files").rglob("*.jpg"))[0]
    small = Image.open(path).resize((341, 256), Image.Resampling.BILINEAR)
    small.save(home / "small.jpg", quality=95)

    def decode():
        cut(rgb((home / "small.jpg").read_bytes()), (20, 30, 180, 200, 1), SIDE)

    benchmark.pedantic(decode, rounds=1)
    started = time.process_time()
    for _ in range(300):
        decode()
    found = 300 / (time.process_time() - started)
    measured("images of 341 x 256 decoded and cut to 224 in a second of one core", found,
             at_least=1400)  # fmt: skip


STARTED = """
import json, os, resource, time
import numpy as np, torch
from ltbench.data.packed import Packed
from ltbench.data.stored import Stored
from ltbench.data.stream import StreamFeed
from ltbench.data.catalog import CATALOG
from pathlib import Path
packed = Packed(Path({packed!r}), "train", "")
index = packed.index
feed = StreamFeed(CATALOG["inaturalist2018"], Stored(
    packed, np.arange(len(index)), torch.from_numpy(np.array(index["label"], np.int64))))
started = time.perf_counter()
batches = feed.epoch(("standard",), "instance_balanced", 64, False, 0)
first = next(batches)
took = time.perf_counter() - started
children = [int(c) for c in Path(f"/proc/self/task/{{os.getpid()}}/children").read_text().split()]
def private(process):
    lines = Path(f"/proc/{{process}}/smaps_rollup").read_text().splitlines()
    return sum(int(l.split()[1]) for l in lines if l.startswith("Private_")) / 1024
print(json.dumps([took, max(map(private, children)),
                  resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


@pytest.fixture
def listed(home):
    """The shape of iNaturalist: an index of its length, which names the same few images."""
    few = np.load(home / "packed" / "train.npy")
    many = np.resize(few, INATURALIST).astype(INDEX)
    many["label"] = np.arange(INATURALIST) % 8142
    folder = home / "long"
    folder.mkdir(exist_ok=True)
    np.save(folder / "train.npy", many)
    (folder / "train.bin").write_bytes((home / "packed" / "train.bin").read_bytes())
    return folder


def test_an_epoch_of_a_long_list_starts_soon_and_workers_stay_small(
    benchmark, measured, listed, monkeypatch
):
    monkeypatch.setenv("LTBENCH_WORKERS", str(WORKERS))
    code = STARTED.format(packed=str(listed))

    def found():
        call = [sys.executable, "-c", code]
        done = subprocess.run(call, capture_output=True, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    took, worker, parent = benchmark.pedantic(found, rounds=1)
    measured("MiB that a worker process has to itself", worker, at_most=200.0)
    measured("MiB of the parent process at its peak", parent, at_most=2000.0)
    measured("seconds to the first batch of an epoch over 437,513 entries", took, at_most=2.0)
