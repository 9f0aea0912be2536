# What C code between two frames has still to do, and whether that can be rebuilt exactly.
#
# A frame stands at an instruction that reached Python code through C. plan() proves from the
# instruction's operands that the inner frame runs exactly the function (or generator) that the
# instruction calls, and says how the frame is to be stored. It runs none of the program's code: classes
# are asked through type's own descriptors, comparisons are by identity.

import builtins
import collections
import functools


class _Empty:
    """A NULL on the evaluation stack, or an operand that may not be looked at."""


EMPTY = _Empty()
_VARARGS = 4
_WRAPPED_FUNCTIONS = (types.MethodType, staticmethod, classmethod)


def _function(found):
    """The Python function behind methods and static or class methods."""
    while kind_of(found) in _WRAPPED_FUNCTIONS:
        found = found.__func__
    return found


def _bound(found):
    """How many arguments the function behind `found` gets before those that `found` is called with."""
    n = 0
    while kind_of(found) in _WRAPPED_FUNCTIONS:
        n += type(found) is types.MethodType
        found = found.__func__
    return n


def _content(value):
    """What a slot holds, or the cell in it."""
    if type(value) is not types.CellType:
        return value
    try:
        return value.cell_contents
    except ValueError:
        return EMPTY


class _Call:
    """One frame that waits for C code: what it stands at, on what, and what the C code called.

    operands: the evaluation stack, innermost last, as far as the instruction reads it. function: the inner
    frame's; generator: the generator that the inner frame belongs to, or None; first: its first local; inner:
    its code; space: its mapping of locals or EMPTY.
    kinds: the kinds that the C stack admits, or None where the operands alone prove it. lessons: those that
    were held, of which there may be more; None where there are no other kinds for certain.
    spaces: where the outer frame's instruction looks for a global name.
    """

    def __init__(self, code, unit, operands, function, generator, locals, inner, at, space, kinds, spaces, lessons):
        self.code = code
        self.unit = unit
        self.stack = operands
        self.function = function
        self.generator = generator
        self.locals = locals
        self.inner = inner
        self.at = at
        self.first = _content(locals[0]) if locals else EMPTY
        self.space = space
        self.kinds = kinds
        self.spaces = spaces
        self.lessons = lessons
        i = self.keywords = None
        for following in dis.get_instructions(code):
            if following.opname in ("CACHE", "EXTENDED_ARG"):
                continue
            if following.opname == "KW_NAMES":
                self.keywords = code.co_consts[following.arg]
            elif i is not None and i.opname not in ("KW_NAMES", "PRECALL"):
                self.keywords = None
            i = following
            if i.offset >= 2 * unit and i.opname != "PRECALL":
                break
        self.op = i.opname
        self.arg = i.arg
        self.argval = i.argval
        self.argrepr = i.argrepr

    def given(self, n):
        """The inner frame's positional argument n, as it was called, if it still has that for certain; or EMPTY."""
        if self.generator is not None:
            return EMPTY
        code, rest = self.inner, None
        if n >= code.co_argcount:
            if not code.co_flags & _VARARGS:
                return EMPTY
            rest, n = n - code.co_argcount, code.co_argcount + code.co_kwonlyargcount
        names = _locals_of(code)
        for name in still_held(code, code.co_varnames[n], self.at):
            value = _content(self.locals[names.index(name)])
            if rest is None or value is EMPTY:
                return value
            return value[rest] if rest < len(value) else EMPTY
        return EMPTY

    def is_only(self, kind):
        """Whether the C stack admits this kind and no other one."""
        return self.kinds is not None and set(self.kinds) == {kind} and (self.lessons is None or knows_all(self.lessons))

    def calls(self, found):
        """Whether the inner frame runs `found` itself, called and not iterated."""
        return found is not None and self.generator is None and _function(found) is self.function

    def special(self, obj, name):
        """Whether the inner frame runs obj's special method `name`."""
        return self.calls(_lookup(type(obj), name))

    def iterates(self, obj):
        return self.generator is not None and obj is self.generator
