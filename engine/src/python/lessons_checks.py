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
_LESSONS["class pattern"] = (
    "class Meta(type):\n    def __instancecheck__(cls, x):\n        note(kind)\n        return True\nclass X(metaclass=Meta): pass\n"
    "class D:\n    def __get__(self, obj, cls=None):\n        note(kind)\n        return 1\n"
    "class Y:\n    __match_args__ = 'p', 'd', 'q'\n    d = D()\n    @property\n    def p(self):\n        note(kind)\n        return 1\n"
    "    def __getattr__(self, name):\n        note(kind)\n        return 1\n"
    "class Z(Y):\n    def __getattribute__(self, name):\n        note(kind)\n        return 1\nclass N(int, Y): pass\n"
    "class P:\n    __match_args__ = Y.__match_args__\n    d, p, q = D(), Y.p, D()\nclass I(int, P): pass\n"
    "class G:\n    __match_args__ = Y.__match_args__\n    def __getattribute__(self, name):\n        note(kind)\n        return 1\n",
    [f"match {made}:\n   case {pattern}: pass" for made, pattern in (("1", "X()"), ("1", "X(a=1)"), ("N()", "int(0, p=1)"), ("I()", "int(0, p=1)"))]
    + [f"match {made}():\n   case {made}({inner}): pass" for made in "YZPG" for inner in ("1", "1, 1", "p=1", "d=1", "q=1", "1, 1, q=1")],
)
_LESSONS["mapping pattern"] = (
    "import collections.abc\nclass M(collections.abc.Mapping):\n    def __getitem__(self, key): pass\n    def __iter__(self): pass\n"
    "    def __len__(self):\n        return 9\n    def get(self, key, default=None):\n        note(kind)\n        return 1\n"
    "class D(dict):\n    def get(self, key, default=None):\n        note(kind)\n        return 1\n",
    [f"match {made}():\n   case {{{keys}}}: pass" for made in ("D", "M") for keys in ("'k': 1", "'k': 1, 2: 1", "'k': 1, **rest")],
)
_LESSONS["length pattern"] = (
    "import collections.abc\nclass S(collections.abc.Sequence):\n    def __getitem__(self, place):\n        return (1, 2)[place]\n"
    "    def __len__(self):\n        note(kind)\n        return 2\nclass L(list):\n    def __len__(self):\n        note(kind)\n        return 2\n",
    [f"match {made}:\n   case [{items}]: pass" for made in ("S()", "L((1, 2))") for items in ("1, 2", "1, *_", "1, *_, 2", "_, _")],
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
_LESSONS["lookup"] = (
    "import collections\nclass X:\n    def __hash__(self):\n        note(kind)\n        return 1\n"
    "class C(dict): pass\nclass S(set): pass\nclass M(dict):\n    def __missing__(self, key): pass\n"
    "class E(dict):\n    def __delitem__(self, key): pass\nclass F(dict):\n    def __setitem__(self, key, value): pass\n"
    "x = X()\nd, c, o, m = {1: 1, x: 2}, C(), collections.OrderedDict(), M()\ne, f = E(), F({x: 1})\ns, t, z = {x}, S(), frozenset((1, x))\n",
    [f"{x} {sign} {a}" for x in ("x", "X()") for sign in ("in", "not in") for a in "dcomstz"]
    + [f"{a}[x] = 1\n  {a}[x]" for a in "dcom"] + [f"{a}[x] = 1\n  del {a}[x]" for a in "dcom"] + ["m[X()]"]
    + [f"{a}.{m}" for a in "dcom" for m in ("get(x)", "get(x, 0)", "setdefault(x)", "setdefault(x, 1)", "pop(x, 0)", "pop(X(), 0)",
                                            "__contains__(x)", "__setitem__(x, 1)",
                                            f"__setitem__(x, 1)\n  {a}.__getitem__(x)\n  {a}.__delitem__(x)")]
    + [f"{a}.{m}" for a in "st" for m in ("add(x)", "discard(x)", "__contains__(x)", f"add(x)\n  {a}.remove(x)")]
    + [f"try: {a}.remove(X())\n  except KeyError: pass" for a in "st"] + ["e[x] = 1", "f[x]", "dict.__setitem__(f, x, 1)\n  del f[x]"]
    + [f"try: {w}\n  except KeyError: pass" for w in ("d[X()]", "c[X()]", "o[X()]", "del d[X()]", "del c[X()]", "del o[X()]",
                                                     "d.pop(X())", "c.pop(X())", "o.pop(X())")]
    + ["{x}", "{1, x, 2}", "{y for y in (1, x)}", "{y: 1 for y in (x, 2)}", "{x: 1}"]
    + [f"f = {f}\n  f(x)" for f in ("d.get", "s.add", "s.discard", "d.setdefault", "z.__contains__")]
    + [f"{f}, x)" for f in ("dict.get(d", "set.add(s", "dict.__getitem__(c", "set.__contains__(t", "dict.__contains__(o")]
    + ["{x}", "{1, x}", "{X(), X(), 2}", "{x: 1}", "{'a': 1, x: 2}", "{X(): 1, X(): 2}", "{x for _ in a}", "{x: 1 for _ in a}",
       "{**d, x: 1}", "{*s, x}"],
)
_EXPLICIT = """
class D:
    def __get__(self, obj, cls=None):
        note(kind)
        return len
    def __set__(self, obj, value):
        note(kind)
    def __delete__(self, obj):
        note(kind)
class E:
    def __get__(self, obj, cls=None):
        note(kind)
class Meta(type):
    def f(cls, *value):
        note(kind)
    p = property(f, f, f)
    d = D()
    def read(cls, name): return super().__getattribute__(name)
    def set(cls, name, value): super().__setattr__(name, value)
    def delete(cls, name): super().__delattr__(name)
class X:
    def f(self, *value):
        note(kind)
        return len
    p = property(f, f, f)
    d = D()
    e = E()
class Y(X):
    def p_of_super(self): return super().p
    def d_of_super(self): return super().d
    def e_of_super(self): return super().e
    def made(self):
        s = super()
        return s.p, s.d, s.e
    def called(self):
        s = super()
        s.p(())
        s.d(())
    def got(self, get, *default):
        s = super()
        return get(s, 'p', *default), get(s, 'd', *default)
    def had(self):
        s = super()
        return hasattr(s, 'p'), hasattr(s, 'd')
    def got_at_once(self): return getattr(super(), 'p'), getattr(super(), 'p', 1), getattr(super(), 'd'), getattr(super(), 'd', 1)
    def given(self): return super(Y, self).p, super(Y, self).d
    def p_called(self): return super().p(())
    def d_called(self): return super().d(())
    def given_called(self): return super(Y, self).p(()), super(Y, self).d(())
    @classmethod
    def of_class(cls): return super().d, super(Y, cls).e
    def read(self, name): return super().__getattribute__(name)
    def set(self, name, value): super().__setattr__(name, value)
    def delete(self, name): super().__delattr__(name)
class M(type('M', (), {}), metaclass=Meta):
    q = D()
x, y, P = X(), Y(), X.__dict__['p']
class T:
    def __repr__(self):
        note(kind)
        return 'r'
    def __str__(self): return super().__str__()
    def __format__(self, spec): return super().__format__(spec)
class U:
    def __str__(self):
        note(kind)
        return 's'
    def __format__(self, spec): return super().__format__(spec)
class V:
    __repr__ = T.__repr__
    def __format__(self, spec): return super().__format__(spec)
class N:
    def __eq__(self, other):
        note(kind)
        return True
    def __ne__(self, other): return super().__ne__(other)
class G(dict):
    def __missing__(self, key): note(kind)
    def __getitem__(self, key): return super().__getitem__(key)
t, u, v, n, g = T(), U(), V(), N(), G()
"""
_LESSONS["super attribute"] = _EXPLICIT, [
    f"y.{name}()" for name in ("p_of_super", "d_of_super", "e_of_super", "made", "called", "given", "of_class",
                               "p_called", "d_called", "given_called")
]
_LESSONS["getattr()/super"] = _EXPLICIT, ["y.got(getattr)", "y.got(getattr, 1)", "y.got_at_once()"]
_LESSONS["hasattr()/super"] = _EXPLICIT, ["y.had()"]
_LESSONS["explicit read"] = _EXPLICIT, [
    *[f"{read}{name!r})" for name in "pde" for read in ("y.read(", "object.__getattribute__(x, ")],
    *[f"{read}{name!r})" for name in "pdq" for read in ("M.read(", "type.__getattribute__(M, ")],
    "P.__get__(x)", "P.__get__(x, X)", "property.__get__(P, x)",
]
_LESSONS["explicit set"] = _EXPLICIT, [
    *[f"{read}{name!r}, 1)" for name in "pd" for read in ("y.set(", "object.__setattr__(x, ", "M.set(", "type.__setattr__(M, ")],
    *[f"{read}{name!r})" for name in "pd" for read in ("y.delete(", "object.__delattr__(x, ", "M.delete(", "type.__delattr__(M, ")],
    "P.__set__(x, 1)", "P.__delete__(x)", "property.__set__(P, x, 1)",
]
_LESSONS["explicit text"] = _EXPLICIT, [
    "t.__str__()", "object.__str__(t)", "u.__format__('')", "object.__format__(u, '')", "v.__format__('')",
    "object.__format__(v, '')",
]
_LESSONS["explicit comparison"] = _EXPLICIT, ["n.__ne__(1)", "object.__ne__(n, 1)"]
_LESSONS["explicit missing"] = _EXPLICIT, ["g.__getitem__(1)", "dict.__getitem__(g, 1)"]
