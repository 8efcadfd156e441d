#!/usr/bin/env bash
# Make the environment .venv/NAME from requirements/NAME.txt unless it is there, and print its interpreter.
# For what tests and benchmarks need and cascada must not: `infra/environment.sh NAME [beside]`.
# With `beside`, what .venv has can be imported there, too.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1 beside=${2:-}
lock=requirements/$name.txt target=.venv/$name
exec 9> ".venv/$name.lock"
flock 9
state=$(cat "$lock" "$0" | sha256sum)
if [ "$(cat "$target/.locked" 2>/dev/null)" != "$state" ]; then
    .venv/bin/uv venv --quiet --clear --python .venv/bin/python "$target"
    .venv/bin/uv pip install --quiet --compile-bytecode --python "$target/bin/python" --no-deps --require-hashes -r "$lock"
    if [ "$beside" = beside ]; then
        own=$("$target/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
        packages=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
        echo "import site; site.addsitedir('$packages')" > "$own/beside.pth"
    fi
    echo "$state" > "$target/.locked"
fi
echo "$PWD/$target/bin/python"
