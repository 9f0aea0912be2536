"""A snapshot that is saved in the background becomes a whole file, whatever the program and the store do meanwhile."""

import os
import signal

import numpy as np
import pytest
import torpor
from processes import literal, run

MIB = 1 << 20


def keep(store, key="k", megabytes=8):
    u = np.arange(megabytes * MIB // 8)

    def job(u):
        return store.capture(key=key)

    return torpor.run(job, u)


def test_it_is_written_while_the_program_goes_on(store, tmp_path):
    snapshot = keep(store, megabytes=32)
    saving = snapshot.save(tmp_path / "file", background=True)
    del store["k"], snapshot
    keep(store)
    assert saving.wait(60) == saving.path == tmp_path / "file" and saving.done
    loaded = torpor.load(saving.path, verify="full")
    assert loaded.adopt().frames[0].locals["u"][-1] == 4 * MIB - 1
    assert saving.wait() == saving.path and "done" in repr(saving)
    assert keep(store).save(tmp_path / "file") is None
    assert os.listdir(tmp_path) == ["file"]


def test_what_goes_wrong_is_told_by_wait(store, tmp_path):
    saving = keep(store).save(tmp_path / "nowhere" / "file", background=True)
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            saving.wait(60)
    assert saving.done


def test_the_working_directory_may_change(store, tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    saving = keep(store).save("file", background=True)
    monkeypatch.chdir(tmp_path / "sub")
    assert saving.wait(60) == tmp_path / "file" and (tmp_path / "file").exists()


def test_the_interpreter_ends_after_the_file(stores, tmp_path):
    run(
        """
        import sys, torpor
        def job():
            data = bytes(64 << 20)
            return torpor.capture(key="k")
        torpor.run(job).save(sys.argv[1], background=True)
        """,
        tmp_path / "file",
    )
    torpor.load(tmp_path / "file", verify="full")


def test_killed_in_between_there_is_no_file_or_the_old_one(stores, tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    run(
        """
        import os, signal, sys, torpor
        def job():
            data = bytes(128 << 20)
            return torpor.capture(key="k")
        saving = torpor.run(job).save(sys.argv[1], background=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        tmp_path / "file",
        status=-signal.SIGKILL,
    )
    if (tmp_path / "file").read_bytes()[:3] != b"old":
        torpor.load(tmp_path / "file", verify="full")


def test_a_handle_in_a_captured_frame_travels(stores, tmp_path):
    """A loop that saves each checkpoint holds the handle of the last one."""
    out = run(
        """
        import os, sys, torpor
        def job():
            saving, steps = None, []
            for step in range(3):
                got = torpor.capture(key=f"step {step}")
                if got is not None:
                    saving = got.save(f"{sys.argv[1]}/{step}", background=True)
                steps.append((step, got is None))
            return steps, saving
        steps, saving = torpor.run(job)
        pid = os.fork()
        if pid == 0:
            try:
                saving.wait()
            except torpor.StoreError:
                os._exit(7)
            os._exit(0)
        print((os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), saving.wait().name))
        """,
        tmp_path,
    )
    assert literal(out) == (7, "2")
    out = run(
        """
        import sys, torpor
        steps, saving = torpor.load(sys.argv[1] + "/2").adopt().resume()
        try:
            saving.wait()
        except torpor.StoreError as error:
            print((steps, saving.path.name, "another process" in str(error)))
        """,
        tmp_path,
    )
    assert literal(out) == ([(0, False), (1, False), (2, True)], "1", True)
