"""The command line: help, exit codes, and that a bad value starts nothing."""

import os
import resource
import subprocess
import sys

import pytest
import yaml

from kubedock import __version__
from kubedock.cli import switched
from kubedock.settings import Option, options
from tests.support.shared import ROOT


def _kubedock(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], **environ}
    return subprocess.run(
        (sys.executable, "-m", "kubedock", *args), cwd=ROOT, env=env, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("command", [(), ("server",), ("version",), ("operations",), ("manifests",)])
def test_help_has_examples(command: tuple[str, ...]) -> None:
    """Of every command."""
    result = _kubedock(*command, "--help")

    assert result.returncode == 0
    assert "Examples:\n" in result.stdout
    assert result.stderr == ""


def test_help_is_instant() -> None:
    """Under 0.3 s of work, the least of five: a busy machine must not decide."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        _kubedock("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(once() for _ in range(5)) < 0.3


def test_help_imports_nothing_heavy() -> None:
    """Neither Flask nor gunicorn nor the cluster's client, nor what they bring."""
    code = (
        "import sys, runpy; sys.argv = ['kubedock', '--help']\n"
        "try: runpy.run_module('kubedock', run_name='__main__')\n"
        "except SystemExit: print(sorted({'flask', 'gunicorn', 'kubernetes', 'yaml', 'pydantic', 'rich'} & sys.modules.keys()))"
    )
    result = subprocess.run((sys.executable, "-c", code), cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)

    assert result.stdout.splitlines()[-1] == "[]"


def _flags(option: Option) -> list[str]:
    """Each by itself: what can be switched off has two."""
    return [name for flag in option.flags for name in flag.split("/")]


def test_the_help_of_server_has_every_setting() -> None:
    """With its variables."""
    text = " ".join(_kubedock("server", "--help").stdout.split())

    assert [name for option in options() for name in (*_flags(option), *option.shown_variables) if name not in text] == []


def test_version() -> None:
    """As in ``kubedock.__version__``."""
    assert _kubedock("version").stdout == f"kubedock {__version__}\n"


@pytest.mark.parametrize(
    ("args", "environ", "sentence"),
    [
        (("--timeout", "5x"), {}, "kubedock: --timeout: '5x' is not a duration (write 90, 90s or 1m30s)\n"),
        ((), {"TIME_OUT": "5x"}, "kubedock: TIME_OUT: '5x' is not a duration (write 90, 90s or 1m30s)\n"),
        (("--label", "a=b", "--label", "c"), {}, "kubedock: --label: 'c' is not KEY=VALUE\n"),
        (("--workload", "job"), {}, "kubedock: --workload: 'job' is none of auto, pod, deployment\n"),
        (("--pod-template", "/nowhere"), {}, "kubedock: --pod-template: cannot read /nowhere: No such file or directory\n"),
    ],
)
def test_a_bad_value_is_a_sentence_and_exit_code_2(args: tuple[str, ...], environ: dict[str, str], sentence: str) -> None:
    """Before anything starts."""
    result = _kubedock("server", *args, **environ)

    assert (result.returncode, result.stdout, result.stderr) == (2, "", sentence)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("server --inspector=true", "server --inspector"),
        ("server --inspector=false -n x", "server --no-inspector -n x"),
        ("server -i=true", "server --inspector"),
        ("server -i=0 --embedded=T", "server --no-inspector --embedded"),
        ("server --inspector -i --no-inspector", "server --inspector -i --no-inspector"),
        ("server --namespace=true --label inspector=true", "server --namespace=true --label inspector=true"),
        ("server -- --inspector=true", "server -- --inspector=true"),
        ("", ""),
    ],
)
def test_switches_as_go_programs_take_them(given: str, read: str) -> None:
    """The first kubedock's ``--inspector=true`` goes on working."""
    assert switched(given.split(), options()) == read.split()


def test_a_switch_is_true_or_false() -> None:
    """A sentence, as for any other bad value."""
    result = _kubedock("server", "--inspector=maybe")

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "kubedock: --inspector: 'maybe' is neither true nor false\n"
    assert "does not take a value" not in _kubedock("server", "--inspector=false", "--timeout", "5x").stderr


@pytest.mark.parametrize("args", [("server", "--nosuch"), ("nosuch",), ("manifests", "nosuch"), ("server", "extra")])
def test_an_unknown_option_is_exit_code_2(args: tuple[str, ...]) -> None:
    """Typer's own sentence."""
    result = _kubedock(*args)

    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert result.stderr


def test_operations_is_the_compatibility_table() -> None:
    """A line for each, with its outcome."""
    lines = _kubedock("operations").stdout.splitlines()

    assert lines[0].split() == ["METHOD", "PATH", "OPERATION", "SUPPORTED", "NOTE"]
    assert any(line.split()[:4] == ["POST", "/containers/create", "ContainerCreate", "yes"] for line in lines)


@pytest.mark.parametrize("what", ["role", "sidecar", "deployment"])
def test_manifests_are_yaml(what: str) -> None:
    """With the namespace and the image that were asked for."""
    documents = list(yaml.safe_load_all(_kubedock("manifests", what, "-n", "ci", "--image", "example.com/kubedock:1").stdout))

    assert {document["metadata"]["namespace"] for document in documents} == {"ci"}
    assert "Role" in {document["kind"] for document in documents}
    assert ("example.com/kubedock:1" in str(documents)) == (what != "role")
