"""Image references, by the grammar of the distribution project.

::

    [registry/]path[:tag][@digest]

A registry has a dot, a port, an upper case letter or is ``localhost``; without one it is Docker Hub, whose one-part names
live in ``library/``. ``parse`` normalises; every reference that it returns prints and parses to itself.
"""

import re
from dataclasses import dataclass, replace

from kubedock.domain import ids
from kubedock.errors import InvalidParameter

HUB, HUB_LEGACY, OFFICIAL = "docker.io", "index.docker.io", "library/"
DEFAULT_TAG = "latest"
NAME_LENGTH = 255

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*):([0-9a-fA-F]{32,})")
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


@dataclass(frozen=True, slots=True)
class Reference:
    """A normalised reference. ``tag`` and ``digest`` are "" where none was given."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def effective_tag(self) -> str:
        """The tag that is meant: ``latest`` where neither tag nor digest is given."""
        return self.tag or ("" if self.digest else DEFAULT_TAG)

    @property
    def name(self) -> str:
        """Registry and repository: ``docker.io/library/alpine``."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar_name(self) -> str:
        """The name as people write it: ``alpine``, ``me/app``, ``quay.io/me/app``."""
        if self.registry != HUB:
            return self.name
        bare = self.repository.removeprefix(OFFICIAL)
        # "library/" may be left out only where reading the rest brings it back.
        return bare if "/" not in bare and bare != "localhost" else self.repository

    @property
    def canonical(self) -> str:
        """The whole reference with everything spelled out: ``docker.io/library/alpine:latest``."""
        return self.name + self._suffix

    @property
    def familiar(self) -> str:
        """The whole reference as Docker shows it: ``alpine:latest``."""
        return self.familiar_name + self._suffix

    @property
    def stored(self) -> "Reference":
        """What it is known by: as in Docker a digest names an image alone, whatever tag stands before it."""
        return replace(self, tag="") if self.digest else self

    @property
    def image_id(self) -> str:
        """The id of an image on trust that this reference names."""
        return ids.image_id(self.stored.canonical)

    @property
    def _suffix(self) -> str:
        tag = f":{self.effective_tag}" if self.effective_tag else ""
        return tag + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> Reference:
    """Read a reference; InvalidParameter with Docker's sentence for what is none."""
    if ids.is_full(text):
        raise InvalidParameter(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    rest, at, digest = text.partition("@")
    registry, path = _split_registry(rest)
    path, colon, tag = path.partition(":")
    if path != path.lower():
        raise InvalidParameter(f"invalid reference format: repository name ({path}) must be lowercase")
    if _REGISTRY.fullmatch(registry) is None or _PATH.fullmatch(path) is None or (colon and _TAG.fullmatch(tag) is None):
        raise InvalidParameter("invalid reference format")
    if len(path) + (0 if registry == HUB else len(registry)) > NAME_LENGTH:
        raise InvalidParameter("repository name must not be more than 255 characters")
    return Reference(registry, path, tag, _digest(digest) if at else "")


def with_tag(reference: Reference, tag: str) -> Reference:
    """The same image with another tag or digest, as ``images/create?fromImage=&tag=`` and ``docker tag`` give it."""
    if _DIGEST.fullmatch(tag) is not None:
        return replace(reference, tag="", digest=_digest(tag))
    if _TAG.fullmatch(tag) is None:
        raise InvalidParameter("invalid tag format")
    return replace(reference, tag=tag, digest="")


def _split_registry(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    known = slash and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    registry, path = (first, rest) if known else (HUB, text)
    if registry == HUB_LEGACY:
        registry = HUB
    if registry == HUB and "/" not in path:
        path = OFFICIAL + path
    return registry, path


def _digest(text: str) -> str:
    found = _DIGEST.fullmatch(text)
    if found is None:
        raise InvalidParameter("invalid reference format")
    length = _DIGEST_LENGTHS.get(found[1])
    if length is None:
        raise InvalidParameter("unsupported digest algorithm")
    if len(found[2]) != length or found[2] != found[2].lower():
        raise InvalidParameter("invalid checksum digest length" if len(found[2]) != length else "invalid checksum digest format")
    return text
