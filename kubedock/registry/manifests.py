"""Manifests and configurations, read: the OCI image format and Docker's schema 2. Pure.

What a registry sends is not trusted: every shape that is none of these is Malformed, with a sentence.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kubedock.domain.imageconfig import HistoryEntry, ImageConfig, Layer
from kubedock.errors import InvalidParameter, System

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
SCHEMA_1 = ("application/vnd.docker.distribution.manifest.v1+json", "application/vnd.docker.distribution.manifest.v1+prettyjws")

INDEXES, MANIFESTS = (OCI_INDEX, DOCKER_LIST), (OCI_MANIFEST, DOCKER_MANIFEST)
ACCEPTED = (*INDEXES, *MANIFESTS)

LARGEST_LAYER, LARGEST_NUMBER = 1 << 40, (1 << 63) - 1
MOST_VALUES, MOST_ITEMS = 100_000, 4096
"""Of a document, and of a list that is walked: far more than images have, and little enough to be read at once.

Without a limit, three bytes of JSON become an object of hundreds."""
SHOWN = 80
"""So much is shown of a text that a registry has made up."""
_HEALTH_NUMBERS = ("Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")

_CONFIGS = frozenset(
    (
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.oci.image.config.v1+json",
        "application/octet-stream",
        "application/json",
        "text/html",
        "",
    )
)
"""The types of configurations that Docker takes in its own manifests: some old registries say strange things."""
_CLASSES = {"application/vnd.docker.plugin.v1+json": "plugin"}
_OCI_PREFIXES = ("application/vnd.oci.image.", "application/vnd.docker.")

_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
_ARM = ("v8", "v7", "v6", "v5")
"""What a 32-bit ARM processor runs: its own variant, and those after it."""
_ARM64_MINORS = {"v8": 9, "v9": 7}
"""The last minor versions of 64-bit ARM; one of the ninth runs what is five minor versions above it in the eighth."""


class Malformed(System):
    """A registry's answer that is not what the protocol says."""


class NoImage(InvalidParameter):
    """What a reference names is something else, such as a chart or a plugin."""


@dataclass(frozen=True, slots=True)
class Platform:
    """``linux/arm64/v8`` in parts."""

    os: str = "linux"
    architecture: str = "amd64"
    variant: str = ""

    def __str__(self) -> str:
        """As Docker writes it."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def fits(self, wanted: "Platform") -> bool:
        """An image for this platform can be had by one who wants that one. Many images of ARM do not tell their variant."""
        same = (self.os, self.normal.architecture) == (wanted.os, wanted.normal.architecture)
        return self.normal in wanted.runs or (same and not self.variant)

    @property
    def normal(self) -> "Platform":
        """The same platform by its one name: as containerd has it."""
        architecture, variant = _ARCHITECTURES.get(self.architecture, (self.architecture, self.variant))
        if variant[:1].isdigit():
            variant = f"v{variant}"
        variant = variant.removesuffix(".0")
        if (architecture, variant) in (("amd64", "v1"), ("arm64", "v8")):
            variant = ""
        return Platform(self.os, architecture, "v7" if (architecture, variant) == ("arm", "") else variant)

    @property
    def runs(self) -> tuple["Platform", ...]:
        """What its processor runs, the best first: what is older of its kind, and the 32-bit one's."""
        own = self.normal
        match own.architecture:
            case "amd64":
                older = [own.variant, *(f"v{number}" for number in range(_number(own.variant) - 1, 1, -1)), ""]
                others = [("386", "")]
            case "arm64":
                older = _arm64(own.variant or "v8")
                others = [("arm", variant) for variant in _ARM] if older else []
            case "arm":
                older = list(_ARM[_ARM.index(own.variant) :]) if own.variant in _ARM else [own.variant]
                others = []
            case _:
                older, others = [own.variant], []
        pairs = dict.fromkeys([*((own.architecture, variant) for variant in older), *others])
        return tuple(Platform(own.os, architecture, variant).normal for architecture, variant in pairs)

    @classmethod
    def parse(cls, text: str) -> "Platform":
        """Of ``os/architecture[/variant]``; an architecture alone is Linux's."""
        parts = text.lower().split("/")
        if len(parts) == 1:
            parts = ["linux", *parts] if parts[0] not in ("linux", "windows") else [*parts, "amd64"]
        architecture, variant = _ARCHITECTURES.get(parts[1], (parts[1], ""))
        return cls(parts[0], architecture, parts[2] if len(parts) > 2 else variant)


def _number(variant: str) -> int:
    digits = variant.removeprefix("v")
    return int(digits) if digits in ("2", "3", "4") else 1


def _arm64(variant: str) -> list[str]:
    """``v8.2`` runs v8.1 and v8; ``v9.1`` runs v9 and v8.6 as well. Empty for what is none of these."""
    major, _, minor = variant.partition(".")
    if major not in _ARM64_MINORS or (minor or "0") not in map(str, range(_ARM64_MINORS[major] + 1)):
        return []
    last = int(minor or "0")
    own = [f"{major}.{number}" for number in range(last, -1, -1)]
    return own if major == "v8" else [*own, *(f"v8.{number}" for number in range(min(last + 5, _ARM64_MINORS["v8"]), -1, -1))]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A manifest of an index, and the platform that it is for; None where the index does not say."""

    digest: str
    media_type: str
    platform: Platform | None


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
    layers = [_mapping(item, "layer") for item in _list(whole.get("layers"), "layers")]
    _check_types(kind, _text(config.get("mediaType")), (_text(each.get("mediaType")) for each in layers))
    blobs = tuple(Layer(_digest(each.get("digest")), _size(each.get("size"))) for each in layers)
    return Manifest(_digest(config.get("digest")), _size(config.get("size")), blobs)


def _check_types(kind: str, config: str, layers: Iterable[str]) -> None:
    """Charts, signatures, plugins and models live in registries, too. Docker's rules and words. NoImage."""
    if kind == DOCKER_MANIFEST and config not in _CONFIGS:
        raise NoImage(f'Encountered remote "{config[:SHOWN]}"({_CLASSES.get(config, "unknown")}) when fetching')
    for media_type in (config, *layers):
        low = media_type.lower()
        if low.startswith("application/vnd.docker.ai."):
            raise NoImage('AI models are not yet supported by the Engine, please use "docker model pull/run" instead')
        if low not in _CONFIGS and not low.startswith(_OCI_PREFIXES):
            raise NoImage(f"unsupported media type {media_type[:SHOWN]}")


def choose(manifests: tuple[Descriptor, ...], wanted: Platform) -> Descriptor | None:
    """The manifest for a platform: the one that its processor runs best, the first of equals.

    One whose platform the index does not tell may be for any, and comes last.
    """
    for runnable in wanted.runs:
        for each in manifests:
            if each.platform is not None and each.platform.normal == runnable:
                return each
    return next((each for each in manifests if each.platform is None), None)


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
        history=tuple(_history(item) for item in _list(whole.get("history") or [], "steps of history")),
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
    os, architecture, variant = (_text(platform.get(key)).lower() for key in ("os", "architecture", "variant"))
    shown = Platform(os or "linux", architecture or "amd64", variant) if platform else None
    return Descriptor(_digest(each.get("digest")), _text(each.get("mediaType")), shown)


# --- shapes ----------------------------------------------------------------------------------------------------------


def _object(body: bytes, what: str) -> Mapping[str, Any]:
    # Counted in the bytes, where it costs nothing: no value is without one of these, but for the first of a list.
    if sum(body.count(sign) for sign in (b",", b"[", b"{")) > MOST_VALUES:
        raise Malformed(f"its {what} has more than {MOST_VALUES} values")
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
    if len(value) > MOST_ITEMS:
        raise Malformed(f"its {what} are more than {MOST_ITEMS}")
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
        raise Malformed(f"it names a digest that is none: {text[:SHOWN] or 'nothing'}")
    return text


def _moment(value: Any) -> datetime | None:
    text = _text(value)
    try:
        moment = datetime.fromisoformat(text) if text and not text.startswith("0001-01-01") else None
        # A zone may lead out of the calendar.
        return None if moment is None else (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
