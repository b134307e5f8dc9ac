"""Signals through what an image has."""

from collections.abc import Sequence
from typing import Any

import pytest

from kubedock.cluster.fake import FakeCluster
from kubedock.cluster.fake_streams import FakeChannels
from kubedock.engine import signals
from kubedock.errors import Conflict
from tests.support.running import refused


class Answering(FakeCluster):
    """Each exec ends with the next of these exit codes; knows what was executed."""

    def __init__(self, *codes: int) -> None:
        super().__init__()
        self.codes, self.executed = iter(codes), list[Sequence[str]]()

    def exec(self, pod: str, argv: Sequence[str], **_: Any) -> FakeChannels:
        """See Cluster."""
        self.executed.append(argv)
        channels, code = FakeChannels(None), next(self.codes)
        causes = f'{{"causes": [{{"reason": "ExitCode", "message": "{code}"}}]}}'
        failed = f'{{"status": "Failure", "reason": "NonZeroExitCode", "details": {causes}}}'
        channels.finish(failed.encode() if code else b'{"status": "Success"}')
        return channels


@pytest.mark.parametrize(("codes", "tries"), [((0,), 1), ((127, 0), 2), ((137,), 1), ((126, 137), 2)])
def test_a_signal_that_has_arrived(codes: tuple[int, ...], tries: int) -> None:
    """One that ends process 1 ends the command that brought it as well."""
    cluster = Answering(*codes)

    signals.deliver(cluster, "pod", "USR1", 1.0)

    assert cluster.executed == [["sh", "-c", "kill -s USR1 1"], ["kill", "-s", "USR1", "1"]][:tries]


def test_a_signal_that_has_not() -> None:
    """Neither program is there, or one says no."""
    with refused(signals.NoKill, "cannot send SIGUSR1: the image has neither a shell nor a kill program"):
        signals.deliver(Answering(127, 126), "pod", "USR1", 1.0)
    with pytest.raises(Conflict, match=r"^sending SIGUSR1 failed: "):
        signals.deliver(Answering(1), "pod", "USR1", 1.0)
