"""Where an image's reference leads: to a registry, or to the mirror that stands for it. And what its errors mean. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kubedock.domain import image
from kubedock.domain.image import Reference
from kubedock.embedded.runtime import Credentials, PullError
from kubedock.errors import InvalidParameter
from kubedock.parsing import Mirror

_DENIED = re.compile(r"unauthorized|denied|authentication required|forbidden|\b40[13]\b", re.IGNORECASE)
_MISSING = re.compile(r"manifest unknown|name unknown|not found|\b404\b|no image found", re.IGNORECASE)
_MESSAGE = re.compile(r'msg="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Source:
    """What is asked of which registry. ``name`` is registry/path there."""

    name: str
    suffix: str
    plain: bool

    @property
    def host(self) -> str:
        """The registry's host with its port."""
        return self.name.partition("/")[0]

    def at(self, suffix: str) -> str:
        """As skopeo wants it, with another tag or digest."""
        return f"docker://{self.name}{suffix}"


def reference(text: str) -> Reference:
    """A normalised reference; PullError with the kubelet's sentence for what is none."""
    try:
        return image.parse(text)
    except InvalidParameter as error:
        told = f'Failed to apply default image tag "{text}": couldn\'t parse image name "{text}": {error}'
        raise PullError(told, reason="InvalidImageName") from error


def source(wanted: Reference, mirrors: Iterable[Mirror], insecure: Collection[str] = ()) -> Source:
    """Where to ask. The mirror with the longest prefix has the word, and nobody is asked behind it.

    ``insecure`` are the hosts that need no TLS, or no certificate that is known.
    """
    suffix = f"@{wanted.digest}" if wanted.digest else f":{wanted.effective_tag}"
    mirror = max((each for each in mirrors if each.serves(wanted.name)), key=lambda each: len(each.prefix), default=None)
    if mirror is None:
        host = "localhost" if wanted.registry == "localhost" else wanted.registry.partition(":")[0]
        return Source(wanted.name, suffix, plain=wanted.registry in insecure or host in ("localhost", "127.0.0.1"))
    return Source(f"{mirror.host}/{mirror.repository(wanted.repository)}", suffix, mirror.plain or mirror.host in insecure)


def auths(asked: Source, known: Iterable[Credentials]) -> Mapping[str, Credentials]:
    """The credentials for the host that is asked: a mirror gets none of the registry that it stands for."""
    found = next((each for each in known if each.server == asked.host), None)
    return {asked.host: found} if found is not None else {}


def pull_error(wanted: Reference, said: str) -> PullError:
    """What skopeo says, as a kubelet with containerd would."""
    text, ref = _reason(said), wanted.canonical
    head = f'failed to pull and unpack image "{ref}": failed to resolve reference "{ref}": '
    if "dial tcp" not in text and _DENIED.search(text):
        told = (
            "pull access denied, repository does not exist or may require authorization: server message:"
            " insufficient_scope: authorization failed"
        )
        return PullError(f"rpc error: code = Unknown desc = {head}{told}")
    if "dial tcp" not in text and _MISSING.search(text):
        return PullError(f"rpc error: code = NotFound desc = {head}{ref}: not found")
    return PullError(f"rpc error: code = Unavailable desc = {head}failed to do request: {text}")


@dataclass(frozen=True, slots=True)
class Failing:
    """What a pull of an image raises: for a registry, or for the file that holds it."""

    wanted: Reference
    archive: Path | None = None

    def __call__(self, said: str) -> PullError:
        """From what skopeo or the machine says."""
        if self.archive is None:
            return pull_error(self.wanted, said)
        return PullError(f'failed to load image "{self.wanted.canonical}" from {self.archive}: {_reason(said)}')


def _reason(said: str) -> str:
    messages = [_ESCAPED.sub(r"\1", text) for text in _MESSAGE.findall(said)]
    return (messages[-1] if messages else said.strip().rpartition("\n")[2]) or "skopeo gave no reason"
