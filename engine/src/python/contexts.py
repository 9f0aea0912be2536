# Contexts, their variables and tokens (contextvars), the decimal context among them: as values, and what leaves a
# context that a resumed stack runs in. Which variables of a context travel is said in values/variable.rs.

import contextvars

# A token (pycore_context.h): its context, its variable, the old value or NULL, whether it was used.
LAYOUTS[contextvars.Token] = "OOod"


def check_contexts():
    """Leaves tokens out if this interpreter lays them out differently."""
    variable, context, old = contextvars.ContextVar("checked"), contextvars.Context(), object()
    first = context.run(variable.set, old)
    token = context.run(variable.set, None)
    fits = 16 + 8 * 4 <= type(token).__basicsize__
    fits = fits and [iterator_word(token, i) for i in range(3)] == [id(context), id(variable), id(old)]
    fits = fits and iterator_word(first, 2) == 0 and iterator_half(token, 3) == 0
    context.run(variable.reset, token)
    if not fits or iterator_half(token, 3) != 1:
        LAYOUTS.pop(contextvars.Token, None)
        REDUCERS.pop(contextvars.Token, None)


def finish_context(context):
    """What runs in a context has ended."""
    try:
        result = hole()
    finally:
        leave_context(context)
    return result


# --- contexts --------------------------------------------------------------------------------------


class Binding:
    """A variable of a context with its value, while the context is written."""

    __slots__ = ("value", "variable")

    def __init__(self, variable, value):
        self.variable, self.value = variable, value


REDUCERS[Binding] = lambda binding: (tuple, ((binding.variable, binding.value),))


def reduce_context(context, left_out):
    bindings = {}
    for variable, value in context.items():
        if left_out and any(variable is one for one in left_out):
            continue
        name, n = variable.name, 1
        while name in bindings:
            name, n = f"{variable.name} ({n + 1})", n + 1
        bindings[name] = Binding(variable, value)
    return make_context, (), bindings, None, None, fill_context


def make_context():
    return contextvars.Context()


def fill_context(context, bindings):
    for variable, value in bindings.values():
        context.run(variable.set, value)


# --- variables -------------------------------------------------------------------------------------

_homes = {}  # by the identity of a variable: it, how many modules were looked at, where it was found


def homes_of_variable(variable):
    """(module, name) of the modules that have a variable under a name."""
    known = _homes.get(id(variable))
    if known is not None and known[0] is variable:
        _, modules, homes = known
        if modules == len(sys.modules) and all(getattr(sys.modules.get(m), n, None) is variable for m, n in homes):
            return homes
    homes = []
    for module_name, module in list(sys.modules.items()):
        if module_name in ("__main__", "__mp_main__") or not issubclass(type(module), types.ModuleType):
            continue
        for name, value in list(types.ModuleType.__getattribute__(module, "__dict__").items()):
            if value is variable and type(name) is str:
                homes.append((module_name, name))
    if len(_homes) >= 256:
        _homes.clear()
    _homes[id(variable)] = variable, len(sys.modules), homes
    return homes


def reduce_variable(variable, home):
    """home: (module, name) under which an adopter finds it, or None."""
    if home is not None:
        return imported_variable, home
    if variable.name == "decimal_context" and "decimal" in sys.modules and variable is decimal_variable():
        return decimal_variable, ()
    try:
        default = (contextvars.Context().run(variable.get),)
    except LookupError:
        default = ()
    return make_variable, (variable.name, default, _origin_of(variable))


def imported_variable(module, name):
    found = getattr(sys.modules.get(module) or importlib.import_module(module), name)
    if type(found) is not contextvars.ContextVar:
        raise TypeError(f"{module}.{name} is no context variable here")
    return found


_of_decimal = (None, None)  # what gave the variable that the decimal module asks, and the variable


def decimal_variable():
    """The one that the decimal module asks, which has no name."""
    global _of_decimal
    import decimal

    if _of_decimal[0] is not decimal.getcontext:
        context = contextvars.Context()
        context.run(decimal.getcontext)
        (variable,) = context
        _of_decimal = decimal.getcontext, variable
    return _of_decimal[1]


# As a class: a variable that travelled is one object, adopted twice or coming home. There are no weak references to
# variables, so those that nothing else holds are dropped from time to time.
_origins = {}  # variables by their origin
_origin_ids = {}  # origins by the identity of a variable
_most_origins = [64]


def _keep_origin(variable, origin):
    if len(_origins) >= _most_origins[0]:
        _homes.clear()
        _origins[None] = contextvars.ContextVar("held by nothing else")
        counts = {known: sys.getrefcount(held) for known, held in _origins.items()}
        alone = counts.pop(None)
        del _origins[None]
        for known, count in counts.items():
            if count <= alone:
                del _origin_ids[id(_origins[known])]
                del _origins[known]
        _most_origins[0] = max(64, 2 * len(_origins))
    _origins[origin] = variable
    _origin_ids[id(variable)] = origin
    return variable


def _origin_of(variable):
    known = _origin_ids.get(id(variable))
    if known is None:
        known = uuid.uuid4().hex
        _keep_origin(variable, known)
    return known


def make_variable(name, default, origin):
    found = _origins.get(origin)
    if found is not None and found.name == name:
        return found
    made = contextvars.ContextVar(name, default=default[0]) if default else contextvars.ContextVar(name)
    return _keep_origin(made, origin)


# --- tokens ----------------------------------------------------------------------------------------


def _reduce_token(token):
    context, variable, old = (iterator_part(token, i) for i in range(3))
    return make_token, (), (*context, *variable, old, iterator_part(token, 3)), None, None, fill_token


def make_token():
    """One whose parts are not set yet."""
    return contextvars.Context().run(contextvars.ContextVar("token").set, None)


def fill_token(token, parts):
    context, variable, old, used = parts
    if type(context) is not contextvars.Context or type(variable) is not contextvars.ContextVar:
        raise TypeError("these are not the parts of a token")
    for i, part in enumerate(((context,), (variable,), old, 1 if used else 0)):
        set_iterator_part(token, i, part)


REDUCERS[contextvars.Token] = _reduce_token


# --- the decimal context ---------------------------------------------------------------------------


def decimal_manager():
    """What decimal.localcontext() gives."""
    import decimal

    return contextvars.Context().run(decimal.localcontext)


def _decimal_set(manager, method, *arguments):
    """The decimal context that a method of a manager sets: in a context that nobody sees."""
    context = contextvars.Context()
    context.run(getattr(type(manager), method), manager, *arguments)
    return context[decimal_variable()]


def is_decimal_manager(cls):
    """Whether cls is the class of what decimal.localcontext() gives, as the C module makes it, whose two parts (the
    contexts to enter and to come back to) can be read."""
    if _name_of(cls) != "ContextManager" or "decimal" not in sys.modules:
        return False
    sample = decimal_manager()
    if type(sample) is not cls:
        return False
    if cls not in LAYOUTS and cls.__basicsize__ == 32:
        parts = _decimal_set(sample, "__enter__"), _decimal_set(sample, "__exit__", None, None, None)
        if [iterator_word(sample, i) for i in (0, 1)] == list(map(id, parts)):
            LAYOUTS[cls] = "OO"
    return cls in LAYOUTS


def reduce_decimal_manager(manager):
    return decimal_manager, (), (*iterator_part(manager, 0), *iterator_part(manager, 1)), None, None, fill_decimal_manager


def fill_decimal_manager(manager, parts):
    import decimal

    if not is_decimal_manager(type(manager)) or [type(part) for part in parts] != [decimal.Context] * 2:
        raise TypeError("these are not the parts of a decimal context manager")
    for i, part in enumerate(parts):
        set_iterator_part(manager, i, (part,))
