"""The command line shows snapshots without running their code, and says yes, no or misuse by its exit status."""

import json
import subprocess
import sys

import pytest
import torpor
from processes import PATIENCE, run

SCRIPT = """
import numpy, torpor
class Bomb:
    def __reduce__(self):
        return print, ("boom",)
    def __repr__(self):
        print("boom")
        return "boom"
def inner(u, step):
    bomb = Bomb()
    got = torpor.capture(key="k")
    return "original" if isinstance(got, torpor.Snapshot) else (got, float(u.sum()))
def outer():
    u = numpy.ones((300, 400))
    text = "esc \\x1b[31m red \\n line"
    return inner(u, 7)
torpor.run(outer)
"""


@pytest.fixture
def snapshot(stores):
    run(SCRIPT)
    return torpor.Store()["k"]


def cli(*arguments, status=0, **options):
    done = subprocess.run(
        [sys.executable, "-m", "torpor", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        **options,
    )
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done.stdout if status == 0 else done.stderr


def test_ls(snapshot):
    out = cli("ls")
    assert "k" in out and "inner" in out and "KiB" in out and "boom" not in out
    (row,) = json.loads(cli("ls", "--json"))
    assert row["key"] == "k" and row["id"] == snapshot.id
    assert [f["function"] for f in row["frames"]] == ["inner", "outer"]


def test_show(snapshot):
    out = cli("show", "k")
    assert 'got = torpor.capture(key="k")' in out and "return inner(u, 7)" in out
    marked = [line for line in out.splitlines() if "->" in line]
    assert len(marked) == 2 and "capture" in marked[0] and "inner(u, 7)" in marked[1]
    assert "float64[300, 400]" in out and "937.5 KiB" in out
    assert "\x1b" not in out and "boom" not in out and "Bomb" in out
    data = json.loads(cli("show", "k", "--json"))
    assert "float64[300, 400]" in data["frames"][0]["locals"]["u"]
    assert cli("show", snapshot.id) == out == cli("show", f"#{snapshot.id}")


def test_show_escapes_hostile_names(stores):
    run(r"""
        import torpor
        source = "def job():\n    x = '\x1b[2J\u202e'\n    torpor.capture(key='k\x1b[2J')\n"
        space = {"torpor": torpor, "__name__": "__main__"}
        exec(compile(source, "evil\x1b[2J\n.py", "exec"), space)
        torpor.run(space["job"])
        """)
    for command in (["ls"], ["show", "k\x1b[2J"]):
        out = cli(*command)
        assert "\x1b" not in out and "\u202e" not in out and "evil" in out or command == ["ls"]


def test_show_reads_no_strange_files_for_source_lines(stores):
    run("""
        import torpor
        space = {"torpor": torpor}
        exec(compile("def job():\\n    torpor.capture(key='k')\\n", "/dev/zero", "exec"), space)
        torpor.run(space["job"])
        """)
    assert "/dev/zero:2" in cli("show", "k")


def test_read(snapshot):
    assert cli("read", "k", "step") == "7\n"
    assert "1." in cli("read", "k", "u")
    assert "\x1b" not in cli("read", "k", "text", "--frame", 1)
    assert json.loads(cli("read", "k", "text", "--frame", 1, "--json")) == "esc \x1b[31m red \n line"
    assert "boom" not in cli("read", "k", "bomb")
    assert "nothing" in cli("read", "k", "nothing", status=1)
    cli("read", "k", "step", "--frame", 9, status=1)


def test_save_and_resume_from_file(snapshot, tmp_path):
    path = tmp_path / "s.torpor"
    cli("save", "k", path)
    assert "inner" in cli("show", path)
    assert cli("resume", path, "--value", '{"a": [1, null]}').splitlines()[-1] == "({'a': [1, None]}, 120000.0)"


def test_load(snapshot, tmp_path):
    """A file goes into a store, with what the snapshot had; another store is made for it."""
    path = tmp_path / "kept.torpor"
    cli("save", "k", path)
    assert "kept" in cli("load", path)
    assert "another key" in cli("load", path, "elsewhere", "--key", "another key")
    assert cli("show", "kept").splitlines()[1:] == cli("show", "k").splitlines()[1:]
    for where in (("resume", "kept"), ("--store", "elsewhere", "resume", "another key")):
        assert cli(*where, "--value", "5").splitlines()[-1] == "(5, 120000.0)"
    path.write_bytes(path.read_bytes()[:-5])
    assert "torpor: " in cli("load", path, status=1)
    cli("load", tmp_path / "none", status=1)


def test_resume(snapshot):
    assert cli("resume", "k").splitlines()[-1] == "(None, 120000.0)"
    assert cli("resume", "k", "--value", "5").splitlines()[-1] == "(5, 120000.0)"
    cli("resume", "k", "--value", "{not json", status=2)


def test_resume_gives_arguments_and_exit_status(stores):
    run("""
        import sys, torpor
        def job():
            torpor.capture(key="exit")
            if len(sys.argv) > 2:
                sys.exit(len(sys.argv) + 40)
            raise ValueError("from the program")
        try:
            torpor.run(job)
        except ValueError:
            pass
        """)
    cli("resume", "exit", "a", "b", status=43)
    assert "ValueError: from the program" in cli("resume", "exit", status=1)


def test_rm_gc_stat_destroy(snapshot):
    stat = json.loads(cli("stat", "--json"))
    assert stat["snapshots"] == 1 and stat["used"] > 900_000
    assert "used" in cli("stat")
    cli("gc")
    assert cli("rm", "k") == ""
    assert "k" in cli("rm", "k", status=1)
    assert json.loads(cli("ls", "--json")) == []
    cli("destroy", "default")
    cli("destroy", "default", status=1)


def test_wait(snapshot):
    assert cli("wait", "k") == f"{snapshot.id}\n"
    cli("wait", "k", "--after", snapshot.id, "--timeout", 0.05, status=1)
    cli("wait", "other", "--timeout", 0.05, status=1)


def test_doctor(stores):
    out = cli("doctor")
    assert "capture and resume" in out and "NO" not in out
    assert all(check["ok"] for check in json.loads(cli("doctor", "--json")))


def test_no_and_misuse(stores):
    for command in (["show", "k"], ["resume", "k"], ["rm", "k"], ["save", "k", "f"], ["read", "k", "x"]):
        assert "torpor:" in cli(*command, status=1)
        assert "Traceback" not in cli(*command, status=1)
    for command in ([], ["nonsense"], ["show"], ["read", "k"], ["wait", "k", "--timeout", "soon"]):
        cli(*command, status=2)
    assert "no-such" in cli("--store", "no-such", "ls", status=1)


def test_other_store_and_directory(stores, tmp_path):
    store = torpor.Store("other", dir=str(tmp_path))

    def job():
        return store.capture(key="there")

    torpor.run(job)
    assert "there" in cli("--store", "other", "--dir", tmp_path, "ls")


def test_script_is_installed(stores):
    import pathlib

    script = pathlib.Path(sys.executable).with_name("torpor")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == f"torpor {torpor.__version__}\n"
