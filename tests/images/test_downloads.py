"""Downloads from a server on localhost: what fails or is not the published file leaves one message and no file."""

import dataclasses
import http.server
import socket
import threading

import pytest

from ladder.core.errors import InputError
from ladder.images import downloads, published
from tiny_archives import MAKE
from trees import files_in


class Server(http.server.ThreadingHTTPServer):
    """Answers any request as `answer` does; counts the requests."""

    answer = None
    requests = 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.requests += 1
        self.server.answer(self)
        self.close_connection = True

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        for name in ("CIFAR10", "CIFAR10_JPEG"):
            url = f"http://127.0.0.1:{running.server_port}/{name}"
            monkeypatch.setattr(published, name, dataclasses.replace(getattr(published, name), url=url))
        yield running
        running.shutdown()


def send(content: bytes, *, announced: int | None = None, status: int = 200):
    def answer(handler):
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content) if announced is None else announced))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def send_broken_chunks(handler):
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"5\r\nhello\r\n")


def send_nothing(handler):
    threading.Event().wait(1)


@pytest.mark.parametrize("source", MAKE)
def test_download(tmp_path, monkeypatch, server, source, capfd):
    kept = MAKE[source](tmp_path / "kept", monkeypatch)
    server.answer = send(kept.read_bytes())
    read = [published.read(source, tmp_path / folder) for folder in ("kept", "data/archives", "data/archives")]
    assert server.requests == 1  # what is there is not downloaded
    assert files_in(tmp_path / "data/archives") == [getattr(published, source.upper()).file]
    assert (tmp_path / "data/archives" / kept.name).read_bytes() == kept.read_bytes()
    assert read[0] == read[1] == read[2]
    assert capfd.readouterr().err == ""  # no progress bar where there is no terminal


@pytest.mark.parametrize("source", MAKE)
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(send(b"", status=404), "could not be downloaded to .*404", id="not-found"),
        pytest.param(send(b"half", announced=8), "could not be downloaded", id="broken-off"),
        pytest.param(send_broken_chunks, "could not be downloaded", id="broken-off-chunked"),
        pytest.param(send_nothing, "could not be downloaded to .*timed out", id="silent"),
        pytest.param(send(b"<html>Please log in</html>"), "the download from .* was not kept", id="a-login-page"),
    ],
)
def test_failed_downloads_leave_nothing(tmp_path, monkeypatch, server, source, answer, message):
    monkeypatch.setattr(downloads, "TIMEOUT_S", 0.2)
    server.answer = answer
    with pytest.raises(InputError, match=message) as caught:
        published.read(source, tmp_path / "archives")
    assert f"http://127.0.0.1:{server.server_port}/{source.upper()}" in str(caught.value)
    assert server.requests == 1
    assert files_in(tmp_path) == ["archives"]


@pytest.mark.parametrize("source", MAKE)
def test_downloads_with_the_wrong_digest_are_not_kept(tmp_path, monkeypatch, server, source):
    server.answer = send(MAKE[source](tmp_path / "kept", monkeypatch).read_bytes())
    archive = getattr(published, source.upper())
    monkeypatch.setattr(published, source.upper(), dataclasses.replace(archive, digest="another"))
    with pytest.raises(InputError, match=r"the download from .* was not kept: .*, expected another"):
        published.read(source, tmp_path / "archives")
    assert files_in(tmp_path / "archives") == []


def test_nobody_listens(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, but not listening
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        monkeypatch.setattr(published, "CIFAR10", dataclasses.replace(published.CIFAR10, url=url))
        with pytest.raises(InputError, match=f"{url} could not be downloaded .* put cifar-10-python.tar.gz there"):
            published.read("cifar10", tmp_path / "archives")
    assert files_in(tmp_path) == ["archives"]


@pytest.mark.parametrize("source", MAKE)
def test_an_archive_in_the_old_place_is_named_and_nothing_is_downloaded(tmp_path, monkeypatch, server, source):
    path = MAKE[source](tmp_path / "data/raw", monkeypatch)
    archives = tmp_path / "data/archives"
    with pytest.raises(
        InputError, match=f"^{path} lies where archives were looked for before: move it into {archives}"
    ):
        published.read(source, archives)
    assert server.requests == 0
    assert not archives.exists()
    archives.mkdir()
    path.replace(archives / path.name)
    assert published.read(source, archives)
