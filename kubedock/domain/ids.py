"""Ids as Docker has them: 64 hex digits, twelve of which are enough to name a thing."""

import hashlib
import re

SHORT = 12
_FULL = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(r"[0-9a-f]{1,64}")


def short(full: str) -> str:
    """The first twelve digits, without an algorithm in front."""
    return full.rpartition(":")[2][:SHORT]


def is_full(text: str) -> bool:
    """Text is a whole id."""
    return _FULL.fullmatch(text) is not None


def is_prefix(text: str) -> bool:
    """Text may be the beginning of an id, or all of it."""
    return _PREFIX.fullmatch(text) is not None


def derived(*parts: str) -> str:
    """An id that is always the same for the same parts, and another one for others."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def image_id(canonical: str) -> str:
    """The id of an image by its canonical reference (there is no configuration to take a digest of)."""
    return "sha256:" + hashlib.sha256(canonical.encode("utf-8", "replace")).hexdigest()
