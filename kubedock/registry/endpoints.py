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

    ``verify`` is False where the certificate does not matter. A mirror gets no credentials of the registry that it
    stands for.
    """

    host: str
    repository: str
    urls: tuple[str, ...]
    verify: bool = True
    mirror: bool = False


def endpoints(
    reference: Reference, mirrors: Iterable[Mirror], insecure: Sequence[str] = (), *, last_word: bool = False
) -> list[Endpoint]:
    """The most specific mirrors first, in the order given; then the registry of the name. The first alone has the last word.

    Plain HTTP is spoken with a mirror whose URL says so, with loopback, and with the hosts in ``insecure``.
    """
    chosen = sorted((mirror for mirror in mirrors if mirror.serves(reference.name)), key=lambda mirror: -len(mirror.prefix))
    found = [_of_mirror(mirror, reference, insecure) for mirror in chosen]
    if found and last_word:
        return found[:1]
    host = HUB_HOST if reference.registry == HUB else reference.registry
    lax = host in insecure or is_loopback(host)
    urls = (f"https://{host}", f"http://{host}") if lax else (f"https://{host}",)
    return [*found, Endpoint(host, reference.repository, urls, verify=not lax)]


def _of_mirror(mirror: Mirror, reference: Reference, insecure: Sequence[str]) -> Endpoint:
    lax = mirror.host in insecure or is_loopback(mirror.host)
    url = f"{'http' if mirror.plain else 'https'}://{mirror.host}"
    return Endpoint(mirror.host, mirror.repository(reference.repository), (url,), verify=not lax, mirror=True)


def plain_http_allowed(url: str, endpoint: Endpoint, insecure: Sequence[str] = ()) -> bool:
    """Whether an address that a registry sends us to may be asked without TLS."""
    host = urlsplit(url).netloc
    return (
        host in insecure
        or is_loopback(host)
        or any(urlsplit(known).netloc == host and known.startswith("http:") for known in endpoint.urls)
    )


def is_loopback(host: str) -> bool:
    """Whether ``host[:port]`` is this machine by its loopback address or name."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
