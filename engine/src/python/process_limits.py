# Limits that a program has set for its whole process: how deep it calls, how many digits it makes texts of, how long a field
# of `csv` is, and the dialects that `csv` knows. Part of what a stack brings: see process_state.py.

RECURSION_LIMIT = 1000
DEFAULT_DIGITS = sys.int_info.default_max_str_digits
_FIELD_SIZE = 128 * 1024
_OF_DIALECTS = ("delimiter", "doublequote", "escapechar", "lineterminator", "quotechar", "quoting", "skipinitialspace", "strict")


def csv_is_imported():
    return "csv" in sys.modules


def _dialects():
    """The dialects that csv knows, taken apart."""
    csv = sys.modules["csv"]
    return {name: _parts_of_dialect(csv.get_dialect(name)) for name in csv.list_dialects()}


def _parts_of_dialect(dialect):
    return {part: getattr(dialect, part) for part in _OF_DIALECTS}


_csv_seen = ()  # dialects that are csv's own, as they were seen last


def csv_has_changed():
    """Whether the program has set the size of fields or its own dialects."""
    global _csv_seen
    csv = sys.modules["csv"]
    if csv.field_size_limit() != _FIELD_SIZE:
        return True
    seen = tuple(map(csv.get_dialect, csv.list_dialects()))
    if len(seen) == len(_csv_seen) and all(map(operator.is_, seen, _csv_seen)):
        return False
    own = {"excel": csv.excel, "excel-tab": csv.excel_tab, "unix": csv.unix_dialect}
    if _dialects() != {name: _parts_of_dialect(csv.reader((), kind).dialect) for name, kind in own.items()}:
        return True
    _csv_seen = seen
    return False


def limits_set():
    """What the program has set: by name."""
    found = {}
    if sys.getrecursionlimit() != RECURSION_LIMIT:
        found["recursion limit"] = sys.getrecursionlimit()
    if sys.get_int_max_str_digits() != DEFAULT_DIGITS:
        found["digits"] = sys.get_int_max_str_digits()
    if csv_is_imported() and csv_has_changed():
        found["csv"] = _csv_state()
    return found


def _csv_state():
    return sys.modules["csv"].field_size_limit(), _dialects()


def _put_csv(field_size, dialects):
    csv = importlib.import_module("csv")
    csv.field_size_limit(field_size)
    for name in csv.list_dialects():
        csv.unregister_dialect(name)
    for name, parts in dialects.items():
        csv.register_dialect(name, **parts)


_limits_wanted = []  # recursion limits: what the process had, then those of the resumed stacks that run, in any thread


def enter_limits(state, own):
    """Put in place what a stack brings; own is to have what the process had. Threads that are deep in calls already keep
    the depth that they were promised: the limit is never below that of a stack that runs."""
    limit = state.get("recursion limit")
    if limit is not None:
        if not _limits_wanted:
            _limits_wanted.append(sys.getrecursionlimit())
        _limits_wanted.append(limit)
        own["recursion limit"] = limit
        if limit > sys.getrecursionlimit():
            sys.setrecursionlimit(limit)
    if "digits" in state:
        own["digits"] = sys.get_int_max_str_digits()
        sys.set_int_max_str_digits(state["digits"])
    if "csv" in state:
        importlib.import_module("csv")
        own["csv"] = _csv_state()
        _put_csv(*state["csv"])


def leave_limits(own):
    if "csv" in own:
        _put_csv(*own["csv"])
    if "digits" in own:
        sys.set_int_max_str_digits(own["digits"])
    if "recursion limit" in own:
        del _limits_wanted[_limits_wanted.index(own["recursion limit"], 1)]
        limit = max(_limits_wanted)
        if len(_limits_wanted) == 1:
            _limits_wanted.clear()
        try:
            if limit < sys.getrecursionlimit():
                sys.setrecursionlimit(limit)
        except RecursionError:  # whoever resumed the stack is deeper by now than that
            pass
