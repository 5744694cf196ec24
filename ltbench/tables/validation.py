"""The types of values in tables' and figures' YAML, every mistake one sentence."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, ValidationError
from pydantic_core import PydanticCustomError

from ltbench.errors import UsageError, unknown
from ltbench.registry.signatures import canonical
from ltbench.specification import network_name


def _printable(text: str) -> str:
    if not text.isprintable():
        raise PydanticCustomError("text", "it holds a character that does not print; remove it")
    return text


def refuse_twins(key: str, names: Sequence[str]) -> None:
    """Raise a validation error for the first name that stands there twice."""
    if twins := [name for name in names if names.count(name) > 1]:
        raise PydanticCustomError(
            "twins", "{key} gives {name} twice; keep one", {"key": key, "name": twins[0]}
        )


def canonical_text(read: Callable[[str], str]) -> AfterValidator:
    """Return a validator that writes a text in its canonical form, or says why it has none."""

    def check(text: str) -> str:
        try:
            return read(text)
        except UsageError as error:
            raise PydanticCustomError("usage", "{reason}", {"reason": str(error)}) from None

    return AfterValidator(check)


def distinct(seeds: list[int]) -> list[int]:
    """Return seeds of which none is given twice."""
    if len(set(seeds)) < len(seeds):
        raise PydanticCustomError("seeds", "it gives a seed twice; keep one")
    return seeds


def _apart(thresholds: tuple[int, int]) -> tuple[int, int]:
    if thresholds[1] > thresholds[0] + 1:
        raise PydanticCustomError(
            "thresholds", "by them a class would be both few and many; lower the second"
        )
    return thresholds


Text = Annotated[str, Field(min_length=1), AfterValidator(_printable)]
NetworkSpecification = Annotated[str, canonical_text(network_name)]
Specification = Annotated[str, canonical_text(canonical)]  # as its records are filed
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
_Images = Annotated[int, Field(ge=1)]
# Of shot groups: many-shot classes have more training images, few-shot ones fewer
Thresholds = Annotated[tuple[_Images, _Images], Field(strict=False), AfterValidator(_apart)]


_REMEDIES = {
    "missing": "it is missing; add it",
    "string_type": "it must be text; put it in quotes",
    "string_unicode": "it holds a character that does not exist; remove it",
    "list_type": "it must be a list; write [a, b] or lines that start with a dash",
    "model_type": "it must be keys with values, as in the tables that come with ltbench",
    "too_short": "it is empty; give at least one",
    "string_too_short": "it is empty; give it a text or leave the key out",
}


def explain(
    path: Path,
    error: ValidationError,
    items: Mapping[str, type[BaseModel]],
    whole: type[BaseModel],
) -> UsageError:
    """Return the first problem; `items` are the models of the lists, `whole` of the file.

    An unknown key goes before a missing one, as it is often the missing one misspelt.
    """
    problems = error.errors(include_url=False)
    problem = min(problems, key=lambda each: each["type"] != "extra_forbidden")
    kind, location = problem["type"], list(problem["loc"])
    if kind == "extra_forbidden":
        key = str(location.pop())
        model = items[str(location[0])] if location else whole
        reason = str(unknown("key", key, model.model_fields))
    else:
        reason = _REMEDIES.get(kind, problem["msg"].replace("Input should", "it should"))
    sentence = f"{path}{_path_to(location)}: {reason}{'' if reason[-1] in '.?' else '.'}"
    return UsageError(" ".join(sentence.split()))  # keys and values may hold line breaks


def _path_to(location: Sequence[int | str]) -> str:
    """Return `, rows, item 3, method` of ("rows", 2, "method"): people count from one."""
    return "".join(
        f", item {step + 1}" if isinstance(step, int) else f", {step}" for step in location
    )
