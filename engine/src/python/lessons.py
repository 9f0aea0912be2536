# Lessons: every kind of call through C that bridge/ knows, made by itself, so that the C functions between
# its two evaluation loops become known; see gaps.rs. Needed before CPython 3.14 only.

_CALLED = """
def called(*args, **kwargs):
    note(kind)
class Called:
    def __call__(self, *args, **kwargs):
        note(kind)
"""
_METHOD = "class M:\n    def called(self, *args):\n        note(kind)\nm = M()\n"
_FORMS = ("()", "(1)", "(1, 2)", "(k=1)", "(1, k=2)", "(*a)", "(*a, **k)", "(1, *a)")


def _forms_of(*callables):
    return [c + form for c in callables for form in _FORMS]


def _special(name, result, *statements, arguments="*args", setup="", more=""):
    """A class whose special method notes and returns."""
    body = f"class Special:\n    def {name}(self, {arguments}):\n        note(kind)\n        return {result}\n{more}\nx = Special()\n"
    return body + setup, statements


_LESSONS = {
    "call": (
        _CALLED + "class M:\n    def called(self, *args, **kwargs):\n        note(kind)\n    def __enter__(self): pass\n"
        "    def __exit__(self, *exc):\n        note(kind)\nm = M()\n",
        [*_forms_of("called", "m.called"), "with m: pass", "with m, m: pass"],
    ),
    "partial": (
        _CALLED + "import functools\np = functools.partial(called)\nq = functools.partial(called, 1)\n"
        "r = functools.partial(called, k=1)\ns = functools.partial(functools.partial(called, 1), 2)\n"
        "class M:\n    def called(self, *args, **kwargs):\n        note(kind)\nm = M()\n"
        "P = functools.partial\n",  # the first call of a partial can go another way than the next ones
        [c + form.replace("k=", "j=").replace("**k", "**{'j': 1}") for c in (
            *"pqrs", *(f"P({f}{given})" for f in ("called", "m.called") for given in ("", ", 1", ", k=1", ", 1, k=1"))) for form in _FORMS],
    ),
    "__call__": (_CALLED + "x = Called()\n", _forms_of("x")),
    "methodcaller": (
        _METHOD.replace("*args", "*args, **kwargs") + "import operator\nC = operator.methodcaller\n",
        [f"C('called'{form[1:] if form == '()' else ', ' + form[1:]}{on}" for form in ("()", "(1)", "(1, 2)", "(k=1)", "(1, k=1)")
         for on in ("(m)", "(*(m,))")],
    ),
    "itemgetter": (
        "import operator\nclass X:\n    def __getitem__(self, key):\n        note(kind)\nx = X()\n",
        [f"operator.itemgetter({key}){on}" for key in ("0", "'k'", "-1") for on in ("(x)", "(*(x,))")],
    ),
    "attrgetter": (
        "import operator\nclass D:\n    def __get__(self, obj, cls=None):\n        note(kind)\nclass X:\n    d = D()\n    @property\n"
        "    def p(self):\n        note(kind)\nclass Z(X):\n    def __getattr__(self, name):\n        note(kind)\nclass Y:\n"
        "    def __getattribute__(self, name):\n        note(kind)\nx, y, z = X(), Y(), Z()\n",
        [f"operator.attrgetter('{name}'){on}" for obj, name in (("x", "p"), ("x", "d"), ("z", "p"), ("z", "d"), ("z", "q"), ("y", "q"))
         for on in (f"({obj})", f"(*({obj},))")],
    ),
    **{kind: (
        _CALLED + "import contextvars, functools\nc = contextvars.Context()\nr = c.run\n"
        "class M:\n    def called(self, *args, **kwargs):\n        note(kind)\nm = M()\nx = Called()\n"
        "class X:\n    def __init__(self, *args, **kwargs):\n        note(kind)\nP = functools.partial\n",
        [f"{run}{f}{form[1:] if form == '()' else ', ' + form[1:]}" for run in runs
         for f in ("called", "m.called", "x", "X", "P(called)", "P(called, 1)", "P(called, j=1)", "P(P(called, 1), 2, j=1)",
                   "P(m.called, 1)", "functools.lru_cache(called)") for form in _FORMS]
        + [f"P(c.run, {f}){form}" for f in own for form in _FORMS],
    ) for kind, runs, own in (
        ("Context.run", ("c.run(", "r("), ()),
        ("Context.run by partial", ("P(c.run)(",), ("called", "m.called", "called, 1", "called, j=1", "X", "x", "P(called)",
                                                   "P(called, 1)", "P(m.called)", "functools.lru_cache(called)")),
    )},
    "metaclass": (
        "class Meta(type):\n    def __call__(cls, *args, **kwargs):\n        note(kind)\nclass X(metaclass=Meta): pass\n",
        _forms_of("X"),
    ),
    "init": (
        "class X:\n    def __init__(self, *args, **kwargs):\n        note(kind)\n"
        "class Y(dict):\n    def __init__(self, *args, **kwargs):\n        note(kind)\n"
        "class Z(Exception):\n    def __init__(self, *args, **kwargs):\n        note(kind)\n"
        "class W:\n    __slots__ = ()\n    def __init__(self, *args, **kwargs):\n        note(kind)\n",
        _forms_of("X", "Y", "Z", "W"),
    ),
    "new": (
        "class X:\n    def __new__(cls, *args, **kwargs):\n        note(kind)\n        return object.__new__(cls)\n"
        "class Y(tuple):\n    def __new__(cls, *args, **kwargs):\n        note(kind)\n        return tuple.__new__(cls)\n",
        [c + form for c in ("X", "Y") for form in _FORMS[:5]],
    ),
    "__len__": _special("__len__", "1", "len(x)"),
    "__repr__": _special("__repr__", "'r'", "repr(x)", "f'{x!r}'", "f'{x!a}'", "ascii(x)"),
    "__hash__": _special("__hash__", "1", "hash(x)"),
    "__iter__": _special("__iter__", "iter(())", "iter(x)"),
    "__float__": _special("__float__", "1.0", "float(x)"),
    "__bytes__": _special("__bytes__", "b'1'", "bytes(x)"),
    "__dir__": _special("__dir__", "[]", "dir(x)"),
    "__reversed__": _special("__reversed__", "1", "reversed(x)"),
    "round": _special("__round__", "1", "round(x)", "round(x, 2)"),
    "math": ("import math\nclass X:\n" + "".join(f"    def {n}(self):\n        note(kind)\n" for n in ("__trunc__", "__floor__", "__ceil__"))
             + "x = X()\n", ["math.trunc(x)", "math.floor(x)", "math.ceil(x)"]),
    "index": _special("__index__", "0", "[1][x]", "(1,)[x]", "'a'[x]", "b'a'[x]", "bytearray(1)[x]", "range(3)[x]"),
    "default": (_CALLED + "import collections\n", ["collections.defaultdict(called)[1]", "collections.defaultdict(called)['a']"]),
    "lru_cache": (
        "import functools\n@functools.lru_cache\ndef a1(*a, **k):\n    note(kind)\n@functools.lru_cache(None)\ndef a2(*a, **k):\n"
        "    note(kind)\n@functools.lru_cache(2)\ndef a3(*a, **k):\n    note(kind)\n",
        [c + f".cache_clear()\n  {c}{form}" for c in ("a1", "a2", "a3") for form in _FORMS],
    ),
    "static method": ("@staticmethod\ndef f(*a, **k):\n    note(kind)\n", _forms_of("f")),
    "module": (
        "import types\ndef g(name):\n    note(kind)\n    return len\nm = types.ModuleType('m')\nm.__getattr__ = g\n", ["m.p", "m.p(())"]
    ),
    "exec": (
        "code = compile('note(kind)', 'x', 'exec')\nspace = {'note': note, 'kind': kind}\n",
        ["exec('note(kind)', space)", "exec(code, space)", "exec(code, space, {})", "exec('note(kind)', space, {})", "exec(code)",
         "exec('note(kind)')", "exec(*(code, space))"],
    ),
    "eval": (
        "code = compile('note(kind)', 'x', 'eval')\nspace = {'note': note, 'kind': kind}\n",
        ["eval('note(kind)', space)", "eval(code, space)", "eval(code, space, {})", "eval('note(kind)', space, {})", "eval(code)",
         "eval('note(kind)')"],
    ),
    "class body": (
        "class Meta(type):\n    def __new__(m, name, bases, space, **k):\n        return type.__new__(m, name, bases, space)\n"
        "    def __init__(*a, **k): pass\nimport typing\n",
        ["class X:\n   note(kind)", "class X(int):\n   note(kind)", "class X(metaclass=Meta):\n   note(kind)",
         "class X(dict, metaclass=Meta, k=1):\n   note(kind)", "class X(*a):\n   note(kind)", "class X(*(), metaclass=Meta):\n   note(kind)",
         "class X(metaclass=Meta, **k):\n   note(kind)", "class X(*(), **k):\n   note(kind)", "class X(list[int]):\n   note(kind)",
         "class X(typing.Generic[typing.TypeVar('T')]):\n   note(kind)"],
    ),
    "filter generator": ("def g():\n    note(kind)\n    yield 1\n    note(kind)\n", ["for y in filter(None, g()): pass"]),
    "sentinel": ("def f():\n    note(kind)\n    return 1\n", ["for y in iter(f, 2): break", "for y in iter(f, 1): pass"]),
    "item": (
        "class X:\n    def __getitem__(self, i):\n        note(kind)\n        if i > 2: raise IndexError\n        return i\n",
        ["for y in X(): pass"],
    ),
    "reversed item": (
        "class X:\n    def __len__(self):\n        return 3\n    def __getitem__(self, i):\n        note(kind)\n        return i\n",
        ["for y in reversed(X()): pass"],
    ),
    "__abs__": _special("__abs__", "1", "abs(x)"),
    "__int__": _special("__int__", "1", "int(x)"),
    "str": _special("__str__", "'s'", "str(x)", "f'{x!s}'"),
    "str by repr": _special("__repr__", "'s'", "str(x)", "f'{x!s}'"),
    "bool": _special("__bool__", "True", "bool(x)"),
    "bool by len": _special("__len__", "1", "bool(x)"),
    "truth": _special("__bool__", "True", "not x", "y = 1 if x else 2", "y = 1 if not x else 2",
                      "while not x: pass", "y = x and 1", "y = x or 1"),
    "truth by len": _special("__len__", "1", "not x", "y = 1 if x else 2", "y = 1 if not x else 2",
                             "while not x: pass", "y = x and 1", "y = x or 1"),
    "format": _special("__format__", "'f'", "format(x)", "format(x, '')", "f'{x}'", "f'{x:>3}'"),
    "format by str": _special("__str__", "'s'", "f'{x}'"),
    "format by str by repr": _special("__repr__", "'s'", "f'{x}'"),
    "next": _special("__next__", "1", "next(x)", "next(x, 0)"),
    "isinstance": (
        "class Meta(type):\n    def __instancecheck__(cls, x):\n        note(kind)\n        return True\n"
        "    def __subclasscheck__(cls, x):\n        note(kind)\n        return True\nclass X(metaclass=Meta): pass\n",
        ["isinstance(1, X)", "issubclass(int, X)"],
    ),
    "property": (
        "class X:\n    @property\n    def p(self):\n        note(kind)\n        return len\nclass Y(X):\n    def __getattr__(self, name):\n"
        "        return 1\nx = X()\ny = Y()\n",
        ["x.p", "y.p", "x.p(())", "y.p(())"],
    ),
    "getattr": (
        "class X:\n    def __getattr__(self, name):\n        note(kind)\n        return len\nx = X()\n"
        "class Y(X):\n    @property\n    def p(self):\n        raise AttributeError\ny = Y()\n",
        ["x.p", "x.p(())", "y.p"],
    ),
    "getattribute": (
        "class X:\n    def __getattribute__(self, name):\n        note(kind)\n        return len\nx = X()\n"
        "class Y(X):\n    def __getattr__(self, name):\n        return 1\ny = Y()\n",
        ["x.p", "x.p(())", "y.p"],
    ),
    "descriptor": (
        "class D:\n    def __get__(self, obj, cls=None):\n        note(kind)\n        return len\n"
        "class E(D):\n    def __set__(self, obj, value): pass\n"
        "class X:\n    p = D()\n    q = E()\nclass Y(X):\n    def __getattr__(self, name):\n        return 1\nx = X()\ny = Y()\n",
        ["x.p", "x.q", "x.p(())", "x.q(())", "X.p", "X.p(())", "y.p", "y.q"],
    ),
    "getattr()": (
        "class D:\n    def __get__(self, obj, cls=None):\n        note(kind)\n        return len\n"
        "class X:\n    p = D()\n    @property\n    def q(self):\n        note(kind)\n        return 1\n"
        "class Y:\n    def __getattr__(self, name):\n        note(kind)\n        return 1\n"
        "class Z:\n    def __getattribute__(self, name):\n        note(kind)\n        return 1\n"
        "x, y, z = X(), Y(), Z()\n",
        [f"getattr({x}, '{n}'{d})" for x, n in (("x", "p"), ("x", "q"), ("y", "p"), ("z", "p"), ("X", "p")) for d in ("", ", 1")],
    ),
    "hasattr()": (
        "class D:\n    def __get__(self, obj, cls=None):\n        note(kind)\n        return len\n"
        "class X:\n    p = D()\n    @property\n    def q(self):\n        note(kind)\n        return 1\n"
        "class Y:\n    def __getattr__(self, name):\n        note(kind)\n        return 1\n"
        "class Z:\n    def __getattribute__(self, name):\n        note(kind)\n        return 1\n"
        "x, y, z = X(), Y(), Z()\n",
        [f"hasattr({x}, '{n}')" for x, n in (("x", "p"), ("x", "q"), ("y", "p"), ("z", "p"), ("X", "p"))],
    ),
    "setattr": (
        "class X:\n    def __setattr__(self, name, value):\n        note(kind)\n    def __delattr__(self, name):\n        note(kind)\nx = X()\n",
        ["x.p = 1", "del x.p", "setattr(x, 'p', 1)", "delattr(x, 'p')"],
    ),
    "set property": (
        "class X:\n    def f(self, *value):\n        note(kind)\n    p = property(None, f, f)\nx = X()\n",
        ["x.p = 1", "del x.p", "setattr(x, 'p', 1)", "delattr(x, 'p')"],
    ),
    "set descriptor": (
        "class D:\n    def __set__(self, obj, value):\n        note(kind)\n    def __delete__(self, obj):\n        note(kind)\n"
        "class X:\n    p = D()\nx = X()\n",
        ["x.p = 1", "del x.p", "setattr(x, 'p', 1)", "delattr(x, 'p')"],
    ),
    "subscript": _special("__getitem__", "1", "x[0]", "x['k']", more="class B(dict, Special): pass",
                          setup="class L(list):\n    __getitem__ = Special.__getitem__\nl = L()\n"),
    "missing": (
        "class X(dict):\n    def __missing__(self, key):\n        note(kind)\n        return 1\nx = X()\n", ["x[0]", "x['k']"]
    ),
    "class subscript": (
        "class X:\n    def __class_getitem__(cls, key):\n        note(kind)\n        return 1\n", ["X[0]"]
    ),
    "slice": _special("__getitem__", "1", "x[0:1]", "x[:]"),
    "set item": _special("__setitem__", "None", "x[0] = 1"),
    "del item": _special("__delitem__", "None", "del x[0]"),
    "set slice": _special("__setitem__", "None", "x[0:1] = 1"),
    "contains": _special("__contains__", "True", "1 in x", "1 not in x"),
    "iter": _special("__iter__", "iter(())", "for y in x: pass", "[y for y in x]"),
    "unary": (
        "class X:\n" + "".join(f"    def {n}(self):\n        note(kind)\n" for n in ("__neg__", "__pos__", "__invert__")) + "x = X()\n",
        ["-x", "+x", "~x"],
    ),
    "with": (
        "class X:\n    def __enter__(self):\n        note(kind)\n    def __exit__(self, *exc):\n        return True\nx = X()\n",
        ["with x: pass"],
    ),
    "leave": (
        "class X:\n    def __enter__(self): pass\n    def __exit__(self, *exc):\n        note(kind)\n        return True\nx = X()\n",
        ["with x: raise KeyError", "with x: 1 / 0"],
    ),
    "step": (
        "class X:\n    def __init__(self):\n        self.n = 0\n    def __iter__(self):\n        return self\n"
        "    def __next__(self):\n        note(kind)\n        self.n += 1\n        if self.n > 3: raise StopIteration\n",
        ["for y in X(): pass"],
    ),
    "generator": (
        "def g():\n    note(kind)\n    yield 1\n    note(kind)\ndef d():\n    yield from g()\nasync def c():\n    note(kind)\n"
        "async def b():\n    await c()\nclass A:\n    def __await__(self):\n        return g()\nasync def e():\n    await A()\n"
        "def run(c):\n    try:\n        while True: c.send(None)\n    except StopIteration: pass\n",
        ["for y in g(): pass", "for y in d(): pass", "run(b())", "run(e())", "[y for y in g()]"],
    ),
    "send": (
        "def g():\n    note(kind)\n    try:\n        yield 1\n    except KeyError:\n        note(kind)\n    note(kind)\n    yield 2\n    note(kind)\n"
        "async def c():\n    note(kind)\n",
        ["next(g())", "next(g(), 0)", "g().send(None)", "x = g()\n  next(x)\n  x.throw(KeyError())",
         "x = g()\n  next(x)\n  x.throw(KeyError)", "x = g()\n  next(x)\n  y = x.throw\n  y(KeyError)", "x = g()\n  next(x)\n  x.send(1)", "g().__next__()", "y = g().send\n  y(None)",
         "y = g().__next__\n  y()", "x = c()\n  try: x.send(None)\n  except StopIteration: pass"],
    ),
    "close": (
        "def g():\n    try:\n        yield 1\n    finally:\n        note(kind)\n", ["x = g()\n  next(x)\n  x.close()", "x = g()\n  next(x)\n  y = x.close\n  y()"]
    ),
    "map": (_CALLED + _METHOD, [f"for y in map({f}, {a}): pass" for f in ("called", "m.called") for a in ("(1, 2)", "(1, 2), (3, 4)")]),
    "filter": (_CALLED + _METHOD, ["for y in filter(called, (1, 2)): pass", "for y in filter(m.called, (1, 2)): pass"]),
    "map generator": (
        "def g():\n    note(kind)\n    yield 1\n", ["for y in map(abs, g()): pass", "for y in map(lambda v: v, g()): pass"]
    ),
    "enumerate generator": ("def g():\n    note(kind)\n    yield 1\n    note(kind)\n", ["for y in enumerate(g()): pass"]),
    "zip generator": (
        "def g():\n    note(kind)\n    yield 1\n    note(kind)\n",
        ["for y in zip(g()): pass", "for y in zip(g(), (1, 2)): pass", "for y in zip(g(), (1, 2), (3, 4)): pass"],
    ),
    "any": (
        "def g():\n    note(kind)\n    yield 0\n    note(kind)\ndef f(x):\n    note(kind)\nclass X:\n    n = 0\n    def __iter__(self):\n"
        "        return self\n    def __next__(self):\n        note(kind)\n        raise StopIteration\n",
        ["any(g())", "all(g())", "any(map(f, (1, 2)))", "all(map(f, (1, 2)))", "any(X())", "all(X())"],
    ),
}  # fmt: skip
_AWAITING = """
import types
@types.coroutine
def tick():
    yield
async def g():
    note(kind)
    await tick()
    note(kind)
    yield 1
    note(kind)
    yield 2
async def h():
    try:
        note(kind)
        await tick()
        yield 1
        note(kind)
        yield 2
    finally:
        note(kind)
        await tick()
        note(kind)
async def c():
    note(kind)
    await tick()
    note(kind)
    return 1
class W:
    def __await__(self):
        return c().__await__()
class N:
    def __aiter__(self):
        return self
    def __anext__(self):
        return c()
async def loop():
    async for x in g(): pass
async def steps():
    x = h()
    await x.asend(None)
    await x.asend(1)
    await x.aclose()
async def throws():
    x = h()
    await anext(x)
    await x.athrow(KeyError)
async def defaults():
    await anext(g(), 0)
    await anext(N(), 0)
async def wrapped():
    await W()
def run(c, value):
    try:
        c.send(None)
        while True:
            c.send(value)
    except (StopIteration, KeyError):
        pass
"""
_LESSONS["await"] = (
    _AWAITING,
    [f"run({name}(), {value})" for name in ("loop", "steps", "throws", "defaults", "wrapped") for value in (None, 1)],
)
_LESSONS["await call"] = (
    _AWAITING,
    [f"x = {made}\n  try:\n   while True: {step}\n  except (StopIteration, KeyError): pass"
     for made in ("g().asend(None)", "anext(g(), 0)", "anext(N(), 0)", "c().__await__()")
     for step in ("x.send(None)", "next(x)", "x.__next__()")]
    + ["x = h()\n  run(x.asend(None), None)\n  run(x.athrow(KeyError), None)",
       "x = h()\n  run(x.asend(None), None)\n  run(x.aclose(), None)"],
)
_LESSONS["enumerate"] = _LESSONS["step"][0], ["for y in enumerate(X()): pass"]
_LESSONS["zip"] = _LESSONS["step"][0], ["for y in zip(X()): pass", "for y in zip(X(), (1, 2)): pass"]

_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "matmul", "pow", "lshift", "rshift", "and", "or", "xor")
_SIGNS = ("+", "-", "*", "/", "//", "%", "@", "**", "<<", ">>", "&", "|", "^")
_LESSONS["operator"] = (
    "class X:\n"
    + "".join(
        f"    def __{prefix}{name}__(self, other):\n        note(kind)\n        return {result}\n"
        for name in _BINARY
        for prefix, result in (("", "self"), ("r", "self"))
    )
    + "class I(X):\n"
    + "".join(f"    def __i{name}__(self, other):\n        note(kind)\n        return self\n" for name in _BINARY)
    + "class N(X):\n"
    + "".join(f"    def __{name}__(self, other):\n        note(kind)\n        return NotImplemented\n" for name in _BINARY)
    + "class S(X):\n" + "".join(f"    def __r{name}__(self, other):\n        note(kind)\n        return 1\n" for name in _BINARY)
    + "class D:\n    def __divmod__(self, other):\n        note(kind)\n    def __rdivmod__(self, other):\n        note(kind)\n"
    + "x, i, n, d, s = X(), I(), N(), D(), S()\n",
    [f"{f}({a}, {b})" for f in ("divmod", "pow") for a, b in (("d", "1"), ("1", "d"), ("x", "1"), ("1", "x"), ("n", "x"))]
    + [f"{a} {sign} {b}" for sign in _SIGNS for a, b in (("x", "1"), ("1", "x"), ("n", "x"), ("x", "n"), ("x", "s"))]
    + [f"y = {a}\n  y {sign}= {b}" for sign in _SIGNS for a, b in (("i", "1"), ("x", "1"), ("1", "x"), ("n", "x"), ("x", "s"))],
)
_LESSONS["comparison"] = (
    "".join(
        f"class {cls}({base}):\n"
        + "".join(f"    def __{name}__(self, other):\n        note(kind)\n        return {result}\n" for name in names)
        for cls, base, result, names in (
            ("X", "object", "True", ("lt", "le", "eq", "ne", "gt", "ge")),
            ("N", "object", "NotImplemented", ("lt", "le", "eq", "ne", "gt", "ge")),
            ("E", "object", "True", ("eq",)),
            ("S", "N", "True", ("lt", "le", "eq", "ne", "gt", "ge")),
        )
    )
    + "x, n, e, s = X(), N(), E(), S()\n",
    [text for sign in ("<", "<=", "==", "!=", ">", ">=") for a, b in (("x", "1"), ("1", "x"), ("n", "x"), ("n", "s"), ("x", "s"))
     for text in (f"{a} {sign} {b}", f"y = 1 if {a} {sign} {b} else 2")]
    + ["e == 1", "e != 1", "1 == e", "1 != e", "y = 1 if e != 1 else 2"],
)


# How often an instruction runs before it surely is specialised: 3.11 begins after eight.
_UNTIL_WARM = 10 if sys.version_info < (3, 12) else 5


def learn_kinds(note, lessons=_LESSONS):
    """Make every kind of call, cold and warm. Nothing that goes wrong in a lesson is of interest."""
    own = {**vars(builtins), "__import__": _c_import}  # the program may have put its own there
    for kind, (source, statements) in lessons.items():
        scope = {"note": note, "kind": kind.partition("/")[0], "__builtins__": own}
        exec(source, scope)
        for statement in statements:
            text = f"def lesson(a, k):\n for _ in range({_UNTIL_WARM}):\n  {statement}\n"
            try:
                exec(text, scope)
                scope["lesson"]((1,), {"k": 1})
            except Exception:
                pass
