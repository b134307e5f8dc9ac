"""The one rule of the machine's firewall that pods may need: what a bridge passes on between its own ports is let through.

It is needed where the kernel shows bridged packets to iptables and the FORWARD chain does not accept all.
"""

import logging
import subprocess
from pathlib import Path

from kubedock.embedded.runtimes import tools

logger = logging.getLogger(__name__)

FILTERS_BRIDGES = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
"""Where it is missing iptables is not even asked, since that would load its modules."""
OPEN = "-P FORWARD ACCEPT"
TOOL_SECONDS, LOCK_SECONDS = 10, 5
"""For a command, and for what holds the firewall's lock meanwhile."""
LEFT = 16
"""So many rules of servers that were killed are removed at most; each start removes what it finds."""


def allow(bridge: str) -> None:
    """Insert the rule for a bridge where it is needed. Where that fails it is logged: pods do not see each other."""
    filtered = FILTERS_BRIDGES.exists() and FILTERS_BRIDGES.read_text().strip() == "1"
    if not filtered or _iptables("-S", "FORWARD") in (None, OPEN):
        return
    if _iptables("-I", *_rule(bridge)) is None:
        logger.warning("the firewall's FORWARD chain may keep containers from reaching each other: it cannot be changed")


def forget(bridge: str) -> None:
    """Remove the rule, as often as it is there."""
    for _ in range(LEFT):
        if not FILTERS_BRIDGES.exists() or _iptables("-D", *_rule(bridge)) is None:
            return


def _rule(bridge: str) -> tuple[str, ...]:
    return ("FORWARD", "-i", bridge, "-o", bridge, "-j", "ACCEPT")


def _iptables(*words: str) -> str | None:
    """What a command says; None where it fails, or there is no iptables."""
    program = tools.find("iptables")
    if not program:
        return None
    try:
        argv = [program, "-w", str(LOCK_SECONDS), *words]
        told = subprocess.run(argv, capture_output=True, timeout=TOOL_SECONDS, check=False, text=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        logger.warning("iptables: %s", error)
        return None
    return told.stdout.strip() if told.returncode == 0 else None
