#!/bin/sh
# Rewrite the locks from pyproject.toml: one hashed file a way of installing, all at the same versions.
# No registry address is written: each machine's own pip settings say where packages come from.
set -eu
cd "$(dirname "$0")/.."
lock() {
    out=$1
    shift
    uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
        --custom-compile-command "make lock" pyproject.toml "$@" --output-file "requirements/$out"
}
lock all.txt --all-extras --group build --group dev --group lab \
    --group conformance --group bench
lock study.txt --extra study --group build --constraint requirements/all.txt
lock solana.txt --extra solana --group build --constraint requirements/all.txt
lock service.txt --extra service --extra client --group build --constraint requirements/all.txt
lock dev.txt --extra study --extra service --extra client --extra solana --extra fast --group build --group dev --constraint requirements/all.txt
lock lab.txt --extra study --extra service --extra client --extra solana --extra fast --group build --group lab --constraint requirements/all.txt
lock conformance.txt --group build --group conformance --constraint requirements/all.txt
lock bench.txt --extra study --extra service --extra client --extra solana --extra fast --group build --group dev --group bench --constraint requirements/all.txt
