"""Kubernetes' dialect (pure), and the way to a real API server."""
