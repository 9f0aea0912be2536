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

_mro_of = type.__dict__["__mro__"].__get__
_dict_of = type.__dict__["__dict__"].__get__


def _mro(cls):
    return _mro_of(cls)


def _lookup(cls, name):
    """What `cls` or a base has under `name`, as the interpreter looks for special methods."""
    for base in _mro_of(cls):
        found = _dict_of(base).get(name, EMPTY)
        if found is not EMPTY:
            return found
    return None


def _is(obj, cls):
    """Whether obj's type is cls or derived from it. (isinstance asks obj for its __class__, which may run code.)"""
    return cls in _mro_of(type(obj))


def _function(found):
    """The Python function behind methods and static or class methods."""
    while type(found) in (types.MethodType, staticmethod, classmethod):
        found = found.__func__
    return found


class _Call:
    """One frame that waits for C code: what it stands at, on what, and what the C code called.

    operands: the evaluation stack, innermost last, as far as the instruction reads it. function: the inner
    frame's; generator: the generator that the inner frame belongs to, or None; first: its first local; inner:
    its code; space: its mapping of locals or EMPTY.
    kinds: the kinds that the C stack admits, or None where the operands alone prove it.
    """

    def __init__(self, code, unit, operands, function, generator, first, inner, space, kinds):
        self.code = code
        self.stack = operands
        self.function = function
        self.generator = generator
        self.first = first
        self.inner = inner
        self.space = space
        self.kinds = kinds
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

    def calls(self, found):
        """Whether the inner frame runs `found` itself, called and not iterated."""
        return found is not None and self.generator is None and _function(found) is self.function

    def special(self, obj, name):
        """Whether the inner frame runs obj's special method `name`."""
        return self.calls(_lookup(type(obj), name))

    def iterates(self, obj):
        return self.generator is not None and obj is self.generator


_SYMBOLS = {
    "+": ("add", "+"), "-": ("sub", "-"), "*": ("mul", "*"), "/": ("truediv", "/"), "//": ("floordiv", "//"),
    "%": ("mod", "%"), "@": ("matmul", "@"), "**": ("pow", "** or pow()"), "<<": ("lshift", "<<"),
    ">>": ("rshift", ">>"), "&": ("and", "&"), "|": ("or", "|"), "^": ("xor", "^"),
}  # fmt: skip
_COMPARISONS = {"<": ("__lt__", "__gt__"), "<=": ("__le__", "__ge__"), "==": ("__eq__", "__eq__"),
                "!=": ("__ne__", "__ne__"), ">": ("__gt__", "__lt__"), ">=": ("__ge__", "__le__")}  # fmt: skip


_HEAP_TYPE = 1 << 9
_NO_SEQUENCES = frozenset((object, int, bool, float, complex, dict, set, frozenset, BaseException, Exception))


def _is_sequence(obj):
    """Whether the C code could try concatenation or repetition next."""
    return any(not base.__flags__ & _HEAP_TYPE and base not in _NO_SEQUENCES for base in _mro_of(type(obj)))


def _operator(call):
    """A binary or in-place operator: which method runs, and which would be tried after it."""
    a, b = call.stack[-2:]
    symbol = call.argrepr
    if symbol == "[]":
        return _subscript(call, a)
    in_place = symbol.endswith("=")
    name, text = _SYMBOLS[symbol.removesuffix("=")]
    if in_place:
        text = ("**" if name == "pow" else text) + "="
    if symbol.removesuffix("=") in "+*" and (_is_sequence(a) or _is_sequence(b)):
        return None
    first = (_lookup(type(a), f"__i{name}__"), a, b) if in_place else (None, a, b)
    return _dispatched(call, a, b, f"__{name}__", f"__r{name}__", text, first)


def _dispatched(call, a, b, forward, reflected, text, before=(None, None, None)):
    order = [before]
    first = _lookup(type(a), forward)
    second = _lookup(type(b), reflected) if type(b) is not type(a) else None
    if (
        second is not None
        and type(a) in _mro_of(type(b))
        and second is not _lookup(type(a), reflected)
    ):
        order += [(second, b, a), (first, a, b)]
    else:
        order += [(first, a, b), (second, b, a)]
    order = [step for step in order if step[0] is not None]
    for n, (method, x, y) in enumerate(order):
        if call.calls(method):
            return "operator", "after", [], [(finish_operator, (tuple(order[n + 1:]), text, a, b), None)]
    return None


def _comparison(call):
    a, b = call.stack[-2:]
    symbol = call.argrepr.removeprefix("bool(").removesuffix(")")
    more = [(finish_truth, (), None)] if call.argrepr.startswith("bool(") else []
    forward, reflected = _COMPARISONS[symbol]
    first, second = _lookup(type(a), forward), _lookup(type(b), reflected)
    order = [(first, a, b), (second, b, a)]
    if type(a) is not type(b) and type(a) in _mro_of(type(b)) and second is not None:
        order.reverse()
    order = [step for step in order if step[0] is not None]
    for n, (method, x, y) in enumerate(order):
        inverted = symbol == "!=" and method is object.__dict__["__ne__"]
        if call.calls(_lookup(type(x), "__eq__") if inverted else method):
            own = [(finish_unequal, (), None)] if inverted else []
            rest = finish_comparison, (tuple(order[n + 1:]), symbol, a, b), None
            return "comparison", "after", [], own + [rest] + more
    return None


_SEQUENCES = (list, tuple, str, bytes, bytearray, range)


def _subscript(call, obj):
    key = call.stack[-1]
    if type(obj) in _SEQUENCES and call.special(key, "__index__"):
        return "index", "after", [], [(finish_index, (obj,), None)]
    if type(obj) is collections.defaultdict and call.calls(obj.default_factory):
        return "default", "after", [], [(finish_default, (obj, key), None)]
    if call.special(obj, "__getitem__"):
        return "subscript", "after", [], []
    if _is(obj, dict) and call.special(obj, "__missing__"):
        return "missing", "after", [], []
    if _is(obj, type) and call.calls(_lookup(obj, "__class_getitem__")):
        return "class subscript", "after", [], []
    return None


def _attribute(call, obj, name):
    """(kind, finishers) of reading obj.name; None if it does not call the inner function."""
    cls = type(obj)
    if _is(obj, types.ModuleType) and cls is types.ModuleType:
        return ("module", []) if call.calls(vars(obj).get("__getattr__")) else None
    fallback = _lookup(cls, "__getattr__")
    found = _lookup(cls, name)
    if call.special(obj, "__getattribute__"):
        return "getattribute", [(finish_attribute, (fallback, obj, name, ()), None)]
    if type(found) is property and call.calls(found.fget):
        return "property", [(finish_attribute, (fallback, obj, name, ()), None)]
    if call.calls(fallback):
        return "getattr", []
    if _is(obj, type):
        for base in _mro_of(obj):
            inner = _dict_of(base).get(name, EMPTY)
            if inner is not EMPTY:
                if call.calls(_lookup(type(inner), "__get__")):
                    return "descriptor", [(finish_attribute, (fallback, obj, name, ()), None)]
                break
    if found is not None and call.calls(_lookup(type(found), "__get__")):
        return "descriptor", [(finish_attribute, (fallback, obj, name, ()), None)]
    return None


def _load_attribute(call):
    name = call.argval if isinstance(call.argval, str) else call.code.co_names[call.arg >> 1]
    found = _attribute(call, call.stack[-1], name)
    if found is None:
        return None
    kind, finishers = found
    if call.op == "LOAD_METHOD" or sys.version_info >= (3, 12) and call.arg & 1:
        # Two results: the instruction is executed again, on a namespace that has the value.
        return kind, "again", [], finishers + [(finish_method, (name,), None)]
    return kind, "after", [], finishers


def _rebinds_first(code):
    """Whether code may store to its first local, so that the object it was called with is lost."""
    name = code.co_varnames[0] if code.co_varnames else None
    for i in dis.get_instructions(code):
        if i.opname.startswith(("STORE_FAST", "DELETE_FAST", "STORE_DEREF", "DELETE_DEREF")):
            if name in (i.argval if isinstance(i.argval, tuple) else (i.argval,)):
                return True
    return code.co_argcount == 0


def _arguments(call):
    """(callable, positional arguments, keyword arguments) of a call; arguments None if they may be stale."""
    stack = call.stack
    if call.op == "CALL_FUNCTION_EX":
        given = sys.version_info >= (3, 14) or call.arg & 1
        args, kwargs = stack[-2:] if given else (stack[-1], EMPTY)
        function = stack[-2 - bool(given) - (sys.version_info >= (3, 13))]
        if args is EMPTY:
            return function, None, None
        return function, list(args), {} if kwargs is EMPTY else dict(kwargs)
    names = ()
    if call.op == "CALL_KW":
        names, stack = stack[-1], stack[:-1]
    elif call.op == "CALL" and call.keywords is not None:
        names = call.keywords
    args = stack[len(stack) - call.arg:] if call.arg else []
    function, own = stack[: len(stack) - call.arg][-2:]
    if function is EMPTY:
        function, own = own, EMPTY
    if own is not EMPTY:
        args = [own, *args]
    n = len(args) - len(names)
    return function, args[:n], dict(zip(names, args[n:]))


_GENERATORS = (types.GeneratorType, types.CoroutineType)
_SENDS = {cls.__dict__[name] for cls in _GENERATORS for name in ("send", "throw")} | {
    types.GeneratorType.__dict__["__next__"]
}
_STEPPED = _GENERATORS + AWAITABLES
_STEPS = {cls.__dict__[name] for cls in AWAITABLES for name in ("send", "__next__")}
_CLOSES = {cls.__dict__["close"]: cls.__name__ for cls in _GENERATORS}
_CONVERSIONS = {
    len: ("__len__", finish_len, ()),
    repr: ("__repr__", finish_text, ("__repr__",)),
    hash: ("__hash__", finish_hash, ()),
    iter: ("__iter__", finish_iter, ()),
    abs: ("__abs__", finish_call, ()),
    int: ("__int__", finish_int, ()),
    float: ("__float__", finish_float, ()),
    bytes: ("__bytes__", finish_bytes, ()),
    ascii: ("__repr__", finish_ascii, ()),
    dir: ("__dir__", finish_dir, ()),
    reversed: ("__reversed__", finish_call, ()),
}


def _rounding():
    import math

    return {math.trunc: "__trunc__", math.floor: "__floor__", math.ceil: "__ceil__"}


_ROUNDED = _rounding()


def _call(call):
    function, args, kwargs = _arguments(call)
    while type(function) is functools.partial:
        if args is not None:
            args, kwargs = [*function.args, *args], {**function.keywords, **kwargs}
        function = function.func
        if call.calls(function):
            return "partial", "after", [], []
    if call.calls(function) or _leaves_with(call, function, args):
        return "call", "after", [], []
    if type(function) is staticmethod and call.calls(function):
        return "static method", "after", [], []
    if type(function) is functools._lru_cache_wrapper:
        if args is None or not call.calls(function.__wrapped__):
            return None
        return "lru_cache", "after", [], [(finish_cached, (function, tuple(args), kwargs), None)]
    if function is builtins.__build_class__:
        return None if args is None else _class_body(call, args, kwargs)
    if _is(function, type):
        made = _construction(call, function, args, kwargs)
        if made is not None:
            return made
    elif call.special(function, "__call__"):
        return "__call__", "after", [], []
    if args is None or kwargs or not args and type(function) is not types.BuiltinMethodType:
        return None
    return _builtin(call, function, args)


def _leaves_with(call, slot, args):
    """The end of a `with`: its bound __exit__ is called with three Nones, and while it runs its place on the
    stack holds the manager itself."""
    return (
        call.kinds is not None
        and call.op == "CALL"
        and call.arg == 2
        and slot is call.first
        and len(args) == 3
        and all(a is None for a in args)
        and call.special(slot, "__exit__")
    )


def _class_body(call, args, kwargs):
    body, name, *bases = args
    bases = tuple(bases)
    if call.generator is not None or body is not call.function or call.space is EMPTY:
        return None
    # What is no class is asked for its bases again: typing's generics do not mind.
    for base in bases:
        if not _is(base, type) and type(base).__module__ not in ("typing", "types"):
            return None
    if any(not _is(base, type) for base in bases):
        resolved = types.resolve_bases(bases)
    else:
        resolved = bases
    kwargs = dict(kwargs)
    meta = kwargs.pop("metaclass", None)
    if meta is None:
        meta = type(resolved[0]) if resolved else type
    if _is(meta, type):
        for base in resolved:
            if meta in _mro_of(type(base)):
                meta = type(base)
    return "class body", "after", [], [(finish_class, (meta, name, bases, call.space, kwargs), None)]


def _executed(call, function, args):
    """exec or eval: the inner frame is no function's, and runs where it was told to, or here."""
    if call.generator is not None or call.inner.co_flags & 3 or call.space is EMPTY:
        return None
    if _is(args[0], types.CodeType) and args[0] is not call.inner:
        return None
    if function is eval:
        return "eval", "after", [], []
    return "exec", "after", [], [(finish_none, (), None)]


def _construction(call, cls, args, kwargs):
    if call.special(cls, "__call__"):
        return "metaclass", "after", [], []
    if _lookup(type(cls), "__call__") is not type.__dict__["__call__"]:
        return None
    if call.calls(_lookup(cls, "__init__")):
        obj = call.first
        if _rebinds_first(call.inner) or obj is EMPTY or cls not in _mro_of(type(obj)):
            return None
        return "init", "after", [], [(finish_init, (obj,), None)]
    if call.calls(_lookup(cls, "__new__")) and args is not None:
        return "new", "after", [], [(finish_new, (cls, tuple(args), kwargs), None)]
    return None


_BUILTINS = (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType, type)


def _builtin(call, function, args):
    """A builtin function or method that called a special method of its argument."""
    if type(function) is types.BuiltinMethodType and type(function.__self__) in _STEPPED:
        args, function = [function.__self__, *args], _dict_of(type(function.__self__)).get(function.__name__)
    elif type(function) is types.MethodWrapperType and type(function.__self__) in _STEPPED:
        args, function = [function.__self__, *args], _dict_of(type(function.__self__)).get(function.__name__)
    if not args or type(function) not in _BUILTINS:
        return None  # what is none of them may compare and hash as it likes
    obj = args[0]
    if call.iterates(obj):
        if function in _SENDS or function is next and len(args) == 1:
            return "send", "after", [], [(finish_send, (), obj)]
        if function is next:
            return "send", "after", [], [(finish_send_default, (args[1],), obj)]
        if function in _CLOSES:
            return "close", "after", [], [(finish_close, (_CLOSES[function],), obj)]
        if function is any or function is all:
            return "any", "after", [], [(finish_any if function is any else finish_all, (), obj)]
        return None
    if function in _STEPS or function is next and len(args) == 1:
        finisher = _awaited(call, obj, True)
        if finisher is not None:
            return "await call", "after", [], [finisher]
    known = _CONVERSIONS.get(function) if type(function) in (types.BuiltinFunctionType, type) else None
    if known is not None and len(args) == 1:
        name, finisher, more = known
        if finisher is not finish_call and finisher is not finish_len and finisher is not finish_dir:
            more = (type(obj), *more)
        return (name, "after", [], [(finisher, more, None)]) if call.special(obj, name) else None
    if function in (exec, eval):
        return _executed(call, function, args)
    if function in (divmod, pow) and len(args) == 2:
        name, text = ("divmod", "divmod()") if function is divmod else ("pow", "** or pow()")
        return _dispatched(call, *args, f"__{name}__", f"__r{name}__", text)
    if function is round and call.special(obj, "__round__"):
        return "round", "after", [], []
    if function in _ROUNDED and call.special(obj, _ROUNDED[function]):
        return "math", "after", [], []
    if function is str and len(args) == 1:
        return _text_of(call, obj, [])
    if function is bool and len(args) == 1:
        return _truth(call, obj, "bool", "after")
    if function is format and len(args) <= 2:
        return ("format", "after", [], [(finish_text, (type(obj), "__format__"), None)]) if call.special(obj, "__format__") else None
    if function is next:
        if call.special(obj, "__next__"):
            return "next", "after", [], [(finish_next, (tuple(args[1:]),), None)]
        return None
    if function in (isinstance, issubclass) and len(args) == 2:
        hook = "__instancecheck__" if function is isinstance else "__subclasscheck__"
        return ("isinstance", "after", [], [(finish_truth, (), None)]) if call.special(args[1], hook) else None
    if function is getattr and type(args[1]) is str:
        found = _attribute(call, obj, args[1])
        if found is None:
            return None
        kind, finishers = found
        default = tuple(args[2:])
        if not finishers:
            return "getattr()", "after", [], [(finish_attribute, (None, obj, args[1], default), None)]
        fallback = finishers[0][1][0]
        return "getattr()", "after", [], [(finish_attribute, (fallback, obj, args[1], default), None)]
    if function is hasattr and type(args[1]) is str:
        found = _attribute(call, obj, args[1])
        return None if found is None else ("hasattr()", "after", [], [*found[1], (finish_has, (), None)])
    if function in (setattr, delattr):
        found = _stores(call, obj, args[1], function is delattr)
        return found and (found, "after", [], [(finish_dummy, (None,), None)])
    if function in (any, all) and type(obj) is map and call.calls(obj.__reduce__()[1][0]):
        return "any", "after", [], [(finish_test, (obj, function is any), None)]
    if function in (any, all) and call.special(obj, "__next__"):
        return "any", "after", [], [(finish_test, (obj, function is any), None)]
    return None


def _text_of(call, obj, more):
    if call.special(obj, "__str__"):
        return "str", "after", [], [(finish_text, (type(obj), "__str__"), None), *more]
    if _lookup(type(obj), "__str__") is object.__dict__["__str__"] and call.special(obj, "__repr__"):
        return "str by repr", "after", [], [(finish_text, (type(obj), "__repr__"), None), *more]
    return None


def _truth(call, obj, kind, form):
    if call.special(obj, "__bool__"):
        return kind, form, [], [(finish_bool, (type(obj),), None)]
    if _lookup(type(obj), "__bool__") is None and call.special(obj, "__len__"):
        return kind + " by len", form, [], [(finish_len_truth, (), None)]
    return None


def _stores(call, obj, name, deletes):
    """The kind of setting or deleting an attribute that calls the inner function; None if it does not."""
    if call.special(obj, "__delattr__" if deletes else "__setattr__"):
        return "setattr"
    found = _lookup(type(obj), name)
    if type(found) is property and call.calls(found.fdel if deletes else found.fset):
        return "set property"
    if found is not None and call.special(found, "__delete__" if deletes else "__set__"):
        return "set descriptor"
    return None


# 3.15 keeps an index beside what a loop or an await runs over.
_ITERATOR = -2 if sys.version_info >= (3, 15) else -1


_CALLABLE_ITERATOR = type(iter(int, 1))


class _Sequence:
    def __getitem__(self, index):
        raise IndexError


_SEQUENCE_ITERATOR = type(iter(_Sequence()))


def _loop(call):
    it = call.stack[_ITERATOR]
    if call.iterates(it):
        return "generator", "iterate", [], []
    if call.special(it, "__next__"):
        return "step", "step", [], [(finish_step, (), None)]
    if type(it) is map:
        function, *sources = it.__reduce__()[1]
        if call.calls(function):
            return "map", "step", [], [(finish_step, (), None)]
        if len(sources) == 1 and call.iterates(sources[0]):
            return "map generator", "step", [], [(finish_step_map, (function,), sources[0])]
    if type(it) is filter:
        function, source = it.__reduce__()[1]
        if call.calls(function) and not _rebinds_first(call.inner) and call.first is not EMPTY:
            return "filter", "step", [], [(finish_filter, (it, call.first), None)]
        if call.iterates(source):
            return "filter generator", "step", [], [(finish_filter_generator, (function,), source)]
    if type(it) is _CALLABLE_ITERATOR:
        function, sentinel = it.__reduce__()[1] if len(it.__reduce__()[1]) == 2 else (None, None)
        if call.calls(function):
            return "sentinel", "step", [], [(finish_sentinel, (it, sentinel), None)]
    if type(it) is _SEQUENCE_ITERATOR:
        _, (sequence, *_), index = it.__reduce__()
        if call.special(sequence, "__getitem__"):
            return "item", "step", [], [(finish_item, (it, index + 1), None)]
    if type(it) is reversed and len(it.__reduce__()) == 3:
        _, (sequence, *_), index = it.__reduce__()
        if call.special(sequence, "__getitem__"):
            return "reversed item", "step", [], [(finish_item, (it, index - 1), None)]
    if type(it) is enumerate:
        source, index = it.__reduce__()[1]
        if call.iterates(source):
            return "enumerate generator", "step", [], [(finish_step_enumerate, (it, index), source)]
        if call.special(source, "__next__"):
            return "enumerate", "step", [], [(finish_enumerated, (it, index), None)]
    if type(it) is zip:
        sources, *strict = it.__reduce__()[1:2] if len(it.__reduce__()) == 2 else (it.__reduce__()[1], True)
        if sources and not strict:
            if call.iterates(sources[0]):
                return "zip generator", "step", [], [(finish_step_zip, (tuple(sources[1:]),), sources[0])]
            if call.special(sources[0], "__next__"):
                return "zip", "step", [], [(finish_zipped, (tuple(sources[1:]),), None)]
    return None


def _format(call):
    """Replacement fields of f-strings."""
    if call.op == "FORMAT_VALUE":
        with_spec, conversion = call.arg & 4, call.arg & 3
        obj = call.stack[-2] if with_spec else call.stack[-1]
        if conversion:
            more = [(finish_format, (call.stack[-1],), None)] if with_spec else []
            return _convert(call, obj, conversion, more)
    elif call.op == "CONVERT_VALUE":
        return _convert(call, call.stack[-1], call.arg, [])
    else:
        with_spec = call.op == "FORMAT_WITH_SPEC"
        obj = call.stack[-2] if with_spec else call.stack[-1]
    if call.special(obj, "__format__"):
        return "format", "after", [], [(finish_text, (type(obj), "__format__"), None)]
    if not with_spec and _lookup(type(obj), "__format__") is object.__dict__["__format__"]:
        found = _text_of(call, obj, [])
        return found and ("format by " + found[0], *found[1:])
    return None


def _convert(call, obj, conversion, more):
    if conversion == 1:
        return _text_of(call, obj, more)
    if conversion == 2 and call.special(obj, "__repr__"):
        return "__repr__", "after", [], [(finish_text, (type(obj), "__repr__"), None), *more]
    return None


def _store(call):
    *_, value, owner = [EMPTY, *call.stack]
    found = _stores(call, owner, call.argval, call.op == "DELETE_ATTR")
    if found is None:
        return None
    if call.op == "DELETE_ATTR":
        return found, "again", [], [(finish_dummy, (types.SimpleNamespace(**{call.argval: None}),), None)]
    return found, "again", [None], [(finish_dummy, (types.SimpleNamespace(),), None)]


def _with(call):
    """Entering a `with`: the bound __exit__ lies under the result."""
    manager = call.stack[-1]
    if sys.version_info < (3, 12):
        # It does already: the manager itself is only known through it.
        if type(manager) is types.MethodType and call.special(manager.__self__, "__enter__"):
            return "with", "after", [], []
        return None
    leave = _lookup(type(manager), "__exit__")
    if call.special(manager, "__enter__") and type(leave) is types.FunctionType:
        return "with", "after", [leave.__get__(manager, type(manager))], []
    return None


def _leave(call):
    for place in (-4, -5):
        if len(call.stack) >= -place and call.calls(call.stack[place]):
            return "leave", "after", [], []
    return None


def _unary(name, kind):
    def found(call):
        return (kind, "after", [], []) if call.special(call.stack[-1], name) else None

    return found


def _set_item(call):
    obj = call.stack[-2]
    return ("set item", "again", [None, {}], [(finish_dummy, (0,), None)]) if call.special(obj, "__setitem__") else None


def _del_item(call):
    obj = call.stack[-2]
    return ("del item", "again", [{0: 0}], [(finish_dummy, (0,), None)]) if call.special(obj, "__delitem__") else None


def _set_slice(call):
    obj = call.stack[-3]
    return ("set slice", "again", [[], [], 0], [(finish_dummy, (0,), None)]) if call.special(obj, "__setitem__") else None


def _get_iter(call):
    obj = call.stack[-1]
    if not call.special(obj, "__iter__"):
        return None
    if sys.version_info >= (3, 15):
        # Two results: it is executed again, on something that has the iterator.
        return "iter", "again", [], [(finish_iterable, (), None)]
    return "iter", "after", [], [(finish_iter, (type(obj),), None)]


def _send(call):
    awaitable = call.stack[_ITERATOR - 1]
    if call.iterates(awaitable):
        return "generator", "send", [], []
    finisher = _awaited(call, awaitable, False)
    return finisher and ("await", "send", [], [finisher])


def _awaited(call, awaitable, driven):
    """The finisher of an awaitable of the interpreter's own, if that runs the inner frame's generator."""
    default = ()
    kind = type(awaitable)
    if kind is ANEXT:
        awaitable, *default = gc.get_referents(awaitable)
        default, kind = tuple(default), type(awaitable)
    if kind is ASEND or kind is ATHROW and not default:
        (generator, *_), thrown, *_ = awaitable_parts(awaitable)[1]
        if not call.iterates(generator):
            return None
        if kind is ASEND:
            return finish_asend, (awaitable, default, driven), call.generator
        return finish_athrow, (awaitable, thrown == (), driven), call.generator
    if kind is WRAPPER:
        (awaitable,) = gc.get_referents(awaitable)
    if (default or kind is WRAPPER) and call.iterates(awaitable):
        return finish_await, (default, driven), call.generator
    return None


def _contains(call):
    found = call.special(call.stack[-1], "__contains__")
    return ("contains", "after", [], [(finish_contains, (bool(call.arg & 1),), None)]) if found else None


def _slice(call):
    return ("slice", "after", [], []) if call.special(call.stack[-3], "__getitem__") else None


def _test(call):
    return _truth(call, call.stack[-1], "truth", "again")


_PLANS = {
    "CALL": _call, "CALL_KW": _call, "CALL_FUNCTION_EX": _call,
    "FOR_ITER": _loop, "SEND": _send, "GET_ITER": _get_iter,
    "BINARY_OP": _operator, "BINARY_SUBSCR": lambda call: _subscript(call, call.stack[-2]),
    "BINARY_SLICE": _slice, "COMPARE_OP": _comparison, "CONTAINS_OP": _contains,
    "UNARY_NEGATIVE": _unary("__neg__", "unary"), "UNARY_INVERT": _unary("__invert__", "unary"),
    "UNARY_POSITIVE": _unary("__pos__", "unary"),
    "CALL_INTRINSIC_1": lambda call: _unary("__pos__", "unary")(call) if call.arg == 5 else None,
    "LOAD_ATTR": _load_attribute, "LOAD_METHOD": _load_attribute, "STORE_ATTR": _store, "DELETE_ATTR": _store,
    "STORE_SUBSCR": _set_item, "DELETE_SUBSCR": _del_item, "STORE_SLICE": _set_slice,
    "FORMAT_VALUE": _format, "FORMAT_SIMPLE": _format, "FORMAT_WITH_SPEC": _format, "CONVERT_VALUE": _format,
    "BEFORE_WITH": _with, "WITH_EXCEPT_START": _leave,
    "TO_BOOL": _test, "UNARY_NOT": _test, "POP_JUMP_IF_TRUE": _test, "POP_JUMP_IF_FALSE": _test,
    "POP_JUMP_FORWARD_IF_TRUE": _test, "POP_JUMP_FORWARD_IF_FALSE": _test,
    "POP_JUMP_BACKWARD_IF_TRUE": _test, "POP_JUMP_BACKWARD_IF_FALSE": _test,
}  # fmt: skip


def plan(code, unit, operands, function, generator, first, inner, space, kinds):
    """How a frame is stored that reached another one through C.

    Returns (kind, form, operands that replace the topmost ones, finishers), or None where it is not proved
    that the instruction called the inner frame, or what follows cannot be rebuilt. form: "after" the
    instruction, "again" at it with the result on top, "iterate" and "send" over the generator, "step" a
    loop. A finisher is (function, arguments, generator that it loops over or None), innermost first.
    """
    call = _Call(code, unit, operands, function, generator, first, inner, space, kinds)
    found = _PLANS.get(call.op)
    if found is None:
        return None
    found = found(call)
    if found is None or kinds is not None and found[0] not in kinds:
        return None
    return found


def places(code, unit):
    """Of the instruction at a code unit: (first unit, its EXTENDED_ARG included; next unit; jump target or 0)."""
    first = None
    instructions = iter(dis.get_instructions(code))
    for i in instructions:
        if i.opname == "CACHE":
            continue
        if i.offset == 2 * unit:
            break
        first = (i.offset if first is None else first) if i.opname == "EXTENDED_ARG" else None
    if i.opname == "PRECALL":
        i = next(j for j in instructions if j.opname == "CALL")
    following = next((j.offset for j in instructions if j.opname != "CACHE"), len(code.co_code))
    target = i.argval if i.opcode in _JUMPS else 0
    return (i.offset if first is None else first) // 2, following // 2, target // 2


def describe(code, unit):
    """What the instruction at a code unit calls, as far as the bytecode says it: for refusals."""
    walked = _walked(code)
    n = _number(walked.instructions, unit)
    i = walked.instructions[n]
    while i.opname in ("EXTENDED_ARG", "PRECALL", "KW_NAMES") and n + 1 < len(walked.instructions):
        n += 1
        i = walked.instructions[n]
    while n > 0 and walked.instructions[n - 1].opname in ("PRECALL", "KW_NAMES"):
        n -= 1  # the effects that 3.11 tells of a call are those of both instructions together
    known = walked.before.get(walked.instructions[n].offset // 2)
    if not i.opname.startswith("CALL") or known is None:
        return f"by {i.opname}"
    given = i.arg + (2 if i.opname != "CALL_FUNCTION_EX" else 0)
    if i.opname == "CALL_FUNCTION_EX":
        given = 2 + (sys.version_info >= (3, 14) or i.arg & 1) + (sys.version_info >= (3, 13))
    elif i.opname == "CALL_KW":
        given += 1
    place = known[0] - given
    name = None
    for j in walked.instructions[:n]:
        after = walked.after.get(j.offset // 2)
        # What leaves its result where the callable, or the NULL or object beside it, will be.
        if after is not None and after[0] - 1 in (place, place + 1):
            if j.opname.startswith("LOAD_") and isinstance(j.argval, str):
                name = j.argval
    return f"by calling {name} ({i.opname})" if name else f"by {i.opname}"
