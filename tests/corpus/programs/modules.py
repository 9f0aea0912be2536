"""Code that exec, eval and import run."""

MODULE = """
before = note("module body")
value = pause([1])
value.append(2)

def helper():
    return value, __name__
"""


def write_module(name, text):
    """A module file in a directory of its own, on sys.path."""
    import tempfile

    directory = tempfile.mkdtemp()
    with open(f"{directory}/{name}.py", "w") as file:
        file.write(text)
    sys.path.insert(0, directory)


@program
def exec_statements():
    space = {"pause": pause, "note": note}
    exec("a = 1\nfor i in range(3):\n    a += pause(i, i == 1)\nnote(a)", space)
    return space["a"], space["i"]


@program
def exec_with_locals():
    space, local = {"pause": pause}, {"x": 1}
    exec("y = pause(x) + 1\nx = 5", space, local)
    return local, "y" in space


@program
def exec_own_globals():
    exec("CORPUS_EXECUTED = pause(1) + 1", globals())
    return globals().pop("CORPUS_EXECUTED")


@program
def exec_own_locals():
    a = 1
    exec("note(a, pause(2))")
    return a


@program
def exec_function_suspended():
    space = {"pause": pause}
    exec("def made(x):\n    y = x + 1\n    return pause(y) * 2\n", space)
    return space["made"](3), sorted(k for k in space if k != "__builtins__")


@program
def exec_class_suspended():
    space = {"pause": pause}
    exec("class Made:\n    def go(self):\n        return pause(self.x) + 1\n    x = 3\n", space)
    return space["Made"]().go()


@program
def exec_code_object():
    code = compile("result = [pause(x, x == 1) for x in range(3)]", "<made>", "exec")
    space = {"pause": pause}
    exec(code, space)
    return space["result"]


@program
def exec_in_exec():
    space = {"pause": pause}
    exec("exec('inner = pause(1) + 1')\nouter = inner + 1", space)
    return space["inner"], space["outer"]


@program
def exec_exception():
    try:
        exec("pause()\nraise LookupError('in exec')")
    except LookupError as error:
        return error.args


@program
def exec_after():
    pause()
    space = {}
    exec("def f(): return 5", space)
    return space["f"](), eval("1 + 2")


@program
def eval_expression():
    return eval("[1, pause(2), 3]"), eval("x + 1", {"x": 2})


@program
def eval_with_space():
    return eval("pause(x) + y", {"pause": pause, "y": 1}, {"x": 2})


@program
def eval_code_object():
    return eval(compile("pause(3) * 2", "<made>", "eval"))


@program
def eval_lambda_kept():
    made = eval("lambda x: pause(x) + 1")
    return made(4)


@program
def function_of_another_space():
    space = {"pause": pause, "n": 1}
    exec("def made():\n    global n\n    n += 1\n    pause()\n    n += 1\n    return n\n", space)
    made = space["made"]
    return made(), space["n"], made.__globals__ is space


@program
def module_object_made_here():
    import types

    module = types.ModuleType("made_here")
    module.x = [1]
    module.pause = pause
    exec("def go():\n    x.append(pause(2))\n    return x\n", module.__dict__)
    return module.go()


@program
def import_module_body():
    import importlib

    write_module("corpus_a", "import sys\nvalue = 1\nsys.modules['__main__'].pause()\nvalue += 1\n")
    importlib.invalidate_caches()
    import corpus_a

    sys.modules.pop("corpus_a")
    return corpus_a.value


@program
def import_of_standard_library_after():
    pause()
    import colorsys
    from fractions import Fraction as F

    return colorsys.__name__, F(1, 3) + F(1, 6)


@program
def import_star_after():
    space = {"pause": pause}
    pause()
    exec("from string import *\nresult = digits", space)
    return space["result"]


@program
def imported_function_in_the_stack():
    import functools

    def add(a, b):
        return a + b

    @functools.singledispatch
    def kind(x):
        return "other"

    @kind.register
    def _(x: int):
        return "int", pause(x)

    return kind(3), kind("s"), add(1, 2)


@program
def imported_module_function_calls_back():
    import textwrap
    import bisect

    pause()
    return textwrap.dedent("  a\n  b"), bisect.bisect([1, 2, 3], 2)


@program
def library_code_in_the_stack():
    from collections import UserDict

    class Mine(UserDict):
        def copy_of(self, key):
            return pause(self.data[key])

    return Mine(a=1).copy_of("a")


@program
def library_frame_calls_back():
    import contextlib

    with contextlib.ExitStack() as stack:
        stack.callback(lambda: note(pause("called back")))
    return "after"


@program
def library_frame_copy():
    import copy

    class Thing:
        def __deepcopy__(self, memo):
            note(pause("copying"))
            return self

    return [type(x).__name__ for x in copy.deepcopy([Thing(), 1])]


@program
def library_frame_string_template():
    import string

    class Mine(string.Formatter):
        def format_field(self, value, spec):
            return f"<{pause(value, value == 2)}>"

    return Mine().format("{}-{}-{x}", 1, 2, x=3)


@program
def main_imported_after():
    pause()
    import __main__

    return __main__.note is note, type(__main__).__name__
