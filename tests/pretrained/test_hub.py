"""timm's hub, served on localhost with the real file formats and headers, and all that can go wrong with it."""

import hashlib
import http.server
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import safetensors.torch
import timm
import torch
from huggingface_hub import constants

from ladder.core.errors import InputError
from ladder.core.types import Pretrained
from ladder.pretrained import assets, sources

ARCH, REPO = "test_resnet", "timm/test_resnet.r160_in1k"


@dataclass
class Hub:
    """Repositories by name, each one file, and how the server answers."""

    files: dict[str, bytes]
    address: str = ""
    without: tuple[str, ...] = ()  # headers that it does not send
    status: int = 200
    cut: int = 0  # bytes that it announces and does not send
    digest: str | None = None  # that it names instead of the file's
    asked: list[str] = field(default_factory=list)
    close: Callable[[], None] = lambda: None


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(7)
    return timm.create_model(ARCH).state_dict()


def endpoint(address: str, monkeypatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")


@pytest.fixture
def hub(state, tmp_path, monkeypatch):
    """A hub that holds the weights of one tag, empty caches, and an empty assets/weights/."""
    monkeypatch.chdir(tmp_path)
    assets.FOLDER.mkdir(parents=True)
    served = Hub({REPO: safetensors.torch.save(state)})

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            return self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, body: bool):
            served.asked.append(self.path)
            repo, _, file = self.path.lstrip("/").partition("/resolve/main/")
            data = served.files.get(repo) if served.status == 200 else None
            found = data is not None and file == "model.safetensors"
            headers = {"Content-Length": str(len(data) if found else 0), "X-Repo-Commit": "c0ffee" + "0" * 34}
            if found:
                headers["ETag"] = f'"{served.digest or hashlib.sha256(data).hexdigest()}"'
            elif served.status == 200:
                headers["X-Error-Code"] = "EntryNotFound" if repo in served.files else "RepoNotFound"
            self.send_response(200 if found else 404 if served.status == 200 else served.status)
            for name, value in headers.items():
                if name not in served.without:
                    self.send_header(name, value)
            self.end_headers()
            if body and found:
                self.wfile.write(data[: len(data) - served.cut])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    served.address = f"http://127.0.0.1:{server.server_port}"

    def close():
        server.shutdown()
        server.server_close()

    served.close = close
    # What the environment variables HF_ENDPOINT and HF_HOME set when the package is imported.
    endpoint(served.address, monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)  # between its five attempts
    yield served
    close()


def check(found: Pretrained, hub: Hub, state: dict[str, torch.Tensor]) -> None:
    assert found.origin == REPO
    assert found.sha256 == hashlib.sha256(hub.files[REPO]).hexdigest()
    assert all(torch.equal(tensor, state[name]) for name, tensor in found.weights.items())


def refused(match: str, arch: str = ARCH) -> str:
    with pytest.raises(InputError, match=match) as error:
        sources.find(arch)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_fresh_then_cached_then_offline_then_with_the_hub_down(hub, state, monkeypatch):
    check(sources.find(ARCH), hub, state)
    assert any(path.startswith(f"/{REPO}/") for path in hub.asked), "the mirror that HF_ENDPOINT names was asked"
    check(sources.find(f"{ARCH}.r160_in1k"), hub, state)
    hub.status = 503
    check(sources.find(ARCH), hub, state)
    hub.close()
    check(sources.find(ARCH), hub, state)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    check(sources.find(ARCH), hub, state)


def test_the_repository_of_the_tag_is_asked(hub, state):
    hub.files["timm/resnet18.tv_in1k"] = hub.files[REPO]
    refused("timm/resnet18.tv_in1k do not fit resnet18, they are of another architecture", "resnet18.tv_in1k")
    refused("could not download timm/resnet18.a1_in1k/", "resnet18")


def test_a_hub_that_does_not_have_it(hub):
    message = refused(rf"could not download timm/test_vit\.r160_in1k/.* {hub.address} does not have it", "test_vit")
    assert "put a file into assets/weights as test_vit.safetensors, or set <recipe>.weights: scratch" in message


def test_a_hub_that_is_down(hub):
    hub.close()
    refused(rf"could not download {REPO}/model.safetensors: no connection to {hub.address} \(Connect.*the network")


def test_a_hub_that_is_out_of_order(hub):
    hub.status = 503
    refused(f"{hub.address} answered with status 503: try again later")


def test_a_hub_that_wants_a_login(hub):
    hub.status = 401
    refused(f"{hub.address} answered with status 401: it does not hand it out")


def test_offline_without_a_cache(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    refused("HF_HUB_OFFLINE is set, and the cache does not hold it")
    assert hub.asked == []


@pytest.mark.parametrize("header", ["X-Repo-Commit", "ETag"])
def test_a_mirror_that_lacks_a_header(hub, state, header):
    hub.without = (header,)
    refused(rf"{hub.address} does not answer like the hub \(no header {header}\): set HF_ENDPOINT to another")
    hub.without = ()
    check(sources.find(ARCH), hub, state)
    hub.without = (header,)
    check(sources.find(ARCH), hub, state)


def test_a_mirror_that_does_not_say_how_long_a_file_is(hub, state):
    hub.without = ("Content-Length",)
    check(sources.find(ARCH), hub, state)


def test_a_download_that_breaks_off(hub, state):
    hub.cut = 1000
    refused(f"could not download {REPO}/model.safetensors: the download from {hub.address} broke off .*try again")
    hub.cut = 0
    check(sources.find(ARCH), hub, state)


def test_a_file_that_is_truncated_on_the_mirror(hub):
    hub.files[REPO] = hub.files[REPO][:-1000]
    message = refused("is truncated")
    assert f"{REPO}/model.safetensors from {hub.address}" in message


def test_a_file_that_is_not_the_one_whose_digest_was_named(hub, state, tmp_path):
    right = hub.files[REPO]
    hub.digest = hashlib.sha256(right).hexdigest()
    hub.files[REPO] = right[:-4] + bytes(4)
    message = refused(f"is damaged: its sha256 is .*, the hub named {hub.digest}")
    hub.files[REPO] = right
    assert refused("is damaged") == message, "the cache holds it still"
    path = message.rsplit("delete ", 1)[1]
    os.remove(path)
    check(sources.find(ARCH), hub, state)


@pytest.mark.parametrize(
    ("arch", "channels", "message"),
    [("test_efficientnet", 3, "of another architecture"), (ARCH, 1, r"for images of 1 channels, expected 3")],
)
def test_a_file_of_something_else(hub, arch, channels, message):
    hub.files[REPO] = safetensors.torch.save(timm.create_model(arch, in_chans=channels).state_dict())
    refused(f"the weights {REPO} .*{message}")


@pytest.mark.parametrize("address", ["localhost:1", "http://[", "no address"])
def test_an_endpoint_that_is_no_address(hub, monkeypatch, address):
    endpoint(address, monkeypatch)
    refused("could not download .*HF_ENDPOINT")


def test_a_cache_that_cannot_be_written(hub, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file/cache"))
    refused("it cannot be kept in .*file/cache")
