"""Tells people that a run has ended."""

from __future__ import annotations

from datetime import datetime

from cascada.notify import send
from cascada.repro.manifest import Manifest
from cascada.repro.record import RunRecord
from cascada.settings import Settings

_METRICS = 10


def announce_end(record: RunRecord, settings: Settings) -> None:
    """Send what became of a run to the addresses of the settings; nothing if there are none."""
    addresses = settings.notify.get_secret_value().split()
    manifest = record.manifest
    if addresses and (settings.notify_on == "end" or manifest.status != "finished"):
        send(addresses, f"{manifest.experiment}: {manifest.status}", _text(manifest))


def _text(manifest: Manifest) -> str:
    took = datetime.fromisoformat(manifest.ended) - datetime.fromisoformat(manifest.started)
    metrics = manifest.assessment.get("metrics", {})
    lines = [
        f"run {manifest.run_id}: {' '.join(manifest.command)}",
        f"after {str(took).partition('.')[0]}, commit {manifest.code.commit[:12]}" + " + changes" * manifest.code.dirty,
        *([manifest.error] if manifest.error else []),
        *(f"{name} = {value}" for name, value in list(metrics.items())[:_METRICS]),
    ]
    return "\n".join(lines)
