#!/usr/bin/env python3
"""What bench/curves promises, seen in headless Chromium as in report_test.py: curves_test.py [FOLDER]

Exit codes: 0 passed, 1 failed, 77 there is no Chromium.
"""
import json
import math
import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
import report_test as browser

CURVES = os.path.join(browser.HERE, "..", "..", "bench", "curves")
STEPS = 500


def log(name, scale=1.0):
    """Two curves with a number at each step, one with five, one that is flat, and one with a null."""
    lines = []
    for step in range(1, STEPS + 1):
        line = {"step": step, "time": 1.5 * step, "loss": scale * math.exp(-step / 150), "samples_per_second": 3e4 + step,
                "peak_bytes": 12345678, "noise_scale": None if step < 20 else step / 7}
        if step % 100 == 0:
            line["validation/accuracy"] = 0.9 + step / 1e4
        lines.append(json.dumps(line) + "\n")
    return browser.write(name, "".join(lines))


def curves(*arguments):
    return subprocess.run([sys.executable, CURVES, *arguments], capture_output=True, text=True, timeout=30)


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        run = curves(log("one.jsonl"), log("two.jsonl", 1.5), browser.path("curves.html"))
        assert run.returncode == 0 and run.stdout + run.stderr == "", run
        cls.text = browser.read("curves.html")
        cls.dumped = browser.chromium("curves.html", "--dump-dom")
        cls.seen = browser.probe("curves.html")

    def test_a_plot_for_each_name_and_a_line_for_each_run(self):
        names = re.findall("<figcaption>(.*?)</figcaption>", self.text)
        self.assertEqual(names, ["loss", "samples per second", "peak bytes", "noise scale", "validation, accuracy"])
        for plot in browser.plots(self.text):
            self.assertEqual(plot.count('class="line run0"'), 1)
            self.assertEqual(plot.count('class="line run1"'), 1)
        self.assertEqual([plot.count('<g class="mark"') for plot in browser.plots(self.text)], [120, 120, 120, 120, 10])

    def test_values(self):
        self.assertIn("<title>one.jsonl\nstep 500\nvalidation/accuracy 0.95</title>", self.text)
        self.assertIn("<title>two.jsonl\nstep 1\nloss 1.49003</title>", self.text)
        self.assertIn("one.jsonl: 30,500 at the end", self.text)

    def test_the_script_ends_and_the_console_is_empty(self):
        self.assertIn('data-ready="yes"', self.dumped.stdout)
        self.assertEqual(browser.complaints(self.dumped), [])

    def test_it_fits_a_phone_and_no_text_lies_over_another(self):
        for width, seen in self.seen.items():
            self.assertLessEqual(seen["scroll"], width)
            self.assertGreaterEqual(seen["text"], 10)
            self.assertEqual((seen["cut"], seen["overlaps"]), ([], []), f"at {width} pixels")

    def test_values_appear_on_focus_hover_and_tap_and_go_away(self):
        for seen in self.seen.values():
            self.assertEqual(seen["marks"], 490)
            self.assertEqual(seen["focus"], seen["marks"])
            self.assertEqual(seen["hidden"], 3 * seen["marks"])
            self.assertEqual(seen["outside"], 0)
            self.assertGreaterEqual(seen["move"], 0.5 * seen["marks"])  # of equal curves the first is shown

    def test_light_and_dark(self):
        for seen in (self.seen[360], browser.probe("curves.html", "--force-dark-mode")[360]):
            self.assertEqual(seen["background"], "rgb(15, 20, 25)" if seen["dark"] else "rgb(255, 255, 255)")

    def test_screenshots(self):
        for name, options in (("curves", []), ("curves_dark", ["--force-dark-mode"])):
            image = browser.path(name + ".png")
            browser.chromium("curves.html", "--window-size=1280,900", "--screenshot=" + image, *options)
            with open(image, "rb") as file:
                self.assertEqual(struct.unpack(">II", file.read()[16:24]), (1280, 900))

    def test_nothing_is_loaded(self):
        self.assertNotRegex(self.text, r"(?i)https?:|//\w|url\(|@import|src=|<link|<img|<iframe")
        self.assertIn("default-src 'none'", self.text)


class OtherLogs(unittest.TestCase):
    def page(self, text):
        run = curves(browser.write("other.jsonl", text), browser.path("other.html"))
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        return browser.read("other.html")

    def test_one_point_is_enough(self):
        self.assertEqual(self.page('{"step": 3, "loss": 0}\n').count('<g class="mark"'), 1)

    def test_a_resumed_run_counts_once(self):
        text = self.page('{"step": 1, "loss": 1}\n{"step": 2, "loss": 9}\n{"step": 2, "loss": 2}\n')
        self.assertEqual(text.count('<g class="mark"'), 2)
        self.assertNotIn("loss 9", text)

    def test_a_line_that_is_being_written_is_left_out(self):
        self.assertEqual(self.page('{"step": 1, "loss": 1}\n{"step": 2, "lo').count('<g class="mark"'), 1)

    def test_names_are_escaped(self):
        self.assertIn("<figcaption>a&lt;b&gt;</figcaption>", self.page('{"step": 1, "a<b>": 1}\n'))


class Errors(unittest.TestCase):
    def expect(self, message, name, code=2, page="error.html"):
        run = curves(name, browser.path(page))
        self.assertEqual((run.returncode, run.stdout), (code, ""))
        self.assertRegex(run.stderr, "^gacc: bench/curves: expected " + message + "\n$")
        self.assertFalse(os.path.exists(browser.path("error.html")))

    def test_errors(self):
        self.expect("a readable file .*none.jsonl, got No such file or directory", browser.path("none.jsonl"))
        self.expect("lines with numbers in .*, got none", browser.write("empty.jsonl", ""))
        for line in ("[1]", '{"loss": 1}', '{"step": -1, "loss": 1}', '{"step": "1"}', "step"):
            self.expect("an object with a step on line 2 of .*, got .*",
                        browser.write("bad.jsonl", '{"step": 1, "loss": 1}\n' + line + "\n"))
        self.expect('a number as loss on line 1 of .*, got "1"', browser.write("bad.jsonl", '{"step": 1, "loss": "1"}\n'))
        good = browser.write("good.jsonl", '{"step": 1, "loss": 1}\n')
        self.expect("to write .*, got No such file or directory", good, 7, "no/folder/page.html")
        self.expect("a page that replaces no log, got .*", good, 2, "good.jsonl")


if __name__ == "__main__":
    if browser.CHROMIUM is None:
        print("curves_test.py: skipped: there is no Chromium (Debian: apt-get install chromium)")
        sys.exit(77)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        named = len(sys.argv) > 1 and not sys.argv[1].startswith("-")
        browser.FOLDER = os.path.abspath(sys.argv.pop(1)) if named else temporary
        os.makedirs(browser.FOLDER, exist_ok=True)
        sys.exit(0 if unittest.main(exit=False).result.wasSuccessful() else 1)
