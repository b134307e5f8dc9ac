"""All groups of operations, and the compatibility table that they make together."""

from kubedock.api import archives, containers, events, execs, images, networks, system, unsupported, volumes
from kubedock.api.operation import Group, Row

GROUPS: tuple[Group, ...] = (
    system.group,
    containers.group,
    archives.group,
    execs.group,
    images.group,
    networks.group,
    volumes.group,
    events.group,
    unsupported.group,
)


def compatibility() -> list[Row]:
    """Every operation of Docker's contract and what becomes of it, by path and method; needs no engine."""
    rows = [row for group in GROUPS for row in group.rows]
    return sorted(rows, key=lambda row: (row.path, row.method))


def markdown() -> str:
    """The compatibility table for the documents."""
    lines = ["| operation | request | supported | remarks |", "|---|---|---|---|"]
    lines += [f"| {row.operation_id} | `{row.method} {row.path}` | {row.outcome} | {_cell(row.note)} |" for row in compatibility()]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
