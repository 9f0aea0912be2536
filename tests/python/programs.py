"""Random programs for test_random_programs.py: loops, with, try, closures and calls, nested at random.

Every expression may be wrapped in p(...), which counts and, at one count, captures. The source is text; whatever it
does is deterministic, exceptions included, and it always ends.
"""

from hypothesis import strategies as st

NAMES = "abcd"
ERRORS = ("ValueError", "KeyError", "ZeroDivisionError")


class Maker:
    """Writes one program."""

    def __init__(self, draw):
        self.draw = draw
        self.lines = []
        self.count = 0
        self.walrus = True

    def pick(self, *choices):
        return self.draw(st.sampled_from(choices))

    def number(self, low, high):
        return self.draw(st.integers(low, high))

    def fresh(self, prefix):
        self.count += 1
        return f"{prefix}{self.count}"

    # Expressions; all of them are numbers, but nothing depends on that.

    def expression(self, depth):
        if depth <= 0:
            kind = self.pick("name", "number", "p")
        else:
            kind = self.pick(
                "p", "p", "p", "number", "name", "binary", "product", "compare", "conditional", "and", "or", "not",
                "call", "star call", "lambda", "comprehension", "dict comprehension", "text", "subscript", "display",
                "walrus", "builtin", "method", "chain", "slice",
            )  # fmt: skip
        e = lambda: self.expression(depth - 1)
        if kind.endswith("comprehension"):
            return self.comprehension(kind, e)
        match kind:
            case "number":
                return str(self.number(0, 5))
            case "name":
                return self.pick(*NAMES)
            case "p":
                return f"p({e() if depth > 0 else self.pick(*NAMES, '1', '2')})"
            case "binary":
                return f"({e()} {self.pick('+', '-', '|', '^')} {e()})"
            case "product":
                return f"({e()} {self.pick('*', '//', '%')} {e()} % 97)"
            case "compare":
                return f"({e()} {self.pick('<', '==', '>=')} {e()} {self.pick('<', '!=')} {e()})"
            case "conditional":
                return f"({e()} if {e()} else {e()})"
            case "and" | "or":
                return f"({e()} {kind} {e()} {self.pick('and', 'or')} {e()})"
            case "not":
                return f"(not {e()})"
            case "call":
                return f"pack({e()}, {e()}, k={e()})"
            case "star call":
                return f"pack(*[{e()}, {e()}], **{{'k': {e()}}})"
            case "lambda":
                return f"(lambda x, y={e()}: x + y + {e()})({e()})"
            case "text":
                one, two = e(), e()
                if "'" in one + two:  # before 3.12 these quotes would end the text
                    return f"len(str({one}) + format({two}, '>4'))"
                return f"len(f'{{{one}}}|{{{two}!r:>4}}')"
            case "subscript":
                return f"[{e()}, {e()}, 7][{e()} % 3]"
            case "slice":
                return f"len([1, 2, 3, 4][{e()}:{e()}])"
            case "display":
                return f"len([{e()}, *[{e()}], ({e()}, 1)])"
            case "walrus":
                return f"({self.pick(*NAMES)} := {e()})" if self.walrus else e()
            case "builtin":
                return f"max({e()}, {e()})"
            case "method":
                return f"box.add({e()})"
            case "chain":
                return f"deep({self.number(0, 3)}, {e()})"

    def comprehension(self, kind, e):
        before, self.walrus = self.walrus, False  # := is a syntax error in parts of a comprehension
        name = self.pick(*NAMES)
        if kind == "comprehension":
            made = f"sum([{e()} for {name} in range({e()} % 4) if {e()}])"
        else:
            made = f"len({{{e()}: {e()} for {name} in ({e()}, {e()})}})"
        self.walrus = before
        return made

    # Statements.

    def block(self, indent, depth, context):
        for _ in range(self.number(1, 3)):
            self.statement(indent, depth, context)

    def statement(self, indent, depth, context):
        put = lambda text: self.lines.append("    " * indent + text)
        e = lambda: self.expression(self.number(0, 2))
        simple = ["assign", "assign", "note", "note", "augment", "unpack", "item", "delete", "raise"]
        if context.get("function"):
            simple.append("return")
        if context.get("loop"):
            simple += ["break", "continue"]
        if context.get("handler"):
            simple.append("bare raise")
        nested = ["if", "for", "for", "while", "with", "with", "try", "try", "try", "function", "match", "group"]
        nested += ["class", "generator"] if self.number(0, 9) == 0 else []
        kind = self.pick(*simple, *(nested * 2 if depth > 0 else []))
        inner = lambda **more: self.block(indent + 1, depth - 1, {**context, **more})
        match kind:
            case "assign":
                put(f"{self.pick(*NAMES)} = {e()}")
            case "note":
                put(f"note({self.number(0, 99)}, {e()})")
            case "augment":
                put(f"{self.pick(*NAMES)} {self.pick('+=', '-=', '|=')} {e()}")
            case "unpack":
                put(f"{self.pick('a, b', 'b, (c, *d)', '*a, c')} = {e()}, ({e()}, {e()})")
            case "item":
                put(f"items[{e()} % 3] += {e()}")
            case "delete":
                put(f"del {self.pick(*NAMES)}")
            case "raise":
                put(f"raise {self.pick(*ERRORS)}({e()}){self.pick('', '', ' from None')}")
            case "bare raise":
                put("raise")
            case "return":
                put(f"return {e()}")
            case "break" | "continue":
                put(kind)
            case "if":
                put(f"if {e()}:")
                inner()
                put("else:")
                inner()
            case "for":
                name = self.pick(*NAMES)
                over = self.pick(
                    f"{name} in range({e()} % 4)",
                    f"{name} in [{e()}, {e()}, {e()}]",
                    f"{name} in ({e()}, {e()})",
                    f"{name}, k in enumerate([{e()}, 8])",
                    f"{name}, k in zip('xyz', [{e()}, {e()}])",
                    f"{name} in {{1: {e()}, 2: 3}}.values()",
                    f"{name} in reversed([{e()}, 5])",
                    f"{name} in map(str, [{e()}, 5])",
                )
                put(f"for {over}:")
                inner(loop=True)
                if self.number(0, 2) == 0:
                    put("else:")
                    inner()
            case "while":
                counter = self.fresh("n")
                put(f"{counter} = {self.number(1, 3)}")
                put(f"while {counter} > 0 and ({e()}) != 3:")
                put(f"    {counter} -= 1")
                inner(loop=True)
            case "with":
                swallow = lambda: self.pick("()", "ValueError", "LookupError")
                managers = ", ".join(
                    f"Guard({self.number(0, 99)}, {swallow()}){self.pick('', ' as g')}"
                    for _ in range(self.number(1, 2))
                )
                put(f"with {managers}:")
                inner()
            case "try":
                put("try:")
                inner()
                handlers = self.number(0, 2)
                for _ in range(handlers):
                    put(f"except {self.pick('ValueError', 'KeyError', 'Exception')}{self.pick('', ' as error')}:")
                    put("    note(seen())")
                    inner(handler=True)
                if handlers and self.number(0, 1):
                    put("else:")
                    inner()
                if not handlers or self.number(0, 1):
                    put("finally:")
                    inner(handler=False)
            case "group":
                put("try:")
                put(f"    raise ExceptionGroup('g', [ValueError({e()}), KeyError({e()})])")
                put(f"except* {self.pick(*ERRORS)} as group:")
                put("    note(group.exceptions)")
                inner(loop=False, function=False, handler=False)
                put("except* Exception:")
                put(f"    note({e()})")
            case "match":
                put(f"match [{e()}, {e()}]:")
                put(f"    case [x, y] if {e()}:")
                self.block(indent + 2, depth - 1, context)
                put("    case [1, *rest]:")
                put(f"        note(rest, {e()})")
            case "function":
                name = self.fresh("f")
                put(f"def {name}(x, y={e()}):")
                put(f"    nonlocal {self.pick('a', 'b', 'c, d')}")
                self.block(indent + 1, depth - 1, {"function": True})
                put(f"    return x, {e()}")
                put(f"note({name}({e()}))")
            case "class":
                name = self.fresh("C")
                put(f"class {name}:")
                put("    def __init__(self, x):")
                put(f"        self.x = p(x)")
                put("    def __add__(self, other):")
                put(f"        return p(self.x + other)")
                put("    @property")
                put("    def y(self):")
                put(f"        return p(self.x)")
                put(f"note({name}({e()}) + {e()}, {name}({e()}).y)")
            case "generator":
                name = self.fresh("g")
                put(f"def {name}(x):")
                put(f"    yield p(x)")
                put(f"    note((yield 5))")
                put(f"    yield p(x) + 1")
                put(f"for a in {name}({e()}):")
                inner(loop=True)


@st.composite
def programs(draw):
    """The source of a function `program()` without arguments."""
    maker = Maker(draw)
    maker.lines += ["def program():", "    a, b, c, d, items, box = 1, 2, 3, 4, [1, 2, 3], Box()"]
    maker.lines += ["    def inner(x):", "        nonlocal a, b, c, d"]
    maker.block(2, 3, {"function": True})
    maker.lines += [f"        return a, {maker.expression(2)}"]
    maker.block(1, 3, {"function": True})
    maker.lines += ["    note(inner(1))"]
    maker.block(1, 2, {"function": True})
    maker.lines += ["    return a, b, c, d, items, box.total"]
    return "\n".join(maker.lines) + "\n"
