"""What clients have sent with their pulls."""

from kubedock.registry.credentials import ANONYMOUS, Credentials
from kubedock.state.logins import Logins

ME, YOU = Credentials("me", "1"), Credentials("you", "2")


def test_no_registry_gets_anothers():
    """Though both have the image."""
    logins = Logins()
    logins.keep("sha256:1", "quay.io", ME)
    logins.keep("sha256:1", "ghcr.io", YOU)

    assert [logins.get("sha256:1", registry) for registry in ("quay.io", "ghcr.io", "docker.io")] == [ME, YOU, ANONYMOUS]
    logins.keep("sha256:1", "quay.io", YOU)
    assert logins.get("sha256:1", "quay.io") == YOU
    logins.forget("sha256:1")
    assert logins.get("sha256:1", "ghcr.io") == ANONYMOUS


def test_they_are_bounded():
    """The oldest image's go."""
    logins = Logins(images=1)
    logins.keep("sha256:1", "quay.io", ME)
    logins.keep("sha256:2", "quay.io", ME)

    assert [logins.get(f"sha256:{number}", "quay.io") for number in (1, 2)] == [ANONYMOUS, ME]
