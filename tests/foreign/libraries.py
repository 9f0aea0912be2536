"""Programs over well-known libraries: what is imported, and the body of a function in `__main__`, for its result.

They are stopped at random lines of the libraries, most of which were never written to be stopped. Not among them are libraries
that keep what they do in objects of their own modules (mpmath's precision, loguru's handlers), which stays the adopter's unless
`state=` brings it, in the environment (typer), or that lose it when their objects are pickled (pint, sqlglot, matplotlib).
"""

JOBS = {
    "anyio": (
        "import anyio",
        """
        out = []
        async def child(n, s):
            await anyio.sleep(0)
            out.append(n)
            async with s:
                await s.send(n)
        async def main():
            send, rec = anyio.create_memory_object_stream(5)
            async with anyio.create_task_group() as tg:
                for i in range(3):
                    tg.start_soon(child, i, send.clone())
                send.close()
            with anyio.move_on_after(5) as scope:
                async with rec:
                    async for x in rec:
                        out.append(-x)
            return scope.cancelled_caught
        r = anyio.run(main)
        return sorted(out), r
        """,
    ),
    "attrs": (
        "import attrs, cattrs",
        """
        @attrs.define(order=True)
        class P:
            x: int = attrs.field(converter=int, validator=attrs.validators.ge(0))
            y: list[int] = attrs.field(factory=list, eq=False)
            @y.validator
            def check(self, attribute, value):
                if len(value) > 3:
                    raise ValueError("long")
        p = P("3", [1])
        q = attrs.evolve(p, x=4)
        try:
            P(-1)
        except ValueError as e:
            err = type(e).__name__
        c = cattrs.Converter()
        return p, q, p < q, attrs.asdict(q), err, c.structure({"x": 2, "y": ["3"]}, P), c.unstructure(p)
        """,
    ),
    "blinker": (
        "import blinker, pluggy",
        """
        s = blinker.signal("x")
        got = []
        @s.connect
        def h(sender, **kw):
            got.append((sender, kw))
        s.send("me", a=1)
        spec, impl = pluggy.HookspecMarker("p"), pluggy.HookimplMarker("p")
        class S:
            @spec
            def hook(self, a):
                pass
        class P1:
            @impl
            def hook(self, a):
                return a + 1
        class P2:
            @impl(wrapper=True)
            def hook(self, a):
                r = yield
                return [x * 10 for x in r]
        pm = pluggy.PluginManager("p")
        pm.add_hookspecs(S)
        pm.register(P1())
        pm.register(P2())
        return got, pm.hook.hook(a=3)
        """,
    ),
    "bs4": (
        "import bs4",
        """
        s = bs4.BeautifulSoup(
            "<html><body><p class=a>x<b>y</b></p><p>z</p><ul><li>1<li>2</ul></body></html>", "html.parser"
        )
        return (
            [p.text for p in s.find_all("p")],
            s.select("p.a > b")[0].text,
            s.prettify()[:200],
            [str(t) for t in s.ul.children],
        )
        """,
    ),
    "cerberus": (
        "import cerberus",
        """
        v = cerberus.Validator(
            {"n": {"type": "integer", "min": 3, "coerce": int}, "l": {"type": "list", "schema": {"type": "string"}}}
        )
        return v.validate({"n": "2", "l": ["a", 3]}), v.errors, v.normalized({"n": "5"})
        """,
    ),
    "click": (
        "import click; from click.testing import CliRunner",
        """
        @click.group()
        @click.option("--debug/--no-debug", default=False)
        @click.pass_context
        def cli(ctx, debug):
            ctx.obj = {"debug": debug}
        @cli.command()
        @click.argument("names", nargs=-1)
        @click.option("-n", type=click.IntRange(1, 5), default=2, show_default=True)
        @click.pass_obj
        def hello(obj, names, n):
            out.append((obj, names, n))
        out = []
        cli.main(["--debug", "hello", "a", "b", "-n", "3"], standalone_mode=False)
        try:
            cli.main(["hello", "-n", "9"], standalone_mode=False)
        except click.BadParameter as e:
            out.append(e.format_message())
        with click.Context(hello, info_name="hello") as ctx:
            out.append(hello.get_help(ctx))
        return out
        """,
    ),
    "deap": (
        "import random; from deap import base, creator, tools, algorithms",
        """
        random.seed(5)
        creator.create("F", base.Fitness, weights=(1.0,))
        creator.create("I", list, fitness=creator.F)
        tb = base.Toolbox()
        tb.register("bit", random.randint, 0, 1)
        tb.register("ind", tools.initRepeat, creator.I, tb.bit, 12)
        tb.register("pop", tools.initRepeat, list, tb.ind)
        tb.register("evaluate", lambda i: (sum(i),))
        tb.register("mate", tools.cxTwoPoint)
        tb.register("mutate", tools.mutFlipBit, indpb=0.1)
        tb.register("select", tools.selTournament, tournsize=3)
        pop, log = algorithms.eaSimple(tb.pop(8), tb, 0.5, 0.2, 3, verbose=False)
        return [list(p) for p in pop], [r["nevals"] for r in log]
        """,
    ),
    "docutils": (
        "import docutils.core",
        """
        return docutils.core.publish_string(
            "Title\\n=====\\n\\ntext *a* **b** ``c``\\n\\n- x\\n- y\\n\\n.. note:: hi\\n\\n====  ===\\na     b\\n====  ===\\n1     2\\n====  ===\\n",
            writer_name="html5",
            settings_overrides={"embed_stylesheet": False, "_disable_config": True},
        ).decode()[-700:]
        """,
    ),
    "html5lib": (
        "import html5lib",
        """
        d = html5lib.parse("<p>a<b>c</b><table><tr><td>x</table>", treebuilder="etree")
        return html5lib.serialize(d, tree="etree"), [e.tag for e in d.iter()]
        """,
    ),
    "injector": (
        "import injector",
        """
        class Conf:
            def __init__(self):
                self.n = 3
        class Svc:
            @injector.inject
            def __init__(self, c: Conf):
                self.c = c
        def bind(b):
            b.bind(Conf, to=Conf, scope=injector.singleton)
        i = injector.Injector([bind], auto_bind=True)
        return i.get(Svc).c is i.get(Svc).c, i.get(Svc).c.n
        """,
    ),
    "jinja": (
        "import jinja2",
        """
        env = jinja2.Environment(
            loader=jinja2.DictLoader(
                {
                    "a": "{% extends 'b' %}{% block x %}{% for i in items if i %}{{ loop.index }}:{{ i|upper }},{% else %}none{% endfor %}{% endblock %}",
                    "b": "<{% block x %}{% endblock %}>{% macro m(a, b=2) %}{{ a + b }}{% endmacro %}{{ m(3) }}",
                }
            ),
            autoescape=True,
        )
        return env.get_template("a").render(items=["a", "", "<b>"]), env.from_string(
            "{{ x|tojson }} {{ y|groupby('k')|list|length }}"
        ).render(x={"a": 1}, y=[{"k": 1}, {"k": 2}])
        """,
    ),
    "jsonschema": (
        "import jsonschema",
        """
        s = {
            "type": "object",
            "properties": {
                "a": {"type": "integer", "minimum": 2},
                "b": {"type": "array", "items": {"$ref": "#/$defs/s"}},
            },
            "required": ["a"],
            "$defs": {"s": {"type": "string", "pattern": "^x"}},
        }
        v = jsonschema.Draft202012Validator(s)
        return (
            sorted(e.message for e in v.iter_errors({"a": 1, "b": ["x", "y", 3]})),
            v.is_valid({"a": 3}),
            sorted(e.message for e in v.iter_errors({})),
        )
        """,
    ),
    "lark": (
        "import lark",
        """
        p = lark.Lark(
            'start: expr\\n?expr: term (("+"|"-") term)*\\n?term: NUMBER | "(" expr ")"\\n%import common.NUMBER\\n%import common.WS\\n%ignore WS',
            parser="lalr",
        )
        e = lark.Lark('start: "a"* "b" "a"*')
        return str(p.parse("1 + (2 - 3)")), str(e.parse("aaba"))
        """,
    ),
    "markdown": (
        "import markdown",
        """
        return markdown.markdown(
            "# T\\n\\ntext *a* **b** `c`\\n\\n- x\\n- y\\n\\n1. q\\n\\n> z\\n\\n    code\\n\\n[l](http://x)\\n",
            extensions=["tables", "fenced_code", "toc"],
        )
        """,
    ),
    "markdown_it": (
        "import markdown_it",
        """
        return (
            markdown_it.MarkdownIt("commonmark")
            .enable("table")
            .render("# T\\n\\ntext *a* **b** `c`\\n\\n- x\\n- y\\n\\n|a|b|\\n|-|-|\\n|1|2|\\n\\n> z\\n\\n[l](http://x)\\n")
        )
        """,
    ),
    "marshmallow": (
        "import marshmallow as ma",
        """
        class Inner(ma.Schema):
            n = ma.fields.Int(required=True)
        class S(ma.Schema):
            name = ma.fields.Str(validate=ma.validate.Length(max=5))
            at = ma.fields.Date()
            inner = ma.fields.List(ma.fields.Nested(Inner))
            @ma.post_load
            def make(self, data, **kw):
                return sorted(data.items(), key=str)
        try:
            S().load({"name": "toolong", "inner": [{}]})
        except ma.ValidationError as e:
            errors = e.messages
        return (
            S().load({"name": "a", "at": "2020-01-02", "inner": [{"n": "3"}]}),
            errors,
            S().dump({"name": "q", "inner": [{"n": 1}]}),
        )
        """,
    ),
    "mistune": (
        "import mistune",
        """
        md = mistune.create_markdown(plugins=["table", "strikethrough", "footnotes"])
        return md("# T\\n\\ntext *a* **b** `c` ~~d~~\\n\\n- x\\n- y\\n\\n|a|b|\\n|-|-|\\n|1|2|\\n\\n> z[^1]\\n\\n[^1]: foot\\n")
        """,
    ),
    "networkx": (
        "import networkx as nx",
        """
        g = nx.gnm_random_graph(25, 60, seed=3)
        for a, b in g.edges:
            g[a][b]["weight"] = (a * 7 + b) % 11 + 1
        p = nx.pagerank(g)
        return (
            sorted(nx.connected_components(g), key=min),
            nx.shortest_path_length(g, 0),
            [round(v, 9) for v in p.values()],
            sorted(nx.minimum_spanning_edges(g, data=False)),
            nx.greedy_color(g),
            nx.is_planar(g),
            list(nx.topological_sort(nx.DiGraph([(1, 2), (2, 3), (1, 3)]))),
        )
        """,
    ),
    "pandas": (
        "import pandas as pd",
        """
        df = pd.DataFrame({"k": list("aabbc"), "v": [1, 2, 3, 4, 5], "w": [0.5, 1.5, None, 2.0, 3.0]})
        g = df.groupby("k").agg({"v": "sum", "w": "mean"})
        m = df.merge(g, left_on="k", right_index=True, suffixes=("", "_g"))
        p = df.pivot_table(index="k", values="v", aggfunc=len)
        r = df.apply(lambda row: row["v"] * 2, axis=1)
        s = df.set_index("k")["v"].rolling(2).sum()
        return (
            g.to_csv(),
            m.to_csv(),
            p.to_csv(),
            r.tolist(),
            s.to_csv(),
            df.describe().round(3).to_csv(),
            [t for t in df.itertuples(index=False)],
            df.to_json(),
        )
        """,
    ),
    "parso": (
        "import parso",
        """
        m = parso.parse("def f(x):\\n    return [i for i in x]\\nclass A: pass\\n")
        g = parso.load_grammar()
        return m.get_code(), [c.type for c in m.children], [e.message for e in g.iter_errors(g.parse("x = = 3\\n"))]
        """,
    ),
    "pydantic": (
        "import pydantic; from typing import Optional",
        """
        class A(pydantic.BaseModel):
            n: int
            s: Optional[str] = None
            @pydantic.field_validator("n")
            @classmethod
            def check(cls, v):
                if v < 0:
                    raise ValueError("neg")
                return v
        class B(pydantic.BaseModel):
            many: list[A]
        b = B.model_validate({"many": [{"n": "3"}, {"n": 4, "s": "x"}]})
        try:
            A(n=-1)
        except pydantic.ValidationError as e:
            err = e.error_count()
        return b.model_dump_json(), err, sorted(B.model_json_schema())
        """,
    ),
    "pyflakes": (
        "import pyflakes.api, pyflakes.checker, ast",
        """
        src = (
            "import os, sys\\ndef f(a):\\n    b = 1\\n    return c\\nclass A:\\n    def g(self): return [x for x in y]\\n"
        )
        w = pyflakes.checker.Checker(ast.parse(src), "f.py")
        return sorted(str(m) for m in w.messages)
        """,
    ),
    "pygments": (
        "import pygments, pygments.lexers, pygments.formatters",
        """
        code = "def f(x):\\n    return [i**2 for i in range(x) if i % 2]  # c\\nclass A: pass\\n"
        return pygments.highlight(code, pygments.lexers.PythonLexer(), pygments.formatters.HtmlFormatter()), len(
            pygments.highlight(
                '{"a": [1, 2.5, null]}', pygments.lexers.JsonLexer(), pygments.formatters.TerminalFormatter()
            )
        )
        """,
    ),
    "pyparsing": (
        "import pyparsing as pp",
        """
        integer = pp.Word(pp.nums).set_parse_action(lambda t: int(t[0]))
        expr = pp.infix_notation(integer, [("*", 2, pp.OpAssoc.LEFT), ("+", 2, pp.OpAssoc.LEFT)])
        return (
            expr.parse_string("1+2*3+4").as_list(),
            pp.Dict(pp.Group(pp.Word(pp.alphas) + pp.Suppress("=") + integer)[1, ...])
            .parse_string("a=1 b=2")
            .as_dict(),
        )
        """,
    ),
    "pyrsistent": (
        "import pyrsistent as pr, immutables, frozendict, bitarray, wrapt",
        """
        m = pr.pmap({"a": 1})
        v = pr.v(1, 2, 3)
        f = pr.freeze({"a": [1, {"b": 2}]})
        class R(pr.PRecord):
            x = pr.field(type=int, mandatory=True)
            y = pr.field(initial=3)
        class O(wrapt.ObjectProxy):
            pass
        @wrapt.decorator
        def deco(wrapped, instance, args, kw):
            return wrapped(*args, **kw) + 1
        @deco
        def g(a):
            return a * 2
        return (
            m.set("b", 2)["b"],
            v.append(4)[-1],
            pr.thaw(f.transform(["a", 0], 9)),
            R(x=1).set(y=4).y,
            immutables.Map(a=1).set("b", 2)["b"],
            g(4),
            O([1, 2])[1],
            bitarray.bitarray("101").count(),
        )
        """,
    ),
    "requests": (
        "import requests",
        """
        s = requests.Session()
        s.cookies.set("a", "b")
        s.headers["x"] = "1"
        p = s.prepare_request(requests.Request("POST", "http://h/x?y=1", json={"q": [1]}, params={"z": "2"}))
        class Adapter(requests.adapters.BaseAdapter):
            def send(self, request, **kw):
                r = requests.Response()
                r.status_code = 200
                r._content = b'{"ok": true}'
                r.url = request.url
                r.request = request
                r.raw = None
                return r
            def close(self):
                pass
        s.mount("http://", Adapter())
        return p.url, dict(p.headers), s.get("http://h/").json()
        """,
    ),
    "rich": (
        "import rich.console, rich.table, rich.markdown, rich.syntax, io",
        """
        c = rich.console.Console(
            file=io.StringIO(),
            width=60,
            force_terminal=True,
            color_system="truecolor",
            legacy_windows=False,
            _environ={},
        )
        t = rich.table.Table(title="T")
        t.add_column("a", style="red")
        t.add_column("b", justify="right")
        for i in range(3):
            t.add_row(str(i), f"[bold]{i*i}[/]")
        c.print(t)
        c.print(rich.markdown.Markdown("# H\\n- x\\n- **y**"))
        c.print({"a": [1, 2, {"b": None}]})
        return c.file.getvalue()
        """,
    ),
    "scipy": (
        "import scipy.optimize as so, scipy.integrate as si, numpy as np",
        """
        r = so.minimize(lambda x: (x[0] - 1) ** 2 + (x[1] + 2) ** 2, [0.0, 0.0], method="Nelder-Mead")
        b = so.brentq(lambda x: x**3 - 2, 0, 2)
        s = si.solve_ivp(lambda t, y: [-y[0], y[0]], (0, 1), [1.0, 0.0], rtol=1e-6)
        m = so.differential_evolution(lambda x: float(np.sum(x**2)), [(-1, 1)] * 2, seed=3, maxiter=5)
        return r.x.round(3).tolist(), round(b, 9), s.y[:, -1].round(6).tolist(), m.x.round(4).tolist()
        """,
    ),
    "simpy": (
        "import simpy, random",
        """
        random.seed(3)
        log = []
        def car(env, name, st):
            yield env.timeout(random.randint(0, 5))
            with st.request() as r:
                got = yield r | env.timeout(4)
                if r in got:
                    yield env.timeout(3)
                    log.append((name, env.now))
                else:
                    log.append((name, "left", env.now))
        env = simpy.Environment()
        st = simpy.Resource(env, 2)
        for i in range(8):
            env.process(car(env, i, st))
        env.run()
        return log
        """,
    ),
    "sklearn": (
        "import numpy as np; from sklearn.linear_model import LogisticRegression; from sklearn.pipeline import make_pipeline; from sklearn.preprocessing import StandardScaler; from sklearn.tree import DecisionTreeClassifier; from sklearn.model_selection import cross_val_score",
        """
        rng = np.random.RandomState(0)
        X = rng.randn(60, 3)
        y = (X[:, 0] + X[:, 1] > 0).astype(int)
        m = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
        return (
            m.predict(X[:8]).tolist(),
            cross_val_score(DecisionTreeClassifier(random_state=0), X, y, cv=3).round(4).tolist(),
        )
        """,
    ),
    "stats": (
        "import statsmodels.api as sm, numpy as np, patsy",
        """
        rng = np.random.default_rng(1)
        x = rng.normal(size=(30, 2))
        y = x @ [1.0, 2.0] + rng.normal(size=30) * 0.1
        r = sm.OLS(y, sm.add_constant(x)).fit()
        d = patsy.dmatrix("a + C(b)", {"a": [1, 2, 3], "b": ["x", "y", "x"]})
        return r.params.round(4).tolist(), d.shape
        """,
    ),
    "structlog": (
        "import structlog, io",
        """
        o = io.StringIO()
        l = structlog.wrap_logger(
            structlog.PrintLogger(o),
            processors=[structlog.processors.add_log_level, structlog.processors.KeyValueRenderer(sort_keys=True)],
        )
        l.bind(a=1).info("ev", b=2)
        l.new(c=3).warning("w")
        return o.getvalue()
        """,
    ),
    "sympy": (
        "import sympy",
        """
        x, y = sympy.symbols("x y")
        e = sympy.expand((x + y) ** 4 * (x - y))
        f = sympy.factor(e)
        s = sympy.solve(x**2 - 3 * x + 2, x)
        i = sympy.integrate(x * sympy.exp(x), x)
        d = sympy.diff(sympy.sin(x) * x**2, x)
        return str(f), s, str(i), str(d), str(sympy.simplify(sympy.sin(x) ** 2 + sympy.cos(x) ** 2))
        """,
    ),
    "tinydb": (
        "import tinydb, tinydb.storages",
        """
        db = tinydb.TinyDB(storage=tinydb.storages.MemoryStorage)
        db.insert_multiple({"n": i, "s": "ab"[i % 2]} for i in [1, 2, 3, 4])
        Q = tinydb.Query()
        db.update({"z": 1}, Q.n > 2)
        return db.search((Q.n >= 2) & (Q.s == "a")), db.count(Q.z.exists()), db.remove(Q.n == 1), len(db)
        """,
    ),
    "tomlkit": (
        "import tomlkit",
        """
        d = tomlkit.parse("a = 1 # c\\n[t]\\nx = ['q', 2]\\n[[arr]]\\nn = 1\\n[[arr]]\\nn = 2\\n")
        d["t"]["y"] = 2020
        d["arr"].append({"n": 3})
        return tomlkit.dumps(d)
        """,
    ),
    "transitions": (
        "import transitions",
        """
        class M:
            log = []
        m = M()
        mc = transitions.Machine(
            m, states=["a", "b", "c"], initial="a", after_state_change=lambda: m.log.append(m.state)
        )
        mc.add_transition("go", "a", "b", conditions=lambda: True)
        mc.add_transition("go", "b", "c", before=lambda: m.log.append("b"))
        m.go()
        m.go()
        try:
            m.go()
        except transitions.MachineError as e:
            m.log.append(str(e)[:20])
        return m.log, m.is_c(), sorted(mc.states)
        """,
    ),
    "voluptuous": (
        "import voluptuous as vol",
        """
        s = vol.Schema(
            {vol.Required("a"): vol.All(int, vol.Range(min=1)), vol.Optional("b", default=3): vol.Any(str, int)}
        )
        try:
            s({"a": 0})
        except vol.MultipleInvalid as e:
            err = str(e)
        return s({"a": 2}), err
        """,
    ),
    "xarray": (
        "import xarray as xr, numpy as np",
        """
        d = xr.Dataset({"t": (("x", "y"), np.arange(6.0).reshape(2, 3))}, coords={"x": [10, 20], "y": list("abc")})
        return (
            d.mean("x").t.values.tolist(),
            d.sel(x=20).t.values.tolist(),
            d.t.groupby("x").sum(...).values.tolist(),
            str(d.stack(z=("x", "y")).sizes),
        )
        """,
    ),
    "yaml": (
        "import yaml",
        """
        text = "a: [1, 2.5, x]\\nb: &r {c: null, d: !!set {q, r}}\\ne: *r\\nf: |\\n  multi\\n  line\\n"
        d = yaml.load(text, Loader=yaml.SafeLoader)
        d["b"]["d"] = sorted(d["b"]["d"])
        return (
            str(d),
            yaml.dump({"x": [1, {"y": "z"}]}, Dumper=yaml.SafeDumper),
            yaml.safe_load_all("---\\na\\n---\\nb\\n").__class__.__name__,
        )
        """,
    ),
}
