"""Where the material beside the project lies: Docker's contract and the test cluster."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("KUBEDOCK_SHARED", ROOT.parent / "shared"))
ENGINE_API = SHARED / "docker" / "engine-api-v1.47.yaml"


def shared(path: Path) -> Path:
    """The path, or a skip that says what is missing."""
    if not path.exists():
        pytest.skip(f"{path.name} is not on this machine")
    return path
