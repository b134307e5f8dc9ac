"""Who we are at a registry: what the client sent, then the files that ``skopeo login`` and ``docker login`` write.

Nothing of it is logged: a Credentials shows its user name alone.
"""

import base64
import json
import logging
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubedock.domain.image import HUB, Reference
from kubedock.errors import InvalidParameter

logger = logging.getLogger(__name__)

HUB_KEY = "https://index.docker.io/v1/"
LARGEST_FILE = 1 << 20
HELPER_SECONDS = 10.0
TOKEN_USER = "<token>"  # noqa: S105 - what helpers call the user of an identity token
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user's name and password, or a token that stands for both (``identity_token``), or one ready for use."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        """Anything is known."""
        return bool(self.password or self.identity_token or self.registry_token)


ANONYMOUS = Credentials()

Source = Callable[[Reference], Credentials | None]
"""Looks credentials up; None where there are none for this image."""


def from_header(text: str) -> Credentials:
    """``X-Registry-Auth``: JSON in base64 of either alphabet, with or without padding.

    ANONYMOUS where it is empty, and where it cannot be read, as in Docker: clients send all sorts of nothing.
    InvalidParameter for a login that cannot be used.
    """
    return from_object(_decoded(text))


def from_config_header(text: str, reference: Reference) -> Credentials:
    """``X-Registry-Config``: the same for many registries, by their names."""
    return from_auths(_decoded(text), reference) or ANONYMOUS


def from_object(entry: Mapping[str, Any]) -> Credentials:
    """One entry, as Docker writes it: ``auth`` is base64 of ``user:password``. InvalidParameter for what no registry takes."""
    username, password = _text(entry, "username"), _text(entry, "password")
    packed = _text(entry, "auth")
    if packed and not password:
        try:
            username, _, password = base64.b64decode(packed + "=" * (-len(packed) % 4)).decode().partition(":")
        except ValueError:
            logger.warning("an entry of the registry credentials cannot be read")
    token, ready = _text(entry, "identitytoken"), _text(entry, "registrytoken")
    if username == TOKEN_USER:
        username, password, token = "", "", password
    if not (ready.isascii() and ready.isprintable() and " " not in ready):
        raise InvalidParameter("invalid registry credentials: a registry token has no spaces and no characters beyond ASCII")
    try:
        "".join((username, password, token)).encode()
    except UnicodeEncodeError as error:
        raise InvalidParameter("invalid registry credentials: they are no valid text") from error
    return Credentials(username, password.rstrip("\0"), token, ready)


def _usable(entry: Mapping[str, Any]) -> Credentials:
    """The same of a file or a Secret, for which nobody who asks is to blame."""
    try:
        return from_object(entry)
    except InvalidParameter as error:
        logger.warning("an entry of the registry credentials cannot be used: %s", error)
        return ANONYMOUS


def from_auths(auths: Mapping[str, Any], reference: Reference) -> Credentials | None:
    """The entry of the longest name that the image's begins with, then one whose name has a ``*`` for parts of the host's.

    A registry's name may be written as a URL.
    """
    known = {_bare(key): entry for key, entry in auths.items() if isinstance(entry, Mapping)}
    wild = sorted((key for key in known if "*" in key and _fits(key, reference)), key=len, reverse=True)
    found = (_usable(known[name]) for name in (*_names(reference), *wild) if name in known)
    return next((login for login in found if login), None)


def _names(reference: Reference) -> Iterable[str]:
    """``quay.io/a/b``, ``quay.io/a``, ``quay.io``; Docker Hub has further names."""
    parts = reference.name.split("/")
    yield from ("/".join(parts[:count]) for count in range(len(parts), 0, -1))
    if reference.registry == HUB:
        yield from ("index.docker.io", "registry-1.docker.io")


def _fits(pattern: str, reference: Reference) -> bool:
    """As in Kubernetes' pull secrets: a ``*`` is any text within one part of the host's name."""
    host, slash, path = pattern.partition("/")
    same_host = re.fullmatch(re.escape(host).replace(r"\*", r"[^.:/]*"), reference.registry) is not None
    return same_host and (not slash or f"{reference.repository}/".startswith(f"{path}/"))


def _bare(key: str) -> str:
    bare = key.partition("://")[2] or key
    for version in ("/v1/", "/v2/", "/v1", "/v2"):
        bare = bare.removesuffix(version)
    return bare.strip("/")


class AuthFile:
    """A file of ``skopeo login`` or ``docker login``, read anew for each look-up: logins come and go.

    A file that is not there is none; one that cannot be read is logged and is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, reference: Reference) -> Credentials | None:
        """See Source."""
        config = self._read()
        name = HUB_KEY if reference.registry == HUB else reference.registry
        helpers = config.get("credHelpers")
        helper = (helpers.get(name) or helpers.get(reference.registry)) if isinstance(helpers, Mapping) else None
        if helper:
            return _ask_helper(str(helper), name)
        auths = config.get("auths")
        found = from_auths(auths, reference) if isinstance(auths, Mapping) else None
        if found is None and config.get("credsStore"):
            found = _ask_helper(str(config["credsStore"]), name)
        return found

    def _read(self) -> Mapping[str, Any]:
        try:
            with self._path.open("rb") as file:
                text = file.read(LARGEST_FILE + 1)
            config = json.loads(text) if len(text) <= LARGEST_FILE else None
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            logger.warning("%s: the registry credentials cannot be read: %s", self._path, type(error).__name__)
            return {}
        if not isinstance(config, dict):
            logger.warning("%s: the registry credentials cannot be read", self._path)
            return {}
        return config


def _ask_helper(name: str, server: str) -> Credentials | None:
    """A credential helper of Docker's: a program that is told the server's name and answers with JSON."""
    if _HELPER.fullmatch(name) is None:
        logger.warning("%r is no name of a credential helper", name)
        return None
    try:
        done = subprocess.run(  # noqa: S603 - the name is the user's own configuration, checked above
            [f"docker-credential-{name}", "get"],
            input=server.encode(),
            capture_output=True,
            timeout=HELPER_SECONDS,
            check=False,
        )
        if done.returncode != 0 or len(done.stdout) > LARGEST_FILE:
            return None  # a helper that knows nothing of a server ends with an error
        answer = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        logger.warning("docker-credential-%s cannot be asked: %s", name, type(error).__name__)
        return None
    if not isinstance(answer, dict):
        return None
    found = _usable({"username": answer.get("Username"), "password": answer.get("Secret")})
    return found or None


def _decoded(text: str) -> Mapping[str, Any]:
    packed = text.strip().replace("-", "+").replace("_", "/").rstrip("=")
    try:
        value = json.loads(base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""
