"""Manifests and configurations, read: the OCI image format and Docker's schema 2. Pure.

What a registry sends is not trusted: every shape that is none of these is Malformed, with a sentence.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kubedock.domain.imageconfig import HistoryEntry, ImageConfig, Layer
from kubedock.errors import System

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
SCHEMA_1 = ("application/vnd.docker.distribution.manifest.v1+json", "application/vnd.docker.distribution.manifest.v1+prettyjws")

INDEXES, MANIFESTS = (OCI_INDEX, DOCKER_LIST), (OCI_MANIFEST, DOCKER_MANIFEST)
ACCEPTED = (*INDEXES, *MANIFESTS)

LARGEST_LAYER, LARGEST_NUMBER = 1 << 40, (1 << 63) - 1
_HEALTH_NUMBERS = ("Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")
_OLDER_ARM = ("v8", "v7", "v6", "v5")
"""What a 32-bit ARM processor runs: its own variant, and those after it."""


class Malformed(System):
    """A registry's answer that is not what the protocol says."""


@dataclass(frozen=True, slots=True)
class Platform:
    """``linux/arm64/v8`` in parts; ``variant`` "" fits any."""

    os: str = "linux"
    architecture: str = "amd64"
    variant: str = ""

    def __str__(self) -> str:
        """As Docker writes it."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def fits(self, wanted: "Platform") -> bool:
        """An image for this platform can be had by one who wants that one."""
        same = (self.os, self.architecture) == (wanted.os, wanted.architecture)
        return same and (not wanted.variant or _variant(self) in _variants(wanted))

    @classmethod
    def parse(cls, text: str) -> "Platform":
        """Of ``os/architecture[/variant]``; an architecture alone is Linux's."""
        parts = text.lower().split("/")
        if len(parts) == 1:
            parts = ["linux", *parts] if parts[0] not in ("linux", "windows") else [*parts, "amd64"]
        architecture = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64"}.get(parts[1], parts[1])
        return cls(parts[0], architecture, parts[2] if len(parts) > 2 else "")


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A manifest of an index, and the platform that it is for."""

    digest: str
    media_type: str
    platform: Platform


@dataclass(frozen=True, slots=True)
class Manifest:
    """One platform's manifest."""

    config_digest: str
    config_size: int
    layers: tuple[Layer, ...]


def parse(body: bytes, media_type: str) -> tuple[Descriptor, ...] | Manifest:
    """An index's manifests, or a manifest. ``media_type`` is the answer's; the body's own counts more."""
    whole = _object(body, "manifest")
    kind = _text(whole.get("mediaType")) or media_type.partition(";")[0].strip()
    if kind in SCHEMA_1 or whole.get("schemaVersion") == 1:
        raise Malformed("its manifest has schema version 1, which is no longer supported")
    if kind in INDEXES or (kind not in MANIFESTS and "manifests" in whole):
        return tuple(_descriptor(item) for item in _list(whole.get("manifests"), "manifests") if not _attestation(item))
    if kind not in MANIFESTS and "config" not in whole:
        raise Malformed(f"its manifest is of an unknown kind: {kind or 'none'}")
    config = _mapping(whole.get("config"), "config")
    layers = tuple(
        Layer(_digest(each.get("digest")), _size(each.get("size")))
        for each in (_mapping(item, "layer") for item in _list(whole.get("layers"), "layers"))
    )
    return Manifest(_digest(config.get("digest")), _size(config.get("size")), layers)


def choose(manifests: tuple[Descriptor, ...], wanted: Platform) -> Descriptor | None:
    """The manifest for a platform: the variant asked for, then what its processor runs as well; the first of equals."""
    fitting = [each for each in manifests if (each.platform.os, each.platform.architecture) == (wanted.os, wanted.architecture)]
    if not wanted.variant:
        return next(iter(fitting), None)
    return next((each for variant in _variants(wanted) for each in fitting if _variant(each.platform) == variant), None)


def _variant(platform: Platform) -> str:
    """64-bit ARM has one variant, which most images leave out."""
    return "" if (platform.architecture, platform.variant) == ("arm64", "v8") else platform.variant


def _variants(wanted: Platform) -> tuple[str, ...]:
    if wanted.architecture == "arm" and wanted.variant in _OLDER_ARM:
        return _OLDER_ARM[_OLDER_ARM.index(wanted.variant) :]
    return (_variant(wanted),)


def parse_config(body: bytes) -> ImageConfig:
    """An image's configuration."""
    return config_of(_object(body, "configuration"))


def config_of(whole: Mapping[str, Any]) -> ImageConfig:
    """The same, of its JSON object."""
    run = _mapping(whole.get("config"), "config") if whole.get("config") is not None else {}
    root = _mapping(whole.get("rootfs"), "rootfs") if whole.get("rootfs") is not None else {}
    healthcheck = run.get("Healthcheck")
    return ImageConfig(
        architecture=_text(whole.get("architecture")),
        os=_text(whole.get("os")),
        variant=_text(whole.get("variant")),
        created=_moment(whole.get("created")),
        author=_text(whole.get("author")),
        entrypoint=_words(run.get("Entrypoint")),
        command=_words(run.get("Cmd")),
        env=_words(run.get("Env")) or (),
        user=_text(run.get("User")),
        working_dir=_text(run.get("WorkingDir")),
        ports=_keys(run.get("ExposedPorts")),
        volumes=_keys(run.get("Volumes")),
        labels={str(key): _text(value) for key, value in _mapping(run.get("Labels") or {}, "Labels").items()},
        stop_signal=_text(run.get("StopSignal")),
        shell=_words(run.get("Shell")),
        on_build=_words(run.get("OnBuild")),
        healthcheck=_healthcheck(_mapping(healthcheck, "Healthcheck")) if healthcheck else None,
        args_escaped=run.get("ArgsEscaped") is True,
        diff_ids=_words(root.get("diff_ids")) or (),
        history=tuple(_history(item) for item in _list(whole.get("history") or [], "history")),
    )


def _history(item: Any) -> HistoryEntry:
    step = _mapping(item, "history")
    return HistoryEntry(
        _moment(step.get("created")), _text(step.get("created_by")), _text(step.get("comment")), step.get("empty_layer") is True
    )


def _healthcheck(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Docker's own shape, of which only what makes sense is taken over."""
    test = _words(value.get("Test"))
    numbers = {key: value[key] for key in _HEALTH_NUMBERS if type(value.get(key)) is int and 0 <= value[key] <= LARGEST_NUMBER}
    return {**({"Test": list(test)} if test else {}), **numbers} or None


def _attestation(item: Any) -> bool:
    """BuildKit puts its attestations beside the images, as manifests for an unknown platform."""
    each = _mapping(item, "manifest")
    annotations = each.get("annotations")
    named = isinstance(annotations, Mapping) and "vnd.docker.reference.type" in annotations
    platform = each.get("platform")
    return named or (isinstance(platform, Mapping) and platform.get("os") == "unknown")


def _descriptor(item: Any) -> Descriptor:
    each = _mapping(item, "manifest")
    platform = _mapping(each.get("platform") or {}, "platform")
    shown = Platform(
        _text(platform.get("os")) or "linux", _text(platform.get("architecture")) or "amd64", _text(platform.get("variant"))
    )
    return Descriptor(_digest(each.get("digest")), _text(each.get("mediaType")), shown)


# --- shapes ----------------------------------------------------------------------------------------------------------


def _object(body: bytes, what: str) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(body), what)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"its {what} is no JSON object") from error


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"its {what} is malformed")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise Malformed(f"its {what} are malformed")
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _words(value: Any) -> tuple[str, ...] | None:
    """A list of texts. A text alone (old images) is one word."""
    if isinstance(value, str):
        return (value,)
    return tuple(_text(word) for word in value) if isinstance(value, list) else None


def _keys(value: Any) -> tuple[str, ...]:
    return tuple(str(key) for key in value) if isinstance(value, dict) else ()


def _size(value: Any) -> int:
    """0 for what no layer has: clients add sizes up in 64 bits."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_LAYER else 0


def _digest(value: Any) -> str:
    text = _text(value)
    algorithm, colon, digits = text.partition(":")
    if not (algorithm == "sha256" and colon and len(digits) == 64 and set(digits) <= set("0123456789abcdef")):
        raise Malformed(f"it names a digest that is none: {text[:80] or 'nothing'}")
    return text


def _moment(value: Any) -> datetime | None:
    text = _text(value)
    try:
        moment = datetime.fromisoformat(text) if text and not text.startswith("0001-01-01") else None
        # A zone may lead out of the calendar.
        return None if moment is None else (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
