# Lessons about exceptions that are thrown into what generators delegate to: see lessons.py. They are many, and rare.

_THROWN = {}

_DELEGATING = """
import types
def g():
    while True:
        try:
            yield 1
        except KeyError:
            note(kind)
class P:
    def __iter__(self):
        return self
    def __next__(self):
        return 1
    def throw(self, *error):
        note(kind)
        return 2
    def __await__(self):
        return self
def d(n, of):
    yield from d(n - 1, of) if n else of()
@types.coroutine
def tick():
    yield 1
@types.coroutine
def t():
    try:
        yield 1
    except KeyError:
        note(kind)
        yield 2
async def c(n, of):
    await (c(n - 1, of) if n else of())
async def h():
    while True:
        try:
            await tick()
        except KeyError:
            note(kind)
            await tick()
            yield 1
async def j():
    while True:
        await t()
        yield 1
async def r():
    try:
        await tick()
    except KeyError:
        note(kind)
        await tick()
async def u():
    try:
        yield 1
    except (ValueError, GeneratorExit):
        pass
    try:
        await tick()
    except KeyError:
        note(kind)
        await tick()
    yield 2
async def w(closes):
    x = u()
    await x.asend(None)
    await (x.aclose() if closes else x.athrow(ValueError))
async def s(n):
    await (c(n - 1, t) if n else t())
    yield 1
async def v(n):
    await (c(n - 1, r) if n else r())
    yield 1
async def o(n):
    await (o(n - 1) if n else h()).asend(None)
    yield 1
async def b(n):
    await anext(b(n - 1) if n else h(), 0)
    yield 1
class V:
    def __await__(self):
        return r().__await__()
def e():
    try:
        yield 1
    finally:
        note(kind)
@types.coroutine
def f():
    try:
        yield 1
    finally:
        note(kind)
class Q(P):
    def close(self):
        note(kind)
"""
_DEPTHS = range(8)


def _thrown_into(*begun):
    return [
        f"x = {x}\n  x.send(None)\n  {throw}(KeyError)" for x in begun for throw in ("x.throw", "y = x.throw\n  y")
    ]


_THROWN["send/thrown"] = _DELEGATING, _thrown_into(
    *(f"d({n}, g)" for n in _DEPTHS), *(f"c({n}, t)" for n in _DEPTHS), "r()", *(f"c({n}, r)" for n in _DEPTHS)
)
_THROWN["send/passed on"] = _THROWN["passed on"] = _DELEGATING, _thrown_into(
    "w(0)", "w(1)", *(f"{f}({n}, P)" for f in "cd" for n in _DEPTHS),
    *(f"c({n}, lambda: {f}({m}).asend(None))" for n in _DEPTHS for m in range(3) for f in "sv"),
    *(f"c({n}, lambda: {f}({m}).asend(None))" for n in _DEPTHS for m in range(2) for f in "ob"),
    *(f"c({n}, lambda: anext({f}({m}), 0))" for n in range(3) for m in range(2) for f in "svob"),
    *(f"c({n}, lambda: {x})" for n in _DEPTHS for x in ("h().asend(None)", "j().asend(None)", "anext(h(), 0)", "V()", "w(0)", "w(1)")),
)
_THROWN["await call/thrown"] = _DELEGATING, _thrown_into(
    "h().asend(None)", "j().asend(None)", *(f"{f}({m}).asend(None)" for f in "svob" for m in range(3)), *(f"anext({f}({m}), 0)" for f in "svob" for m in range(2)), "anext(h(), 0)", "anext(j(), 0)", "r().__await__()", "c(2, t).__await__()"
)
_BEGUN_TO_CLOSE = [f"x = {f}\n  x.send(None)" for n in _DEPTHS for f in (f"d({n}, e)", f"d({n}, Q)", f"c({n}, f)", f"c({n}, Q)")]
_THROWN["close/nested"] = _DELEGATING, [
    f"{begun}\n  {close}()" for begun in _BEGUN_TO_CLOSE for close in ("x.close", "y = x.close\n  y")
]
_THROWN["exit"] = _DELEGATING, [
    f"{begun}\n  y = x.throw\n  try: {throw}({thrown})\n  except GeneratorExit: pass"
    for begun in _BEGUN_TO_CLOSE
    for thrown in ("GeneratorExit", "GeneratorExit()")
    for throw in ("x.throw", "y")
]


def learn_thrown(note):
    learn_kinds(note, _THROWN)
