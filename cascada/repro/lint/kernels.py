"""D3: settings and operations whose floating-point results differ from run to run or from machine to machine."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from cascada.repro.diagnosis import Severity
from cascada.repro.lint.module import Module, has_unpacking, is_constant, keyword, last
from cascada.repro.lint.rules import NAMES, Match, rule

_CUDA = re.compile(r"\bcuda\b")
_DEVICE = re.compile(r"^cuda:[1-9]\d*$")


def _assigned(module: Module) -> Iterator[tuple[ast.Assign, str]]:
    for node in module.nodes:
        if isinstance(node, ast.Assign):
            yield from ((node, module.name(target)) for target in node.targets)


@rule(
    "D301", "cuDNN chooses kernels by the clock", Severity.warning,
    why="cuDNN times its kernels and takes the fastest, which may be another one in the next run.",
    fix="leave torch.backends.cudnn.benchmark False, or accept and say so",
)  # fmt: skip
def _benchmark(module: Module) -> Iterator[Match]:
    for node, name in _assigned(module):
        if name == "torch.backends.cudnn.benchmark" and is_constant(node.value, True):
            yield node, "torch.backends.cudnn.benchmark = True"
    for call in module.calls:
        if last(module.called(call)) == "Trainer" and is_constant(keyword(call, "benchmark"), True):
            yield call, "Trainer(benchmark=True)"


@rule(
    "D302", "determinism switched off", Severity.error,
    why="The program itself allows kernels whose sums come out in any order.",
    fix="torch.use_deterministic_algorithms(True, warn_only=True), Trainer(deterministic=True)",
)  # fmt: skip
def _switched_off(module: Module) -> Iterator[Match]:
    for node, name in _assigned(module):
        if name == "torch.backends.cudnn.deterministic" and is_constant(node.value, False):
            yield node, "torch.backends.cudnn.deterministic = False"
    for call in module.calls:
        name = module.called(call)
        if name == "torch.use_deterministic_algorithms" and is_constant(next(iter(call.args), None), False):
            yield call, "torch.use_deterministic_algorithms(False)"
        if last(name) == "Trainer" and is_constant(keyword(call, "deterministic"), False):
            yield call, "Trainer(deterministic=False)"
        if name.startswith("xgboost.") and is_constant(keyword(call, "deterministic_histogram"), False):
            yield call, "XGBoost with deterministic_histogram=False"


@rule(
    "D303", "operation without a deterministic CUDA kernel", Severity.note,
    why="On CUDA this operation adds in any order (PyTorch: torch.use_deterministic_algorithms).",
    fix="torch.use_deterministic_algorithms(True) takes another way or stops; or run this operation on the CPU",
)  # fmt: skip
def _no_kernel(module: Module) -> Iterator[Match]:
    on_cuda = "torch" in module.imported and _CUDA.search(module.source.text)
    if not on_cuda or _asks_for_determinism(module):
        return
    for call in module.calls:
        name = module.called(call)
        method = call.func.attr if isinstance(call.func, ast.Attribute) else last(name)
        if (name.startswith("torch.") and method in NAMES["torch_no_kernel"]) or method in NAMES["torch_other_kernel"]:
            yield call, f"{method} in a file that uses CUDA"


def _asks_for_determinism(module: Module) -> bool:
    for call in module.calls:
        asked = {"torch.use_deterministic_algorithms", "torch.set_deterministic_debug_mode"}
        if module.called(call) in asked and not is_constant(next(iter(call.args), None), False):
            return True
        if last(module.called(call)) == "Trainer" and keyword(call, "deterministic") is not None:
            return True
    return False


@rule(
    "D304", "LightGBM in threads without deterministic", Severity.note,
    why="LightGBM adds the histograms of its threads in any order (LightGBM, Parameters: deterministic).",
    fix="deterministic=True, force_row_wise=True, or one thread",
)  # fmt: skip
def _lightgbm(module: Module) -> Iterator[Match]:
    names = {"lightgbm.LGBMClassifier", "lightgbm.LGBMRegressor", "lightgbm.LGBMRanker"}
    for call in module.calls:
        if module.called(call) not in names or has_unpacking(call) or keyword(call, "deterministic") is not None:
            continue
        if not any(is_constant(keyword(call, name), 1) for name in ("n_jobs", "num_threads", "nthread")):
            yield call, f"{last(module.called(call))}() without deterministic=True"


@rule(
    "D305", "GPU by its number", Severity.note,
    why="Another machine has other devices at this number, or none.",
    fix="take the device from a parameter, or from CUDA_VISIBLE_DEVICES outside of the program",
)  # fmt: skip
def _fixed_device(module: Module) -> Iterator[Match]:
    for node in module.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _DEVICE.match(node.value):
            yield node, f"the device {node.value}"
    for call in module.calls:
        device = next(iter(call.args), None)
        if module.called(call) == "torch.cuda.set_device" and isinstance(device, ast.Constant):
            yield call, f"torch.cuda.set_device({ast.unparse(device)})"
    for assign in (node for node in module.nodes if isinstance(node, ast.Assign)):
        if any("CUDA_VISIBLE_DEVICES" in ast.unparse(target) for target in assign.targets):
            yield assign, "CUDA_VISIBLE_DEVICES is set in the program"


@rule(
    "D306", "lower precision of matrix products", Severity.note,
    why="TF32 rounds on some GPU generations and not on others, so results differ with the hardware.",
    fix="leave the precision at 'highest', or record the hardware and compare within a tolerance",
)  # fmt: skip
def _tf32(module: Module) -> Iterator[Match]:
    for node, name in _assigned(module):
        switch = name in {"torch.backends.cuda.matmul.allow_tf32", "torch.backends.cudnn.allow_tf32"}
        if switch and is_constant(node.value, True):
            yield node, f"{name} = True"
    for call in module.calls:
        if module.called(call) == "torch.set_float32_matmul_precision":
            precision = next(iter(call.args), None)
            if not is_constant(precision, "highest") and isinstance(precision, ast.Constant):
                yield call, f"matrix products in precision {ast.unparse(precision)}"
