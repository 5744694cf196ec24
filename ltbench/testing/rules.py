"""What a rule of the method protocol is, and how one is broken."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


class BrokenRuleError(AssertionError):
    """A rule of the method protocol that a method breaks; the message says how."""


@dataclass(frozen=True)
class Rule:
    """One rule: its name, the check, which raises BrokenRuleError, and the rule it stands on."""

    name: str
    verify: Callable[[str], None]
    needs: str = ""


def expect(condition: bool, otherwise: str) -> None:
    """Raise BrokenRuleError unless a condition holds."""
    if not condition:
        raise BrokenRuleError(otherwise)


def equal(left: Any, right: Any) -> bool:
    """Return whether two nests of dictionaries, lists, tensors and plain values are bit-equal."""
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, Tensor):
        return torch.equal(left, right)
    return bool(left == right)
