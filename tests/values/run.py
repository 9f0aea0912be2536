"""Runs the table of values: each kind of value that frames hold, captured in a script and resumed in a fresh process.

    tests/values/run.py [--table] [--refused] [SECTION[.ROW] ...]

A row is right if what it asserts holds in the resumed process too, refused if the capture (or the adopt) says why not,
and wrong, crashed or hanging otherwise. Refusals, with their paths, are compared with refused.txt.
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
CHILDREN = HERE.parent / "corpus" / "children.py"
REFUSED = HERE / "refused.txt"
VERSION = "%d.%d" % sys.version_info[:2]
#: As tests/python/processes.py has it: -I would make Python deaf to PYTHON_JIT.
ISOLATED = ["-s", "-P"] if "PYTHON_JIT" in os.environ else ["-I"]
#: Seconds for all rows of a section; single rows have a limit of their own (children.py). Debug builds take
#: several times as long.
PATIENCE = 2400 if hasattr(sys, "gettotalrefcount") else 600
#: What is another name each time.
RANDOM = re.compile(r"[^' ]*\b(tmp|psm_)\w+")
OUTCOMES = ("right", "refused", "wrong", "crashed", "hang")

Result = collections.namedtuple("Result", "row extra outcome detail")


def sections():
    return sorted(path.stem for path in (HERE / "rows").glob("*.py"))


def declared(section):
    """The functions of a section that are rows, by the name of the row: [(name, extra, function)]."""
    found = []
    for node in ast.parse((HERE / "rows" / f"{section}.py").read_text()).body:
        if isinstance(node, ast.If) and "version_info" in ast.unparse(node.test):
            inner = node.body if eval(compile(ast.Expression(node.test), "", "eval"), {"sys": sys}) else node.orelse
        else:
            inner = [node]
        for function in inner:
            for decorator in getattr(function, "decorator_list", []):
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) in ("row", "extra"):
                    found.append((decorator.args[0].value, decorator.func.id == "extra", function))
    return found


def python(path, *arguments, given=None):
    """Runs a script as `__main__` of a fresh interpreter: the lines that it reported."""
    done = subprocess.run(
        [sys.executable, *ISOLATED, "-X", "faulthandler", str(path), *arguments],
        input=given, capture_output=True, text=True, timeout=PATIENCE, cwd=path.parent,
        env={**os.environ, "TMPDIR": str(path.parent), "TORPOR_DIR": str(path.parent.parent)},
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"exit status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def script(place, *parts):
    place.mkdir(parents=True)
    path = place / "script.py"
    path.write_text("\n".join(part if isinstance(part, str) else part.read_text() for part in parts))
    return path


def run_section(section, names, place):
    rows = HERE / "rows" / f"{section}.py"
    end = f"\nrun_rows({section!r}, sys.argv[1:])\n"
    made = python(script(place / "made", CHILDREN, HERE / "harness.py", rows, end), *names)
    captured = [r["row"] for r in made if (r["runs"]["capture"].get("result") or {"refusals": 1})["refusals"] is None]
    path = script(place / "adopted", CHILDREN, HERE / "adopter.py")
    keys = [key + end for key in captured for end in ("", ".again")]
    resumed = {r["row"]: r for r in python(path, given="".join(json.dumps(key) + "\n" for key in keys))}
    return [judge(record, [resumed.get(record["row"] + end) for end in ("", ".again")]) for record in made]


def judge(record, resumed):
    """The outcome of one row, from all its runs."""
    row, extra = record["row"], record["extra"]
    for run, found in record["runs"].items():
        if found["how"] != "ended":
            return Result(row, extra, ended(found), f"{run}: {found['text']}")
        if found["result"]["pauses"] != 1:
            return Result(row, extra, "wrong", f"{run}: it paused {found['result']['pauses']} times")
    refusals = record["runs"]["capture"]["result"]["refusals"]
    if refusals is not None:
        return Result(row, extra, "refused", "; ".join(f"{path}: {reason}" for path, reason in refusals))
    for how, found in zip(("resumed", "captured again"), resumed):
        if found["how"] != "ended":
            return Result(row, extra, ended(found), f"{how}: {found['text']}")
        if found["result"] is not None:
            return Result(row, extra, "refused", "when adopted: " + RANDOM.sub(r"\1", found["result"]))
    return Result(row, extra, "right", "")


def ended(found):
    """An exception ends a child with status 1."""
    return "wrong" if found["text"].startswith("exit status 1\n") else found["how"]


def run_all(only=()):
    """Runs everything, or the sections and rows that are named; a list of results."""
    wanted = collections.defaultdict(list)
    for item in only:
        section, _, name = item.partition(".")
        wanted[section].extend([name] if name else [])
    results = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("TORPOR_DIR")) as place:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            futures = [
                pool.submit(run_section, section, wanted[section], pathlib.Path(place) / section)
                for section in sections()
                if not only or section in wanted
            ]
            for future in futures:
                results.extend(future.result())
    return results


def accepted():
    """The refusals of this version: {row: path and reason}."""
    found = {}
    for line in REFUSED.read_text().splitlines():
        if line and not line.startswith("#"):
            row, versions, detail = (part.strip() for part in line.split(" | ", 2))
            if VERSION in versions.split():
                found[row] = detail
    return found


def complaints(results):
    """What is not as recorded, each in a sentence or two."""
    listed, out = accepted(), []
    for r in results:
        known = listed.pop(r.row, None)
        if r.outcome not in ("right", "refused"):
            out.append(f"{r.row}: {r.outcome}\n{r.detail}")
        elif r.outcome == "right" and known is not None:
            out.append(f"{r.row} is right now: delete {VERSION} from its line in refused.txt")
        elif r.outcome == "refused" and known != r.detail:
            out.append(f"{r.row} is refused, refused.txt has {known!r}:\n  {r.detail}")
    out.extend(f"{row} of refused.txt is no row of this version" for row in listed)
    return out


def write_refused(results):
    """Brings refused.txt up to date for this version and the sections that ran; other lines stay."""
    head, lines = [], {}
    ran = {r.row.partition(".")[0] for r in results}
    for line in REFUSED.read_text().splitlines() if REFUSED.exists() else []:
        if not line or line.startswith("#"):
            head.append(line)
            continue
        row, versions, detail = (part.strip() for part in line.split(" | ", 2))
        lines[row, detail] = set(versions.split()) - ({VERSION} if row.partition(".")[0] in ran else set())
    for r in results:
        if r.outcome == "refused":
            lines.setdefault((r.row, r.detail), set()).add(VERSION)
    order = lambda version: tuple(map(int, version.split(".")))
    body = [f"{row} | {' '.join(sorted(of, key=order))} | {detail}" for (row, detail), of in sorted(lines.items()) if of]
    REFUSED.write_text("\n".join(head + body) + "\n")


def table(results):
    """How many rows there are of each outcome: those of the study's table, and the others."""
    out = [f"| Python | rows | | {' | '.join(OUTCOMES)} |", f"|---|---|---|{'---|' * len(OUTCOMES)}"]
    for what, extra in (("the table", False), ("more", True)):
        count = collections.Counter(r.outcome for r in results if r.extra == extra)
        numbers = " | ".join(str(count[outcome]) for outcome in OUTCOMES)
        out.append(f"| {VERSION} | {what} | {sum(count.values())} | {numbers} |")
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="print the table of outcomes only")
    parser.add_argument("--refused", action="store_true", help="write this version's refusals to refused.txt")
    parser.add_argument("only", metavar="SECTION[.ROW]", nargs="*", help="what to run (default: everything)")
    options = parser.parse_args()
    results = run_all(options.only)
    if options.refused:
        write_refused(results)
    print(table(results))
    if options.table:
        return 0
    found = complaints(results) if not options.only else [f"{r.row}: {r.outcome} {r.detail}".rstrip() for r in results]
    print("\n".join(["", *found]))
    return bool(found) and not options.only


if __name__ == "__main__":
    sys.exit(main())
