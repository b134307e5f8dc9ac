"""``python -m kubedock``."""

from kubedock.cli import main

main()
