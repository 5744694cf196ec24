"""What an image's label is: one class, or several. Imports nothing heavy."""

from typing import Literal

Kind = Literal["single", "multi"]
LABELS: dict[Kind, str] = {"single": "one label an image", "multi": "several labels an image"}
