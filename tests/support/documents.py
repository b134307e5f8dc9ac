"""The parts of the documentation that are made from the code; ``python -m tests.support.documents`` writes them."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from tests.support.shared import ROOT

DOCS = ROOT / "docs"
SAMPLES = ROOT / "tests" / "samples"


def _settings() -> str:
    from kubedock import settings

    return settings.table()


def _compatibility() -> str:
    from kubedock.api import groups

    return groups.markdown()


def _options() -> str:
    from kubedock.dockerapi import options

    return options.markdown()


def _rights() -> str:
    from kubedock.kube import deployment

    return deployment.manifests("role", namespace="ci", image="")


def _role() -> str:
    return f"```yaml\n{_rights().strip()}\n```\n"


def _clients() -> str:
    """The versions come from the files that choose them."""
    python = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    java = (SAMPLES / "java" / "pom.xml").read_text()
    node = json.loads((SAMPLES / "node" / "package.json").read_text())["devDependencies"]
    version = re.search("<testcontainers.version>(.*)</testcontainers.version>", java)
    assert version is not None
    rows = (
        ("docker-py", python["docker"], "the cluster suite, many-at-once tests"),
        (
            "testcontainers-python",
            python["testcontainers"],
            "`tests/samples/python`: PostgreSQL with psycopg, Redis, nginx, a network",
        ),
        ("testcontainers-java", version[1], "`tests/samples/java`: JUnit 5, Maven, PostgreSQL with JDBC, nginx, a network"),
        ("testcontainers for Node", node["testcontainers"], "`tests/samples/node`: node:test, Redis, PostgreSQL, nginx, a network"),
    )
    lines = ["| client | version | what runs |", "|---|---|---|", *(f"| {name} | {one} | {what} |" for name, one, what in rows)]
    return "\n".join(lines) + "\n"


PARTS: dict[str, Callable[[], str]] = {
    "settings": _settings,
    "compatibility": _compatibility,
    "options": _options,
    "role": _role,
    "clients": _clients,
}
PAGES = {
    "settings": "settings.md",
    "compatibility": "compatibility.md",
    "options": "options.md",
    "role": "deployment.md",
    "clients": "clients.md",
}


FILES: dict[str, Callable[[], str]] = {"ci/rights.yaml": _rights}
"""Whole files."""


def page(name: str) -> Path:
    """The page that holds this part."""
    return DOCS / PAGES[name]


def made(name: str) -> str:
    """The page's text as it should be."""
    text = page(name).read_text()
    pattern = re.compile(rf"(<!-- {name}: begin [^\n]*-->\n).*?(<!-- {name}: end -->)", re.DOTALL)
    new, count = pattern.subn(lambda match: f"{match[1]}\n{PARTS[name]()}\n{match[2]}", text)
    assert count == 1, f"{page(name).name} needs the markers of {name}, once"
    return new


if __name__ == "__main__":
    for part in PARTS:
        page(part).write_text(made(part))
    for file, make in FILES.items():
        (DOCS / file).write_text(make())
