"""The model card's example, run as it stands there: onnxruntime and Pillow alone answer as `predict` does."""

import ast
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_release import TOOL, record, release, run  # noqa: F401 (a fixture)

from ladder import predict
from ladder.deploy import onnx_files
from odd_images import encoded
from test_predict import write_onnx

NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 70, 3), np.uint8))


def photos() -> dict[str, bytes]:
    """A turned JPEG, one in gray, transparent colors and palette, CMYK; none of them square."""
    exif = Image.Exif()
    exif[0x0112] = 6
    clear = NOISE.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(NOISE.size))
    return {
        "turned.jpg": encoded(NOISE, "JPEG", exif=exif.tobytes()),
        "gray.png": encoded(NOISE.convert("L")),
        "clear.png": encoded(clear),
        "palette.png": encoded(NOISE.convert("P"), transparency=3),
        "print.jpg": encoded(NOISE.convert("CMYK"), "JPEG"),
    }


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
def test_the_example_answers_as_predict_does(run, fit, capsys):  # noqa: F811
    model = Path("deployed/distill_static.onnx")
    about = onnx_files.about(model)
    about |= {"classes": ["red", "green", "blue"], "fit": fit}
    onnx_files.save(model, write_onnx(Path("made.onnx")).read_bytes(), about)
    record(runpy.run_path(str(TOOL))["folder_md5"](Path("deployed")))
    release()
    capsys.readouterr()
    (code,) = re.findall(r"(?s)  ```python\n(.*?)  ```", Path("release/README.md").read_text())
    lines = [line.removeprefix("  ") for line in code.splitlines()]
    assert len(lines) == 10
    Path("release/example.py").write_text("\n".join(lines))
    for name, content in photos().items():
        Path(name).write_bytes(content)
        done = subprocess.run(
            [sys.executable, "-I", "example.py", f"../{name}"],
            cwd="release",
            capture_output=True,
            text=True,
            check=True,
        )
        shown = ast.literal_eval(done.stdout)
        assert predict.main([name, "--model", "release/student_int8.onnx", "--json", "--top", "3"]) == 0
        (image,) = json.loads(capsys.readouterr().out)["images"]
        assert list(shown) == [other["class"] for other in image["top"]], name
        assert list(shown.values()) == pytest.approx([other["probability"] for other in image["top"]], rel=1e-12), name
