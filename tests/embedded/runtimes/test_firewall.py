"""The firewall's rule for the pods' bridge: with an iptables that only pretends, and with the real one in a network of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from kubedock.embedded.runtimes import firewall, tools
from tests.support.runtimes import embedded_tools
from tests.support.shared import ROOT

RULE = "FORWARD -i kd12345-br -o kd12345-br -j ACCEPT"
PRETENDER = """#!/bin/sh
echo "$*" >> "{folder}/asked"
shift 2
case "$1" in
  -S) cat "{folder}/policy" ;;
  -I) echo "$*" >> "{folder}/rules" ;;
  -D) [ -s "{folder}/rules" ] && sed -i 1d "{folder}/rules" ;;
esac
"""
REAL = """
import ipaddress, subprocess, sys
from pathlib import Path
from kubedock.embedded.runtimes import firewall
from kubedock.embedded.runtimes.network import Network

def rules():
    told = subprocess.run(["iptables", "-S", "FORWARD"], capture_output=True, text=True, check=True).stdout
    return [line for line in told.splitlines() if "kd12345" in line]

subprocess.run(["iptables", "-P", "FORWARD", "DROP"], check=True)
firewall.FILTERS_BRIDGES = Path(sys.argv[1])
forwarding = Path("/proc/sys/net/ipv4/ip_forward").read_text()
network = Network(ipaddress.ip_network("198.18.64.0/24"), "kd12345")
network.open()
print(rules())
firewall.allow(network.bridge)  # a server that was killed
network.close()
print(rules(), Path("/proc/sys/net/ipv4/ip_forward").read_text() == forwarding)
"""


@pytest.fixture
def iptables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the pretender was asked, where bridges are filtered and the chain drops. It is not on PATH."""
    (tmp_path / "switch").write_text("1\n")
    (tmp_path / "policy").write_text("-P FORWARD DROP\n")
    (tmp_path / "rules").touch()
    (tmp_path / "sbin").mkdir()
    pretend(tmp_path, PRETENDER.format(folder=tmp_path))
    monkeypatch.setattr(firewall, "FILTERS_BRIDGES", tmp_path / "switch")
    monkeypatch.setattr(tools, "PLACES", f"{tmp_path / 'sbin'}:/usr/bin:/bin")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return tmp_path


def pretend(folder: Path, script: str) -> None:
    """Install it."""
    (folder / "sbin" / "iptables").write_text(script)
    (folder / "sbin" / "iptables").chmod(0o755)


def test_the_rule_comes_and_goes(iptables: Path) -> None:
    """As often as servers that were killed have left it; the lock of the firewall is waited for."""
    firewall.allow("kd12345-br")
    firewall.allow("kd12345-br")

    assert (iptables / "rules").read_text().splitlines() == [f"-I {RULE}"] * 2
    firewall.forget("kd12345-br")
    assert (iptables / "rules").read_text() == ""
    assert (iptables / "asked").read_text().splitlines() == [
        *(["-w 5 -S FORWARD", f"-w 5 -I {RULE}"] * 2),
        *([f"-w 5 -D {RULE}"] * 3),
    ]


@pytest.mark.parametrize(("policy", "switch"), [("-P FORWARD ACCEPT", "1"), ("-P FORWARD DROP", "0")])
def test_no_rule_where_none_is_needed(policy: str, switch: str, iptables: Path) -> None:
    """An open chain, or a kernel that does not ask it."""
    (iptables / "policy").write_text(policy)
    (iptables / "switch").write_text(switch)

    firewall.allow("kd12345-br")

    assert (iptables / "rules").read_text() == ""


def test_nothing_is_asked_without_the_module(iptables: Path) -> None:
    """The question alone would load others."""
    (iptables / "switch").unlink()

    firewall.allow("kd12345-br")
    firewall.forget("kd12345-br")

    assert not (iptables / "asked").exists()


@pytest.mark.parametrize(
    ("script", "seconds"),
    [("#!/bin/sh\n[ $3 = -S ]", 10.0), ("#!/bin/sh\nexec sleep 60", 0.05), ("no program at all", 10.0)],
    ids=["refuses", "hangs", "broken"],
)
def test_a_firewall_that_cannot_be_changed(
    script: str, seconds: float, iptables: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Is a warning."""
    pretend(iptables, script)
    monkeypatch.setattr(firewall, "TOOL_SECONDS", seconds)

    firewall.allow("kd12345-br")
    firewall.forget("kd12345-br")

    assert caplog.messages


def test_without_iptables(iptables: Path) -> None:
    """There is nothing that could drop."""
    (iptables / "sbin" / "iptables").unlink()

    firewall.allow("kd12345-br")
    firewall.forget("kd12345-br")


@pytest.mark.embedded
def test_the_real_one_in_a_network_of_its_own(tmp_path: Path) -> None:
    """A network that opens and closes leaves no rule, and switches no forwarding on."""
    embedded_tools()
    if not tools.find("iptables"):
        pytest.skip("iptables is not installed")
    (tmp_path / "switch").write_text("1\n")
    argv = ["unshare", "--net", sys.executable, "-c", REAL, str(tmp_path / "switch")]

    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, cwd=ROOT)

    assert done.stdout.splitlines() == ["['-A FORWARD -i kd12345-br -o kd12345-br -j ACCEPT']", "[] True"], done.stderr
