"""What happens, as it happens."""

from collections.abc import Callable, Iterator
from typing import Any

from flask import Response, request

from kubedock.api import streaming
from kubedock.api.context import engine, watch
from kubedock.api.operation import Group
from kubedock.dockerapi import encode, query
from kubedock.domain.event import Event
from kubedock.domain.objectfilters import event_matcher
from kubedock.engine.events import Subscription
from kubedock.errors import InvalidParameter

group = Group("events")


@group.operation("SystemEvents", "GET /events", note="the newest 256 are kept")
def events() -> Response:
    """Past events as asked, then new ones until the client leaves or ``until``."""
    args, now = request.args, engine().core.now()
    since, until = query.timestamp(args, "since", now), query.timestamp(args, "until", now)
    if since is not None and until is not None and until < since:
        raise InvalidParameter(f"`since` time ({args['since']}) cannot be after `until` time ({args['until']})")
    matches = event_matcher(query.filters(args))
    return streaming.stream_json(_Told(engine().events.subscribe(since=since, until=until, matches=matches, cancel=watch())))


class _Told(Iterator[dict[str, Any] | None]):
    """A subscription in Docker's JSON."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self.close: Callable[[], None] = subscription.close

    def __next__(self) -> dict[str, Any] | None:
        event: Event | None = next(self._subscription)
        return None if event is None else encode.event(event)
