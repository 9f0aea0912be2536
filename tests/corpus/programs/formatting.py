"""`%` and str.format, stopped while an argument gives its text."""


class Text:
    def __init__(self, text, when=True):
        self.text, self.when = text, when

    def __str__(self):
        return pause(f"<{self.text}>", self.when)


class Shown:
    def __init__(self, text, when=True):
        self.text, self.when = text, when

    def __repr__(self):
        return pause(f"[{self.text}]", self.when)


class Formatted:
    def __init__(self, text, when=True):
        self.text, self.when = text, when

    def __format__(self, spec):
        return pause(f"({self.text}:{spec})", self.when)


class Odd:
    def __str__(self):
        return pause(7)

    __repr__ = __str__

    def __format__(self, spec):
        return pause(7)


def percent(text, args):
    """Not what the compiler makes of a constant text and a tuple."""
    return text % args


def said(make):
    try:
        return make()
    except (TypeError, ValueError, KeyError, IndexError) as error:
        return type(error).__name__, error.args


@program
def percent_of_one():
    return percent("%s!", Text("a"))


@program
def percent_of_one_shown():
    return percent("%s %%", Shown("a"))


@program
def percent_of_a_tuple():
    return percent("%d and %s and %s", (3, Text("a"), Text("b", False)))


@program
def percent_with_width():
    return percent("%-10s|%10.3s|", (Text("a"), Text("b", False)))


@program
def percent_with_star():
    return percent("%*s|%.*f", (10, Text("a"), 2, 1.0))


@program
def percent_repr():
    return percent("%r %a", (Shown("é"), Shown("é", False)))


@program
def percent_ascii():
    return percent("%s %a %s", ("é", Shown("é"), None))


@program
def percent_of_a_mapping():
    return percent("%(n)d: %(text)s %(more)s", {"text": Text("a"), "n": 3, "more": Text("b", False)})


@program
def percent_of_a_mapping_that_changes():
    names = {"more": "before"}

    class Changing:
        def __str__(self):
            names["more"] = pause("after")
            return "changed"

    names["text"] = Changing()
    return percent("%(text)s %(more)s", names)


@program
def percent_in_place():
    text = "%s-%s"
    text %= (1, Text("a"))
    return text


@program
def percent_too_few():
    return said(lambda: percent("%s %s", Text("a")))


@program
def percent_too_many():
    return said(lambda: percent("%s", (Text("a"), 1)))


@program
def percent_no_text():
    return said(lambda: percent("%s", Odd())), said(lambda: percent("%d", "x"))


@program
def percent_no_text_shown():
    return said(lambda: percent("%r", Odd()))


@program
def percent_raises():
    class Raises:
        def __str__(self):
            raise ValueError(pause("no text"))

    return said(lambda: percent("%s", Raises()))


@program
def percent_of_texts_below():
    class Below(str):
        pass

    class Gives:
        def __str__(self):
            return pause(Below("below"))

    return percent("%s|%8s", (Gives(), 1))


@program(refused="operator")
def percent_second():
    """The first one's text is in the C code's hands."""
    return percent("%s %s", (Text("a", False), Text("b")))


@program(refused="operator")
def percent_of_a_list():
    return percent("%s", [Shown("a")])


class Number:
    def __init__(self, n):
        self.n = n

    def __int__(self):
        return pause(self.n)

    __float__ = __index__ = __int__


class Fails:
    def __float__(self):
        raise TypeError(pause("no number"))

    __int__ = __index__ = __float__


@program
def percent_number():
    return percent("%s %5d|%s", (None, Number(3), Text("a", False)))


@program
def percent_hexadecimal():
    return percent("%#x", Number(255))


@program
def percent_character():
    return percent("%c", Number(233))


@program
def percent_float():
    return percent("%.3f %d", (Number(2.5), 1))


@program
def percent_number_that_is_none():
    return said(lambda: percent("%d", Number("x")))


@program
def percent_float_that_is_none():
    return said(lambda: percent("%g", Number(None)))


@program
def percent_number_that_fails():
    return said(lambda: percent("%d", Fails()))


@program
def percent_float_that_fails():
    return said(lambda: percent("%e", Fails()))


@program
def percent_of_a_record():
    import logging

    record = logging.LogRecord("name", logging.INFO, "file.py", 1, "%s: %s", ("key", Text("a")), None)
    return record.getMessage()


@program
def compiled_into_a_formatted_string():
    return "%s %a|%5s %r" % ("é", Shown("é"), Text("a", False), Shown("b", False))


@program
def ascii_in_a_formatted_string():
    return f"{Shown('é')!a:>10}"


@program
def format_one():
    return "{}!".format(Text("a"))


@program
def format_shown():
    return "{!r} {}".format(Shown("a"), 3)


@program
def format_behind_plain_ones():
    return "{} {:>4} {} {}".format(1, "x", Formatted("a"), Formatted("b", False))


@program
def format_with_spec():
    return "{:>{}} {:x>6}".format(Formatted("a"), 5, Text("b", False) and 1)


@program
def format_converted_with_spec():
    return "{!s:>10}|{!r:<10}|".format(Text("a"), Shown("b", False))


@program
def format_by_number():
    return "{1} {0} {2}".format(Text("a"), "plain", Text("b", False))


@program
def format_by_name():
    return "{n} {text} {}".format(0.5, text=Text("a"), n=3)


@program
def format_of_mapping():
    names = {"a": 1, "b": Formatted("b")}
    return "{a} {b:spec}".format(**names)


@program
def format_no_text():
    return said(lambda: "{}".format(Odd()))


@program
def format_no_text_converted():
    return said(lambda: "{!s:>3}".format(Odd()))


@program
def format_too_few():
    return said(lambda: "{} {}".format(Text("a")))


@program
def format_unknown_name():
    return said(lambda: "{a} {b}".format(a=Text("a")))


@program
def format_called_by_the_class():
    return str.format("{} {}", 1, Text("a"))


@program
def format_as_a_function():
    show = "{}: {}".format
    return show("a", Text("a")), [*map(show, "a", "b")]


@program(refused="format")
def format_second():
    return "{} {}".format(Text("a", False), Text("b"))


@program(refused="format")
def format_of_an_attribute():
    class Has:
        text = Text("a")

    return "{0.text}".format(Has())


@program(refused="format")
def format_twice():
    class Once:
        n = 0

        def __str__(self):
            self.n += 1
            return pause("a", self.n == 1)

    return "{0} {0}".format(Once())
