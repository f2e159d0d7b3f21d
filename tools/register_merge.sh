#!/usr/bin/env bash
# Tell Git how dvc.lock is merged: .gitattributes names the driver, but only a clone's own config may name its command.
set -euo pipefail
[ "$(git rev-parse --show-toplevel 2>/dev/null)" -ef . ] || exit 0  # a ZIP download, perhaps inside another repository

driver='tools/merge_lock.sh %O %A %B %P'
[ "$(git config merge.dvclock.driver)" = "$driver" ] || git config merge.dvclock.driver "$driver"
