"""Scripts in processes of their own: what captures, and fresh interpreters that never saw its source."""

import ast
import faulthandler
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import textwrap

#: Whether the long runs were asked for (make test-all).
LONG = bool(os.environ.get("TORPOR_TEST_LONG"))
#: Seconds after which a process that the tests started is taken to hang; debug builds take several times as long.
PATIENCE = 960 if hasattr(sys, "gettotalrefcount") else 240
#: Keeps what is installed for the user out; -I would also make Python deaf to PYTHON_JIT.
ISOLATED = ["-s", "-P"] if "PYTHON_JIT" in os.environ else ["-I"]
#: Whether this interpreter crashes if what it watches changes while other threads run: requests are refused there.
REFUSES_REQUESTS = sys.version_info[:2] == (3, 14) and hasattr(sys, "_jit") and sys._jit.is_enabled()

#: Whether this interpreter crashes by itself where threads meet new code at once: 2 of 40 runs of a program whose eight threads
#: do nothing but `dis.get_instructions` of functions just made, without torpor (3.15 with PYTHON_JIT=1).
CRASHES_IN_THREADS = sys.version_info[:2] == (3, 15) and hasattr(sys, "_jit") and sys._jit.is_enabled()


def going_on():
    """Begins the watchdog of the running test anew, which gives it five minutes: one of many steps calls this at each."""
    faulthandler.dump_traceback_later(300, exit=True, file=sys.__stderr__)


class Died(AssertionError):
    """A process of a test ended as it should not have."""


def start(script, *arguments, directory=None, flags=(), **options):
    """Starts a script as `__main__` of a fresh interpreter, isolated from the tests' environment; flags are its own."""
    directory = pathlib.Path(directory or tempfile.mkdtemp(dir=os.environ["TORPOR_DIR"]))
    path = directory / f"script_{len(list(directory.iterdir()))}.py"
    path.write_text(textwrap.dedent(script))
    command = [sys.executable, *ISOLATED, "-X", "faulthandler", *flags, str(path), *map(str, arguments)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": directory, **options}
    return subprocess.Popen(command, start_new_session=True, **options)


def finish(process, status=0):
    """Waits for a process, checks its exit status and returns what it printed."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its children too: they may hold the pipes
        out, err = process.communicate()
        raise Died(f"no end after {PATIENCE} s\n{out}\n{err}") from None
    if process.returncode != status:
        raise Died(f"exit status {process.returncode}\n{out}\n{err}")
    return out


def run(script, *arguments, status=0, **options):
    """Runs a script in a process of its own and returns what it printed."""
    return finish(start(script, *arguments, **options), status)


def literal(text):
    """The value that a script printed with `print(repr(...))` on its last line."""
    return ast.literal_eval(text.strip().splitlines()[-1])


#: What a fresh process does with a snapshot: adopt, resume, print the result's repr. It imports torpor only.
RESUME = """
import sys, torpor
print(repr(torpor.adopt(sys.argv[1]).resume()))
"""


def resume(key):
    """The repr of what a snapshot of the default store returns in a fresh process."""
    return run(RESUME, key).rstrip("\n")
