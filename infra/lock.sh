#!/usr/bin/env bash
# Compile the lock files (`make lock`). They hold names, versions and hashes, and no host of any registry.
# torch and what only its CUDA build needs stay out: infra/setup.sh installs torch at the exact version of pyproject.toml.
set -euo pipefail
cd "$(dirname "$0")/.."

cuda_only=(cuda-bindings cuda-pathfinder cuda-toolkit triton nvidia-{cublas,cuda-cupti,cuda-nvrtc,cuda-runtime,cudnn-cu13}
    nvidia-{cufft,cufile,curand,cusolver,cusparse,cusparselt-cu13,nccl-cu13,nvjitlink,nvshmem-cu13,nvtx})
left_out=(--no-emit-package torch)
for name in "${cuda_only[@]}"; do left_out+=(--no-emit-package "$name"); done

compile() {
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --custom-compile-command "make lock" "${left_out[@]}" "$@"
}
serving_needs() {
    .venv/bin/python -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]
print(*project["optional-dependencies"]["serving"], sep="\n")'
}

compile --group pyproject.toml:setup --output-file requirements/uv.txt
compile pyproject.toml --group dev --output-file requirements/dev.txt
serving_needs | compile - --constraint requirements/dev.txt --output-file requirements/serving.txt
# What the tests need and cascada must not has environments of its own (tests/support/environments.py).
echo "swift>=2.38" | compile - --output-file requirements/swift.txt
torch=$(sed -n 's/^ *"\(torch==[^"]*\)".*/\1/p' pyproject.toml)
printf '%s\n' fastai keras tensorflow-cpu "$torch" \
    | compile - --constraint requirements/dev.txt --output-file requirements/frameworks.txt
