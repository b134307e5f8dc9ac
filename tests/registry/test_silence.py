"""Registries that do not answer: they are left alone, and nobody else is for their sake."""

import socket
import threading
from typing import Any

import pytest

from kubedock.background.lookups import Lookups, NoAnswer
from kubedock.domain.image import Reference, parse
from kubedock.errors import NotFound, Unavailable
from kubedock.parsing import Mirror
from kubedock.registry.client import RegistryClient
from kubedock.registry.credentials import Credentials
from kubedock.registry.errors import OutOfTime, Unreachable
from kubedock.registry.inspector import Inspector, Places
from kubedock.registry.manifests import Platform
from kubedock.registry.silence import Silences
from tests.registry.looking import AMD64, Clock, look, refused
from tests.support.dripping import Dripping, closed_port
from tests.support.registry import FakeRegistry
from tests.support.waiting import eventually


def test_silence_is_remembered() -> None:
    """For a minute nobody waits for that registry again: no login either."""
    clock = Clock()
    inspector = Inspector(RegistryClient(), Places(), clock)
    host = closed_port()
    name, sentence = f"{host}/x:1", f'Get "http://{host}/v2/x/manifests/1": connect: connection refused'

    assert refused(inspector, name, Unreachable) == sentence
    assert refused(inspector, f"{host}/y:2", Unreachable) == sentence
    with pytest.raises(Unreachable) as raised:
        inspector.login(host, Credentials("me", "secret"), 5)
    assert str(raised.value) == sentence
    clock.now += 61
    with pytest.raises(Unreachable, match=r'/v2/": connect: connection refused$'):
        inspector.login(host, Credentials("me", "secret"), 5)
    assert refused(inspector, name, Unreachable) == f'Get "http://{host}/v2/": connect: connection refused'


def test_a_mirror_that_hangs_takes_its_share_alone(registry: FakeRegistry) -> None:
    """The registry behind it is asked in time, the first time and then at once, and is not called silent."""
    registry.image("x", "1", {})
    name = f"{registry.host}/x:1"
    with Dripping(b"", [b""]).serving() as mirror:
        inspector = Inspector(RegistryClient(), Places([Mirror("", f"http://{mirror.host}")]))
        assert look(inspector, name, seconds=1.0).size == 5
        assert look(inspector, name, seconds=1.0).size == 5
        assert [inspector._silences.why(host) != "" for host in (mirror.host, registry.host)] == [True, False]
    inspector.close()


def test_all_that_hang_are_asked_and_remembered() -> None:
    """Each in its own part of the time."""
    with Dripping(b"", [b""]).serving() as mirror, Dripping(b"", [b""]).serving() as origin:
        inspector = Inspector(RegistryClient(), Places([Mirror("", f"http://{mirror.host}"), Mirror("", f"http://{origin.host}")]))
        refused(inspector, f"{closed_port()}/x:1", Unreachable, seconds=0.5)

        assert all("context deadline exceeded" in inspector._silences.why(host) for host in (mirror.host, origin.host))
    inspector.close()


def test_time_that_a_login_takes_is_nobodys_silence(registry: FakeRegistry) -> None:
    """A credential helper, or a Secret that is read slowly: there is no time left, and the registry was not asked."""
    registry.image("x", "1", {})
    slow, done = threading.Event(), threading.Event()

    def source(_: Reference) -> Credentials | None:
        if not done.is_set():
            slow.wait(0.1)
        return None

    inspector = Inspector(RegistryClient(), Places(sources=[source]))
    name = f"{registry.host}/x:1"
    assert refused(inspector, name, OutOfTime, seconds=0.05).endswith("no time is left for it")
    done.set()
    assert look(inspector, name).size == 5


@pytest.mark.parametrize("what", ["name", "login"])
def test_who_was_not_asked_is_not_to_blame(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """A mirror's name that DNS does not answer for, or a credential helper: the registry is not left alone."""
    registry.image("x", "1", {})
    release, hanging = threading.Event(), threading.Event()
    real = socket.getaddrinfo

    def hang(*_: Any) -> None:
        hanging.set()
        release.wait(10)

    def lookup(host: Any, *rest: Any, **named: Any) -> Any:
        if host == "slow.example":
            hang()
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return real(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    mirrors = [Mirror("", "http://slow.example")] if what == "name" else []
    inspector = Inspector(RegistryClient(), Places(mirrors, sources=[hang] if what == "login" else ()))
    reference = parse(f"{registry.host}/x:1")
    lookups = Lookups()
    with pytest.raises(NoAnswer):
        lookups.ask("x", lambda: inspector.look(reference, AMD64, 1.0), 0.05)
    inspector.note_silence(reference, "no answer within 0.05 s", 0.05)

    silent = [inspector._silences.why(host) for host in ("slow.example", registry.host)]
    assert silent == ["no answer within 0.05 s" if what == "name" else "", ""]
    assert hanging.is_set()
    release.set()
    eventually(lambda: not lookups._open)
    inspector.close()


def test_who_has_answered_is_not_silent() -> None:
    """A mirror said no; its image's registry hangs behind it. What is asked for something else does not count."""
    clock = Clock()
    silences = Silences(clock)
    with pytest.raises(NotFound), silences.asking("mirror", "x"):
        raise NotFound("no")
    with silences.asking("registry", "x"), silences.asking("late", "y"):
        clock.now += 3
        with silences.asking("fresh", "x"):
            clock.now += 2
            silences.given_up("x", "why", 5)

    assert [silences.why(host) for host in ("mirror", "registry", "late", "fresh")] == ["", "why", "", ""]
    with pytest.raises(Unreachable, match=r"^why$"), silences.asking("registry", "z"):
        pass
    clock.now += 61
    assert silences.why("registry") == ""


def test_only_silence_is_silence() -> None:
    """Not time that was up before, nor an error of another kind."""
    silences = Silences(Clock())
    for error in (OutOfTime("late"), Unavailable("500"), ValueError("x")):
        with pytest.raises(type(error)), silences.asking("registry", "x"):
            raise error
    silences.given_up("x", "why", 0)

    assert silences.why("registry") == ""


def test_platforms_are_asked_apart(registry: FakeRegistry) -> None:
    """What one lacks says nothing of the registry."""
    registry.index("x", "1", {"linux/amd64": registry.image("x", "", {})[0]})
    inspector = Inspector(RegistryClient(), Places())

    refused(inspector, f"{registry.host}/x:1", NotFound, platform=Platform("linux", "s390x"))
    assert look(inspector, f"{registry.host}/x:1").size == 5
