"""`cascada data`: simulate, fetch, import, check, list, show, diff, push and pull."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cascada.cli.context import enter
from cascada.cli.options import Json
from cascada.cli.progress import show_bytes, show_rows
from cascada.cli.render import show_facts, show_table, stderr, stdout
from cascada.errors import ConfigError, nearest

if TYPE_CHECKING:
    from cascada.config import Dataset
    from cascada.config.catalog import CatalogEntry
    from cascada.data.snapshots import SnapshotRef
    from cascada.data.transfers import Transfer
    from cascada.data.validation import ValidationReport
    from cascada.settings import Settings

app = typer.Typer(
    no_args_is_help=True, help="Data sets: from a source to a validated, versioned snapshot, and around it."
)

Name = Annotated[str, typer.Argument(help="name of the snapshot: data/NAME")]
Names = Annotated[list[str] | None, typer.Argument(help="snapshots; all when omitted")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="a value of the source: dotted.key=value")]
As = Annotated[str | None, typer.Option("--as", help="data set of the catalogue, or the name of yours with --map")]
Map = Annotated[
    Path | None, typer.Option("--map", help="YAML with source, repair, expectations: how to read your files")
]
Kind = Annotated[
    str | None, typer.Option("--kind", help="files that say themselves what they hold: corsika7, corsika8 or auger")
]
Seed = Annotated[int, typer.Option(help="root of the random streams")]
Allow = Annotated[
    bool, typer.Option("--allow-invalid-data", help="take it although a suite refuses it, marked for ever")
]


@app.command()
def simulate(
    name: Name,
    showers: Annotated[int, typer.Option(help="number of showers (events, at detector level)")] = 10_000,
    seed: Seed = 2020,
    overrides: Sets = None,
    threads: Annotated[int, typer.Option(help="blocks simulated at the same time; no part of the result")] = 2,
    as_json: Json = False,
) -> None:
    """Simulate showers into a snapshot; `--set hadronic_model=EPOS-LHC`, `--set level=detector` and so on."""
    settings = enter()
    from cascada.config import Dataset, override_value, validate_section

    source: dict[str, Any] = {"kind": "simulator", "showers": showers}
    for override in overrides or ():
        override_value(source, override)
    data: dict[str, Any] = {"source": source}
    if source.get("level") == "detector":
        data["expectations"] = {"raw": "raw_detector", "training": "training_detector"}
    dataset = validate_section(Dataset, data, "--set")
    _take(settings, dataset, name, directory=None, seed=seed, threads=threads, as_json=as_json)


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="data set of the catalogue")], as_json: Json = False) -> None:
    """Download a data set of the catalogue: resumed where it broke off, every file verified by its checksum."""
    settings = enter()
    from cascada.data import fetch as fetching

    entry = _entry(settings, name)
    folder = settings.root / "data" / "raw" / name
    with show_bytes() as report:
        arrived = fetching.fetch(entry, folder, on_progress=report)
    if as_json:
        stdout.print_json(json.dumps([file.model_dump() for file in arrived]))
        return
    show_table(entry.title, ("file", ">bytes", "version"), ((f.name, f"{f.bytes:,}", f.version) for f in arrived))
    _show_terms(entry)
    stdout.print(f"next: cascada data import {folder.relative_to(settings.root)} --as {name}", soft_wrap=True)


@app.command(name="import")
def import_(
    path: Annotated[Path, typer.Argument(help="folder of the files, or one file", show_default=False)],
    name: As = None,
    map_file: Map = None,
    kind: Kind = None,
    overrides: Sets = None,
    repair: Annotated[str | None, typer.Option(help="none or difference_running_sums")] = None,
    seed: Seed = 2020,
    allow_invalid_data: Allow = False,
    as_json: Json = False,
) -> None:
    """Take files that are on disk into a snapshot, read in place: by the catalogue, or by a map of yours."""
    settings = enter()
    plan, entry = _plan(settings, name, map_file, kind)
    dataset = _dataset(plan, overrides or [], repair, where=str(map_file or name or kind))
    facts = _versions(path, entry) if entry else {}
    taken = name or (map_file or path).stem
    _take(
        settings, dataset, taken, directory=path if path.is_dir() else path.parent, seed=seed, threads=2,
        allow_invalid=allow_invalid_data, facts=facts, as_json=as_json,
    )  # fmt: skip


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="folder of the files or one file; or the name of a snapshot")],
    name: As = None,
    map_file: Map = None,
    kind: Kind = None,
    overrides: Sets = None,
    repair: Annotated[str | None, typer.Option(help="none or difference_running_sums")] = None,
    as_json: Json = False,
) -> None:
    """Judge files by their first suite, or a snapshot by its hash and its last suite, and write nothing."""
    settings = enter()
    from cascada.data.ingest import Intake, check_source
    from cascada.data.validation import enforce

    if name is None and map_file is None and kind is None and not path.exists():
        report = _check_snapshot(settings, str(path))
    else:
        plan, _ = _plan(settings, name, map_file, kind)
        dataset = _dataset(plan, overrides or [], repair, where=str(map_file or name or kind))
        intake = Intake(
            dataset, name=name or path.stem, seed=0, threads=2, directory=path if path.is_dir() else path.parent,
            suites=settings.root / "expectations", data=settings.root / "data",
        )  # fmt: skip
        with show_rows() as progress:
            report = check_source(intake, on_progress=progress)
    if as_json:
        stdout.print_json(report.model_dump_json())
    else:
        _show_report(report)
    enforce(report)


@app.command(name="list")
def list_(as_json: Json = False) -> None:
    """List the snapshots of the project and the data sets of the catalogue."""
    settings = enter()
    from cascada.config.catalog import read_catalog
    from cascada.data.snapshots import list_snapshots

    refs = list_snapshots(settings.root / "data")
    catalog = read_catalog(settings.catalog)
    if as_json:
        entries = [entry.model_dump(mode="json") for entry in catalog.values()]
        stdout.print_json(json.dumps({"snapshots": [ref.card for ref in refs], "catalogue": entries}))
        return
    rows = [
        (
            r.name,
            f"{r.rows_kept:,}",
            f"{r.rows_quarantined:,}",
            "valid" if r.valid else "INVALID",
            r.content_sha256[:12],
        )
        for r in refs
    ]
    show_table("Snapshots", ("name", ">kept", ">quarantined", "suites", "content"), rows)
    files = [
        (e.name, e.title, e.licence.split(";")[0][:40], "fetch" if e.downloadable else "by hand")
        for e in catalog.values()
    ]
    show_table("Catalogue", ("name", "title", "licence", "how"), files)


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show a snapshot, or an entry of the catalogue: rows, columns, quarantine, origin, traps."""
    settings = enter()
    from cascada.data.snapshots import list_snapshots

    refs = {ref.name: ref for ref in list_snapshots(settings.root / "data")}
    if name in refs:
        _show_snapshot(refs[name], as_json)
        return
    entry = _entry(settings, name)
    if as_json:
        stdout.print_json(entry.model_dump_json())
        return
    show_facts(entry.title, {"name": entry.name, "get it": entry.obtain or f"cascada data fetch {entry.name}"})
    _show_terms(entry)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="snapshot")],
    after: Annotated[str, typer.Argument(help="snapshot")],
    as_json: Json = False,
) -> None:
    """Compare two snapshots: rows, schema and distributions."""
    settings = enter()
    from cascada.data.diff import compare
    from cascada.data.versions import find_snapshot

    found = compare(*(find_snapshot(name, settings.root) for name in (before, after)))
    if as_json:
        stdout.print_json(found.model_dump_json())
        return
    same = "the same" if found.same_content else "the same rows in another order" if found.same_rows else "different"
    unknown = "not comparable: other columns"
    facts = {
        "content": same,
        "rows in both": unknown if found.common is None else f"{found.common:,}",
        f"only in {before}": unknown if found.only_before is None else f"{found.only_before:,}",
        f"only in {after}": unknown if found.only_after is None else f"{found.only_after:,}",
        "columns added": ", ".join(found.added_columns) or "none",
        "columns removed": ", ".join(found.removed_columns) or "none",
    }
    show_facts(f"{before} -> {after}", facts)
    rows = [(p, f"{a:,}", f"{b:,}", f"{b - a:+,}") for p, (a, b) in found.rows_per_primary.items()]
    show_table("Rows", ("primary", f">{before}", f">{after}", ">change"), rows)
    values = [
        (
            c.name, f"{c.mean_before:.5g}", f"{c.mean_after:.5g}", f"{c.std_before:.4g}", f"{c.std_after:.4g}",
            f"{c.distance:.4f}", f"{c.p_value:.2g}" + ("  differs" if c.differs else ""),
        )
        for c in found.columns
    ]  # fmt: skip
    head = ("column", ">mean", ">now", ">std", ">now", ">distance", "p-value")
    show_table("Distributions (Kolmogorov-Smirnov)", head, values)


@app.command()
def push(
    names: Names = None,
    remote: Annotated[str | None, typer.Option(help="set the remote first: a folder or s3://bucket/prefix")] = None,
    endpoint_url: Annotated[str | None, typer.Option(help="S3 server other than AWS")] = None,
    as_json: Json = False,
) -> None:
    """Send snapshots to the remote; keys come from the environment or the AWS configuration."""
    settings = enter()
    from cascada.data import remotes

    if remote is not None:
        remotes.set_remote(settings.root, remote, endpoint_url=endpoint_url)
    _show_transfers("Pushed", remotes.push(settings.root, names or remotes.snapshot_names(settings.root)), as_json)


@app.command()
def pull(names: Names = None, as_json: Json = False) -> None:
    """Fetch snapshots from the remote, in the versions that git names."""
    settings = enter()
    from cascada.data import remotes

    _show_transfers("Pulled", remotes.pull(settings.root, names or remotes.snapshot_names(settings.root)), as_json)


def _show_transfers(title: str, transfers: list[Transfer], as_json: bool) -> None:
    if as_json:
        stdout.print_json(json.dumps([vars(transfer) for transfer in transfers]))
        return
    rows = [(t.name, str(t.files), f"{t.bytes:,}", "moved" if t.moved else "was there", t.md5) for t in transfers]
    show_table(title, ("snapshot", ">files", ">bytes", "", "version"), rows)


def _entry(settings: Settings, name: str) -> CatalogEntry:
    from cascada.config.catalog import find_entry, read_catalog

    return find_entry(read_catalog(settings.catalog), name)


_SELF_DESCRIBING: dict[str, dict[str, Any]] = {
    "corsika7": {"files": ["DAT*"], "suites": "corsika"},
    "corsika8": {"files": ["*"], "suites": "corsika"},
    "auger": {"files": ["*.csv"], "suites": "events"},
}


def _plan(
    settings: Settings, name: str | None, map_file: Path | None, kind: str | None
) -> tuple[dict[str, Any], CatalogEntry | None]:
    """Find out how files are read: by a map of the user's, by what they are, or by the catalogue."""
    from cascada.config import read_yaml

    if map_file is not None:
        return read_yaml(map_file, "map"), None
    if kind is not None:
        if kind not in _SELF_DESCRIBING:
            raise ConfigError(f"--kind: {kind!r} needs a map", hint=f"--map; {nearest(kind, _SELF_DESCRIBING)}")
        known = _SELF_DESCRIBING[kind]
        suites = {stage: f"{stage}_{known['suites']}" for stage in ("raw", "training")}
        return {"source": {"kind": kind, "files": known["files"]}, "expectations": suites}, None
    if name is None:
        raise ConfigError(
            "how to read these files is not said",
            hint="name a data set of the catalogue with --as, a YAML with --map, or --kind corsika7",
        )
    entry = _entry(settings, name)
    return entry.dataset.model_dump(mode="json"), entry


def _dataset(plan: dict[str, Any], overrides: list[str], repair: str | None, *, where: str) -> Dataset:
    from cascada.config import Dataset, override_value, validate_section

    for override in overrides:
        override_value(plan, f"source.{override}")
    return validate_section(Dataset, plan | ({"repair": repair} if repair is not None else {}), where)


def _versions(path: Path, entry: CatalogEntry) -> dict[str, object]:
    from cascada.data.arrivals import identify

    found = identify(path, entry)
    for file in found:
        if not file.is_published:
            stderr.print(f"note: {file.name} is not the published file: {file.version}", soft_wrap=True)
    facts: dict[str, object] = {"data set": entry.name, "versions": {file.name: file.version for file in found}}
    return facts | ({"traps": list(entry.traps)} if entry.traps else {})


def _take(
    settings: Settings, dataset: Dataset, name: str, *, directory: Path | None, seed: int, threads: int, as_json: bool,
    allow_invalid: bool = False, facts: Mapping[str, object] | None = None,
) -> None:  # fmt: skip
    from cascada.data.ingest import Intake, take_snapshot
    from cascada.data.versions import track

    intake = Intake(
        dataset, name=name, seed=seed, threads=threads, directory=directory, suites=settings.root / "expectations",
        data=settings.root / "data", allow_invalid=allow_invalid, facts=facts or {},
    )  # fmt: skip
    with show_rows() as progress:
        ref = take_snapshot(intake, on_progress=progress)
    _show_snapshot(track(ref, settings.root), as_json)


def _show_report(report: ValidationReport) -> None:
    rows = [
        ("ok" if o.passed else "no" if o.severity == "critical" else "warn", o.subject, o.required, o.measured)
        for o in report.outcomes
    ]
    show_table(f"Suite {report.suite}", ("", "on", "required", "measured"), rows)


def _check_snapshot(settings: Settings, name: str) -> ValidationReport:
    from cascada.data.snapshots import scan_showers
    from cascada.data.validation import load_suite, validate
    from cascada.data.versions import ensure, find_snapshot

    ref = ensure(find_snapshot(name, settings.root), settings.root)
    stderr.print(f"{name}: every value is that of {ref.content_sha256[:12]}")
    suite = load_suite(settings.root / "expectations", ref.suites[-1])
    return validate(scan_showers(ref), suite, {"": str(ref.path)}, limits=suite.limits)


def _show_snapshot(ref: SnapshotRef, as_json: bool) -> None:
    if as_json:
        stdout.print_json(json.dumps(ref.card))
        return
    from cascada.physics.columns import COLUMNS

    facts = {
        "rows": f"{ref.rows_in:,} in = {ref.rows_kept:,} kept + {ref.rows_quarantined:,} quarantined",
        "primaries": ", ".join(f"{p} {n:,}" for p, n in ref.rows_per_primary.items()) or "no labels",
        "quarantine": ", ".join(f"{n:,} {reason}" for reason, n in ref.reasons.items()) or "empty",
        "suites": f"{', '.join(ref.suites)}: {'passed' if ref.valid else 'REFUSED, taken all the same'}",
        "content": ref.content_sha256,
        "origin": str(ref.origin.get("origin", "")),
        "tables": ", ".join(ref.tables) or "none beside it",
        "read on": str(ref.path / "validation.html"),
    }
    show_facts(f"Snapshot {ref.name}", facts)
    rows = [(n, COLUMNS[n].unit, COLUMNS[n].role, COLUMNS[n].description) for n in ref.columns]
    show_table("Columns", ("name", "unit", "role", ""), rows)


def _show_terms(entry: CatalogEntry) -> None:
    show_facts("Terms", {"origin": entry.origin, "licence": entry.licence, "cite": entry.citation})
    if entry.traps:
        show_table("Traps", ("",), ((trap,) for trap in entry.traps))
