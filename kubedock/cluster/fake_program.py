"""What runs in the containers of the in-memory cluster: a few words of shell, without a shell.

``echo``, ``printf``, ``cat``, ``exit``, ``true``, ``false``, ``trap``, ``sleep`` and ``kill`` are known, alone or as
``sh -c "…; …"``. Anything else runs until it gets a signal. ``sleep`` lasts until a signal, too: no time passes here.
``nc -ll -p PORT -e COMMAND …`` runs a command for each connection that is forwarded to that port.
"""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

SIGNALS: Mapping[str, int] = {
    "HUP": 1,
    "INT": 2,
    "QUIT": 3,
    "KILL": 9,
    "USR1": 10,
    "USR2": 12,
    "PIPE": 13,
    "ALRM": 14,
    "TERM": 15,
    "CHLD": 17,
    "CONT": 18,
    "STOP": 19,
    "TSTP": 20,
    "URG": 23,
    "WINCH": 28,
}
HARMLESS = ("CHLD", "CONT", "STOP", "TSTP", "URG", "WINCH")
SHELLS = ("sh", "/bin/sh", "ash", "/bin/ash", "bash", "/bin/bash")
ENDS = (";", "&&", "||", "&")
NOT_FOUND = 127
TRACE, PROCESS = 'echo "$$"; exec "$@"', 7
"""A shell's script that tells its own number, and that number."""
_SHIFT = re.compile(r'shift (\d+); exec "\$@"$')

Write = Callable[[int, bytes], None]


class NotStarted(Exception):
    """The executable cannot be run; the text is the runtime's, from ``exec:`` on."""


def signal_name(text: str) -> str:
    """``15``, ``TERM``, ``SIGTERM`` -> ``TERM``; "" for what is no signal."""
    name = text.upper().removeprefix("SIG")
    if name.isdigit():
        return next((known for known, number in SIGNALS.items() if number == int(name)), "")
    return name if name in SIGNALS else ""


class Statement(NamedTuple):
    """A simple command. ``when`` is what stands before it: ``&&``, ``||``, or anything else for always.

    ``channel`` is where its output goes: 1, 2, or 0 for nowhere.
    """

    when: str
    words: list[str]
    channel: int = 1


def statements(script: str) -> list[Statement]:
    """A script's simple commands."""
    lexer = shlex.shlex(script.replace("\n", " ; "), posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split = True
    found, when, channel, words = [], ";", 1, list[str]()
    try:
        tokens = [*lexer, ";"]
    except ValueError:  # a quotation that does not end
        tokens = ["forever", ";"]
    while tokens:
        token = tokens.pop(0)
        if token in (">&", ">", ">>"):
            source = words.pop() if words and words[-1] in ("1", "2") else "1"
            target = tokens.pop(0) if len(tokens) > 1 else ""
            if source == "1":
                channel = 2 if target in ("2", "/dev/stderr") else 0
        elif token in ENDS:
            if words:
                found.append(Statement(when, words, channel))
            when, channel, words = token, 1, []
        else:
            words.append(token)
    return found


def executable(argv: Sequence[str]) -> str:
    """The name that is run. NotStarted when it does not exist (``nosuch…``) or must not be run (``/noexec…``)."""
    name = argv[0] if argv else ""
    stem = name.rpartition("/")[2]
    if not stem.startswith(("nosuch", "noexec")):
        return name
    if stem.startswith("noexec"):
        reason = "permission denied"
    else:
        reason = f"stat {name}: no such file or directory" if "/" in name else "executable file not found in $PATH"
    raise NotStarted(f'exec: "{name}": {reason}: unknown')


def unwrapped(argv: Sequence[str]) -> Sequence[str]:
    """The command behind ``env K=V …`` and behind ``sh -c '…; shift N; exec "$@"' sh …``; what they do is not done here."""
    words = list(argv)
    if words[:1] == ["env"]:
        del words[0]
        while words and (words[0] == "-u" or "=" in words[0]):
            del words[: 2 if words[0] == "-u" else 1]
        return unwrapped(words)
    shifted = _SHIFT.search(words[2]) if len(words) > 3 and words[0] in SHELLS and words[1] == "-c" else None
    return words if shifted is None else unwrapped(words[4 + int(shifted[1]) :])


def _number(text: str) -> int:
    """An exit code; what is no number is the shell's 2."""
    return int(text) & 0xFF if text.isdigit() else 2


class Program:
    """A program that runs: ``code`` is its exit code once it has ended. Not locked: the store's lock is held."""

    def __init__(self, argv: Sequence[str], write: Write, *, kill: Callable[[str], bool] | None = None) -> None:
        """``write(channel, data)`` takes output. ``kill(signal)`` sends one to process 1, for programs that can."""
        self._write, self._kill = write, kill
        self.code: int | None = None
        argv = unwrapped(self._trace(argv))
        self._traps: dict[str, list[Statement]] = {}
        self.signals: list[str] = []
        self.reads = False
        self.listens: dict[int, list[str]] = {}
        """What is run for a connection, by port."""
        self._status = 0
        shell = len(argv) >= 3 and argv[0] in SHELLS and argv[1] in ("-c", "-ec", "-xc")
        self._todo = statements(argv[2]) if shell else [Statement(";", list(argv) or ["forever"])]
        if any(statement.words[0] in ("for", "while", "until", "if", "case", "exec") for statement in self._todo):
            self._todo = [Statement(";", ["forever"])]

    def _trace(self, argv: Sequence[str]) -> Sequence[str]:
        """What the shell runs that tells its number first; one that there is not is the shell's word, else the runtime's."""
        is_traced = len(argv) > 3 and argv[0] in SHELLS and argv[2] == TRACE
        command = argv[4:] if is_traced else argv
        if is_traced:
            self._write(1, b"%d\n" % PROCESS)
        try:
            executable(unwrapped(command))
        except NotStarted as error:
            if not is_traced:
                raise
            self._write(2, f"sh: {error}\n".encode())
            self.code = NOT_FOUND
        return command

    def go(self) -> None:
        """Run until it ends or waits."""
        while self._todo and self.code is None:
            if not self._run(self._todo.pop(0)):
                return
        if self.code is None:
            self.code = self._status

    def _run(self, statement: Statement) -> bool:
        """One command; False when it waits."""
        if (statement.when == "&&" and self._status) or (statement.when == "||" and not self._status):
            return True
        name, arguments, channel = statement.words[0], statement.words[1:], statement.channel
        self._status = 0
        match name.rpartition("/")[2]:
            case "echo":
                self._put(channel, " ".join(arguments).encode() + b"\n")
            case "printf":
                self._put(channel, " ".join(arguments).replace("\\n", "\n").replace("\\t", "\t").encode())
            case "true" | ":" | "wait":
                pass
            case "false":
                self._status = 1
            case "exit":
                self.code = _number(arguments[0]) if arguments else 0
            case "trap":
                self._trap(arguments)
            case "kill" if self._kill is not None:
                self._status = self._send(arguments)
            case "nc" if arguments[:2] == ["-ll", "-p"] and arguments[3:4] == ["-e"]:
                self.listens[int(arguments[2])] = arguments[4:]
                return bool(self._todo) and self._todo[0].when == "&"
            case "cat" if not arguments:
                self.reads = True
                return False
            case stem if stem.startswith("nosuch"):
                self._write(2, f"sh: {name}: not found\n".encode())
                self._status = NOT_FOUND
            case _:
                return False
        return True

    def _put(self, channel: int, data: bytes) -> None:
        if channel:
            self._write(channel, data)

    def _trap(self, arguments: list[str]) -> None:
        if not arguments:
            return
        for name in map(signal_name, arguments[1:]):
            self._traps[name] = statements(arguments[0])

    def _send(self, arguments: list[str]) -> int:
        flags, target = arguments[:-1], arguments[-1] if arguments else ""
        name = signal_name("".join(flags).removeprefix("-s").removeprefix("-") or "TERM")
        if not name:
            self._write(2, f"sh: invalid signal number or name: {' '.join(flags)}\n".encode())
            return 1
        if target != "1" or self._kill is None or not self._kill(name):
            self._write(2, f"kill: can't kill pid {target}: No such process\n".encode())
            return 1
        return 0

    def feed(self, data: bytes | None) -> None:
        """Stdin; None is its end. Only ``cat`` reads."""
        if not self.reads or self.code is not None:
            return
        if data is None:
            self.reads = False
            self.go()
        else:
            self._write(1, data)

    def wake(self) -> None:
        """What it waits for (``sleep``) is over."""
        self.reads = False
        if self.code is None:
            self.go()

    def signal(self, name: str, *, inside: bool) -> None:
        """Deliver a signal; from ``inside`` its namespace, process 1 is immune to KILL and STOP."""
        self.signals.append(name)
        if self.code is not None or (inside and name in ("KILL", "STOP")):
            return
        if name != "KILL" and name in self._traps:
            for statement in self._traps[name]:
                if self.code is None:
                    self._run(statement)
        elif name not in HARMLESS:
            self.code = 128 + SIGNALS[name]
