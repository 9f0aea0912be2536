"""A generator, coroutine or async generator that is stopped at an instruction goes on with that instruction, whoever
drives it; so do those that wait for it."""

import pathlib

import pytest
from processes import LONG, literal, run
from test_instruction import CONSUMER, EVENTS, TAKING

SOURCE = pathlib.Path(__file__).with_name("jobs.py").read_text()
JOBS = pathlib.Path(__file__).with_name("generator_jobs.py").read_text()
SOURCE_OF_STOPS = SOURCE[: SOURCE.index("# Loops")] + JOBS + TAKING


@pytest.mark.parametrize("way, kinds", EVENTS)
def test_every_stop_goes_on_as_the_original(stores, way, kinds):
    many = kinds in ("opcode", "INSTRUCTION")
    path = stores / "taken"
    taken, refused = literal(run(SOURCE_OF_STOPS, way, kinds, 1 if LONG or not many else 5, path))
    # The allocator of the development mode sees a frame that writes beyond its generator.
    right, wrong, first = literal(run(CONSUMER, path, flags=["-X", "dev"]))
    assert (wrong, first) == (0, [])
    assert right == taken
    # 3.12.1 reports no opcodes to trace functions.
    assert taken > (60 if kinds in ("call", "PY_START,JUMP", "opcode") else 500), refused


STOPPED = """
import sys, torpor
def source(log):
    try:
        raise KeyError("own")
    except KeyError:
        log.append(repr(sys.exc_info()[1]))
        yield 1
        log.append(repr(sys.exc_info()[1]))
    log.append(repr(sys.exc_info()[1]))
    yield 2
    return "end"
def job():
    log = []
    try:
        raise OSError("outside")
    except OSError:
        return [x for x in source(log)], log, repr(sys.exc_info()[1])
LINE = source.__code__.co_firstlineno + int(sys.argv[1])
OPTIONS = eval(sys.argv[2])
def tracer(frame, event, arg):
    if event == "line" and frame.f_lineno == LINE:
        try:
            raise MemoryError("of the callback")
        except MemoryError:
            try:
                torpor.capture(frame, "k", **OPTIONS)
            except torpor.UnsupportedFrame as refusal:
                print(refusal.function)
    return tracer
expected = torpor.run(job)
sys.settrace(tracer)
result = torpor.run(job)
sys.settrace(None)
assert result == expected
print(repr(expected))
"""


@pytest.mark.parametrize("line", [4, 5, 6, 7, 8])
def test_what_the_callback_handles_is_not_the_generators(stores, line):
    expected = run(STOPPED, line, "{}").splitlines()[-1]
    assert run("import torpor; print(repr(torpor.adopt('k').resume()))").splitlines()[-1] == expected


@pytest.mark.parametrize("line, given", [(4, 1), (6, 2), (8, 2)])
def test_a_generator_alone_gives_what_it_yields_next(stores, line, given):
    run(STOPPED, line, "{'stack': 1}")
    assert literal(run("import torpor; print(torpor.adopt('k').resume())")) == given


def test_an_exception_is_raised_at_the_instruction_of_a_generator(stores):
    run(STOPPED, 6, "{}")
    out = run("""
        import torpor, traceback
        try:
            torpor.adopt("k").throw(ValueError("thrown"))
        except ValueError as error:
            print([repr(error.__context__), [t.name for t in traceback.extract_tb(error.__traceback__)][1:]])
        """)
    context, names = literal(out)
    assert context == "KeyError('own')"
    assert names[-1] == "source" and "job" in names


def test_a_resumed_generator_is_stopped_again(stores):
    """The loop in which it goes on is no C code that stands in the way of the next capture."""
    expected = run(STOPPED, 5, "{}").splitlines()[-1]
    out = run("""
        import sys, torpor
        stops, all = 0, []
        def tracer(frame, event, arg):
            global stops
            if event == "line" and frame.f_code.co_name in ("source", "job", "<listcomp>"):
                stops += 1
                all.append(torpor.dumps(frame))
            return tracer
        cont = torpor.adopt("k")
        def local(frame, event, arg):
            return tracer(frame, event, arg)
        sys.settrace(tracer)
        first = repr(cont.resume())
        sys.settrace(None)
        print(repr(({first} | {repr(torpor.loads(data).resume()) for data in all}, stops == len(all) > 2)))
        """)
    assert literal(out) == ({expected}, True)
