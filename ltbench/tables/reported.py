"""The values that papers print, from a CSV file with one value a line.

A column `certainty`, where there is one, says how each is known: see `CERTAINTIES`.
"""

import codecs
import csv
import io
import math
import re
from pathlib import Path
from typing import NamedTuple

from ltbench.data.catalog import Dataset
from ltbench.errors import UsageError
from ltbench.tables.metrics import ACCURACY, METRICS, REPORTED, Metric

_HEADER = ("method", "dataset", "backbone", "imbalance_ratio", "split", "metric", "value")


class ReportedKey(NamedTuple):
    """What a reported value is of; a value of another backbone is never ours to compare."""

    method: str
    dataset: str  # empty where the paper does not say; so is the backbone
    backbone: str
    imbalance: float | None
    metric: Metric

    @classmethod
    def of(cls, label: str, data: Dataset, network: str, metric: Metric) -> "ReportedKey":
        """Return the key of a row and a column; that of a ratio is its numerator's."""
        measured = METRICS[metric].over or metric
        return cls(label, data.series, _letters(network), data.reported_imbalance, measured)

    def __str__(self) -> str:
        ratio = "" if self.imbalance is None else f", r = {self.imbalance:g}"
        return f"{self.method!r} on {self.dataset!r}{ratio}, {self.backbone}, {self.metric!r}"


class Remembered(float):
    """A value that somebody remembers and nobody has looked up: shown with a mark, never judged."""


FROM_MEMORY = "the reported value is from memory and was not looked up"
RECALLED = "?"  # the mark of such a value
CERTAINTIES = ("read", "second hand", "memory", "memory, unchecked")
"""Of a value: read where it was printed, or on a page that copies it; or remembered, where its
groups add up to it or do not."""

Reported = dict[ReportedKey, float]


def judgeable(value: float | None) -> float | None:
    """Return a reported value that runs are judged by; None for one that is remembered."""
    return None if isinstance(value, Remembered) else value


def following(value: float, *sources: float | None) -> float:
    """Return a value that follows from others; it is remembered where one of them is."""
    remembered = any(isinstance(each, Remembered) for each in sources)
    return Remembered(value) if remembered else value


def printed(value: float, decimals: int, sign: str = "") -> str:
    """Return a reported value as text, a remembered one with its mark."""
    mark = RECALLED if isinstance(value, Remembered) else ""
    return f"{value:{sign}z.{decimals}f}{mark}"


def kept_key(reported: Reported, key: ReportedKey) -> ReportedKey:
    """Return the key of a kept value: without backbone or data set where a paper is vague."""
    vague = key._replace(backbone="")
    vaguest = vague._replace(dataset="", imbalance=None)
    return next((each for each in (key, vague, vaguest) if each in reported), key)


def read_reported(path: Path) -> Reported:
    """Return the values in a CSV file; raises UsageError naming the file, line and remedy."""
    reported: Reported = {}
    try:
        reader = csv.DictReader(io.StringIO(_text(path), newline=""), restval="", strict=True)
        absent = [name for name in _HEADER if name not in (reader.fieldnames or ())]
        if absent:
            raise UsageError(f"{path} has no column {absent[0]}; it needs {', '.join(_HEADER)}.")
        for line in reader:
            key, value = _value(f"{path}, line {reader.line_num}", line)
            if key in reported:
                raise UsageError(f"{path}, line {reader.line_num}: it gives {key} twice; keep one.")
            reported[key] = value
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"cannot read {path} ({reason}); mend the path or remove the key reported."
        ) from None
    except (csv.Error, ValueError) as error:
        raise UsageError(f"{path} is not a CSV file in UTF-8 ({error}); save it as one.") from None
    shares = {key: value for key, value in reported.items() if _is_accuracy(key)}
    if shares and max(shares.values()) < 1:
        key, value = next(iter(shares.items()))
        raise UsageError(
            f"{path}: every accuracy is below 1, as {value:g} for {key}; write percent."
        )
    return reported


def _text(path: Path) -> str:
    """Return a CSV file's text; raises UsageError for how spreadsheets save it otherwise."""
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UsageError(f"{path} is in UTF-16; save it as CSV in UTF-8.")
    text = content.decode("utf-8-sig")
    header = text.partition("\n")[0]
    for sign, name in ((";", "semicolons"), ("\t", "tabs")):
        if sign in header and "," not in header:
            raise UsageError(
                f"{path} has {name} between its columns; save it with commas there, "
                "and points in decimals."
            )
    return text


def _is_accuracy(key: ReportedKey) -> bool:
    return METRICS[key.metric].reported == ACCURACY


def _value(where: str, line: dict[str, str]) -> tuple[ReportedKey, float]:
    known = [metric for metric, split in REPORTED if split == line["split"]]
    if line["metric"] not in known:
        remedy = f"write {' or '.join(known)}" if known else "write all, many, medium or few"
        culprit = f"metric {line['metric']!r}" if known else f"split {line['split']!r}"
        raise UsageError(f"{where}: {culprit} is unknown; {remedy}.")
    metric = REPORTED[line["metric"], line["split"]]
    ratio = _number(where, "imbalance_ratio", line) if line["imbalance_ratio"] else None
    backbone = _letters(line["backbone"])
    key = ReportedKey(line["method"], line["dataset"], backbone, ratio, metric)
    value, certainty = _number(where, "value", line), line.get("certainty") or "read"
    if _is_accuracy(key) and not 0 <= value <= 100:
        raise UsageError(f"{where}: {value:g} for {key} is no accuracy in percent; correct it.")
    if certainty not in CERTAINTIES:
        raise UsageError(
            f"{where}: certainty {certainty!r} is unknown; write {', '.join(CERTAINTIES)} or "
            "nothing."
        )
    return key, Remembered(value) if certainty.startswith("memory") else value


def _letters(network: str) -> str:
    """Return a network's name as both sides have it: ResNet-32 is our resnet32."""
    return re.sub("[^a-z0-9]", "", network.lower())


def _number(where: str, key: str, line: dict[str, str]) -> float:
    try:
        number = float(line[key])
    except ValueError:
        number = math.nan
    if re.fullmatch(r"\s*-?\d+,\d+\s*", line[key]):
        raise UsageError(
            f"{where}: {key} {line[key]!r} has a decimal comma; "
            f"write {line[key].strip().replace(',', '.')}."
        )
    if not math.isfinite(number):
        raise UsageError(f"{where}: {key} {line[key]!r} is not a number; correct it.")
    return number
