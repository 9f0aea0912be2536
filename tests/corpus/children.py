"""Part of the scripts that run.py makes: work in forked children, so that a crash or a hang is that child's own."""

import json
import os
import select
import signal
import sys
import time
import traceback

#: Seconds after which a child is taken to hang; debug builds take several times as long.
PATIENCE = 120 if hasattr(sys, "gettotalrefcount") else 30
#: Stands before the line with what a child returned: processes that it started may write after it.
RESULT = b"\n\x1e"


def in_child(work):
    """Runs work() in a forked child. Gives how it ended ("ended", "crashed", "hang") and what it wrote and returned."""
    sys.stdout.flush()
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(read_end)
            os.dup2(write_end, 1)
            os.dup2(write_end, 2)
            result = work()
            sys.stdout.flush()
            os.write(1, RESULT + json.dumps(result).encode() + b"\n")
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(write_end)
    end = time.monotonic() + PATIENCE
    written = b""
    how = "ended"
    while True:
        ready, _, _ = select.select([read_end], [], [], max(0, end - time.monotonic()))
        if not ready:
            os.kill(pid, signal.SIGKILL)
            how = "hang"
            break
        part = os.read(read_end, 1 << 16)
        if not part:
            break
        written += part
    os.close(read_end)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    text = written.decode("utf-8", "replace")
    if how == "ended" and status != 0:
        how = "crashed"
        text = f"exit status {status}\n{text}"
    if how != "ended":
        return {"how": how, "text": text}
    text, result = text.rsplit(RESULT.decode(), 1)
    return {"how": how, "text": text, "result": json.loads(result.splitlines()[0])}


def report(**record):
    """One line of what run.py reads."""
    print(json.dumps(record), flush=True)


def finish_greenlet(target, error):
    """As finish for a greenlet: what it switches to its parent, and what it returns or raises."""
    out = []
    try:
        out.append(target.switch("resumed") if error is None else target.throw(error))
        while not target.dead:
            out.append(target.switch(len(out)))
    except BaseException as raised:
        out.append(repr(raised))
    return repr(out)


def finish(target, error=None):
    """Runs a generator, coroutine or async generator to its end: what it yielded, what it returned or raised."""
    out = []
    value = "resumed"
    if hasattr(target, "switch"):
        return finish_greenlet(target, error)
    while True:
        try:
            if hasattr(target, "asend"):
                step = target.asend(value) if error is None else target.athrow(error)
                while True:
                    out.append(("awaits", step.send(None)))
            elif error is None:
                out.append(target.send(value))
            else:
                out.append(target.throw(error))
        except StopIteration as stop:
            if not hasattr(target, "asend"):
                return repr((out, "returned", stop.value))
            out.append(stop.value)
        except StopAsyncIteration:
            return repr((out, "ended"))
        except TypeError as refused:
            if "just-started" not in str(refused):
                return repr((out, "raised", repr(refused)))
            out.append("not started")
        except BaseException as raised:
            return repr((out, "raised", repr(raised)))
        error = value = None
