"""What pydantic finds wrong with a YAML file, as one sentence with the file, key and remedy."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from ltbench.errors import UsageError, unknown

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
    sentence = f"{path}{_place(location)}: {reason}{'' if reason[-1] in '.?' else '.'}"
    return UsageError(" ".join(sentence.split()))  # keys and values may hold line breaks


def _place(location: Sequence[int | str]) -> str:
    """Return `, rows, item 3, method` of ("rows", 2, "method"): people count from one."""
    return "".join(
        f", item {step + 1}" if isinstance(step, int) else f", {step}" for step in location
    )
