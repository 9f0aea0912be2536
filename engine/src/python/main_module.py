# What travelled with the `__main__` of a captured program, for those that look it up by name in the adopter's.
#
# sys.modules["__main__"] is the adopter's, and stays so. But pickle, and with it multiprocessing and copy, looks classes
# and functions of a program up there. It answers for names that it does not have, and that a class or function has which
# travelled from another `__main__` and lives in this process. Its namespace stays as it is.


def _named_in_main(thing, name):
    """Whether a class or function of some `__main__` calls itself so."""
    kind = types.FunctionType if type(thing) is types.FunctionType else type
    module = thing.__module__ if kind is types.FunctionType else class_namespace(thing).get("__module__")
    return type(module) is str and module == "__main__" and kind.__dict__["__qualname__"].__get__(thing) == name


def _travelled(name):
    """The class or function of that name that came with the stack that was adopted last; None if there is none."""
    classes = [held() for held, *_ in list(_origins_here.values())]
    for cls in reversed([cls for cls in classes if issubclass(type(cls), type)]):
        if _named_in_main(cls, name):
            return cls
    return next((f for f in living_functions() if _named_in_main(f, name)), None)


class AnsweringMain(types.ModuleType):
    """The class of the adopter's `__main__` when something of another one has travelled here."""

    def __getattr__(self, name):
        found = None if name.startswith("__") else _travelled(name)
        if found is None:
            raise AttributeError(f"module '__main__' has no attribute {name!r}", name=name, obj=self)
        return found


def let_main_answer():
    """Have the adopter's `__main__` answer, unless it does so itself."""
    main = sys.modules.get("__main__")
    if type(main) is types.ModuleType and "__getattr__" not in vars(main):
        main.__class__ = AnsweringMain
