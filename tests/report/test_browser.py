"""The page in a real browser without a display: nothing complains, nothing is fetched, everything is drawn."""

import socket

import numpy as np
import pytest
from PIL import Image

from meshgait.report.folder import read_runs
from meshgait.report.page import make, write
from tests.browser import PATIENCE, chromium
from tests.report.runs import make_run

# WebGL is computed where there is no graphics card
ARGUMENTS = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")


@pytest.fixture(scope="module")
def browser():
    with chromium(*ARGUMENTS) as browser:
        yield browser


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    folders = [make_run(root / "finetune"), make_run(root / "flat", uses_3d=False, seed=1)]
    write(root / "report.html", make(read_runs(folders)))
    return root / "report.html"


class Visit:
    """The page opened at one width in one colour theme, with all that it said and asked for."""

    def __init__(self, browser, file, width, theme):
        self.complaints, self.requests = [], []
        self.context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.page.wait_for_function("document.querySelector('.turn')?._fullLayout?.scene?._scene?.glplot")

    def look(self, selector, path):
        """Picture (H, W, 3) of a part of the page."""
        self.page.locator(selector).first.screenshot(path=path)
        return np.asarray(Image.open(path).convert("RGB"), float)


@pytest.fixture(scope="module", params=[(390, "dark"), (1280, "light")], ids=lambda p: f"{p[0]}-{p[1]}")
def visit(request, browser, file):
    width, theme = request.param
    visit = Visit(browser, file, width, theme)
    visit.width, visit.theme = width, theme
    yield visit
    visit.context.close()


def test_nothing_complains_and_nothing_is_fetched(visit, file):
    assert visit.complaints == []
    assert [url for url in visit.requests if not url.startswith(("data:", "blob:"))] == [file.as_uri()]


def test_the_page_does_not_scroll_sideways_but_wide_tables_do(visit):
    visit.page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    wide, inner = visit.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= inner == visit.width
    boxes = visit.page.eval_on_selector_all(".scroll", "all => all.map(one => [one.scrollWidth, one.clientWidth])")
    assert all(client <= visit.width for _, client in boxes)
    assert any(scroll > client for scroll, client in boxes) or visit.width > 1000


def test_every_picture_is_drawn(visit):
    visit.page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    sizes = visit.page.eval_on_selector_all(
        "img", "all => all.map(one => [one.complete, one.naturalWidth, one.naturalHeight, one.clientWidth])"
    )
    assert len(sizes) > 15
    assert all(done and min(numbers) > 20 for done, *numbers in sizes)


def test_colours_are_those_of_the_theme(visit, tmp_path):
    """Page and charts alike: a chart that did not change would be a bright box in the dark."""
    chart = visit.look("#cmc picture", tmp_path / "chart.png")
    body = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    bright = np.median(chart) > 128
    assert bright == (visit.theme == "light")
    assert (sum(map(int, body.removeprefix("rgb(").rstrip(")").split(","))) > 384) == bright


def test_meshes_are_drawn_and_turn(visit, tmp_path):
    """The slider turns them, another frame is another mesh."""
    visit.page.locator(".turn").first.scroll_into_view_if_needed()
    before = visit.look(".turn", tmp_path / "before.png")
    ground = np.median(before, axis=(0, 1))
    drawn = np.abs(before - ground).max(-1) > 40
    assert 0.03 < drawn.mean() < 0.7
    eye = "document.querySelector('.turn').layout.scene.camera.eye"
    start = visit.page.evaluate(eye)
    visit.page.locator("[data-angle]").first.fill("90")
    visit.page.wait_for_function(f"Math.abs({eye}.x - {start['x']}) > 0.1")
    turned = visit.page.evaluate(eye)
    # a quarter of a turn about the vertical
    assert (turned["x"], turned["y"], turned["z"]) == pytest.approx(
        (-start["y"], start["x"], start["z"]), abs=1e-6
    )
    points = "Array.from(document.querySelector('.turn')._fullData[0].x).slice(0, 40).join()"
    first = visit.page.evaluate(points)
    visit.page.locator("[data-frame]").first.select_option(index=2)
    visit.page.wait_for_function(f"{points} !== '{first}'")
    assert visit.page.evaluate(eye) == turned  # the view stays
    assert visit.complaints == []


def test_every_control_has_a_name_and_regions_are_reached_by_keyboard(visit):
    nameless = visit.page.eval_on_selector_all("select, input", "all => all.filter(x => !x.labels.length).length")
    assert nameless == 0
    assert visit.page.eval_on_selector_all(".scroll", "all => all.every(x => x.tabIndex === 0 && x.ariaLabel)")


def test_the_theme_may_change_while_the_page_is_open(visit):
    other = "dark" if visit.theme == "light" else "light"
    ink = "document.querySelector('.turn').layout.font.color"
    before = visit.page.evaluate(ink)
    visit.page.emulate_media(color_scheme=other)
    visit.page.wait_for_function(f"{ink} !== '{before}'")
    visit.page.emulate_media(color_scheme=visit.theme)
    visit.page.wait_for_function(f"{ink} === '{before}'")


def test_without_scripts_the_still_pictures_remain(browser, file):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert "still pictures are below" in page.locator(".turn").first.inner_text()
    context.close()


def test_foreign_scripts_and_addresses_are_refused(browser, file):
    """As if a name had slipped through the escaping: the page's policy stops what it brings."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        attack = (
            "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
            f"<img src='{address}x.png'><base href='{address}'>"
            f"<style>main {{ background: url({address}x) }}</style>"
            "<a id='hack' href='javascript:window.hacked = 3'>x</a>"
        )
        harmed = file.with_name("harmed.html")
        text = file.read_text(encoding="utf-8").replace("<main>", f"<main>{attack}")
        harmed.write_text(text, encoding="utf-8")
        context = browser.new_context()
        page = context.new_page()
        page.goto(harmed.as_uri(), wait_until="load")
        page.locator("#hack").click(no_wait_after=True)
        assert page.evaluate("[window.hacked, document.baseURI]") == [None, harmed.as_uri()]
        context.close()
        server.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has called
            server.accept()
