"""Threads that outlive a request. Each has a name, an owner, a stop and a join."""
