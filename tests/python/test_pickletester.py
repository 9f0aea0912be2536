"""What the standard library's own tests of pickle put together and take apart comes back from a capture as well.

The objects are those of `test.pickletester`: recursive containers of every kind, subclasses of builtin types, every
hook of the protocol. Left out are tests of what pickle alone has: bytes, protocols, out-of-band arguments, and errors
for kinds that it cannot take apart. An interpreter that was installed without its tests has none to run.
"""

import unittest

import torpor

try:
    from test.pickletester import AbstractPickleTests
except ImportError:

    class AbstractPickleTests:
        """There are none."""


#: They look into the bytes, or at the number of the protocol that hooks were asked with, or want the oldest ones to fail.
OF_BYTES = """
    appends_on_non_lists bad_proto bytearray compat_pickle complex_newobj complex_newobj_ex dict_chunking
    float_format framed_write_sizes_with_delayed_writer framing_large_objects framing_many_objects global_ext1
    global_ext2 global_ext4 in_band_buffers int_pickling_efficiency list_chunking long1 long4
    object_with_private_slots object_with_slots optional_frames pickle_to_2x proto reduce_ex_called
    reduce_ex_calls_base reduce_ex_overrides_reduce set_chunking setitems_on_non_dicts short_tuples simple_newobj
    singletons
"""
#: They want pickle's own errors, its buffer_callback, its Pickler class, or names of Python 2 for exceptions; or that a
#: descriptor cannot travel, or a weak proxy becomes what it refers to and a PickleBuffer bytes.
OF_PICKLE = """
    bad_getattr buffer_callback_error buffers_error buffers_numpy builtin_exceptions c_methods
    concurrent_mutation_in_buffer_with_bytearray concurrent_mutation_in_buffer_with_memoryview
    deep_nested_struct_dict deep_nested_struct_frozendict deep_nested_struct_frozenset deep_nested_struct_list
    deep_nested_struct_set deep_nested_struct_tuple empty_picklebuffer_memoization evil_pickler_mutating_collection
    fast_save_enter_dict fast_save_enter_frozendict fast_save_enter_frozenset fast_save_enter_list
    fast_save_enter_set fast_save_enter_tuple inband_accept_default_buffers_argument local_lookup_error
    newobj_not_class newobj_proxies oob_buffers oob_buffers_writable_to_readonly picklebuffer_error
    picklebuffer_memoization py_methods
"""


def holding(value):
    data = torpor.dumps()
    return data if isinstance(data, bytes) else value


class RoundTrips(AbstractPickleTests, unittest.TestCase):
    __test__ = False  # pytest runs those that are named below
    optimized = False

    def dumps(self, value, proto=None):
        return torpor.run(holding, value)

    def loads(self, data):
        return torpor.loads(data).resume()


LEFT_OUT = {f"test_{name}" for name in (OF_BYTES + OF_PICKLE).split()}
NAMES = [name for name in sorted(dir(RoundTrips)) if name.startswith("test_") and name not in LEFT_OUT]


def test_objects_come_back(stores):
    wrong = []
    for name in NAMES:
        result = unittest.TestResult()
        RoundTrips(name).run(result)
        assert result.testsRun == 1 and not result.skipped, name
        wrong += [f"{case}\n{text}" for case, text in result.errors + result.failures]
    assert not wrong, "\n".join(wrong)


def test_most_of_them_are_run():
    """Those that are left out are still there under their names."""
    there = {name for name in dir(AbstractPickleTests) if name.startswith("test_")}
    assert len(NAMES) >= (60 if there else 0) and NAMES == sorted(there - LEFT_OUT)
