"""The documentation says what the code does."""

import re
import subprocess
from dataclasses import fields

import pytest

from tests.support.documents import DOCS, FILES, PARTS, made, page
from tests.support.shared import ROOT


@pytest.mark.parametrize("name", sorted(PARTS))
def test_what_is_made_from_the_code_is_fresh(name: str) -> None:
    """Else: ``make tables``."""
    assert page(name).read_text() == made(name)


@pytest.mark.parametrize("name", sorted(FILES))
def test_files_that_are_made_from_the_code_are_fresh(name: str) -> None:
    """Else: ``make tables``."""
    assert (DOCS / name).read_text() == FILES[name]()


def test_the_commands_of_the_readme_exist() -> None:
    """Each ``make`` target and each page that it names."""
    text = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()

    targets = set(re.findall(r"\bmake ([a-z-]+)", text))
    assert {"serve", "test"} <= targets
    assert {target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)} == set()
    assert [path for path in re.findall(r"\]\((docs/[^)]+)\)", text) if not (ROOT / path).is_file()] == []


def test_every_target_is_explained() -> None:
    """``make help`` knows what PHONY knows."""
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())  # type: ignore[index]
    output = subprocess.run(
        ("make", "-s", "--no-print-directory", "help"), cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert {line.split()[0] for line in output.splitlines()} == phony


def test_the_labels_are_documented() -> None:
    """All that kubedock puts on objects."""
    from kubedock.kube import labels

    public = {name: value for name, value in vars(labels).items() if name.isupper() and isinstance(value, str)}
    names = {value for value in public.values() if value.startswith("kubedock")}
    text = (DOCS / "deployment.md").read_text()

    assert {name for name in names if f"`{name}`" not in text} == set()


def test_every_page_is_in_the_index() -> None:
    """A page that nobody finds is none."""
    index = (DOCS / "index.md").read_text().split()

    assert {path.stem for path in DOCS.glob("*.md")} - set(index) - {"index"} == set()


def test_ryuks_settings_are_documented() -> None:
    """Each with its default: what the page says is what holds without a setting."""
    from kubedock.domain import ryuk

    rows = re.findall(r"^\| `(RYUK_[A-Z_]+)` \| `([^`]+)` \|", (DOCS / "ryuk.md").read_text(), re.MULTILINE)

    assert ryuk.settings(dict(rows)) == ryuk.Settings()
    assert len(rows) == len(fields(ryuk.Settings))
