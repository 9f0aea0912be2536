"""The command line: ``torpor`` or ``python -m torpor``.

Listing, showing and reading never run code of a snapshot; ``resume`` does.
Exit status: 0, 1 for "no" (no such snapshot, a timeout, a problem found), 2 for misuse.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import sys
import time
from collections.abc import Iterable
from typing import Any

import torpor

from . import _serve, _show


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.command(options) or 0)
    except torpor.InvalidArgument as error:
        parser.error(str(error))
    except (torpor.TorporError, TimeoutError, OSError) as error:
        print(f"torpor: {_show.clean(error)}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="torpor", description="Snapshots of running Python functions.")
    parser.add_argument("--version", action="version", version=f"torpor {torpor.__version__}")
    parser.add_argument("--store", default="default", metavar="NAME", help="the store to look at (default: default)")
    parser.add_argument("--dir", metavar="DIR", help="where stores live (default: TORPOR_DIR, else shared memory)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Any, help: str, *, json: bool = False) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(command=function)
        if json:
            sub.add_argument("--json", action="store_true", help="print JSON")
        return sub

    one = "a key, a snapshot's number, or a file"
    command("ls", _ls, "List the snapshots of a store, oldest first.", json=True)
    sub = command("show", _show_one, "Show a snapshot's stack, source lines and locals.", json=True)
    sub.add_argument("key", metavar="KEY", help=one)
    sub = command("read", _read, "Print one local of a snapshot.", json=True)
    sub.add_argument("key", metavar="KEY", help=one)
    sub.add_argument("name", metavar="NAME", help="the local's name")
    sub.add_argument("--frame", type=int, default=0, metavar="N", help="which frame, innermost 0 (default: 0)")
    sub = command("save", _save, "Write a snapshot to a file.")
    sub.add_argument("key", metavar="KEY", help=one)
    sub.add_argument("file", metavar="FILE")
    sub = command("load", _load, "Publish the snapshot of a file in a store.")
    sub.add_argument("file", metavar="FILE")
    sub.add_argument("into", metavar="STORE", nargs="?", help="which store, made if there is none (default: that of --store)")
    sub.add_argument("--key", metavar="KEY", help="the key (default: the file's name without its ending)")
    sub = command("resume", _resume, "Let a snapshot run to its end and print what it returns.")
    sub.add_argument("key", metavar="KEY|FILE", help=one)
    sub.add_argument("--value", metavar="JSON", help="what the suspended call gives (default: null)")
    sub.add_argument("arguments", metavar="ARGS", nargs="*", help="sys.argv[1:] while it runs")
    sub = command("request", _request, "Ask a process that called torpor.serve() to capture its main thread.")
    sub.add_argument("pid", metavar="PID", type=int)
    sub.add_argument("key", metavar="KEY")
    sub.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="how long (default: 60)")
    sub = command("rm", _rm, "Remove snapshots.")
    sub.add_argument("keys", metavar="KEY", nargs="+", help="a key or a snapshot's number")
    command("gc", _gc, "Take back what dead processes left.", json=True)
    command("stat", _stat, "Print a store's numbers.", json=True)
    sub = command("wait", _wait, "Wait for a snapshot to be published under a key.")
    sub.add_argument("key", metavar="KEY")
    sub.add_argument("--after", type=int, metavar="ID", help="only a snapshot newer than this one")
    sub.add_argument("--timeout", type=float, metavar="SECONDS", help="how long (default: for ever)")
    sub = command("destroy", _destroy, "Remove a whole store; arrays in use stay valid.")
    sub.add_argument("name", metavar="STORE")
    command("doctor", _doctor, "Check that torpor can work here.", json=True)
    return parser


def _open(options: argparse.Namespace, name: str | None = None) -> torpor.Store:
    name = options.store if name is None else name
    return torpor.Store(name, create=name == "default", dir=options.dir)


def _find(options: argparse.Namespace, key: str, files: bool = True) -> torpor.Snapshot:
    store = _open(options)
    try:
        return store[key]
    except (torpor.SnapshotNotFound, torpor.InvalidArgument):
        number = key.removeprefix("#")
        if number.isascii() and number.isdigit() and len(number) < 20:
            return store._by_id(int(number))
        if files and os.path.isfile(key):
            return torpor.load(key)
        raise


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def _print_json(data: Any) -> None:
    print(json.dumps(data, indent=2))


def _ls(options: argparse.Namespace) -> None:
    snapshots = _open(options).snapshots()
    if options.json:
        return _print_json([_show.snapshot_json(snapshot) for snapshot in snapshots])
    rows = [("ID", "KEY", "SIZE", "AGE", "PID", "PYTHON", "FUNCTION")]
    for snapshot in snapshots:
        frames = snapshot.frames
        at = f"{frames[0].qualname}:{frames[0].lineno}" if frames else "-"
        rows.append(
            (
                str(snapshot.id),
                _show.clean(snapshot.key or "-"),
                _show.size(snapshot.nbytes),
                f"{max(0, time.time() - snapshot.created):.0f} s",
                str(snapshot.pid),
                snapshot.python or "-",
                _show.clean(at),
            )
        )
    _print(_show.table(rows))


def _request(options: argparse.Namespace) -> None:
    if not 0 <= options.timeout <= 86400:
        raise torpor.InvalidArgument("The timeout is a number of seconds up to 86400.")
    answer = _serve.ask(_open(options), options.pid, options.key, options.timeout)
    print(f"snapshot {answer['id']}: {_show.size(answer['nbytes'])}")


def _show_one(options: argparse.Namespace) -> None:
    snapshot = _find(options, options.key)
    if options.json:
        return _print_json(_show.snapshot_json(snapshot, locals=True))
    _print(_show.snapshot_lines(snapshot))


def _read(options: argparse.Namespace) -> int:
    snapshot = _find(options, options.key)
    try:
        value = snapshot.read(options.name, options.frame)
    except (KeyError, IndexError) as error:
        if isinstance(error, torpor.TorporError):
            raise
        print(f"torpor: frame {options.frame} has no local {_show.clean(options.name)}.", file=sys.stderr)
        return 1
    if options.json:
        _print_json(_show.as_json(value))
    else:
        print("\n".join(_show.clean(line) for line in repr(value).split("\n")))
    return 0


def _save(options: argparse.Namespace) -> None:
    _find(options, options.key, files=False).save(options.file)


def _load(options: argparse.Namespace) -> None:
    key = pathlib.Path(options.file).stem if options.key is None else options.key
    store = torpor.Store(options.store if options.into is None else options.into, dir=options.dir)
    snapshot = store.insert(torpor.load(options.file), key)
    print(f"snapshot {snapshot.id}: {_show.clean(key)}, {_show.size(snapshot.nbytes)}")


def _resume(options: argparse.Namespace) -> None:
    try:
        value = json.loads(options.value) if options.value is not None else None
    except ValueError as error:
        raise torpor.InvalidArgument(f"--value is not JSON: {error}.") from None
    continuation = _find(options, options.key).adopt()
    sys.argv = [options.key, *options.arguments]
    result = continuation.resume(value) if options.value is not None else continuation.resume()
    if result is not None:
        print(repr(result))


def _rm(options: argparse.Namespace) -> None:
    for key in options.keys:
        _find(options, key, files=False).remove()


def _numbers(options: argparse.Namespace, numbers: dict[str, int]) -> None:
    if options.json:
        return _print_json(numbers)
    in_bytes = ("capacity", "used", "bytes")
    _print(_show.table([(name, _show.size(n) if name in in_bytes else str(n)) for name, n in numbers.items()]))


def _gc(options: argparse.Namespace) -> None:
    _numbers(options, _open(options).gc())


def _stat(options: argparse.Namespace) -> None:
    _numbers(options, _open(options).stats())


def _wait(options: argparse.Namespace) -> None:
    snapshot = _open(options).wait(options.key, after=options.after, timeout=options.timeout)
    print(snapshot.id)


def _destroy(options: argparse.Namespace) -> None:
    torpor.Store(options.name, create=False, dir=options.dir).destroy()


def _job() -> int:
    """What the doctor captures and resumes."""
    total = 1
    for step in range(3):
        got = torpor.dumps()
        if isinstance(got, bytes):
            return total + int(torpor.loads(got).resume(step))
        total += 10 + got
    return total


def _doctor(options: argparse.Namespace) -> int:
    checks: list[tuple[str, bool, str]] = [
        ("python", True, f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"),
        ("torpor", True, torpor.__version__),
    ]
    try:
        store = torpor.Store(options.store, dir=options.dir)
        space = os.statvfs(store.dir)
        checks.append(("store", True, f"{store.name} in {store.dir}"))
        checks.append(("free", True, _show.size(space.f_bavail * space.f_frsize)))
        checks.append(("capacity", True, _show.size(store.capacity)))
    except (torpor.TorporError, OSError) as error:
        checks.append(("store", False, str(error)))
    try:
        import numpy

        checks.append(("numpy", True, numpy.__version__))
    except ImportError:
        checks.append(("numpy", True, "not installed; snapshots with arrays cannot be adopted here"))
    try:
        result = torpor.run(_job)
        checks.append(("capture and resume", True, f"works, the test job gave {result}"))
    except Exception as error:
        checks.append(("capture and resume", False, str(error)))
    if options.json:
        _print_json([{"check": name, "ok": ok, "found": text} for name, ok, text in checks])
    else:
        _print(_show.table([("ok" if ok else "NO", name, _show.clean(text)) for name, ok, text in checks]))
    return 0 if all(ok for _, ok, _ in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
