"""Where the user's cache folder is."""

import pytest

from ltbench.runs import cache
from ltbench.runs.cache import cache_folder


@pytest.mark.parametrize(
    ("system", "variables", "expected"),
    [
        ("linux", {}, "home/.cache/ltbench"),
        ("linux", {"XDG_CACHE_HOME": "given"}, "given/ltbench"),
        ("darwin", {}, "home/Library/Caches/ltbench"),
        ("win32", {"LOCALAPPDATA": "local"}, "local/ltbench"),
        ("win32", {"LTBENCH_CACHE": "own"}, "own"),
    ],
)
def test_the_cache_lies_where_the_system_keeps_caches(monkeypatch, system, variables, expected):
    for name in ("LTBENCH_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cache.sys, "platform", system)
    monkeypatch.setattr(cache.Path, "home", lambda: cache.Path("home"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder().as_posix() == expected
