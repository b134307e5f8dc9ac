"""gunicorn: application, settings, and the worker that hands sockets over."""
