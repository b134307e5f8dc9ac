"""The pods' network: one bridge, and a pair of links for each pod. IPv4; nothing is forwarded, nothing is masked.

The machine reaches the pods, the pods reach each other and the machine. All that is made begins with the node's
prefix and goes with ``close``, or with the next ``open``.
"""

import contextlib
import errno
import ipaddress
import itertools
import os
import socket
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkDumpInterrupted, NetlinkError

from kubedock.embedded.runtimes import firewall
from kubedock.errors import Conflict, Unavailable

LOOPBACK_INDEX = 1
DUMPS = 50


class Place(NamedTuple):
    """A pod's end: its address, and the link outside that leads to it."""

    ip: str
    link: str


def mac(ip: str) -> str:
    """A link's address, the same for each use of an IP address: neighbours may still know it."""
    return "02:42:" + ":".join(f"{int(part):02x}" for part in ip.split("."))


def clear(prefix: str) -> None:
    """Remove what a server that was killed has left of such a network, without opening one. Unavailable."""
    try:
        with IPRoute() as route:
            _clear(route, prefix)
    except (NetlinkError, OSError) as error:
        raise Unavailable(f"links of the pods' network cannot be removed: {error}") from error


class Network:
    """One bridge with the network's first address."""

    def __init__(self, subnet: ipaddress.IPv4Network, prefix: str) -> None:
        """``prefix`` is at most 7 characters."""
        self.subnet, self._prefix = subnet, prefix
        self.gateway = str(subnet[1])
        self.bridge = _bridge(prefix)
        self._lock = threading.Lock()
        self._last = 1
        self._taken: set[str] = set()
        self._numbers = itertools.count(1)
        self._route: Any = None
        self._index = 0

    # --- the whole -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Remove what is left, and make the bridge. Conflict where the network is somebody else's."""
        self._route = IPRoute()
        try:
            _clear(self._route, self._prefix)
            self._check()
            self._route.link("add", ifname=self.bridge, kind="bridge", address=mac(self.gateway))
            self._index = self._route.link_lookup(ifname=self.bridge)[0]
            self._route.addr("add", index=self._index, address=self.gateway, prefixlen=self.subnet.prefixlen)
            self._route.link("set", index=self._index, state="up")
            firewall.allow(self.bridge)
        except (NetlinkError, OSError) as error:
            self.close()
            raise Unavailable(f"the pods' network cannot be made: {error}") from error
        except Conflict:
            self.close()
            raise

    def close(self) -> None:
        """Remove all links. Idempotent."""
        with self._lock:
            if self._route is not None:
                try:
                    _clear(self._route, self._prefix)
                finally:
                    self._route.close()
                    self._route = None

    def _check(self) -> None:
        for address in _dump(lambda: self._route.get_addr(family=socket.AF_INET)):
            ip = address.get_attr("IFA_ADDRESS")
            found = ipaddress.ip_network(f"{ip}/{address['prefixlen']}", strict=False)
            if found.overlaps(self.subnet):
                raise Conflict(
                    f"the network {self.subnet} is in use on this machine ({address.get_attr('IFA_LABEL')} has {ip}):"
                    " choose another with --embedded-network"
                )

    # --- one pod -------------------------------------------------------------------------------------------------

    def attach(self) -> Place:
        """Give the network namespace of the calling thread its link and address. Unavailable where that fails."""
        with self._lock:
            if self._route is None:
                raise Unavailable("the pods' network is closed")
            ip = self._free()
            link = f"{self._prefix}{next(self._numbers) & 0xFFFFFF:x}"
        namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            with self._lock:
                peer = {"ifname": "eth0", "net_ns_fd": namespace, "address": mac(ip)}
                self._route.link("add", ifname=link, kind="veth", peer=peer)
                self._route.link("set", index=self._route.link_lookup(ifname=link)[0], master=self._index, state="up")
            self._inside(ip)
        except (NetlinkError, OSError) as error:
            self.detach(Place(ip, link))
            raise Unavailable(f"the pod cannot be connected: {error}") from error
        finally:
            os.close(namespace)
        return Place(ip, link)

    def _inside(self, ip: str) -> None:
        """Bring a namespace's links up; called inside it."""
        with IPRoute() as route:
            index = route.link_lookup(ifname="eth0")[0]
            route.addr("add", index=index, address=ip, prefixlen=self.subnet.prefixlen)
            route.link("set", index=LOOPBACK_INDEX, state="up")
            route.link("set", index=index, state="up")
            route.route("add", dst="default", gateway=self.gateway)

    def _free(self) -> str:
        """The next address that nobody has; one that was just given back comes last."""
        size = self.subnet.num_addresses
        for _ in range(size):
            self._last = self._last + 1 if self._last + 2 < size else 2
            ip = str(self.subnet[self._last])
            if ip not in self._taken and self._last < size - 1:
                self._taken.add(ip)
                return ip
        raise Unavailable(f"no address is free in {self.subnet}")

    def detach(self, place: Place) -> None:
        """Take a pod's address back. Its link goes with its namespace: removed by hand it would cost 14 ms."""
        with self._lock:
            self._taken.discard(place.ip)


def _bridge(prefix: str) -> str:
    return f"{prefix}-br"


def _clear(route: Any, prefix: str) -> None:
    firewall.forget(_bridge(prefix))
    for link in _dump(route.get_links):
        if link.get_attr("IFLA_IFNAME").startswith(prefix):
            _delete(route, link["index"])


def _dump(ask: Callable[[], Any]) -> list[Any]:
    """A whole list. The kernel breaks one off when something changes meanwhile: namespaces take their links along."""
    for _ in range(DUMPS):
        with contextlib.suppress(NetlinkDumpInterrupted):
            return list(ask())
    return list(ask())


def _delete(route: Any, index: int) -> None:
    try:
        route.link("del", index=index)
    except NetlinkError as error:
        if error.code != errno.ENODEV:  # it went with its namespace
            raise


def allow_low_ports() -> None:
    """Let every user of the calling thread's network bind ports below 1024 and ping, as Docker and containerd do."""
    for name, value in (("ip_unprivileged_port_start", "0"), ("ping_group_range", "0 2147483647")):
        descriptor = os.open(f"/proc/sys/net/ipv4/{name}", os.O_WRONLY)
        try:
            os.write(descriptor, value.encode())
        finally:
            os.close(descriptor)
