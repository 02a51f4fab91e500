"""The page of a run in a real browser: it loads in silence, and every control does what it says.

Needs Playwright and a Chromium, its own or the system's: ``make test-report`` gets both.
"""

import os
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from made_run import HOSTILE, make_run, settings_of

from latentcell.report.collect import collect
from latentcell.report.page import render
from latentcell.runtime.mark import SIMULATION_NOTE

WIDE, NARROW = (1440, 900), (360, 740)
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
MAP = "#map"

pytestmark = pytest.mark.xdist_group("browser")
# Where a browser is wanted, not having one is a failure.
WANTED = bool(os.environ.get("LATENTCELL_BROWSER"))
try:
    from playwright import sync_api
except ImportError:
    if WANTED:
        raise
    pytest.skip("Playwright is not installed: make test-report", allow_module_level=True)


def chromium_path(own):
    """A Chromium: the one that is named, one of the system, or Playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = [os.environ.get("LATENTCELL_CHROMIUM"), *map(shutil.which, names), own]
    return next((path for path in found if path and os.path.exists(path)), None)  # noqa: PTH110


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as driver:
        path = chromium_path(driver.chromium.executable_path)
        if path is None:
            assert not WANTED, "no Chromium is found"
            pytest.skip("no Chromium is found: make test-report")
        # Root in a container has no sandbox; the page is our own.
        started = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    settings = settings_of([60, "all"])
    return folder, settings, make_run(folder, settings, types=HOSTILE)


@pytest.fixture(scope="module")
def address(run):
    path = run[0] / "answer.html"
    path.write_text(render(collect(*run)), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def full_address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    settings = settings_of(
        ["all"],
        grid={"classifiers": ["ffnn", "svm-rbf"]},
        protocol="controlled",
        comparison={"protocols": ["as-run"], "labelled_shares": [0.05]},
    )
    chosen = make_run(folder, settings, simulated=SIMULATION_NOTE)
    path = folder / "answer.html"
    path.write_text(render(collect(folder, settings, chosen)), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def two_address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    settings = settings_of([60, "all"], ("second", "first"))
    chosen = make_run(folder, settings)
    path = folder / "answer.html"
    path.write_text(render(collect(folder, settings, chosen)), encoding="utf-8")
    return path.as_uri()


class Opened:
    """A page in a window of its own, with all that it said and asked for."""

    def __init__(self, browser, address, size=WIDE, scheme="light", **options):
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, **options
        )
        # Busy machines take a minute for what is done at once elsewhere.
        self.context.set_default_timeout(120_000)
        self.page = self.context.new_page()
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)
        self.page.wait_for_selector("html[data-ready=yes]")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    def until(self, condition):
        """Wait for a condition; Playwright's own way compiles it, which the policy forbids."""
        for _ in range(100):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"never: {condition}")

    def unfold(self):
        """Unfold all topics and wait until their charts are as wide as the page lets them."""
        self.page.evaluate("for (const one of document.querySelectorAll('.topic')) one.open = true")
        self.until(
            "[...document.querySelectorAll('[data-chart]')].every((one) => {"
            " const width = one.querySelector('svg')?.clientWidth;"
            " return width > 150 && Math.abs(width - one.clientWidth) < 40; })"
        )

    def look_at(self, cells, input):
        """Choose a subset and the input of its matrix; the map follows if it has that input."""
        self.page.select_option("#subset", f"mine/{cells}")
        self.page.select_option("#input", input)

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def of_map(self, name):
        return self.page.locator(MAP).get_attribute(f"data-{name}")

    def number(self, name):
        return int(self.of_map(name))

    def domain(self):
        return [float(end) for axis in "xy" for end in self.of_map(axis).split(",")]

    def spans(self):
        low, high, bottom, top = self.domain()
        return high - low, top - bottom


def predictions(run, cells="n60", input="raw"):
    return pd.read_csv(run[0] / "mine" / cells / "r1" / input / "ffnn/predictions.csv")


@SIZES
@SCHEMES
@pytest.mark.parametrize("kind", ["address", "full_address"])
def test_it_loads_in_silence_and_asks_for_nothing(browser, request, kind, size, scheme):
    address = request.getfixturevalue(kind)
    with Opened(browser, address, size, scheme) as opened:
        page = opened.page
        assert opened.said == []
        assert opened.asked == [address]
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        opened.unfold()
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        charts = page.locator("[data-chart]")
        assert charts.count() > 2
        for index in range(charts.count()):
            box = charts.nth(index).locator("svg").bounding_box()
            assert 150 < box["width"] <= size[0]
            assert box["height"] > 50
        light = sum(
            map(
                int,
                re.findall(
                    r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor")
                ),
            )
        )
        assert light > 700 if scheme == "light" else light < 100


def test_simulated_cells_are_announced_at_the_top(browser, full_address):
    with Opened(browser, full_address) as opened:
        assert opened.text(".banner") == SIMULATION_NOTE
        assert opened.page.locator(".banner").bounding_box()["y"] == 0
        opened.page.evaluate("scrollTo(0, 4000)")
        assert opened.page.locator(".banner").bounding_box()["y"] == 0


def test_the_policy_forbids_requests_and_other_scripts(browser, address):
    with Opened(browser, address) as opened:
        failed = opened.page.evaluate("fetch('https://example.org/').then(() => 0, () => 1)")
        assert failed == 1
        assert any("Content Security Policy" in text for text in opened.said)
        opened.page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'), "
            "{textContent: 'window.hacked = 1'}))"
        )
        assert opened.page.evaluate("window.hacked") is None


def test_hostile_names_are_shown_as_text(browser, address):
    with Opened(browser, address) as opened:
        page = opened.page
        assert page.evaluate("window.hacked") is None
        assert HOSTILE[0] in page.locator("#legend").inner_text()
        page.fill("#find", "<B>FIRST")
        assert opened.text("#list tbody th") == "<b>first</b>-1"
        assert page.locator("#list b").count() == 0
        point_at_first_cell(opened)
        tip = page.locator("#cell-tip")
        assert "<b>first</b>-1" in tip.inner_text()
        assert HOSTILE[1] in tip.inner_text()
        assert tip.locator("b, script, img").count() == 0
        assert page.evaluate("window.hacked") is None


def point_at_first_cell(opened):
    """The first cell lies alone at (-15, 20)."""
    opened.page.locator(MAP).scroll_into_view_if_needed()
    box = opened.page.locator(f"{MAP} canvas").bounding_box()
    low, high, bottom, top = opened.domain()
    x = box["x"] + box["width"] * (-15 - low) / (high - low)
    y = box["y"] + box["height"] * (top - 20) / (top - bottom)
    opened.page.mouse.move(x - 3, y)
    opened.page.mouse.move(x, y)
    opened.page.wait_for_selector("#cell-tip.visible")


@SIZES
def test_a_cell_that_is_pointed_at_says_what_it_is(browser, address, run, size):
    with Opened(browser, address, size) as opened:
        opened.look_at("n60", "raw")
        point_at_first_cell(opened)
        first = predictions(run).iloc[0]
        text = opened.text("#cell-tip")
        for value in (first["barcode"], first["cell_type"], first["predicted"], first["split"]):
            assert value in text
        assert f"{first['probability']:.3g}" in text
        box = opened.page.locator("#cell-tip").bounding_box()
        assert 0 <= box["x"] <= size[0] - box["width"]
        cell = opened.page.locator(f"{MAP} canvas").bounding_box()
        low, high, bottom, top = opened.domain()
        x = cell["x"] + cell["width"] * (-15 - low) / (high - low)
        y = cell["y"] + cell["height"] * (top - 20) / (top - bottom)
        across = max(box["x"] - x, x - box["x"] - box["width"], 0)
        down = max(box["y"] - y, y - box["y"] - box["height"], 0)
        assert np.hypot(across, down) < 150
        opened.page.mouse.move(1, 1)
        assert opened.page.locator("#cell-tip.visible").count() == 0


@SIZES
def test_what_is_shown_can_be_chosen(browser, address, run, size):
    with Opened(browser, address, size) as opened:
        page = opened.page
        assert opened.number("shown") == 120
        assert page.input_value("#subset") == "mine/all"
        page.select_option("#subset", "mine/n60")
        page.select_option("#representation", "gmvae-z5-h32")
        assert opened.number("shown") == 60
        assert "GMVAE Z = 5, H = 32, 60 cells" in opened.text("#map-title")
        before = opened.domain()
        page.select_option("#representation", "gmvae-z10-h32")
        assert "GMVAE Z = 10, H = 32" in opened.text("#map-title")
        assert opened.domain() != before
        before = opened.domain()
        page.select_option("#method", "umap")
        assert opened.text("#map-title").startswith("UMAP of GMVAE Z = 10, H = 32")
        assert opened.number("shown") == 60
        assert opened.domain() != before
        page.select_option("#method", "tsne")
        assert opened.domain() == before
        page.select_option("#show", "test")
        assert opened.number("shown") == (predictions(run)["split"] == "test").sum()
        page.select_option("#show", "all")
        page.select_option("#subset", "mine/all")
        assert opened.number("shown") == 120
        assert page.locator("#representation option").count() == 3
        visible = page.locator(".matrix:visible")
        assert visible.count() == 1
        assert visible.get_attribute("data-map") == "mine/all"
        page.select_option("#input", "pca-k25")
        assert page.locator(".matrix:visible").get_attribute("data-input") == "pca-k25"
        assert opened.said == []


def test_map_and_matrix_are_of_the_same_representation(browser, address, run):
    scores = pd.read_csv(run[0] / "records/classifiers.csv")
    own = scores[(scores["cells"] == "all") & (scores["split"] == "validation")]
    means = own.groupby("input")["accuracy"].mean()
    with Opened(browser, address) as opened:
        page = opened.page

        def shown():
            return page.input_value("#representation"), page.input_value("#input")

        names = page.locator("#representation option").evaluate_all("all => all.map(o => o.value)")
        best = means[means.index.isin(names)].idxmax()
        assert shown() == (best, best)
        for name in names:
            page.select_option("#representation", name)
            assert shown() == (name, name)
            assert page.locator(".matrix:visible").get_attribute("data-input") == name
        page.select_option("#input", names[0])
        assert shown() == (names[0], names[0])
        # Raw counts have no map.
        page.select_option("#input", "raw")
        assert shown() == (names[0], "raw")


@SIZES
def test_maps_and_curves_of_each_data_set_can_be_chosen(browser, two_address, size):
    with Opened(browser, two_address, size) as opened:
        page = opened.page
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert page.locator("#subset option").all_inner_texts() == [
            f"{dataset}, {cells}"
            for dataset in ("second", "first")
            for cells in ("60 cells", "All 120 cells")
        ]
        assert page.locator("#curve-cells option").count() == 2 * 2
        assert page.locator(".matrix:visible").get_attribute("data-map") == "second/all"
        page.select_option("#subset", "first/all")
        assert opened.number("shown") == 120
        assert page.locator(".matrix:visible").get_attribute("data-map") == "first/all"
        page.locator("body > nav a", has_text="first").click()
        opened.until(
            "Math.abs(document.getElementById('dataset-2').getBoundingClientRect().top) < 120"
        )
        assert opened.said == []


@SIZES
def test_colours_have_a_legend_that_hides_their_cells(browser, address, run, size):
    table = predictions(run)
    tested = table[table["split"] == "test"]
    wrong = int((tested["predicted"] != tested["cell_type"]).sum())
    with Opened(browser, address, size) as opened:
        page = opened.page
        opened.look_at("n60", "raw")
        groups = {"type": 4, "predicted": 4, "error": 2, "split": 3}
        before = page.locator(f"{MAP} canvas").screenshot()
        for colour, number in groups.items():
            page.select_option("#colour", colour)
            assert opened.of_map("colour") == colour
            assert page.locator("#legend button").count() == number
        page.select_option("#colour", "error")
        page.locator("#legend button", has_text="right").click()
        assert opened.number("shown") == wrong
        assert page.locator("#legend [aria-pressed=false]").inner_text() == "right"
        page.locator("#legend button", has_text="right").click()
        # Right or wrong are test cells alone.
        assert opened.number("shown") == len(tested)
        page.select_option("#colour", "umi")
        assert re.fullmatch(r"\d+ UMIs\s+\d+ UMIs", opened.text("#legend"))
        page.wait_for_timeout(200)
        assert page.locator(f"{MAP} canvas").screenshot() != before


def test_types_are_named_on_the_map_and_can_be_seen_alone(browser, address, run):
    table = predictions(run)
    with Opened(browser, address) as opened:
        page = opened.page
        opened.look_at("n60", "raw")
        assert opened.number("labels") == 4
        named = page.locator(f"{MAP} canvas").screenshot()
        page.uncheck("#labels")
        assert page.locator(f"{MAP} canvas").screenshot() != named
        page.check("#labels")
        page.select_option("#only", HOSTILE[2])
        assert opened.number("shown") == (table["cell_type"] == HOSTILE[2]).sum()
        assert opened.number("labels") == 1
        page.select_option("#only", "")
        assert opened.number("shown") == 60


@pytest.mark.parametrize("by", ["button", "shift"])
def test_an_outline_selects_the_cells_inside(browser, address, by):
    with Opened(browser, address) as opened:
        page = opened.page
        opened.look_at("n60", "raw")
        page.locator(MAP).scroll_into_view_if_needed()
        box = page.locator(f"{MAP} canvas").bounding_box()
        low, high, bottom, top = opened.domain()
        x = box["x"] + box["width"] * (-15 - low) / (high - low)
        y = box["y"] + box["height"] * (top - 20) / (top - bottom)
        if by == "button":
            page.click("#lasso")
            assert page.locator("#lasso").get_attribute("aria-pressed") == "true"
        else:
            page.keyboard.down("Shift")
        page.mouse.move(x - 15, y - 15)
        page.mouse.down()
        for right, down in ((15, -15), (15, 15), (-15, 15)):
            page.mouse.move(x + right, y + down, steps=3)
        page.mouse.up()
        assert opened.number("picked") == 1
        assert page.locator("#list tbody th").all_inner_texts() == ["<b>first</b>-1"]
        assert opened.text("#list-status").startswith("1 cells inside the outline")
        page.click("#clear")
        assert opened.number("picked") == 0
        assert opened.said == []


def test_the_map_is_coloured_by_a_gene(browser, address):
    with Opened(browser, address) as opened:
        page = opened.page
        before = page.locator(f"{MAP} canvas").screenshot()
        genes = page.locator("#genes option")
        assert genes.count() == 4
        page.select_option("#colour", genes.first.get_attribute("value"))
        assert "log(1 + counts per 10,000)" in opened.text("#legend")
        assert opened.number("shown") == 120
        assert page.locator(f"{MAP} canvas").screenshot() != before


def test_the_summary_is_saved_as_a_picture(browser, address):
    with Opened(browser, address) as opened:
        with opened.page.expect_download() as download:
            opened.page.click("#summary .picture")
        assert download.value.suggested_filename == "made-summary.png"
        with open(download.value.path(), "rb") as file:  # noqa: PTH123
            head = file.read(24)
        assert head[1:4] == b"PNG"
        width, height = (int.from_bytes(head[at : at + 4]) for at in (16, 20))
        box = opened.page.locator("#summary table").bounding_box()
        assert (width, height) == pytest.approx((2 * box["width"], 2 * box["height"]), abs=2)
        assert opened.said == []


@SIZES
def test_curves_are_read_off_at_the_nearest_point_and_mark_the_best_epoch(browser, address, size):
    with Opened(browser, address, size) as opened:
        page = opened.page
        diamonds = "document.querySelectorAll('#curve-chart .layer_1_marks path').length"
        opened.until(f"{diamonds} === 2")
        chart = page.locator("#curve-chart")
        chart.scroll_into_view_if_needed()
        box = chart.locator("svg").bounding_box()
        # Far from every line.
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
        page.mouse.move(box["x"] + box["width"] / 2 + 2, box["y"] + 20)
        page.wait_for_selector("#vg-tooltip-element.visible", timeout=5000)
        assert "Epoch" in opened.text("#vg-tooltip-element")
        assert "GMVAE" in opened.text("#vg-tooltip-element")


@SIZES
def test_a_number_in_a_matrix_brings_up_its_cells(browser, address, run, size):
    table = predictions(run)
    test = table[table["split"] == "test"]
    with Opened(browser, address, size) as opened:
        page = opened.page
        opened.look_at("n60", "raw")
        buttons = page.locator(".matrix:visible button")
        assert sum(int(text) for text in buttons.all_inner_texts()) == len(test)
        for index in range(buttons.count()):
            button = buttons.nth(index)
            button.click()
            number = int(button.inner_text())
            true, predicted = (button.get_attribute(f"data-{k}") for k in ("true", "predicted"))
            behind = test[(test["cell_type"] == true) & (test["predicted"] == predicted)]
            assert page.locator("#list tbody th").all_inner_texts() == list(behind["barcode"])
            assert number == len(behind) == opened.number("picked")
            assert button.get_attribute("aria-pressed") == "true"
            assert page.locator(".matrix [aria-pressed=true]:visible").count() == 1
        assert opened.text("#list-status").startswith(f"{number} test cells of type")
        page.click("#clear")
        assert page.locator("#list").is_hidden()
        assert page.locator(".matrix [aria-pressed=true]").count() == 0
        buttons.first.click()
        buttons.first.click()
        assert page.locator("#list").is_hidden()


def test_a_barcode_is_found(browser, address):
    with Opened(browser, address) as opened:
        opened.page.fill("#find", "aaacctgag00001")
        names = opened.page.locator("#list tbody th").all_inner_texts()
        assert names == [f"AAACCTGAG{index:06d}-1" for index in range(10, 20)]
        assert opened.number("picked") == 10
        opened.page.fill("#find", "no such barcode")
        assert opened.text("#list-status").startswith("0 cells")


@SIZES
def test_the_map_zooms_and_moves(browser, address, size):
    with Opened(browser, address, size) as opened:
        page, whole = opened.page, opened.domain()
        for selector, smaller in (("#zoom-in", True), ("#zoom-out", False)):
            before = opened.spans()
            page.click(selector)
            assert all(
                (now < was) == smaller for now, was in zip(opened.spans(), before, strict=True)
            )
        page.click("#zoom-in")
        page.click("#zoom-reset")
        assert opened.domain() == pytest.approx(whole)
        page.focus(MAP)
        for key, axis, sign in (
            ("ArrowRight", 0, 1),
            ("ArrowLeft", 0, -1),
            ("ArrowUp", 2, 1),
            ("ArrowDown", 2, -1),
        ):
            before = opened.domain()
            page.keyboard.press(key)
            assert np.sign(opened.domain()[axis] - before[axis]) == sign
        page.keyboard.press("+")
        assert opened.spans()[0] < whole[1] - whole[0]
        page.keyboard.press("0")
        assert opened.domain() == pytest.approx(whole)


@SIZES
def test_wheel_and_drag_work_where_the_map_has_the_focus(browser, address, size):
    with Opened(browser, address, size) as opened:
        page, whole = opened.page, opened.domain()
        page.locator(MAP).scroll_into_view_if_needed()
        box = page.locator(f"{MAP} canvas").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + 60
        page.mouse.move(x, y)
        page.mouse.wheel(0, 60)
        page.wait_for_timeout(300)
        # The page scrolls, and is not held up.
        assert opened.domain() == whole
        page.locator(MAP).scroll_into_view_if_needed()
        box = page.locator(f"{MAP} canvas").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + 60
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 50, y + 20, steps=4)
        page.mouse.up()
        moved = opened.domain()
        assert moved[0] < whole[0]
        assert moved[2] > whole[2]
        assert moved[1] - moved[0] == pytest.approx(whole[1] - whole[0])
        page.mouse.wheel(0, -100)
        page.wait_for_timeout(200)
        assert opened.spans()[0] < whole[1] - whole[0]


@SIZES
def test_learning_curves_lie_over_one_another_and_can_be_chosen(browser, address, size):
    lines = "document.querySelectorAll('#curve-chart .mark-line path').length"
    with Opened(browser, address, size) as opened:
        page = opened.page
        assert opened.text("#curve-title").startswith("ELBO")
        assert "all models, 60 cells" in opened.text("#curve-title")
        # One line for each of two models.
        opened.until(f"{lines} === 2")
        page.select_option("#curve-cells", "All 120 cells")
        page.select_option("#curve", "GMVAE Z = 5, H = 32")
        assert "GMVAE Z = 5, H = 32, All 120 cells" in opened.text("#curve-title")
        # Five replicates of two splits.
        opened.until(f"{lines} === 10")
        page.select_option("#stage", "classifiers")
        assert page.locator("#curve option").count() == 1 + 5
        assert "all inputs, All 120 cells" in opened.text("#curve-title")
        opened.until(f"{lines} === 5")
        page.select_option("#curve", "PCA, k = 25")
        assert (
            opened.text("#curve-title") == "Accuracy (share of cells): PCA, k = 25, All 120 cells"
        )
        opened.until(f"{lines} === 10")
        assert opened.said == []


@SIZES
@pytest.mark.parametrize("kind", ["address", "two_address"])
def test_the_answer_is_on_the_first_screen(browser, request, kind, size):
    address = request.getfixturevalue(kind)
    with Opened(browser, address, (size[0], 900)) as opened:
        page = opened.page
        for selector in ("#verdict h2", "#verdict .facts"):
            box = page.locator(selector).bounding_box()
            assert box["y"] >= 0
            assert box["y"] + box["height"] <= 900
        assert page.locator("#verdict .facts dt").count() == 3
        sentence = page.locator("#verdict p").first.bounding_box()
        assert sentence["y"] + sentence["height"] <= 900
        if size == WIDE and kind == "address":
            chart = page.locator("#verdict [data-chart]").bounding_box()
            assert chart["y"] + chart["height"] <= 900


@SIZES
def test_tooltips_are_near_the_pointer(browser, full_address, size):
    with Opened(browser, full_address, size) as opened:
        page = opened.page
        opened.unfold()
        charts = page.locator("[data-chart], #curve-chart")
        assert charts.count() > 6
        for index in range(charts.count()):
            chart = charts.nth(index)
            near(opened, chart, chart.get_attribute("data-chart"))


# Points and bars, not the symbols of legends.
MARKS = ".role-mark.mark-symbol path, .role-mark.mark-rect path"


def near(opened, chart, name):
    """Point at a mark of a chart: its tooltip has titles, and is within 150 pixels."""
    page = opened.page
    mark = chart.locator(MARKS).last
    # Nothing that sticks to the top lies over the middle of the window.
    mark.evaluate("one => one.scrollIntoView({block: 'center', behavior: 'instant'})")
    box = mark.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 2, y)
    page.mouse.move(x, y)
    page.wait_for_selector("#vg-tooltip-element.visible", timeout=5000)
    tip = page.locator("#vg-tooltip-element").bounding_box()
    across = max(tip["x"] - x, x - tip["x"] - tip["width"], 0)
    down = max(tip["y"] - y, y - tip["y"] - tip["height"], 0)
    assert np.hypot(across, down) < 150, name
    for key in page.locator("#vg-tooltip-element .key").all_inner_texts():
        assert key[0].isupper(), (name, key)
        assert "_" not in key, (name, key)
    page.mouse.move(0, 0)


@SIZES
def test_the_summary_sorts_by_each_column(browser, address, size):
    with Opened(browser, address, size) as opened:
        page = opened.page
        column = "#summary tbody tr > :nth-child({})"

        def values(index):
            cells = page.locator(column.format(index))
            return cells.evaluate_all("cells => cells.map((cell) => cell.dataset.value)")

        accuracies = [float(value) for value in values(2)]
        assert len(accuracies) == 5
        assert accuracies == sorted(accuracies, reverse=True)
        buttons = page.locator("#summary .sort")
        for index in range(1, buttons.count()):
            buttons.nth(index).click()
            first = [float(value) for value in values(index + 1)]
            # The accuracy is sorted already, and turns.
            assert first == sorted(first, reverse=index != 1)
            assert page.locator("#summary [aria-sort]").count() == 1
            buttons.nth(index).click()
            second = [float(value) for value in values(index + 1)]
            assert second == sorted(first, reverse=index == 1)
        buttons.first.click()
        assert values(1)[0] == "GMVAE Z = 5, H = 32"
        with page.expect_download() as download:
            page.locator("#summary a").click()
        table = pd.read_csv(download.value.path())
        assert sorted(table["accuracy_mean"], reverse=True) == pytest.approx(accuracies)
        assert opened.said == []


def test_wide_tables_show_that_they_go_on(browser, address):
    with Opened(browser, address, NARROW) as opened:
        page = opened.page
        table = page.locator("#summary .scroll")
        assert table.evaluate("one => one.scrollWidth > one.clientWidth")
        table.scroll_into_view_if_needed()
        before = table.screenshot()
        table.evaluate("one => { one.style.background = 'none' }")
        assert table.screenshot() != before


@SIZES
def test_numbers_unfold_and_sections_are_reached(browser, address, size):
    with Opened(browser, address, size) as opened:
        page = opened.page
        first = page.locator("#answer figure details").first
        assert page.locator("#answer figure").first.is_hidden()
        page.locator("nav a", has_text="Subsets").click()
        assert page.locator("#answer figure").first.is_visible()
        assert first.locator("table").is_hidden()
        first.locator("summary").click()
        assert first.locator("table").is_visible()
        page.locator("nav a", has_text="Learning").click()
        opened.until(
            "Math.abs(document.getElementById('learning').getBoundingClientRect().top) < 120"
        )


def test_the_keyboard_is_enough(browser, address):
    with Opened(browser, address) as opened:
        page = opened.page
        page.keyboard.press("Tab")
        assert opened.page.evaluate("document.activeElement.textContent") == "Skip to the content"
        assert page.locator(".skip").bounding_box()["x"] >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        reached = set()
        for _ in range(160):
            page.keyboard.press("Tab")
            name, outline = page.evaluate(
                "[document.activeElement.id || document.activeElement.tagName,"
                " getComputedStyle(document.activeElement).outlineStyle]"
            )
            reached.add(name)
            assert name == "BODY" or outline != "none", name
        assert {"subset", "representation", "input", "colour", "show", "find"} <= reached
        assert {"map", "zoom-in", "zoom-reset", "stage", "curve", "SUMMARY", "BUTTON"} <= reached
        page.locator(".matrix:visible button").first.focus()
        page.keyboard.press("Enter")
        assert page.locator("#list tbody tr").count() > 0


@SIZES
@SCHEMES
def test_no_rule_of_accessibility_is_broken(browser, full_address, size, scheme):
    if not WANTED:
        pytest.importorskip("axe_playwright_python")
    from axe_playwright_python.sync_playwright import Axe

    # The checker is a script of its own, which the page's policy would refuse.
    with Opened(browser, full_address, size, scheme, bypass_csp=True) as opened:
        opened.unfold()
        found = Axe().run(opened.page).response["violations"]
        assert [
            (rule["id"], [node["html"][:200] for node in rule["nodes"]]) for rule in found
        ] == []


def test_the_map_follows_the_window_and_the_scheme(browser, address):
    with Opened(browser, address, WIDE) as opened:
        page = opened.page
        before = page.locator(f"{MAP} canvas").bounding_box()["width"]
        page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
        opened.until("document.querySelector('#map canvas').getBoundingClientRect().width < 350")
        assert before > 350
        colour = "document.querySelector('#legend path').getAttribute('fill')"
        light = page.evaluate(colour)
        page.emulate_media(color_scheme="dark")
        opened.until(f"{colour} !== '{light}'")
        assert opened.said == []


def test_it_prints_without_controls_and_with_what_is_folded(browser, address):
    with Opened(browser, address) as opened:
        page = opened.page
        page.emulate_media(media="print", color_scheme="dark")
        assert page.locator("nav").is_hidden()
        assert page.locator("#controls").is_hidden()
        assert (
            page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        )
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details:not([open])").count() == 1
        assert page.locator(".screen").is_hidden()
        for chart in page.locator("[data-chart]").all():
            assert chart.locator("svg").bounding_box()["width"] > 150
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("details[open]").count() == 0
        assert page.pdf().startswith(b"%PDF")
        # The configuration is long: it stands in config.yaml.
        assert page.locator("pre").is_hidden()


def test_fifteen_thousand_cells_are_drawn_and_move(browser, tmp_path):
    settings = settings_of([15000], replicates=1)
    chosen = make_run(tmp_path, settings, cells=15000)
    path = tmp_path / "answer.html"
    path.write_text(render(collect(tmp_path, settings, chosen)), encoding="utf-8")
    with Opened(browser, path.as_uri()) as opened:
        assert opened.number("shown") == 15000
        opened.page.select_option("#colour", "umi")
        opened.page.click("#zoom-in")
        opened.page.fill("#find", "AAACCTGAG01499")
        assert opened.number("picked") == 10
        assert opened.said == []
