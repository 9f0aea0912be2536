"""The engine's Python files share one namespace: a name that one of them gives something is no other's. None looks for a
class in a way that may ask its metaclass."""

import ast
import collections
import pathlib

SOURCE = pathlib.Path(__file__).parents[2] / "engine/src/python"


def assigned(body):
    """The names that statements at the top level of a file give something, in blocks too."""
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            yield statement.name
            continue
        for part in ast.walk(statement):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id


def without_inner(tree):
    """What has names of its own is left out: functions, lambdas, comprehensions."""
    inner = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)

    class Leaves(ast.NodeTransformer):
        def generic_visit(self, node):
            return ast.Constant(None) if isinstance(node, inner) else super().generic_visit(node)

        def visit_FunctionDef(self, node):
            return ast.FunctionDef(node.name, node.args, [], [])

        def visit_ClassDef(self, node):
            return ast.ClassDef(node.name, [], [], [], [])

    return Leaves().visit(tree)


def test_each_name_stands_in_one_file():
    files = (SOURCE / "files.txt").read_text().split()
    found = collections.defaultdict(set)
    for file in files:
        for name in assigned(without_inner(ast.parse((SOURCE / file).read_text())).body):
            found[name].add(file)
    assert len(found) > 1000
    assert {name: sorted(where) for name, where in found.items() if len(where) > 1} == {}


def test_no_metaclass_is_asked():
    """`type(obj) in classes` compares with ==, and `type(obj) in {...}` hashes: see of_classes.py."""

    def is_call(node, *names):
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names

    found = []
    for file in (SOURCE / "files.txt").read_text().split():
        for node in ast.walk(ast.parse((SOURCE / file).read_text())):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
                if is_call(node.left, "type") or is_call(node.comparators[0], "_mro", "_mro_of"):
                    found.append(f"{file}:{node.lineno}")
    assert found == []
