#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The runner of the benchmarks, on lines that are written here, and once with our own program.

Usage: runner_test.py GREENROOM_BENCH. The last line is `N passed, N failed`.
"""
import math
import os
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from runner import chart, document, lines, programs, rows, table  # noqa: E402

PROGRAM = os.path.abspath(sys.argv[1])
SVG = "{http://www.w3.org/2000/svg}"


def ring_line(program, value):
    return f"{program} ring w=2,n=100 {value} ns/hop peak_rss_mb=3\n"


def runs(program, *values):
    return [lines.parse(program, "ring", ring_line(program, v)) for v in values]


def ring_figures():
    """A row of three programs: Go takes four times our time, CAF a half, Erlang does not end."""
    row = rows.row("ring", "ring of 100 <actors>", {})
    return lines.figures_of(row, 2, {
        "greenroom": runs("greenroom", 30, 20, 25), "go": runs("go", 100, 90, 110),
        "caf": runs("caf", 12.5, 12.5, 12.5),
        "erlang": [*runs("erlang", 7), lines.result(remark="timeout")]})


class parsing(unittest.TestCase):
    def test_a_line_has_a_value_a_unit_and_pairs(self):
        found = lines.parse("go", "hog", "noise\ngo hog w=2 1.2e+03 us(p50) p99_us=7.5 rtts=900\n")
        self.assertEqual(found, lines.result(1200.0, "us(p50)", {"p99_us": 7.5, "rtts": 900.0}))

    def test_what_is_no_result_is_a_failed_run(self):
        for text in ("", "go ring w=2 fast ns/hop\n", "go ring w=2 30\n",
                     "go ring - 1 ns/hop x=y\n", ring_line("caf", 30), "panic: go ring\n"):
            with self.subTest(text):
                self.assertEqual(lines.parse("go", "ring", text).remark, "failed")

    def test_the_figure_of_a_starved_run_does_not_count(self):
        for pair in ("starved=1", "hogs_never_parallel=1"):
            found = lines.parse("caf", "hog", f"caf hog w=2 0.5 us(p50) rtts=1 {pair}\n")
            self.assertEqual((found.value, found.remark), (None, "starved"))


class medians(unittest.TestCase):
    def test_median_and_range_of_the_runs(self):
        self.assertEqual(lines.cell_of(runs("go", 9, 2, 4)), lines.cell(4, 2, 9))

    def test_one_bad_run_speaks_for_all(self):
        self.assertEqual(ring_figures()[0].cells["erlang"], lines.cell(remark="timeout"))

    def test_a_metric_that_is_not_there_is_a_failure(self):
        self.assertEqual(lines.cell_of(runs("go", 9), "p99_us"), lines.cell(remark="failed"))
        self.assertEqual(lines.cell_of([]), lines.cell(remark="failed"))

    def test_ratios_are_above_one_where_we_are_ahead(self):
        times = ring_figures()[0]
        self.assertEqual((times.ratio("go"), times.ratio("caf")), (4.0, 0.5))
        self.assertEqual((times.ratio("erlang"), times.ratio("fiber")), (None, None))
        self.assertEqual(times.best(), 0.5)
        rates = lines.figure("fan-in", 1, "Mmsg/s", {"greenroom": lines.summary([20]),
                                                     "go": lines.summary([5])})
        self.assertEqual(rates.ratio("go"), 4.0)

    def test_extras_of_a_row_become_lines_of_their_own(self):
        row = rows.row("hog", "hog", {}, extras=("p99_us",))
        text = "go hog - 2 us(p50) p99_us=8 peak_rss_mb=5\n"
        main, extra = lines.figures_of(row, 1, {"go": [lines.parse("go", "hog", text)]})
        self.assertEqual((main.cells["go"].median, main.peak_mb["go"].median), (2, 5))
        self.assertEqual((extra.unit, extra.cells["go"].median), ("us(p99)", 8))
        self.assertFalse(extra.is_main())


class tables(unittest.TestCase):
    def test_every_program_has_a_column_and_failures_stay(self):
        head, line = table.values_table(ring_figures())
        self.assertEqual(head, ["workload", "workers", "unit", "Greenroom", "Go", "Erlang", "CAF",
                                "vs best peer", "vs Go"])
        self.assertEqual(line, ["ring of 100 <actors>", "2", "ns/hop", "25 (20–30)",
                                "100 (90–110)", "timeout", "12.5", "0.5×", "4×"])

    def test_memory_stands_in_its_own_table(self):
        _, line = table.memory_table(ring_figures())
        self.assertEqual(line[2:], ["3", "3", "3", "3"])

    def test_markdown_and_plain_text(self):
        cells = [["a", "bb"], ["ccc", "d"]]
        self.assertEqual(table.markdown(cells), "| a | bb |\n| --- | ---: |\n| ccc | d |")
        self.assertEqual(table.plain(cells), "a    bb\nccc   d")

    def test_numbers_have_three_digits_that_count(self):
        self.assertEqual([table.number(v) for v in (7.613, 36.24, 104.4, 1234567, 0.0123, 5.0)],
                         ["7.61", "36.2", "104", "1,234,567", "0.0123", "5"])


class charts(unittest.TestCase):
    def setUp(self):
        self.text = chart.render(ring_figures())
        self.root = xml.fromstring(self.text)

    def bars(self):
        return [r for r in self.root.iter(f"{SVG}rect") if float(r.get("y")) > chart.TOP - 1]

    def test_a_bar_for_each_peer_with_a_value_on_a_logarithmic_axis(self):
        go, caf = self.bars()
        self.assertAlmostEqual(float(go.get("width")) / float(caf.get("width")),
                               math.log(4) / math.log(2), places=1)
        # Both start at 1: one to the right, the other to the left.
        self.assertAlmostEqual(float(caf.get("x")) + float(caf.get("width")),
                               float(go.get("x")), places=0)

    def test_words_are_escaped_and_failures_named(self):
        words = [t.text for t in self.root.iter(f"{SVG}text")]
        self.assertIn("ring of 100 <actors>, ns/hop, 2 workers", words)
        self.assertIn("Erlang: timeout", words)
        self.assertIn("1×", words)

    def test_a_chart_without_any_ratio_is_well_formed_too(self):
        xml.fromstring(chart.render([]))
        ours = lines.figures_of(rows.row("ring", "ring", {}), 1,
                                {"greenroom": [lines.result(remark="failed")],
                                 "go": runs("go", 5)})
        words = [t.text for t in xml.fromstring(chart.render(ours)).iter(f"{SVG}text")]
        self.assertIn("Greenroom: failed", words)


class pages(unittest.TestCase):
    def test_only_what_stands_between_the_markers_is_replaced(self):
        page = f"head\n{document.BEGIN}\nold\n{document.END}\ntail\n"
        new = document.between_markers(page, "new")
        self.assertEqual(new, f"head\n{document.BEGIN}\nnew\n{document.END}\ntail\n")
        self.assertEqual(document.between_markers(new, "new"), new)

    def test_a_page_without_its_markers_is_refused(self):
        for page in ("", document.BEGIN, document.END + document.BEGIN,
                     f"{document.BEGIN}{document.BEGIN}{document.END}"):
            with self.subTest(page), self.assertRaises(ValueError):
                document.between_markers(page, "new")

    def test_the_page_of_this_tree_has_them(self):
        path = os.path.join(HERE, "..", "..", "docs", "performance.md")
        with open(path, encoding="utf-8") as file:
            self.assertIn("\nnew\n", document.between_markers(file.read(), "new"))


class choices(unittest.TestCase):
    def test_words_choose_rows_and_parameters(self):
        self.assertEqual(rows.chosen([]), (rows.ROWS, True))
        (ring,), whole = rows.chosen(["ring", "n=5", "w=3"])
        self.assertFalse(whole)
        self.assertEqual(ring.worker_counts([1, 2]), [3])
        self.assertEqual(ring.arguments("go", 3, quick=False), ["w=3", "n=5"])

    def test_parameters_choose_among_the_rows_of_a_workload(self):
        (bounded, unbounded), _ = rows.chosen(["fanin", "n=5", "fanin", "chan=0"])
        self.assertEqual((bounded.peers, unbounded.peers), (("go", "fiber"), ("erlang", "caf")))

    def test_a_form_is_for_our_program_alone(self):
        (ping,), _ = rows.chosen(["pingpong", "form=object"])
        self.assertEqual(ping.arguments("greenroom", 1, quick=False), ["w=1", "form=object"])
        self.assertEqual(ping.arguments("go", 1, quick=False), ["w=1"])

    def test_what_there_is_not_is_refused(self):
        for words in (["rings"], ["n=5", "ring"]):
            with self.subTest(words), self.assertRaises(ValueError):
                rows.chosen(words)

    def test_every_row_can_be_run_by_our_program(self):
        done = subprocess.run([PROGRAM], capture_output=True, text=True, check=False)
        listed = set(re.findall(r"^  ([a-z]+) ", done.stderr, re.MULTILINE))
        # Nobody else has these.
        listed -= {"echo", "millions", "nest", "burst", "fair", "crowd", "broadcast", "work_queue"}
        self.assertEqual({r.workload for r in rows.ROWS}, listed)


def runner(*words):
    return subprocess.run([sys.executable, os.path.join(HERE, "run_bench.py"), "--program", PROGRAM,
                           *words], capture_output=True, text=True, check=False)


class runs_of_programs(unittest.TestCase):
    def test_a_smoke_run_prints_and_writes_tables_and_a_chart(self):
        with tempfile.TemporaryDirectory() as folder:
            done = runner("yield", "ring", "--quick", "--peers", "none", "--build", folder, "--out",
                          folder)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertRegex(done.stdout, r"\nring of 1,000 +2 +ns/hop +[\d.,]+ +–")
            with open(os.path.join(folder, "performance.md"), encoding="utf-8") as file:
                self.assertRegex(file.read(), r"\| ring of 1,000 \| 2 \| ns/hop \| [\d.,]+ \| –")
            xml.parse(os.path.join(folder, "performance.svg"))

    def test_a_program_that_fails_or_does_not_end_is_named_so(self):
        side = programs.greenroom(PROGRAM)
        failed = programs.run(side, "ring", ["nonsense=1"], 60)
        self.assertEqual(failed, lines.result(remark="failed"))
        late = programs.run(side, "hog", ["w=1", "ms=600000"], 0.2)
        self.assertEqual(late, lines.result(remark="timeout"))

    def test_a_run_that_fails_fails_the_whole(self):
        with tempfile.TemporaryDirectory() as folder:
            done = runner("ring", "nonsense=1", "--peers", "none", "--build", folder, "-n", "1")
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertRegex(done.stdout, r"failed")


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    outcome = unittest.TextTestRunner(verbosity=1).run(suite)
    failed = len(outcome.failures) + len(outcome.errors)
    print(f"{max(outcome.testsRun - failed, 0)} passed, {failed} failed")
    return 1 if failed or not outcome.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
