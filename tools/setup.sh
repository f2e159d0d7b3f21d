#!/usr/bin/env bash
# Install the pinned packages into .venv/. TORCH_INDEX: another package index for torch and torchvision (CPU-only builds).
set -euo pipefail
python=$1

"$python" -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 14) else
    f"setup: {sys.executable} is Python {v[0]}.{v[1]}, but 3.11 to 3.14 is needed: run `make setup PYTHON=python3.13`")'
installed=.venv/.installed  # a copy of what it was made from: times say nothing where several clones link one .venv
if cat requirements.txt pyproject.toml | cmp -s - $installed; then
    touch $installed
    exit
fi
[ -x .venv/bin/python ] || "$python" -m venv .venv

pip=(.venv/bin/python -m pip --disable-pip-version-check install --quiet)
echo "setup: installing into .venv/ (once; about 6 GB with the CUDA libraries, some minutes)"
if [ -n "${TORCH_INDEX:-}" ]; then
    grep -E '^torch(vision)?==' requirements.txt | "${pip[@]}" --index-url "$TORCH_INDEX" -r /dev/stdin
    grep -vE '^(cuda-|nvidia-|triton)' requirements.txt | "${pip[@]}" -r /dev/stdin
else
    "${pip[@]}" -r requirements.txt
fi
"${pip[@]}" --no-deps --editable .
cat requirements.txt pyproject.toml > $installed
