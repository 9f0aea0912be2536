"""Which parts of CPython's own test suite are run, and how refusals are counted."""

import dis
import importlib
import re
import types
import unittest
import warnings

WHAT = {"benchmarks": "benchmarks", "requests": "benchmarks", "chains": "benchmarks", "cpython": "tests of CPython", "libraries": "programs over libraries"}

MODULES = """
    test_augassign test_bool test_class test_compare test_contextlib test_coroutines test_decorators test_descr
    test_dict test_dictcomps test_dictviews test_enumerate test_exceptions test_extcall test_functools test_generators
    test_genexps test_grammar test_itertools test_keywordonlyarg test_list test_listcomps test_named_expressions
    test_patma test_property test_raise test_scope test_set test_setcomps test_sort test_string_literals test_super
    test_tuple test_unpack test_unpack_ex test_userdict test_userlist test_with test_yield_from test_fstring
    test_iter test_slice test_range test_deque test_heapq test_bisect test_copy test_dataclasses test_enum
    test_operator test_collections test_defaultdict test_ordered_dict test_positional_only_arg test_types test_opcodes
    test_int test_float test_complex test_bytes test_numeric_tower test_fractions test_string test_textwrap
    test_exception_group test_except_star test_exception_hierarchy test_funcattrs test_isinstance test_metaclass
    test_asyncgen test_pow test_long test_baseexception test_binop test_call test_builtin test_global test_nonlocal
    test_index test_iterlen test_length_hint test_typechecks test_subclassinit test_syntax test_tokenize
    test_random test_json test_reprlib test_pprint test_queue test_abc test_typing test_graphlib
    test_contextlib_async test_context test_weakref test_sched test_calendar test_html test_csv
""".split()

#: Run on demand only (`run.py --more`): some 9,000 methods.
MORE = """
    test_asyncio.test_context test_asyncio.test_futures2 test_asyncio.test_locks test_asyncio.test_queues
    test_asyncio.test_taskgroups test_asyncio.test_timeouts test_asyncio.test_waitfor test_argparse test_array test_atexit
    test_base64 test_binascii test_buffer test_cmath test_cmd test_code test_codecs test_codeop test_colorsys test_compile
    test_configparser test_contains test_copyreg test_decimal test_difflib test_dis test_dynamicclassattribute
    test_email.test_email test_email.test_message test_email.test_headerregistry test_email.test_policy test_errno
    test_fnmatch test_format test_genericalias test_getopt test_gzip test_hash test_hashlib test_hmac test_http_cookies
    test_importlib.test_abc test_ipaddress test_keyword test_linecache test_math test_memoryio test_memoryview
    test_mimetypes test_minidom test_ntpath test_optparse test_peepholer test_pickletools test_platform test_plistlib
    test_posixpath test_print test_pulldom test_pyclbr test_quopri test_re test_robotparser test_sax test_secrets test_shlex
    test_statistics test_str test_strptime test_strtod test_struct test_structseq test_symtable test_time test_traceback
    test_type_aliases test_type_annotations test_type_comments test_type_params test_ucn test_unicodedata
    test_unittest.test_case test_unparse test_urllib test_urlparse test_uuid test_weakset test_xml_etree test_zlib
""".split()

#: What a test uses that looks at its process or changes it, which does not travel: warnings filters, streams in the
#: place of others, files, modules in the place of others, limits; and the numbers of objects in texts. Garbage that was
#: not collected yet is of the process too: nothing that travels leads to it, so its __del__ does not run again
#: (check_free_after_iterating; from 3.13 on an empty list is held by its exhausted reversed iterator, in a cycle).
PROCESS = frozenset("""
    assertWarns assertWarnsRegex assertWarnsMessage assertNotWarned catch_warnings check_warnings check_syntax_warning
    simplefilter check_no_warnings captured_stdout captured_stderr captured_output captured_stdin redirect_stdout
    redirect_stderr swap_attr swap_item patch TESTFN unlink TemporaryFile NamedTemporaryFile TemporaryDirectory temp_dir
    open mkdir assert_python_ok assert_python_failure replaced_module catch_unraisable_exception unraisablehook
    setrecursionlimit set_recursion_limit settrace setprofile infinite_recursion adjust_int_max_str_digits globals
    set_int_max_str_digits check_sizeof getrefcount collect gc_collect import_fresh_module firstweekday setfirstweekday
    environ chdir setlocale run_with_locale start_threads Thread threading getframe _getframe tb_frame id check_free_after_iterating
    extract_stack getsizeof callLst set_coroutine_origin_tracking_depth
""".split())  # fmt: skip

#: Classes and methods that do so in what they share, or whose objects lose something when pickle takes them apart too:
#: whatever hashes or compares by raising. The last ones keep what hash() gave, which is another number in another
#: process, or count how often their object is asked for its state: a capture asks as well. copy.deepcopy has dicts that
#: are keyed by id(); functools written in Python is a module in the place of another; Fraction's own __reduce__ makes plain
#: numbers of what it is given; a builtin is replaced by one that cannot take what others give it; a stack is as deep as
#: the limit, in another process deeper; a `__reduce__` or a hash is wrong by intention; a text has the address of an object,
#: or is one with that of a module's function; typing's caches give an equal object that was made earlier; what a class of
#: the module has (`gen`) has gone on; classes are those of a fresh copy of an importable module; numbers are told from their
#: equals by identity; a function of an importable module is assigned another one; it waits for the clock, or longer than others;
#: sys.argv, the environment, loggers, the policy of event loops or an importable module's class are changed; a file's number is
#: passed on; a released memoryview knows the hash that it had; a traceback shows locals of frames that are over.
LEFT_OUT = (
    "test_calendar", "test_reprlib.LongReprTest", "test_functools.TestPartialMethod", "test_functools.TestCachedProperty.test_access_from_class",
    "test_asyncgen.TestUnawaitedWarnings", "test_int.PyLongModuleTests", "test_queue.",
    "test_deque.TestSubclass.test_bug_31608", "test_dict.DictTest.test_pop", "test_userdict.UserDictTest.test_pop",
    "test_fractions.FractionTest.testBool", "test_fractions.FractionTest.testImmutable", "test_functools.TestPartialPySubclass.test_repr",
    "test_functools.TestPartialCSubclass.test_repr", "test_functools.TestPartialC.test_repr",
    "test_functools.TestPartialPy.test_repr", "test_named_expressions.NamedExpressionScopeTest",
    "test_ordered_dict.PurePython", "test_ordered_dict.PySimple",
    "test_types.UnionTests.test_hash", "test_copy.TestCopy.test_copy_reduce", "test_copy.TestCopy.test_deepcopy_reduce",
    "test_copy.TestCopy.test_reconstruct_reflexive", "test_functools.TestPartialPy",
    "test_numeric_tower.HashTest.test_fractions", "test_class.ClassTests.testClassCallRecursionLimit",
    "test_functools.TestLRUPy", "test_functools.TestLRUC.test_lru_reentrancy_with_len",
    "test_functools.TestSingleDispatch.test_c_classes", "test_sched.TestCase.test_enter", "test_sort.TestOptimizedCompares",
    "test_tokenize.TestTokenize.test_tokenize", "test_reprlib.TestRecursiveRepr.test_assigned_attributes", "test_copy.TestCopy.test_reduce_6tuple",
    "test_dict.DictTest.test_getitem", "test_dict.DictTest.test_setdefault", "test_typing.GenericTests.test_parameter_added_after_parameters_cached",
    "test_typing.TypeVarTuplePicklingTests", "test_descr.DictProxyTests.test_repr",
    "test_types.UnionTests.test_or_type_operator_with_forward", "test_set.TestBinaryOpsMutating",
    "test_asyncio.test_runners", "test_hmac.TestVectorsTestCase.test_with_fallback", "test_memoryview.BytesMemorySliceSliceTest.test_hash",
    "test_ntpath.TestNtpath.test_expandvars", "test_ntpath.TestNtpath.test_isfile", "test_optparse.TestProgName",
    "test_pickletools.OptimizedPickleTests.test_reduce_ex", "test_pickletools.OptimizedPickleTests.test_unpickleable", "test_posixpath.PosixCommonTest.test_expandvars",
    "test_statistics.TestKDE", "test_statistics.TestNormalDistPython", "test_traceback.PurePythonSuggestion",
    "test_unittest.test_case.Test_TestCase.testAssertNoLogs", "test_urllib.urlopen",
    "test_random.MersenneTwister_TestBasicOps", "test_descr.ClassPropertiesAndMethods.test_str_subclass_as_dict_key", "test_pprint.QueryTestCase.test_sort_orderable_and_unorderable_values",
)  # fmt: skip


def of_process(kind, method):
    """Whether a test depends on what its process has, or the class's own preparations do."""
    name = f"{kind.__module__.removeprefix('test.')}.{kind.__qualname__}.{method}"
    if name.startswith(LEFT_OUT):
        return True
    seen = names = {method, "setUp", "tearDown"}
    while names:  # its own helpers too
        codes = [f.__code__ for f in (getattr(kind, name, None) for name in names)
                 if isinstance(f, types.FunctionType) and f.__module__.startswith("test.")]  # fmt: skip
        names = set()
        while codes:
            code = codes.pop()
            if not PROCESS.isdisjoint(code.co_names) or stores_global(code):
                return True
            codes += [c for c in code.co_consts if type(c) is type(code)]
            names |= set(code.co_names) - seen
        seen = seen | names
    return False


def stores_global(code):
    return not {dis.opmap["STORE_GLOBAL"], dis.opmap["DELETE_GLOBAL"]}.isdisjoint(code.co_code[::2])


def own(kind):
    """Whether a test case prepares its class, an object of an importable module: what it does there stays behind."""
    return getattr(kind.setUpClass, "__func__", None) is not unittest.TestCase.setUpClass.__func__


def methods(version, more=False):
    """The test methods of these modules, as unittest names them; with `more`, those of MORE."""

    def walk(suite):
        for item in suite:
            if isinstance(item, unittest.TestSuite):
                yield from walk(item)
            elif type(item).__name__ != "_FailedTest":
                yield item

    found = []
    for name in MORE if more else MODULES:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about their syntax, where nobody compiled them before
                module = importlib.import_module(f"test.{name}")
        except (ImportError, unittest.SkipTest):
            continue
        for name, value in list(vars(module).items()):
            if isinstance(value, type) and issubclass(value, unittest.TestCase) and value.__qualname__ == name \
                    and not own(value):
                found += walk(unittest.defaultTestLoader.loadTestsFromTestCase(value))
    return sorted({test.id() for test in found if not of_process(type(test), test._testMethodName)})


def cause(reason):
    """The refusal in few words: what stood in the way, without where and in whose words."""
    if "which it reached by calling" in reason:
        return "C code between two frames: " + re.search(r"by calling ([^ ;]+ \(\w+\))", reason)[1]
    if "which it reached by" in reason:
        return "C code between two frames: " + re.search(r"which it reached by (?:[^;()]*\()?(\w+)", reason)[1]
    found = re.search(r"\b(an? [\w.<>]+) cannot be captured", reason)
    return found[1] if found else re.sub(r"^[^ ]*: ", "", reason.split("\n")[0])[:90]
