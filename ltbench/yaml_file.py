"""YAML as plain data, every mistake one sentence."""

import codecs
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
        content = path.read_bytes()
        if not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            content.decode()
        return yaml.load(content, _Loader)
    except OSError as error:
        raise UsageError(f"cannot read {path} ({error.strerror or error}); check the path.") from (
            None
        )
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not in UTF-8; save it as text in UTF-8.") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise UsageError(
            f"{path}{line}: {error.problem}; check the indentation and the quotes there."
        ) from None
    # PyYAML lets its helpers' errors through: KeyError for `!!bool x`, IndexError for `!!int ""` …
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise UsageError(f"{path}: a value in it is not YAML; put texts in quotes.") from None
    except RecursionError:
        raise UsageError(f"{path}: it is nested too deeply; write lists and keys only.") from None


def read_keys(path: Path, what: str, page: str) -> dict[str, Any]:
    """Return the keys and values of a YAML file that describes `what`, as a page of docs/ shows it.

    Raises UsageError as `read_yaml` does, and for a file that is not keys with values.
    """
    found = read_yaml(path.expanduser())
    content = {} if found is None else found  # an empty file
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise UsageError(f"{path} describes no {what}; docs/{page} shows such a file.")
    return content
