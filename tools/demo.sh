#!/usr/bin/env bash
# The whole pipeline on bundled images, in a clone of its own (.demo/) that shares the DVC cache.
set -euo pipefail
start=$SECONDS
head=$(git rev-parse HEAD)
git diff --quiet HEAD || echo "demo: the demo runs the last commit; uncommitted changes are not in it"

[ -d .demo/.git ] || git clone --quiet --no-hardlinks "$PWD" .demo || {
    echo "demo: could not clone $PWD into .demo/: see above; if there is a .demo/, remove it" >&2; exit 1; }
cd .demo
if [ "$(git rev-parse HEAD)" != "$head" ]; then
    git fetch --quiet origin "$head" 2>/dev/null || git fetch --quiet origin
fi
git reset --quiet --hard "$head"  # whatever an experiment left there
PYTHONPATH=src python -m ladder.presets apply demo
dvc cache dir --local ../.dvc/cache  # relative: DVC writes paths of ASCII letters only
rm -f dvc.lock  # of the ladder's own results: DVC reads and writes all of it for every stage, a second each

PYTHONPATH=src python -m ladder.running.repro ${JOBS:+--jobs "$JOBS"}

echo
dvc metrics show --precision 4 $(ls metrics/*.json | grep -vE "/(benchmark|report|uncertainty|data|labels|corruptions)\.json")
cat <<TEXT

Done in $((SECONDS - start)) s: digits, not CIFAR-10, and a few epochs: the figures show that it works, no more.
Worth opening:
  .demo/report.html                       the ladder, and which differences are more than chance: in a browser
  .demo/benchmark.html                    how fast each model is on this machine
  .demo/plots/report/ladder.png
  .demo/plots/train_aug/confusion.png
  .demo/plots/benchmark/benchmark.png
Next:
  make repro PRESET=cpu     the ladder on CIFAR-10, from ImageNet weights on a CPU: see its budget in presets/cpu.yaml
  cd .demo && dvc exp run -S aug.enabled=false && dvc exp show      an experiment (after: source .venv/bin/activate)
TEXT
