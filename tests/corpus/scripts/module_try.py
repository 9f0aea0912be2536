print("before")
try:
    with open(__file__) as file:
        first = file.readline()
    del file
    try:
        raise KeyError("module")
    except KeyError as error:
        value = pause([1])
        value.append(repr(sys.exc_info()[1]))
        raise LookupError("next")
except LookupError as error:
    print("caught", error.args, repr(error.__context__))
except ValueError as error:
    print("thrown", error.args, repr(error.__context__))
finally:
    print("finally", first[:3], globals().get("value"))
