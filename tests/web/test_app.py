"""The web page by an HTTP client: limits, token, host, escaping, and what it does with the gallery."""

import re
import threading
import time
from html import unescape

import pytest

testclient = pytest.importorskip("starlette.testclient", reason="starlette is not installed")

from meshgait.gallery.gallery import Gallery  # noqa: E402
from meshgait.synthetic.generate import generate  # noqa: E402
from meshgait.synthetic.population import WalkerSettings  # noqa: E402
from meshgait.web import calibrating, videos  # noqa: E402
from meshgait.web.app import MOST_FORM, make_app  # noqa: E402
from meshgait.web.guard import HEADERS  # noqa: E402
from tests.gallery.models import MeanModel  # noqa: E402
from tests.gallery.walkers import walk  # noqa: E402

TOKEN = "secret+token/1"
EVIL = "<script>alert(1)</script>\"'&<b>"


@pytest.fixture
def gallery(tmp_path):
    with Gallery(tmp_path / "people.gallery", MeanModel()) as gallery:
        yield gallery


@pytest.fixture
def page(gallery, strangers, tmp_path, monkeypatch):
    """A client that gives the token; its temporary files lie in ``tmp_path / "videos"``."""
    (tmp_path / "videos").mkdir()
    monkeypatch.setattr(videos.tempfile, "tempdir", str(tmp_path / "videos"))
    app = make_app(gallery, TOKEN, most=3_000_000, strangers=strangers)
    with testclient.TestClient(app, base_url="http://127.0.0.1:8700") as client:
        client.params = {"token": TOKEN}
        yield client


def bare(page):
    """A client without token, for the same page."""
    return testclient.TestClient(page.app, base_url="http://127.0.0.1:8700")


def calibrate(page, fpir):
    """Calibrate on the page and wait for the end; what is shown then."""
    answer = page.post("/calibrate", data={"fpir": fpir})
    for _ in range(2000):
        if "Calibrating:" not in answer.text:
            return answer.text
        assert '<meta http-equiv="refresh"' in answer.text
        time.sleep(0.05)
        answer = page.get("/calibration")
    raise AssertionError("it is calibrated for ever")


def drop(page, path, name="walk.mp4"):
    """Send a video and wait until it was looked at; its page's address without the token."""
    answer = page.post("/videos", params={"name": name}, content=path.read_bytes())
    assert answer.status_code == 200
    address = answer.json()["page"].partition("?")[0]
    for _ in range(2000):
        if "Looking for walkers" not in page.get(address).text:
            return address
        time.sleep(0.05)
    raise AssertionError("the video is looked at for ever")


@pytest.mark.parametrize("given", [None, "", "wrong", TOKEN + "x", TOKEN[:-1], "é"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("POST", "/videos"), ("POST", "/erase"), ("GET", "/assets/page.js"), ("GET", "/videos/x")],
)
def test_nothing_is_answered_without_the_token(page, gallery, method, path, given):
    gallery.enrol("Anna", walk(0), "form 1")
    answer = bare(page).request(
        method, path, params={} if given is None else {"token": given}, content=b"person=1"
    )
    assert answer.status_code == 403 and "Anna" not in answer.text
    assert [one.name for one in gallery.people()] == ["Anna"]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_two_tokens_are_none(page):
    assert bare(page).get(f"/?token={TOKEN}&token=x").status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8700", "127.0.0.1.evil.example", "127.0.0.1@evil", ""]
)
def test_another_host_name_is_refused(page, host):
    """DNS rebinding: a foreign name that leads to this computer."""
    assert page.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8700", "localhost:1", "LOCALHOST"])
def test_the_own_names_are_known(page, host):
    assert page.get("/", headers={"host": host}).status_code == 200


def test_every_answer_has_the_headers_and_none_shares_with_other_origins(page):
    for path in ("/", "/assets/page.css", "/nothing", "/videos/x"):
        headers = page.get(path, headers={"origin": "https://evil.example"}).headers
        assert {name: headers[name] for name in HEADERS} == HEADERS
        assert not [name for name in headers if name.startswith("access-control")]
    assert page.options("/", headers={"origin": "https://evil.example"}).status_code == 405


def test_the_page_has_no_scripts_or_styles_within(page):
    text = page.get("/").text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|style=|\son\w+=|javascript:", text)
    addresses = re.findall(r'(?:src|href|action|data-to)="([^"]*)"', text)
    assert addresses and all(unescape(one).startswith("/") and "?token=" in one for one in addresses)


def files(tmp_path):
    return [path for path in (tmp_path / "videos").rglob("*") if path.is_file()]


def test_a_video_that_is_too_large_is_refused_and_not_kept(page, tmp_path):
    said = page.post("/videos", content=b"x" * 3_000_001)
    assert said.status_code == 413 and "--most-megabytes" in said.text
    said = page.post("/videos", content=iter([b"x" * 1_000_000] * 4))  # without a length
    assert said.status_code == 413 and files(tmp_path) == []


def test_a_form_that_is_too_large_is_refused(page):
    assert page.post("/erase", content=b"x" * (MOST_FORM + 1)).status_code == 413
    assert page.post("/erase", content=b"&".join([b"a=1"] * 30)).status_code == 400
    assert page.post("/erase", content=b"\xff").status_code == 400


def test_what_is_no_video_is_said_and_deleted(page, tmp_path):
    (tmp_path / "x").write_bytes(b"#EXTM3U\nfile:///etc/passwd\n" * 9)
    text = page.get(drop(page, tmp_path / "x", f"{EVIL}.mp4")).text
    assert "is no video that is known here" in text and str(tmp_path) not in text
    assert "<script>alert" not in text and "&lt;script&gt;alert" in text
    assert files(tmp_path) == []


def test_names_and_notes_are_escaped(page, gallery):
    gallery.enrol(EVIL, walk(0), EVIL)
    text = page.get("/").text
    assert "<script>alert" not in text and "<b>" not in text and text.count("&lt;script&gt;alert") == 2
    answer = page.post("/erase", data={"person": "1"})
    assert "<script>alert" not in answer.text and "none left" in answer.text and gallery.people() == []


def test_from_a_video_to_a_name_and_back(page, gallery, one_walker, tmp_path):
    address = drop(page, one_walker.path)
    assert files(tmp_path) == []  # the video is gone
    text = page.get(address).text
    assert "Walker 1, frames" in text and "Who is it?" not in text
    assert page.get(f"{address}/0/0.png").content.startswith(b"\x89PNG")
    assert page.get(f"{address}/0/1.png").status_code == page.get(f"{address}/7/0.png").status_code == 404
    said = page.post(f"{address}/enrol", data={"walker": "0", "name": "Anna"})
    assert said.status_code == 400 and "no consent is noted" in said.text and not gallery.path.exists()
    form = {"walker": "0", "name": " Anna ", "consent": "form 12", "until": "2090-01-31"}
    said = page.post(f"{address}/enrol", data=form)
    assert "Enrolled as Anna" in said.text and "Anna: 1 walk added" in said.text
    assert "Anna: 1 walk added" not in page.get(address).text
    (person,) = gallery.people()
    assert (person.name, person.consent, person.directions) == ("Anna", "form 12", ("right",))
    assert f"{person.consent_until}" == "2090-01-31"
    said = page.post(f"{address}/identify")
    assert "<strong>unknown</strong>" in said.text and "not calibrated" in said.text
    calibrate(page, "10")
    said = page.post(f"{address}/identify")
    assert "10 % are allowed" in said.text and "40 strangers come as near" in said.text
    assert "<strong>Anna</strong>" in page.post(f"{address}/identify").text
    said = page.post("/erase", data={"person": f"{person.id}"})
    assert "Anna is erased, with 1 walk" in said.text and "Nobody is enrolled" in said.text
    assert page.get(address).status_code == 404  # its answer named Anna, its silhouettes show her
    assert page.post("/erase", data={"person": f"{person.id}"}).status_code == 400


def plain(text):
    """A page without line breaks."""
    return " ".join(unescape(text).split())


def test_the_gallery_is_calibrated_on_the_page(page, gallery):
    assert "How near" not in page.get("/").text  # nobody is enrolled
    gallery.enrol("Anna", walk(0), "form 1")
    said = plain(page.get("/").text)
    assert "s102.npy and 37 more, and with each other" in said
    assert "is not calibrated, so nobody is named yet" in said and 'action="/calibrate?token=' in said
    said = plain(calibrate(page, "10"))
    known = gallery.calibration
    assert known.fpir == 10 and known.strangers == 40 and known.current
    low, high = (f"{round(share)}" if share >= 9.95 else f"{share:.2g}" for share in (known.low, known.high))
    for shown in (
        f"<strong>{known.threshold:.3g}</strong>",
        "at most 10 % of",
        f"{low} to {high} %",
        "1 person enrolled",
    ):
        assert shown in said
    assert "refresh" not in page.get("/").text and gallery.log()[-1].action == "calibrate"
    gallery.enrol("Ben", walk(1), "form 2")
    assert "names are weak until it is calibrated again" in plain(page.get("/").text)
    calibrate(page, "12.5")
    assert gallery.calibration.current and gallery.calibration.fpir == 12.5


@pytest.mark.parametrize(
    ("fpir", "words"),
    [("1", "1 % cannot be promised: it takes walks of 300 people who are not enrolled, here are 40"),
     ("0", "give a number between 0 and 100"), ("nan", "give a number between 0 and 100"),
     ("-5", "give a number between 0 and 100"), ("", "the rate is no number"), ("five", "the rate is no number")],
)  # fmt: skip
def test_a_rate_that_cannot_be_shown_is_refused_and_the_old_one_stays(page, gallery, fpir, words):
    gallery.enrol("Anna", walk(0), "form 1")
    calibrate(page, "10")
    before = gallery.calibration
    assert words in plain(calibrate(page, fpir)) and gallery.calibration == before


def test_a_stranger_who_is_enrolled_and_a_gallery_that_is_not_there_are_refused(page, gallery):
    assert "there is no gallery" in plain(calibrate(page, "10")) and not gallery.path.exists()
    gallery.enrol("s101.npy", walk(0), "form 1")
    assert "s101.npy is enrolled, so no stranger" in plain(calibrate(page, "10"))


def test_the_page_goes_on_while_it_is_calibrated(page, gallery, monkeypatch):
    """One walk is held back; meanwhile people are shown, enrolled and erased, and no second calibration begins."""
    gallery.enrol("Anna", walk(0), "form 1")
    go_on, read, begun = threading.Event(), gallery.model.read, threading.Event()

    def slowly(given):
        if str(given).endswith("s120.npy"):
            begun.set()
            assert go_on.wait(60)
        return read(given)

    monkeypatch.setattr(gallery.model, "read", slowly)
    answer = page.post("/calibrate", data={"fpir": "10"})
    assert "Calibrating:" in answer.text and begun.wait(60)
    assert "comparing walk 21 of 40" in plain(page.get("/calibration").text)
    said = page.get("/").text
    assert "is being calibrated" in said and "refresh" not in said and 'action="/calibrate' not in said
    gallery.enrol("Ben", walk(1), "form 2")
    assert "is erased" in page.post("/erase", data={"person": "1"}).text
    page.post("/calibrate", data={"fpir": "50"})
    go_on.set()
    for _ in range(2000):
        if "Calibrating:" not in page.get("/calibration").text:
            break
        time.sleep(0.05)
    assert (gallery.calibration.fpir, gallery.calibration.people) == (10, 1) and gallery.calibration.current


def test_an_error_while_calibrating_is_said(page, gallery, monkeypatch):
    gallery.enrol("Anna", walk(0), "form 1")
    monkeypatch.setattr(gallery.model, "embed", lambda walks: 1 / 0)
    assert "could not be calibrated (ZeroDivisionError)" in plain(calibrate(page, "10"))


def test_without_strangers_synthetic_walkers_are_drawn(gallery, monkeypatch, tmp_path):
    few = WalkerSettings(bodies=2, styles=2, test_fraction=0, views=(90,), conditions=("nm-01",), frames=6)
    monkeypatch.setattr(calibrating, "DRAWN", few)
    monkeypatch.setattr(calibrating.tempfile, "tempdir", str(tmp_path))
    gallery.enrol("Anna", walk(0), "form 1")
    with testclient.TestClient(make_app(gallery, TOKEN), base_url="http://127.0.0.1:8700") as page:
        page.params = {"token": TOKEN}
        assert "4 synthetic walkers, which are drawn for it" in page.get("/").text
        made = []
        monkeypatch.setattr(calibrating, "generate", lambda *a, **k: made.append(a) or generate(*a, **k))
        assert "cannot be promised" in calibrate(page, "70") and not made  # none is drawn in vain
        assert "4 strangers" in plain(calibrate(page, "80"))
    assert gallery.calibration.strangers == 4 and len(made) == 1
    assert [path.name for path in tmp_path.iterdir()] == [gallery.path.name]  # the walkers are gone


def test_a_page_whose_server_of_embeddings_is_away_shows_people(page, gallery, monkeypatch):
    gallery.enrol("Anna", walk(0), "form 1")
    monkeypatch.setattr(Gallery, "away", "the Qdrant server <b> is away")
    text = page.get("/").text
    assert "the Qdrant server &lt;b&gt; is away" in text and "Anna" in text


@pytest.mark.parametrize(
    "form", [{"walker": "9"}, {"walker": "-1"}, {"walker": "x"}, {}, {"walker": "0", "name": ""},
             {"walker": "0", "name": "A", "until": "soon"}]
)  # fmt: skip
def test_wrong_forms_change_nothing(page, gallery, found, form):
    said = page.post(f"{found}/enrol", data={"consent": "form 1", **form})
    assert said.status_code == 400 and 'role="alert"' in said.text and not gallery.path.exists()


@pytest.fixture
def found(page, monkeypatch, tmp_path):
    """The page of a video with a walker; no video is read."""
    walker = videos.FoundWalker(videos.Walker("walker 1", (videos_pass(),)), [b"png"])
    monkeypatch.setattr(videos.Videos, "_cut_out", lambda self, video, path: video.walkers.append(walker))
    (tmp_path / "video").write_bytes(b"x")
    return drop(page, tmp_path / "video")


def videos_pass():
    from meshgait.gallery.sources import Pass

    return Pass(walk(0))


def test_a_video_can_be_forgotten(page, found):
    assert page.post(f"{found}/forget").status_code == 200
    assert page.get(found).status_code == 404


def test_videos_are_forgotten_after_a_while(page, found, monkeypatch):
    monkeypatch.setattr(videos, "FORGET", -1)
    assert page.get(found).status_code == 404


def test_old_videos_make_room_and_more_at_a_time_are_refused(page, found, monkeypatch, tmp_path):
    addresses = [found] + [drop(page, tmp_path / "video") for _ in range(videos.MOST_VIDEOS)]
    assert [page.get(address).status_code for address in addresses] == [404] + [200] * videos.MOST_VIDEOS
    monkeypatch.setattr(videos, "MOST_VIDEOS", 0)
    assert page.post("/videos", content=b"x").status_code == 429


def test_an_error_of_ours_is_said_and_not_hidden(page, monkeypatch, tmp_path):
    monkeypatch.setattr(videos.Videos, "_cut_out", lambda *_: 1 / 0)
    (tmp_path / "video").write_bytes(b"x")
    assert "could not be looked at (ZeroDivisionError)" in page.get(drop(page, tmp_path / "video")).text
    assert files(tmp_path) == []


def test_the_folder_of_videos_is_gone_at_the_end(gallery, tmp_path, monkeypatch):
    (tmp_path / "videos").mkdir()
    monkeypatch.setattr(videos.tempfile, "tempdir", str(tmp_path / "videos"))
    with testclient.TestClient(make_app(gallery, TOKEN), base_url="http://127.0.0.1"):
        (folder,) = (tmp_path / "videos").iterdir()
        assert folder.stat().st_mode & 0o077 == 0
    assert list((tmp_path / "videos").iterdir()) == []
