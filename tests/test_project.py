"""What stands beside the code for those who use, cite or change it."""

import re
import tomllib
from pathlib import Path

import yaml

import ltbench

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_citation_file_is_of_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["cff-version"] == "1.2.0"
    assert cited["authors"] == [{"name": "the ltbench developers"}]
    assert str(cited["version"]) == ltbench.__version__ == PROJECT["version"]
    assert cited["license"] == PROJECT["license"]
    assert cited["keywords"] == PROJECT["keywords"]
    assert {"message", "title", "type", "abstract"} <= cited.keys()


def test_the_changelog_ends_where_this_version_is():
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == ltbench.__version__
    assert versions == sorted(set(versions), reverse=True)


def test_the_sessions_that_contributors_are_told_of_exist():
    sessions = set(
        re.findall(r"^@nox\.session\ndef (\w+)", (ROOT / "noxfile.py").read_text(), re.M)
    )
    told = re.findall(r"nox -s ([a-z ]+?)(?: --|`|$)", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    named = {session for each in told for session in each.split()}
    assert {"lint", "types", "tests", "docs"} <= named <= sessions
