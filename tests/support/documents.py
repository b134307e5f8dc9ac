"""The parts of the documentation that are made from the code; ``python -m tests.support.documents`` writes them."""

import re
from collections.abc import Callable
from pathlib import Path

from tests.support.shared import ROOT

DOCS = ROOT / "docs"


def _settings() -> str:
    from kubedock import settings

    return settings.table()


def _compatibility() -> str:
    from kubedock.api import groups

    return groups.markdown()


def _options() -> str:
    from kubedock.dockerapi import options

    return options.markdown()


def _role() -> str:
    from kubedock.kube import deployment

    return f"```yaml\n{deployment.manifests('role', namespace='ci', image='').strip()}\n```\n"


PARTS: dict[str, Callable[[], str]] = {
    "settings": _settings,
    "compatibility": _compatibility,
    "options": _options,
    "role": _role,
}
PAGES = {"settings": "settings.md", "compatibility": "compatibility.md", "options": "options.md", "role": "deployment.md"}


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
