"""Everything that can be set: one row per setting, read from options, then the environment, then the default.

A row of ``Settings`` is the only place where a setting's option, variables, default and meaning stand: the command
line, the documentation and the tests are made from it. Each setting is also read from ``KUBEDOCK_<NAME>``; the further
names in a row are those of the Go project. An empty variable counts as absent. This is the only module that reads the
environment.

Durations are seconds, memory is bytes, CPU is billionths of one.
"""

# ruff: noqa: RUF009 - the rows of a dataclass are made by functions that return dataclasses.field

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from ipaddress import IPv4Network
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from kubedock import parsing
from kubedock.errors import InvalidParameter
from kubedock.parsing import Address, Mirror, Share

PREFIX = "KUBEDOCK_"

_ABSENT: Any = object()  # None is a value: of "no TCP", for instance

PodSecurity = Literal["auto", "baseline", "restricted"]
Workloads = Literal["auto", "pod", "deployment"]
PortModes = Literal["auto", "direct", "forward"]
LogFormat = Literal["text", "json"]
EmbeddedRuntime = Literal["auto", "runc", "chroot"]
Shape = Literal["one", "flag", "list", "pairs"]
"""Given once, switched on or off, given several times (a variable has commas), or once per key."""


class SettingsError(InvalidParameter):
    """A setting whose value makes no sense; the sentence names the option or the variable that it came from."""


@dataclass(frozen=True, slots=True)
class Option:
    """How one setting is written and read."""

    name: str
    flags: tuple[str, ...]
    variables: tuple[str, ...]
    default: str
    metavar: str
    help: str
    parse: Callable[[Any], Any]
    shape: Shape = "one"

    @property
    def repeatable(self) -> bool:
        """It may be given several times."""
        return self.shape in ("pairs", "list")

    @property
    def shown_variables(self) -> tuple[str, ...]:
        """The variables as documented: one per key for pairs."""
        return tuple(f"{name}<key>" if self.shape == "pairs" else name for name in self.variables)


def _row(
    parse: Callable[[str], Any],
    default: str,
    help: str,
    *,
    short: str = "",
    variables: Sequence[str] = (),
    metavar: str = "TEXT",
) -> Any:
    """A setting that is given once."""
    row = {"parse": parse, "default": default, "help": help, "short": short, "variables": variables, "metavar": metavar}
    value = parse(default)
    if isinstance(value, dict | list):
        return field(default_factory=lambda: parse(default), metadata=row)
    return field(default=value, metadata=row)


def _flag(default: str, help: str, *, short: str = "") -> Any:
    """A setting that is on or off: ``--name`` and ``--no-name``."""
    row = {
        "parse": parsing.boolean,
        "default": default,
        "help": help,
        "short": short,
        "variables": (),
        "metavar": "",
        "shape": "flag",
    }
    return field(default=parsing.boolean(default), metadata=row)


def _list(parse: Callable[[Sequence[str]], Any], help: str, *, metavar: str) -> Any:
    """A setting that may be given several times."""
    row = {"parse": parse, "default": "", "help": help, "variables": (), "metavar": metavar, "shape": "list"}
    return field(default=(), metadata=row)


def _pairs(parse: Callable[[Sequence[str]], Mapping[str, str]], help: str, *, variables: Sequence[str]) -> Any:
    """A setting that is given once per key; its variables are prefixes of names that end in the key."""
    row = {"parse": parse, "default": "", "help": help, "variables": variables, "metavar": "KEY=VALUE", "shape": "pairs"}
    return field(default_factory=dict, metadata=row)


OF_A_CLUSTER = ("kubeconfig", "context")
"""Not looked at with --embedded: they may well lead nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What kubedock was told, checked and parsed."""

    listen_addr: Address | None = _row(
        parsing.address,
        "127.0.0.1:8999",
        "Address to serve on; :8999 means all addresses, none means no TCP.",
        variables=["SERVER_LISTEN_ADDR"],
        metavar="HOST:PORT",
    )
    unix_socket: str = _row(parsing.text, "", "Unix socket to serve on, beside the address.", metavar="PATH")
    namespace: str = _row(
        parsing.optional(parsing.dns_label),
        "",
        "Namespace to run containers in; else that of the kubeconfig's context, else the pod's own.",
        short="-n",
        variables=["NAMESPACE"],
        metavar="NAME",
    )
    kubeconfig: str = _row(
        parsing.optional(parsing.kubeconfig),
        "",
        "Kubeconfig to use; else the usual one, else the pod's service account.",
        variables=["KUBECONFIG"],
        metavar="FILE",
    )
    context: str = _row(parsing.text, "", "Context of the kubeconfig; else its current one.", metavar="NAME")
    timeout: float = _row(
        parsing.positive_duration,
        "1m",
        "How long a container may take to start, without the pull of its image.",
        short="-t",
        variables=["TIME_OUT"],
        metavar="DURATION",
    )
    pull_timeout: float = _row(parsing.positive_duration, "10m", "How long the pull of an image may take.", metavar="DURATION")
    schedule_timeout: float = _row(
        parsing.positive_duration, "10s", "How long a pod may stay without a node before its start fails.", metavar="DURATION"
    )
    shutdown_timeout: float = _row(parsing.duration, "10s", "How long the clean-up at the end may take.", metavar="DURATION")
    image_pull_secrets: tuple[str, ...] = _row(
        parsing.names, "", "Secrets that pods pull images with.", variables=["IMAGE_PULL_SECRETS"], metavar="NAME[,NAME]"
    )
    service_account: str = _row(
        parsing.optional(parsing.dns_subdomain),
        "",
        "Service account of the pods; they get no token of it.",
        variables=["SERVICE_ACCOUNT"],
        metavar="NAME",
    )
    pull_policy: str = _row(
        parsing.pull_policy,
        "ifnotpresent",
        "When nodes pull images: ifnotpresent, always or never.",
        variables=["PULL_POLICY"],
        metavar="POLICY",
    )
    request_cpu: Share = _row(
        parsing.cpu_share,
        "10m",
        "CPU that each container requests, and its limit where it asks for none itself.",
        variables=["K8S_REQUEST_CPU"],
        metavar="REQUEST[,LIMIT]",
    )
    request_memory: Share = _row(
        parsing.memory_share,
        "16Mi",
        "Memory that each container requests, and its limit where it asks for none itself.",
        variables=["K8S_REQUEST_MEMORY"],
        metavar="REQUEST[,LIMIT]",
    )
    inspector: bool = _flag("true", "Whether registries are asked about images: their existence, ports, entrypoint.", short="-i")
    inspector_timeout: float = _row(
        parsing.positive_duration, "5s", "How long a registry may take to tell of an image.", metavar="DURATION"
    )
    registry_mirror: tuple[Mirror, ...] = _list(
        parsing.mirrors,
        "Registry to ask first for all images, or for those whose name begins with PREFIX, and to let the embedded node pull"
        " these from; may be given several times.",
        metavar="[PREFIX=]URL",
    )
    insecure_registry: tuple[str, ...] = _list(
        parsing.hosts,
        "Registry that may be spoken to without TLS or with any certificate; may be given several times.",
        metavar="HOST[:PORT]",
    )
    node_selector: Mapping[str, str] = _row(
        parsing.node_selector,
        "",
        "Labels of the nodes that pods may run on.",
        variables=["K8S_NODE_SELECTOR"],
        metavar="KEY=VALUE[,...]",
    )
    runas_user: int | None = _row(
        parsing.user,
        "",
        "User id of containers that name no user; else the image's.",
        variables=["K8S_RUNAS_USER"],
        metavar="UID",
    )
    pod_security: PodSecurity = _row(
        parsing.word("auto", "baseline", "restricted"),
        "auto",
        "Pod Security level that pods keep to; auto adds what restricted demands once the cluster asks for it.",
        metavar="auto|baseline|restricted",
    )
    pod_template: Mapping[str, Any] = _row(
        parsing.pod_template,
        "",
        "File with a Pod (YAML or JSON) that kubedock's pods are merged over.",
        variables=["POD_TEMPLATE"],
        metavar="FILE",
    )
    pod_name_prefix: str = _row(
        parsing.name_prefix, "kubedock", "What the names of pods begin with.", variables=["POD_NAME_PREFIX"], metavar="PREFIX"
    )
    annotation: Mapping[str, str] = _pairs(
        parsing.annotations, "Annotation of all objects; may be given several times.", variables=["K8S_ANNOTATION_"]
    )
    label: Mapping[str, str] = _pairs(parsing.labels, "Label of all objects; may be given several times.", variables=["K8S_LABEL_"])
    workload: Workloads = _row(
        parsing.word("auto", "pod", "deployment"),
        "auto",
        "What runs a container: auto chooses by its restart policy.",
        metavar="auto|pod|deployment",
    )
    port_mode: PortModes = _row(
        parsing.word("auto", "direct", "forward"),
        "auto",
        "How published ports reach their pods: by their addresses, through the API server, or as it turns out.",
        metavar="auto|direct|forward",
    )
    active_deadline_seconds: int | None = _row(
        parsing.deadline,
        "-1",
        "Seconds after which a pod is ended; -1 for no such limit.",
        variables=["K8S_ACTIVE_DEADLINE_SECONDS"],
        metavar="SECONDS",
    )
    embedded: bool = _flag("false", "Run containers on this machine, without a cluster; needs root.")
    embedded_dir: str = _row(
        parsing.folder,
        "/var/lib/kubedock",
        "Folder of the embedded node: its images, and what its containers write.",
        metavar="FOLDER",
    )
    embedded_runtime: EmbeddedRuntime = _row(
        parsing.word("auto", "runc", "chroot"),
        "auto",
        "What runs the embedded node's containers: auto takes the first that this machine allows.",
        metavar="auto|runc|chroot",
    )
    embedded_network: IPv4Network = _row(
        parsing.network, "198.18.64.0/18", "Addresses of the embedded node's containers.", metavar="NETWORK"
    )
    embedded_images: str = _row(
        parsing.optional(parsing.folder),
        "",
        "Folder of images that the embedded node takes before any registry: what docker save writes, OCI archives and layouts.",
        metavar="FOLDER",
    )
    verbosity: int = _row(
        parsing.verbosity,
        "1",
        "How much is logged: 0 warnings, 1 what happens, 2 and more each request as well.",
        short="-v",
        variables=["VERBOSITY"],
        metavar="LEVEL",
    )
    log_format: LogFormat = _row(parsing.word("text", "json"), "text", "How the log's lines look.", metavar="text|json")

    def __post_init__(self) -> None:
        if self.listen_addr is None and not self.unix_socket:
            raise SettingsError("--listen-addr none needs --unix-socket: there would be nothing to serve on")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Settings from the environment and the defaults. Raises SettingsError."""
        return cls.from_options({}, environ)

    @classmethod
    def from_options(cls, values: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> "Settings":
        """Settings from options (by field name; None, or nothing, where not given), then the environment.

        Raises SettingsError with one sentence.
        """
        environ = os.environ if environ is None else environ
        found: dict[str, Any] = {}
        for option in sorted(options(), key=lambda option: option.name != "embedded"):
            if option.name in OF_A_CLUSTER and found.get("embedded"):
                continue
            value = _READ[option.shape](option, values.get(option.name), environ)
            if value is not _ABSENT:
                found[option.name] = value
        return cls(**found)


def options() -> tuple[Option, ...]:
    """All rows, in their order."""
    return tuple(_option(f) for f in fields(Settings))


def _option(f: "Field[Any]") -> Option:
    row = f.metadata
    name = f.name.replace("_", "-")
    shape: Shape = row.get("shape", "one")
    own = PREFIX + f.name.upper() + ("_" if shape == "pairs" else "")
    flag = f"--{name}/--no-{name}" if shape == "flag" else f"--{name}"
    return Option(
        name=f.name,
        flags=(flag, row["short"]) if row.get("short") else (flag,),
        variables=(own, *row["variables"]),
        default=row["default"],
        metavar=row["metavar"],
        help=row["help"],
        parse=row["parse"],
        shape=shape,
    )


def _read_one(option: Option, given: Any, environ: Mapping[str, str]) -> Any:
    if given is not None:
        return _parse(option, str(given), option.flags[0])
    for variable in option.variables:
        if environ.get(variable):
            return _parse(option, environ[variable], variable)
    return _ABSENT


def _read_list(option: Option, given: Sequence[str] | None, environ: Mapping[str, str]) -> Any:
    if given:
        return _parse(option, given, option.flags[0])
    for variable in option.variables:
        if environ.get(variable):
            return _parse(option, [part.strip() for part in environ[variable].split(",") if part.strip()], variable)
    return _ABSENT


def _read_pairs(option: Option, given: Sequence[str] | None, environ: Mapping[str, str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for prefix in reversed(option.variables):
        for variable, value in sorted(environ.items()):
            if variable.startswith(prefix) and len(variable) > len(prefix):
                found |= _parse(option, [f"{variable.removeprefix(prefix).lower()}={value}"], variable)
    found |= _parse(option, given or (), option.flags[0])
    return found


_READ: Mapping[Shape, Callable[[Option, Any, Mapping[str, str]], Any]] = MappingProxyType(
    {"one": _read_one, "flag": _read_one, "list": _read_list, "pairs": _read_pairs}
)


def _parse(option: Option, given: Any, source: str) -> Any:
    try:
        return option.parse(given)
    except ValueError as error:
        raise SettingsError(f"{source}: {error}") from error


def auth_files(environ: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Where logins to registries are kept, in the order in which they are asked: skopeo's file, then Docker's."""
    environ = os.environ if environ is None else environ
    found = [Path(environ["REGISTRY_AUTH_FILE"])] if environ.get("REGISTRY_AUTH_FILE") else []
    if environ.get("XDG_RUNTIME_DIR"):
        found.append(Path(environ["XDG_RUNTIME_DIR"], "containers", "auth.json"))
    folder = environ.get("DOCKER_CONFIG") or (environ.get("HOME") and f"{environ['HOME']}/.docker")
    return tuple([*found, Path(folder, "config.json")] if folder else found)


def table() -> str:
    """All settings as a Markdown table, for the documentation."""
    lines = ["| option | environment | default | meaning |", "|---|---|---|---|"]
    for option in options():
        flags = ", ".join(f"`{flag}`" for flag in option.flags)
        variables = ", ".join(f"`{name}`" for name in option.shown_variables)
        default = f"`{option.default}`" if option.default else ""
        shape = option.metavar.replace("|", "\\|")
        lines.append(f"| {flags}{f' `{shape}`' if shape else ''} | {variables} | {default} | {option.help} |")
    return "\n".join(lines) + "\n"
