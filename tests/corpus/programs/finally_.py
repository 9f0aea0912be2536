"""finally, except*, and what is pending while a clause runs."""


@program
def else_body():
    try:
        note("body")
    except ValueError:
        note("never")
    else:
        note(pause("else"))
    finally:
        note("finally")


@program
def else_raises():
    try:
        try:
            note("body")
        except KeyError:
            note("never")
        else:
            pause()
            raise KeyError("from else")
        finally:
            note("finally")
    except KeyError as error:
        return error.args


@program
def finally_normal():
    try:
        note("body")
    finally:
        note(pause("finally"))
    return "end"


@program
def finally_pending_return():
    def inner():
        for i in range(3):
            try:
                return f"value {i}"
            finally:
                note(pause("finally"))
        return "not reached"

    return inner()


@program
def finally_pending_exception():
    try:
        try:
            raise ValueError("pending")
        finally:
            note(pause("finally"))
    except ValueError as error:
        return error.args


@program
def finally_pending_break():
    out = []
    for i in range(4):
        try:
            if i == 2:
                break
        finally:
            out.append(pause(i, i == 2))
    return out, i


@program
def finally_pending_continue():
    out = []
    for i in range(4):
        try:
            continue
        finally:
            out.append(pause(i, i == 2))
            if i == 3:
                break
    return out


@program
def finally_return_swallows():
    try:
        raise ValueError("lost")
    finally:
        pause()
        return "swallowed"


@program
def finally_replaces_exception():
    try:
        try:
            raise ValueError("first")
        finally:
            pause()
            {}["missing"]
    except KeyError as error:
        return error.args, repr(error.__context__)


@program
def finally_nested_returns():
    def inner():
        try:
            try:
                return note("one")
            finally:
                note(pause("two"))
        finally:
            note("three")

    return inner()


@program
def finally_in_except():
    try:
        raise ValueError("v")
    except ValueError:
        try:
            note("in")
        finally:
            pause()
            note(repr(sys.exc_info()[1]))
        note("after")


@program
def except_in_finally():
    try:
        note("body")
    finally:
        try:
            raise KeyError(1)
        except KeyError as error:
            note(pause(error.args))
        note(sys.exc_info())


@program
def except_in_finally_pending():
    def inner():
        try:
            raise OSError("pending")
        finally:
            try:
                raise KeyError(1)
            except KeyError as error:
                note(pause(repr(error.__context__)))

    inner()


@program
def except_group():
    try:
        raise ExceptionGroup("g", [ValueError(1), TypeError(2), KeyError(3)])
    except* ValueError as group:
        note([pause(e.args[0]) for e in group.exceptions][0])
    except* (TypeError, KeyError) as group:
        note([e.args[0] for e in group.exceptions])
    return "end"


@program
def except_group_second_clause():
    try:
        raise ExceptionGroup("g", [ValueError(1), TypeError(2), KeyError(3)])
    except* ValueError:
        note("value")
    except* TypeError as group:
        note(pause([e.args for e in group.exceptions]))


@program
def except_group_raises():
    try:
        raise ExceptionGroup("g", [ValueError(1), TypeError(2)])
    except* ValueError:
        pause()
        raise KeyError("new")


@program
def except_group_else_finally():
    try:
        note("body")
    except* ValueError:
        note("never")
    else:
        note(pause("else"))
    finally:
        note("finally")


@program
def except_group_naked():
    try:
        raise ValueError("not a group")
    except* ValueError as group:
        note(pause(type(group).__name__))
        note([repr(e) for e in group.exceptions])


@program
def except_group_nested():
    def kinds(group):
        return [kinds(e) if isinstance(e, BaseExceptionGroup) else type(e).__name__ for e in group.exceptions]

    try:
        try:
            raise ExceptionGroup("a", [ExceptionGroup("b", [ValueError(1), OSError(2)]), KeyError(3)])
        except* OSError as group:
            note(pause(kinds(group)))
    except ExceptionGroup as rest:
        return kinds(rest), rest.message


@program
def keyboard_interrupt_in_finally():
    try:
        raise KeyboardInterrupt
    finally:
        note(pause("cleaning"))


@program
def exception_through_ten_frames():
    def level(n):
        if n == 0:
            pause()
            raise LookupError("deep")
        try:
            return level(n - 1)
        finally:
            note(n)

    level(10)
