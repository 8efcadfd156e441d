#!/usr/bin/env bash
# Make .venv from the lock (`make setup`): needs git, make and Python >= 3.11 with pip, and nothing else.
# Does nothing when the environment already is what the lock says.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || {
    echo "cascada needs Python 3.11, 3.12 or 3.13; $python is $("$python" --version 2>&1). Name another: make setup PYTHON=python3.12" >&2
    exit 2
}

stamp=.venv/.locked
state=$(cat pyproject.toml requirements/*.txt "$0" | sha256sum)
if [ -x .venv/bin/cascada ] && [ "$(cat "$stamp" 2>/dev/null)" = "$state" ]; then exit 0; fi

echo "Setting up .venv from requirements/dev.txt (a few minutes at the first time)"
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt

# uv does not read pip's configuration: hand over the wheel folder that pip would look into.
links=$(.venv/bin/python -m pip config list | sed -n "s/^[^=]*find-links='\(.*\)'\$/\1/p" | head -n 1)
if [ -n "$links" ]; then export UV_FIND_LINKS=${links// /,}; fi

install() { .venv/bin/uv pip install --quiet --python .venv/bin/python --compile-bytecode "$@"; }
torch=$(sed -n 's/^ *"\(torch==[^"]*\)".*/\1/p' pyproject.toml)
install --no-deps --require-hashes -r requirements/dev.txt
install "$torch"
install --no-deps --no-build-isolation --editable .
.venv/bin/uv pip check --quiet --python .venv/bin/python
echo "$state" > "$stamp"
