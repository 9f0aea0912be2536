"""What of each stand-alone pyperformance benchmark runs: the body of a function beside it in `__main__`, for its result.

The sizes are such that a run takes some hundredths of a second.
"""

JOBS = {
    "argparse": "bm_many_optionals(); return sorted(BENCHMARKS)",
    "async_generators": """
        async def all_of(tree):
            return [x async for x in tree]
        try:
            all_of(tree(range(60))).send(None)
        except StopIteration as stop:
            return stop.value
        """,
    "async_tree": """
        global IO_SLEEP_TIME
        IO_SLEEP_TIME = 0
        made = MemoizationAsyncTree(use_task_groups=True)
        asyncio.run(made.recurse_with_task_group(2))
        return sorted(made.cache)
        """,
    "barnes_hut": """
        particles = create_deterministic_galaxy(20, 500, 400)
        for _ in range(2):
            advance_system(particles, DEFAULT_THETA, TIME_STEP, 1000, 800)
        return calculate_system_energy(particles)
        """,
    "base64": """
        for _ in range(3):
            bench_b64_small(1)
            bench_b16_small(1)
            assert [base64.b32decode(base64.b32encode(data)) for data in (DATA_TINY, DATA_SMALL)] == [DATA_TINY, DATA_SMALL]
            assert [base64.a85decode(base64.a85encode(data)) for data in (DATA_TINY, DATA_SMALL)] == [DATA_TINY, DATA_SMALL]
            assert [base64.b85decode(base64.b85encode(data)) for data in (DATA_TINY, DATA_SMALL)] == [DATA_TINY, DATA_SMALL]
        return base64.b64decode(base64.b64encode(DATA_9K)) == DATA_9K, base64.b16encode(DATA_SMALL)
        """,
    "bpe_tokeniser": """
        data = "the cat sat on the mat, the rat sat on the cat; " * 2
        encoder = SimpleBytePairEncoding.train(data, vocab_size=262, pat_str=r" ?[a-z]+|[^a-z]+")
        tokens = encoder.encode(data)
        return tokens, encoder.decode(tokens) == data
        """,
    "chaos": """
        random.seed(7)
        points = [GVector(1.6, 3.3, 0), GVector(1.58, 4.1, 0), GVector(1.3, 5.3, 0), GVector(1.6, 5.33, 0),
                  GVector(2.9, 5.5, 0), GVector(2.4, 4.4, 0), GVector(1.7, 4.4, 0)]
        splines = [Spline(points, 3, [0, 0, 0, 1, 1, 1, 2, 2, 2]), Spline(points[:4], 3, [0, 0, 0, 1, 1, 1])]
        game = Chaosgame(splines, 0.25)
        point = GVector((game.maxx + game.minx) / 2, (game.maxy + game.miny) / 2, 0)
        seen = []
        for _ in range(200):
            point = game.transform_point(point)
            seen.append((round(point.x, 9), round(point.y, 9)))
        return seen[-20:], sum(x for x, _ in seen)
        """,
    "comprehensions": """
        trays = [WidgetTray(n % 3, make_some_widgets()) for n in range(6)]
        return [[w.widget_id for w in tray.sorted_widgets] for tray in trays]
        """,
    "coroutines": """
        try:
            fibonacci(12).send(None)
        except StopIteration as stop:
            return stop.value
        """,
    "decimal_factorial": "return str(factorial(decimal.Decimal(400), 0))",
    "decimal_pi": """
        return [str(pi_decimal()) for _ in range(20)]
        """,
    "deepcopy": "return [f(3) >= 0 for f in (benchmark, benchmark_memo, benchmark_reduce)]",
    "deltablue": "delta_blue(12); return sorted(vars(planner))",
    "fannkuch": "return fannkuch(6)",
    "float": "found = benchmark(300); return found.x, found.y, found.z",
    "gc_collect": "return [len(create_gc_cycles(n, 10)) for n in range(20)]",
    "gc_traversal": """
        depth, made = 0, create_recursive_containers(120)
        while made:
            depth, made = depth + 1, made[0]
        return depth
        """,
    "generators": "return [x for x in tree(range(300))]",
    "go": """
        global GAMES
        GAMES = 2
        random.seed(1)
        return versus_cpu()
        """,
    "hexiom": "main(1, 2); return True",
    "json_dumps": """
        text = [json.dumps(x, indent=n, sort_keys=True) for x in (EMPTY[0], SIMPLE[0], NESTED[0]) for n in (1, None)]
        bench_json_dumps([(NESTED[0], range(20))])
        return text
        """,
    "json_loads": """
        texts = [json.dumps(x) for x in (DICT, TUPLE, DICT_GROUP)]
        bench_json_loads(texts * 20)
        return [json.loads(text) for text in texts]
        """,
    "logging": """
        logger, stream = logging.getLogger("quiet"), io.StringIO()
        bench_silent(30, logger, stream)
        record = logging.LogRecord("a", 10, "b", 1, MESSAGE + " %d", (5,), None)
        return [logging.Formatter("%(levelname)s %(message)s").format(record) for _ in range(30)]
        """,
    "mdp": "return Battle().evaluate(0.5)",
    "meteor_contest": """
        board, cti, pieces = get_puzzle(WIDTH, HEIGHT)
        solutions = []
        solve(2, 0, frozenset(range(len(board))), [-1] * len(board), list(range(len(pieces))), solutions,
              get_footprints(board, cti, pieces), get_senh(board, cti))
        return solutions
        """,
    "nbody": """
        bodies = [(list(r), list(v), m) for r, v, m in BODIES.values()]
        pairs = combinations(bodies)
        offset_momentum(bodies[0], bodies)
        advance(0.01, 150, bodies, pairs)
        return report_energy(bodies, pairs), bodies
        """,
    "nqueens": "return list(n_queens(5))",
    "pathlib": """
        import pathlib
        paths = [pathlib.PurePosixPath("/usr") / name for name in generate_filenames("share/doc", 200)]
        return [str(p.relative_to("/usr").with_suffix(".x")) for p in sorted(paths) if p.match("*/doc/*.py")]
        """,
    "pickle": """
        import io, pickle
        def python(value):
            file = io.BytesIO()
            pickle._Pickler(file).dump(value)
            return pickle._loads(file.getvalue())
        return [python(value) == value for value in (DICT, TUPLE, DICT_GROUP, LIST, MICRO_DICT)]
        """,
    "pidigits": "return calc_ndigits(60)",
    "pprint": "return p.pformat(printable[:12])",
    "pyflate": """
        import bz2, io
        data = b"".join(b"%d bottles of beer\\n" % n for n in range(40))
        return hashlib.md5(bzip2_main(RBitfield(io.BytesIO(bz2.compress(data)[2:])))).hexdigest()
        """,
    "raytrace": "bench_raytrace(1, 8, 8, None); return True",
    "regex_compile": """
        bench_regex_compile(1, [(r"(a|b)*c{2,3}?[^x-z]+\\\\s(?P<n>\\\\d+)(?=q)", 0), ("Perl|Python", re.I), ("(?i:x)|y$", re.M)])
        return re.sub(r"(\\w)(\\d)?", r"<\\1>", "a1b2 c")
        """,
    "regex_dna": "return run_benchmarks(init_benchmarks(20, 42))",
    "regex_effbot": "return [bool(re.search(*pair)) for pair in init_benchmarks((0, 5, 50))]",
    "regex_v8": "block11(); block9(); return True",
    "richards": "return Richards().run(1)",
    "richards_super": "return Richards().run(1)",
    "scimark": """
        grid = Array2D(8, 8)
        SOR_execute(1.25, grid, 3, Array2D)
        matrix = Random(7).RandomMatrix(ArrayList(8, 8))
        lu, pivot = ArrayList(8, 8), array("i", [0]) * 8
        LU(lu, matrix, pivot)
        vector = Random(7).RandomVector(32)
        FFT_transform(32, vector)
        FFT_inverse(32, vector)
        return list(grid.data), lu.data, list(pivot), list(vector), MonteCarlo(200), bench_SparseMatMult(2, 10, 50) >= 0
        """,
    "spectral_norm": """
        u = [1] * 14
        for _ in range(4):
            v = eval_AtA_times_u(u)
            u = eval_AtA_times_u(v)
        return u, v
        """,
    "sqlite_synth": "bench_sqlite(300); return True",
    "telco": """
        return bench_telco(1, HERE + "/data/telco-bench.b") >= 0
        """,
    "typing_runtime_protocols": "return bench_protocols(3) >= 0",
    "unpack_sequence": "return [f(20) >= 0 for f in (bench_tuple_unpacking, bench_list_unpacking)]",
    "xml_etree": """
        import xml.etree.ElementTree as etree
        root = etree.Element("root")
        for c in range(5):
            child = etree.SubElement(root, "child-%d" % c)
            for i in range(20):
                etree.SubElement(child, "sub").text = "LEAF-%d" % i
        found = [e.text for e in root.iter("sub") if e.text.endswith("7")]
        return etree.tostring(etree.fromstring(etree.tostring(root))), found
        """,
}
