# Lessons about exceptions that are thrown into what generators delegate to: see lessons.py.

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
async def k():
    while True:
        await t()
        yield 1
async def r():
    try:
        await tick()
    except KeyError:
        note(kind)
        await tick()
class V:
    def __await__(self):
        return r().__await__()
"""
_DEPTHS = range(6)


def _thrown_into(*begun):
    return [f"x = {x}\n  x.send(None)\n  x.throw(KeyError)" for x in begun]


_LESSONS["send/thrown"] = _DELEGATING, _thrown_into(
    *(f"d({n}, g)" for n in _DEPTHS), *(f"c({n}, t)" for n in _DEPTHS), *(f"c({n}, r)" for n in _DEPTHS)
)
_THROWN_METHOD = _DELEGATING, _thrown_into(*(f"{f}({n}, P)" for f in "cd" for n in _DEPTHS))
_LESSONS["send/thrown to method"] = _LESSONS["throw method"] = _THROWN_METHOD
_LESSONS["send/thrown to awaitable"] = _LESSONS["throw to awaitable"] = _DELEGATING, _thrown_into(
    *(f"c({n}, lambda: {x})" for n in _DEPTHS for x in ("h().asend(None)", "k().asend(None)", "anext(h(), 0)", "V()"))
)
_LESSONS["await call/thrown"] = _DELEGATING, _thrown_into(
    "h().asend(None)", "k().asend(None)", "anext(h(), 0)", "anext(k(), 0)", "r().__await__()", "c(2, t).__await__()"
)
