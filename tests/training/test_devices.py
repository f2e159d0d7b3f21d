"""The record of a machine: what may decide bytes, and nothing that changes from run to run."""

import torch

from ladder.training import devices


def test_a_record_names_what_bytes_depend_on_and_is_the_same_each_time():
    first = devices.machine(torch.device("cpu"))
    assert first.equals(devices.machine(torch.device("cpu")))
    found = dict(zip(first["what"], first["value"], strict=True))
    assert found["torch"] == torch.__version__
    assert found["threads"] == str(torch.get_num_threads())
    assert found["PyTorch's kernels"] == torch.backends.cpu.get_cpu_capability()
    assert found["GPU"] == found["cuDNN"] == "not used"
    assert found["processor"]
    assert all(name == name.lower() for name in found["vector extensions"].split())
    assert first["value"].map(type).eq(str).all()


def test_vector_extensions_are_those_that_the_processor_has(monkeypatch):
    flags = {"cpu_name": "Some CPU", "avx2": True, "avx512_f": True, "avx512_bf16": False, "popcnt": True, "sve": 1}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags)
    found = devices.machine(torch.device("cpu")).set_index("what")["value"]
    assert found["processor"] == "Some CPU"
    assert found["vector extensions"] == "avx2 avx512_f"
