"""The likely cause of a divergence: what differs between two runs, weighed by where their trainings part.

Each difference that the manifests or the traces show is a candidate. It leads when it can bring about what differs
first; one that cannot (a number of threads does not change which samples are drawn) comes after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cascada.errors import ArtifactError
from cascada.repro.environment import Record
from cascada.repro.manifest import Manifest
from cascada.repro.packages import PackageChange, normalised, package_changes, tell_changes
from cascada.repro.trace import Divergence, first_divergence, read_trace
from cascada.repro.verification import content, leaf_changes

_ARITHMETIC = ("loss", "norm", "gradients", "weights")
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Cause(Record):
    """A candidate.

    Attributes
    ----------
    name
        ``seed``, ``data order``, ``other samples``, ``data``, ``parameters``, ``code``, ``package``, ``thread count``,
        ``hardware``, ``environment variables`` or ``non-determinism``.
    evidence
        What shows it.
    explains
        Whether it can bring about what differs first.
    """

    name: str
    evidence: str
    explains: bool = True


class TraceDiff(Record):
    """Two traces side by side.

    Attributes
    ----------
    steps
        Of each trace.
    divergence
        None when all that both traces hold is equal.
    causes
        The likeliest first.
    """

    steps: tuple[int, int]
    divergence: Divergence | None
    causes: tuple[Cause, ...] = ()

    def __str__(self) -> str:
        if self.divergence is None:
            return f"the traces are equal over {self.steps[0]} steps"
        likely = f"; likely cause: {self.causes[0].name} ({self.causes[0].evidence})" if self.causes else ""
        return f"first divergence in {self.divergence}{likely}"


def diff_traces(one: Path, other: Path, manifests: tuple[Manifest, Manifest]) -> TraceDiff:
    """Compare the traces of two records, and look for the cause in their manifests.

    Parameters
    ----------
    one, other
        Folders of the records.

    Raises
    ------
    ArtifactError
        If either has no trace.
    """
    traces = read_trace(one), read_trace(other)
    found = first_divergence(*traces)
    return TraceDiff(
        steps=(len(traces[0].steps), len(traces[1].steps)), divergence=found,
        causes=() if found is None else likely_causes(found, *manifests),
    )  # fmt: skip


def both_traced(one: Path, other: Path, manifests: tuple[Manifest, Manifest]) -> TraceDiff | None:
    """Compare the traces of two records as `diff_traces` does; None when either has none."""
    try:
        return diff_traces(one, other, manifests)
    except ArtifactError:
        return None


def likely_causes(found: Divergence, one: Manifest, other: Manifest) -> tuple[Cause, ...]:
    """Rank what may have made two trainings part: first what explains it, and among that the most direct.

    Returns
    -------
    tuple of Cause
        Never empty: when nothing that was recorded differs, it is non-determinism.
    """
    candidates = [cause for rule in _RULES for cause in rule(found, one, other)]
    ranked = [*(c for c in candidates if c.explains), *(c for c in candidates if not c.explains)]
    return tuple(ranked) if any(c.explains for c in ranked) else (_unexplained(found), *ranked)


def _unexplained(found: Divergence) -> Cause:
    what = "which samples were drawn" if found.part == "ids" else "the numbers"
    return Cause(
        name="non-determinism",
        evidence=f"nothing that was recorded explains {what}: `cascada doctor` looks for clocks, generators without a "
        "seed and kernels without a fixed order",
    )  # fmt: skip


Rule = Callable[[Divergence, Manifest, Manifest], Iterator[Cause]]


def _order(found: Divergence, one: Manifest, other: Manifest) -> Iterator[Cause]:
    """Samples in another order; a seed explains them better when weights or seeds differ, too."""
    if not found.differs("ids") or found.differs("initial") or _seeds(one, other):
        return
    if found.same_samples is False and _inputs_differ(one, other):  # other data have other rows
        return
    told = {
        False: ("other samples", "a whole pass over the data had other samples, or another number of them"),
        True: ("data order", "a whole pass over the data had the same samples in another order"),
        None: (
            "data order",
            "other samples in the batch; no pass ended, which would tell order from other rows",
        ),
    }
    name, evidence = told[found.same_samples]
    yield Cause(name=name, evidence=evidence)


def _seed(found: Divergence, one: Manifest, other: Manifest) -> Iterator[Cause]:
    fits = found.differs("ids", "rng", "initial", "batch")
    changed = _seeds(one, other)
    if changed:
        told = "; ".join(f"{key} {a} → {b}" for key, (a, b) in list(changed.items())[:1])
        yield Cause(name="seed", evidence=told, explains=fits)
    elif found.step == 0 and found.differs("rng", "initial") and not _inputs_differ(one, other):
        which = f"the states of {', '.join(found.generators)}" if found.generators else "the initial weights"
        drawn = f"{which} differ from the first step although the root seed is equal: the code seeds itself"
        yield Cause(name="seed", evidence=drawn)


def _seeds(one: Manifest, other: Manifest) -> dict[str, tuple[Any, Any]]:
    changes = leaf_changes(one.randomness, other.randomness)
    return {key: change for key, change in changes.items() if key == "root_seed" or key.startswith(("seed", "streams"))}


def _data(found: Divergence, one: Manifest, other: Manifest) -> Iterator[Cause]:
    fits = found.differs("batch", *_ARITHMETIC) or found.part in {"ids", "length"}
    if _inputs_differ(one, other):
        yield Cause(name="data", evidence=_told_inputs(one, other), explains=fits)
    elif found.part == "batch":
        yield Cause(name="data", evidence="the same samples hold other numbers, and the random states are equal")


def _inputs_differ(one: Manifest, other: Manifest) -> bool:
    return bool(leaf_changes(content(one, "dataset"), content(other, "dataset")))


def _told_inputs(one: Manifest, other: Manifest) -> str:
    hashes = [{i["path"]: i.get("sha256", "") for i in m.dataset.get("inputs") or ()} for m in (one, other)]
    changed = [path for path in hashes[0] if hashes[0][path] != hashes[1].get(path, "")]
    if changed:
        return f"other content of {', '.join(changed[:3])}"
    return f"other data: {', '.join(list(leaf_changes(content(one, 'dataset'), content(other, 'dataset')))[:3])}"


def _parameters(_: Divergence, one: Manifest, other: Manifest) -> Iterator[Cause]:
    left, right = (m.training.get("parameters") or m.training for m in (one, other))
    changes = leaf_changes(_own(left), _own(right))
    told = [f"{key} {a} → {b}" for key, (a, b) in list(changes.items())[:3]]
    if told:
        yield Cause(name="parameters", evidence="; ".join(told))


def _command(_: Divergence, one: Manifest, other: Manifest) -> Iterator[Cause]:
    """Compare command lines: what an argument does is not known, so they come after what is."""
    if one.command != other.command:
        yield Cause(name="parameters", evidence=f"command {' '.join(one.command)} → {' '.join(other.command)}")


def _own(parameters: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parameters.items() if key != "trace_every" and not key.endswith("sha256")}


def _code(_: Divergence, one: Manifest, other: Manifest) -> Iterator[Cause]:
    states = [(m.code.commit, m.code.changes_sha256, m.training.get("code_sha256")) for m in (one, other)]
    if states[0] != states[1]:
        what = "another script" if states[0][2] != states[1][2] else "another commit or other uncommitted changes"
        yield Cause(name="code", evidence=f"{what}: `cascada diff` lists the lines")


def _packages(_: Divergence, one: Manifest, other: Manifest) -> Iterator[Cause]:
    changes = [c for c in _versions(one, other) if c.name != "cascada"]
    used = {normalised(name) for m in (one, other) for name in m.software.imported}
    relevant = tuple(c for c in changes if c.name in used) or tuple(changes)
    if relevant:
        imported = not used or relevant[0].name in used
        told = tell_changes(relevant) + ("" if imported else " (installed, not imported)")
        yield Cause(name="package", evidence=told, explains=imported)
    if one.software.python != other.software.python:
        yield Cause(name="package", evidence=f"Python {one.software.python} → {other.software.python}")


def _versions(one: Manifest, other: Manifest) -> tuple[PackageChange, ...]:
    left, right = ({**m.software.packages, **m.software.imported} for m in (one, other))
    return package_changes(left, right)


def _threads(found: Divergence, one: Manifest, other: Manifest) -> Iterator[Cause]:
    counts = [m.hardware.threads | _threads_of(m) for m in (one, other)]
    changes = leaf_changes(counts[0], counts[1])
    if changes:
        told = "; ".join(f"{key}: {a} → {b}" for key, (a, b) in changes.items())
        yield Cause(name="thread count", evidence=told, explains=found.part in _ARITHMETIC)


def _threads_of(manifest: Manifest) -> dict[str, Any]:
    variables = {name: manifest.software.environment.get(name) for name in _THREAD_VARIABLES}
    flags = manifest.randomness.get("determinism") or manifest.randomness.get("flags") or {}
    counted = {"threads": flags["threads"]} if "threads" in flags else {}
    return {name: value for name, value in variables.items() if value is not None} | counted


def _hardware(found: Divergence, one: Manifest, other: Manifest) -> Iterator[Cause]:
    left, right = one.hardware, other.hardware
    told = [
        f"{what} {a or 'none'} → {b or 'none'}"
        for what, a, b in (
            ("processor", left.processor, right.processor),
            ("GPUs", ", ".join(left.gpus), ", ".join(right.gpus)),
            ("instruction sets", " ".join(sorted(set(left.flags) - set(right.flags))),
             " ".join(sorted(set(right.flags) - set(left.flags)))),
        )
        if a != b
    ]  # fmt: skip
    if told:
        yield Cause(name="hardware", evidence="; ".join(told)[:300], explains=found.part in _ARITHMETIC)


def _variables(_: Divergence, one: Manifest, other: Manifest) -> Iterator[Cause]:
    changes = leaf_changes(one.software.environment, other.software.environment)
    names = [name for name in changes if name not in (*_THREAD_VARIABLES, "PYTHONPATH")]
    if names:
        yield Cause(name="environment variables", evidence=", ".join(names[:5]))


_RULES: tuple[Rule, ...] = (
    _order, _seed, _data, _parameters, _code, _packages, _threads, _hardware, _command, _variables,
)  # fmt: skip
