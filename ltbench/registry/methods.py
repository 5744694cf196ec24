"""Names and specification strings to methods, and back.

A name is looked up among the files of `ltbench.methods`, then the entry points of group
`ltbench.methods`, then the files given to `load_file`. The file's name is the method's name and
its first `Method` subclass is the method: adding one edits nothing else. An `Alias` there is
expanded to a composition that keeps its name.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from ltbench.api.alias import Alias, expanded
from ltbench.api.compose import BASE_ONLY, Compose, is_post_hoc, name_of, overrides
from ltbench.api.method import Method
from ltbench.api.parameters import fields_of, types_of
from ltbench.api.signature import Parameter, Signature
from ltbench.errors import UsageError, first_line, unknown
from ltbench.registry import signatures
from ltbench.registry.sources import execute, forgotten_after
from ltbench.specification import Term, parse

_loaded: dict[str, type[Method]] = {}  # by `load_file`


def find(name: str) -> type[Method]:
    """Return the class of a method; raises UsageError with near matches for an unknown name."""
    if name in signatures.own():
        return _class_of(importlib.import_module(f"ltbench.methods.{name}"), name)
    if name in signatures.installed():
        return _entry_point(name)
    if name not in _loaded and (path := signatures.loaded_file(name)):
        load_file(path)
    if name in _loaded:
        return _loaded[name]
    raise unknown(
        "method", name, signatures.names(), "A method of your own comes with --load mine.py."
    )


def load_file(path: Path) -> str:
    """Make the method in a Python file known under the file's stem, and return that name.

    What lies beside the file can be imported from it. Raises UsageError for a file that is
    missing, does not run, or defines no method.
    """
    name = signatures.checked_name(path)
    _loaded[name] = _class_of(execute(path), name)
    return signatures.load_file(path)


@contextmanager
def loaded(*paths: Path) -> Iterator[list[str]]:
    """Load files for the length of a block, yield their names, and forget all it loaded after.

    What is installed is looked up anew, in the block and after it.
    """
    before = dict(_loaded)
    with forgotten_after(), signatures.remembering():
        try:
            _entry_point.cache_clear()
            yield [load_file(path) for path in paths]
        finally:
            _entry_point.cache_clear()
            _loaded.clear()
            _loaded.update(before)


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
    return [make(term) for term in parse(specification)]


def make(term: Term) -> Method:
    """Return one part of a specification; raises UsageError as `build` does."""
    cls = find(term.name)
    values = signature_of(cls, term.name).given(term)
    try:
        part = cls(**values)
    except ValueError as error:
        raise UsageError(f"{term}: {error}.") from None
    except TypeError as error:
        raise UsageError(f"{term}: {first_line(error)}; give every parameter a default.") from None
    part.registered_name = term.name  # type: ignore[attr-defined]
    part.registered_variant = term.variant  # type: ignore[attr-defined]
    return part


def baseline() -> str:
    """Return the name of the method that changes nothing: what to train before a post-hoc part."""
    return next(name for name in sorted(signatures.own()) if not overrides(find(name)))


def describe(method: Method) -> str:
    """Return the canonical specification: only parameters that differ, in declaration order.

    `describe(build(s))` is a fixed point; it is a run's identity.
    """
    return "+".join(str(_term(part)) for part in parts_of(method))


def variant_of(part: Method) -> str:
    """Return the variant that a part of a specification is, "" for the method itself."""
    return getattr(part, "registered_variant", "")


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
    terms = parse(specification)
    added = [is_post_hoc(find(term.name)) for term in terms]
    if not any(added):
        return trained
    own = iter(parts_of(trained))
    return Compose(
        *(make(term) if new else next(own) for term, new in zip(terms, added, strict=True))
    )


def role(method_class: type[Method]) -> str:
    """Return the kind of a method: `method`, `modifier` or `post-hoc`, read off its hooks."""
    if is_post_hoc(method_class):
        return "post-hoc"
    own = overrides(method_class)
    return "modifier" if own and own.isdisjoint({*BASE_ONLY, "build"}) else "method"


@cache
def _entry_point(name: str) -> type[Method]:
    (point, *_) = entry_points(group="ltbench.methods", name=name)
    try:
        found = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        reason = first_line(error)
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
            return _whole(value)  # type: ignore[arg-type]
    raise UsageError(f"{name}: the file defines no subclass of ltbench.Method; write one.")


@cache
def _whole(cls: type[Method]) -> type[Method]:
    """Return the class of a method; of an alias, with its parts' parameters."""
    return expanded(cls, _signature, make) if issubclass(cls, Alias) else cls


def _signature(name: str) -> Signature:
    return signature_of(find(name), name)


def _term(part: Method) -> Term:
    variant = variant_of(part)
    taken = signature_of(type(part), name_of(part))
    return taken.term(variant, {key: getattr(part, key) for key in taken.usual(variant)})


def signature_of(cls: type[Method], name: str) -> Signature:
    """Return what the class of a method takes, as `signatures.signature` reads it off the file."""
    if issubclass(cls, Alias):
        return replace(cls.signature, name=name)
    types = types_of(cls)
    parameters = {f.name: Parameter(types[f.name], f.default) for f in fields_of(cls)}
    return Signature(name, parameters, cls.variants)
