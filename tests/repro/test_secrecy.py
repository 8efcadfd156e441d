"""What goes by a secret's name is found, and hidden wherever it stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascada.repro.secrecy import Hider, find_secrets, hide, hide_arguments, hide_in


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", "abcdef"), ("AWS_SECRET_ACCESS_KEY", "abcdef"), ("GITHUB_TOKEN", "abcdef"),
        ("db-password", "hunter"), ("COMET_KEY", "a1b2c3d4e5f6a7b8"),
    ],
)  # fmt: skip
def test_secrets_are_found_by_name(name: str, value: str) -> None:
    assert find_secrets({name: value}) == (value,)


@pytest.mark.parametrize(
    ("name", "value"),
    [("SORT_KEY", "energy_eev_of_events"), ("MAX_TOKENS", "100000"), ("PWD", "/home/me/project1"), ("HOME", "/home/me"),
     ("KEYBOARD", "qwertz-123456789"), ("API_KEY", "short")],
)  # fmt: skip
def test_innocent_variables_are_left_alone(name: str, value: str) -> None:
    assert find_secrets({name: value}) == ()


def test_arguments_and_addresses_hold_secrets_too() -> None:
    arguments = ["--epochs", "3", "--api-key=first-one", "--password", "second-one", "s3://me:third-one@host/bucket"]
    secrets = find_secrets({}, arguments)
    assert set(secrets) == {"first-one", "second-one", "third-one"}
    shown = hide_arguments([*arguments, "--token", "x"], secrets)
    assert shown == ("--epochs", "3", "--api-key=***", "--password", "***", "s3://me:***@host/bucket", "--token", "***")


def test_longer_secrets_go_first() -> None:
    assert hide("abcdefgh", find_secrets({"A_TOKEN": "abcdef", "B_TOKEN": "abcdefgh"})) == "***"


def test_values_in_nested_parameters_are_hidden() -> None:
    value = {"url": "http://a:secret1@b", "rate": 0.1, "store": {"password": 12345, "names": ["x secret1 y"]}}
    hidden = hide_in(value, ("secret1",))
    assert hidden == {"url": "http://a:***@b", "rate": 0.1, "store": {"password": "***", "names": ["x *** y"]}}


@given(st.lists(st.sampled_from([b"a", b"b", b"ab", b"secret", b"sec", b"ret", b"token-1"]), max_size=30), st.data())
def test_a_stream_is_hidden_however_it_is_cut(words: list[bytes], data: st.DataObject) -> None:
    text = b"".join(words)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    hider = Hider(["secret", "token-1"])
    shown = b"".join(map(hider.feed, pieces)) + hider.close()
    assert shown == text.replace(b"secret", b"***").replace(b"token-1", b"***")
