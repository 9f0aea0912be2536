# Lessons about imports: see lessons.py. importlib's own frames lie above the C code of an import, so what is noted
# is the gap below the innermost one: that of a module which importlib asks for its `__path__`, or for a name.

_LESSON_MODULE = """
import sys, types
def answer(name):
    if name == asked:
        note(kind, below)
        if asked == 'p': return len
    raise AttributeError(name)
m = sys.modules['_torpor_lesson'] = types.ModuleType('_torpor_lesson')
m.__getattr__ = answer
__package__ = '_torpor_lesson'
def removed(f, *args, **kwds):
    return f(*args, **kwds)
"""
_FORGET = "sys.modules.pop('_torpor_lesson', None)"


def _attempts(*statements):
    return [f"try: {s}\n  except ImportError: pass" for s in statements] + [_FORGET]


_LESSONS["import"] = (
    _LESSON_MODULE + "asked, below = '__path__', 1\n",
    _attempts("import _torpor_lesson.sub", "import _torpor_lesson.sub as x", "from _torpor_lesson.sub import y", "from .sub import y",
              "__import__('_torpor_lesson.sub')", "__import__('_torpor_lesson.sub', fromlist=('y',))",
              "__import__('_torpor_lesson.sub', {}, {}, ('y',), 0)", "__import__(*('_torpor_lesson.sub',))",
              "removed(__import__, '_torpor_lesson.sub')"),
)  # fmt: skip
_LESSONS["from list"] = (
    _LESSON_MODULE + "asked, below = 'p', 1\nm.__path__ = []\n",
    _attempts("from _torpor_lesson import p", "from . import p", "__import__('_torpor_lesson', fromlist=('p',))",
              "__import__('_torpor_lesson', {}, {}, ('p',), 0)", "removed(__import__, '_torpor_lesson', fromlist=('p',))"),
)  # fmt: skip
_LESSONS["import from"] = _LESSON_MODULE + "asked, below = 'p', 0\n", _attempts("from _torpor_lesson import p")
_LESSONS["hasattr()/module"] = (
    "import types\ndef g(name):\n    note(kind)\n    return len\nm = types.ModuleType('m')\nm.__getattr__ = g\n", ["hasattr(m, 'p')"]
)
_LESSONS["import function"] = (
    "import builtins\ndef called(*args):\n    note(kind)\n    return builtins\n__builtins__ = {**vars(builtins), '__import__': called}\n",
    ["import a", "import a.b", "from a import len", "from .a import len"],
)
_LESSONS["exec/passed on"] = (
    "code = compile('note(kind)', 'x', 'exec')\nspace = {'note': note, 'kind': kind}\n"
    "def removed(f, *args, **kwds):\n    return f(*args, **kwds)\n",
    ["removed(exec, code, space)", "removed(exec, 'note(kind)', space)"],
)
