# Lessons about texts that are made of others, about what begins with an iterator, and names of class bodies: see lessons.py.

_ASKED_FOR_TEXT = """
import operator
class S:
    def __str__(self):
        note(kind)
        return "s"
class R:
    def __repr__(self):
        note(kind)
        return "r"
class F:
    def __format__(self, spec):
        note(kind)
        return "f"
class N:
    def __int__(self):
        note(kind)
        return 1
class I:
    def __index__(self):
        note(kind)
        return 1
class G:
    def __float__(self):
        note(kind)
        return 1.0
s, r, f, n, i, g = S(), R(), F(), N(), I(), G()
"""
_LESSONS["percent"] = _ASKED_FOR_TEXT, [
    *[f"{form.format(*pair)}" for form in ("'{0}' % {1}", "'{0}' % ({1},)", "operator.mod('{0}', {1})", "'{0}'.__mod__({1})")
      for pair in (("%s", "s"), ("%s", "r"), ("%r", "r"), ("%a", "r"), ("%9.2s", "s"), ("%-9.2r", "r"), ("%9s", "r"),
                   *((f"%{d}", o) for d, o in (*zip("diudiuxXoc", "nnniiiiiii"), *((d, o) for d in "eEfFgG" for o in "gi"), ("5d", "n"), (".3f", "g"))))],
    *[f"'%s %d {d}' % (1, 2, {o})" for d, o in (("%s", "s"), ("%s", "r"), ("%r", "r"))],
    *[f"'%(k){d}' % dict(k={o})" for d, o in (("s", "s"), ("s", "r"), ("r", "r"))],
    *[f"x = '%s'\n  x %= {o}" for o in ("s", "r", "(s,)", "(r,)")],
]  # fmt: skip
_LESSONS["str.format"] = _ASKED_FOR_TEXT, [
    form.format(field, o)
    for form in ("'{0}'.format({1})", "'{0}'.format(*({1},))", "str.format('{0}', {1})", "x = '{0}'.format\n  x({1})")
    for field, o in (("{}", "s"), ("{}", "r"), ("{}", "f"), ("{:>3}", "f"), ("{!s}", "s"), ("{!s}", "r"), ("{!r}", "r"), ("{!a}", "r"),
                     ("{!s:>3}", "s"), ("{!r:>3}", "r"), ("{0}", "s"), ("{0}", "f"))
] + [
    form.format(field, o)
    for form in ("'{0}'.format(k={1})", "'{{}} {0}'.format(1, k={1})", "'{0}'.format(**dict(k={1}))")
    for field, o in (("{k}", "s"), ("{k}", "r"), ("{k}", "f"), ("{k:>3}", "f"), ("{k!s}", "s"), ("{k!r}", "r"))
]  # fmt: skip
_BEGINNING = """
import collections, itertools
from collections import deque
from itertools import *
class X:
    def __iter__(self):
        note(kind)
        return iter(())
class Y(X):
    def __len__(self):
        return 1
x, y = X(), Y()
l, s, d = [], set(), collections.deque()
"""
_LESSONS["begun"] = _BEGINNING, [
    call.format(o) for o in "xy" for call in (
        "list({})", "tuple({})", "set({})", "frozenset({})", "sorted({})", "sorted({}, key=len, reverse=True)", "sorted({}, key=len)", "sorted({}, reverse=True)", "min({}, default=0)",
        "max({}, default=0)", "sum({})", "sum({}, 1)", "sum({}, start=1)", "any({})", "all({})", "enumerate({})", "enumerate({}, 1)",
        "zip({})", "zip((), {})", "zip({}, ())", "zip({}, strict=True)", "collections.deque({})", "collections.deque({}, 3)", "accumulate({})",
        "accumulate({}, max)", "accumulate({}, max, initial=1)", "accumulate({}, initial=1)", "enumerate({}, start=1)", "deque({}, maxlen=3)",
        "groupby({}, key=len)", "enumerate(iterable={})", "accumulate(*({},))", "zip(*({},))", "islice(*({}, 1))", "map(*(len, {}))", "cycle({})", "islice({}, 3)", "islice({}, 1, 3)", "pairwise({})", "groupby({})", "groupby({}, len)",
        "compress({}, ())", "compress((), {})", "zip_longest({}, ())", "tee({})", "map(len, {})", "map(len, (), {})", "filter(None, {})",
        "takewhile(len, {})", "dropwhile(len, {})", "filterfalse(None, {})", "starmap(len, {})", "l.extend({})", "list.extend(l, {})",
        "s.update({})", "s.update((), {})", "s.union({})", "s.intersection({})", "s.difference({})", "frozenset().union({})", "d.extend({})",
        "d.extendleft({})", "bytearray().extend({})", "''.join({})", "str.join('', {})", "list(*({},))", "tuple(*({},))", "set(*({},))", "sorted(*({},))",
    )
]  # fmt: skip
_LESSONS["extended"] = _BEGINNING + "import operator\n", [
    call.format(o) for o in "xy" for call in ("m = []\n  m += {}", "operator.iadd([], {})")
]  # fmt: skip
_LESSONS["spread"] = _BEGINNING, [
    call.format(o) for o in "xy" for call in ("[*{}]", "[1, *{}, 2]", "{{*{}}}", "(*{}, 1)")
]
_LESSONS["unpacked"] = _BEGINNING, [
    f"try: {call.format(o)}\n  except ValueError: pass" for o in "xy" for call in ("a, b = {}", "a, *b = {}", "*a, = {}")
]
_LESSONS["repeated"] = _special("__index__", "1", *(
    call.format(s) for s in ("[1]", "(1,)", "'a'", "b'a'", "bytearray(1)") for call in ("{} * x", "x * {}", "y = {}\n  y *= x", "operator.mul({}, x)")
), setup="import operator\n")  # fmt: skip
_LESSONS["operator/sequence"] = (
    "class X:\n    def __radd__(self, other):\n        note(kind)\n        return 1\n    def __rmul__(self, other):\n        note(kind)\n"
    "        return 1\n    def __mul__(self, other):\n        note(kind)\n        return 1\nx = X()\n",
    [call.format(s) for s in ("[1]", "(1,)", "'a'", "b'a'", "bytearray(1)")
     for call in ("{} + x", "{} * x", "x * {}", "y = {}\n  y += x", "y = {}\n  y *= x")],
)  # fmt: skip
_LESSONS["attrgetter/nested"] = (
    _LESSONS["attrgetter"][0] + "class W: pass\nw, v = W(), W()\nv.w = w\nw.x, w.z, w.y = x, z, y\n",
    [f"operator.attrgetter('{name}')(w)" for name in ("x.p", "x.d", "z.p", "z.d", "z.q", "y.q")]
    + [f"operator.attrgetter('w.{name}')(v)" for name in ("x.p", "x.d", "z.p", "z.d", "z.q", "y.q")]
    + ["class A:\n   @property\n   def p(self):\n    note(kind)\n    return x\n  try: operator.attrgetter('p.q')(A())\n  except AttributeError: pass"],
)  # fmt: skip
_NAMESPACE = """
class Space(dict):
    def __setitem__(self, name, value):
        note("set name")
        dict.__setitem__(self, name, value)
    def __getitem__(self, name):
        note("name")
        return dict.__getitem__(self, name)
class Missing(dict):
    def __missing__(self, name):
        note("name")
        raise KeyError(name)
class Meta(type):
    def __prepare__(name, bases, space=Space):
        return space()
    def __new__(meta, name, bases, space, **given):
        return type.__new__(meta, name, bases, dict(space))
    def __init__(cls, *given, **more): pass
"""
_LESSONS["name"] = _NAMESPACE, [  # and "set name"
    "class X(metaclass=Meta):\n   a = 1\n   b = a\n   c = len\n   def f(self): pass",
    "class X(metaclass=Meta, space=Missing):\n   a = len",
]
_LESSONS["starred"] = _BEGINNING + "def called(*args, **kwargs): pass\n", [
    call.format(o) for o in "xy" for call in ("called(*{})", "called(*{}, k=1)", "called(*{}, **k)", "called(*{}, **{{}})", "print(*{}, end='')", "max(1, *{}, 2)")
]
_KEYED = """
import collections, operator
from collections import *
class X:
    def keys(self):
        note(kind)
        return ()
    def __getitem__(self, key): pass
class Y(dict):
    def keys(self):
        note(kind)
        return ()
    def __iter__(self):
        return iter(())
class Z(X):
    def keys(self):
        note(kind)
        return iter(())
def called(*args, **kwargs): pass
x, y, z, d, o = X(), Y(), Z(), {}, OrderedDict()
"""
_LESSONS["merged"] = _KEYED, [
    call.format(m) for m in "xyz" for call in ("{{**{}}}", "{{1: 2, **{}}}", "called(**{})", "called(1, k=2, **{})", "called(*(), **{})", "print(**{}, end='')")
]
_LESSONS["keys"] = _KEYED, [
    call.format(m) for m in "xyz" for call in (
        "dict({})", "dict({}, k=1)", "OrderedDict({})", "OrderedDict({}, k=1)", "defaultdict(int, {})", "d.update({})", "d.update({}, k=1)", "dict.update(d, {})",
        "d.__init__({})", "dict.__init__(d, {})", "d.__ior__({})", "dict.__ior__(d, {})", "o.update({})", "OrderedDict.update(o, {})", "o.__init__({})", "o.__ior__({})",
        "operator.ior(d, {})", "m = d\n  m |= {}", "m = o\n  m |= {}", "m = defaultdict(int)\n  m |= {}", "dict(*({},))", "d.update(*({},))", "OrderedDict(*({},))",
        "dict.update(*(d, {}))", "dict.__init__(*(d, {}))", "OrderedDict.update(*(o, {}))", "defaultdict(*(int, {}))",
    )
]  # fmt: skip
_LESSONS["reduced"] = (
    "class X:\n    def __getstate__(self):\n        note(kind)\n        return 1\nclass Y(X):\n    __slots__ = ()\nx, y = X(), Y()\n",
    [call.format(o) for o in "xy" for call in ("{}.__reduce_ex__(4)", "{}.__reduce_ex__(2)", "z = {}.__reduce_ex__\n  z(4)", "object.__reduce_ex__({}, 4)")],
)
_LESSONS["getattr()/vars"] = (
    "class X:\n    @property\n    def __dict__(self):\n        note(kind)\n        return {}\nclass Y:\n    __slots__ = ()\n    def __getattr__(self, name):\n"
    "        note(kind)\n        return {}\nx, y = X(), Y()\n",
    ["vars(x)", "vars(y)", "vars(*(x,))"],
)
