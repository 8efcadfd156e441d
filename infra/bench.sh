#!/usr/bin/env bash
# Run benchmarks/bench_NAME.py and keep what it prints, under the machine it ran on, in docs/benchmarks/NAME.md.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1
shift
mkdir -p docs/benchmarks
page=$(mktemp)
{
    .venv/bin/python -m benchmarks.measures "$name"
    .venv/bin/python -m "benchmarks.bench_$name" "$@"
} | tee "$page"
cp "$page" "docs/benchmarks/$name.md"
rm "$page"
