# Lessons about classes: see lessons.py. The kind is what stands before the "/".

_CREATION = """
import types
class Plain: pass
class New(type):
    def __new__(meta, name, bases, space, **k):
        note(kind)
        return type.__new__(meta, name, bases, space)
    def __init__(*a, **k): pass
class Init(type):
    def __new__(meta, name, bases, space, **k):
        return type.__new__(meta, name, bases, space)
    def __init__(cls, name, bases, space, **k):
        note(kind)
class Only(type):
    def __init__(cls, name, bases, space, **k):
        note(kind)
class Prepare(type):
    @classmethod
    def __prepare__(meta, name, bases, **k):
        note(kind)
        return {}
    def __new__(meta, name, bases, space, **k):
        return type.__new__(meta, name, bases, space)
    def __init__(*a, **k): pass
class Static(type):
    @staticmethod
    def __prepare__(name, bases, **k):
        note(kind)
        return {}
class Caller(type):
    def __call__(meta, name, bases, space, **k):
        note(kind)
class Called(type, metaclass=Caller): pass
class Object:
    def __call__(self, name, bases, space, **k):
        note(kind)
    def __prepare__(self, name, bases, **k):
        note(kind)
        return {}
class Entries:
    def __mro_entries__(self, bases):
        note(kind)
        return (Plain,)
class Field:
    def __set_name__(self, owner, name):
        note(kind)
class Super(type):
    def __new__(meta, *args, **k):
        return super().__new__(meta, *args, **k)
class Direct(type):
    def __new__(meta, name, bases, space, **k):
        return type.__new__(meta, name, bases, space, **k)
class Inert(type): pass
def function(name, bases, space, **k):
    note(kind)
thing, entries = Object(), Entries()
class Base:
    def __init_subclass__(cls, **k):
        note(kind)
class Meant(metaclass=New): pass
"""
_METAS = ("New", "Init", "Only", "Prepare", "Static", "Called", "thing", "function")
_LESSONS["class creation"] = (
    _CREATION,
    [f"class X({base}metaclass={meta}{more}): pass" for meta in _METAS for base in ("", "Plain, ", "*(Plain,), ")
     for more in ("", ", k=1", ", **{'k': 1}")]
    + [f"class X({base}): pass" for base in ("entries", "entries, metaclass=New", "Plain, entries", "*(entries,)",
                                             "Base", "Base, k=1", "*(Base,)", "Base, metaclass=Super", "Base, metaclass=Direct",
                                             "Base, metaclass=Super, k=1", "Base, metaclass=Direct, k=1", "Meant", "Meant, Plain",
                                             "Base, metaclass=Inert", "Base, metaclass=Inert, k=1", "*(Base,), metaclass=Inert")]
    + [f"class X({meta}):\n   x = Field()" for meta in ("", "metaclass=Super", "metaclass=Direct", "metaclass=Direct, k=1", "Plain", "Base", "Base, k=1", "*(Base,)", "Base, **k",
                                                     "metaclass=Inert", "Base, metaclass=Inert, k=1", "*(Base,), metaclass=Inert")]
    + [f"{meta}('X', (), {{}})" for meta in ("New", "Init", "Only", "Called")]
    + [f"{meta}('X', ({base},), {{'x': Field()}})" for meta in ("type", "Super", "Direct", "Inert") for base in ("Base", "Plain", "Meant")]
    + ["type.__new__(type, 'X', (Base,), {'x': Field()}, k=1)", "type('X', (Base,), {}, k=1)",
       "type(*('X', (Base,), {}))", "type(*('X', (Base,), {}), **k)",
       "Inert('X', (Base,), {}, k=1)", "Inert(*('X', (Base,), {}))", "Inert(*('X', (Base,), {}), **k)",
       "types.new_class('X', (Base,))", "types.new_class('X', (), {'metaclass': New})", "types.new_class('X', (), {'metaclass': Prepare})",
       "types.new_class('X', (), {'metaclass': Init})"],
)
_MAKING = """
class Meta(type):
    def __call__(cls, *args, **kwargs):
        return super().__call__(*args, **kwargs)
class Plain(type):
    def __call__(cls, value=1):
        return super().__call__(value)
class Named(type):
    def __call__(cls):
        return super().__call__(value=1)
class Direct(type):
    def __call__(cls, *args, **kwargs):
        return type.__call__(cls, *args, **kwargs)
class Bare(type):
    def __call__(cls, value=1):
        return type.__call__(cls, value)
class Bound(type):
    def __call__(cls, *args):
        make = super().__call__
        return make(*args) if args else make()
"""
_METACLASSES = ("Meta", "Plain", "Named", "Direct", "Bare", "Bound")
_LESSONS["init/type.__call__"] = (
    _MAKING + "".join(
        f"class X{b[:1]}{m}({b}metaclass={m}):\n    def __init__(self, *args, **kwargs):\n        note(kind)\n"
        for m in _METACLASSES for b in ("", "dict, ", "Exception, ")
    ),
    [f"X{b}{m}{form}" for m in _METACLASSES for b in ("", "d", "E") for form in ("()", "(1)", "(value=1)")],
)
_LESSONS["new/type.__call__"] = (
    _MAKING + "".join(
        f"class X{m}(metaclass={m}):\n    def __new__(cls, *args, **kwargs):\n        note(kind)\n"
        for m in _METACLASSES
    ),
    [f"X{m}{form}" for m in _METACLASSES for form in ("()", "(1)", "(value=1)")],
)
