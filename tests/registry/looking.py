"""Looks at a registry, in few words."""

import pytest

from kubedock.domain.image import parse
from kubedock.domain.imageconfig import RegistryImage
from kubedock.errors import KubedockError
from kubedock.registry.credentials import ANONYMOUS, Credentials
from kubedock.registry.inspector import Inspector
from kubedock.registry.manifests import Platform

AMD64 = Platform()
NGINX = {"Entrypoint": ["/entry"], "Cmd": ["nginx"], "ExposedPorts": {"80/tcp": {}}, "Env": ["A=1"]}
SECONDS = 5.0


class Clock:
    """Told what time it is."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def look(
    inspector: Inspector, text: str, platform: Platform = AMD64, sent: Credentials = ANONYMOUS, seconds: float = SECONDS
) -> RegistryImage:
    """What the registry has under this."""
    return inspector.look(parse(text), platform, seconds, sent)


def refused(inspector: Inspector, text: str, kind: type[KubedockError], **query: object) -> str:
    """The sentence of a look-up that fails."""
    with pytest.raises(kind) as raised:
        look(inspector, text, **query)  # type: ignore[arg-type]
    return str(raised.value)
