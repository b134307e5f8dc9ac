"""Texts of settings into values. Each function raises ValueError with a sentence that says what it would have taken."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kubedock.errors import no_cluster

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_WORD = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_DURATION = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:h|ms|us|µs|ns|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_QUANTITY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:([eE][-+]?\d{1,2})|(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei))?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_OURS = frozenset({"kubedock", "kubedock.id", "kubedock.containerid", "kubedock.run", "app.kubernetes.io/managed-by"})
_LONGEST = 366 * 24 * 3600.0
_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]*")
_PULL_POLICIES = {
    "": "IfNotPresent",
    "default": "IfNotPresent",
    "ifnotpresent": "IfNotPresent",
    "notpresent": "IfNotPresent",
    "always": "Always",
    "allways": "Always",  # the Go project takes this spelling too
    "never": "Never",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. ``host`` is a name or an address, "" for all addresses; port 0 is any that is free."""

    host: str
    port: int

    @property
    def everywhere(self) -> bool:
        """Other machines reach it."""
        return self.host in {"", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Share:
    """What a container requests and may use at most; a limit of 0 is none."""

    request: int
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Mirror:
    """A registry that stands for others: ``url`` has the images whose names begin with ``prefix`` ("" is all of them).

    Its path is what their repositories begin with there.
    """

    prefix: str
    url: str

    def __str__(self) -> str:
        return f"{self.prefix}={self.url}" if self.prefix else self.url

    @property
    def host(self) -> str:
        """``HOST[:PORT]``."""
        return urlsplit(self.url).netloc

    @property
    def plain(self) -> bool:
        """It speaks HTTP without TLS."""
        return self.url.startswith("http:")

    def serves(self, name: str) -> bool:
        """Whether it has images of this name (registry and repository). ``quay.io/a`` is no prefix of ``quay.io/ab``."""
        return not self.prefix or f"{name}/".startswith(f"{self.prefix}/")

    def repository(self, name: str) -> str:
        """What a repository is called there."""
        return "/".join(filter(None, (urlsplit(self.url).path.strip("/"), name)))


def text(given: str) -> str:
    """Anything on one line."""
    if any(ord(c) < 32 for c in given):
        raise ValueError("control characters are not allowed")
    return given


def optional(parse: Callable[[str], str]) -> Callable[[str], str]:
    """What ``parse`` takes, or nothing."""
    return lambda given: parse(given) if given else ""


def word(*words: str) -> Callable[[str], str]:
    """One of these words."""

    def parse(given: str) -> str:
        if given.lower() not in words:
            raise ValueError(f"{given!r} is none of {', '.join(words)}")
        return given.lower()

    return parse


def folder(given: str) -> str:
    """The path of a folder, which may not be there yet; ``~`` is the home."""
    path = Path(text(given)).expanduser()
    if path.exists() and not path.is_dir():
        raise ValueError(f"{given!r} is not a folder")
    return str(path)


def network(given: str) -> IPv4Network:
    """An IPv4 network in CIDR notation that has room for containers."""
    try:
        found = IPv4Network(given)
    except ValueError as error:
        raise ValueError(f"{given!r} is not a network (write 198.18.64.0/18): {error}") from None
    if not 8 <= found.prefixlen <= 28:
        raise ValueError(f"{given!r} must have between 8 and 28 bits")
    return found


def address(given: str) -> Address | None:
    """``host:port``, ``:port`` for all addresses, ``[::1]:port``, or ``none``."""
    if given.lower() == "none":
        return None
    match = re.fullmatch(r"(?:tcp://)?(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:/\s]*)):(\d{1,5})", given)
    if match is None or int(match[3]) > 65535:
        raise ValueError(f"{given!r} is not an address (write 127.0.0.1:8999, :8999, [::1]:8999 or none)")
    return Address(match[1] or match[2] or "", int(match[3]))


def duration(given: str) -> float:
    """Go's ``1m30s``, or plain seconds."""
    number = re.fullmatch(r"\d+(\.\d+)?", given)
    parts = _DURATION.findall(given)
    if number is None and (not parts or "".join(parts) != given):
        raise ValueError(f"{given!r} is not a duration (write 90, 90s or 1m30s)")
    seconds = float(given) if number else sum(_part(part) for part in parts)
    if seconds > _LONGEST:
        raise ValueError(f"{given!r} is longer than a year")
    return seconds


def _part(part: str) -> float:
    number = part.rstrip("hmsuµn")
    return float(number) * _SECONDS[part[len(number) :]]


def positive_duration(given: str) -> float:
    """A duration that is not 0."""
    seconds = duration(given)
    if not seconds:
        raise ValueError("must be longer than 0")
    return seconds


def quantity(given: str) -> Decimal:
    """Kubernetes' ``500m``, ``1.5Gi``, ``1e3``."""
    match = _QUANTITY.fullmatch(given)
    if match is None:
        raise ValueError(f"{given!r} is not a quantity (write 500m, 2 or 64Mi)")
    number = Decimal(match[1] + (match[2] or ""))
    if match[3] in _BINARY:
        return number * (1 << _BINARY[match[3]])
    return number.scaleb(_DECIMAL[match[3]]) if match[3] else number


def _share(given: str, unit: int) -> Share:
    """``request[,limit]``; ``,limit`` alone is both."""
    request, comma, limit = given.partition(",")
    if comma and not limit:
        raise ValueError(f"{given!r} has a comma but no limit after it")
    sizes = [int(quantity(part.strip()) * unit) for part in (request or limit, limit or "0")]
    share = Share(*sizes)
    if not share.request or (comma and not share.limit):
        raise ValueError(f"{given!r} must be more than 0")
    if share.limit and share.request > share.limit:
        raise ValueError(f"the request {request} is more than the limit {limit}")
    return share


def cpu_share(given: str) -> Share:
    """CPUs as ``request[,limit]``, in billionths."""
    return _share(given, 10**9)


def memory_share(given: str) -> Share:
    """Memory as ``request[,limit]``, in bytes."""
    return _share(given, 1)


def dns_label(given: str) -> str:
    """A name as Kubernetes wants it for namespaces."""
    if not _DNS_LABEL.fullmatch(given):
        raise ValueError(f"{given!r} is not a valid name (lower-case letters, digits and '-', at most 63)")
    return given


def dns_subdomain(given: str) -> str:
    """A name as Kubernetes wants it for most objects."""
    if len(given) > 253 or not _DNS_SUBDOMAIN.fullmatch(given):
        raise ValueError(f"{given!r} is not a valid name (lower-case letters, digits, '-' and '.', at most 253)")
    return given


def name_prefix(given: str) -> str:
    """What pod names can begin with: short enough to leave room for the rest."""
    if len(given) > 32 or not _DNS_LABEL.fullmatch(given):
        raise ValueError(f"{given!r} is not a valid prefix (lower-case letters, digits and '-', at most 32)")
    return given


def names(given: str) -> tuple[str, ...]:
    """``name[,name]``."""
    return tuple(dns_subdomain(part.strip()) for part in given.split(",") if part.strip())


def boolean(given: str) -> bool:
    """``true`` or ``false``, ``1`` or ``0``, ``yes`` or ``no``, ``on`` or ``off``."""
    try:
        return _BOOLEANS[given.lower()]
    except KeyError:
        raise ValueError(f"{given!r} is neither true nor false") from None


def mirrors(given: Sequence[str]) -> tuple[Mirror, ...]:
    """Registries that stand for others: ``http://127.0.0.1:5000``, ``docker.io=https://mirror.example/hub``."""
    return tuple(_mirror(text(one.strip())) for one in given if one.strip())


def _mirror(given: str) -> Mirror:
    prefix, equals, _ = given.partition("://")[0].partition("=")
    url = given.removeprefix(f"{prefix}=") if equals else given
    parts = urlsplit(url if "://" in url else f"https://{url}")
    known = parts.scheme in ("http", "https") and not parts.query and not parts.fragment and "@" not in parts.netloc
    if not known or not _host(parts.netloc) or (equals and not _PREFIX.fullmatch(prefix)):
        raise ValueError(f"{given!r} is no mirror (write [PREFIX=]URL, such as http://127.0.0.1:5000)")
    return Mirror(prefix.strip("/") if equals else "", parts.geturl().rstrip("/"))


def _host(netloc: str) -> bool:
    """``HOST[:PORT]``."""
    try:
        parts = urlsplit(f"//{netloc}")
        return bool(parts.hostname) and (parts.port is None or parts.port > 0) and not any(c.isspace() for c in netloc)
    except ValueError:
        return False


def hosts(given: Sequence[str]) -> tuple[str, ...]:
    """``HOST[:PORT]``, without a scheme."""
    for host in given:
        if "/" in host or "@" in host or not _host(host):
            raise ValueError(f"{host!r} is not HOST or HOST:PORT")
    return tuple(given)


def pull_policy(given: str) -> str:
    """Kubernetes' word for an image pull policy, written as anybody would."""
    try:
        return _PULL_POLICIES[given.lower()]
    except KeyError:
        raise ValueError(f"{given!r} is none of ifnotpresent, always, never") from None


def user(given: str) -> int | None:
    """A numeric user id, or nothing."""
    if not given:
        return None
    if not given.isascii() or not given.isdigit() or int(given) > 2**31 - 1:
        raise ValueError(f"{given!r} is not a user id (write a number)")
    return int(given)


def deadline(given: str) -> int | None:
    """Seconds; negative for none."""
    try:
        seconds = int(given)
    except ValueError:
        raise ValueError(f"{given!r} is not a number of seconds") from None
    if not seconds or seconds > 2**31 - 1:
        raise ValueError("must be at least 1, or -1 for no limit")
    return seconds if seconds > 0 else None


def verbosity(given: str) -> int:
    """0 to 9."""
    if not re.fullmatch(r"[0-9]", given):
        raise ValueError(f"{given!r} is not a level from 0 to 9")
    return int(given)


def kubeconfig(given: str) -> str:
    """A path, or several as in KUBECONFIG, of which one must exist."""
    if not any(Path(part).expanduser().is_file() for part in given.split(":") if part):
        raise ValueError(no_cluster(f"there is no file {given}"))
    return given


def _pair(given: str) -> tuple[str, str]:
    key, equals, value = given.partition("=")
    if not equals or not key.strip():
        raise ValueError(f"{given!r} is not KEY=VALUE")
    return key.strip(), value.strip()


def _label_key(key: str) -> str:
    prefix, slash, name = key.rpartition("/")
    if not _LABEL_WORD.fullmatch(name) or (slash and (len(prefix) > 253 or not _DNS_SUBDOMAIN.fullmatch(prefix))):
        raise ValueError(
            f"{key!r} is not a valid key for Kubernetes (letters, digits, '-', '_' and '.', after an optional domain and '/')"
        )
    return key


def _label_value(value: str) -> str:
    if value and not _LABEL_WORD.fullmatch(value):
        raise ValueError(f"{value!r} is not a valid value for Kubernetes (letters, digits, '-', '_' and '.', at most 63)")
    return value


def node_selector(given: str) -> dict[str, str]:
    """``key=value[,key=value]``."""
    pairs = (_pair(part) for part in given.split(",") if part.strip())
    return {_label_key(key): _label_value(value) for key, value in pairs}


def labels(given: Sequence[str]) -> dict[str, str]:
    """Labels that are valid and not kubedock's own."""
    found = {_label_key(key): _label_value(value) for key, value in map(_pair, given)}
    for key in sorted(_OURS & found.keys()):
        raise ValueError(f"{key} is a label that kubedock sets itself")
    return found


def annotations(given: Sequence[str]) -> dict[str, str]:
    """Annotations: any value."""
    return {_label_key(key): value for key, value in map(_pair, given)}


def pod_template(given: str) -> dict[str, Any]:
    """The Pod in a file, as a dict; ``{}`` for no file."""
    if not given:
        return {}
    import yaml  # noqa: PLC0415 - costs a tenth of a second that most starts need not pay

    try:
        found = yaml.safe_load(Path(given).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot read {given}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{given} is not YAML: {' '.join(str(error).split())}") from error
    return _pod(given, found)


def _pod(path: str, found: Any) -> dict[str, Any]:
    if not isinstance(found, dict) or found.get("kind") != "Pod" or found.get("apiVersion", "v1") != "v1":
        raise ValueError(f"{path} does not hold a Pod (kind: Pod, apiVersion: v1)")
    if not all(isinstance(found.get(key, {}), Mapping) for key in ("metadata", "spec")):
        raise ValueError(f"{path}: metadata and spec must be mappings")
    containers = found.get("spec", {}).get("containers", [])
    if not isinstance(containers, list) or not all(isinstance(one, Mapping) for one in containers):
        raise ValueError(f"{path}: spec.containers must be a list of mappings")
    return found
