#!/usr/bin/env bash
# `dvc repro` with the rungs in two rows side by side, one thread each: networks and images as small as these do not keep
# two threads busy. The last `dvc repro` makes what is left, and would make the rungs, too.
set -euo pipefail

row() {  # name, stages; through a pipe, since two progress bars cannot share a terminal
    PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1 dvc --wait-for-lock repro --single-item "${@:2}" 2>&1 </dev/null |
        while IFS= read -r line; do echo "$1 | $line"; done
}
stop() {
    for pid in $a $b; do kill -- "-$pid" 2>/dev/null || true; done
    wait
}
ended() { ! kill -0 "$1" 2>/dev/null; }
succeeded() {  # name, process
    wait "$2" || { echo "rows: a stage of row $1 failed: see its last lines above" >&2; exit 1; }
}

teacher=$(PYTHONPATH=src python -c "from ladder import params; from ladder.core import errors
errors.exit_on_input_error(lambda: print(params.read().distill.teacher))")
case $teacher in
    train_se | train_resnet) ;;
    *) echo "rows: distill.teacher is $teacher, which trains in the other row: use make repro" >&2; exit 1 ;;
esac
dvc repro split weights
echo "rows: the rungs train in two rows side by side, A and B"
a= b=
trap stop EXIT
trap 'exit 130' INT TERM HUP
set -m  # each row is a process group of its own, so that all of it can be stopped
row A train_se train_resnet distill quantize & a=$!
row B train_effnet train_aug train_noaug train_baseline train_student & b=$!
set +m
until ended $a || ended $b; do sleep 1; done
if ended $a; then succeeded A $a; succeeded B $b; else succeeded B $b; succeeded A $a; fi
trap - EXIT INT TERM HUP
echo "rows: the rest, one after the other"
dvc repro
