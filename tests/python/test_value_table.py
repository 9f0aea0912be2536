"""Every kind of value that frames hold comes back as it was in a process that has neither the script nor its modules,
or is refused with its path and a reason.

The rows are in tests/values/rows; tests/values/run.py runs them and prints the table.
"""

import ast
import collections
import importlib.util
import pathlib

import pytest

VALUES = pathlib.Path(__file__).parents[1] / "values"
specification = importlib.util.spec_from_file_location("values_run", VALUES / "run.py")
values = importlib.util.module_from_spec(specification)
specification.loader.exec_module(values)

#: The kinds that the study of values listed, by section.
KINDS = dict(control=17, callable=24, module=6, iterator=39, itertools=21, data=28, resource=39, numpy=14, **{"class": 13})


@pytest.fixture(scope="module")
def results(show_table):
    results = values.run_all()
    show_table(values.table(results))
    return results


def test_no_row_goes_wrong(results):
    bad = [f"{r.row}: {r.outcome}\n{r.detail}" for r in results if r.outcome not in ("right", "refused")]
    assert not bad, "\n".join(["", *bad])


def test_outcomes_are_the_recorded_ones(results):
    found = values.complaints([r for r in results if r.outcome in ("right", "refused")])
    assert not found, "\n".join(["", *found])


def test_every_kind_has_a_row(results):
    count = collections.Counter(r.row.split(".")[0] for r in results if not r.extra)
    assert count == KINDS
    assert sum(r.outcome == "right" for r in results if not r.extra) >= 180


@pytest.mark.parametrize("section", values.sections())
def test_rows_ask_something_after_the_pause(section):
    """A row without a question would be right whatever came back. Rows that are made in a loop share a body."""
    for function in (n for n in ast.walk(ast.parse((VALUES / "rows" / f"{section}.py").read_text())) if isinstance(n, ast.FunctionDef)):
        nodes = [n for n in ast.walk(function) if hasattr(n, "lineno")]
        pauses = [n.lineno for n in nodes if isinstance(n, ast.Call) and ast.unparse(n.func) == "pause"]
        questions = [n.lineno for n in nodes if isinstance(n, ast.Assert)]
        if pauses:
            assert questions and max(questions) > pauses[0], f"{section}: line {function.lineno}"
