"""Names and specification strings to methods, and back.

A name is looked up among the files of `ltbench.methods`, then the entry points of group
`ltbench.methods`, then the files given to `load_file`. The file's name is the method's name and
its first `Method` subclass is the method: adding one edits nothing else. An `Alias` there is
expanded to a composition that keeps its name.
"""

import hashlib
import importlib
import importlib.util
import pkgutil
import sys
import typing
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

import ltbench.methods
from ltbench.api.alias import Alias, expanded, fields_of
from ltbench.api.compose import BASE_ONLY, Compose, is_post_hoc, leaves, name_of, overrides
from ltbench.api.method import Method
from ltbench.errors import UsageError, unknown
from ltbench.specification import Term, parse

_STRICT = ConfigDict(strict=True, allow_inf_nan=False)
_loaded: dict[str, type[Method]] = {}  # by `load_file`


def names() -> list[str]:
    """Return every method name there is, sorted."""
    return sorted({*_own(), *_installed(), *_loaded})


def find(name: str) -> type[Method]:
    """Return the class of a method; raises UsageError with near matches for an unknown name."""
    if name in _own():
        return _class_of(importlib.import_module(f"ltbench.methods.{name}"), name)
    if name in _installed():
        return _entry_point(name)
    if name in _loaded:
        return _loaded[name]
    raise unknown("method", name, names(), "A method of your own comes with --load mine.py.")


def load_file(path: Path) -> str:
    """Make the method in a Python file known under the file's stem, and return that name.

    Raises UsageError for a file that is missing, does not run, or defines no method.
    """
    name = path.stem
    if not path.is_file() or not name.isidentifier():
        raise UsageError(f"--load {path}: give an existing Python file named like a method.")
    if name in _own() or name in _installed():
        raise UsageError(f"--load {path}: a method {name} exists already; rename the file.")
    module_name = f"ltbench_loaded_{name}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None:
        raise UsageError(f"--load {path}: this is not a Python file; give one that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses look their module up while it runs
    try:
        # Not through the loader, which would leave a __pycache__ beside the user's file.
        source = importlib.util.decode_source(path.read_bytes())
        exec(compile(source, path, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[module_name]
        reason = f"{type(error).__name__}: {_first_line(error)}"
        raise UsageError(f"--load {path}: {reason}; mend the file.") from error
    _loaded[name] = _class_of(module, name)
    return name


def build(specification: str) -> Method:
    """Return the method of a specification such as `ldam_drw+sam(rho=0.8)`.

    Raises UsageError for an unknown name or parameter, a value of the wrong type, or parts that
    cannot be composed.
    """
    found = parts(specification)
    if is_post_hoc(found[0]):
        raise UsageError(
            f"{name_of(found[0])} acts on a trained network; "
            f"write what to train before it, as in {baseline()}+{specification}."
        )
    if len(found) == 1:
        return found[0]
    try:
        return Compose(*found)
    except TypeError as error:
        raise UsageError(f"{specification}: {error}.") from None


def parts(specification: str) -> list[Method]:
    """Return the parts of a specification, not yet composed; raises UsageError as `build` does."""
    return [_part(term) for term in parse(specification)]


def baseline() -> str:
    """Return the name of the method that changes nothing: what to train before a post-hoc part."""
    return next(name for name in sorted(_own()) if not overrides(find(name)))


def describe(method: Method) -> str:
    """Return the canonical specification: only parameters that differ, in declaration order.

    `describe(build(s))` is a fixed point; it is a run's identity.
    """
    return "+".join(str(_term(part)) for part in parts_of(method))


def parts_of(method: Method) -> tuple[Method, ...]:
    """Return the base and modifiers of a composition, or the method alone; an alias is one."""
    if isinstance(method, Compose) and not isinstance(method, Alias):
        return method.parts
    return (method,)


def trained_part(method: Method) -> Method:
    """Return the method without its post-hoc parts: what has to be trained."""
    kept = [part for part in parts_of(method) if not is_post_hoc(part)]
    return Compose(*kept) if len(kept) > 1 else kept[0]


def completed(trained: Method, specification: str) -> Method:
    """Return a trained method with the post-hoc parts of a specification around it.

    `trained` itself if the specification has none; its parts and their state are shared.
    """
    own = iter(parts_of(trained))
    parts = [part if is_post_hoc(part) else next(own) for part in parts_of(build(specification))]
    return trained if len(parts) == len(parts_of(trained)) else Compose(*parts)


def parameters(method: Method) -> dict[str, dict[str, Any]]:
    """Return every parameter of every part, defaults included, by part; of an alias, its parts'."""
    resolved: dict[str, dict[str, Any]] = {}
    for part in leaves(method):
        term = _term(part)
        head = f"{term.name}@{term.variant}" if term.variant else term.name
        again = sum(other.partition("#")[0] == head for other in resolved)
        key = f"{head}#{again + 1}" if again else head  # a part may stand twice
        resolved[key] = {f.name: getattr(part, f.name) for f in fields_of(type(part))}
    return resolved


def sources(method: Method) -> dict[str, str]:
    """Return the SHA-256 of the file of every part that is not ltbench's own, by name.

    ltbench's own are told by the commit; another's file may change under the same name.
    """
    found = {}
    for part in leaves(method):
        module = sys.modules[type(part).__module__]
        if not module.__name__.startswith("ltbench.methods.") and module.__file__:
            content = Path(module.__file__).read_bytes()
            found[name_of(part)] = hashlib.sha256(content).hexdigest()
    return found


def role(method_class: type[Method]) -> str:
    """Return what a method is for: `method`, `modifier` or `post-hoc`, read off its hooks."""
    if is_post_hoc(method_class):
        return "post-hoc"
    own = overrides(method_class)
    return "modifier" if own and own.isdisjoint({*BASE_ONLY, "build"}) else "method"


@cache
def _own() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(ltbench.methods.__path__))


@cache
def _installed() -> frozenset[str]:
    return frozenset(point.name for point in entry_points(group="ltbench.methods"))


@cache
def _entry_point(name: str) -> type[Method]:
    (point, *_) = entry_points(group="ltbench.methods", name=name)
    try:
        found = point.load()
    except (Exception, SystemExit) as error:
        reason = _first_line(error)
        raise UsageError(f"method {name} of {point.value}: {reason}; mend or remove it.") from error
    if isinstance(found, ModuleType):
        return _class_of(found, name)
    if isinstance(found, type) and issubclass(found, Method):
        return found
    raise UsageError(f"entry point {name} = {point.value} is not a Method; mend or remove it.")


def _class_of(module: ModuleType, name: str) -> type[Method]:
    for value in vars(module).values():
        if (
            isinstance(value, type)
            and issubclass(value, Method)
            and value.__module__ == module.__name__
        ):
            return expanded(value, _part) if issubclass(value, Alias) else value  # type: ignore[arg-type]
    raise UsageError(f"{name}: the file defines no subclass of ltbench.Method; write one.")


def _part(term: Term) -> Method:
    cls = find(term.name)
    if term.variant and term.variant not in cls.variants:
        raise unknown(f"variant of {term.name}", term.variant, cls.variants or {"(none)": {}})
    known = {f.name for f in fields_of(cls)}
    hints = typing.get_type_hints(cls, include_extras=True)
    values = dict(cls.variants.get(term.variant, {}))
    for key, value in term.parameters.items():
        if key not in known:
            raise unknown(f"parameter of {term.name}", key, known or {"(it takes none)"})
        try:
            values[key] = TypeAdapter(hints[key], config=_STRICT).validate_python(value)
        except ValidationError as error:
            message = error.errors()[0]["msg"].lower()
            raise UsageError(f"{term.name}({key}={value!r}) is not allowed: {message}.") from None
    try:
        part = cls(**values)
    except ValueError as error:
        raise UsageError(f"{term}: {error}.") from None
    except TypeError as error:
        raise UsageError(f"{term}: {_first_line(error)}; give every parameter a default.") from None
    part.registered_name = term.name  # type: ignore[attr-defined]
    part.registered_variant = term.variant  # type: ignore[attr-defined]
    return part


def _term(part: Method) -> Term:
    name = getattr(part, "registered_name", type(part).__module__.rpartition(".")[2])
    variant = getattr(part, "registered_variant", "")
    usual = {f.name: f.default for f in fields_of(type(part))} | part.variants.get(variant, {})
    changed = {key: getattr(part, key) for key in usual if getattr(part, key) != usual[key]}
    return Term(name, variant, changed)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0].rstrip(".")
