"""How kubedock logs: one handler on stderr for everything, as text or as JSON lines."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from kubedock.settings import LogFormat

_TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_NOISE_OF_A_FAILED_START = ("Worker (pid:%s) exited with code %s.", "Shutting down: %s", "Reason: %s")


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """time (RFC 3339), level, logger, message, and the exception where there is one."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class ArbiterNoise(logging.Filter):
    """Drops gunicorn's lines about a worker that did not start: the worker has said why, in one sentence."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log."""
        return record.msg not in _NOISE_OF_A_FAILED_START


def config(verbosity: int, log_format: LogFormat) -> dict[str, Any]:
    """A configuration for ``logging.config.dictConfig`` (and gunicorn's ``logconfig_dict``).

    gunicorn's own lines (its workers, its signals) and each request are logged from verbosity 2 on.
    """
    talkative = verbosity >= 2
    level = "WARNING" if verbosity == 0 else "DEBUG" if talkative else "INFO"
    own = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"text": {"format": _TEXT}, "json": {"()": f"{__name__}.JsonFormatter"}},
        "filters": {"arbiter": {"()": f"{__name__}.ArbiterNoise"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": log_format,
                "stream": "ext://sys.stderr",
                "filters": [] if talkative else ["arbiter"],
            }
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "kubedock": {"level": level},
            "gunicorn.error": {**own, "level": "INFO" if talkative else "WARNING"},
            "gunicorn.access": {**own, "level": "INFO" if talkative else "CRITICAL"},
        },
    }
