# Kinds of the standard library, and of numpy, that say nothing of themselves. Iterators and managers made in C are read
# and written part by part, as those of itertools are (iterators.py), once a sample was compared. Some are met only
# where their module was imported: those are asked for once an object has said that it cannot be taken apart.

import _string

# --- scanners of re --------------------------------------------------------------------------------

_SCANNER = type(re.compile("").scanner(""))
# Its pattern; four addresses in the text: where it is, and where it begins, goes on and ends; the text; a buffer;
# pos and endpos; then the width of a character, and whether it must go on behind an empty match, in upper halves.
_SCANNER_LAYOUT = "OnnnnO----------nnnn"
_TEXT_START, _TEXT_NEXT, _TEXT_END, _SCANNED, _FIRST_PLACE, _LAST_PLACE, _CHARACTER, _MUST_ADVANCE = 2, 3, 4, 5, 16, 17, 18, 19


def _scanner_is_known():
    if _SCANNER not in LAYOUTS:
        text, pattern = "xx1a22b", re.compile(r"\d*")
        scanner = pattern.scanner(text, 1, 6)
        fits = _SCANNER.__basicsize__ >= 16 + 8 * len(_SCANNER_LAYOUT)
        for advances in (0, 1, 0) if fits else ():
            start = iterator_word(scanner, _TEXT_START)
            seen = [iterator_word(scanner, i) for i in (0, _SCANNED, _FIRST_PLACE, _LAST_PLACE)] + [
                iterator_word(scanner, _TEXT_END) - start, iterator_word(scanner, _CHARACTER) >> 32,
                iterator_word(scanner, _MUST_ADVANCE) >> 32, iterator_word(scanner, _TEXT_NEXT) - start]  # fmt: skip
            if advances or seen[-1] == 1:
                fits = fits and seen == [id(pattern), id(text), 1, 6, 6, 1, advances, 1]
            else:
                fits = fits and seen == [id(pattern), id(text), 1, 6, 6, 1, advances, 3]
            scanner.search()
        while fits and scanner.search():
            pass
        if not fits or iterator_word(scanner, _TEXT_NEXT):
            raise TypeError("this interpreter lays it out in a way that is not known")
        LAYOUTS[_SCANNER] = _SCANNER_LAYOUT
    return True


def _reduce_scanner(scanner):
    _scanner_is_known()
    (pattern,), (text,) = iterator_part(scanner, 0), iterator_part(scanner, _SCANNED)
    width, place = iterator_word(scanner, _CHARACTER) >> 32, iterator_word(scanner, _TEXT_NEXT)
    place = (place - iterator_word(scanner, _TEXT_START)) // width if place else None
    made = pattern, text, iterator_word(scanner, _FIRST_PLACE), iterator_word(scanner, _LAST_PLACE)
    return make_scanner, made, (place, iterator_word(scanner, _MUST_ADVANCE) >> 32), None, None, fill_scanner


def make_scanner(pattern, text, pos, endpos):
    return re.Pattern.scanner(pattern, text, pos, endpos)


def fill_scanner(scanner, state):
    """Where it goes on, if it does, and whether it must go on behind an empty match."""
    _scanner_is_known()
    place, advances = state
    if place is not None:
        width, place = iterator_word(scanner, _CHARACTER) >> 32, int(place)
        address = iterator_word(scanner, _TEXT_START) + place * width
        if place < 0 or address > iterator_word(scanner, _TEXT_END):
            raise TypeError("a scanner is outside of its text")
    set_iterator_part(scanner, _TEXT_NEXT, 0 if place is None else address)
    set_iterator_part(scanner, _MUST_ADVANCE, iterator_word(scanner, _MUST_ADVANCE) & 0xFFFFFFFF | bool(advances) << 32)


# --- iterators of string.Formatter -----------------------------------------------------------------

_FIELDS, _FIELD_NAMES = type(_string.formatter_parser("")), type(_string.formatter_field_name_split("")[1])
# The text, twice; where they are in it and where that ends; of names the place behind what was read.
_FIELD_LAYOUTS = {_FIELDS: "O-nn", _FIELD_NAMES: "O-nnn"}


def _fields_are_known(cls):
    if cls not in LAYOUTS:
        text = "a.b{c}.d"
        if cls is _FIELDS:
            sample, words = _string.formatter_parser(text), (0, 8)
            after = (6, 8)
        else:
            sample, words = _string.formatter_field_name_split(text)[1], (1, 8, 1)
            after = (1, 8, 6)
        fits = cls.__basicsize__ >= 16 + 8 * len(_FIELD_LAYOUTS[cls])
        for wanted in (words, after) if fits else ():
            seen = tuple(iterator_word(sample, i) for i in range(len(wanted) + 2))
            fits = fits and seen == (id(text), id(text), *wanted)
            next(sample)
        if not fits:
            raise TypeError("this interpreter lays it out in a way that is not known")
        LAYOUTS[cls] = _FIELD_LAYOUTS[cls]
    return 4 if cls is _FIELD_NAMES else 2


def _reduce_fields(it):
    place = _fields_are_known(type(it))
    return make_fields, (*iterator_part(it, 0), type(it) is _FIELD_NAMES), iterator_part(it, place), None, None, fill_fields


def make_fields(text, names):
    return _string.formatter_field_name_split(text)[1] if names else _string.formatter_parser(text)


def fill_fields(it, place):
    """Where it goes on."""
    word = _fields_are_known(type(it))
    if not 0 <= place <= iterator_part(it, 3):
        raise TypeError("an iterator over the fields of a text is outside of it")
    set_iterator_part(it, word, place)


# --- threading.local -------------------------------------------------------------------------------


def _reduce_local(local):
    """What the thread that is captured has in it."""
    return make_local, (), dict(local.__dict__)


def make_local():
    return _thread._local()


def _reduce_local_of(local):
    """Of a class of the program's: also the arguments with which each thread's `__init__` is called, and which only the
    garbage collector sees."""
    cls = type(local)
    if slot_names(cls):
        raise TypeError("what its slots hold is all threads': use attributes, or a class without __slots__")
    state = dict(_thread._local.__dict__["__getattribute__"](local, "__dict__"))
    parts = gc.get_referents(local)
    args = next((part for part in parts if type(part) is tuple), ())
    named = (part for part in parts if type(part) is dict and part and all(type(name) is str for name in part))
    return make_local_of, (cls, args, next(named, None)), state, None, None, fill_local


def make_local_of(cls, args, kwargs):
    """Without running `__init__` for this thread."""
    return _thread._local.__new__(cls, *args, **kwargs or {})


def fill_local(local, state):
    _thread._local.__dict__["__getattribute__"](local, "__dict__").update(state)


# --- what is met where its module was imported -----------------------------------------------------


def _numpy_errors():
    """numpy's module that keeps how errors are handled, if it keeps that in a context variable."""
    module = sys.modules.get("numpy._core.umath")
    return module if hasattr(module, "_extobj_contextvar") else None


def _reduce_numpy_errors(capsule):
    module, context = _numpy_errors(), contextvars.Context()
    context.run(module._extobj_contextvar.set, capsule)
    try:
        return make_numpy_errors, (context.run(module._get_extobj_dict),)
    except Exception:
        return None  # another capsule


def make_numpy_errors(state):
    return importlib.import_module("numpy._core.umath")._make_extobj(**state)


def reduce_of_library(obj):
    """How an object is taken apart that does not say it itself; None for one that is not known either."""
    cls = type(obj)
    if is_decimal_manager(cls):
        return reduce_decimal_manager(obj)
    if asyncio_is_there() and (reduced := reduce_of_asyncio(obj)):
        return reduced
    if issubclass(cls, _thread._local):
        return _reduce_local_of(obj)
    if _name_of(cls) == "PyCapsule" and _named_module(cls) == "builtins":
        return _numpy_errors() and _reduce_numpy_errors(obj) or reduce_capsule(obj)
    if reduced := reduce_by_name(obj) or reduce_wrapper_below(obj) or reduce_pointer(obj):
        return reduced
    refuse_of_library(cls)
    return None


def sample_of_library(cls):
    """An object of a class that has no name; None if none is known."""
    if is_decimal_manager(cls):
        return decimal_manager()
    return None


_SAMPLES[_SCANNER] = re.compile("").scanner("")
REDUCERS.update(
    {_SCANNER: _reduce_scanner, _FIELDS: _reduce_fields, _FIELD_NAMES: _reduce_fields, _thread._local: _reduce_local}
)
