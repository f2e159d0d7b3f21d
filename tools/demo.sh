#!/usr/bin/env bash
# The whole pipeline on bundled images, in a clone of its own (.demo/) that shares the DVC cache.
set -euo pipefail
start=$SECONDS
head=$(git rev-parse HEAD)
git diff --quiet HEAD || echo "demo: the demo runs the last commit; uncommitted changes are not in it"

[ -d .demo/.git ] || git clone --quiet --no-hardlinks "file://$PWD" .demo 2>/dev/null || {
    echo "demo: could not clone $PWD into .demo/: remove .demo and try again" >&2; exit 1; }
cd .demo
if [ "$(git rev-parse HEAD)" != "$head" ]; then
    git fetch --quiet origin "$head" 2>/dev/null || git fetch --quiet origin
    git reset --quiet --hard "$head"
fi
git checkout --quiet -- params.yaml  # whatever an experiment left there
python -m ladder.presets apply demo
dvc cache dir --local "$OLDPWD/.dvc/cache"

# The rungs in two rows, with one thread each: much of a small stage is Python starting, which a second thread does not
# speed up. The last `dvc repro` makes what is left, and would make the rungs, too.
row() {  # name, stages; through a pipe, since two progress bars cannot share a terminal
    PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1 dvc --wait-for-lock repro --single-item "${@:2}" 2>&1 |
        while IFS= read -r line; do echo "$1 | $line"; done
}
dvc repro split
echo "demo: the rungs train in two rows side by side, A and B"
set -m  # a process group of its own, so that it ends with this script
row B train_effnet train_aug train_noaug train_baseline train_student & other=$!
set +m
trap 'kill -- -$other 2>/dev/null || true' EXIT
row A train_se distill train_resnet quantize || { echo "demo: a stage of row A failed: see above" >&2; exit 1; }
wait $other || { echo "demo: a stage of row B failed: see above" >&2; exit 1; }
trap - EXIT
echo "demo: the rest, one after the other"
dvc repro

echo
dvc metrics show --precision 4 $(ls metrics/*.json | grep -vE "/(benchmark|report|uncertainty)")
cat <<TEXT

Done in $((SECONDS - start)) s: digits, not CIFAR-10, and a few epochs: the figures show that it works, no more.
Worth opening:
  .demo/report.md                         the ladder, and which differences are more than chance
  .demo/plots/report/ladder.png
  .demo/plots/train_aug/confusion.png
  .demo/plots/benchmark/benchmark.png
Next:
  make repro PRESET=cpu     the ladder on CIFAR-10, from scratch on a CPU: see its budget in presets/cpu.yaml
  cd .demo && dvc exp run -S aug.enabled=false && dvc exp show      an experiment (after: source .venv/bin/activate)
TEXT
