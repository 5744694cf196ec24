"""What methods take, read from their files: the same as the registry has from their classes."""

import subprocess
import sys
import typing
from dataclasses import MISSING
from pathlib import Path
from typing import Annotated, Literal

import pytest
from annotated_types import Ge

from ltbench.api.parameters import fields_of
from ltbench.errors import UsageError
from ltbench.registry import methods
from ltbench.registry.methods import build, describe, find
from ltbench.registry.signatures import canonical, lacking, load_file, names, signature

HEAD = '''"""Made up: a paper."""

import dataclasses
import torch_that_is_not_there
from annotated_types import Ge
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal
from ltbench import Method
from ltbench.blocks.class_groups import Grouped as Base

raise RuntimeError("this file must not be run")

THIRD, Form = 1 / 4, Literal["a"]
Norm = Literal["l2", "l1"]
USUAL = -0.5
RELEASE = {"size": 2, "rate": USUAL}
RELEASE |= {"norm": "l1"}
'''


@pytest.fixture(autouse=True)
def _forget():
    with methods.loaded():
        yield


@pytest.fixture
def write(tmp_path):
    def write(body, name="made_up", head=HEAD):
        path = tmp_path / f"{name}.py"
        path.write_text(head + body)
        load_file(path)
        return path

    return write


def test_the_methods_are_the_files_and_those_that_were_loaded(write):
    files = (Path(__file__).parents[2] / "methods").glob("*.py")
    own = {path.stem for path in files} - {"__init__"}
    assert set(names()) >= own
    write("\n@dataclass\nclass Mine(Method):\n    size: int = 1\n")
    assert set(names()) >= own | {"made_up"}


@pytest.mark.parametrize("name", names())
def test_what_a_file_says_is_what_its_class_has(name):
    read, cls = signature(name), find(name)
    hints = typing.get_type_hints(cls, include_extras=True)
    assert {key: (each.type, each.default) for key, each in read.parameters.items()} == {
        each.name: (hints[each.name], each.default) for each in fields_of(cls)
    }
    assert list(read.parameters) == [each.name for each in fields_of(cls)]
    assert read.variants == cls.variants


@pytest.mark.parametrize("name", names())
def test_specifications_are_written_alike_from_files_and_from_classes(name):
    read = signature(name)
    texts = [f"{name}@{variant}" for variant in read.variants]
    texts += [
        f"{name}({key}={each.default!r})" for key, each in read.parameters.items()
    ]  # fmt: skip
    for text in texts:
        (part,) = methods.parts(text)
        assert canonical(text) == describe(part)


@pytest.mark.parametrize(
    ("text", "filed"),
    [
        ("sam(rho=1)", "sam(rho=1.0)"),
        ("sam(rho=0.05)", "sam"),
        ("sam(rho=5e-2)", "sam"),
        ("ldam_drw(scale=20.0, max_margin=0.3)", "ldam_drw(max_margin=0.3, scale=20.0)"),
        ("cc_sam@release(s=1e-6)", "cc_sam@release"),
        ("gkp_gsa(strength=1000)", "gkp_gsa(strength=1000.0)"),
        ("gkp_gsa@release(cap=1)", "gkp_gsa@release"),
        ("ce + gsa(groups=4, cap=1)", "ce+gsa(cap=1.0)"),
    ],
)
def test_a_specification_is_written_as_its_record_is_filed(text, filed):
    assert canonical(text) == filed == describe(build(text))


def test_what_this_version_does_not_have_stays_as_it_is_written():
    assert canonical("ce(  )+of_tomorrow( b=2,a=1 )") == "ce+of_tomorrow(b=2, a=1)"
    assert lacking(["ce+of_tomorrow(b=2)", "sam", "later+of_tomorrow"], names()) == [
        "of_tomorrow",
        "later",
    ]


@pytest.mark.parametrize(
    "text", ["sam(rhoo=1)", "sam(rho='a')", "sam@of_tomorrow", "gkp(groups=1.0)", "ce(a=1)", "ce+"]
)
def test_it_is_refused_in_the_words_of_the_registry(text):
    def words(read):
        with pytest.raises(UsageError) as caught:
            read(text)
        return str(caught.value)

    assert words(canonical) == words(methods.parts)


def test_a_file_is_read_and_not_run(write):
    write('''
@dataclasses.dataclass
class Helper:
    other: int = 3

@dataclass(repr=False)
class Mine(Base):
    """Grouped, with parameters of every form."""

    variants: ClassVar[Any] = {"release": RELEASE, "both": {**RELEASE, "size": 3}}
    size: int = 1
    rate: "float" = field(default=USUAL)
    norm: Norm = "l2"
    share: Annotated[float, Ge(0)] = 0.25
    cap: float | None = None
    kept: int = field(init=False, default=3)

    def losses(self, outputs, batch, clock): ...
''')  # fmt: skip
    found = signature("made_up")
    own = {key: found.parameters[key] for key in ("size", "rate", "norm", "share", "cap")}
    assert [*found.parameters][:3] == ["groups", "average", "start"]
    assert [*found.parameters][-5:] == [*own]
    assert {key: each.type for key, each in own.items()} == {
        "size": int, "rate": float, "norm": Literal["l2", "l1"],
        "share": Annotated[float, Ge(0)], "cap": float | None,
    }  # fmt: skip
    assert {key: each.default for key, each in own.items()} == {
        "size": 1, "rate": -0.5, "norm": "l2", "share": 0.25, "cap": None,
    }  # fmt: skip
    release = {"size": 2, "rate": -0.5, "norm": "l1"}
    assert found.variants == {"release": release, "both": release | {"size": 3}}
    assert canonical("made_up@release(size=2, cap=1)") == "made_up@release(cap=1.0)"
    assert canonical("made_up(rate=-0.5, groups=4)") == "made_up"
    with pytest.raises(UsageError, match="must be at least 0"):
        canonical("made_up(share=-1)")


def test_a_parameter_without_default_has_none(write):
    write("\n@dataclass\nclass Mine(Method):\n    size: int\n")
    assert signature("made_up").parameters["size"].default is MISSING
    assert canonical("made_up(size=3)") == "made_up(size=3)"


@pytest.mark.parametrize(
    "body",
    [
        "@dataclass\nclass Mine(Method):\n    size: int = computed()\n",
        "@dataclass\nclass Mine(Method):\n    size: int = 1 / 0\n",
        "@dataclass\nclass Mine(Method):\n    size: int = 1 + 'a'\n",
        "@dataclass\nclass Mine(Method):\n    size: Unknown = 1\n",
        "X = X\n@dataclass\nclass Mine(Method):\n    size: int = X\n",
        "Mine = made_elsewhere()\n",
    ],
)
def test_what_only_running_would_tell_stays_as_it_is_written(write, body):
    write(body)
    assert signature("made_up") is None
    assert canonical("made_up(size=1)") == "made_up(size=1)"
    assert lacking(["made_up"], names()) == []


def test_a_file_that_is_no_python_is_refused(tmp_path):
    (tmp_path / "mine.py").write_text("def broken(:\n")
    with pytest.raises(UsageError, match=r"mine\.py: SyntaxError.*mend the file"):
        load_file(tmp_path / "mine.py")
    assert lacking(["mine"], names()) == ["mine"]


@pytest.mark.parametrize("target", ["strangers.inner", "strangers.inner:Mine", "strangers:Mine"])
def test_an_installed_method_is_read_without_its_package(tmp_path, target):
    body = "\n@dataclass\nclass Mine(Method):\n    size: float = 1.0\n"
    (tmp_path / "strangers").mkdir()
    init = "from .inner import Mine\nraise RuntimeError('imported')\n"
    (tmp_path / "strangers" / "__init__.py").write_text(init)
    (tmp_path / "strangers" / "inner.py").write_text(HEAD + body)
    (tmp_path / "strangers-1.0.dist-info").mkdir()
    for name, text in (
        ("METADATA", "Metadata-Version: 2.1\nName: strangers\nVersion: 1.0\n"),
        ("entry_points.txt", f"[ltbench.methods]\nfar = {target}\n"),
    ):
        (tmp_path / "strangers-1.0.dist-info" / name).write_text(text)
    code = (
        "import sys; from ltbench.registry.signatures import canonical, names\n"
        "assert 'far' in names()\n"
        "print(canonical('far(size=2)+sam(rho=1)+gkp_gsa'))\n"
        "heavy = {'torch', 'strangers', 'ltbench.methods'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    environment = {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=Path(tmp_path), check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "far(size=2.0)+sam(rho=1.0)+gkp_gsa\n"), (
        done.stderr
    )


def test_a_plain_name_is_canonical_without_a_look_into_its_file(write):
    path = write("\n@dataclass\nclass Mine(Method):\n    size: int = 1\n")
    path.unlink()
    assert canonical("made_up+ce") == "made_up+ce"
