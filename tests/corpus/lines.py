"""Stops the programs of the corpus at random lines, wherever these are: in the programs, and in what they call.

    tests/corpus/lines.py [--seed N] [--stops N] [TOPIC ...]

Each program runs traced, and is captured at one line; it must end as it does untraced, and so must the fresh process that
resumes what was captured. What is refused is counted. Exits with 1 if anything else happens.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import sys
import tempfile

import run

#: Beside what the corpus itself says of them. Modules that name `__main__`, where another script is resumed; greenlets that
#: are captured alone, whose parent is another one then.
NOT_TOPICS = ("greenlets", "imports")
#: What they give says more than what a capture keeps.
NOT_PROGRAMS = {
    "how often keys are hashed": (
        "lookups.set_item", "lookups.set_item_new", "lookups.set_item_of_ordered", "lookups.add",
        "lookups.set_item_of_a_counter", "lookups.set_comprehension_that_is_equal",
    ),
    "the room that a dict has for more, before anything goes through it": (
        "attached_iterators.dict_iterators_of_a_dict_that_changes_back",
    ),
    "what an abstract class remembers of answers that its hook has given": ("bridges_calls.subclass_hook_inherited",),
    "an address": ("kept_by_id.repr_of_an_imported_class_that_leads_to_itself",),
    "what an object's own __reduce_ex__ makes in its place": (
        "kept_by_id.pickled_in_python", "construction.half_made_by_a_function_of_another_name",
        "construction.half_made_by_a_constructor_that_counts",
    ),
    "the parent of a greenlet that is captured alone": ("kept_by_id.deep_copy_in_a_suspended_greenlet",),
    "how long things take": ("event_loops.sleeping_in_order",),
    "files that the original removes or goes on writing": (
        "values_resources.file_that_was_removed", "values_resources.binary_file_that_is_appended_to_and_updated",
        "values_resources.text_file_that_changed_behind_its_reader",
    ),
    "a module that only the original finds": ("modules.import_module_body",),
    "the import of a module that adopting imports": (
        "process_state.numbers_of_numpy", "process_state.numbers_of_numpy_from_other_bits", "process_state.patched_object",
    ),
}  # fmt: skip
LEFT_OUT = {name for names in NOT_PROGRAMS.values() for name in names}

STOPPING = '''
import random
import time  # what it imports is no part of the programs

MOST_LINES = 200_000
with open(__file__) as own:
    FIRST = next(n for n, line in enumerate(own, 1) if line.startswith("# The programs:"))


class Lines:
    """A trace function that counts lines, and captures at one of them."""

    def __init__(self, wanted=None, key=None):
        self.count, self.wanted, self.key, self.got = 0, wanted, key, None

    def __call__(self, frame, event, arg):
        code = frame.f_code
        is_ours = code.co_filename == __file__ and code.co_firstlineno < FIRST and code.co_name != "<module>"
        if is_ours or code.co_filename.startswith(("<torpor", os.path.dirname(torpor.__file__))):
            return None
        if event == "line":
            self.count += 1
            if self.count == self.wanted:
                self.take(frame)
            if self.count > MOST_LINES:
                sys.settrace(None)
        return self

    def take(self, frame):
        where = f"{frame.f_code.co_name}, line {frame.f_lineno}"
        try:
            torpor.Store().capture(frame, self.key)
        except (torpor.UnsupportedFrame, torpor.UncapturableValue) as error:
            self.got = "refused", where, str(error)
        else:
            self.got = "captured", where, ""


def traced(name, *wanted):
    entry, lines = PROGRAMS[name], Lines(*wanted)

    def work():
        sys.settrace(lines)
        try:
            return (entry["start"] or torpor.run)(drive, entry["function"])
        finally:
            sys.settrace(None)

    STATE.update(mode="plain", key="", pauses=0, refusal=None, path=[])
    LOG.clear()
    text = work()
    return {"text": text, "count": lines.count, "got": lines.got, "path": STATE["path"]}


def stop_programs(topic, seed, most, left_out):
    learn()
    for name, entry in PROGRAMS.items():
        program = f"{topic}.{name}"
        if entry["target"] or program in left_out:
            continue
        plain, counted = in_child(lambda: run_program(name, "plain")), in_child(lambda: traced(name))
        if counted["how"] != "ended" or counted["result"]["text"] != plain["result"]["text"]:
            continue  # it sees that it is traced
        events = range(1, counted["result"]["count"] + 1)
        for event in sorted(random.Random(f"{seed} {program}").sample(events, min(len(events), most))):
            key = f"{program}@{event}"
            report(key=key, plain=plain["result"]["text"], **in_child(lambda: traced(name, event, key)))


'''
ADOPTING = """
import torpor

sys.setrecursionlimit(10_000)
for line in sys.stdin:
    key, path = json.loads(line)

    def work():
        sys.path[:0] = path
        return torpor.adopt(key).resume()

    report(key=key, **in_child(work))
"""


def stopped(topic, seed, most, directory):
    """(key, outcome, detail) of each stop in the programs of a topic."""
    path = directory / f"{topic}.py"
    end = f"\nstop_programs({topic!r}, {seed}, {most}, {sorted(LEFT_OUT)!r})\n"
    parts = run.text_of("children.py", "around.py", "harness.py"), STOPPING, "# The programs:\n", run.source_of(topic), end
    path.write_text("\n".join(parts))
    made = run.records(run.python(path))
    taken = [m for m in made if m["how"] == "ended" and m["result"]["got"] and m["result"]["got"][0] == "captured"]
    adopter = directory / f"adopter_of_{topic}.py"
    adopter.write_text(run.text_of("children.py") + ADOPTING)
    jobs = "".join(json.dumps((m["key"], m["result"]["path"])) + "\n" for m in taken)
    resumed = {record["key"]: record for record in run.records(run.python(adopter, given=jobs))}
    return [(m["key"], *judged(m, resumed.get(m["key"]))) for m in made]


def judged(made, resumed):
    if made["how"] != "ended":
        return made["how"], made["text"]
    text, got = made["result"]["text"], made["result"]["got"]
    if text != made["plain"]:
        return "wrong", f"the original itself, at {got}\n{made['plain']}\n{text}"
    if resumed is None:
        return ("refused", " ".join(got[1:])) if got else ("not reached", "")
    if resumed["how"] != "ended":
        return resumed["how"], f"resumed from {got}\n{resumed['text']}"
    if resumed["result"] != made["plain"]:
        return "wrong", f"resumed from {got}\n{made['plain']}\n{resumed['result']}"
    return "resumed", ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stops", type=int, default=4, help="in each program")
    parser.add_argument("topics", nargs="*", metavar="TOPIC")
    asked = parser.parse_args()
    topics = asked.topics or [topic for topic in run.topics() if topic not in NOT_TOPICS]
    outcomes = collections.Counter()
    base = os.environ.get("TORPOR_DIR") or tempfile.gettempdir()
    with tempfile.TemporaryDirectory(dir=base) as directory, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        os.environ["TORPOR_DIR"] = directory
        work = lambda topic: stopped(topic, asked.seed, asked.stops, pathlib.Path(directory))  # noqa: E731
        for stops in pool.map(work, topics):
            for key, outcome, detail in stops:
                outcomes[outcome] += 1
                if outcome not in ("resumed", "refused", "not reached"):
                    print(f"{key}: {outcome}, {detail[-3000:]}", flush=True)
    print(f"{run.VERSION}, seed {asked.seed}: {sum(outcomes.values())} stops;", ", ".join(f"{n} {what}" for what, n in sorted(outcomes.items())))
    return int(not outcomes.keys() <= {"resumed", "refused", "not reached"})


if __name__ == "__main__":
    sys.exit(main())
