# Objects of the standard library that say nothing of themselves, or too little, and hold a place or a state. Those whose
# module may not be imported are found by the names of their classes (BY_NAME), once they have said that they cannot be
# taken apart.

# --- views of OrderedDict, and of the namespaces of classes ------------------------------------------

for _view, _part in ((type(getattr(collections.OrderedDict(), name)()), name) for name in ("keys", "values", "items")):
    REDUCERS[_view] = lambda view, name=_part: _ordered_view(view, name)


def _ordered_view(view, name):
    (mapping,) = gc.get_referents(view.mapping)
    return getattr(collections.OrderedDict, name), (mapping,)


def class_of_namespace(mapping):
    """The class that has the dict as its namespace, or None."""
    for value in list(mapping.values()):
        cls = getattr(value, "__objclass__", None) if kind_of(value) in _DESCRIPTORS else None
        if _is(cls, type) and class_namespace(cls) is mapping:
            return cls
    owner = _owner_of_namespace(mapping)
    return owner if _is(owner, type) else None


_DESCRIPTORS = (types.GetSetDescriptorType, types.MemberDescriptorType, *_C_METHODS)


def class_proxy(cls):
    return _dict_of(cls)


def _reduce_mappingproxy(proxy):
    (mapping,) = gc.get_referents(proxy)
    cls = class_of_namespace(mapping) if type(mapping) is dict else None
    return (make_mappingproxy, (mapping,)) if cls is None else (class_proxy, (cls,))


REDUCERS[types.MappingProxyType] = _reduce_mappingproxy


def _reduce_abstract_part(data):
    """What an abstract class has in C code, met in its namespace: that of the class where it is adopted."""
    for names in gc.get_referrers(data):
        cls = class_of_namespace(names) if type(names) is dict and names.get("_abc_impl") is data else None
        if cls is not None:
            return class_member, (cls, "_abc_impl")
    raise TypeError("the abstract class that it belongs to is not found")


REDUCERS[type(abc.ABC.__dict__["_abc_impl"])] = _reduce_abstract_part


# --- containers whose reducers give what is in them to a constructor ----------------------------------


def reduce_set(obj):
    """As that of a list does: it may be among its own items' attributes."""
    return copyreg.__newobj__, (type(obj),), _state(obj, type(obj), False), set.__iter__(obj)


REDUCERS[collections.Counter] = lambda counter: (
    copyreg.__newobj__, (collections.Counter,), counter.__dict__ or None, None, iter(dict.items(counter))
)  # fmt: skip


# --- weakref.finalize --------------------------------------------------------------------------------


def _reduce_finalizer(finalizer):
    found = weakref.finalize._registry.get(finalizer)
    state = found and (found.weakref, found.func, found.args, found.kwargs, found.atexit)
    return make_finalizer, (), state, None, None, fill_finalizer


def make_finalizer():
    """One that was called already."""
    return weakref.finalize.__new__(weakref.finalize)


def fill_finalizer(finalizer, state):
    """If its object travels too: nothing is called for one that stayed behind."""
    if state is None:
        return
    reference, function, args, kwargs, atexit = state
    target = reference()
    if target is not None:
        weakref.finalize.__init__(finalizer, target, function, *args, **(kwargs or {}))
        finalizer.atexit = atexit


REDUCERS[weakref.finalize] = _reduce_finalizer
FINALIZERS = weakref.finalize._registry


def finalizers_waiting():
    """Those of the registry with their objects, except for what the object itself has: that travels with it."""
    found = []
    for finalizer, info in list(FINALIZERS.items()):
        target = referent_of(info.weakref)
        try:
            own = object.__getattribute__(target, "__dict__").values()
        except AttributeError:
            own = ()
        if target is not None and all(value is not finalizer for value in list(own)):
            found.append((finalizer, target))
    return found

# --- csv ---------------------------------------------------------------------------------------------

_CSV_OPTIONS = ("delimiter", "doublequote", "escapechar", "lineterminator", "quotechar", "quoting", "skipinitialspace", "strict")


def _csv_options(dialect):
    return {name: getattr(dialect, name) for name in _CSV_OPTIONS}


def _csv_parts(it):
    """(what it reads from or writes with, its dialect)."""
    held = [part for part in gc.get_referents(it) if not _is(part, type)]
    others = [part for part in held if part is not it.dialect and type(part) is not list]
    if len(others) != 1:
        raise TypeError("what it reads or writes cannot be found")
    return others[0], it.dialect


def _csv():
    return importlib.import_module("csv")


def _count_of_reader(cls):
    """Where a reader counts its lines. Between two rows it holds nothing else."""
    if cls not in LAYOUTS:
        sample = _csv().reader(["a"] * 77)
        for _ in range(77):
            next(sample)
        words = [iterator_word(sample, i) for i in range((cls.__basicsize__ - 16) // 8)]
        if type(sample) is not cls or words.count(77) != 1:
            raise TypeError("this interpreter lays it out in a way that is not known")
        LAYOUTS[cls] = "".join("n" if word == 77 else "-" for word in words)
    return LAYOUTS[cls].index("n")


def _reduce_csv_reader(reader):
    lines = iterator_part(reader, _count_of_reader(type(reader)))
    return make_csv_reader, _csv_parts(reader), lines, None, None, fill_csv_reader


def make_csv_reader(source, dialect):
    return _csv().reader(source, dialect)


def fill_csv_reader(reader, lines):
    if type(reader) is not type(_csv().reader(())):
        raise TypeError("this is no reader")
    set_iterator_part(reader, _count_of_reader(type(reader)), lines)


def _reduce_csv_writer(writer):
    return make_csv_writer, _csv_parts(writer)


def make_csv_writer(write, dialect):
    return _csv().writer(types.SimpleNamespace(write=write), dialect)


def _reduce_csv_dialect(dialect):
    return make_csv_dialect, tuple(_csv_options(dialect).values())


def make_csv_dialect(*options):
    return type(_csv().reader(()).dialect)(**dict(zip(_CSV_OPTIONS, options, strict=True)))


# --- struct.iter_unpack ------------------------------------------------------------------------------


def _reduce_unpacker(it):
    held = gc.get_referents(it)
    formats = [part for part in held if type(part) is _struct.Struct]
    if not formats:
        return make_unpacker, (_struct.Struct("b"), b"", 0)
    buffers = [part for part in held if part is not formats[0] and part is not type(it)]
    if len(buffers) != 1:
        raise TypeError("what it unpacks cannot be found")
    done = memoryview(buffers[0]).nbytes // formats[0].size - operator.length_hint(it)
    return make_unpacker, (formats[0], buffers[0], done)


def make_unpacker(format, buffer, done):
    it = format.iter_unpack(buffer)
    collections.deque(itertools.islice(it, done), 0)
    return it if buffer else _exhausted(it)


REDUCERS[type(_struct.iter_unpack("b", b""))] = _reduce_unpacker

# --- numbers, random numbers, hashes -----------------------------------------------------------------


def _reduce_random(source):
    """With its attributes, which pickle drops: a program may have put a method of its own there."""
    return copyreg.__newobj__, (type(source),), (source.getstate(), dict(source.__dict__)), None, None, fill_random


def fill_random(source, state):
    source.setstate(state[0])
    source.__dict__.update(state[1])


REDUCERS[random.Random] = _reduce_random


_NANS = (("math", "nan"), ("numpy", "nan"))


def name_of_nan(number):
    """What some compare with by identity."""
    for module, name in _NANS:
        if getattr(sys.modules.get(module), name, None) is number:
            return module, name
    return None


def constant_of(module, name):
    if (module, name) not in _NANS:
        raise TypeError("no such constant is known")
    return getattr(importlib.import_module(module), name)


def _new_hash(name, size):
    """A new object of that kind."""
    hashlib = importlib.import_module("hashlib")
    if name in ("blake2b", "blake2s"):
        return getattr(hashlib, name)(digest_size=size)
    return hashlib.new(name)


def _reduce_hash(h):
    """One that was given nothing yet is like any new one: its digest says so. What others were given, their libraries
    keep to themselves."""
    size = h.digest_size
    try:
        new = _new_hash(h.name, size)
        length = () if size else (32,)
        if type(new) is type(h) and new.digest(*length) == h.digest(*length):
            return make_hash, (h.name, size)
    except (TypeError, ValueError):
        pass
    raise TypeError("what it was given so far is known to its library alone; keep the data, and hash them again after the resume")


def make_hash(name, size):
    return _new_hash(name, size)


_CLOSED_KINDS = {
    ("zlib", "Compress"): "what it was given so far is known to zlib alone; flush it before the capture, and begin anew after",
    ("zlib", "Decompress"): "how far it is is known to zlib alone; read from the start again after the resume",
    ("_bz2", "BZ2Compressor"): "what it was given so far is known to bzip2 alone; flush it before the capture",
    ("_bz2", "BZ2Decompressor"): "how far it is is known to bzip2 alone; read from the start again after the resume",
    ("_lzma", "LZMACompressor"): "what it was given so far is known to liblzma alone; flush it before the capture",
    ("_lzma", "LZMADecompressor"): "how far it is is known to liblzma alone; read from the start again after the resume",
    ("_hashlib", "HMAC"): "its key is known to OpenSSL alone; make it anew after the resume",
    ("posix", "ScandirIterator"): "its place in the directory is known to the C library alone; use list(os.scandir(...)) or os.listdir",
    ("posix", "DirEntry"): "it belongs to a look into a directory that stays behind; hold its path",
    ("_tokenize", "TokenizerIter"): "its place in the text is known to the interpreter's tokenizer alone; make a list of its tokens",
    ("_elementtree", "_element_iterator"): "its place in the tree is known to the interpreter alone; make a list of the elements",
    ("builtins", "symtable entry"): "it is the compiler's own; hold the source, and make the table anew",
    ("cProfile", "Profile"): "what it has counted is known to the interpreter alone; hold its statistics (pstats.Stats)",
    ("_lsprof", "Profiler"): "what it has counted is known to the interpreter alone; hold its statistics (getstats())",
    ("_io", "IncrementalNewlineDecoder"): "how it was made cannot be read from it; make it anew after the resume",
    ("builtins", "positions_iterator"): "its place in the code is known to the interpreter alone; make a list of the positions",
    ("builtins", "line_iterator"): "its place in the code is known to the interpreter alone; make a list of the lines",
}  # fmt: skip


_HASHES = ("HASH", "HASHXOF", "blake2b", "blake2s")
BY_NAME = {
    ("_csv", "reader"): _reduce_csv_reader,
    ("_csv", "writer"): _reduce_csv_writer,
    ("_csv", "Dialect"): _reduce_csv_dialect,
    ("random", "SystemRandom"): lambda source: (type(source), ()),
    **{(module, name): _reduce_hash for module in ("_hashlib", "_blake2") for name in _HASHES},
}


_CODECS = codecs.StreamReader, codecs.StreamWriter, codecs.StreamReaderWriter, codecs.StreamRecoder


def reduce_by_name(obj):
    """By the name of its class; refuses what keeps its state where nobody can read it. None for any other."""
    name = _named_module(type(obj)), _name_of(type(obj))
    if name in _CLOSED_KINDS:
        raise TypeError(_CLOSED_KINDS[name])
    pickled = sys.modules.get("_pickle")
    if pickled is not None and issubclass(type(obj), (pickled.Pickler, pickled.Unpickler)):
        raise TypeError("what it has met so far is known to the interpreter alone; make it anew, for the same file, after the resume")
    multibyte = sys.modules.get("_multibytecodec")
    if multibyte is not None and type(obj).__basicsize__ > object.__basicsize__:
        for base in (multibyte.MultibyteIncrementalEncoder, multibyte.MultibyteIncrementalDecoder):
            if issubclass(type(obj), base):
                return make_multibyte, (type(obj), base, obj.errors), (base.getstate(obj), obj.__dict__), None, None, fill_multibyte
        if issubclass(type(obj), (multibyte.MultibyteStreamReader, multibyte.MultibyteStreamWriter)):
            raise TypeError("how far it is in a character is known to its codec alone; make it anew, for the same stream, after the resume")
    if issubclass(type(obj), _CODECS):  # they refuse pickle, and are made of attributes
        return copyreg.__newobj__, (type(obj),), dict(obj.__dict__)
    logging = sys.modules.get("logging")
    if logging is not None and _is(obj, logging.Logger):
        return _reduce_logger(obj)
    reduce = BY_NAME.get(name)
    return reduce and reduce(obj)


def make_multibyte(cls, base, errors):
    return base.__new__(cls, errors)


def fill_multibyte(codec, state):
    position, attributes = state
    next(base for base in _mro_of(type(codec)) if _named_module(base) == "_multibytecodec").setstate(codec, position)
    codec.__dict__.update(attributes)


# --- objects whose classes have no name, or that know of their process -------------------------------

_OF_SYS = [name for name in ("version_info", "flags", "float_info", "int_info", "hash_info", "thread_info") if hasattr(sys, name)]
REDUCERS.update({type(getattr(sys, name)): lambda held, name=name: _of_sys(held, name) for name in _OF_SYS})


def _of_sys(held, name):
    if held is not getattr(sys, name):
        raise TypeError(f"it is not sys.{name}, and its class makes no others")
    return getattr, (sys, name)


def _reduce_logger(logger):
    """One that no manager knows is its attributes; others are the adopter's."""
    library = sys.modules["logging"]
    if library.Logger.manager.loggerDict.get(logger.name) is logger:
        return library.getLogger, (logger.name,)
    return copyreg.__newobj__, (type(logger),), dict(logger.__dict__)


def _reduce_logging_manager(manager):
    """The one that knows all loggers is the adopter's, as they are."""
    library = sys.modules["logging"]
    return (getattr, (library.Logger, "manager")) if manager is library.Logger.manager else reduce_by_parts(manager)


def _reduce_pattern(pattern):
    if pattern.pattern is None:
        raise TypeError("it was made of parts, as re.Scanner does, which it does not show")
    return copyreg.dispatch_table[re.Pattern](pattern)


def _reduce_token_scanner(scanner):
    """re.Scanner: its pattern is made of its lexicon."""
    return type(scanner), (scanner.lexicon, scanner.scanner.flags)


def _reduce_row(row):
    return make_row, (row.keys(), tuple(row))


def make_row(names, values):
    """A row of a query that gave just that."""
    sqlite3 = importlib.import_module("sqlite3")
    if not all(type(name) is str for name in names):
        raise TypeError("a name of a column is no text")
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        columns = ", ".join('NULL AS "{}"'.format(name.replace('"', '""')) for name in names)
        return sqlite3.Row(connection.execute(f"SELECT {columns}"), tuple(values))


_JSON_OPTIONS = ("strict", "object_hook", "object_pairs_hook", "parse_float", "parse_int", "parse_constant", "array_hook")


def _reduce_json_scanner(scanner):
    return make_json_scanner, tuple(getattr(scanner, name, None) for name in _JSON_OPTIONS)  # array_hook: from 3.15 on


def make_json_scanner(*options):
    options = types.SimpleNamespace(**dict(zip(_JSON_OPTIONS, options, strict=True)), memo={})
    return importlib.import_module("json.scanner").c_make_scanner(options)


REDUCERS[re.Pattern] = _reduce_pattern
