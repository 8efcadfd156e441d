"""A table that is read in pieces answers as one that lies in memory."""

from __future__ import annotations

import polars as pl
import pytest

from cascada.data.sources.table import from_chunks

PIECES = [pl.DataFrame({"n_mu": [1.0, 2.0], "n_em": [1.0, 2.0]}), pl.DataFrame({"n_mu": [3.0], "n_em": [4.0]})]
QUESTIONS = {
    "rows": lambda frame: frame.select(pl.len()),
    "rows of some": lambda frame: frame.filter(pl.col("n_mu") > 1.0).select(pl.len()),
    "a column": lambda frame: frame.select("n_em"),
    "the first rows": lambda frame: frame.head(2),
    "a sum beside the rows": lambda frame: frame.select(pl.col("n_em").sum(), pl.len()),
}


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_pieces_answer_as_a_whole_does(question: str, engine: str) -> None:
    lazy = from_chunks(lambda: iter(PIECES), ("n_mu", "n_em"))
    asked = QUESTIONS[question]
    assert asked(lazy).collect(engine=engine).equals(asked(pl.concat(PIECES).lazy()).collect())  # type: ignore[call-overload]
