"""The main job over real processes.

Process A solves the heat equation and captures its whole stack half way; it is killed with SIGKILL.
Process B, a fresh interpreter that never imported A's script, adopts the snapshot and finishes. The
result is compared with a run that nobody disturbed.
"""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile

import torpor
from torpor._show import describe_array, size, source

HERE = pathlib.Path(__file__).parent
SIZE, STEPS = 2304, 60  # two arrays of 40.5 MiB
PATIENCE = 300


def start(script, *arguments):
    """A fresh isolated interpreter in an empty directory."""
    command = [sys.executable, "-I", str(HERE / script), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=EMPTY)


def finish(process):
    """Prints what a process prints and returns its result line."""
    out, _ = process.communicate(timeout=PATIENCE)
    if process.returncode:
        sys.exit(f"process {process.pid} ended with status {process.returncode}\n{out}")
    *lines, result = out.splitlines()
    for line in lines:
        print(f"   {line}")
    return result


def show(snapshot):
    """The captured stack with its source lines, and its arrays."""
    for index, frame in enumerate(snapshot.frames):
        ((_, line),) = source(frame.filename, frame.lineno, around=0)
        print(f"   {frame.function:<11} {pathlib.Path(frame.filename).name}:{frame.lineno:<4} -> {line.strip()}")
    for path, array in snapshot.arrays().items():
        print(f"   {path:<23} {describe_array(array)}")
    print(f"   snapshot {snapshot.id}: {size(snapshot.nbytes)} (each array lies in it once), by process {snapshot.pid}")


def c_program(title, name, *arguments):
    """Runs one of the C programs of this folder, where it has been built."""
    program = HERE.parent / "target" / "demo" / name
    if program.exists():
        print(f"\n-- {title}", flush=True)
        subprocess.run([program, *arguments], check=True, timeout=PATIENCE)


def main():
    print(f"-- Process A: {SIZE} x {SIZE} points, {STEPS} steps; it captures itself at step {STEPS // 2}")
    a = start("heat.py", SIZE, STEPS, STEPS // 2)
    print(f"   {a.stdout.readline()}", end="")
    snapshot = torpor.Store().wait("demo", timeout=PATIENCE)
    a.send_signal(signal.SIGKILL)
    a.communicate()
    print(f"   process {a.pid}: killed, exit status {a.returncode} ({signal.Signals(-a.returncode).name})")

    print("\n-- What it left in shared memory")
    show(snapshot)
    c_program("A C program without Python reads it in place", "norm", "default", "demo", "0", "u")
    c_program("A C++ program that embeds Python captures, another one resumes", "embed")

    print("\n-- Process B: a fresh interpreter that never saw heat.py")
    resumed = finish(start("finish.py"))

    print("\n-- The same run, undisturbed")
    undisturbed = finish(start("heat.py", SIZE, STEPS))

    print(f"\nA, then B:   {resumed}\nundisturbed: {undisturbed}")
    if resumed != undisturbed:
        sys.exit("The results differ.")
    print("Bit-identical.")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as EMPTY:
        with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as stores:
            os.environ["TORPOR_DIR"] = stores
            main()
