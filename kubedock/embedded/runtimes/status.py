"""The Status with which an exec or an attach ends on the ERROR channel, as the kubelet writes it. Pure."""

import json

SUCCESS = b'{"metadata":{},"status":"Success"}'


def ended(code: int) -> bytes:
    """A command that ran."""
    if code == 0:
        return SUCCESS
    causes = [{"reason": "ExitCode", "message": str(code)}]
    text = f"command terminated with non-zero exit code: command terminated with exit code {code}"
    status = {"metadata": {}, "status": "Failure", "message": text, "reason": "NonZeroExitCode", "details": {"causes": causes}}
    return json.dumps(status).encode()


def not_started(reason: str, exec_id: str) -> bytes:
    """A command that the runtime could not start, and why."""
    return internal(
        f'error executing command in container: failed to exec in container: failed to start exec "{exec_id}":'
        f" OCI runtime exec failed: {reason}: unknown"
    )


def container_gone(name: str) -> bytes:
    """The container ended before the command began."""
    return internal(f'error executing command in container: container not found ("{name}")')


def internal(text: str) -> bytes:
    """Anything else."""
    message = f"Internal error occurred: {text}"
    return json.dumps({"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500}).encode()
