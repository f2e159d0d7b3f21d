"""DVC remotes as README's table names them: what one clone pushes another pulls, from servers on this machine."""

import asyncio
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import boto3
import pytest
from moto.server import ThreadedMotoServer

import pipeline
from pipeline import Pipeline

pytestmark = pytest.mark.slow

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def s3(monkeypatch) -> Iterator[list[list[str]]]:
    """The commands that add a bucket of a local server as the default remote."""
    for key, value in KEYS.items():
        monkeypatch.setenv(key, value)
        monkeypatch.setitem(pipeline.ENVIRONMENT, key, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=url).create_bucket(Bucket="ladder")
    yield [
        ["dvc", "remote", "add", "--default", "shared", "s3://ladder/dvc"],
        ["dvc", "remote", "modify", "shared", "endpointurl", url],
    ]
    server.stop()


class Anyone(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return False


@pytest.fixture
def ssh(tmp_path) -> Iterator[list[list[str]]]:
    """The same for a folder behind an SSH server."""
    key = asyncssh.generate_private_key("ssh-ed25519")

    async def serve() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen("127.0.0.1", 0, server_factory=Anyone, server_host_keys=[key], sftp_factory=True)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(serve(), loop).result()
    (tmp_path / "remote").mkdir()
    yield [
        ["dvc", "remote", "add", "--default", "shared", f"ssh://someone@127.0.0.1:{server.get_port()}{tmp_path}/remote"]
    ]
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


@pytest.mark.parametrize("kind", ["s3", "ssh"])
def test_a_clone_pulls_what_another_pushed(kind, request, tmp_path):
    origin = Pipeline(tmp_path / "origin")
    shutil.copytree(pipeline.ROOT / "presets", origin.folder / "data")
    origin.run("git", "init", "--quiet", "--initial-branch", "main")
    origin.run("dvc", "init", "--quiet")
    for command in request.getfixturevalue(kind):
        origin.run(*command)
    origin.run("dvc", "add", "data")
    origin.commit("data, and a remote")
    origin.run("dvc", "push")

    clone = Pipeline(tmp_path / "clone")
    origin.run("git", "clone", "--quiet", f"file://{origin.folder}", str(clone.folder))
    clone.run("dvc", "pull", "data/tiny.yaml")
    assert [path.name for path in Path(clone.folder / "data").iterdir()] == ["tiny.yaml"]
    clone.run("dvc", "pull")
    for path in (origin.folder / "data").iterdir():
        assert (clone.folder / "data" / path.name).read_bytes() == path.read_bytes()
    assert "Everything is up to date" in clone.run("dvc", "push")
