"""The command ``kubedock``.

Everything heavy is imported inside the commands, so that ``--help`` is instant. The options of ``server`` are made from
the rows of ``settings``: nothing is written twice.
"""

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NoReturn

import typer

from kubedock import __version__
from kubedock.errors import InvalidParameter, KubedockError
from kubedock.parsing import boolean
from kubedock.settings import Option, Settings, options

_HELP = """
A Docker Engine API server that runs containers as pods on a Kubernetes cluster.

\b
Examples:
  kubedock server                                  serve on 127.0.0.1:8999
  export DOCKER_HOST=tcp://127.0.0.1:8999          and in another terminal:
  docker run --rm alpine echo hello
  kubedock manifests role | kubectl apply -f -     the rights that it needs
"""

_SERVER_HELP = """
Serve the Docker API on the cluster of the kubeconfig, on the one it runs in, or with --embedded on this machine.

Each option may be given as an environment variable as well; see the documentation's page on settings.
A first SIGTERM or ^C removes what this run has made in the cluster, a second one ends at once.

\b
Examples:
  kubedock server -n my-namespace
  kubedock server --embedded
  kubedock server --listen-addr 127.0.0.1:0 --unix-socket /tmp/docker.sock
  kubedock server --pull-policy always --request-memory 64Mi,1Gi --label team=blue
"""

_OPERATIONS_HELP = """
Print what is supported of Docker's API, as a table.

\b
Examples:
  kubedock operations
  kubedock operations | grep /containers/
"""

_MANIFESTS_HELP = """
Print manifests for kubectl: the least Role, a sidecar, or a Deployment with its Service.

\b
Examples:
  kubedock manifests role -n ci | kubectl apply -f -
  kubedock manifests sidecar -n ci --image registry.example/kubedock:1
  kubedock manifests deployment -n ci --image registry.example/kubedock:1 | kubectl apply -f -
"""

_VERSION_HELP = """
Print the version.

\b
Examples:
  kubedock version
"""

app = typer.Typer(
    name="kubedock", help=_HELP, rich_markup_mode=None, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False
)


_GO_WORDS = {"t": "true", "f": "false"}


def main() -> None:
    """Entry point. Exit codes: 0, 1 when it cannot start, 2 for a bad option."""
    try:
        arguments = switched(sys.argv[1:], options())
    except KubedockError as error:
        sys.stderr.write(f"kubedock: {error}\n")
        sys.exit(2)
    app(arguments)


def switched(arguments: Sequence[str], rows: Sequence[Option]) -> list[str]:
    """The arguments as Typer reads them: ``--flag=true`` and ``-f=false``, as Go programs take them, are switches here.

    InvalidParameter for a value that is neither. What follows ``--`` is left as it is.
    """
    switches: dict[str, list[str]] = {}
    for row in rows:
        if row.shape == "flag":
            words = row.flags[0].split("/")
            switches |= dict.fromkeys((words[0], *row.flags[1:]), words)
    found: list[str] = []
    for place, argument in enumerate(arguments):
        if argument == "--":
            return [*found, *arguments[place:]]
        name, equals, value = argument.partition("=")
        found.append(_switch(name, value, *switches[name]) if equals and name in switches else argument)
    return found


def _switch(name: str, value: str, on: str, off: str) -> str:
    try:
        return on if boolean(_GO_WORDS.get(value.lower(), value)) else off
    except ValueError as error:
        raise InvalidParameter(f"{name}: {error}") from error


def _fail(error: KubedockError) -> NoReturn:
    """One sentence and the exit code; never a traceback."""
    sys.stderr.write(f"kubedock: {error}\n")
    raise typer.Exit(2 if isinstance(error, InvalidParameter) else 1)


def _server(**values: Any) -> None:
    try:
        settings = Settings.from_options(values)
    except KubedockError as error:
        _fail(error)
    from kubedock.server.application import KubedockApplication  # noqa: PLC0415 - gunicorn is not needed for the help

    KubedockApplication(settings).run()


def _parameter(option: Option) -> inspect.Parameter:
    given: Any = list[str] | None if option.repeatable else bool | None if option.shape == "flag" else str | None
    default = f" [default: {option.default}]" if option.default else ""
    declared = typer.Option(
        *option.flags,
        metavar=option.metavar or None,
        help=f"{option.help}{default} [{', '.join(option.shown_variables)}]",
        show_default=False,
    )
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[given, declared])


def _with_options(command: Callable[..., None], rows: tuple[Option, ...]) -> Callable[..., None]:
    """Give a function the signature that Typer reads its options from."""
    parameters = [_parameter(row) for row in rows]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


app.command("server", help=_SERVER_HELP)(_with_options(_server, options()))


@app.command("version", help=_VERSION_HELP)
def _version() -> None:
    typer.echo(f"kubedock {__version__}")


@app.command("operations", help=_OPERATIONS_HELP)
def _operations() -> None:
    from kubedock.api.groups import compatibility  # noqa: PLC0415 - Flask is not needed for the help

    rows = [("METHOD", "PATH", "OPERATION", "SUPPORTED", "NOTE")]
    rows += [(row.method, row.path, row.operation_id, row.outcome, row.note) for row in compatibility()]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        typer.echo("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]).rstrip())


@app.command("manifests", help=_MANIFESTS_HELP)
def _manifests(
    what: Annotated[Literal["role", "sidecar", "deployment"], typer.Argument(metavar="role|sidecar|deployment")] = "role",
    namespace: Annotated[str, typer.Option("--namespace", "-n", metavar="NAME", help="Namespace of the objects.")] = "default",
    image: Annotated[str, typer.Option(metavar="IMAGE", help="kubedock's image.")] = "kubedock:latest",
) -> None:
    from kubedock.kube.deployment import manifests  # noqa: PLC0415 - not needed for the help

    typer.echo(manifests(what, namespace=namespace, image=image), nl=False)
