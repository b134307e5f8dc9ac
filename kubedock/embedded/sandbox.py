"""A pod -> the sandbox that its containers share. Pure."""

import ipaddress
from collections.abc import Sequence
from dataclasses import replace

from kubedock.cluster import Json
from kubedock.cluster.names import DOMAIN
from kubedock.embedded.runtime import Dns, SandboxSpec

MOST_DOTS = ("ndots:5",)
LONGEST_NAME = 63


def sandbox_spec(pod: Json, gateway: str, upstream: Dns) -> SandboxSpec:
    """``gateway`` is where the node's name server listens, "" where there is none; ``upstream`` is the machine's own DNS."""
    meta, spec = pod["metadata"], pod["spec"]
    context = spec.get("securityContext") or {}
    return SandboxSpec(
        pod_uid=meta["uid"],
        name=meta["name"],
        hostname=spec.get("hostname") or meta["name"][:LONGEST_NAME].rstrip("-."),
        host_network=bool(spec.get("hostNetwork")),
        host_pid=bool(spec.get("hostPID")),
        host_ipc=bool(spec.get("hostIPC")),
        dns=_dns(spec, meta["namespace"], gateway, upstream),
        hosts=host_lines(spec),
        sysctls=tuple((one["name"], one.get("value", "")) for one in context.get("sysctls") or ()),
    )


def host_lines(spec: Json) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The lines of a pod's hostAliases."""
    return tuple((alias["ip"], tuple(alias.get("hostnames") or ())) for alias in spec.get("hostAliases") or ())


def _dns(spec: Json, namespace: str, gateway: str, upstream: Dns) -> Dns:
    """Policy first, then what dnsConfig adds. Where the node has no name server, the machine's stands for it."""
    policy, config = spec.get("dnsPolicy") or "ClusterFirst", spec.get("dnsConfig") or {}
    if policy == "None":
        base = Dns()
    elif policy == "Default" or (policy == "ClusterFirst" and spec.get("hostNetwork")):
        base = Dns() if spec.get("hostNetwork") else _from_a_pod(upstream, gateway)
    else:
        searches = (f"{namespace}.svc.{DOMAIN}", f"svc.{DOMAIN}", DOMAIN, *upstream.searches)
        base = Dns((gateway,), searches, MOST_DOTS) if gateway else Dns(upstream.nameservers, searches, upstream.options)
    return Dns(
        _once([*base.nameservers, *(config.get("nameservers") or ())]),
        _once([*base.searches, *(config.get("searches") or ())]),
        _options(base.options, config.get("options") or ()),
    )


def _from_a_pod(upstream: Dns, gateway: str) -> Dns:
    """The machine's own servers; the node's stands for one on loopback, which a pod with a network of its own cannot reach."""
    if not gateway:
        return upstream
    return replace(upstream, nameservers=tuple(gateway if _is_loopback(one) else one for one in upstream.nameservers))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _once(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _options(base: Sequence[str], added: Sequence[Json]) -> tuple[str, ...]:
    """Options by name: what is added stands for what there was."""
    found = {option.partition(":")[0]: option for option in base}
    for option in added:
        value = option.get("value")
        found[option["name"]] = option["name"] if value in (None, "") else f"{option['name']}:{value}"
    return tuple(found.values())


def upstream_of(resolv_conf: str) -> Dns:
    """The machine's own ``/etc/resolv.conf``."""
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if words[:1] == ["nameserver"] and len(words) > 1:
            servers.append(words[1])
        elif words[:1] in (["search"], ["domain"]):
            searches = words[1:]
        elif words[:1] == ["options"]:
            options += words[1:]
    return Dns(tuple(servers), tuple(searches), tuple(options))
