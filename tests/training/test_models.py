"""Classifiers: raw uint8 in, logits out; stems; what does not fit; pretrained weights put into them."""

import math

import pytest
import timm
import torch
from torch import nn

from ladder.core import architectures
from ladder.core.artifacts import pretrained
from ladder.core.errors import InputError
from ladder.core.types import Checkpoint, Pretrained
from ladder.params import Hardware, Model, Recipe, SqueezeExcite
from ladder.params_groups import Stem
from ladder.training import devices, models, weights

CLASSES = ("red", "green", "blue")
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
BILINEAR = Model(resize="bilinear")
SE = SqueezeExcite(reduction=4, drop_rate=0.1)


def recipe(arch="resnet18", input_size=16, stem=None, drop_rate=0.0, weights="scratch") -> Recipe:
    values = {"epochs": 1, "batch_size": 8, "optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0}
    return Recipe(
        arch=arch, weights=weights, input_size=input_size, stem=stem, drop_rate=drop_rate, schedule="constant",
        warmup_epochs=0.0, label_smoothing=0.0, **values,
    )  # fmt: skip


def stem(stride=1, pool=False, unstrided_stages=0) -> Stem:
    return Stem(stride=stride, pool=pool, unstrided_stages=unstrided_stages)


def build(recipe: Recipe, seed: int = 0, se: SqueezeExcite | None = None, start=None) -> models.Classifier:
    return models.build(recipe, BILINEAR, CLASSES, MEAN, STD, seed, se, start).eval()


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


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("resnet18.a1_in1", r"no tag 'a1_in1' of resnet18: there is a1_in1k, a2_in1k, .*tv_in1k"),
        ("resnet18.", "no tag '' of resnet18"),
        ("botnet50ts_256.c1_in1k", "no tag|no tags of botnet50ts_256: write botnet50ts_256 alone"),
        ("resnet81.a1_in1k", "no architecture 'resnet81'; did you mean resnet18"),
        ("hf-hub:timm/resnet18.a1_in1k", "no architecture 'hf-hub:timm/resnet18'"),
        # Attention over a fixed number of positions says so by an AssertionError without a word.
        ("botnet26t_256", r"botnet26t_256 .*input_size=32 \(timm made it for 256\): AssertionError without a word"),
        ("halonet26t", r"halonet26t .*input_size=32 \(timm made it for 256\): AssertionError without a word"),
        ("vit_tiny_patch16_224", r"input_size=32 \(timm made it for 224\): .*224"),
        # An encoder of a language model: it has no dropout before its classifier.
        ("gemma4_vit_167m_enc", r"gemma4_vit_167m_enc cannot be made with num_classes, drop_rate \(TypeError"),
    ],
)
def test_a_name_or_an_architecture_that_does_not_fit_ends_in_one_message(arch, message):
    with pytest.raises(InputError, match=message) as error:
        build(recipe(arch, 32))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("arch", "size"), [("test_vit", 160), ("swin_tiny_patch4_window7_224", 224)])
def test_the_se_head_needs_a_feature_map(arch, size):
    with pytest.raises(InputError, match=rf"needs a feature map \(B, C, H, W\), and {arch} ends in \(1, "):
        build(recipe(arch, size), se=SE)


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("efficientvit_b0", r"and efficientvit_b0 gives none \(Cannot disable pooling\): choose a convolutional"),
        ("efficientvim_m1", "and efficientvim_m1 ends in several tensors: choose a convolutional"),
    ],
)
def test_a_head_that_is_bound_to_its_network_is_no_place_for_the_se_head(arch, message):
    with pytest.raises(InputError, match=message):
        build(recipe(arch, 32), se=SE)


def test_a_network_whose_stages_are_no_module_keeps_its_strides():
    with pytest.raises(InputError, match=r"hrnet_w18_small has . stages that halve the resolution: unstrided_stages=9"):
        build(recipe("hrnet_w18_small", 32, stem(unstrided_stages=9)))


@pytest.mark.parametrize("arch", ["resnet18", "test_efficientnet", "mobilenetv3_small_100", "test_convnext"])
def test_the_se_head_takes_convolutional_networks(arch):
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        assert build(recipe(arch, 32), se=SE)(images).shape == (2, 3)


def test_a_tag_changes_neither_bytes_nor_speed_from_scratch(monkeypatch):
    plain, tagged = (build(recipe(arch, stem=stem())) for arch in ("resnet18", "resnet18.tv_in1k"))
    ours = plain.state_dict()
    assert all(torch.equal(tensor, ours[name]) for name, tensor in tagged.state_dict().items())
    assert [tagged.config[key] for key in ("mean", "std", "weights")] == [list(MEAN), list(STD), "scratch"]
    monkeypatch.setattr(devices, "kind", lambda device: "cpu_bf16")
    auto = Hardware(
        device="cpu",
        precision="auto",
        threads=1,
        compile=False,
        processes=1,
        sync_batch_norm=False,
        predict_batch_size=1,
    )
    chosen = {devices.precision(arch, auto, torch.device("cpu")) for arch in ("resnet18", "resnet18.tv_in1k")}
    assert chosen == {torch.bfloat16}


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
def published() -> Pretrained:
    """Half-precision weights, as the stage `weights` keeps them."""
    torch.manual_seed(7)
    body = architectures.body(timm.create_model("resnet18"))
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in body.items()}
    return Pretrained("resnet18", "assets/weights/resnet18.safetensors", "ab" * 32, (0.4,) * 3, (0.2,) * 3, half)


IMAGENET = recipe(weights="imagenet")


@pytest.mark.parametrize("se", [None, SE])
def test_pretrained_weights_are_in_the_network_as_floats_under_a_head_of_its_own(published, se):
    classifier = build(IMAGENET, se=se, start=published)
    net = classifier.net.backbone if se else classifier.net
    given = published.weights
    assert all(torch.equal(tensor, given[name].to(tensor.dtype)) for name, tensor in architectures.body(net).items())
    assert {tensor.dtype for tensor in classifier.state_dict().values()} == {torch.float32, torch.int64}
    assert classifier.net.fc.weight.shape == (3, 512)
    assert classifier.config["mean"] == [0.4] * 3, "a pretrained net keeps its own statistics"
    assert classifier.config["weights"] == "assets/weights/resnet18.safetensors"
    assert classifier.config["weights_sha256"] == "ab" * 32
    twin = models.restore(Checkpoint(classifier.config, classifier.state_dict()))
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(classifier(images), twin(images))


def test_weights_that_do_not_fit_never_give_a_random_start(published):
    lacking = {name: tensor for name, tensor in published.weights.items() if name != "layer3.0.conv1.weight"}
    with pytest.raises(InputError, match=r"1 tensors are missing.*layer3\.0\.conv1\.weight"):
        build(IMAGENET, start=Pretrained(**(vars(published) | {"weights": lacking})))
    with pytest.raises(AssertionError, match="never a random start"):
        build(IMAGENET, start=None)
    with pytest.raises(AssertionError, match="never a random start"):
        build(recipe(), start=published)


def test_a_recipe_gets_the_weights_of_its_own_folder(published, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pretrained.save("data/weights/baseline", published)
    found = weights.read("baseline", IMAGENET)
    assert {**vars(found), "weights": None} == {**vars(published), "weights": None}
    assert all(torch.equal(tensor, found.weights[name]) for name, tensor in published.weights.items())
    assert weights.read("baseline", recipe()) is None, "from scratch it reads nothing"
    with pytest.raises(
        InputError, match=r"holds weights of resnet18, expected resnet18\.tv_in1k: `dvc repro weights@b"
    ):
        weights.read("baseline", recipe("resnet18.tv_in1k", weights="imagenet"))
    with pytest.raises(InputError, match=r"data/weights/effnet holds no ImageNet weights.*dvc repro weights@effnet"):
        weights.read("effnet", IMAGENET)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "no list", "foreign"])
def test_a_damaged_folder_of_weights_is_refused(published, tmp_path, damage):
    pretrained.save(tmp_path / "w", published)
    tensors, about = tmp_path / "w/model.safetensors", tmp_path / "w/weights.json"
    data = bytearray(tensors.read_bytes())
    data[len(data) // 2] ^= 1
    match damage:
        case "flip":
            tensors.write_bytes(data)
        case "cut":
            tensors.write_bytes(data[: len(data) // 2])
        case "empty":
            about.write_bytes(b"")
        case "no list":
            about.write_text("[]")
        case "foreign":
            about.write_text('{"arch": "resnet18"}')
    with pytest.raises(InputError, match="holds no ImageNet weights"):
        pretrained.load(tmp_path / "w")


def test_equal_weights_are_equal_bytes_and_none_are_an_empty_folder(published, tmp_path):
    for name in ("a", "b"):
        pretrained.save(tmp_path / name, published)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["model.safetensors", "weights.json"]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)
    pretrained.save(tmp_path / "a", None)
    assert list((tmp_path / "a").iterdir()) == []


@pytest.mark.parametrize(
    ("image", "size", "most", "expected"),
    [(8, 8, 500, 500), (32, 32, 500, 500), (32, 128, 500, 31), (224, 32, 500, 10), (32, 224, 7, 1)],
)
def test_fewer_large_images_are_predicted_at_a_time(image, size, most, expected):
    model = models.Classifier(torch.nn.Identity(), {"mean": [0.5] * 3, "std": [0.25] * 3, "input_size": size})
    assert models.at_a_time(model, image, most) == expected
