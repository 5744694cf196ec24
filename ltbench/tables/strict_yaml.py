"""YAML as plain data, every mistake one sentence."""

from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from ltbench.errors import UsageError


class _Loader(yaml.SafeLoader):
    """Refuses a key given twice, of which PyYAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, count in keys.items():
            if count > 1:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key!r} is given twice", problem_mark=node.start_mark
                )
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file; raises UsageError naming the file and the line."""
    try:
        return yaml.load(path.read_bytes(), _Loader)
    except OSError as error:
        raise UsageError(f"cannot read {path} ({error.strerror or error}); check the path.") from (
            None
        )
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}" if mark else ""
        raise UsageError(
            f"{path}{place}: {error.problem}; check the indentation and the quotes there."
        ) from None
    # PyYAML lets its helpers' errors through: KeyError for `!!bool x`, IndexError for `!!int ""` …
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise UsageError(f"{path}: a value in it is not YAML; put texts in quotes.") from None
    except RecursionError:
        raise UsageError(f"{path}: it is nested too deeply; write lists and keys only.") from None
