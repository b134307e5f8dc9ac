"""The sample suites: every version is chosen, and no file names where it comes from."""

import json
import re
import xml.etree.ElementTree as ET

from tests.support.documents import SAMPLES

MAVEN = "{http://maven.apache.org/POM/4.0.0}"


def test_node_packages_are_pinned_by_their_content_alone() -> None:
    """The lock file has a checksum for each, and no address: npm asks the registry that the machine has."""
    lock = json.loads((SAMPLES / "node" / "package-lock.json").read_text())["packages"]
    wanted = json.loads((SAMPLES / "node" / "package.json").read_text())
    direct = {**wanted["devDependencies"], **wanted["optionalDependencies"]}

    assert lock[""]["devDependencies"] | lock[""]["optionalDependencies"] == direct
    assert {name: lock[f"node_modules/{name}"]["version"] for name in direct} == direct
    assert [name for name, one in lock.items() if name and ("integrity" not in one or "resolved" in one)] == []


def test_maven_artifacts_are_pinned() -> None:
    """Dependencies and plugins, all of them with a version; no repository."""
    project = ET.parse(SAMPLES / "java" / "pom.xml").getroot()
    named = [*project.iter(f"{MAVEN}dependency"), *project.iter(f"{MAVEN}plugin")]
    versions = [one.findtext(f"{MAVEN}version", "") for one in named]

    assert len(versions) > 5
    assert [version for version in versions if not re.fullmatch(r"\d[\w.]*|\$\{testcontainers\.version\}", version)] == []
    assert not [*project.iter(f"{MAVEN}repository")]
