"""Bytes on their way: frames, channels, logs, cancellation. Knows neither Flask nor Kubernetes' client."""
