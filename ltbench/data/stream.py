"""Batches of images that do not fit the memory: decoded by worker processes, as they are needed.

All that is random is drawn by the parent and by purpose, for the whole epoch (order, boxes, flips)
or batch by batch (colours); workers decode, cut and scale. So an epoch is the same bytes for any
number of workers, and after any interruption.
"""

import os
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ltbench.data.augment import randaugment
from ltbench.data.augment.large import LARGE_VIEWS, WHOLE_VIEWS, check_views, draw_crops, draw_parts
from ltbench.data.augment.views import View, render
from ltbench.data.batch import Batch
from ltbench.data.decoding import ImageDraws, Requests
from ltbench.data.feed import CLEAN_BATCH, Change, Feed, generator_of, unchanged
from ltbench.data.info import DatasetInfo
from ltbench.data.packed import Packed
from ltbench.data.readers import Split
from ltbench.data.samplers import order
from ltbench.data.source import Source
from ltbench.errors import LtbenchError, first_line

_WORKERS = "LTBENCH_WORKERS"


def workers() -> int:
    """Return how many processes decode: LTBENCH_WORKERS, else one a core, at most eight."""
    given = os.environ.get(_WORKERS, "")
    return int(given) if given.isdigit() else min(8, os.cpu_count() or 1)


@dataclass(frozen=True)
class Stored:
    """Images of a packed data set: their rows in it, and labels on a device.

    Labels are [N], int64, or of images with several each [N, C], float32.
    """

    packed: Packed
    rows: npt.NDArray[np.int64]
    labels: Tensor
    whole: bool = False  # whether images are squashed to a square, not cut from the middle

    def to(self, device: torch.device) -> "Stored":
        """Return the images with their labels on a device."""
        return replace(self, labels=self.labels.to(device, copy=True))

    def part(self, where: slice) -> "Stored":
        """Return some of the images."""
        return replace(self, rows=self.rows[where], labels=self.labels[where])

    def pictures(self, indices: Tensor, side: int) -> Tensor:
        """Return the images at some indices, not augmented, uint8 [n, 3, side, side]."""
        rows = self.rows[indices.cpu().numpy()]
        drawn = (self.evaluated(rows),)
        found = Requests(self.packed, rows, drawn, side, max(1, len(rows)))[0]
        if isinstance(found, str):
            raise LtbenchError(found)
        return found[0].permute(0, 3, 1, 2)

    def sizes(self, rows: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return width and height of the images in some rows, int64 [n] each."""
        sizes = self.packed.index[rows]
        width, height = (torch.from_numpy(sizes[n].astype(np.int64)) for n in ("width", "height"))
        return width, height

    def evaluated(self, rows: npt.NDArray[np.int64]) -> ImageDraws:
        """Return the boxes of images that are not augmented; of their middles there are none."""
        if not self.whole:
            return None
        width, height = self.sizes(rows)
        none = torch.zeros_like(width)
        return torch.stack((none, none, height, width, none), 1).double().numpy()

    def content(self) -> tuple[memoryview, ...]:
        """Return the hash of what is packed, and which of it there is."""
        labels = self.labels.cpu().numpy()
        return memoryview(self.packed.sha256.encode()), self.rows.data, labels.data


@dataclass
class Waiting:
    """Seconds that training has waited for images, and how many it was given."""

    seconds: float = 0.0
    images: int = 0


@dataclass(frozen=True)
class StreamFeed(Feed):
    """Images of one packed subset as normalised batches; only labels are on the device."""

    waiting: Waiting = field(default_factory=Waiting)

    @property
    def held(self) -> tuple[Tensor, ...]:
        """Return the tensors that a method must not write into."""
        return (self.subset.labels,)

    @property
    def views(self) -> dict[str, View]:
        """Return what follows the box of each view, by its name."""
        return WHOLE_VIEWS if self.subset.whole else LARGE_VIEWS

    def waited(self) -> float:
        """Return the seconds that were waited for images since this was last asked."""
        seconds, self.waiting.seconds = self.waiting.seconds, 0.0
        return seconds

    def epoch(
        self,
        views: tuple[str, ...],
        sampler: str,
        batch_size: int,
        drop_last: bool,
        seed: int,
        *,
        augment: Change = unchanged,
    ) -> Iterator[Batch]:
        """Yield an epoch's batches; `seed` fixes order and augmentation, each by its own stream.

        `augment` changes what follows the first view's box, given each batch's labels.
        """
        check_views(views)
        known = self.views
        indices = order(sampler, self.subset.labels, generator_of(seed, "order")).cpu()
        crops = [
            self.drawn(name, indices, generator_of(seed, "box", position))
            for position, name in enumerate(views)
        ]
        steps = self.steps(batch_size, drop_last, sampler)
        for number, loaded in enumerate(self._loaded(indices, crops, batch_size, steps)):
            chosen = indices[number * batch_size : (number + 1) * batch_size]
            chosen = chosen.to(self.subset.labels.device)
            labels, made = self.subset.labels[chosen], []
            for position, (name, images) in enumerate(zip(views, loaded, strict=True)):
                parts = known[name] if position else augment(known[name], labels)
                draws = generator_of(seed, "view", position, number)
                made.append(self.normalise(render(parts, images, self._augment, draws)))
            yield Batch(tuple(made), labels, chosen)

    def through(
        self, view: str, indices: Tensor, generator: torch.Generator, augment: Change = unchanged
    ) -> Iterator[Batch]:
        """Yield the images at `indices`, in order, through a view, which `augment` may change.

        It is asked for every batch, with its labels.
        """
        check_views((view,))
        indices = indices.cpu()
        crops = self.drawn(view, indices, generator)
        steps = -(-len(indices) // CLEAN_BATCH)
        for number, loaded in enumerate(self._loaded(indices, [crops], CLEAN_BATCH, steps)):
            chosen = indices[number * CLEAN_BATCH : (number + 1) * CLEAN_BATCH]
            chosen = chosen.to(self.subset.labels.device)
            labels = self.subset.labels[chosen]
            parts = augment(self.views[view], labels)
            rendered = render(parts, loaded[0], self._augment, generator)
            yield Batch((self.normalise(rendered),), labels, chosen)

    def clean(self, batch_size: int = CLEAN_BATCH) -> Iterator[Batch]:
        """Yield every image once, in order, not augmented: its middle, or it whole, scaled."""
        indices = torch.arange(len(self.subset.labels))
        steps = -(-len(indices) // batch_size)
        crops = self.drawn("clean", indices, torch.Generator())
        for number, loaded in enumerate(self._loaded(indices, [crops], batch_size, steps)):
            part = slice(number * batch_size, (number + 1) * batch_size)
            labels = self.subset.labels[part].clone()  # a method may write into what it gets
            yield Batch((self.normalise(loaded[0]),), labels, indices[part].to(labels.device))

    def drawn(self, view: str, indices: Tensor, generator: torch.Generator) -> ImageDraws:
        """Draw what workers do to each image, [N, 5] or more: see `Requests`."""
        rows = self.subset.rows[indices.numpy()]
        if view == "clean":
            evaluated: ImageDraws = self.subset.evaluated(rows)
            return evaluated
        width, height = self.subset.sizes(rows)
        draw = draw_parts if self.subset.whole else draw_crops
        crops = draw(width, height, self.info.flip, generator)
        box = (crops.top, crops.left, crops.height, crops.width, crops.flip)
        columns = [torch.stack([each.double() for each in box], 1)]
        if view == "autoaugment":
            columns.append(randaugment.draw(len(indices), generator))
        return torch.cat(columns, 1).numpy()

    def _loaded(
        self, indices: Tensor, crops: Sequence[ImageDraws], batch_size: int, steps: int
    ) -> Iterator[tuple[Tensor, ...]]:
        """Yield each batch's uint8 images [B, 3, side, side] through every view's boxes.

        Raises LtbenchError, naming the image, where one does not read, or a worker died.
        """
        device, count = self.subset.labels.device, min(workers(), steps)
        rows = self.subset.rows[indices.numpy()]
        with warnings.catch_warnings():  # more processes than cores are the user's choice
            warnings.filterwarnings("ignore", "This DataLoader will create")
            loader = DataLoader(
                Requests(self.subset.packed, rows, tuple(crops), self.info.shape[1], batch_size),
                batch_size=None,
                sampler=range(steps),
                num_workers=count,
                pin_memory=device.type == "cuda",
                generator=torch.Generator(),  # else it would draw from the run's
            )
            batches = iter(loader)
        for _ in range(steps):
            started = time.perf_counter()
            try:
                loaded = next(batches)
            except (RuntimeError, OSError) as error:
                raise LtbenchError(
                    f"a process that decodes images stopped ({first_line(error)}); the same "
                    f"command goes on from the last finished epoch, {_WORKERS}=2 with fewer."
                ) from None
            self.waiting.seconds += time.perf_counter() - started
            if isinstance(loaded, str):
                raise LtbenchError(loaded)
            self.waiting.images += loaded.shape[1]
            moved = loaded.to(device, non_blocking=True)
            yield tuple(view.permute(0, 3, 1, 2).contiguous() for view in moved)


def feed_of(info: DatasetInfo, subset: Source) -> Feed:
    """Return the feed of a subset, resident or streamed."""
    return StreamFeed(info, subset) if isinstance(subset, Stored) else Feed(info, subset)


def evaluated_feeds(info: DatasetInfo, split: Split, device: torch.device) -> dict[str, Feed]:
    """Return the feeds of what is evaluated: `test`, and `validation` where there is one."""
    subsets = {"test": split.test, "validation": split.validation}
    return {k: feed_of(info, s.to(device)) for k, s in subsets.items() if s is not None}
