"""The Protocol that every cluster implements, and one in memory."""

from kubedock.cluster.protocol import (
    ByteStream,
    Channels,
    Cluster,
    Json,
    Kind,
    LogOptions,
    ObjectList,
    Watch,
    WatchEvent,
)

__all__ = ["ByteStream", "Channels", "Cluster", "Json", "Kind", "LogOptions", "ObjectList", "Watch", "WatchEvent"]
