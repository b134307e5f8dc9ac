"""The test images of the shared material: what each reference is built as, by the catalogue and the program that builds them."""

import runpy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubedock.registry.manifests import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from tests.support.realcluster import absent
from tests.support.shared import SHARED

BUILDER = SHARED / "images" / "build_images.py"

KINDS = {"oci": OCI_MANIFEST, "docker": DOCKER_MANIFEST, "index": OCI_INDEX}
"""The catalogue's words for the kinds of manifest."""


@dataclass(frozen=True, slots=True)
class Built:
    """An image: its configuration in OCI's words, and the media type of what its reference names."""

    config: Mapping[str, Any]
    media_type: str


def catalogue() -> dict[str, Built]:
    """All images by whole reference (``docker.io/library/redis:7``)."""
    if not BUILDER.exists():
        absent(f"{BUILDER.name} is not beside the project")
    builder = runpy.run_path(str(BUILDER))
    configs: dict[str, Mapping[str, Any]] = {}
    found = {}
    for image in builder["read_catalogue"](BUILDER.parent / "catalogue.toml").values():
        configs[image.name] = builder["merged_config"](configs.get(image.base, {}), image.config)
        found |= {reference: Built(configs[image.name], KINDS[image.manifest]) for reference in image.references}
    return found
