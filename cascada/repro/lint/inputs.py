"""D4: data that another machine or another day does not have."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from cascada.repro.diagnosis import Severity
from cascada.repro.lint.module import Module, has_unpacking, is_constant, keyword, last
from cascada.repro.lint.rules import Match, rule

_ABSOLUTE = re.compile(
    r"^(/(home|Users|mnt|media|scratch|afs|eos|gpfs|lustre|nfs|workspace|content)/\S|[A-Za-z]:[\\/](?!Windows|Program)\S|~/\S)"
)
_ADDRESS = re.compile(r"^(https?|ftp)://")
_LOCAL = re.compile(r"^\w+://(localhost|127\.)")
_FETCHING = frozenset({
    "requests.get", "httpx.get", "urllib.request.urlopen", "urllib.request.urlretrieve", "wget.download",
    "gdown.download",
})  # fmt: skip
_READING = re.compile(r"^(pandas\.read_|polars\.(read|scan)_|numpy\.(loadtxt|genfromtxt)$)")
_CHECKING = (
    "hashlib.sha256",
    "hashlib.sha512",
    "hashlib.md5",
    "hashlib.sha1",
    "hashlib.blake2b",
    "hashlib.file_digest",
)
_PICKLES = frozenset({
    "pickle.load", "pickle.loads", "cPickle.load", "dill.load", "dill.loads", "cloudpickle.load", "cloudpickle.loads",
    "joblib.load", "pandas.read_pickle",
})  # fmt: skip


@rule(
    "D401", "path of one machine", Severity.warning,
    why="Nobody else has a file at this place.",
    fix="take the path from the command line, or write it from the project's root",
)  # fmt: skip
def _absolute(module: Module) -> Iterator[Match]:
    for node in module.nodes:
        if not isinstance(node, ast.Constant) or isinstance(module.parents[node], ast.Expr):  # a docstring
            continue
        if isinstance(node.value, str) and _ABSOLUTE.match(node.value):
            yield node, f"the path {_short(node.value)}"


def _short(text: str) -> str:
    return text if len(text) <= 50 else f"{text[:47]}..."


@rule(
    "D402", "download without a checksum", Severity.warning,
    why="What the address serves may change or vanish, and nobody would notice.",
    fix="download once, keep the SHA-256, compare it; or give the file to `cascada run --data`",
)  # fmt: skip
def _download(module: Module) -> Iterator[Match]:
    if module.calls_any(*_CHECKING):
        return
    for call in module.calls:
        name = module.called(call)
        address = _address(module, next(iter(call.args), None))
        if name in _FETCHING and _ADDRESS.match(address) and not _LOCAL.match(address):
            yield call, f"{name}() and no hash in this file"
        elif _READING.match(name) and _ADDRESS.match(address):
            yield call, f"{name}() reads from the network"
        elif name == "pooch.retrieve" and is_constant(keyword(call, "known_hash"), None):
            yield call, "pooch.retrieve(known_hash=None)"


def _address(module: Module, node: ast.expr | None) -> str:
    """Read an address that stands in the call, or in a constant of the file; empty when it is made elsewhere."""
    if isinstance(node, ast.Name):
        assigned = (one for one in module.nodes if isinstance(one, ast.Assign))
        node = next((one.value for one in assigned if ast.unparse(one.targets[0]) == node.id), None)
    if isinstance(node, ast.JoinedStr | ast.BinOp):
        node = next(iter(node.values), None) if isinstance(node, ast.JoinedStr) else node.left
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


@rule(
    "D403", "remote data or model without a version", Severity.warning,
    why="The name stays while its owner replaces what it stands for.",
    fix="pin it: revision=COMMIT, version=NUMBER",
)  # fmt: skip
def _unpinned(module: Module) -> Iterator[Match]:
    for call in module.calls:
        name = module.called(call)
        if has_unpacking(call) or not isinstance(next(iter(call.args), None), ast.Constant):
            continue
        if name == "sklearn.datasets.fetch_openml" and not _pins(call, "version", "data_id"):
            yield call, "fetch_openml() without version"
        hub = name == "datasets.load_dataset" or (name.startswith("transformers.") and last(name) == "from_pretrained")
        if hub and not _pins(call, "revision") and _is_remote(call.args[0]):
            yield call, f"{last(name)}() without revision"


def _pins(call: ast.Call, *names: str) -> bool:
    return any(keyword(call, name) is not None for name in names)


def _is_remote(node: ast.expr) -> bool:
    """Tell whether a constant names something of an owner, ``owner/name``, and no folder."""
    text = node.value if isinstance(node, ast.Constant) else ""
    return isinstance(text, str) and bool(re.fullmatch(r"[\w.-]+/[\w.-]+", text)) and not text.startswith(".")


@rule(
    "D404", "pickle", Severity.warning,
    why="A pickle runs code when it is read, and reads only with the library versions that wrote it.",
    fix="keep tables as Parquet, arrays as .npy, weights as safetensors, models as ONNX",
)  # fmt: skip
def _pickle(module: Module) -> Iterator[Match]:
    for call in module.calls:
        name = module.called(call)
        if name in _PICKLES:
            yield call, f"{name}()"
        elif name == "torch.load" and is_constant(keyword(call, "weights_only"), False):
            yield call, "torch.load(weights_only=False)"
        elif name == "numpy.load" and is_constant(keyword(call, "allow_pickle"), True):
            yield call, "numpy.load(allow_pickle=True)"
