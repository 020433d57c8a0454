#!/usr/bin/env bash
# A /tmp of its own for what the document's scripts put there under fixed names. Run in a mount namespace of its own:
#     private_tmp.sh FOLDER... -- COMMAND...
# FOLDERs that lie below /tmp stay visible at their places, the first one is also where the new /tmp is made.
set -euo pipefail
folders=()
while [[ $1 != -- ]]; do
    folders+=("$1")
    shift
done
shift
stage=${folders[0]}/private-tmp
mkdir -p "$stage"
mount -t tmpfs -o mode=1777 tmpfs "$stage"
mkdir -m 1777 "$stage/.X11-unix"
for folder in "${folders[@]}"; do
    if [[ $folder == /tmp/* ]]; then
        mkdir -p "$stage/${folder#/tmp/}"
        mount --bind "$folder" "$stage/${folder#/tmp/}"
    fi
done
mount --move "$stage" /tmp
exec "$@"
