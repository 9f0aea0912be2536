# Lessons about builtin functions that do what an instruction does, and about print: see lessons.py. The kind is what stands
# before the "/".

_OPERATOR_FUNCTIONS = [name if hasattr(operator, name) else name + "_" for name in _BINARY]
_LESSONS["operator/function"] = "import operator\n" + _LESSONS["operator"][0], [
    *[f"operator.{f}({a}, {b})" for f in _OPERATOR_FUNCTIONS for a, b in (("x", "1"), ("1", "x"), ("n", "x"), ("x", "n"), ("x", "s"))],
    *[f"operator.i{name}({a}, {b})" for name in _BINARY for a, b in (("i", "1"), ("x", "1"), ("1", "x"), ("n", "x"), ("x", "s"))],
]
_LESSONS["comparison/function"] = "import operator\n" + _LESSONS["comparison"][0], [
    *[f"operator.{name}({a}, {b})" for name in ("lt", "le", "eq", "ne", "gt", "ge")
      for a, b in (("x", "1"), ("1", "x"), ("n", "x"), ("n", "s"), ("x", "s"))],
    "operator.eq(e, 1)", "operator.ne(e, 1)", "operator.eq(1, e)", "operator.ne(1, e)",
]  # fmt: skip
_OF_OPERATOR = (
    ("subscript", "__getitem__", "True", ("operator.getitem(x, 0)", "operator.getitem(x, 'k')")),
    ("index", "__index__", "0", tuple(f"operator.getitem({c}, x)" for c in ("[1, 2]", "(1, 2)", "'ab'", "b'ab'", "bytearray(2)", "range(3)"))),
    ("set item", "__setitem__", "None", ("operator.setitem(x, 0, 1)",)),
    ("del item", "__delitem__", "None", ("operator.delitem(x, 0)",)),
    ("contains", "__contains__", "True", ("operator.contains(x, 0)",)),
    ("__abs__", "__abs__", "True", ("operator.abs(x)",)),
    ("bool", "__bool__", "True", ("operator.truth(x)", "operator.not_(x)")),
    ("bool by len", "__len__", "0", ("operator.truth(x)", "operator.not_(x)")),
    ("unary", "__neg__", "True", ("operator.neg(x)",)),
    ("unary/pos", "__pos__", "True", ("operator.pos(x)",)),
    ("unary/invert", "__invert__", "True", ("operator.invert(x)", "operator.inv(x)")),
)  # fmt: skip
_LESSONS.update(
    (f"{kind}/of operator", _special(name, result, *statements, setup="import operator\n")) for kind, name, result, statements in _OF_OPERATOR
)
_LESSONS["missing/of operator"] = "import operator\n" + _LESSONS["missing"][0], ["operator.getitem(x, 0)", "operator.getitem(x, 'k')"]
_LESSONS["class subscript/of operator"] = "import operator\n" + _LESSONS["class subscript"][0], ["operator.getitem(X, 0)"]
_LESSONS["default/of operator"] = (
    "import operator\n" + _LESSONS["default"][0],
    ["operator.getitem(collections.defaultdict(called), 1)", "operator.getitem(collections.defaultdict(called), 'a')"],
)
_LESSONS["path"] = (
    "import os\nclass X:\n    def __fspath__(self):\n        note(kind)\n        raise KeyError\nx = X()\n",
    [f"try: {call}\n  except KeyError: pass" for call in (
        "open(x)", "open(x, 'r')", "open(x, mode='r')", "open(*(x,))", "os.stat(x)", "os.stat(x, follow_symlinks=False)", "os.lstat(x)",
        "os.listdir(x)", "os.scandir(x)", "os.mkdir(x)", "os.mkdir(x, 0o700)", "os.rmdir(x)", "os.unlink(x)", "os.remove(x)", "os.chdir(x)",
        "os.access(x, 0)", "os.chmod(x, 0)", "os.readlink(x)", "os.utime(x)", "os.rename(x, 'y')", "os.rename('y', x)", "os.replace(x, 'y')",
        "os.symlink(x, 'y')", "os.link(x, 'y')", "os.open(x, 0)", "os.truncate(x, 0)", "os.statvfs(x)",
    )],
)  # fmt: skip
# What raises prints nothing.
_LESSONS["print"] = (
    "import io\nclass X:\n    def __str__(self):\n        note(kind)\n        raise KeyError\n"
    "class Y:\n    def __repr__(self):\n        note(kind)\n        raise KeyError\nx, y, f = X(), Y(), io.StringIO()\n",
    [f"try: print({given})\n  except KeyError: pass" for o in "xy" for given in (
        o, f"{o}, 1", f"{o}, sep='-'", f"1, {o}, file=f", f"{o}, end='', flush=True", f"*({o},)", f"*(1, {o}), file=f", f"*({o},), **{{'sep': ''}}",
    )],
)  # fmt: skip
