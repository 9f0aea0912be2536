"""Syntax that only newer versions have: text that is used where the version has it."""


newer("type_parameters", '''
def type_parameters():
    def first[T](items: list[T], at: int) -> T:
        return items[pause(at)]

    class Box[U]:
        def get[V](self, x: V) -> tuple[U, V]:
            return type(self).__name__, x

    return first([1, 2], 1), Box().get(3), [p.__name__ for p in first.__type_params__ + Box.__type_params__]
''', since=(3, 12))


newer("type_alias", '''
def type_alias():
    type Pair[T] = tuple[T, T]
    pause()
    return Pair.__name__, str(Pair.__value__)
''', since=(3, 12))


newer("type_parameters_suspended", '''
def type_parameters_suspended():
    def decorate(x):
        return lambda f: (x, f(2))

    @decorate(pause("deco"))
    def made[T](x: T) -> T:
        return x

    return made
''', since=(3, 12))


newer("type_parameter_function_default", '''
def type_parameter_function_default():
    def made[T](x: T = pause(4)) -> T:
        return x

    return made(), made(1)
''', since=(3, 12))


newer("fstring_nested_quotes", '''
def fstring_nested_quotes():
    return f"{'a' + f"{pause("b")!r}"} {"c"}"
''', since=(3, 12))


newer("type_parameter_default", '''
def type_parameter_default():
    def made[T = int](x: T) -> T:
        return pause(x)

    return made(1), [p.__default__ for p in made.__type_params__]
''', since=(3, 13))


newer("template_string", '''
def template_string():
    t = t"a{pause(1)}b{2!r:>4}"
    return t.strings, t.values
''', since=(3, 14))


newer("except_without_parentheses", '''
def except_without_parentheses():
    try:
        raise KeyError(1)
    except ValueError, KeyError:
        return pause("caught"), repr(sys.exc_info()[1])
''', since=(3, 14))


newer("annotations_are_lazy", '''
def annotations_are_lazy():
    def made(a: Later) -> None:
        return a

    Later = int
    pause()
    return made.__annotations__
''', since=(3, 14))


newer("annotations_suspended", '''
def annotations_suspended():
    def made(a: pause("annotation")):
        return a

    return made.__annotations__
''', since=(3, 14))


newer("annotations_kept", '''
def annotations_kept():
    def made(a: note(pause("annotation"))):
        return a

    return made.__annotations__ is made.__annotations__, callable(made.__annotate__), LOG
''', since=(3, 14))


newer("annotations_of_a_class", '''
def annotations_of_a_class():
    class Made:
        a: note(pause("annotation"))

    return Made.__annotations__ is Made.__annotations__, callable(Made.__annotate__), LOG
''', since=(3, 14))


newer("annotations_of_the_wrong_type", '''
def annotations_of_the_wrong_type():
    def made():
        pass

    made.__annotate__ = lambda _: pause(3)
    try:
        made.__annotations__
    except TypeError as error:
        return str(error)
''', since=(3, 14))


newer("comprehension_unpacking", '''
def comprehension_unpacking():
    return [*pause(x, x == [2]) for x in ([1], [2], [3, 4])]
''', since=(3, 15))
