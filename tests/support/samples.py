"""The sample suites of ``tests/samples``: what a user's project is, run as it would be.

What a suite needs from a package registry is fetched once, into a folder that is kept; every run is offline, as inside of the
cluster's network there is no registry. Each run has a copy of the sample, and leaves a report in JUnit's format.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.documents import SAMPLES
from tests.support.realcluster import absent

KEPT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubedock-tests"

FETCHING = 540
"""Seconds for what comes from a registry."""
RUNNING = 150
"""Seconds for a suite."""

NOT_OURS = ("DOCKER_", "TESTCONTAINERS_", "TC_", "RYUK_", "PYTEST_", "COMPOSE_", "KUBE")
"""What variables begin with that would change what a client does."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A copy of a sample, and the command that runs it. ``language`` is Testcontainers' word for it."""

    language: str
    folder: Path
    argv: tuple[str, ...]

    def run(self, docker_host: str, prefix: tuple[str, ...] = ()) -> dict[str, str]:
        """Run it against a server, which must be a success; how each of its tests ended: ``passed``, ``failed``, ``skipped``."""
        for old in self.folder.glob("**/*.xml"):
            if old.name != "pom.xml":
                old.unlink()
        _done(prefix + self.argv, self.folder, {"DOCKER_HOST": docker_host}, seconds=RUNNING)
        return outcomes(self.folder)


def outcomes(folder: Path) -> dict[str, str]:
    """How each test of the JUnit reports in a folder ended, by its name."""
    found = {}
    for report in folder.glob("**/*.xml"):
        for case in ET.parse(report).iter("testcase"):
            marks = {child.tag for child in case}
            failed, skipped = marks & {"failure", "error"}, "skipped" in marks
            found[f"{case.get('classname')}.{case.get('name')}"] = "failed" if failed else "skipped" if skipped else "passed"
    return found


def python_suite(folder: Path) -> Suite:
    """pytest with testcontainers-python, of the environment that the tests themselves run in."""
    _copy("python", folder)
    return Suite("python", folder, (sys.executable, "-m", "pytest", "-q", "--junitxml=report.xml", "suite.py"))


def java_suite(folder: Path) -> Suite:
    """JUnit 5 with testcontainers-java, built and run by Maven."""
    _needs("mvn", "javac")
    _copy("java", folder)
    maven = ("mvn", "-q", "-B", f"-Dmaven.repo.local={KEPT / 'maven'}")
    fetched = KEPT / "maven" / f"{_digest(folder / 'pom.xml')}.fetched"
    if not fetched.exists():
        _done((*maven, "dependency:go-offline"), folder, seconds=FETCHING)
        # Surefire chooses its provider when it runs: a run of no test brings it.
        _done((*maven, "test", "-Dgroups=none"), folder, seconds=FETCHING)
        fetched.touch()
    return Suite("java", folder, (*maven, "-o", "test"))


def node_suite(folder: Path) -> Suite:
    """node:test with testcontainers for Node, run by npm, on the Node.js that its lock file names."""
    _needs("npm")
    sample = _copy("node", folder)
    kept = KEPT / "node" / _digest(folder / "package-lock.json")
    if not kept.exists():
        fresh = folder.with_name(f"{folder.name}-fetched")
        fresh.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(sample / name, fresh)
        _done(("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"), fresh, seconds=FETCHING)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(fresh, kept)
    (folder / "node_modules").symlink_to(kept / "node_modules")
    report = ("--test-reporter=junit", "--test-reporter-destination=report.xml")
    return Suite("node", folder, ("npm", "--offline", "test", "--", *report))


def _copy(name: str, folder: Path) -> Path:
    sample = SAMPLES / name
    shutil.copytree(sample, folder, ignore=shutil.ignore_patterns("node_modules", "target", "__pycache__"))
    return sample


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            absent(f"{program} is not on this machine")


def _done(argv: tuple[str, ...], folder: Path, environ: Mapping[str, str] | None = None, *, seconds: float) -> None:
    """Run to the end, which must be a success within this time."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
    done = subprocess.run(
        argv, cwd=folder, env={**clean, **(environ or {})}, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, f"{' '.join(argv)}: {done.returncode}\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}"
