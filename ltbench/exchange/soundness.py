"""Is a record of another laboratory sound? Every field against catalogue, protocol and the rest."""

import csv
import io
import re
from datetime import datetime
from statistics import fmean
from typing import Any

from ltbench.data.catalog import Dataset
from ltbench.data.kind import LABELS
from ltbench.data.profile import SHOTS
from ltbench.errors import UsageError
from ltbench.evaluation.scores import HEADLINES, AnyScores, LabelScores
from ltbench.evaluation.selection import Selection
from ltbench.exchange.computation import check_computation
from ltbench.exchange.expected import Expected
from ltbench.networks import check_network
from ltbench.runs.files import texts_of
from ltbench.runs.identity import fingerprint_in
from ltbench.runs.protocol import Protocol
from ltbench.runs.record import Record

LARGEST_SEED = 2**32 - 1
LONGEST_TEXT = 2000  # characters of any text in a record
DEVIATIONS, VALUES = 100, 2000  # values in a record beside the counts of its classes
CURVES = 500  # columns that curves may have
_SHA256, _FINGERPRINT = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{16}")


Known = dict[tuple[str, str, str], Expected]  # by data set, protocol and method
MOST_KNOWN = 4096


def check_record(record: Record, known: Known) -> str:
    """Return which checks need what is not here, or nothing; raises ValueError if one fails.

    `known` keeps what was resolved for the records before.
    """
    _check_size(record)
    _check_texts(record)
    key = record.dataset, record.protocol, record.method
    expected = known.get(key) or Expected.of(record)
    if len(known) < MOST_KNOWN:
        known[key] = expected
    data, protocol, identity = expected.data, expected.protocol, expected.identity
    _check_cell(record, data, protocol)
    own = _fingerprint(record)
    _check_images(record, data, protocol)
    _check_shots(record)
    _check_epochs(record, data, protocol)
    check_computation(record)
    same = Protocol(**record.settings) == protocol
    if identity is not None:
        place = record.dataset, record.network, protocol, record.seed
        same &= identity.method == record.method and identity.sources == record.sources
        same &= identity.fingerprint(*place) == own
    if not same:
        raise ValueError(
            f"ltbench {record.environment.ltbench} ({record.environment.commit or 'no commit'}) "
            "made it with other settings, or another file of the method, than this one has"
        )
    if identity is not None:
        _check_training(record, expected)
        return ""
    absent = ", ".join(expected.strange)
    return f"there is no {absent} here, so its parameters could not be checked"


def check_curves(content: bytes, record: Record) -> None:
    """Raise ValueError unless curves are numbers, a row an epoch at most."""
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8")), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"its curves are no CSV file in UTF-8 ({error})") from None
    if not rows or len(rows[0]) > CURVES or len(set(rows[0])) < len(rows[0]):
        raise ValueError(f"its curves have no header of at most {CURVES} different names")
    if not all(re.fullmatch(r"[A-Za-z0-9_][\w .:/@+-]{0,99}", name) for name in rows[0]):
        raise ValueError("its curves have a column whose name is none")
    if len(rows) - 1 > record.last.epoch:
        raise ValueError(f"its curves have more rows than its {record.last.epoch} epochs")
    for row in rows[1:]:
        if len(row) != len(rows[0]) or not all(map(_is_plain, row)):
            raise ValueError("its curves have a row that is not one number or name a column")


def _is_plain(text: str) -> bool:
    """Return whether a cell of curves is empty, a number, or the name of a stage."""
    return (
        re.fullmatch(r"|[-+0-9.eE]{1,40}|nan|-?inf|[A-Za-z_]\w{0,99}|True|False", text) is not None
    )


def _fingerprint(record: Record) -> str:
    """Return the fingerprint that a record's content gives, which it must state."""
    try:
        own = fingerprint_in(record)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError("its settings or stages are not those of a protocol") from None
    if own != record.fingerprint:
        raise ValueError(
            f"its fingerprint is {record.fingerprint}, and its content gives {own}: it was changed"
        )
    return own


def _check_texts(record: Record) -> None:
    """Raise ValueError for a text that is too long."""
    for text in texts_of(record.model_dump(mode="json")):
        if len(text) > LONGEST_TEXT:
            raise ValueError(f"it has a text of {len(text)} characters, which no record has")


def _check_size(record: Record) -> None:
    """Raise ValueError for a record that has more values than any: each takes memory for ever."""
    own = record.model_dump(mode="json", exclude={"data", "last", "best", "selected"})
    if len(record.deviations) > DEVIATIONS or _values(own) > VALUES:
        raise ValueError(f"it has more than {DEVIATIONS} deviations or {VALUES} other values")


def _values(value: Any) -> int:
    if isinstance(value, dict | list):
        return 1 + sum(map(_values, value.values() if isinstance(value, dict) else value))
    return 1


def _check_cell(record: Record, data: Dataset, protocol: Protocol) -> None:
    if (str(data), protocol.specification) != (record.dataset, record.protocol):
        raise ValueError("its data set or protocol is not written in canonical form")
    try:
        check_network(record.network)
    except UsageError as error:
        raise ValueError(f"this version cannot run it: {error}") from None
    if record.seed > LARGEST_SEED:
        raise ValueError(f"its seed is above {LARGEST_SEED}, which no run has")
    first, files = record.first_stage, record.files.items()
    if first is not None and not _FINGERPRINT.fullmatch(first.fingerprint):
        raise ValueError("its first stage has no fingerprint")
    pretrained = bool(_SHA256.fullmatch(record.pretrained_sha256))
    if pretrained != protocol.pretrained or pretrained != bool(record.pretrained_sha256):
        raise ValueError("pretrained_sha256 is not what its protocol asks for")
    if not all(map(_SHA256.fullmatch, record.sources.values())):
        raise ValueError("its sources are no SHA-256")
    if not all(_SHA256.fullmatch(v) and re.fullmatch("[a-z]{1,20}", k) for k, v in files):
        raise ValueError("the files beside it have no SHA-256")
    try:
        datetime.fromisoformat(record.finished)
    except ValueError:
        raise ValueError(f"it was finished at {record.finished!r}, which is no time") from None


def _check_images(record: Record, data: Dataset, protocol: Protocol) -> None:
    """Raise ValueError unless training and test images are as many as the protocol says."""
    try:
        expected = data.class_counts(fraction=protocol.fraction, validation=protocol.validation)
    except UsageError as error:
        raise ValueError(str(error)) from None
    if record.data.class_counts != expected:
        raise ValueError(f"{record.dataset} has other class counts under {record.protocol}")
    thresholds = data.info.many_above, data.info.few_below
    if (record.data.many_above, record.data.few_below) != thresholds:
        raise ValueError("its shot groups are of other thresholds")
    indices, pixels = record.data.indices_sha256, record.data.pixels_sha256
    if not _SHA256.fullmatch(indices) or (pixels and not _SHA256.fullmatch(pixels)):
        raise ValueError("the hash of its images is no SHA-256")
    if record.metric != HEADLINES[data.info.kind]:
        raise ValueError(f"images of {record.dataset} have {LABELS[data.info.kind]}")
    if record.data.training_images != data.training_images(protocol.fraction, protocol.subset_seed):
        raise ValueError(f"{record.dataset} has other training images under {record.protocol}")
    tested = None if data.info.annotated else data.test_counts(protocol.fraction)
    images = data.test_images(protocol.fraction)
    for scores in _scores(record):
        if tested is not None and scores.total != tested:
            raise ValueError(f"{record.dataset} has other test images under {record.protocol}")
        if isinstance(scores, LabelScores) and scores.images != images:
            raise ValueError(f"{record.dataset} has {images} test images, not {scores.images}")
    if record.data.test_images != images:
        raise ValueError("test_images does not follow from its scores' total")


def _scores(record: Record) -> list[AnyScores]:
    """Return the scores of the last epoch, and of others where there are some."""
    return [each for each in (record.last, record.best, record.selected) if each is not None]


def _check_shots(record: Record) -> None:
    """Raise ValueError unless the shot groups' accuracies follow from the classes'."""
    groups = record.shots()
    for scores in _scores(record):
        for group in SHOTS:
            each = zip(groups, scores.per_class, strict=True)
            own = [value for name, value in each if name == group and value is not None]
            expected, found = fmean(own) if own else None, getattr(scores, group)
            if (found is None) != (expected is None) or abs((found or 0) - (expected or 0)) > 1e-3:
                raise ValueError(f"{group} does not follow from correct and total")


def _check_epochs(record: Record, data: Dataset, protocol: Protocol) -> None:
    """Raise ValueError unless scores are of epochs that were trained, and evaluated."""
    try:
        epochs = sum(int(stage["recipe"]["epochs"]) for stage in record.stages)
    except (TypeError, KeyError, ValueError):
        raise ValueError("its stages have no epochs") from None
    if record.last.epoch != epochs:
        raise ValueError(f"its last epoch is {record.last.epoch}, of {epochs} in its stages")
    for select in (Selection.BEST_TEST, Selection.VALIDATION):
        scores: AnyScores | None = getattr(record, select.field)
        if scores is None:
            continue
        if scores.epoch > epochs or scores.epoch % protocol.evaluate_every not in (
            0, epochs % protocol.evaluate_every,
        ):  # fmt: skip
            raise ValueError(f"its {select.field} epoch {scores.epoch} is none that was evaluated")
    if record.best is None and record.trained == record.method:
        raise ValueError("it was evaluated and has no best epoch")
    if record.selected is not None and not (protocol.validation or data.info.validated):
        raise ValueError("an epoch was selected, and the protocol holds no images out")


def _check_training(record: Record, expected: Expected) -> None:
    """Raise ValueError unless what was trained, and its steps, are the method's."""
    if expected.trained != record.trained:
        raise ValueError(f"{record.method} trains {expected.trained}, not {record.trained}")
    if record.trained != record.method and (record.best or record.selected):
        raise ValueError("a post-hoc part was scored at another epoch than the last")
    if record.cost.steps != expected.steps:
        raise ValueError(
            f"it took {record.cost.steps} steps, where its recipe has {expected.steps}"
        )
