#!/usr/bin/env bash
# Git's merge driver for dvc.lock. Git runs it at the top of the working tree, in a shell where nothing may be activated.
set -euo pipefail
python=.venv/bin/python
[ -x $python ] || python=$(git rev-parse --git-common-dir)/../.venv/bin/python  # a linked working tree has none
[ -x "$python" ] || python=python
PYTHONPATH=src exec "$python" -m ladder.running.lock_merge "$@"
