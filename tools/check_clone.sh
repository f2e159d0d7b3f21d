#!/usr/bin/env bash
# Say in one sentence what DVC and the demo would trip over: a folder without Git, a path that tools cannot take.
set -euo pipefail

case $PWD in
    *:*) echo "make: no environment works in $PWD: colons separate the folders of PATH: move the repository" >&2; exit 1 ;;
    *[{}]*) echo "make: DVC takes the braces in $PWD for a template of its own: move the repository" >&2; exit 1 ;;
esac
printf %s "$PWD" | iconv -f UTF-8 -t UTF-8 >/dev/null 2>&1 || {
    echo "make: the path of this folder is no UTF-8 (Latin-1?), which DVC cannot write down: rename or move it" >&2; exit 1; }
top=$(git rev-parse --show-toplevel && git rev-parse --quiet --verify HEAD >/dev/null) || top=
if [ ! "$top" -ef . ]; then
    echo "make: $PWD is no Git repository with a commit (a ZIP download is none), and DVC needs one:" \
        "git init && git add --all && git commit --message start" >&2
    exit 1
fi
