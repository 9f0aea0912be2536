# Lessons for iterators that step other iterators: in a loop, under next() and any(), and delegated to. What they note
# is also taken for single steps (the second argument): see gaps.rs.

_STEPPING = """
from itertools import *
def f(*args):
    note(kind, 0, True)
    return 1
def g():
    note(kind, 0, True)
    yield 1
    note(kind, 0, True)
    yield 0
class N:
    n = 0
    def __iter__(self):
        return self
    def __next__(self):
        note(kind, 0, True)
        self.n += 1
        if self.n > 2: raise StopIteration
        return self.n
class A:
    def __len__(self):
        note(kind, 0, True)
        return 1
    __hash__ = __abs__ = __int__ = __len__
    def __bool__(self):
        note(kind, 0, True)
        return True
    def __float__(self):
        note(kind, 0, True)
        return 1.0
    def __str__(self):
        note(kind, 0, True)
        return ""
    __repr__ = __str__
    def __iter__(self):
        note(kind, 0, True)
        return iter(())
    def __bytes__(self):
        note(kind, 0, True)
        return b""
class B:
    __repr__ = A.__repr__
def d(it):
    yield from it
def t(it):
    a, b = tee(it)
    return a
def q(it):
    for _, group in groupby(it, int): return group
def u():
    for _, group in groupby((1, 1, 1), f): return group
"""
_STEPPED_SOURCES = ("g()", "N()")
_CALLING = (
    "map(f, (1, 2))", "filter(f, (1, 2))", "starmap(f, ((1,), (2,)))", "takewhile(f, (1, 2))", "dropwhile(f, (1, 2))",
    "filterfalse(f, (1, 2))", "accumulate((1, 2, 3), f)", "groupby((1, 2), f)", "map(f, (1, 2), (3, 4))",
    "u()",
)  # fmt: skip
_WRAPPING = (
    "map(abs, {})", "map(lambda v: v, {})", "filter(None, {})", "enumerate({})", "zip({}, (1, 2))", "chain({}, (1,))",
    "chain.from_iterable(map(lambda v: (v,), {}))", "starmap(abs, zip({}))", "takewhile(bool, {})", "dropwhile(bool, {})",
    "filterfalse(None, {})", "accumulate({})", "groupby({})", "islice({}, 3)", "islice({}, 1, 3)", "pairwise({})",
    "cycle({})", "compress({}, (1, 1))", "t({})", "q({})", "starmap(lambda *v: v, zip({}))", "chain.from_iterable({})",
)  # fmt: skip
_ASKING = tuple(f"map({f}, {s})" for f in ("len", "str", "repr", "hash", "abs", "int", "float", "bool", "iter", "bytes") for s in ("[A()]", "(A(),)")) + (
    "map(str, [B()])",
)  # fmt: skip
_ONCE = [*(w.format(s) for w in _WRAPPING for s in _STEPPED_SOURCES), *_CALLING]
_TWICE = [w.format(once) for w in _WRAPPING for once in _ONCE if "cycle" not in once]  # that may never end


def _loops_over(iterators):
    return [f"n = 4\n  for y in {it}:\n   n -= 1\n   if not n: break" for it in iterators]


_LESSONS["iterated"] = _STEPPING, _loops_over((*_ONCE, *_ASKING))
_LESSONS["delegated"] = _STEPPING, [f"it = {it}\n  for y in zip((1, 2, 3), d(it)): pass" for it in ("N()", *_ONCE, *_ASKING)]
_LESSONS["next of iterator"] = _STEPPING, [f"x = {it}\n  for y in (1, 2, 3): next(x, 0)" for it in (*_ONCE, *_ASKING)]
_LESSONS["any of iterator"] = _STEPPING, [f"{function}({it})" for function in ("any", "all") for it in (*_ONCE, *_ASKING) if "cycle" not in it]


def learn_nested(note):
    """Two iterators in each other, and more of some: there are many, and they are rare."""
    scope = {"note": note, "kind": "iterated"}
    exec(_STEPPING, scope)
    deeper = [
        w.format(v.format(w.format(s)))
        for w in ("chain({}, (1,))", "islice({}, 3)", "map(lambda v: v, {})", "enumerate({})")
        for v in ("chain({}, (1,))", "islice({}, 3)", "map(lambda v: v, {})", "enumerate({})")
        for s in (*_STEPPED_SOURCES, "map(f, (1, 2))")
    ]
    turned = [f"islice(cycle({s}), 4)" for s in _STEPPED_SOURCES]
    for text in _loops_over(_TWICE + deeper + turned):
        try:
            exec(f"def lesson():\n for _ in (1, 2):\n  {text}\n", scope)
            scope["lesson"]()
        except Exception:
            pass
