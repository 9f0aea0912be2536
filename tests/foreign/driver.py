"""Part of the processes that run.py starts: runs one job plainly, with stops at random lines, and under requests.

A job is the function `job` of `__main__`. Its process is forked for each, so that no job sees another's traces.
"""

import ast
import os
import random
import sys
import textwrap
import threading
import time

import hop
import torpor

MAIN = sys.modules["__main__"].__dict__
OWN = (os.path.dirname(torpor.__file__), __file__, "<torpor")
#: Seconds of the process's own time after which a request is given up, and seconds by the clock; debug builds take several times as
#: long.
WITHIN, PATIENCE = (12, 240) if hasattr(sys, "gettotalrefcount") else (3, 60)
#: Line events after which a job is not looked at any more.
MOST_LINES = 3_000_000

CASE = """
import unittest
def job():
    try:
        KIND(METHOD).debug()
    except unittest.SkipTest:
        return "skipped"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "passed"
"""
REPEAT = """
def repeat(sys):
    first = job()
    while hasattr(sys, "torpor_is_asked"):
        text = job()
        if text != first:
            return text
    return first
"""
CHAINED = """
def chained():
    seen = []
    for _ in range(TIMES):
        text = job()
        if text not in seen:
            seen.append(text)
    return repr(seen)
"""


def load_benchmark(path, body):
    """Runs the benchmark's file as `__main__`, up to where it would measure, and puts the job beside it."""
    with open(path) as file:
        tree = ast.parse(file.read())
    tree.body = [node for node in tree.body if not (isinstance(node, ast.If) and "__main__" in ast.unparse(node.test))]
    sys.path.insert(0, os.path.dirname(path))
    MAIN["HERE"] = os.path.dirname(path)
    exec(compile(tree, path, "exec"), MAIN)
    make_job(body)


def make_job(body):
    body = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    exec(compile(f"def inner():\n{body}\ndef job():\n    return repr(inner())\n", "<job>", "exec"), MAIN)


def load_case(identifier):
    """A method of a test case: `test.test_x.Class.method`."""
    import importlib

    module, kind, method = identifier.rsplit(".", 2)
    kind = getattr(importlib.import_module(module), kind)
    exec(compile(CASE, "<job>", "exec"), MAIN)
    MAIN.update(KIND=kind, METHOD=method)


class Lines:
    """A trace function that counts the lines which run, and calls back at some of them."""

    def __init__(self, wanted=(), take=None, draw=None):
        self.count, self.wanted, self.take = 0, frozenset(wanted), take
        self.draw, self.seen = draw, {}

    def __call__(self, frame, event, arg):
        if event == "call" and frame.f_code.co_filename.startswith(OWN):
            return None
        if event == "line":
            self.count += 1
            if self.count in self.wanted:
                self.take(frame, self.count)
            if self.draw is not None:
                self.note((frame.f_code, frame.f_lineno))
            if self.count > MOST_LINES:
                sys.settrace(None)
        return self

    def note(self, line):
        """Keeps one event of each line of the source, every one as likely as another."""
        times, event = self.seen.get(line, (0, 0))
        times += 1
        if self.draw.random() * times < 1:
            event = self.count
        self.seen[line] = times, event

    def run(self):
        sys.settrace(self)
        try:
            return torpor.run(MAIN["job"])
        finally:
            sys.settrace(None)


def chosen(lines, draw, most):
    """Half of the stops anywhere in time, half at lines of the source, however seldom they run."""
    events = {draw.randint(1, lines.count) for _ in range((most + 1) // 2)} if lines.count else set()
    rest = sorted({event for _, event in lines.seen.values()} - events)
    return sorted(events | set(draw.sample(rest, min(len(rest), most - len(events)))))


def stops(name, seed, most, only=None):
    """Runs the job and captures it at some lines: (its result, whether it can be compared, what became of each stop)."""
    draw = random.Random(f"{seed} {name}")
    plain = torpor.run(MAIN["job"])
    lines = Lines(draw=draw)
    counted = lines.run()
    if counted != plain:
        return {"text": plain, "traced": counted, "stops": []}
    at = [only] if only else chosen(lines, draw, most)
    store, found = torpor.Store(), []

    def take(frame, event):
        where = f"{frame.f_code.co_qualname}:{frame.f_lineno}"
        key = f"{name}@{event}"
        try:
            store.capture(frame, key)
        except (torpor.UnsupportedFrame, torpor.UncapturableValue) as refusal:
            found.append({"at": event, "where": where, "refusal": [type(refusal).__name__, str(refusal)]})
        else:
            found.append({"at": event, "where": where, "key": key})

    traced = Lines(at, take).run()
    return {"text": plain, "traced": traced, "stops": found}


def requests(name, seed, most):
    """Asks for captures at random times while the job runs, again and again, until there is one or it is given up."""
    draw = random.Random(f"{seed} {name}")
    exec(compile(REPEAT, "<job>", "exec"), MAIN)
    store, found = torpor.Store(), []
    torpor.run(MAIN["job"])
    start = time.perf_counter()
    plain = torpor.run(MAIN["job"])
    taken = time.perf_counter() - start
    for n in range(most):
        key, delay = f"{name}?{n}", draw.random() * max(0.2, taken)
        sys.torpor_is_asked = True  # where it is resumed nobody asks: it ends with the job that it stands in
        thread = threading.Thread(target=ask, args=(store, key, delay, found))
        thread.start()
        text = torpor.run(MAIN["repeat"], sys)
        thread.join()
        if text != plain:
            return {"text": plain, "traced": text, "stops": found}
    return {"text": plain, "traced": plain, "stops": found}


def first_stage(name, seed):
    """Runs the job, again and again for half a second, with one request on its way: what it gave, how long it took, and
    whether there is a snapshot."""
    draw = random.Random(f"{seed} {name}")
    exec(compile(CHAINED, "<job>", "exec"), MAIN)
    torpor.run(MAIN["job"])
    _, taken = hop.timed(lambda: torpor.run(MAIN["job"]))
    MAIN["TIMES"] = 1 + int(0.5 / taken)
    plain, taken = hop.timed(lambda: torpor.run(MAIN["chained"]))
    text, captured = hop.hop(lambda: torpor.run(MAIN["chained"]), f"{name}>0", draw.random() * taken / 4)
    stops = [{"at": 0, "where": "stage", "key": f"{name}>0"}] if captured else []
    return {"text": plain, "traced": text, "stops": stops, "taken": taken}


def ask(store, key, delay, found):
    """One request: where it was met, and after how many seconds, by the clock and of the process's own time: what other
    processes do on the machine is none of that."""
    while not hop.is_below("repeat", sys._current_frames()[threading.main_thread().ident]):
        time.sleep(0.001)
    time.sleep(delay)
    start, busy = time.perf_counter(), time.process_time()
    request = store.request(key)
    one = {"at": key, "where": "request"}
    while "key" not in one and "refusal" not in one:
        try:
            frame = request.wait(0.1).frames[0]
        except (TimeoutError, torpor.CaptureError) as error:
            if request.done or time.process_time() - busy > WITHIN or time.perf_counter() - start > PATIENCE:
                request.cancel()
                one["refusal"] = [type(error).__name__, str(error)]
        else:
            one.update(key=key, where=f"{frame.qualname}:{frame.lineno}")
    one["took"] = time.perf_counter() - start, time.process_time() - busy
    one["waited for"] = list(request._open.refusals)
    found.append(one)
    del sys.torpor_is_asked


def serve():
    """Answers each line of JSON with one, from a forked child."""
    import json

    import children
    from children import in_child, report

    children.PATIENCE *= 8  # being traced takes its time
    del sys.modules["driver"], sys.modules["children"], sys.modules["hop"]  # a program that looks at all modules sees none of ours

    def work(ask):
        if "path" in ask:
            load_benchmark(ask["path"], ask["body"])
        elif "imports" in ask:
            exec(ask["imports"], MAIN)
            make_job(ask["body"])
        else:
            load_case(ask["name"])
        if ask["how"] == "requests":
            return requests(ask["name"], ask["seed"], ask["most"])
        if ask["how"] == "chains":
            return first_stage(ask["name"], ask["seed"])
        return stops(ask["name"], ask["seed"], ask["most"], ask.get("only"))

    for line in sys.stdin:
        ask = json.loads(line)
        report(**in_child(lambda: work(ask)))
