"""Programs of the corpus, written otherwise: each rewriting keeps what a program does, undisturbed, and changes what is
captured of it: where variables are kept, what lies on the evaluation stack, in which blocks it stands, what its classes are.

A program that is another one then (it pauses twice, or never) is left out by whoever runs them.
"""

import ast
import copy

#: More than one byte counts: instructions have prefixes.
MANY = 260


def parse(text):
    return ast.parse(text).body


class Rewriting(ast.NodeTransformer):
    """Changes functions and classes, also those of programs that are given as texts."""

    def function(self, node):
        return node

    def class_(self, node):
        return node

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        return self.function(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node):
        self.generic_visit(node)
        return self.class_(node)

    def visit_Call(self, node):
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "newer" and isinstance(node.args[1], ast.Constant):
            text = node.args[1]
            try:
                text.value = ast.unparse(ast.fix_missing_locations(self.visit(ast.parse(text.value))))
            except SyntaxError:  # of a newer version
                pass
        return node


def first(node):
    """Where the statements of a function begin that are not its docstring."""
    body = node.body
    return int(isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str))


class Own(ast.NodeVisitor):
    """Names that a function binds, or gives away."""

    def __init__(self, node):
        self.bound, self.others = set(), set()
        arguments = node.args
        for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
            if one is not None:
                self.bound.add(one.arg)
        for statement in node.body:
            self.visit(statement)

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Store):
            self.bound.add(node.id)

    def visit_Global(self, node):
        self.others.update(node.names)

    visit_Nonlocal = visit_Global

    def visit_FunctionDef(self, node):
        self.bound.add(node.name)

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef

    def inner(self, node):
        pass

    visit_Lambda = visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = inner


class Cells(Rewriting):
    """All variables of functions are in cells."""

    def function(self, node):
        own = Own(node)
        names = sorted(own.bound - own.others - {"__class__"})
        if names:
            node.body.insert(first(node), parse(f"def _cells(): return {', '.join(names)},")[0])
        return node


class Prefixes(Rewriting):
    """Variables and names have numbers that do not fit into one byte."""

    def function(self, node):
        names = [f"_w{i}" for i in range(MANY)]
        attributes = ", ".join(f"_w0.n{i}" for i in range(MANY))
        node.body[first(node) : first(node)] = parse(f"{' = '.join(names)} = None\n_w0 and ({attributes})")
        return node


class Deeper(Rewriting):
    """Something more lies on the evaluation stack below every expression that is a statement, assigned or returned."""

    def wrapped(self, value):
        return ast.Subscript(ast.Tuple([ast.Constant(0), ast.List([], ast.Load()), value], ast.Load()), ast.Constant(2), ast.Load())

    def visit_Return(self, node):
        self.generic_visit(node)
        if node.value is not None:
            node.value = self.wrapped(node.value)
        return node

    def visit_Assign(self, node):
        self.generic_visit(node)
        if not isinstance(node.value, ast.Constant):
            node.value = self.wrapped(node.value)
        return node

    def visit_Expr(self, node):
        self.generic_visit(node)
        if isinstance(node.value, (ast.Call, ast.Subscript, ast.Attribute, ast.BinOp, ast.Compare)):
            node.value = self.wrapped(node.value)
        return node


class Block(Rewriting):
    """The body of every function stands in a block."""

    def __init__(self, before, after=""):
        self.before, self.after = before, after

    def function(self, node):
        begin = first(node)
        declared = [s for s in node.body[begin:] if isinstance(s, (ast.Global, ast.Nonlocal))]
        rest = [s for s in node.body[begin:] if s not in declared]
        if not rest:
            return node
        block = parse(f"{self.before}\n    pass\n{self.after}")[0]
        inside = block.handlers[0] if self.before.startswith("try:\n") else block
        inside.body[:1] = rest
        node.body = node.body[:begin] + declared + [block]
        return node


PLAIN = {"list", "dict", "set", "tuple", "int", "str", "object", "float", "bytes", "frozenset", "Exception", "ValueError"}


def is_plain(node):
    """Whether a class has nothing that says how it is made."""
    return not node.keywords and all(isinstance(base, ast.Name) and base.id in PLAIN for base in node.bases)


class Metaclass(Rewriting):
    """Classes without one of their own have a metaclass."""

    def __init__(self, metaclass):
        self.metaclass = metaclass

    def class_(self, node):
        if is_plain(node):
            node.keywords = [ast.keyword("metaclass", ast.parse(self.metaclass, mode="eval").body)]
        return node


class Derived(Rewriting):
    """Every class has one below it, under its name."""

    def class_(self, node):
        if not is_plain(node) or node.decorator_list:
            return node
        below = ast.ClassDef(node.name, [ast.Name(node.name, ast.Load())], [], parse("pass"), [])
        if hasattr(node, "type_params"):
            below.type_params = []
        return [node, below]


class Assigned(Rewriting):
    """The special methods of classes are set when the class is there."""

    OF_THE_MAKING = {"__init_subclass__", "__class_getitem__", "__new__", "__set_name__", "__prepare__", "__mro_entries__"}

    def class_(self, node):
        if node.decorator_list or node.keywords or node.bases or any(isinstance(n, ast.Name) and n.id == "super" for n in ast.walk(node)):
            return node
        special = [
            s for s in node.body
            if isinstance(s, ast.FunctionDef) and s.name.startswith("__") and s.name not in self.OF_THE_MAKING and not s.decorator_list
        ]  # fmt: skip
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        if not special or not names.isdisjoint({"__class__", *(method.name for method in special)}):
            return node  # a method, or the body of the class, uses one by its name
        node.body = [s for s in node.body if s not in special] or parse("pass")
        out = [node]
        for method in special:
            method = copy.copy(method)
            name, method.name = method.name, f"_{method.name.strip('_')}_of_{node.name}"
            out += [method, *parse(f"{node.name}.{name} = {method.name}")]
        return out


INERT = "type('Inert', (type,), {})"
REWRITINGS = {
    "cells": Cells(),
    "prefixes": Prefixes(),
    "deeper": Deeper(),
    "in_for": Block("for _ in iter([0]):"),
    "in_while": Block("while True:", "    break"),
    "in_with": Block("with type('Manager', (), {'__enter__': lambda self: self, '__exit__': lambda *_: None})():"),
    "in_finally": Block("try:", "finally:\n    pass"),
    "in_except": Block("try:\n    raise KeyError\nexcept KeyError:"),
    "metaclass": Metaclass(INERT),
    "abstract": Metaclass("__import__('abc').ABCMeta"),
    "derived": Derived(),
    "assigned": Assigned(),
}


def rewritten(name, text):
    """The source of a topic, rewritten."""
    tree = REWRITINGS[name].visit(ast.parse(text))
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"
