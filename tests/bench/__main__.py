"""``python -m tests.bench [NAME…]``: measure, print a table, and end with 1 where a bound is missed.

inspect and streams need no cluster; start, names, exec, most of ports, requests and followers need the real one and are left
out without it; embedded needs root and the embedded node's tools.
"""

import sys
from collections.abc import Callable, Mapping

from tests.bench import embedded, memory, ports, real
from tests.bench.figures import Figure, table

BENCHES: Mapping[str, Callable[[], list[Figure]]] = {
    "inspect": memory.inspect,
    "streams": memory.streams,
    "start": real.start,
    "names": real.names,
    "exec": real.execs,
    "ports": ports.ports,
    "requests": real.requests,
    "followers": real.followers,
    "embedded": embedded.starts,
}


def main() -> int:
    """All of them, or those that are named."""
    wanted = sys.argv[1:] or list(BENCHES)
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown:
        print(f"there is no bench {unknown[0]}; there are {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    missed = 0
    for name in wanted:
        print(f"\n{name}: {(BENCHES[name].__doc__ or '').strip()}", flush=True)
        figures = BENCHES[name]()
        print(table(figures), flush=True)
        missed += sum(not figure.met for figure in figures)
    return 1 if missed else 0


sys.exit(main())
