#!/usr/bin/env python3
"""What bench/report promises, seen in headless Chromium: report_test.py [FOLDER]

The pages and screenshots stay in FOLDER if one is named. Exit codes: 0 passed, 1 failed, 77 there is no Chromium.
"""
import copy
import html
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
REPORT = os.path.join(HERE, "..", "..", "bench", "report")
SAMPLE = os.path.join(HERE, "accumulation.json")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FOLDER = None

# Added to a copy of the page: shows each mark's values in three ways and tells the surrounding page what it saw.
PROBE = """
<script>
const seen = {ready: root.dataset.ready, client: root.clientWidth, focus: 0, move: 0, tap: 0, hidden: 0, outside: 0,
              marks: 0, scroll: 0, dark: matchMedia("(prefers-color-scheme: dark)").matches,
              background: getComputedStyle(document.body).backgroundColor};
const visible = mark => {
  const box = tip.getBoundingClientRect();
  if (box.left < 0 || box.right > root.clientWidth) { seen.outside += 1; }
  seen.scroll = Math.max(seen.scroll, root.scrollWidth, document.body.scrollWidth);
  return !tip.hidden && tip.textContent === mark.querySelector("title").textContent ? 1 : 0;
};
for (const mark of document.querySelectorAll(".plot .mark")) {
  const box = mark.getBoundingClientRect(), plot = mark.closest(".plot");
  const at = {clientX: box.left + box.width / 2, clientY: box.top + box.height / 2, bubbles: true};
  seen.marks += 1;
  mark.dispatchEvent(new FocusEvent("focus"));
  seen.focus += visible(mark);
  dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"}));
  seen.hidden += tip.hidden ? 1 : 0;
  plot.dispatchEvent(new PointerEvent("pointermove", at));
  seen.move += visible(mark);
  plot.dispatchEvent(new PointerEvent("pointerleave"));
  seen.hidden += tip.hidden ? 1 : 0;
  mark.dispatchEvent(new MouseEvent("click", at));
  seen.tap += visible(mark);
  dispatchEvent(new PointerEvent("pointerdown"));
  seen.hidden += tip.hidden ? 1 : 0;
}
const plots = [...document.querySelectorAll(".plot")];
seen.text = Math.min(...plots.map(plot => 12.5 * plot.getScreenCTM().a));
seen.cut = plots.flatMap(plot => [...plot.querySelectorAll("text")].filter(text => {
  const inner = text.getBoundingClientRect(), outer = plot.getBoundingClientRect();
  return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.top < outer.top - 1 ||
      inner.bottom > outer.bottom + 1;
}).map(text => text.textContent));
seen.overlaps = plots.flatMap(plot => {
  const boxes = [...plot.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
  return boxes.flatMap(([one, a], i) => boxes.slice(i + 1).filter(([, b]) =>
      a.left < b.right && b.left < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom).map(([two]) => [one, two]));
});
seen.tables = [...document.querySelectorAll(".scroll")].filter(part => part.scrollWidth > part.clientWidth).length;
parent.postMessage([innerWidth, seen], "*");
</script>
"""

# Windows have a least width, frames have not.
FRAMES = """<!DOCTYPE html>
<script>
const all = {};
addEventListener("message", event => {
  all[event.data[0]] = event.data[1];
  document.documentElement.dataset.seen = JSON.stringify(all);
});
</script>
<iframe src="PAGE" style="width: 360px; height: 800px; border: 0"></iframe>
<iframe src="PAGE" style="width: 1280px; height: 900px; border: 0"></iframe>
"""


def path(name):
    return os.path.join(FOLDER, name)


def write(name, text):
    with open(path(name), "w", encoding="utf-8") as file:
        file.write(text)
    return path(name)


def read(name):
    with open(path(name), encoding="utf-8") as file:
        return file.read()


def report(*arguments):
    return subprocess.run([sys.executable, REPORT, *arguments], capture_output=True, text=True, timeout=30)


def chromium(page, *options):
    command = [CHROMIUM, "--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
               "--enable-logging=stderr", "--v=0", "--virtual-time-budget=2000",
               "--user-data-dir=" + path("profile"), *options, "file://" + path(page)]
    if os.geteuid() == 0:
        command.insert(1, "--no-sandbox")
    return subprocess.run(command, capture_output=True, text=True, timeout=50)


def complaints(run):
    return [line for line in run.stderr.splitlines() if "CONSOLE" in line]


def probe(page, *options):
    """What the probe saw in the page, by width."""
    write("probed_" + page, read(page).replace("</body>", PROBE + "</body>"))
    write("frames_" + page, FRAMES.replace("PAGE", "probed_" + page))
    run = chromium("frames_" + page, "--window-size=1400,1900", *options, "--dump-dom")
    seen = re.search('data-seen="([^"]*)"', run.stdout)
    assert seen, "the probe did not answer: " + run.stderr[-2000:]
    return {int(width): values for width, values in json.loads(html.unescape(seen[1])).items()}


def plots(text):
    return re.findall('<svg class="plot".*?</svg>', text, re.DOTALL)


def marks(plot):
    return plot.count('<g class="mark ')


def contrast(one, other):
    def luminance(colour):
        parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055)**2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def with_rows(change, name="changed.json"):
    """The sample after a change to its list of benchmarks."""
    results = copy.deepcopy(SAMPLE_RESULTS)
    change(results["benchmarks"])
    return write(name, json.dumps(results))


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        run = report(SAMPLE, path("page.html"), "--picture", path("picture.svg"))
        assert run.returncode == 0 and run.stdout + run.stderr == "", run
        cls.text = read("page.html")
        cls.dumped = chromium("page.html", "--dump-dom")
        cls.seen = probe("page.html")
        names = {row["run_name"] for row in SAMPLE_RESULTS["benchmarks"]}
        cls.models = list(dict.fromkeys(row["run_name"].split("/")[1] for row in SAMPLE_RESULTS["benchmarks"]))
        cls.rows = [sum(name.startswith(f"step/{model}/") for name in names) for model in cls.models]

    def test_every_plot_has_a_mark_for_every_row(self):
        expected = [rows for rows in self.rows for _ in range(3)]
        self.assertEqual([marks(plot) for plot in plots(self.dumped.stdout)], expected)
        self.assertEqual(self.text.count('<tr><th scope="row">'), sum(self.rows))

    def test_the_script_ends_and_the_console_is_empty(self):
        self.assertIn('data-ready="yes"', self.dumped.stdout)
        self.assertEqual(complaints(self.dumped), [])

    def test_a_broken_script_would_be_noticed(self):
        write("broken.html", self.text.replace("<script>", "<script>missing.call();", 1))
        run = chromium("broken.html", "--dump-dom")
        self.assertNotEqual(complaints(run), [])
        self.assertNotIn('data-ready="yes"', run.stdout)

    def test_a_phone_scrolls_tables_and_never_the_page(self):
        phone = self.seen[360]
        self.assertEqual(phone["client"], 360)
        self.assertLessEqual(phone["scroll"], 360)
        self.assertEqual(phone["tables"], len(self.models))
        self.assertGreaterEqual(phone["text"], 10)
        self.assertLessEqual(self.seen[1280]["scroll"], 1280)
        self.assertEqual(self.seen[1280]["tables"], 0)

    def test_a_page_too_wide_would_be_noticed(self):
        write("wide.html", self.text.replace("<h2>", '<div style="width: 500px">wide</div><h2>'))
        self.assertEqual(probe("wide.html")[360]["scroll"], 516)

    def test_no_text_of_a_plot_is_cut_off_or_lies_over_another(self):
        for width, seen in self.seen.items():
            self.assertEqual((seen["cut"], seen["overlaps"]), ([], []), f"at {width} pixels")

    def test_values_appear_on_focus_hover_and_tap_and_go_away(self):
        for seen in self.seen.values():
            self.assertEqual(seen["marks"], 3 * sum(self.rows))
            self.assertEqual(seen["focus"], seen["marks"])
            self.assertEqual(seen["hidden"], 3 * seen["marks"])
            self.assertEqual(seen["outside"], 0)
            for way in ("move", "tap"):  # where marks lie over one another, the nearest is shown
                self.assertGreaterEqual(seen[way], 0.9 * seen["marks"], way)

    def test_values_are_titles_without_the_script(self):
        for plot in plots(self.text):
            self.assertEqual(plot.count("<title>micro-batch of "), marks(plot))
            self.assertEqual(plot.count('tabindex="0"'), marks(plot))

    def test_light_and_dark(self):
        light, dark = (dict(re.findall(r"--(\w+): (#\w{6});", rules))
                       for rules in re.findall(r":root \{ ([^}]*) \}", self.text))
        for colours in (light, dark):
            for name, least in (("ink", 7), ("quiet", 4.5), ("kept", 3), ("again", 3)):
                self.assertGreaterEqual(contrast(colours[name], colours["page"]), least, name)
        for seen in (self.seen[360], probe("page.html", "--force-dark-mode")[360]):
            page = (dark if seen["dark"] else light)["page"]
            self.assertEqual(seen["background"], "rgb({}, {}, {})".format(*bytes.fromhex(page[1:])))

    def test_screenshots(self):
        for name, width, height, options in (("phone", 360, 800, []), ("desk", 1280, 900, []),
                                             ("dark", 1280, 900, ["--force-dark-mode"])):
            image = path(name + ".png")
            chromium("page.html", f"--window-size={width},{height}", "--screenshot=" + image, *options)
            with open(image, "rb") as file:
                content = file.read()
            self.assertEqual(struct.unpack(">II", content[16:24]), (width, height), name)
            self.assertGreater(len(content), 10000, name)

    def test_nothing_is_loaded(self):
        self.assertNotRegex(self.text, r"(?i)https?:|//\w|url\(|@import|src=|<link|<img|<iframe")
        self.assertIn("default-src 'none'", self.text)
        self.assertEqual(re.findall("https?://[^\"]*", read("picture.svg")), ["http://www.w3.org/2000/svg"])

    def test_numbers(self):
        row = re.search(r'<tr><th scope="row">128</th>(.*?)</tr>', self.text)[1]
        self.assertEqual(re.findall("<td>(.*?)</td>", row), [
            "16", "69.4", "29,502", "1.00", "11,075,776", "11,075,776", "yes", "12,980,224"])  # the median of three
        self.assertIn("in all 19 rows here", self.text)
        self.assertIn("<td>–</td>", self.text)  # no rss_bytes
        self.assertNotIn(SAMPLE_RESULTS["context"]["executable"], self.text)

    def test_the_picture_has_two_plots_without_variables(self):
        root = xml.etree.ElementTree.parse(path("picture.svg")).getroot()
        found = [part for part in root.iter() if part.get("class", "").startswith("mark ")]
        self.assertEqual(len(found), 2 * self.rows[0])
        self.assertNotIn("var(", read("picture.svg"))
        self.assertIn("prefers-color-scheme: dark", read("picture.svg"))


class OtherResults(unittest.TestCase):
    def page(self, change):
        run = report(with_rows(change), path("other.html"), "--picture", path("other.svg"))
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        xml.etree.ElementTree.parse(path("other.svg"))
        return read("other.html")

    def test_a_wrong_prediction_shows(self):
        def change(rows):
            rows[0]["predicted_bytes"] -= 1
        text = self.page(change)
        self.assertIn("in 18 of 19 rows here", text)
        self.assertEqual(text.count("<strong>no</strong>"), 1)
        self.assertEqual(text.count("NOT equal"), 3)

    def test_any_name_is_escaped(self):
        def change(rows):
            for row in rows:
                row["run_name"] = row["run_name"].replace("wide", '<b>&"new"')
        text = self.page(change)
        self.assertNotIn("<b>", text)
        self.assertIn("<h2>&lt;b&gt;&amp;&quot;new&quot;</h2>", text)

    def test_repetitions_without_aggregates_give_their_median(self):
        def change(rows):
            rows[:] = [row for row in rows if row["run_type"] == "iteration"]
        self.assertIn("<td>69.4</td><td>29,502</td><td>1.00</td>", self.page(change))

    def test_threads_have_their_own_sections(self):
        def change(rows):
            rows += [dict(row, run_name=row["run_name"] + "/threads:2", threads=2) for row in rows]
        text = self.page(change)
        self.assertEqual((text.count("<h2>"), text.count("1 thread."), text.count("2 threads.")), (6, 3, 3))

    def test_one_row_is_enough(self):
        def change(rows):
            del rows[1:]
        self.assertEqual([marks(plot) for plot in plots(self.page(change))], [1, 1, 1])

    def test_other_benchmarks_are_left_out(self):
        def change(rows):
            rows.append({"name": "product/64", "run_type": "iteration", "real_time": 1.0, "time_unit": "ns"})
        self.assertEqual(len(plots(self.page(change))), 9)


class Errors(unittest.TestCase):
    def expect(self, message, results, code=2, page="error.html"):
        run = report(results, path(page))
        self.assertEqual((run.returncode, run.stdout), (code, ""))
        self.assertRegex(run.stderr, "^gacc: bench/report: expected " + message + "\n$")
        self.assertFalse(os.path.exists(path("error.html")))

    def expect_row(self, message, **changes):
        def change(rows):
            rows[0].update(changes)
            for name in [name for name, value in changes.items() if value is None]:
                del rows[0][name]
        self.expect(message, with_rows(change))

    def test_files(self):
        self.expect("a readable file .*none.json, got No such file or directory", path("none.json"))
        self.expect("JSON in .*, got Expecting value: .*", write("empty.json", ""))
        self.expect("Google Benchmark's context and benchmarks in .*, got other JSON", write("list.json", "[1]"))
        self.expect("Google Benchmark's context in .*, got .*", write("context.json", json.dumps(
            dict(SAMPLE_RESULTS, context={"mhz_per_cpu": "fast", "num_cpus": 1}))))
        self.expect("to write .*, got No such file or directory", SAMPLE, 7, "no/folder/page.html")

    def test_rows(self):
        name = "step/perceptron/micro_batch:8/real_time"
        for counter in ("batch", "micro_batch", "micro_batches", "samples/s", "predicted_bytes", "measured_bytes",
                        "real_time"):
            self.expect_row(f"the counter {counter} in {name}, got none", **{counter: None})
        self.expect_row(f"measured_bytes above 0 in {name}, got 0", measured_bytes=0)
        self.expect_row(f'a number as batch in {name}, got "2048"', batch="2048")
        self.expect_row(f"a number as real_time in {name}, got NaN", real_time=float("nan"))
        self.expect_row(f'a time_unit of .* in {name}, got "weeks"', time_unit="weeks")
        self.expect_row(f'{name} to have run, got the error "no memory"', error_occurred=True,
                        error_message="no memory")
        self.expect_row("one batch in all rows of perceptron, got 1024 and 2048", batch=1024)
        self.expect("benchmarks named step/MODEL/... in .*, got none", with_rows(list.clear))
        self.expect("benchmarks with names in .*, got 7", with_rows(lambda rows: rows.append(7)))


if __name__ == "__main__":
    if CHROMIUM is None:
        print("report_test.py: skipped: there is no Chromium (Debian: apt-get install chromium)")
        sys.exit(77)
    with open(SAMPLE, encoding="utf-8") as sample:
        SAMPLE_RESULTS = json.load(sample)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        named = len(sys.argv) > 1 and not sys.argv[1].startswith("-")
        FOLDER = os.path.abspath(sys.argv.pop(1)) if named else temporary
        os.makedirs(FOLDER, exist_ok=True)
        sys.exit(0 if unittest.main(exit=False).result.wasSuccessful() else 1)
