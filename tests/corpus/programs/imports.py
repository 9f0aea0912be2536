"""Imports that are under way: the stack goes through importlib and the body of a module that is half made.

The adopter can import what is in a package, or looks for pause() when it is called; it cannot import the other
modules, whose directories are not on its path.
"""

import contextlib
import importlib
import importlib.abc
import importlib.util
from importlib.util import spec_from_loader

HEAD = "from __main__ import pause, note\n"


def files(**texts):
    """Modules and packages in a directory of their own on sys.path, the same for the same texts; in a name, __ stands
    for a dot and a package is _."""
    import pathlib
    import tempfile
    import zlib

    directory = pathlib.Path(tempfile.gettempdir()) / f"modules-{zlib.crc32(repr(texts).encode()):08x}"
    directory.mkdir(exist_ok=True)
    for name, text in texts.items():
        *packages, last = name.split("__")
        place = directory.joinpath(*packages)
        place.mkdir(parents=True, exist_ok=True)
        head = HEAD if ("pause" in text or "note" in text) and "__main__" not in text else ""
        (place / ("__init__.py" if last == "_" else last + ".py")).write_text(head + text)
    sys.path.insert(0, str(directory))
    if any("__" in name for name in texts) or "__main__" in "".join(texts.values()):
        STATE["path"] = [str(directory)]
    importlib.invalidate_caches()
    return directory


def forget(*tops):
    """Takes the modules out again, and tells which there were."""
    names = sorted(n for n in sys.modules if n.partition(".")[0] in tops)
    for name in names:
        del sys.modules[name]
    return names


def held():
    """The locks of imports that somebody holds."""
    locks = (ref() for ref in list(importlib._bootstrap._module_locks.values()))
    return [lock.name for lock in locks if lock is not None and lock.owner is not None]


@program
def import_plain():
    files(ca="value = pause([1])\nvalue.append(2)\ndef get():\n    return value, __name__\n")
    import ca

    return ca.get(), forget("ca"), held()


@program
def import_dotted():
    files(ca___="top = 1\n", ca__sub___="middle = 2\n", ca__sub__leaf="value = pause(3)\n")
    import ca.sub.leaf

    return ca.top, ca.sub.middle, ca.sub.leaf.value, ca.__name__, forget("ca"), held()


@program
def import_dotted_in_the_package():
    files(ca___="early = 1\nlate = pause(2)\n", ca__sub="value = 3\n")
    import ca.sub

    return ca.early, ca.late, ca.sub.value, forget("ca"), held()


@program
def import_dotted_as():
    files(ca___="", ca__sub___="", ca__sub__leaf="value = pause(3)\n")
    import ca.sub.leaf as leaf

    return leaf.value, leaf.__name__, forget("ca"), held()


@program
def from_module():
    files(ca="value = pause([1])\nother = value\n")
    from ca import other, value as mine

    return other is mine, mine, forget("ca"), held()


@program
def from_module_missing():
    files(ca="value = pause([1])\n")
    try:
        from ca import other
    except ImportError as error:
        return error.name, error.args[0].split("(")[0], forget("ca"), held()


@program
def from_package_a_module():
    files(ca___="x = 1\n", ca__sub="value = pause(2)\n", ca__more="value = 3\n")
    from ca import sub, more, x

    return sub.value, more.value, x, forget("ca"), held()


@program
def from_package_all():
    files(ca___="__all__ = ['sub', 'x']\nx = 1\n", ca__sub="value = pause(2)\n")
    space = {}
    exec("from ca import *", space)
    return space["sub"].value, space["x"], forget("ca"), held()


@program
def from_star():
    files(ca="a = pause(1)\nb = a + 1\n_c = 3\n")
    space = {}
    exec("from ca import *", space)
    return space["a"], space["b"], "_c" in space, forget("ca")


@program
def from_star_of_a_part_then_another():
    files(ca___="from .parts import *\nfrom . import other\nmade = Part().make()\n", ca__other="value = pause(4)\n",
          ca__parts="__all__ = ['Part']\nclass Part:\n    def make(self):\n        return __name__\n")  # fmt: skip
    import ca

    return ca.made, ca.Part is sys.modules["ca.parts"].Part, ca.parts.Part, ca.other.value, forget("ca"), held()


@program
def part_that_has_its_package():
    files(ca___="limit = 3\nfrom .early import Early\nfrom .parts import get\nfrom .other import value\n", ca__early="class Early:\n    pass\n",
          ca__parts="import ca\nfrom ca import Early, early, limit\ndef get():\n    return ca.value, ca.get is get, Early is early.Early, limit\n",
          ca__other="value = pause(4)\n")  # fmt: skip
    import ca

    return ca.get(), sys.modules["ca"] is ca is ca.parts.ca, hasattr(ca, "__getattr__"), forget("ca"), held()


@program
def parts_of_nested_packages():
    files(ca___="from . import sub\n", ca__sub___="from .first import Error\nfrom . import second\n", ca__sub__second="value = pause(5)\n",
          ca__sub__first="class Error(Exception):\n    pass\n")  # fmt: skip
    import ca.sub.second

    try:
        raise ca.sub.Error("e")
    except ca.sub.first.Error as error:
        return type(error) is ca.sub.Error, ca.sub.second.value, forget("ca"), held()


@program
def package_body():
    files(ca___="before = 1\nafter = pause(2)\nfrom . import sub\nfrom .sub import value\n", ca__sub="value = 3\n")
    import ca

    return ca.before, ca.after, ca.sub.value, ca.value, len(ca.__path__), forget("ca"), held()


@program
def relative_from_dot():
    files(ca___="from . import one\n", ca__one="from . import two\nvalue = two.value + 1\n", ca__two="value = pause(1)\n")
    import ca

    return ca.one.value, ca.two.value, forget("ca"), held()


@program
def relative_from_module():
    files(ca___="", ca__one="from .two import value\nvalue += 1\n", ca__two="value = pause(1)\n")
    import ca.one

    return ca.one.value, ca.two.value, forget("ca"), held()


@program
def relative_two_up():
    files(ca___="x = 5\n", ca__sub___="", ca__sub__leaf="from .. import x\nfrom ..side import y\n", ca__side="y = pause(6)\n")
    from ca.sub import leaf

    return leaf.x, leaf.y, forget("ca"), held()


@program
def relative_in_a_function():
    files(ca___="", ca__one="def go():\n    from . import two\n    from .two import value as v\n    return two.value, v\n",
          ca__two="value = pause(1)\n")
    import ca.one

    return ca.one.go(), forget("ca"), held()


@program
def import_module_called():
    files(ca___="", ca__sub="value = pause(1)\n")
    made = importlib.import_module(".sub", "ca")
    return made.value, made is sys.modules["ca.sub"], forget("ca"), held()


@program
def import_function_called():
    files(ca___="", ca__sub="value = pause(1)\n")
    made = __import__("ca.sub")
    return made.__name__, made.sub.value, forget("ca"), held()


@program
def import_function_with_names():
    files(ca___="", ca__sub="value = pause(1)\n")
    made = __import__("ca", globals(), None, ["sub"], 0)
    return made.__name__, made.sub.value, forget("ca"), held()


@program
def import_function_by_keyword():
    files(ca___="", ca__sub="value = pause(1)\n")
    made = __import__(name="ca.sub", fromlist=("value",), level=0)
    return made.__name__, made.value, forget("ca"), held()


@program
def import_function_replaced():
    import builtins

    files(ca="value = pause(1)\n")
    kept = builtins.__import__

    def mine(name, *rest):
        if name == "ca":
            note(name, len(rest))
        try:
            return kept(name, *rest)
        finally:
            if name == "ca":
                note("done")

    builtins.__import__ = mine
    try:
        import ca
    finally:
        builtins.__import__ = kept
    return ca.value, forget("ca")


@program
def nested_imports():
    files(ca="import cb\nvalue = cb.value + 1\n", cb="import cc\nvalue = cc.value + 1\n", cc="value = pause(1)\n")
    import ca

    return ca.value, forget("ca", "cb", "cc"), held()


@program
def circular_import():
    files(ca="early = [1]\nimport cb\nlate = cb.value\n", cb="import ca\nvalue = pause(2)\nca.early.append(value)\nhas = hasattr(ca, 'late')\n")
    import ca

    return ca.early, ca.late, ca.cb.has, ca.cb.ca is ca, forget("ca", "cb"), held()


@program
def circular_import_missing_name():
    files(ca="import cb\nlate = 1\n", cb="pause()\nfrom ca import late\n")
    try:
        import ca
    except ImportError as error:
        return error.args[0].split("(")[0], forget("ca", "cb"), held()


@program
def import_fails_afterwards():
    files(ca="early = 1\npause()\nraise LookupError('in the body')\n")
    try:
        import ca
    except LookupError as error:
        return error.args, trail(error), "ca" in sys.modules, held()


@program
def import_error_afterwards():
    files(ca="pause()\nraise ImportError('not here')\n")
    try:
        import ca
    except ImportError as error:
        return error.args, trail(error), "ca" in sys.modules, held()


@program
def submodule_fails_afterwards():
    files(ca___="", ca__sub="pause()\n1 / 0\n")
    try:
        from ca import sub
    except ZeroDivisionError as error:
        return trail(error), forget("ca"), held()


@program
def state_during_the_import():
    files(ca="import sys\nme = sys.modules[__name__]\npause()\nnote(sys.modules[__name__] is me, vars(me) is globals())\n"
          "note(__spec__._initializing, __spec__.name, __spec__ is me.__spec__, __loader__ is __spec__.loader)\n"
          "note(__name__, __package__, __file__.endswith('ca.py'), me.__file__ == __file__)\n")
    import ca

    return ca.me is ca, ca.__spec__._initializing, sys.modules["ca"] is ca, forget("ca"), held()


@program
def function_of_the_module():
    files(ca="count = 0\ndef go(n):\n    global count\n    count += pause(n, n == 2)\n    return count\nresult = go(2)\nagain = go(3)\n")
    import ca

    return ca.count, ca.result, ca.again, ca.go(1), ca.go.__globals__ is vars(ca), forget("ca")


@program
def class_of_the_module():
    files(ca="class C:\n    made = []\n    def __init__(self):\n        self.made.append(pause(1, not self.made))\nfirst = C()\nsecond = C()\n")
    import ca

    return type(ca.first) is ca.C, ca.C.made, ca.C.made is ca.second.made, ca.C.__module__, forget("ca")


@program
def class_body_of_the_module():
    files(ca="class C:\n    x = pause(1)\n    def get(self):\n        return self.x, __name__\n")
    import ca

    return ca.C().get(), ca.C.__module__, forget("ca")


@program
def dataclass_afterwards():
    files(ca="from dataclasses import dataclass\npause()\n@dataclass\nclass Point:\n    x: int\n    y: 'list' = None\n")
    import ca

    return repr(ca.Point(1)), ca.Point(1) == ca.Point(1), forget("ca")


@program
def in_a_loop_with_state():
    files(ca="total = 0\nfor n in range(4):\n    total += pause(n, n == 2)\n    last = [i * n for i in range(n)]\n")
    try:
        with_total = 10
        import ca
    finally:
        note("finally")
    return ca.total + with_total, ca.last, ca.n, forget("ca")


@program
def in_a_class_body():
    files(ca="value = pause(1)\n")

    class Mine:
        import ca
        from ca import value

    return Mine.ca.value, Mine.value, forget("ca")


@program
def module_attribute_function():
    files(ca="import sys\ndef __getattr__(name):\n    if name.startswith('_'):\n        raise AttributeError(name)\n"
          "    return sys.modules['__main__'].pause(name) if name == 'b' else name\n")
    from ca import a, b, c

    return a, b, c, forget("ca")


@program
def module_attribute_function_fails():
    files(ca="import sys\ndef __getattr__(name):\n    if name == 'a':\n        sys.modules['__main__'].pause()\n    raise AttributeError(name)\n")
    try:
        from ca import a
    except ImportError as error:
        return error.args[0].split("(")[0], error.name, error.__context__, forget("ca")


PACKAGE_FUNCTION = """
import sys
asked = []
def __getattr__(name):
    if name != 'a':
        raise AttributeError(name)
    asked.append(name)
    return sys.modules['__main__'].pause(2) if len(asked) == 2 else 1
"""


@program
def package_attribute_function_for_the_list():
    files(ca___="import sys\ndef __getattr__(name):\n    if name != 'a':\n        raise AttributeError(name)\n"
          "    globals()[name] = sys.modules['__main__'].pause(1)\n    return 2\n")
    from ca import a

    return a, forget("ca")


@program
def package_attribute_function():
    files(ca___=PACKAGE_FUNCTION)
    from ca import a

    return a, forget("ca")


class Loader(importlib.abc.Loader):
    def __init__(self, text):
        self.text = text

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        note("before")
        exec(self.text, vars(module))
        note("after")


class Finder(importlib.abc.MetaPathFinder):
    def __init__(self, text, pauses=False):
        self.text, self.pauses = text, pauses

    def find_spec(self, name, path, target=None):
        if name == "ca":
            if self.pauses:
                pause()
            return spec_from_loader(name, Loader(self.text), origin="here")


@program
def loader_of_the_program():
    finder = Finder("from __main__ import pause\nvalue = pause([1])\nvalue.append(2)\n")
    sys.meta_path.insert(0, finder)
    try:
        import ca
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
    return ca.value, type(ca.__loader__) is Loader, ca.__spec__.origin, forget("ca"), held()


@contextlib.contextmanager
def finding(finder, place=0):
    sys.meta_path.insert(place, finder)
    try:
        yield
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)


def all_locked():
    import _imp

    return _imp.lock_held()


@program
def finder_of_the_program():
    with finding(Finder("value = 1\n", pauses=True)):
        import ca

    return ca.value, forget("ca"), held(), all_locked()


@program
def finder_that_does_not_find():
    """What comes after it is asked: the finders that were there."""
    class Nothing:
        def find_spec(self, name, path, target=None):
            note(name, all_locked(), pause(3, name == "ca"))

    with finding(Finder("value = 1\n"), 0), finding(Finder("value = 1\n"), 1), finding(Nothing(), 0):
        import ca
    return ca.value, forget("ca"), held(), all_locked()


@program
def finder_that_imports():
    """Inside of its import the lock of all imports is held twice."""
    class Importing(Finder):
        def find_spec(self, name, path, target=None):
            if name == "ca":
                import cb

                self.text = f"value = {cb.value}\n"
            elif name == "cb":
                pause()
                return spec_from_loader(name, Loader("value = 2\n"))
            return super().find_spec(name, path, target)

    with finding(Importing("")):
        import ca
    return ca.value, forget("ca", "cb"), held(), all_locked()


@program
def finder_that_raises():
    class Raising:
        def find_spec(self, name, path, target=None):
            pause()
            raise LookupError(name)

    with finding(Raising()):
        try:
            import ca
        except LookupError as error:
            return error.args, trail(error), held(), all_locked()


@program
def finder_of_a_submodule():
    files(ca___="x = 1\n")

    class Parts(Finder):
        def find_spec(self, name, path, target=None):
            if name == "ca.sub":
                note(len(path), pause(4))
                return spec_from_loader(name, Loader(self.text), origin="here")

    with finding(Parts("value = 5\n")):
        import ca.sub
    return ca.sub.value, ca.x, forget("ca"), held(), all_locked()


@program
def path_hook():
    """It is asked for a directory while a module is looked for."""
    class Entry:
        def find_spec(self, name, target=None):
            return spec_from_loader(name, Loader("value = 6\n")) if name == "ca" else None

    def hook(path):
        if path != "<here>":
            raise ImportError
        note(pause(path))
        return Entry()

    sys.path_hooks.insert(0, hook)
    sys.path.insert(0, "<here>")
    try:
        import ca
    finally:
        for where, what in ((sys.path_hooks, hook), (sys.path, "<here>")):
            if what in where:
                where.remove(what)
        sys.path_importer_cache.pop("<here>", None)
    return ca.value, forget("ca"), held(), all_locked()


@program
def find_spec_called():
    with finding(Finder("value = 1\n", pauses=True)):
        return importlib.util.find_spec("ca").origin, held(), all_locked()


class Creating(Loader):
    def create_module(self, spec):
        note(pause(spec.name))
        return None


@program
def loader_creates_the_module():
    spec = importlib.util.spec_from_loader("ca", Creating("value = 2\n"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.value


@program
def module_from_a_file():
    directory = files(ca="value = pause([1])\nvalue.append(__name__)\n")
    spec = importlib.util.spec_from_file_location("other_name", directory / "ca.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.value, "other_name" in sys.modules


@program
def reloaded():
    files(ca="try:\n    count += 1\nexcept NameError:\n    count = 1\npause(1, count == 2)\nlast = count\n")
    import ca

    kept = ca.__dict__
    again = importlib.reload(ca)
    return again is ca, vars(again) is kept, ca.last, forget("ca"), held()


@program(refused="has another object than a module under its name")
def module_replaces_itself():
    files(ca="import sys\nclass Other:\n    value = 1\nsys.modules[__name__] = Other()\npause()\n")
    import ca

    return ca.value, forget("ca")


@program
def from_a_zip():
    import zipfile

    directory = files()
    with zipfile.ZipFile(directory / "ca.zip", "w") as archive:
        archive.writestr("ca.py", HEAD + "value = pause([1])\nvalue.append(2)\n")
    sys.path.insert(0, str(directory / "ca.zip"))
    import ca

    return ca.value, type(ca.__loader__).__name__, forget("ca"), held()


@program
def generator_imports():
    files(ca="value = pause(1)\n")

    def steps():
        yield 0
        import ca

        yield ca.value

    return [v for v in steps()], forget("ca"), held()


@program
def import_after_the_import():
    files(ca="import colorsys\npause()\nimport colorsys as again, fractions\nsame = again is colorsys\n")
    import ca
    import colorsys

    return ca.same, ca.colorsys is colorsys, ca.fractions.Fraction(1, 3) + 1, forget("ca")


newer(
    "lazy_import",
    "def lazy_import():\n"
    "    files(ca='value = pause([1])\\nvalue.append(2)\\n')\n"
    "    space = {'note': note}\n"
    "    exec('lazy import ca\\nnote(1)\\ndef go():\\n    return ca.value\\nresult = go()\\n', space)\n"
    "    return space['result'], forget('ca'), held()\n",
    since=(3, 15),
)
newer(
    "lazy_import_from",
    "def lazy_import_from():\n"
    "    files(ca='value = pause([1])\\nvalue.append(2)\\n')\n"
    "    space = {'note': note}\n"
    "    exec('lazy from ca import value\\nnote(1)\\nresult = value\\n', space)\n"
    "    return space['result'], forget('ca'), held()\n",
    since=(3, 15),
)


def lazily(name, source, after, refused=None, **texts):
    """A program whose global names are lazy imports: `source` runs in a namespace `space`; `after` is what it returns."""
    newer(
        name,
        f"def {name}():\n"
        f"    files(**{texts!r})\n"
        f"    space = {{'note': note, 'pause': pause, 'held': held, '__name__': 'lazily'}}\n"
        f"    exec({source!r}, space)\n"
        f"    return {after}, forget('ca', 'colorsys'), held()\n",
        since=(3, 15),
        refused=refused,
    )


PAUSES = "value = pause([1])\nvalue.append(2)\ndef get(*a):\n    return value, a\n"
lazily("lazy_import_called", "lazy from ca import get\ndef go():\n    return get(3)\nresult = go()\n", "space['result']", ca=PAUSES)
lazily("lazy_import_called_inside", "lazy from ca import get\ndef go(n):\n    return [n, get(3), get()]\nresult = go(1)\n", "space['result']",
       ca=PAUSES)
lazily("lazy_import_called_first", "lazy from ca import get\ndef go():\n    get(note('once'))\n    return get(4)\nresult = go()\n",
       "space['result']", ca=PAUSES)
# What is left of the declaration is in no object, but with the interpreter.
lazily("lazy_import_dotted", "lazy import ca.sub\nresult = ca.sub.value\n", "space['result'], space['ca'].__name__", "LOAD_ATTR",
       ca___="x = 1\n", ca__sub="value = pause(2)\n")
lazily("lazy_import_as", "lazy import ca.sub as other\ndef go():\n    return other.value\nresult = go()\n",
       "space['result'], space['other'].__name__", ca___="x = 1\n", ca__sub="value = pause(2)\n")
lazily("lazy_import_from_package", "lazy from ca import sub\nresult = sub.value\n", "space['result']", "hasattr", ca___="x = 1\n",
       ca__sub="value = pause(2)\n")
lazily("lazy_import_in_a_package", "lazy import ca\nresult = ca.go()\n", "space['result'], type(sys.modules['ca'].sub).__name__",
       ca___="lazy from . import sub\nlazy from .sub import value as v\ndef go():\n    return sub.value, v\n", ca__sub="value = pause(2)\n")
lazily("lazy_import_of_a_module", "lazy import ca\nimport types\nmade = types.ModuleType('made')\nexec('lazy from ca import value', vars(made))\n"
       "result = made.value\n", "space['result']", ca=PAUSES)
lazily("lazy_import_resolved", "lazy import ca\nresult = globals()['ca'].resolve().value\n", "space['result'], type(dict.get(space, 'ca')).__name__",
       ca=PAUSES)
lazily("lazy_import_in_a_class", "class Mine:\n    lazies = 1\nlazy from ca import value\nclass Mine:\n    mine = value\nresult = Mine.mine\n",
       "space['result']", ca=PAUSES)
lazily("lazy_import_that_fails", "lazy import ca\n\ntry:\n    note(1)\n    ca\nexcept LookupError as error:\n    result = error.args, str(error.__cause__), "
       "[(f.f_code.co_name, n) for f, n in __import__('traceback').walk_tb(error.__cause__.__traceback__)], "
       "[(f.f_code.co_name, n) for f, n in __import__('traceback').walk_tb(error.__traceback__)]\n",
       "space['result'], type(dict.get(space, 'ca')).__name__", ca="pause()\nraise LookupError('in the body')\n")
lazily("lazy_import_without_the_name", "lazy from ca import other\n\ntry:\n    note(1)\n    other\nexcept ImportError as error:\n"
       "    result = error.name, error.args[0].split('(')[0], str(error.__cause__)\n", "space['result']", ca=PAUSES)
lazily("lazy_import_that_waits", "lazy import ca, colorsys\nlazy from colorsys import rgb_to_hsv as f\nlazy from ca import value\npause()\n"
       "result = [type(dict.get(globals(), n)).__name__ for n in ('ca', 'colorsys', 'f', 'value')]\ng = f\n",
       "space['result'], space['g'](0, 0, 0), type(dict.get(space, 'colorsys')).__name__", ca="x = 1\n")
# What is raised by an inner frame is looked for one code unit before the instruction.
lazily("lazy_import_at_the_begin_of_a_try", "lazy import ca\ntry:\n    ca\nexcept LookupError as error:\n    result = error.args\n",
       "space['result']", "LOAD_NAME", ca="pause()\nraise LookupError('in the body')\n")
lazily("lazy_import_that_fails_in_a_function", "lazy from ca import f\ndef go():\n    try:\n        return [1, f(2)]\n    except LookupError as error:\n"
       "        return error.args, str(error.__cause__)\nresult = go()\n", "space['result']", ca="pause()\nraise LookupError('in the body')\n")
