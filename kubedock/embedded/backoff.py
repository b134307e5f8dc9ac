"""How long a container waits before the node tries again. Pure: times are given."""

RESET_SECONDS = 600.0


class Backoff:
    """Doubles from try to try. The first try after a time that was good costs nothing where ``free`` is set."""

    def __init__(self, first: float, longest: float, *, free: bool = False) -> None:
        """Seconds."""
        self._first, self._longest, self._free = first, longest, free
        self._next = 0.0 if free else first

    def failed(self, lasted: float = 0.0) -> float:
        """The seconds until the next try; ``lasted`` is how long the last one was good."""
        if lasted >= RESET_SECONDS:
            self.reset()
        pause, self._next = self._next, min(max(self._next * 2, self._first), self._longest)
        return pause

    def reset(self) -> None:
        """It has succeeded."""
        self._next = 0.0 if self._free else self._first
