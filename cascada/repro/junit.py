"""A verification as JUnit XML, which every CI server shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from cascada.repro.compare import FileChange, MetricChange, Verdict
from cascada.repro.verification import Verification


def write_junit(verification: Verification, path: Path) -> None:
    """Write one suite with a case a verdict, an aspect, a metric and an output file.

    Only the verdict decides: a metric within the tolerance, or a changed package that was allowed, is no failure.
    DIVERGED is a failure, UNVERIFIABLE an error, as JUnit tells a wrong result from one that could not be had.
    """
    suite = Element("testsuite", name=f"cascada verify {verification.run_id}", timestamp=verification.started)
    cases = list(_cases(verification))
    suite.extend(cases)
    for count, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(sum(case.find(kind) is not None for case in cases)))
    suite.set("tests", str(len(cases)))
    root = Element("testsuites")
    root.append(suite)
    indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _cases(verification: Verification) -> Iterator[Element]:
    found = verification.comparison
    verdict = Element("testcase", classname="verdict", name=f"{found.verdict} ({verification.level})")
    reasons = "\n".join(found.reasons)
    if not found.verdict.passed:
        kind = "failure" if found.verdict is Verdict.DIVERGED else "error"
        SubElement(verdict, kind, message=found.reasons[0] if found.reasons else "", type=found.verdict).text = reasons
    else:
        SubElement(verdict, "system-out").text = reasons
    yield verdict
    for check in verification.aspects:
        case = Element("testcase", classname="aspect", name=check.aspect)
        if check.outcome == "unknown":
            SubElement(case, "skipped", message=check.detail)
        elif check.outcome == "different":
            SubElement(case, "system-out").text = check.detail
        yield case
    yield from (_metric(metric, allowed=found.verdict.passed) for metric in found.metrics)
    yield from (_file(file, allowed=found.verdict.passed) for file in found.files)


def _metric(metric: MetricChange, *, allowed: bool) -> Element:
    said = f"recorded {metric.original!r}, replayed {metric.replay!r}"
    return _compared("metric", metric.name, said, passed=metric.within or allowed)


def _file(file: FileChange, *, allowed: bool) -> Element:
    said = f"recorded {file.original or 'nothing'}, replayed {file.replay or 'nothing'}"
    return _compared("output", file.path, said, passed=file.equal or allowed)


def _compared(what: str, name: str, said: str, *, passed: bool) -> Element:
    case = Element("testcase", classname=what, name=name)
    if passed:
        SubElement(case, "system-out").text = said
    else:
        SubElement(case, "failure", message=said, type=what)
    return case
