"""Check that one's own images are where params.yaml says. `make repro` does it first.

DVC looks for them before any stage runs, and says no more than "[Errno 2] No such file" or "missing data 'source'".
"""

from pathlib import Path

from ladder import params
from ladder.core.errors import InputError, exit_on_input_error


def main() -> None:
    data = params.read().data
    path, pointer = Path(data.path), Path(f"{data.path}.dvc")
    if data.source != "image_folder" or path.exists():
        return
    if pointer.is_file():
        raise InputError(
            f"{path} is missing, but {pointer} records what it held: `dvc checkout {pointer}` takes it from this"
            f" repository's cache, `dvc pull {pointer}` from a remote"
        )
    raise InputError(
        f"{path}, the data.path of params.yaml, is missing: `make images DIR=path/to/photos` takes your own images from"
        f" where they are; or put them there as {path}/<class>/*, then `dvc add {path}`. For published"
        " images: `git checkout params.yaml`, or another preset"
    )


if __name__ == "__main__":
    exit_on_input_error(main)
