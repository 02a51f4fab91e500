"""Sources: only files with the right content are used."""

import gzip
import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from latentcell.config.datasets import BUILT_IN
from latentcell.data import opening, sources
from latentcell.data.sources import SOURCES, Source, content_digest, fetch, fetch_source
from latentcell.runtime.errors import InputError
from latentcell.runtime.progress import Progress

CONTENT = b"barcode\tcelltype\nAAAC-1\tB\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HTML = b"<html>please log in</html>"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path == "/missing":
            self.send_error(404)
            return
        if self.path == "/mute":
            self.server.asleep.wait()
            return
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/plain")
            self.end_headers()
            return
        body = {"/html": HTML, "/packed": gzip.compress(CONTENT)}.get(self.path, CONTENT)
        if self.path in ("/stuck", "/endless", "/large"):
            body = bytes(2_500_000)
        flaky = self.path == "/flaky" and self.server.asked.count("/flaky") < 3
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:5] if self.path in ("/cut", "/stuck") or flaky else body)
        if self.path == "/stuck":
            self.server.asleep.wait()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.asleep = [], threading.Event()
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.asleep.set()
        server.shutdown()


@pytest.fixture
def address(server):
    return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture(autouse=True)
def _quick_and_apart(monkeypatch):
    monkeypatch.setattr(sources, "_PAUSE", 0.0)
    monkeypatch.delenv(sources.DATA_VARIABLE, raising=False)


def a_source(*urls, **others):
    return Source(name="types.tsv", sha256=SHA256, urls=urls, folder="handed", **others)


def test_download_lands_under_its_name(tmp_path, address):
    path = fetch_source(a_source(f"{address}/plain"), "study", tmp_path)
    assert path == tmp_path / "study" / "types.tsv"
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == ["types.tsv"]


def test_download_may_be_packed(tmp_path, address):
    path = fetch_source(a_source(f"{address}/packed"), "study", tmp_path)
    assert gzip.decompress(path.read_bytes()) == CONTENT


def test_second_fetch_asks_nobody(tmp_path, server, address):
    source = a_source(f"{address}/plain")
    first = fetch_source(source, "study", tmp_path)
    assert fetch_source(source, "study", tmp_path) == first
    assert server.asked == ["/plain"]


def test_next_address_is_tried(tmp_path, server, address):
    path = None
    with pytest.warns(UserWarning, match="/missing could not be downloaded"):
        path = fetch_source(a_source(f"{address}/missing", f"{address}/plain"), "d", tmp_path)
    assert path is not None
    assert path.read_bytes() == CONTENT
    assert server.asked == ["/missing", "/plain"]


def test_broken_download_is_repeated(tmp_path, server, address):
    path = fetch_source(a_source(f"{address}/flaky"), "study", tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.asked == ["/flaky"] * 3


def test_truncated_download_leaves_nothing(tmp_path, address):
    with pytest.raises(InputError, match=r"expected the file types\.tsv .*could not be downloaded"):
        fetch_source(a_source(f"{address}/cut"), "study", tmp_path)
    assert list((tmp_path / "study").iterdir()) == []


@pytest.mark.parametrize("path", ["mute", "stuck"])
def test_server_that_hangs_is_given_up(tmp_path, monkeypatch, server, address, path):
    """The server accepts the request and sends nothing, or stops in the middle."""
    monkeypatch.setattr(sources, "_TIMEOUT", 0.2)
    with pytest.raises(InputError, match=f"/{path} could not be downloaded"):
        fetch_source(a_source(f"{address}/{path}"), "study", tmp_path)
    assert server.asked == [f"/{path}"] * 3
    assert list((tmp_path / "study").iterdir()) == []


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        ({"_PATIENCE": 0.0, "_SLOWEST": 1e15}, "less than .* bytes a second"),
        ({"_MOST_BYTES": 2**20}, "more than 1,048,576 bytes"),
    ],
)
def test_download_that_would_not_end_is_given_up(tmp_path, monkeypatch, address, limits, found):
    for name, value in limits.items():
        monkeypatch.setattr(sources, name, value)
    with pytest.raises(InputError, match=found):
        fetch_source(a_source(f"{address}/endless"), "study", tmp_path)
    assert list((tmp_path / "study").iterdir()) == []


def test_slow_start_is_no_fault(tmp_path, monkeypatch, address):
    """Bytes are counted before the end; pooch updates the bar once more after it."""
    monkeypatch.setattr(sources, "_MOST_BYTES", 2_500_000 + 1024)
    large = replace(
        a_source(f"{address}/large"), sha256=hashlib.sha256(bytes(2_500_000)).hexdigest()
    )
    assert fetch_source(large, "study", tmp_path).stat().st_size == 2_500_000


def test_progress_is_told_where_it_is_wanted(tmp_path, monkeypatch, address, capsys):
    monkeypatch.setattr(sources, "Progress", lambda name, total: Progress(name, total, every=0))
    large = replace(
        a_source(f"{address}/large"), sha256=hashlib.sha256(bytes(2_500_000)).hexdigest()
    )
    fetch_source(large, "study", tmp_path / "quiet")
    assert capsys.readouterr().err == ""
    fetch_source(large, "study", tmp_path, progress=True)
    assert capsys.readouterr().err == "types.tsv: 1 of 2, MB\ntypes.tsv: 2 of 2, MB\n"


def test_redirect_is_followed(tmp_path, server, address):
    path = fetch_source(a_source(f"{address}/moved"), "study", tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.asked == ["/moved", "/plain"]


def test_bomb_is_hashed_as_it_lies(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "_HARMLESS", 1000)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(10**7)))
    assert content_digest(path, unpacked=True) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_html_is_set_aside(tmp_path, address):
    digest = hashlib.sha256(HTML).hexdigest()
    with pytest.raises(InputError, match=f"gave the wrong content .sha256 {digest}"):
        fetch_source(a_source(f"{address}/html"), "study", tmp_path)
    files = list((tmp_path / "study").iterdir())
    assert [file.name for file in files] == [f"types.tsv.wrong-{digest[:8]}"]
    assert files[0].read_bytes() == HTML


def test_refused_connection_says_what_to_put_where(tmp_path):
    with pytest.raises(InputError) as caught:
        fetch_source(a_source("http://127.0.0.1:9/types.tsv"), "study", tmp_path)
    message = str(caught.value)
    assert str(tmp_path / "study" / "types.tsv") in message
    assert SHA256 in message
    assert "\n" not in message
    assert message.endswith("put it there by hand")


@pytest.mark.parametrize("folder", ["study", ".", "handed"])
@pytest.mark.parametrize("packed", [False, True])
def test_local_file_is_used_wherever_it_lies(tmp_path, folder, packed):
    path = tmp_path / folder / ("types.tsv.gz" if packed else "types.tsv")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(CONTENT) if packed else CONTENT)
    assert fetch_source(a_source(), "study", tmp_path).samefile(path)


def test_alias_is_used(tmp_path):
    (tmp_path / "other.tsv").write_bytes(CONTENT)
    found = fetch_source(a_source(aliases=("other.tsv",)), "study", tmp_path)
    assert found.name == "other.tsv"


def test_wrong_local_file_is_renamed_and_named(tmp_path):
    path = tmp_path / "types.tsv"
    path.write_bytes(b"wrong")
    wrong = f"types.tsv.wrong-{hashlib.sha256(b'wrong').hexdigest()[:8]}"
    with pytest.raises(InputError, match=rf"was renamed to {wrong}"):
        fetch_source(a_source(), "study", tmp_path)
    assert not path.exists()
    assert (tmp_path / wrong).read_bytes() == b"wrong"


def test_wrong_local_file_is_replaced_by_a_download(tmp_path, address):
    path = tmp_path / "study" / "types.tsv"
    path.parent.mkdir()
    path.write_bytes(HTML)
    with pytest.warns(UserWarning, match="has the wrong content"):
        found = fetch_source(a_source(f"{address}/plain"), "study", tmp_path)
    assert found == path
    assert path.read_bytes() == CONTENT


def test_data_folder_is_searched_but_never_changed(tmp_path, monkeypatch):
    given = tmp_path / "given" / "handed"
    given.mkdir(parents=True)
    monkeypatch.setenv(sources.DATA_VARIABLE, str(tmp_path / "given"))
    path = given / "types.tsv"
    path.write_bytes(CONTENT)
    assert fetch_source(a_source(), "study", tmp_path / "resources") == path
    path.write_bytes(b"wrong")
    with pytest.raises(InputError, match="passed over"):
        fetch_source(a_source(), "study", tmp_path / "resources")
    assert path.read_bytes() == b"wrong"


def test_optional_file_may_be_absent(tmp_path):
    assert fetch_source(a_source(required=False), "study", tmp_path) is None


def test_wrong_optional_file_is_warned_about(tmp_path):
    (tmp_path / "types.tsv").write_bytes(b"wrong")
    with pytest.warns(UserWarning, match="wrong content"):
        assert fetch_source(a_source(required=False), "study", tmp_path) is None


def test_fetch_gives_a_path_for_each_role(tmp_path, monkeypatch):
    extra = replace(a_source(required=False), name="extra.tsv")
    monkeypatch.setitem(SOURCES, "own", {"types": a_source(), "extra": extra})
    (tmp_path / "types.tsv").write_bytes(CONTENT)
    assert fetch("own", tmp_path) == {"types": tmp_path / "types.tsv"}


def test_fetch_of_a_dataset_without_downloads_is_empty(tmp_path):
    assert fetch("pbmc68k-sample", tmp_path) == {}


@pytest.mark.parametrize("dataset", ["pbmc68k-study", "pbmc68k"])
def test_missing_deposit_is_asked_for(tmp_path, monkeypatch, dataset):
    offline = {role: replace(source, urls=()) for role, source in SOURCES[dataset].items()}
    monkeypatch.setitem(SOURCES, dataset, offline)
    first = next(iter(offline.values()))
    with pytest.raises(InputError, match=rf"{first.name} .*{first.sha256}"):
        fetch(dataset, tmp_path)


def test_digest_of_broken_gzip_is_that_of_the_file(tmp_path):
    path = tmp_path / "broken.gz"
    path.write_bytes(gzip.compress(CONTENT)[:-9])
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert content_digest(path, unpacked=True) == expected


def test_digest_of_an_archive_is_that_of_the_file(tmp_path):
    path = tmp_path / "archive.gz"
    path.write_bytes(gzip.compress(CONTENT))
    assert content_digest(path, unpacked=True) == SHA256
    assert content_digest(path, unpacked=False) != SHA256


def test_any_content_is_right_where_no_digest_is_known(tmp_path, address):
    source = replace(a_source(f"{address}/html"), sha256="")
    path = fetch_source(source, "study", tmp_path)
    assert path.read_bytes() == HTML
    absent = replace(a_source(f"{address}/missing"), sha256="")
    with pytest.raises(
        InputError, match=r"expected the file types\.tsv, found none with the right"
    ):
        fetch_source(absent, "other", tmp_path)


def test_only_its_own_folder_is_searched_where_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv(sources.DATA_VARIABLE, str(tmp_path / "given"))
    for folder in (tmp_path, tmp_path / "handed", tmp_path / "given"):
        folder.mkdir(exist_ok=True)
        (folder / "types.tsv").write_bytes(CONTENT)
    with pytest.raises(InputError, match="found none with the right content"):
        fetch_source(a_source(anywhere=False), "study", tmp_path)
    (tmp_path / "study").mkdir()
    (tmp_path / "study/types.tsv").write_bytes(CONTENT)
    found = fetch_source(a_source(anywhere=False), "study", tmp_path)
    assert found == tmp_path / "study/types.tsv"


def test_main_files_are_those_of_the_table():
    for name, role in (("pbmc68k-study", "counts"), ("pbmc68k", "matrix")):
        source = SOURCES[name][role]
        assert source.urls[0] == BUILT_IN[name].source
        assert source.sha256 == BUILT_IN[name].sha256


def test_registry_holds_whole_digests_and_secure_addresses():
    registered = [source for files in SOURCES.values() for source in files.values()]
    assert registered
    for source in registered:
        assert len(source.sha256) == 64 or source.folder.startswith("truth/")
        assert all(url.startswith("https://") for url in source.urls)
        assert source.urls or not source.required
