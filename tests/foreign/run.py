"""Suspends programs that were not written for torpor, and resumes them in fresh processes.

    tests/foreign/run.py [--table] [--seed N] [--stops N] [--every N] [--more] [benchmarks|requests|chains|cpython|libraries ...]
    tests/foreign/run.py --seed N --stops N [--at EVENT] NAME ...

The programs are the stand-alone benchmarks of pyperformance (jobs.py), and the methods of parts of CPython's own test
suite (cases.py); if they are asked for and installed, also programs over well-known libraries (libraries.py, `make libraries`).
Each is stopped at random lines; the benchmarks are also captured by requests at random times, and in chains: each process
goes on where the last one was captured, and is captured again on its way.
What is captured must end in a fresh process as the undisturbed run ends.
"""

import argparse
import collections
import concurrent.futures
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
VERSION = "%d.%d" % sys.version_info[:2]
#: As tests/python/processes.py has it: -I would make Python deaf to PYTHON_JIT.
ISOLATED = ["-s", "-P"] if "PYTHON_JIT" in os.environ else ["-I"]

Stop = collections.namedtuple("Stop", "program way at where outcome detail took waited", defaults=(None, ()))


def module(path, name):
    specification = importlib.util.spec_from_file_location(name, path)
    made = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(made)
    return made


JOBS = module(HERE / "jobs.py", "foreign_jobs").JOBS
LIBRARIES = module(HERE / "libraries.py", "foreign_libraries").JOBS
CASES = module(HERE / "cases.py", "foreign_cases")


class Server:
    """A process that answers each line of JSON with one."""

    def __init__(self, script, *arguments):
        command = [sys.executable, *ISOLATED, "-X", "faulthandler", str(script), *map(str, arguments)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=script.parent)

    def ask(self, question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process that forks children ended: {self.process.wait()}")
        return json.loads(line)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


class Pair:
    """A process that runs jobs, and a fresh one that resumes what was captured of them."""

    def __init__(self, place):
        place.mkdir()
        children = (HERE.parent / "corpus" / "children.py").read_text()
        for name in ("driver.py", "serve.py", "hop.py"):
            (place / name).write_text((HERE / name).read_text())
        (place / "children.py").write_text(children)
        (place / "adopter.py").write_text("\n".join([children, *((HERE / name).read_text() for name in ("hop.py", "adopter.py"))]))
        self.producer = Server(place / "serve.py", place)
        self.adopter = Server(place / "adopter.py")

    def stop(self):
        self.producer.stop()
        self.adopter.stop()

    def run(self, name, way, seed, most, only=None):
        """What became of every stop of one program."""
        ask = {"name": name, "how": way, "seed": seed, "most": most, "only": only}
        if name in LIBRARIES:
            imports, body = LIBRARIES[name]
            ask.update(imports=imports, body=body)
        elif not name.startswith("test."):
            ask.update(path=str(benchmarks() / f"bm_{name}" / "run_benchmark.py"), body=JOBS[name])
        made = self.producer.ask(ask)
        if made["how"] != "ended":
            return [Stop(name, way, "", "", made["how"], made["text"])]
        result = made["result"]
        if not result["stops"]:
            return [Stop(name, way, "", "", "differs when traced", f"{result['text']}\n{result['traced']}"[:400])] \
                if result["text"] != result["traced"] else []
        if result["traced"] != result["text"]:
            return [Stop(name, way, "", "the original itself", "wrong", f"{result['text']}\n{result['traced']}"[:2000])]
        if way == "chains":
            return self.chain(name, result, random.Random(f"{seed} {name} chain"), most)
        return [self.judge(name, way, stop, result["text"]) for stop in result["stops"]]

    def chain(self, name, first, draw, most):
        """What became of every stage of a job that each process goes on with where the one before it was captured."""
        stages, key = [], first["stops"][0]["key"]
        while key:
            then = f"{name}>{len(stages) + 1}" if len(stages) + 1 < most else None
            found = self.adopter.ask([key, then, draw.random() * first["taken"] / 4] if then else [key])
            if found["how"] == "ended" and then:
                found["result"], captured = found["result"]
                key = then if captured else None
            else:
                key = None
            stages.append(self.verdict((name, "chains", len(stages), "stage"), found, first["text"]))
        return stages

    def judge(self, name, way, stop, expected):
        """What became of one stop; of a request also how long it took, and what it waited for."""
        about = name, way, stop["at"], stop["where"]
        request = stop.get("took"), stop.get("waited for", ())
        if "refusal" in stop:
            return Stop(*about, "refused", stop["refusal"], *request)
        return self.verdict(about, self.adopter.ask([stop["key"]]), expected, *request)

    def verdict(self, about, found, expected, *request):
        if found["how"] != "ended":
            how = "wrong" if found["text"].startswith("exit status 1\n") else found["how"]
            return Stop(*about, how, found["text"], *request)
        if found["result"] != expected:
            detail = f"expected {expected[:800]}\n   found {str(found['result'])[:800]}"
            return Stop(*about, "wrong", detail, *request)
        return Stop(*about, "resumed", "", *request)


def benchmarks():
    """Where the installed pyperformance has its benchmarks."""
    return pathlib.Path(importlib.metadata.distribution("pyperformance").locate_file("pyperformance/data-files/benchmarks"))


def wanted(ways, every, seed, more=False):
    """What is to be run: (name, way), one test method of `every`; with `more`, of other modules."""
    work = [(name, way) for way in ("benchmarks", "requests") if way in ways for name in JOBS]
    if "chains" in ways:
        work += [(name, "chains") for name in JOBS]
    if "libraries" in ways:
        work += [(name, "libraries") for name in LIBRARIES]
    if "cpython" in ways:
        methods = CASES.methods(VERSION, more)
        work += [(name, "cpython") for name in random.Random(seed).sample(methods, len(methods) // every)]
    return work


def run_all(work, seed, most, only=None):
    """Runs (name, way) pairs, two at a time; a list of stops."""
    found, todo = [], collections.deque(work)
    before = os.environ.get("TORPOR_DIR")
    shared = "/dev/shm" if before is None and os.access("/dev/shm", os.W_OK) else before

    def some(place):
        os.environ["TORPOR_DIR"] = str(place.parent)
        pair = Pair(place)
        try:
            while todo:
                name, way = todo.popleft()
                found.extend(pair.run(name, way, seed, most[way], only))
        finally:
            pair.stop()

    with tempfile.TemporaryDirectory(dir=shared) as place, concurrent.futures.ThreadPoolExecutor(2) as pool:
        try:
            for future in [pool.submit(some, pathlib.Path(place) / str(n)) for n in range(2)]:
                future.result()
        finally:
            os.environ.pop("TORPOR_DIR", None)
            if before is not None:
                os.environ["TORPOR_DIR"] = before
    return found


def bad(stops):
    """What must not be, each with how to run it again."""
    return [s for s in stops if s.outcome in ("wrong", "crashed", "hang")]


def again(stop, seed, most):
    at = f" --at {stop.at}" if stop.way not in ("requests", "chains") and stop.at else ""
    return (f"{stop.program} ({stop.way}) {stop.where}: {stop.outcome}\n"
            f"tests/foreign/run.py --seed {seed} --stops {most[stop.way]}{at} {stop.way}:{stop.program}\n{stop.detail}")  # fmt: skip


def cause(stop):
    kind, reason = stop.detail
    return f"{kind}: {CASES.cause(reason)}"


def between(stop):
    """Whether a request was met between two runs of the job only, or where one begins or ends."""
    return stop.where.partition(":")[0] in ("repeat", "job")


def late(stop):
    """Whether a request took more than a second of the program's own time, or was not met at all."""
    return stop.outcome == "refused" or stop.took[1] > 1


def times(stops):
    """How soon requests were met: the aim is 99 of 100 within a second while the program runs. The clock says so only on
    a machine that does nothing else."""
    clock, own = (sorted(s.took[n] if s.outcome != "refused" else float("inf") for s in stops) for n in (0, 1))

    def at(share, of):
        value = of[min(len(of) - 1, int(share * len(of)))]
        return "never" if value == float("inf") else f"{1000 * value:.0f} ms"

    within = 100 * sum(not late(s) for s in stops) / len(stops)
    inside = 100 * sum(not between(s) for s in stops) / len(stops)
    return [f"{within:.1f} %", at(0.5, own), at(0.99, own), at(0.5, clock), at(0.99, clock), f"{inside:.0f} %"]


def row(*cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def table(stops, causes=40):
    """How many stops there are of each outcome, how soon requests were met, and the refusals by their causes."""
    out = [row("Python", "programs", "", "stops", "resumed", "refused", "wrong", "crashed", "hang"), "|---" * 9 + "|"]
    for way, what in (("benchmarks", "random lines"), ("requests", "requests"), ("chains", "stages of chains"), ("cpython", "random lines"),
                      ("libraries", "random lines")):  # fmt: skip
        of = [s for s in stops if s.way == way and s.where]
        if of:
            count = collections.Counter(s.outcome for s in of)
            programs = len({s.program for s in of})
            share = 100 * count["resumed"] / len(of)
            out.append(row(VERSION, f"{programs} {CASES.WHAT[way]}", what, len(of), f"{count['resumed']} ({share:.1f} %)",
                           *(count[outcome] for outcome in ("refused", "wrong", "crashed", "hang"))))  # fmt: skip
    asked = [s for s in stops if s.took]
    if asked:
        out += ["", row("Python", "requests", "met within a second of the program's own time", "median", "99th percentile",
                        "median by the clock", "99th percentile", "inside of the job"), "|---" * 8 + "|",
                row(VERSION, len(asked), *times(asked))]  # fmt: skip
    if causes:
        found = collections.Counter((s.way, cause(s)) for s in stops if s.outcome == "refused" and s.way != "requests")
        out += ["", "| refused, because of | | stops |", "|---|---|---|"]
        out += [f"| {why} | {way} | {n} |" for (way, why), n in found.most_common(causes)]
        found = collections.Counter((s.program, CASES.cause(why)) for s in asked if late(s) or between(s)
                                    for why in s.waited)  # fmt: skip
        out += ["", "| late, or met between two runs only: it waited for | program | requests |", "|---|---|---|"]
        out += [row(why, program, n) for (program, why), n in found.most_common(causes)]
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="print the table only")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stops", type=int, help="stops of each program (default: 20, 6 requests, 3 in a test)")
    parser.add_argument("--every", type=int, default=1, help="one test method of so many")
    parser.add_argument("--more", action="store_true", help="other modules of CPython's tests, which no other command runs")
    parser.add_argument("--at", type=int, help="the one line event to stop at")
    parser.add_argument("what", nargs="*", help="benchmarks, requests, chains, cpython, libraries, or WAY:NAME (default: all but libraries)")
    options = parser.parse_args()
    most = {"benchmarks": 20, "requests": 6, "chains": 30, "cpython": 3, "libraries": 20}
    if options.stops:
        most = dict.fromkeys(most, options.stops)
    ways = [w for w in options.what if ":" not in w]
    work = [(name, way) for way, _, name in (w.partition(":") for w in options.what) if name]
    if ways or not work:
        work += wanted(ways or ("benchmarks", "requests", "chains", "cpython"), options.every, options.seed, options.more)
    stops = run_all(work, options.seed, most, options.at)
    print(table(stops))
    if options.table:
        return 0
    for s in stops:
        if s.outcome == "refused" and len(work) < 20:
            print(s.program, s.at, s.where, *s.detail)
        elif s.took and (len(work) < 20 or late(s)):
            print(s.at, s.where, s.outcome, *(f"{t:.3f}" for t in s.took), *dict.fromkeys(map(CASES.cause, s.waited)), sep="  ")
        elif s.outcome.startswith("differs"):
            print(s.program, s.outcome, s.detail)
    for s in bad(stops):
        print("\n" + again(s, options.seed, most))
    return bool(bad(stops))


if __name__ == "__main__":
    sys.exit(main())
