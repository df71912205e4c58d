"""The page in a real browser: a video is dropped, its walker enrolled, named and erased."""

import base64
import os
import threading

import pytest

pytestmark = pytest.mark.slow

uvicorn = pytest.importorskip("uvicorn", reason="uvicorn is not installed")

from meshgait.gallery.gallery import Gallery  # noqa: E402
from meshgait.web import server  # noqa: E402
from tests.browser import PATIENCE, chromium  # noqa: E402
from tests.gallery.models import MeanModel  # noqa: E402
from tests.gallery.walkers import walk  # noqa: E402

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def address(tmp_path, monkeypatch, strangers):
    """Of the page of a gallery in which somebody with a bad name is enrolled."""
    servers, addresses, known = [], [], threading.Event()

    class Server(uvicorn.Server):
        def __init__(self, config):
            super().__init__(config)
            servers.append(self)

    def ready(address):
        addresses.append(address)
        known.set()

    monkeypatch.setattr(server.uvicorn, "Server", Server)
    with Gallery(tmp_path / "people.gallery", MeanModel()) as gallery:
        gallery.enrol(EVIL, walk(0), "form 1")
        gallery.enrol("Ben", walk(1), "form 2")
        settings = {"port": 0, "ready": ready, "strangers": strangers}
        thread = threading.Thread(target=server.serve, args=(gallery,), kwargs=settings)
        thread.start()
        assert known.wait(60)
        yield addresses[0]
        servers[0].should_exit = True
        thread.join(60)
        assert not thread.is_alive()


def picture(page, name):
    """Keep a picture of the page where somebody wants to look at it."""
    if folder := os.environ.get("MESHGAIT_PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1280, "light")], ids=["phone", "desk"])
def test_a_video_is_dropped_and_its_walker_enrolled_named_and_erased(browser, address, one_walker, width, theme):
    complaints, requests = [], []
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    assert page.locator("td", has_text=EVIL).count() == 1 and page.locator("td img").count() == 0
    picture(page, f"empty-{width}")

    # a real drop: the file as the browser gives it to the page
    data = page.evaluate_handle(
        """async content => {
            const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], "walk <b>.mp4"));
            return data;
        }""",
        encoded(one_walker.path),
    )
    page.dispatch_event("#drop", "dragover", {"dataTransfer": data})
    assert page.locator("#drop.over").count() == 1
    page.dispatch_event("#drop", "drop", {"dataTransfer": data})
    page.get_by_text("Walker 1, frames").wait_for()
    sheet = page.locator(".sheet img").first
    assert sheet.evaluate("image => image.complete && image.naturalWidth") > 100
    assert page.locator("h2", has_text="walk <b>.mp4").count() == 1

    page.get_by_text("Enrol this walker").click()
    page.get_by_label("Name", exact=True).fill("Anna")
    page.get_by_label("Consent: what").fill("form 12")
    page.get_by_label("Consent until").fill("2090-01-31")
    picture(page, f"enrol-{width}")
    page.get_by_role("button", name="Enrol", exact=True).click()
    page.get_by_text("Enrolled as Anna").wait_for()
    page.get_by_role("button", name="Who is it?").click()
    page.locator(".answer", has_text="unknown").wait_for()
    video = page.url
    page.get_by_text("is not calibrated, so nobody is named yet").wait_for()
    page.get_by_text("Calibrate", exact=True).first.click()
    page.get_by_label("Share of strangers").fill("1")
    picture(page, f"calibrate-{width}")
    page.get_by_role("button", name="Calibrate").click()
    page.get_by_text("identification rate of 1 % cannot be promised").wait_for()
    page.get_by_text("Calibrate", exact=True).first.click()
    page.get_by_label("Share of strangers").fill("10")
    page.get_by_role("button", name="Calibrate").click()
    page.get_by_text("at most 10 % of people who are not enrolled get a name").wait_for()
    picture(page, f"calibrated-{width}")
    page.get_by_role("link", name="Back").click()
    page.goto(video)
    page.get_by_role("button", name="Who is it?").click()
    page.locator(".answer", has_text="Anna").wait_for()
    assert page.get_by_text("10 % are allowed").count() == 1
    picture(page, f"named-{width}")

    row = page.locator("tr", has_text="Anna")
    row.get_by_text("Erase", exact=True).click()
    row.get_by_role("button", name="Erase for ever").click()
    page.get_by_text("Anna is erased").wait_for()
    picture(page, f"erased-{width}")
    assert page.locator("tr", has_text="Anna").count() == 0

    page.set_input_files("#drop input", files=[{"name": "x.mp4", "mimeType": "video/mp4", "buffer": b"no video"}])
    page.get_by_text("is no video that is known here").wait_for()
    # nothing is wider than the window
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    origin = address.partition("/?")[0]
    assert complaints == [] and all(url.startswith(f"{origin}/") and "token=" in url for url in requests)
    context.close()


def test_a_foreign_page_learns_nothing(browser, address):
    """Another origin in the same browser, which knows the port but not the token."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address.replace("127.0.0.1", "localhost"))  # another origin to the browser
    origin = address.partition("/?")[0]
    for target in (f"{origin}/", address):
        assert page.evaluate("url => fetch(url).then(() => 'read', () => 'refused')", target) == "refused"
    page.close()


def encoded(path):
    return base64.b64encode(path.read_bytes()).decode()
