"""Monte Carlo dropout on tiny networks."""

import numpy as np
import pytest
import torch

from conftest import colored
from ladder.core.errors import InputError
from ladder.deploy import mc_dropout
from ladder.params import SqueezeExcite
from ladder.scoring import uncertainty as us
from networks import network

IMAGES = colored(4, 0, seed=0).images


def sample(model, passes: int = 5, seed: int = 0, batch_size: int = 5, name: str = "distill") -> np.ndarray:
    return mc_dropout.mc_dropout(model, IMAGES, passes=passes, seed=seed, batch_size=batch_size, name=name)


@pytest.mark.parametrize("arch", ["test_efficientnet", "test_resnet", "test_convnext"])
def test_dropout_is_active_functional_or_module(arch):
    model = network(arch)
    modules = [m for m in model.modules() if isinstance(m, torch.nn.Dropout) and m.p > 0]
    assert bool(modules) == (arch == "test_convnext")  # the others have timm's functional dropout alone
    samples = sample(model)
    assert samples.shape == (5, len(IMAGES), 3)
    assert samples.dtype == np.float32
    np.testing.assert_allclose(np.exp(samples).sum(-1), 1, rtol=1e-5)
    assert (us.variance(samples) > 0).all()
    assert (us.mutual_information(samples) > 0).all()


def test_the_squeeze_excite_head_drops_too():
    samples = sample(network("test_resnet", drop_rate=0.0, se=SqueezeExcite(reduction=4, drop_rate=0.5)))
    assert (us.variance(samples) > 0).all()


def test_each_pass_of_each_image_has_a_mask_of_its_own():
    model = network()
    same = np.repeat(IMAGES[:1], 4, axis=0)
    samples = mc_dropout.mc_dropout(model, same, passes=3, seed=0, batch_size=4, name="distill")
    assert len(np.unique(samples.reshape(12, 3), axis=0)) == 12


HEADS = {"its own": None, "squeeze-and-excitation": SqueezeExcite(reduction=4, drop_rate=0.5)}


@pytest.mark.parametrize("head", HEADS)
def test_shared_features_give_what_whole_passes_give(head):
    model = network("test_resnet", se=HEADS[head]).eval()
    body, rest = mc_dropout._split(model)
    pixels = torch.from_numpy(IMAGES)
    with torch.no_grad():
        torch.testing.assert_close(rest(body(pixels)), model(pixels))


@pytest.mark.parametrize("head", HEADS)
def test_the_features_are_computed_once_for_all_passes(head):
    model = network("test_resnet", se=HEADS[head], drop_rate=0.0 if HEADS[head] else 0.5)
    runs: list[torch.nn.Module] = []
    next(each for each in model.modules() if isinstance(each, torch.nn.Conv2d)).register_forward_hook(
        lambda conv, *_: runs.append(conv)
    )
    sample(model, passes=9, batch_size=len(IMAGES))
    assert len(runs) == 2  # and once to see that they are the same each time


def test_dropout_within_the_features_is_drawn_anew_in_each_pass():
    model = network(drop_rate=0.0)
    model.net.blocks[0].append(torch.nn.Dropout(0.5))
    samples = sample(model, batch_size=len(IMAGES))
    assert (us.variance(samples) > 0).all()


@pytest.mark.parametrize("arch", ["test_efficientnet", "test_resnet"])
def test_without_dropout_it_is_refused_by_the_name_of_the_param(arch):
    with pytest.raises(InputError, match=r"distill has no active dropout.*set the drop_rate of its recipe"):
        sample(network(arch, drop_rate=0.0))


def test_a_rate_that_no_layer_uses_is_refused():
    model = network(drop_rate=0.0)
    model.net.blocks.drop_rate = 0.5
    with pytest.raises(InputError, match="no active dropout"):
        sample(model)


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_weights_and_mode_stay(training):
    model = network().train(training)
    model.net.blocks.eval()
    modes = [module.training for module in model.modules()]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    sample(model)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    with mc_dropout.dropout_on(model) as active:
        assert active
        assert not any(m.training for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm))
        assert model.net.training


def test_mode_is_restored_after_an_error():
    model = network(drop_rate=0.0).train()
    with pytest.raises(InputError):
        sample(model)
    assert all(module.training for module in model.modules())


def test_the_seed_decides_and_the_global_state_stays():
    model = network()
    state = torch.random.get_rng_state()
    first, again, other = sample(model, seed=1), sample(model, seed=1), sample(model, seed=2)
    assert first.tobytes() == again.tobytes() != other.tobytes()
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_the_seed_decides_too():
    model = network().cuda()
    assert sample(model).tobytes() == sample(model).tobytes()
    assert (us.variance(sample(model)) > 0).all()
