"""try, except, else, finally and except*: each part, and what is handled while it is suspended."""


@program
def try_body():
    try:
        note(pause("body"))
        1 / 0
    except ZeroDivisionError as error:
        return "caught", error.args


@program
def try_body_no_exception():
    try:
        note(pause("body"))
    except ValueError:
        note("caught what was thrown")
    else:
        note("else")
    finally:
        note("finally")
    return "end"


@program
def except_body():
    try:
        raise KeyError("k")
    except KeyError as error:
        note(pause(error.args))
    try:
        return error
    except UnboundLocalError:
        return "unbound"


@program
def except_bare():
    try:
        raise KeyError("k")
    except:
        note(pause(repr(sys.exc_info()[1])))
        note(repr(sys.exc_info()[1]))
    return sys.exc_info()


@program
def except_tuple_match():
    for error in (KeyError, ValueError, OSError):
        try:
            raise error("x")
        except (KeyError, OSError) as e:
            note("first", pause(type(e).__name__, error is OSError))
        except Exception as e:
            note("second", type(e).__name__)


@program
def except_type_expression():
    try:
        raise KeyError(1)
    except pause(KeyError) as error:
        return error.args


@program
def except_then_bare_raise():
    try:
        try:
            raise ValueError("first")
        except ValueError as error:
            note(pause(str(error)))
            raise
    except ValueError as error:
        return "again", error.args, error.__context__


@program
def bare_raise_propagates():
    try:
        raise LookupError("out")
    except LookupError:
        pause()
        raise


@program
def raise_of_bound_name():
    try:
        raise LookupError("out")
    except LookupError as error:
        pause()
        raise error


@program
def raise_from():
    try:
        raise KeyError("cause")
    except KeyError as cause:
        raise ValueError(pause("effect")) from cause


@program
def raise_from_none():
    try:
        raise KeyError("hidden")
    except KeyError:
        pause()
        raise ValueError("shown") from None


@program
def raise_in_argument():
    raise ValueError("a", pause("b"), "c")


@program
def context_is_the_handled_one():
    try:
        try:
            raise ValueError("first")
        except ValueError:
            pause()
            raise KeyError("second")
    except KeyError as error:
        return type(error.__context__).__name__, error.__context__.args


@program
def context_chain_of_three():
    try:
        raise ValueError(1)
    except ValueError:
        try:
            raise TypeError(2)
        except TypeError:
            try:
                raise KeyError(3)
            except KeyError:
                pause()
                raise OSError(4)


@program
def context_in_a_call():
    def failing():
        pause()
        raise KeyError("inner")

    try:
        raise ValueError("outer")
    except ValueError:
        failing()


@program
def handled_seen_by_a_callee():
    def seen():
        pause()
        return repr(sys.exc_info()[1])

    try:
        raise ValueError("handled")
    except ValueError:
        note(seen())
    return seen.__name__, repr(sys.exc_info()[1])


@program
def handled_of_each_level():
    try:
        raise ValueError(1)
    except ValueError:
        try:
            raise TypeError(2)
        except TypeError:
            pause()
            note(repr(sys.exc_info()[1]))
        note(repr(sys.exc_info()[1]))
    note(repr(sys.exc_info()[1]))


@program
def handled_in_three_frames():
    def one():
        try:
            raise ValueError(1)
        except ValueError:
            two()
            note(repr(sys.exc_info()[1]))

    def two():
        try:
            raise TypeError(2)
        except TypeError:
            three()
            note(repr(sys.exc_info()[1]))

    def three():
        try:
            raise KeyError(3)
        except KeyError:
            pause()
            note(repr(sys.exc_info()[1]))
        note(repr(sys.exc_info()[1]))

    one()
    return repr(sys.exc_info()[1])


@program
def bare_raise_in_a_callee():
    def again():
        pause()
        raise

    try:
        raise ValueError("outer")
    except ValueError:
        again()


@program
def loop_in_except():
    try:
        raise ValueError("v")
    except ValueError as error:
        for i in range(4):
            note(i, pause(str(error), i == 2), repr(sys.exc_info()[1]))


@program
def retry_loop():
    tries = 0
    while True:
        try:
            tries += 1
            if tries < 4:
                raise OSError(tries)
            return "done", tries
        except OSError as error:
            note(pause(error.args, tries == 2))
            continue


@program
def exception_with_notes():
    try:
        error = ValueError("v")
        error.add_note("one")
        raise error
    except ValueError as caught:
        pause()
        caught.add_note("two")
        return caught.__notes__, caught is error


@program
def exception_class_of_the_program():
    class Own(Exception):
        def __init__(self, a, b):
            super().__init__(a)
            self.b = b

    try:
        raise Own(1, [2])
    except Own as error:
        pause()
        return error.args, error.b, type(error) is Own


@program
def exception_held_in_a_local():
    try:
        {}["x"]
    except KeyError as error:
        kept = error
    names = []
    pause()
    tb = kept.__traceback__
    while tb:
        names.append(tb.tb_lineno > 0)
        tb = tb.tb_next
    return repr(kept), names


@program
def exit_exceptions_pass():
    try:
        pause()
        raise SystemExit(3)
    except Exception:
        note("never")


@program
def stop_iteration_is_ordinary_here():
    try:
        next(iter([]))
    except StopIteration as stop:
        return pause(stop.value), repr(stop)


@program
def assertion_fails_after():
    value = pause(3)
    assert value == 4, f"value is {value}"


@program
def assertion_message():
    try:
        assert False, pause("message")
    except AssertionError as error:
        return error.args


@program
def with_traceback_replaced():
    try:
        raise ValueError("a")
    except ValueError as error:
        pause()
        raise KeyError("b").with_traceback(error.__traceback__)


@program
def twenty_nested_blocks():
    out = []
    try:
        try:
            try:
                try:
                    try:
                        try:
                            try:
                                out.append(pause("in"))
                                raise KeyError(7)
                            finally:
                                out.append(1)
                        except ValueError:
                            out.append("v")
                    finally:
                        out.append(2)
                except OSError:
                    out.append("o")
                finally:
                    out.append(3)
            except KeyError:
                out.append("k")
                raise LookupError(8)
            finally:
                out.append(4)
        finally:
            out.append(5)
    except LookupError as error:
        out.append((error.args, repr(error.__context__)))
    return out
