"""D1: random numbers that another run does not draw again."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from cascada.repro.diagnosis import Severity
from cascada.repro.lint.module import Module, has_unpacking, is_constant, keyword, last
from cascada.repro.lint.rules import NAMES, Match, rule

_DRAWS = {
    **{f"numpy.random.{name}": "NumPy" for name in NAMES["numpy"]},
    **{f"random.{name}": "random" for name in NAMES["random"]},
    **{f"torch.{name}": "PyTorch" for name in NAMES["torch"]},
    **{f"tensorflow.random.{name}": "TensorFlow" for name in NAMES["tensorflow"]},
}
_FOR_ALL = ("lightning.seed_everything", "pytorch_lightning.seed_everything", "transformers.set_seed")
_SEEDING = {
    "NumPy": ("numpy.random.seed", *_FOR_ALL),
    "random": ("random.seed", *_FOR_ALL),
    "PyTorch": ("torch.manual_seed", *_FOR_ALL),
    "TensorFlow": (
        "tensorflow.random.set_seed", "keras.utils.set_random_seed", "tensorflow.keras.utils.set_random_seed",
    ),
}  # fmt: skip

_FROM_SYSTEM = frozenset({
    "random.Random", "numpy.random.RandomState", "numpy.random.SeedSequence", "numpy.random.PCG64",
    "numpy.random.PCG64DXSM", "numpy.random.MT19937", "numpy.random.Philox", "numpy.random.SFC64", "random.seed",
    "numpy.random.seed",
})  # fmt: skip
_ALWAYS_FROM_SYSTEM = frozenset({"random.SystemRandom", "torch.seed", "torch.random.seed"})

_CHANGING = frozenset({
    "time.time", "time.time_ns", "time.perf_counter", "time.perf_counter_ns", "time.monotonic", "time.monotonic_ns",
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "os.urandom", "os.getpid",
    "uuid.uuid1", "uuid.uuid4", "secrets.randbits", "secrets.randbelow", "secrets.token_bytes", "hash", "id",
})  # fmt: skip
_SEEDERS = frozenset({
    "random.seed", "random.Random", "numpy.random.seed", "numpy.random.default_rng", "numpy.random.RandomState",
    "numpy.random.SeedSequence", "numpy.random.PCG64", "torch.manual_seed", "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all", "tensorflow.random.set_seed", "keras.utils.set_random_seed",
    "tensorflow.keras.utils.set_random_seed", "jax.random.PRNGKey", "jax.random.key", *_FOR_ALL,
})  # fmt: skip
_SEED_NAMES = frozenset({"seed", "random_state", "random_seed"})

_FOLDS = frozenset({"KFold", "StratifiedKFold", "StratifiedGroupKFold"})


@rule(
    "D101", "global generator without a seed", Severity.note,
    why="Two runs draw different numbers; `cascada run` seeds this generator, plain Python does not.",
    fix="make one generator from a seed, numpy.random.default_rng(seed), and pass it on",
)  # fmt: skip
def _unseeded(module: Module) -> Iterator[Match]:
    """Tell the first draw of each library and how many there are: one seed mends them all."""
    drawn: dict[str, list[ast.Call]] = {}
    for call in module.calls:
        name = module.called(call)
        if name in _DRAWS and keyword(call, "generator") is None:
            drawn.setdefault(_DRAWS[name], []).append(call)
        elif name == "numpy.random.default_rng" and _without_seed(call):
            yield call, "default_rng() without a seed"
    for library, calls in drawn.items():
        if not module.calls_any(*_SEEDING[library]):
            more = f" and {len(calls) - 1} more draws" if len(calls) > 1 else ""
            yield calls[0], f"{module.called(calls[0])}() draws from the global generator of {library}{more}"


def _without_seed(call: ast.Call) -> bool:
    if has_unpacking(call):
        return False
    given = [*call.args[:1], *(one.value for one in call.keywords if one.arg in {"seed", "x", "a"})]
    return all(is_constant(one, None) for one in given)


@rule(
    "D102", "seed from the operating system", Severity.warning,
    why="The system's entropy differs in every process, and nothing outside of the program can set it.",
    fix="pass a seed that is a parameter of the run",
)  # fmt: skip
def _system_entropy(module: Module) -> Iterator[Match]:
    for call in module.calls:
        name = module.called(call)
        if name in _ALWAYS_FROM_SYSTEM or (name in _FROM_SYSTEM and _without_seed(call)):
            yield call, f"{name}() takes its seed from the operating system"


@rule(
    "D103", "scikit-learn without random_state", Severity.warning,
    why="The result hangs on the global generator of NumPy, so on everything that drew from it before.",
    fix="pass random_state=SEED",
)  # fmt: skip
def _no_random_state(module: Module) -> Iterator[Match]:
    for call in module.calls:
        name = module.called(call)
        if name.startswith("sklearn.") and _draws(call, last(name)):
            yield call, f"{last(name)}() without random_state"


def _draws(call: ast.Call, name: str) -> bool:
    state = keyword(call, "random_state")
    if has_unpacking(call) or (state is not None and not is_constant(state, None)):
        return False
    if name in _FOLDS:
        return is_constant(keyword(call, "shuffle"), True)
    if name == "train_test_split" and is_constant(keyword(call, "shuffle"), False):
        return False
    return name in NAMES["sklearn"]


@rule(
    "D104", "seed that changes from run to run", Severity.error,
    why="A seed made of the clock, a process id, an object's address or a string's hash is new in every run.",
    fix="take the seed from the command line or a file, and record it",
)  # fmt: skip
def _changing_seed(module: Module) -> Iterator[Match]:
    for call in module.calls:
        seeds = [one.value for one in call.keywords if one.arg in _SEED_NAMES]
        if module.called(call) in _SEEDERS or last(module.called(call)) == "manual_seed":
            seeds += call.args[:1]
        for seed in seeds:
            yield from _changing(module, seed)
    for node in module.nodes:
        if isinstance(node, ast.Assign) and any(_is_seed(target) for target in node.targets):
            yield from _changing(module, node.value)


def _is_seed(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) and target.id.lower() in _SEED_NAMES


def _changing(module: Module, seed: ast.expr) -> Iterator[Match]:
    names = (module.called(node) for node in ast.walk(seed) if isinstance(node, ast.Call))
    if source := next((name for name in names if name in _CHANGING), ""):
        yield seed, f"the seed comes from {source}()"


@rule(
    "D105", "hash() of what may be text", Severity.warning,
    why="Python salts the hash of text anew in every process unless PYTHONHASHSEED is set.",
    fix="use hashlib.sha256(text.encode()) for a number that stays",
)  # fmt: skip
def _salted_hash(module: Module) -> Iterator[Match]:
    for call in module.calls:
        if module.called(call) == "hash" and call.args and not _is_number(call.args[0]):
            around = [one.name for one in module.inside(call, ast.FunctionDef) if isinstance(one, ast.FunctionDef)]
            if "__hash__" not in around:
                yield call, "hash() differs from process to process for text and bytes"


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


@rule(
    "D106", "shuffled loader without a generator", Severity.note,
    why="The order of the batches hangs on every draw that PyTorch made before the first epoch.",
    fix="pass generator=torch.Generator().manual_seed(SEED) to the DataLoader",
)  # fmt: skip
def _loader(module: Module) -> Iterator[Match]:
    for call in module.calls:
        is_loader = module.called(call).startswith("torch.utils.data.") and last(module.called(call)) == "DataLoader"
        shuffled = is_loader and is_constant(keyword(call, "shuffle"), True) and not has_unpacking(call)
        if shuffled and keyword(call, "generator") is None:
            yield call, "DataLoader(shuffle=True) without a generator"
