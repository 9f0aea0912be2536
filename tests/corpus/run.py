"""Runs the corpus: small programs, each suspended once inside one construct and resumed in a fresh process.

    tests/corpus/run.py [--table] [--not-yet] [--captured AROUND] [--resumed AROUND] [--rewritten WAY] [TOPIC[.PROGRAM] ...]

Every program runs undisturbed, with an exception at its pause, and captured (cold, and warm: after it ran often
enough to be specialised; TORPOR_CORPUS_WARM=4 runs one in four warm). The one that captures goes on to its end, and
must end as the undisturbed one; so must the fresh process that resumes it, the one in which an exception is raised
instead, and (of what is captured warm) the one that has resumed it before. TORPOR_CORPUS_JIT_WARM=1500 has programs run so often before, and their loops compiled where PYTHON_JIT=1.
"""

import argparse
import ast
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import rewritten  # noqa: E402

NOT_YET = HERE / "not_yet.txt"
VERSION = "%d.%d" % sys.version_info[:2] + sys.abiflags  # 3.13d: a debug build
#: As tests/python/processes.py has it: -I would make Python deaf to PYTHON_JIT.
ISOLATED = ["-s", "-P"] if "PYTHON_JIT" in os.environ else ["-I"]
#: One program in so many is captured warm too.
WARM_EVERY = int(os.environ.get("TORPOR_CORPUS_WARM", 1))
#: Seconds for all programs of a topic; single programs have a limit of their own (children.py). Debug builds
#: take several times as long.
PATIENCE = 2400 if hasattr(sys, "gettotalrefcount") else 600

#: The cause of refusals where C code lies between two frames, and what they say.
BETWEEN = "C code between two frames"
WHERE = re.compile(r"cannot capture [^ ]+ \(.+, line \d+\): C code lies between it and [^ ]+, "
                   r"which it reached by ([^;]+ \(\w+\)|(?!CALL)[A-Z_]+);")

Result = collections.namedtuple("Result", "program outcome cause detail refused")


def text_of(*names):
    return "\n".join((HERE / name).read_text() for name in names)


def topics():
    return sorted(path.stem for path in (HERE / "programs").glob("*.py"))


def declared(topic):
    """How many programs the source of a topic has for this version, those made in a loop aside."""
    count = 0
    for node in ast.parse((HERE / "programs" / f"{topic}.py").read_text()).body:
        if isinstance(node, ast.FunctionDef):
            count += any(ast.unparse(d).startswith("program") for d in node.decorator_list)
        elif isinstance(node, ast.Expr) and ast.unparse(node).startswith("newer("):
            count += sys.version_info >= ast.literal_eval(node.value.keywords[0].value)
    return count


def source_of(topic):
    """The programs of a topic, written otherwise if TORPOR_CORPUS_REWRITTEN names a way."""
    text, way = text_of(f"programs/{topic}.py"), os.environ.get("TORPOR_CORPUS_REWRITTEN")
    return rewritten.rewritten(way, text) if way else text


def scripts():
    return sorted(path.stem for path in (HERE / "scripts").glob("*.py"))


def python(path, *arguments, given=None):
    """Runs a script as `__main__` of a fresh interpreter."""
    command = [sys.executable, *ISOLATED, "-X", "faulthandler", str(path), *arguments]
    files = {**os.environ, "TMPDIR": str(path.parent)}
    return subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=PATIENCE, cwd=path.parent, env=files
    )


def records(done):
    """The lines that the process reported; it must have ended well."""
    if done.returncode != 0:
        raise RuntimeError(f"exit status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def adopt(directory, jobs):
    """What became of the jobs in a fresh process, by program and run."""
    path = directory / "adopter.py"
    path.write_text(text_of("children.py", "around.py", "adopter.py"))
    done = python(path, given="".join(json.dumps(job) + "\n" for job in jobs))
    return {(r["program"], r["run"]): r for r in records(done)}


def run_topic(topic, names, directory):
    path = directory / f"{topic}.py"
    end = f"\nrun_programs({topic!r}, {WARM_EVERY}, sys.argv[1:])\n"
    path.write_text(text_of("children.py", "around.py", "harness.py") + "\n" + source_of(topic) + end)
    made = records(python(path, *names))
    jobs = []
    for record in made:
        for run in record["runs"].keys() - {"plain", "throw"}:
            if record["runs"][run].get("result", {}).get("refusal") is None and record["runs"][run]["how"] == "ended":
                key = f"{record['program']}.{run}"
                job = {"program": record["program"], "key": key, "target": record["target"], "script": False}
                job["path"] = record["runs"][run]["result"]["path"]
                jobs.append({**job, "run": run, "throw": False})
                jobs.append({**job, "run": run + " throw", "throw": True})
                if run == "cold" and record["target"] != "greenlet":
                    # Resumed, it was captured once more.
                    jobs.append({**job, "key": key + ".again", "run": "cold captured again", "throw": False})
                if run == "warm":
                    jobs.append({**job, "run": "warm again", "throw": False, "before": 1})
    resumed = adopt(directory, jobs)
    return [judge(record, resumed) for record in made]


def judge(record, resumed):
    """The outcome of one program, from all its runs."""
    program, runs = record["program"], record["runs"]
    for run, found in runs.items():
        if found["how"] != "ended":
            return Result(program, found["how"], f"{run}: the undisturbed run or the captured one", found["text"], None)
    plain, throw = runs["plain"]["result"], runs["throw"]["result"]
    if plain["pauses"] != 1:
        return Result(program, "wrong", f"paused {plain['pauses']} times", plain["text"], None)
    captured = [run for run in ("cold", "warm") if run in runs]
    refusals = {run: runs[run]["result"]["refusal"] for run in captured}
    for run in captured:
        if runs[run]["result"]["text"] != plain["text"]:
            return different(program, f"{run}, the original itself", plain["text"], runs[run]["result"]["text"])
    for run in captured:
        for how, expected in ((run, plain), (run + " throw", throw), (run + " again", plain), (run + " captured again", plain)):
            found = resumed.get((program, how))
            if found is None:
                continue
            if found["how"] != "ended":
                bad = "wrong" if found["text"].startswith("exit status 1\n") else found["how"]
                return Result(program, bad, f"{how}: no result", found["text"], None)
            if found["result"] != expected["text"]:
                return different(program, how, expected["text"], found["result"])
    causes = {run: refusal and cause_of(*refusal) for run, refusal in refusals.items()}
    if causes["cold"] != causes.get("warm", causes["cold"]):
        return Result(program, "wrong", "cold and warm code differ", repr(refusals), None)
    if causes["cold"]:
        return Result(program, "refused", causes["cold"], refusals["cold"][1], record["refused"])
    return Result(program, "resumed", "", "", record["refused"])


def different(program, where, expected, found):
    return Result(program, "wrong", where, f"expected {expected}\n   found {found}", None)


#: What stands in the way, in few words that no version changes: the first that is found in the refusal.
CAUSES = (
    (r"runs as a generator or coroutine|async generator.*runs", "a running generator or coroutine"),
    (r"by constructing an object", "construction"),
    (r"C code lies between", BETWEEN),
    (r"not by a call", "a special method"),
    (r"target= is an? (generator|coroutine|greenlet)", r"a \1 as the target"),
    (r"target= is an? async_generator", "an async generator as the target"),
    (r"'async_generator", "an async generator as a value"),
    (r"'(generator|coroutine)", r"a \1 as a value"),
    (r"'\w+' is not found in any module by that name", "a type parameter or alias as a value"),
    (r"\ban? ([\w.]+) cannot be captured", r"a value of type \1"),
)


def cause_of(kind, reason):
    for pattern, cause in CAUSES:
        found = re.search(pattern, reason, re.IGNORECASE)
        if found:
            return found.expand(cause)
    return reason.split(";")[0].split(": ", 1)[-1][:80]


def without_state(text):
    return "".join(line for line in text.splitlines(True) if not line.startswith("STATE "))


def run_script(name, directory):
    """A script that is captured at module level; what it prints is compared, and the exception that ends it."""
    path = directory / f"script_{name}.py"
    body = 'STATE.update(mode=sys.argv[1], key=sys.argv[2])\n'
    end = '\nprint("STATE", json.dumps([STATE["pauses"], STATE["refusal"]]))\n'
    path.write_text(text_of("children.py", "around.py", "harness.py") + body + text_of(f"scripts/{name}.py") + end)
    key = f"scripts.{name}.cold"
    made = {mode: python(path, mode, key) for mode in ("plain", "throw", "capture")}
    text = {mode: without_state(done.stdout) for mode, done in made.items()}
    for mode, done in made.items():
        last = (done.stderr.strip().splitlines() or [""])[-1]
        if done.returncode == 1 and mode == "throw":
            text[mode] += last
        elif done.returncode != 0:
            bad = "crashed" if done.returncode < 0 else "wrong"
            return Result(f"scripts.{name}", bad, mode, done.stderr[-6000:], None)
    pauses, refusal = json.loads(made["capture"].stdout.splitlines()[-1].removeprefix("STATE "))
    if pauses != 1:
        return Result(f"scripts.{name}", "wrong", f"paused {pauses} times", "", None)
    if text["capture"] != text["plain"]:
        return different(f"scripts.{name}", "cold, the original itself", text["plain"], text["capture"])
    if refusal:
        return Result(f"scripts.{name}", "refused", cause_of(*refusal), refusal[1], None)
    job = {"program": name, "key": key, "target": None, "script": True, "path": []}
    jobs = [{**job, "run": run, "throw": run == "throw"} for run in ("plain", "throw")]
    jobs.append({**job, "key": key + ".again", "run": "captured again", "throw": False})
    text["captured again"] = text["plain"]
    resumed = adopt(directory, jobs)
    for run in ("plain", "throw", "captured again"):
        found = resumed[name, run]
        if found["how"] != "ended":
            return Result(f"scripts.{name}", found["how"], run, found["text"], None)
        # What was printed before the capture is the first process's.
        tail = without_state(found["text"]).strip()
        if not tail or not text[run].strip().endswith(tail) or "before" in tail:
            return different(f"scripts.{name}", run, text[run], found["text"])
    return Result(f"scripts.{name}", "resumed", "", "", None)


def run_in(place, only, wanted, done):
    """Runs what is wanted, in directories below `place`; calls `done(topic, results)` for each."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        futures = []
        for topic in topics():
            if not only or topic in wanted:
                directory = place / topic
                directory.mkdir()
                futures.append((topic, pool.submit(run_topic, topic, wanted[topic], directory)))
        for name in scripts():
            if not only or "scripts" in wanted and (not wanted["scripts"] or name in wanted["scripts"]):
                directory = place / f"script_{name}"
                directory.mkdir()
                futures.append(("scripts", pool.submit(lambda *a: [run_script(*a)], name, directory)))
        for topic, future in futures:
            try:
                results = future.result()
            except subprocess.TimeoutExpired as expired:  # the others' results count all the same
                results = [Result(topic, "hang", "the topic's process", str(expired), None)]
            done(topic, results)


def run_all(only=(), done=None):
    """Runs everything, or the topics and programs that are named; a list of results. done(topic, results) is called
    after each topic, and each of the scripts."""
    wanted = collections.defaultdict(list)
    for item in only:
        topic, _, name = item.partition(".")
        wanted[topic].extend([name] if name else [])
    results = []
    before = os.environ.get("TORPOR_DIR")
    with tempfile.TemporaryDirectory(dir=before) as place:
        place = pathlib.Path(place)
        os.environ["TORPOR_DIR"] = str(place)
        try:
            run_in(place, only, wanted, lambda topic, some: (results.extend(some), done and done(topic, some)))
        finally:
            if before is None:
                del os.environ["TORPOR_DIR"]
            else:
                os.environ["TORPOR_DIR"] = before
    return results


def not_yet():
    """The accepted refusals of this version: {program: cause}."""
    accepted = {}
    for line in NOT_YET.read_text().splitlines():
        if line and not line.startswith("#"):
            program, versions, cause = (part.strip() for part in line.split("|"))
            if VERSION in versions.split():
                accepted[program] = cause
    return accepted


def named(r):
    """Whether the refusal of a program that must be refused names what it should; its own name does not count. Where
    C code stands in the way, that is: the function and line, what the C code called, and what called the C code."""
    if r.cause == BETWEEN and not WHERE.match(r.detail):
        return False
    reason = r.detail.replace(r.program.split(".")[1], "")
    return re.search(rf"\b{re.escape(r.refused)}\b", reason) is not None


def complaints(results):
    """What is not as recorded, each in a sentence or two."""
    accepted, out = not_yet(), []
    gone = accepted.keys() - {r.program for r in results}
    for r in results:
        listed = accepted.get(r.program)
        if r.outcome in ("wrong", "crashed", "hang"):
            out.append(f"{r.program}: {r.outcome} ({r.cause})\n{r.detail}")
        elif r.refused is not None:
            if r.outcome == "resumed":
                out.append(f"{r.program} resumes, but must be refused")
            elif not named(r) and listed != r.cause:
                out.append(f"{r.program}: its refusal does not name {r.refused!r} (cause: {r.cause}): {r.detail}")
            elif named(r) and listed is not None:
                out.append(f"{r.program} is refused by name now: delete {VERSION} from its line in not_yet.txt")
        elif r.outcome == "resumed" and listed is not None:
            out.append(f"{r.program} resumes now: delete {VERSION} from its line in not_yet.txt")
        elif r.outcome == "refused" and listed != r.cause:
            out.append(f"{r.program} is refused ({r.cause}), not_yet.txt has {listed}: {r.detail}")
    out.extend(f"{program} of not_yet.txt is no program of this version, or it went wrong" for program in sorted(gone))
    return out


def write_not_yet(results):
    """Brings not_yet.txt up to date for this version; the lines of other versions stay."""
    head, lines = [], {}
    for line in NOT_YET.read_text().splitlines() if NOT_YET.exists() else []:
        if not line or line.startswith("#"):
            head.append(line)
            continue
        program, versions, cause = (part.strip() for part in line.split("|"))
        lines[program, cause] = set(versions.split()) - {VERSION}
    for r in results:
        if r.outcome == "refused" and (r.refused is None or not named(r)):
            lines.setdefault((r.program, r.cause), set()).add(VERSION)
    order = lambda version: tuple(map(int, version.split(".")))
    body = [
        f"{program} | {' '.join(sorted(versions, key=order))} | {cause}"
        for (program, cause), versions in sorted(lines.items())
        if versions
    ]
    NOT_YET.write_text("\n".join(head + body) + "\n")


def table(results):
    """How many programs there are of each outcome, and the refusals by their causes."""
    count = collections.Counter(r.outcome for r in results)
    for_ever = sum(r.outcome == "refused" and r.refused is not None for r in results)
    out = [
        "| Python | programs | resumed | refused, not yet supported | refused, by design | wrong | crashed | hang |",
        "|---|---|---|---|---|---|---|---|",
        f"| {VERSION} | {len(results)} | {count['resumed']} | {count['refused'] - for_ever} | {for_ever} "
        f"| {count['wrong']} | {count['crashed']} | {count['hang']} |",
    ]
    causes = collections.Counter(r.cause for r in results if r.outcome == "refused" and r.refused is None)
    out += ["", "| not yet supported, because of | programs |", "|---|---|"]
    out += [f"| {cause} | {n} |" for cause, n in causes.most_common()]
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="print the table of outcomes only")
    parser.add_argument("--not-yet", action="store_true", help="write this version's refusals to not_yet.txt")
    parser.add_argument("only", metavar="TOPIC[.PROGRAM]", nargs="*", help="what to run (default: everything)")
    for step in ("captured", "resumed"):
        parser.add_argument(f"--{step}", metavar="AROUND", help=f"what goes on while programs are {step}: see around.py")
    parser.add_argument("--rewritten", metavar="WAY", help=f"programs are written otherwise: {', '.join(rewritten.REWRITINGS)}")
    options = parser.parse_args()
    if options.rewritten:
        os.environ["TORPOR_CORPUS_REWRITTEN"] = options.rewritten
    for step in ("captured", "resumed"):
        if getattr(options, step):
            os.environ[f"TORPOR_CORPUS_{step.upper()}"] = getattr(options, step)
    results = run_all(options.only)
    if options.not_yet:
        write_not_yet(results)
    print(table(results))
    if options.table:
        return 0
    if options.only:
        lines = [f"{r.program}: {r.outcome} {r.cause}\n{r.detail}".rstrip() for r in results]
        print("\n".join(["", *lines]))
        return any(r.outcome not in ("resumed", "refused") for r in results)
    found = complaints(results)
    print("\n".join(["", *found]))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
