"""A Docker Engine API server that runs containers on a Kubernetes cluster."""

__version__ = "0.1.0"
