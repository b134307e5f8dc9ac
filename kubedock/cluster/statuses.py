"""The Status objects that end an exec or an attach, as the kubelet writes them. Pure."""

import json

SUCCESS = b'{"metadata":{},"status":"Success"}'
"""What ended well; also how an attach ends, whatever the process's exit code was."""


def exited(code: int) -> bytes:
    """Of a command that has ended."""
    if code == 0:
        return SUCCESS
    text = f"command terminated with non-zero exit code: exit status {code}"
    causes = [{"reason": "ExitCode", "message": str(code)}]
    status = {"metadata": {}, "status": "Failure", "message": text, "reason": "NonZeroExitCode", "details": {"causes": causes}}
    return json.dumps(status).encode()


def cannot_exec(reason: str) -> bytes:
    """Of a command that could not be started; ``reason`` is the runtime's, from ``exec:`` on."""
    return internal_error(
        "error executing command in container: failed to exec in container: failed to start exec"
        f' "{"e" * 64}": OCI runtime exec failed: exec failed: unable to start container process: {reason}'
    )


def no_container(container: str) -> bytes:
    """Of an exec in a container that does not run."""
    return internal_error(f'unable to upgrade connection: container not found ("{container}")')


def nothing_to_attach(pod: str, namespace: str, container: str) -> bytes:
    """Of an attach to a container that does not run."""
    return internal_error(f"unable to upgrade connection: container {container} not found in pod {pod}_{namespace}")


def internal_error(text: str) -> bytes:
    """Of anything that went wrong inside."""
    message = f"Internal error occurred: {text}"
    return json.dumps({"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500}).encode()
