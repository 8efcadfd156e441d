"""The section of the trace autoencoder: what it may ask for."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from cascada.config import Model, TraceAutoencoder

SECTION: TypeAdapter[Model] = TypeAdapter(Model)


def test_the_kind_alone_is_enough() -> None:
    section = SECTION.validate_python({"kind": "trace"})
    assert section == TraceAutoencoder(kind="trace")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stations", 2), ("stations", 38), ("bins", 15), ("bins", 769), ("channels", ()), ("channels", (8,) * 5),
        ("channels", (0,)), ("kernel", 2), ("kernel", 32), ("station_width", 0), ("hidden", ()), ("latent", 0),
        ("dropout", 0.1),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_refused_with_its_field(key: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        SECTION.validate_python({"kind": "trace", key: value})
    assert caught.value.errors()[0]["loc"][:2] == ("trace", key)
