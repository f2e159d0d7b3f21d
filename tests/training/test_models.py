"""Classifiers: raw uint8 in, logits out; stems; pretrained weights from a file and from a (local) hub."""

import hashlib
import http.server
import math
import threading

import pytest
import safetensors.torch
import timm
import torch
from torch import nn

from ladder.core.errors import InputError
from ladder.core.types import Checkpoint
from ladder.params import Model, Recipe, Stem
from ladder.training import models, weights

CLASSES = ("red", "green", "blue")
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
SCRATCH = Model(pretrained=False, resize="bilinear", weights={})


def recipe(arch="resnet18", input_size=16, stem=None, drop_rate=0.0) -> Recipe:
    values = {"epochs": 1, "batch_size": 8, "optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0}
    return Recipe(
        arch=arch, input_size=input_size, stem=stem, drop_rate=drop_rate, schedule="constant", warmup_epochs=0.0,
        label_smoothing=0.0, **values,
    )  # fmt: skip


def stem(stride=1, pool=False, unstrided_stages=0) -> Stem:
    return Stem(stride=stride, pool=pool, unstrided_stages=unstrided_stages)


def build(recipe: Recipe, model: Model = SCRATCH, seed: int = 0) -> models.Classifier:
    return models.build(recipe, model, CLASSES, MEAN, STD, seed).eval()


def test_prepare_by_hand():
    images = torch.tensor([0, 128, 255], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    prepared = build(recipe()).prepare(images)
    expected = [(0 - 0.5) / 0.2, (128 / 255 - 0.4) / 0.25, (1 - 0.3) / 0.3]
    assert prepared.shape == (1, 3, 16, 16)
    assert prepared[0, :, 5, 5].tolist() == pytest.approx(expected, abs=1e-6)


def test_prepare_resizes_to_the_input_size_as_torch_does():
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    classifier = build(recipe(input_size=24))
    plain = build(recipe(input_size=8)).prepare(images)
    expected = nn.functional.interpolate(plain, (24, 24), mode="bilinear", align_corners=False)
    torch.testing.assert_close(classifier.prepare(images), expected)


@pytest.mark.parametrize("arch", ["resnet18", "efficientnet_b0", "mobilenetv3_small_100"])
def test_a_fresh_classifier_starts_out_undecided(arch):
    """Its loss is near that of guessing, ln C, whatever initialization timm chose for the head."""
    images = torch.randint(0, 256, (16, 3, 32, 32), dtype=torch.uint8)
    labels = torch.arange(16) % len(CLASSES)
    with torch.no_grad():
        loss = nn.functional.cross_entropy(build(recipe(arch, input_size=32)).train()(images), labels)
    assert loss == pytest.approx(math.log(len(CLASSES)), abs=0.35)


def test_floats_and_bytes_of_the_same_pixels_give_the_same_logits():
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    classifier = build(recipe())
    with torch.no_grad():
        logits = classifier(images)
        assert torch.equal(logits, classifier(images.float()))
    assert (logits.shape, logits.dtype) == ((2, 3), torch.float32)


@pytest.mark.parametrize(
    ("arch", "shape", "resolution"),
    [
        ("resnet18", stem(1), 4),
        ("resnet18", stem(2), 2),
        ("resnet18", stem(1, pool=True), 2),
        ("resnet18", stem(2, unstrided_stages=3), 16),
        ("efficientnet_b0", stem(1), 2),
        ("efficientnet_b0", stem(1, unstrided_stages=2), 8),
        ("mobilenetv3_small_100", stem(1, unstrided_stages=1), 4),
        ("mobilenetv3_small_100", stem(2), 1),
    ],
)
def test_a_stem_sets_the_resolution_of_the_last_feature_map(arch, shape, resolution):
    net = build(recipe(arch, 32, shape)).net
    with torch.no_grad():
        assert net.forward_features(torch.zeros(1, 3, 32, 32)).shape[-1] == resolution


@pytest.mark.parametrize(
    ("arch", "input_size", "shape", "message"),
    [
        ("resnet81", 16, None, "no architecture 'resnet81'; did you mean resnet18"),
        ("efficientnet_b0", 16, stem(1, pool=True), "no pooling in its stem"),
        ("resnet18", 16, stem(1, unstrided_stages=4), "3 stages that halve"),
        ("vit_tiny_patch16_224", 16, None, "does not take input_size=16"),
        ("crossvit_tiny_240", 240, stem(1), "stem must be null"),
    ],
)
def test_what_does_not_fit_is_refused(arch, input_size, shape, message):
    with pytest.raises(InputError, match=message):
        build(recipe(arch, input_size, shape))


def test_the_seed_decides_the_weights():
    first, again, other = (build(recipe(stem=stem()), seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["net.conv1.weight"], other["net.conv1.weight"])


def test_a_checkpoint_restores_the_same_function():
    classifier = build(recipe("mobilenetv3_small_100", 16, stem(1, unstrided_stages=1)))
    twin = models.restore(Checkpoint(classifier.config, classifier.state_dict()))
    images = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(classifier(images), twin(images))
    assert models.parameter_count(twin) == sum(p.numel() for p in classifier.parameters())


# Pretrained weights


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    """Weights as timm's hub holds them: 1,000 classes."""
    torch.manual_seed(7)
    return timm.create_model("resnet18").state_dict()


def local(path) -> Model:
    return Model(pretrained=True, resize="bilinear", weights={"resnet18": str(path)})


def check_pretrained(classifier: models.Classifier, published: dict[str, torch.Tensor]) -> None:
    assert torch.equal(classifier.net.conv1.weight, published["conv1.weight"])
    assert torch.equal(classifier.net.layer4[1].bn2.running_var, published["layer4.1.bn2.running_var"])
    assert classifier.net.fc.weight.shape == (3, 512)
    assert classifier.config["mean"] == [0.485, 0.456, 0.406], "a pretrained net keeps its own statistics"


def test_weights_from_a_local_file(published, tmp_path):
    safetensors.torch.save_file(published, tmp_path / "mine.safetensors")
    classifier = build(recipe(), local(tmp_path / "mine.safetensors"))
    check_pretrained(classifier, published)
    assert classifier.config["weights"] == "mine.safetensors"


def test_wrong_weights_never_give_a_random_start(published, tmp_path):
    path = tmp_path / "mine.safetensors"
    with pytest.raises(InputError, match=r"mine\.safetensors is missing"):
        build(recipe(), local(path))
    path.write_bytes(b"no tensors")
    with pytest.raises(InputError, match="no intact safetensors"):
        build(recipe(), local(path))
    safetensors.torch.save_file({k: v for k, v in published.items() if k != "layer3.0.conv1.weight"}, path)
    with pytest.raises(InputError, match=r"1 tensors are missing.*layer3\.0\.conv1\.weight"):
        build(recipe(), local(path))
    safetensors.torch.save_file(timm.create_model("resnet34").state_dict(), path)
    with pytest.raises(InputError, match="do not fit resnet18"):
        build(recipe(), local(path))


@pytest.fixture
def hub(published, tmp_path, monkeypatch):
    """A hub on localhost that holds one file, as huggingface_hub asks for it."""
    body = safetensors.torch.save(published)
    path = "/timm/resnet18.a1_in1k/resolve/main/model.safetensors"

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            found = self.path == path
            self.send_response(200 if found else 404)
            if found:
                self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
                self.send_header("X-Repo-Commit", "c0ffee" + "0" * 34)
            self.send_header("Content-Length", str(len(body) if found else 0))
            self.end_headers()
            return found

        def do_GET(self):
            if self.do_HEAD():
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(
        weights, "download", lambda *a, **k: DOWNLOAD(*a, **k, endpoint=address, cache_dir=tmp_path / "hub")
    )
    yield server
    server.shutdown()
    server.server_close()


DOWNLOAD = weights.download


def test_weights_from_the_hub(hub, published):
    classifier = build(recipe(), Model(pretrained=True, resize="bilinear", weights={}))
    check_pretrained(classifier, published)
    assert classifier.config["weights"] == "timm/resnet18.a1_in1k"


def test_what_the_hub_does_not_have_and_no_network_are_clear_errors(hub):
    pretrained = Model(pretrained=True, resize="bilinear", weights={})
    with pytest.raises(InputError, match=r"could not download timm/resnet34.*model\.weights\.resnet34"):
        build(recipe("resnet34"), pretrained)
    hub.shutdown()
    hub.server_close()
    with pytest.raises(InputError, match=r"could not download timm/resnet18.*network"):
        build(recipe(), pretrained)
