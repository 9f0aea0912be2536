# Lessons about checks and conversions: see lessons.py. The kind is what stands before the "/".

_LESSONS["isinstance/tuple"] = (
    "class Meta(type):\n    def __instancecheck__(cls, x):\n        note(kind)\n        return False\n"
    "    def __subclasscheck__(cls, x):\n        note(kind)\n        return False\n"
    "class X(metaclass=Meta): pass\nclass Y(metaclass=Meta): pass\n",
    [f"{f}({x}, {classes})" for f, x in (("isinstance", "1"), ("issubclass", "int"))
     for classes in ("(X, Y)", "(str, X)", "(bytes, (X, str), Y)")],
)
_LESSONS["abstract class"] = (
    "import abc, _abc\nclass X(abc.ABC):\n    @classmethod\n    def __subclasshook__(cls, x):\n        note(kind)\n        return NotImplemented\n"
    "class Y(X):\n    pass\nclass Meta(abc.ABCMeta):\n    def __subclasscheck__(cls, x):\n        note(kind)\n"
    "class Z(metaclass=Meta): pass\n",
    ["issubclass(type('T', (), {}), X)", "isinstance(type('T', (), {})(), X)", "isinstance(type('T', (), {})(), Z)",
     "issubclass(type('T', (), {}), Y)", "_abc._abc_instancecheck(Z, type('T', (), {})())", "_abc._abc_subclasscheck(X, type('T', (), {}))"],
)
_LESSONS["conversion"] = (
    "import math, os, operator, sys\nclass Special:\n    def __index__(self):\n        note(kind)\n        return 1\n"
    "    def __float__(self):\n        note(kind)\n        return 1.0\n    def __complex__(self):\n        note(kind)\n        return 1j\n"
    "    def __fspath__(self):\n        note(kind)\n        return 'p'\n    def __sizeof__(self):\n        note(kind)\n        return 1\n"
    "x = Special()\n",
    ["range(x)", "range(0, x)", "range(x, 3)", "range(0, 3, x)", "chr(x)", "bin(x)", "oct(x)", "hex(x)", "operator.index(x)", "complex(x)",
     "os.fspath(x)", "sys.getsizeof(x)"]
    + [f"math.{f}(x)" for f in ("sqrt", "sin", "cos", "tan", "exp", "log2", "log10", "isnan", "isinf", "isfinite", "fabs", "atan",
                                "degrees", "radians")],
)
_LESSONS["index/slice"] = _LESSONS["index"][0], [
    f"{c}[{s}]" for c in ("[1]", "(1,)", "'a'", "b'a'", "bytearray(1)", "range(3)") for s in ("x:", ":x", "::x or 1", "x:1", "0:x:1", "x::1")
]
_LESSONS["slice index"] = _LESSONS["index"][0], [
    f"{c}[{s}]" for c in ("[1]", "(1,)", "'a'", "b'a'", "bytearray(1)", "range(3)") for s in ("x:", ":x", "x:1", "0:x")
]
_LESSONS["operator/power"] = (
    "class X:\n    def __pow__(self, other, modulo=None):\n        note(kind)\n        return 1\nx = X()\n", ["pow(x, 2, 5)"]
)
_LESSONS["contains generator"] = (
    "def g():\n    note(kind)\n    yield 1\n    note(kind)\n", ["2 in g()", "2 not in g()"]
)
_LESSONS["contains by iteration"] = (
    "class X:\n    def __iter__(self):\n        note(kind)\n        return iter(())\nx = X()\n", ["2 in x", "2 not in x"]
)
_LESSONS["contains by equality"] = (
    "class X:\n    def __eq__(self, other):\n        note(kind)\n        return False\n"
    "class N:\n    def __eq__(self, other):\n        note(kind)\n        return NotImplemented\nclass S(X): pass\n"
    "x, n, s = X(), N(), S()\nt, u, v = (1, 2), (x, n), (n, s, x, 1)\n",
    [f"{a} {sign} {b}" for sign in ("in", "not in") for a in "xns" for b in "tuv"] + ["1 in u", "1 in v"],
)
