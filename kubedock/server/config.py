"""gunicorn's configuration for ``gunicorn -c python:kubedock.server.config kubedock.wsgi:app``.

gunicorn reads the names of this module, so it alone acts at import: it takes the settings from the environment.
"""

from kubedock.server.options import gunicorn_options
from kubedock.settings import Settings

globals().update(gunicorn_options(Settings.from_environment()))
