#!/usr/bin/env bash
# What the tests need beside Python's packages, before the first of them runs: installed on Debian as root, named
# elsewhere. Without bubblewrap the tests of the sandbox fail; nothing falls back to running code outside. In Chromium
# pages are tried as people use them.
set -euo pipefail
declare -A packages=([bwrap]=bubblewrap [chromium]=chromium [git]=git)
missing=()
for command in "${!packages[@]}"; do
  command -v "$command" >/dev/null || missing+=("${packages[$command]}")
done
[ ${#missing[@]} = 0 ] && exit
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing what the tests need: ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends "${missing[@]}" >/dev/null
else
  echo "The tests need ${missing[*]}. On Debian: sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
