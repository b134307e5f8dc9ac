"""``make run``: a demonstration of kubedock on one machine, which explains itself and ends by itself."""
