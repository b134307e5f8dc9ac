"""The event bus: order, history, slow readers, ends."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from kubedock.domain.event import Event
from kubedock.engine import events
from kubedock.engine.events import EventBus
from kubedock.streams.cancel import Cancel

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def an_event(n: int, action: str = "start") -> Event:
    """The n-th event, n seconds after T0."""
    return Event("container", action, f"c{n}", {"n": str(n)}, T0 + timedelta(seconds=n))


def at(second: int) -> datetime:
    """A moment."""
    return T0 + timedelta(seconds=second)


def a_bus(second: int = 100) -> EventBus:
    """A bus whose clock stands still."""
    return EventBus(lambda: at(second))


def test_a_subscriber_gets_what_happens_after_it_subscribed():
    """Registered by the call, not by the first read: nothing in between is lost."""
    bus = a_bus()
    bus.publish(an_event(1))
    mine = bus.subscribe(cancel=Cancel())
    bus.publish(an_event(2))
    bus.publish(an_event(3))

    assert [next(mine), next(mine)] == [an_event(2), an_event(3)]


def test_since_gives_the_past_and_then_the_present():
    """One lock over both: no event twice, none lost."""
    bus = a_bus()
    for n in range(5):
        bus.publish(an_event(n))
    mine = bus.subscribe(since=at(2), cancel=Cancel())
    bus.publish(an_event(5))

    assert [next(mine) for _ in range(4)] == [an_event(n) for n in (2, 3, 4, 5)]


def test_no_event_is_lost_or_doubled_while_somebody_publishes():
    """The race between reading the history and registering."""
    bus = a_bus()
    total = 200
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: [bus.publish(an_event(n)) for n in range(total)])
        mine = bus.subscribe(since=T0, cancel=Cancel())
        got = [next(mine) for _ in range(total)]

    assert got == [an_event(n) for n in range(total)]


def test_until_in_the_past_replays_and_ends():
    """``docker events --since a --until b`` for a time that is over."""
    bus = a_bus()
    for n in range(6):
        bus.publish(an_event(n))

    assert list(bus.subscribe(since=at(1), until=at(3), cancel=Cancel())) == [an_event(n) for n in (1, 2, 3)]
    assert bus.listeners == 0


def test_until_in_the_future_ends_when_its_time_has_come():
    """The clock decides, also when nothing happens."""
    clock = [at(0)]
    bus = EventBus(lambda: clock[0])
    mine = bus.subscribe(until=at(10), cancel=Cancel())
    bus.publish(an_event(1))
    first = next(mine)
    clock[0] = at(10)

    assert (first, list(mine), bus.listeners) == (an_event(1), [], 0)


def test_only_matching_events_are_told():
    """The predicate holds for the past and the present."""
    bus = a_bus()
    bus.publish(an_event(1, "die"))
    bus.publish(an_event(2))
    mine = bus.subscribe(since=T0, matches=lambda e: e.action == "die", cancel=Cancel())
    bus.publish(an_event(3))
    bus.publish(an_event(4, "die"))

    assert [next(mine), next(mine)] == [an_event(1, "die"), an_event(4, "die")]


def test_the_history_is_bounded():
    """Docker keeps 256."""
    bus = a_bus(1000)
    for n in range(300):
        bus.publish(an_event(n))

    past = list(bus.subscribe(since=T0, until=at(999), cancel=Cancel()))
    assert past == [an_event(n) for n in range(44, 300)]


def test_cancelling_wakes_a_subscriber_that_waits():
    """A client that has gone must not hold its thread."""
    bus, cancel = a_bus(), Cancel()
    mine = bus.subscribe(cancel=cancel)
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(list, mine)
        cancel.set("client gone")

        assert (reader.result(5), bus.listeners) == ([], 0)


def test_a_subscriber_that_does_not_read_ends_and_hurts_nobody(monkeypatch, caplog):
    """Its queue is bounded, the publisher goes on, and the log says so once."""
    monkeypatch.setattr(events, "BACKLOG", 3)
    bus = a_bus()
    slow = bus.subscribe(cancel=Cancel())
    with caplog.at_level(logging.WARNING, "kubedock.engine.events"):
        for n in range(6):
            bus.publish(an_event(n))

    assert list(slow) == [an_event(n) for n in range(3)]
    assert [r.getMessage() for r in caplog.records] == ["a client does not read its events: the stream ends after 3 unread ones"]
    assert bus.listeners == 0


def test_silence_gives_a_heartbeat(monkeypatch):
    """None lets the reply flush, which is how a dead connection is found."""
    monkeypatch.setattr(events, "HEARTBEAT", 0.01)
    assert next(a_bus().subscribe(cancel=Cancel())) is None
