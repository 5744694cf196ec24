"""Protocols: everything about a run that is neither data, network, method nor seed.

Only `paper` may confirm or contradict a paper; every other protocol is a proxy. A protocol with a
changed field, `fast(epochs=20)`, is another protocol: its records never share a cell with `fast`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ltbench.api.recipe import Recipe
from ltbench.data.catalog import Dataset
from ltbench.data.info import DatasetInfo
from ltbench.errors import UsageError, unknown
from ltbench.runs.protocol_file import named_in
from ltbench.runs.protocols import PROTOCOLS
from ltbench.specification import Term, parse_one

PAPER = "paper"
EXACT = frozenset({PAPER, f"{PAPER}(precision='float32')"})
"""A paper's own protocol; float32 is the papers' precision, bfloat16 ours."""


def is_exact(specification: str) -> bool:
    """Return whether a protocol is a paper's own, unchanged but for its precision."""
    return specification in EXACT


# The remark on records under any protocol but a paper's own, unchanged
PROXY = "can neither confirm nor contradict the paper"


class Protocol(BaseModel):
    """One protocol, resolved; `specification` is its canonical name."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    specification: str
    epochs: int = Field(ge=1, le=100_000)
    batch_size: int = Field(ge=1, le=1_000_000)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warmup_epochs: int = Field(default=5, ge=0, le=100_000)
    schedule: Literal["step", "cosine", "shifted_cosine"] = "step"
    milestones: str = "0.8,0.9"  # of schedule step: shares of the epochs at which the rate decays
    decay: float = Field(default=0.01, gt=0, le=1)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = False
    drop_last: bool = False  # whether an epoch's last batch is left out where it is not full
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    subset_seed: int = Field(default=0, ge=0, le=2**32 - 1)
    evaluate_every: int = Field(
        default=1, ge=1, le=100_000
    )  # epochs between evaluations on the test set
    validation: int = Field(
        default=0, ge=0, le=1_000_000
    )  # training images per class held out for selection
    fraction: float = Field(default=1.0, gt=0, le=1)  # of each class kept, train and test
    side: int | None = Field(default=None, ge=8, le=512)  # of streamed images; None: the set's
    stored_side: int | None = Field(default=None, ge=32, le=1024)  # shorter; None: as they came
    family: str = "cifar"  # of data sets that papers train alike
    pretrained: bool = False  # whether the encoder begins from weights that the user names
    backbone_rate: float = Field(default=1.0, gt=0, le=1)  # of the learning rate, of the encoder
    norm_batch: int | None = Field(default=None, ge=2)  # images of a batch norm; None: the batch
    warmup_steps: int = Field(default=0, ge=0)  # of a warm-up by steps, from a third of the rate
    clip_norm: float | None = Field(default=None, gt=0)  # largest norm of a step's gradient
    frozen_stages: int = Field(default=0, ge=0, le=4)  # of a residual encoder, beside its stem
    frozen_norms: bool = False  # whether the encoder's batch norms are as in evaluation
    tail_only: bool = False  # whether the smallest shot group alone is trained on, as many steps

    @field_validator("milestones")
    @classmethod
    def _rising(cls, text: str) -> str:
        shares = _shares(text)
        if not shares or shares != sorted(set(shares)) or shares[0] <= 0 or shares[-1] > 1:
            raise PydanticCustomError(
                "milestones", "give rising shares of the epochs, such as '0.6,0.8'"
            )
        return text

    @model_validator(mode="after")
    def _warmed_up(self) -> "Protocol":
        if self.warmup_epochs >= self.epochs:
            raise PydanticCustomError(
                "warmup", "warmup_epochs={warmup} leaves none of epochs={epochs} at the full rate; "
                "add warmup_epochs={fits}",
                {"warmup": self.warmup_epochs, "epochs": self.epochs, "fits": self.epochs // 5},
            )  # fmt: skip
        if self.warmup_epochs and self.warmup_steps:
            raise PydanticCustomError(
                "warmup_steps", "warmup_steps and warmup_epochs are two warm-ups; set one to 0"
            )
        return self

    @model_validator(mode="after")
    def _divided(self) -> "Protocol":
        if self.norm_batch is not None and self.batch_size % self.norm_batch:
            raise PydanticCustomError(
                "norm_batch", "norm_batch={norm} does not divide batch_size={batch}; "
                "choose one that does",
                {"norm": self.norm_batch, "batch": self.batch_size},
            )  # fmt: skip
        return self

    @property
    def name(self) -> str:
        """Return the protocol's name without changed fields; of one's own, what it changes."""
        return self.specification.partition("(")[0].rpartition("@")[2]

    @property
    def exact(self) -> bool:
        """Return whether this is a paper's own protocol, unchanged but for its precision."""
        return is_exact(self.specification)

    def recipe(self) -> Recipe:
        """Return the recipe that methods start from."""
        return Recipe(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            nesterov=self.nesterov,
            warmup_epochs=self.warmup_epochs,
            schedule=self.schedule,
            milestones=tuple(_shares(self.milestones)),
            decay=self.decay,
            drop_last=self.drop_last,
            family=self.family,
            backbone_rate=self.backbone_rate,
            norm_batch=self.norm_batch,
            warmup_steps=self.warmup_steps,
            clip_norm=self.clip_norm,
            frozen_stages=self.frozen_stages,
            frozen_norms=self.frozen_norms,
            tail_only=self.tail_only,
        )

    def sized(self, info: DatasetInfo) -> DatasetInfo:
        """Return a data set's facts with the side that images have under this protocol."""
        side = self.side
        return info if side is None else replace(info, shape=(info.shape[0], side, side))


def protocol_of(
    specification: str | None, info: DatasetInfo, validation: int | None = None
) -> Protocol:
    """Return the protocol of `paper`, `fast(epochs=20)` … for a data set; None is its default.

    One of the user's own is `mine.yaml`, or what that file says, `long@fast(epochs=400)`.
    `validation` changes that field, as `--validation` does.

    Raises UsageError for a protocol the data set does not have, or a field that is not one.
    """
    known = PROTOCOLS[info.family]
    named = info.protocol if specification is None else named_in(specification)
    term = parse_one(named or "", "protocol")
    name = term.variant or term.name  # of the protocol that is changed
    if name not in known:
        raise unknown(f"protocol for {info.name}", str(Term(term.name, term.variant)), known)
    if term.variant and term.name in known:
        raise UsageError(f"a protocol of your own cannot be called {term.name}; name it otherwise.")
    changeable = {**_defaults(), **known[name]}
    del changeable["family"]
    if not info.streamed:
        del changeable["side"], changeable["stored_side"]
    for field in term.parameters:
        if field not in changeable:
            raise unknown(f"field of protocol {term.name}", field, changeable)
    wanted = {**term.parameters, **({} if validation is None else {"validation": validation})}
    changeable["warmup_epochs"] = _warm_up(changeable, wanted.get("epochs"))
    given = {key: _canonical(value, changeable[key]) for key, value in wanted.items()}
    changed = {key: value for key, value in given.items() if not _same(value, changeable[key])}
    canonical = str(Term(term.name, term.variant, dict(sorted(changed.items()))))
    try:
        return Protocol(specification=canonical, **{**known[name], **changeable, **changed})
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # of several fields together
            raise UsageError(f"protocol {canonical}: {first['msg']}.") from None
        raise UsageError(
            f"protocol {term.name}: {first['loc'][0]} = {first['input']!r} is not allowed "
            f"({first['msg'].lower()})."
        ) from None


def shots_under(protocol: str, data: Dataset) -> tuple[str, ...]:
    """Return the shot group of each class in runs on a data set under a protocol."""
    used = protocol_of(protocol, data.info)
    return data.shots(fraction=used.fraction, validation=used.validation)


def shortened(protocol: Protocol, info: DatasetInfo) -> str:
    """Return in words that a protocol's usual warm-up was too long for its epochs; else nothing."""
    usual = {**_defaults(), **PROTOCOLS[info.family][protocol.name]}["warmup_epochs"]
    if usual < protocol.epochs:
        return ""
    return (
        f"protocol {protocol.specification}: its usual warm-up of {usual} epochs would be all of "
        f"it, so it is {protocol.warmup_epochs}; warmup_epochs=… sets another"
    )


def _warm_up(usual: Mapping[str, Any], epochs: Any) -> int:
    """Return the usual warm-up, or a fifth of the epochs where it would be all of them."""
    warm_up = int(usual["warmup_epochs"])
    return epochs // 5 if type(epochs) is int and warm_up >= epochs > 0 else warm_up


def _shares(text: str) -> list[float]:
    """Return the numbers in a text with commas; none where it is not made of them."""
    try:
        return [float(share) for share in text.split(",")]
    except ValueError:
        return []


def _canonical(value: Any, usual: Any) -> Any:
    """Return a value as its field has it, so that 1 and 1.0, '0.60, 0.8' and '0.6,0.8' are one."""
    if type(value) is type(usual) is str and (shares := _shares(value)):
        return ",".join(map(str, shares))
    whole = type(value) is int and type(usual) is float and abs(value) < 2**53
    return float(value) if whole else value


def _same(value: Any, usual: Any) -> bool:
    """Return whether two values are the same; False is not 0."""
    return type(value) is type(usual) and bool(value == usual)


def _defaults() -> dict[str, Any]:
    fields = Protocol.model_fields
    return {name: field.default for name, field in fields.items() if not field.is_required()}


def check_held_out(used: Sequence[tuple[Protocol, DatasetInfo]]) -> None:
    """Raise UsageError unless one of at least one pair has images that an epoch is selected on.

    A protocol may hold training images out; a data set may have validation images of its own.
    """
    if not any(protocol.validation or data.validated for protocol, data in used):
        protocol = used[0][0]
        raise UsageError(
            f"protocol {protocol.specification} holds no training images out, so nothing was "
            f"selected on them; run with --validation 2 and add "
            f"--protocol '{protocol.name}(validation=2)'."
        )
