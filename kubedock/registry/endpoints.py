"""Where an image's registry is asked: mirrors first, then the registry itself. Pure."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from kubedock.domain.image import HUB, Reference
from kubedock.parsing import Mirror

HUB_HOST = "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place to ask. ``host`` is whose credentials and troubles count; ``urls`` are tried in their order.

    ``mirror``: it stands for another registry, and gets no credentials of that one.
    """

    host: str
    repository: str
    urls: tuple[str, ...]
    mirror: bool = False


def endpoints(
    reference: Reference, mirrors: Iterable[Mirror], insecure: Sequence[str] = (), *, last_word: bool = False
) -> list[Endpoint]:
    """The most specific mirrors first, in the order given; then the registry of the name. The first alone has the last word.

    Plain HTTP is spoken with a mirror whose URL says so, with loopback, and with the hosts in ``insecure``.
    """
    chosen = sorted((mirror for mirror in mirrors if mirror.serves(reference.name)), key=lambda mirror: -len(mirror.prefix))
    host = HUB_HOST if reference.registry == HUB else reference.registry
    found = [_of_mirror(mirror, reference, host) for mirror in chosen]
    if found and last_word:
        return found[:1]
    if any((each.host, each.repository) == (host, reference.repository) for each in found):
        return found  # it is its own mirror: who has it says by which URL it is to be asked
    urls = (f"https://{host}", f"http://{host}") if is_lax(host, insecure) else (f"https://{host}",)
    return [*found, Endpoint(host, reference.repository, urls)]


def _of_mirror(mirror: Mirror, reference: Reference, registry: str) -> Endpoint:
    url = f"{'http' if mirror.plain else 'https'}://{mirror.host}"
    return Endpoint(mirror.host, mirror.repository(reference.repository), (url,), mirror=mirror.host != registry)


def plain_http_allowed(url: str, endpoint: Endpoint, insecure: Sequence[str] = ()) -> bool:
    """Whether an address that a registry sends us to may be asked without TLS."""
    host = urlsplit(url).netloc
    return is_lax(host, insecure) or any(urlsplit(known).netloc == host and known.startswith("http:") for known in endpoint.urls)


def is_lax(host: str, insecure: Sequence[str] = ()) -> bool:
    """Whether ``host[:port]`` may be spoken to without TLS, or with any certificate."""
    return host in insecure or is_loopback(host)


def is_loopback(host: str) -> bool:
    """Whether ``host[:port]`` is this machine by its loopback address or name."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
