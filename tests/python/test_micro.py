"""A snapshot goes on under another micro version of Python, and from there under the first again.

The code of the standard library differs between them, so what travels is not the adopter's own. Where the machine has one
build of this version only, the processes are all of that.
"""

import os
import pathlib
import subprocess
import sys

import pytest
import torpor
from processes import PATIENCE

ROOT = pathlib.Path(__file__).parents[2]
#: Where the package lies, with the extension module of this minor version.
PACKAGE = pathlib.Path(torpor.__file__).parents[1]


def builds():
    """This Python, and one of another micro version if there is one."""
    mine = (*sys.version_info[:2], sys.abiflags)
    show = "import sys; print((*sys.version_info[:2], sys.abiflags) == %r and sys.version_info[:3])" % (mine,)
    for way in ([], ["--other"]):
        found = subprocess.run([ROOT / "tests/pythons", *way], capture_output=True, text=True, check=True).stdout
        for python in found.split():
            version = subprocess.run([python, "-c", show], capture_output=True, text=True).stdout.strip()
            if version not in ("False", str(tuple(sys.version_info[:3]))):
                return [sys.executable, python]
    return [sys.executable, sys.executable]


def run_by(python, text, stores):
    path = stores / "script.py"
    path.write_text(text)
    there = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    command = [python, "-s", "-P", "-W", "ignore", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=there, cwd=stores)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


PROGRAM = """
import asyncio, contextlib, importlib, sys, torpor
def pause(value):
    for key in ("first", "second"):
        if isinstance(torpor.capture(key=key), torpor.Snapshot):
            break
    return value
{program}
print(torpor.run(program))
"""
PROGRAMS = {
    "event loop": """
async def down(n):
    return await down(n - 1) if n else pause("deep")
async def other(n):
    await asyncio.sleep(0.01 * n)
    return n, asyncio.current_task().get_name()
async def main():
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(other(n), name=f"task {n}") for n in range(3)]
        mine = asyncio.current_task()
        got = await asyncio.wait_for(down(2), 5)
    return got, [task.result() for task in tasks], mine is asyncio.current_task()
def program():
    return asyncio.run(main())
""",
    "import": """
def program():
    with open("imported_here.py", "w") as file:
        file.write("import sys\\nvalue = 1\\nvalue += sys.modules['__main__'].pause(1)\\n")
    sys.path.insert(0, ".")
    importlib.invalidate_caches()
    import imported_here
    return imported_here.value, sys.modules["imported_here"] is imported_here
""",
    "library": """
import collections, dataclasses, enum, re
class Kind(enum.Enum):
    ONE = 1
@dataclasses.dataclass
class Data:
    kind: Kind
    rest: list = dataclasses.field(default_factory=list)
@contextlib.contextmanager
def managed(log):
    log.append("in")
    try:
        yield log
    finally:
        log.append("out")
def program():
    log, data, pattern = [], Data(Kind.ONE), re.compile("(a)(b)?")
    with contextlib.ExitStack() as stack, managed(log):
        stack.enter_context(managed(log))
        data.rest.append(pause(collections.Counter("aab")))
    return log, data, data.kind is Kind.ONE, pattern.match("ab").groups()
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_goes_on_under_another_micro_version(stores, name):
    mine, other = builds()
    program = PROGRAM.format(program=PROGRAMS[name])
    resume = "import torpor\nprint(torpor.adopt({!r}).resume())"
    for first, second, third in ((mine, other, mine), (other, mine, other)):
        expected = run_by(first, program, stores)
        run_by(second, resume.format("first"), stores)  # captures again on its way
        assert run_by(third, resume.format("second"), stores) == expected
