"""Snapshots on their way to a folder and to a real S3 server, and back, by their hashes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from projects import free_port
from swift import S3

from cascada.data.remotes import pull, push, set_remote, snapshot_names
from cascada.data.transfers import Transfer
from cascada.errors import ArtifactError, ConfigError, PlatformError

FILES = {"showers.parquet": os.urandom(300_000), "snapshot.json": b'{"name": "mine"}\n', "part/more.bin": b"\x00" * 9}


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True
    ).stdout  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the snapshot ``mine`` under DVC and the pointer in git, away from the user's AWS files."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(tmp_path / "site"),
        "AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "--quiet")
    add_snapshot(root, "mine", FILES)
    return root


def add_snapshot(root: Path, name: str, files: dict[str, bytes]) -> None:
    from dvc.repo import Repo

    for file, content in files.items():
        path = root / "data" / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if not (root / ".dvc").exists():
        Repo.init(str(root)).close()
    with Repo(str(root)) as repo:
        repo.add(str(root / "data" / name))
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", name)


@pytest.fixture
def folder(root: Path, tmp_path: Path) -> Path:
    """A folder that is the remote of the project."""
    folder = tmp_path / "disk"
    folder.mkdir()
    set_remote(root, str(folder))
    return folder


@pytest.fixture
def bucket(root: Path, s3: S3, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket that is the remote of the project, and the keys in the environment."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"showers-{uuid.uuid4().hex[:12]}"
    s3.client().create_bucket(Bucket=bucket)
    set_remote(root, f"s3://{bucket}/lab", endpoint_url=s3.endpoint_url)
    return bucket


def content(root: Path) -> dict[str, bytes]:
    folder = root / "data" / "mine"
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def clone(root: Path) -> Path:
    """Another machine: only what git brings along."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "remote")
    other = root.parent / "clone"
    git(root.parent, "clone", "--quiet", str(root), str(other))
    assert not (other / "data" / "mine").exists()
    return other


def forget(root: Path) -> None:
    shutil.rmtree(root / "data" / "mine")
    shutil.rmtree(root / ".dvc" / "cache")


def stored(name: str) -> Path:
    md5 = hashlib.md5(FILES[name], usedforsecurity=False).hexdigest()
    return Path("files", "md5", md5[:2], md5[2:])


def test_a_snapshot_comes_back_on_another_machine_through_a_folder(root: Path, folder: Path) -> None:
    (sent,) = push(root, ["mine"])
    assert sent == Transfer("mine", sent.md5, files=3, bytes=sum(map(len, FILES.values())), moved=True)
    other = clone(root)
    (fetched,) = pull(other, ["mine"])
    assert content(other) == FILES
    assert fetched == sent


def test_a_snapshot_comes_back_on_another_machine_through_s3(root: Path, bucket: str, s3: S3) -> None:
    (sent,) = push(root, ["mine"])
    sizes = {key: size for key, size in s3.keys(bucket).items() if not key.endswith(".dir")}
    assert sizes == {f"lab/{stored(name)}": len(data) for name, data in FILES.items()}
    body = s3.client().get_object(Bucket=bucket, Key=f"lab/{stored('showers.parquet')}")["Body"].read()
    assert body == FILES["showers.parquet"]
    other = clone(root)
    assert pull(other, ["mine"]) == [sent]
    assert content(other) == FILES


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_the_second_time_nothing_moves(root: Path, kind: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(kind)
    assert [push(root, ["mine"])[0].moved for _ in range(2)] == [True, False]
    assert pull(root, ["mine"])[0].moved is False


def test_only_the_named_snapshots_are_sent(root: Path, folder: Path) -> None:
    add_snapshot(root, "yours", {"showers.parquet": b"yours"})
    assert snapshot_names(root) == ["mine", "yours"]
    push(root, ["yours"])
    assert not (folder / stored("showers.parquet")).exists()
    push(root, ["mine", "yours"])
    assert (folder / stored("showers.parquet")).read_bytes() == FILES["showers.parquet"]


def test_no_key_is_written_where_git_sees_it(root: Path, bucket: str, s3: S3) -> None:
    push(root, ["mine"])
    git(root, "add", "--all")
    for name in git(root, "ls-files").split():
        assert s3.secret_key not in (root / name).read_text()
        assert s3.access_key not in (root / name).read_text()
    assert f"s3://{bucket}/lab" in (root / ".dvc" / "config").read_text()


@pytest.mark.parametrize(
    ("changed", "what", "got"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "refuses the keys", "SignatureDoesNotMatch"),
        ({"AWS_ACCESS_KEY_ID": "test:nobody"}, "refuses the keys", "InvalidAccessKeyId|AccessDenied|SignatureDoes"),
        ({"AWS_SECRET_ACCESS_KEY": None, "AWS_ACCESS_KEY_ID": None}, "there are no keys", "credentials"),
    ],
    ids=["wrong secret", "wrong key", "no keys"],
)
@pytest.mark.parametrize("action", [push, pull])
def test_wrong_keys_are_refused(
    root: Path, bucket: str, s3: S3, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str | None], what: str,
    got: str, action: object,
) -> None:  # fmt: skip
    for name, value in changed.items():
        monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name)
    assert callable(action)
    with pytest.raises(PlatformError, match=what) as caught:
        action(root, ["mine"])
    assert "AWS_SECRET_ACCESS_KEY" in caught.value.hint
    assert any(word in caught.value.got for word in got.split("|"))
    assert "wrong" not in str(caught.value)
    assert s3.keys(bucket) == {}


def test_a_missing_bucket_is_told(root: Path, bucket: str, s3: S3) -> None:
    set_remote(root, f"s3://{bucket}-typo", endpoint_url=s3.endpoint_url)
    with pytest.raises(PlatformError, match="there is no such bucket") as caught:
        push(root, ["mine"])
    assert f"{bucket}-typo" in caught.value.where


def test_a_server_that_is_down_is_told(root: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # the patience of the AWS library is not what is tested
    address = f"http://127.0.0.1:{free_port()}"
    set_remote(root, f"s3://{bucket}", endpoint_url=address)
    with pytest.raises(PlatformError, match=f"{address} does not answer"):
        push(root, ["mine"])


@pytest.mark.parametrize("action", [push, pull])
def test_an_unknown_snapshot_names_the_nearest(root: Path, folder: Path, action: object) -> None:
    assert callable(action)
    with pytest.raises(ArtifactError, match="no snapshot 'mime' is known") as caught:
        action(root, ["mime"])
    assert caught.value.hint == "did you mean mine?"


def test_a_project_without_a_remote_says_so(root: Path) -> None:
    with pytest.raises(ConfigError, match="the project has no remote"):
        push(root, ["mine"])


@pytest.mark.parametrize(
    "url", ["gs://bucket", "https://host/path", "s3://", "s3:///prefix"], ids=["gs", "https", "no bucket", "prefix"]
)
def test_other_addresses_are_refused(root: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="a folder or an S3 bucket"):
        set_remote(root, url)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [("s3://key:hush@bucket/lab", None), ("s3://bucket", "https://key:hush@host")],
    ids=["url", "endpoint"],
)
def test_credentials_in_an_address_are_refused_and_not_repeated(root: Path, url: str, endpoint: str | None) -> None:
    before = (root / ".dvc" / "config").read_text()
    with pytest.raises(ConfigError, match="must not hold credentials") as caught:
        set_remote(root, url, endpoint_url=endpoint)
    assert "hush" not in str(caught.value)
    assert (root / ".dvc" / "config").read_text() == before


def test_a_folder_that_is_not_mounted_is_not_made(root: Path, folder: Path) -> None:
    folder.rmdir()
    with pytest.raises(PlatformError, match="is not there"):
        push(root, ["mine"])
    with pytest.raises(ConfigError, match="does not exist"):
        set_remote(root, str(folder))
    assert not folder.exists()


def test_options_of_s3_are_refused_for_a_folder(root: Path, folder: Path) -> None:
    with pytest.raises(ConfigError, match="belong to an S3 remote"):
        set_remote(root, str(folder), region="eu-west-1")


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


@pytest.mark.parametrize("damage", [cut, None], ids=["cut", "gone"])
def test_a_damaged_copy_on_s3_is_replaced_by_the_next_push(root: Path, bucket: str, s3: S3, damage: object) -> None:
    push(root, ["mine"])
    key = f"lab/{stored('showers.parquet')}"
    if callable(damage):
        s3.client().put_object(Bucket=bucket, Key=key, Body=damage(FILES["showers.parquet"]))
    else:
        s3.client().delete_object(Bucket=bucket, Key=key)
    other = clone(root)
    with pytest.raises(ArtifactError, match="does not hold a whole copy of 'mine'") as caught:
        pull(other, ["mine"])
    assert "push the snapshot again" in caught.value.hint
    assert not (other / "data" / "mine").exists()
    assert push(root, ["mine"])[0].moved is True
    pull(other, ["mine"])
    assert content(other) == FILES


@pytest.mark.parametrize("damage", [cut, flip, None], ids=["cut", "flipped", "gone"])
def test_a_damaged_copy_in_a_folder_is_replaced_by_the_next_push(root: Path, folder: Path, damage: object) -> None:
    push(root, ["mine"])
    file = folder / stored("showers.parquet")
    file.unlink()
    if callable(damage):
        file.write_bytes(damage(FILES["showers.parquet"]))
    other = clone(root)
    with pytest.raises(ArtifactError, match="whole copy"):
        pull(other, ["mine"])
    assert push(root, ["mine"])[0].moved is True
    pull(other, ["mine"])
    assert content(other) == FILES


def test_a_copy_sent_in_many_pieces_is_compared_byte_by_byte(root: Path, bucket: str, s3: S3) -> None:
    """What is sent in pieces has no MD5 for a name: the server must be asked for its bytes."""
    push(root, ["mine"])
    key, data = f"lab/{stored('showers.parquet')}", FILES["showers.parquet"]
    for body, moved in ((data, False), (flip(data), True)):
        client = s3.client()
        upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        part = {"Bucket": bucket, "Key": key, "UploadId": upload}
        tag = client.upload_part(**part, PartNumber=1, Body=body)["ETag"]
        client.complete_multipart_upload(**part, MultipartUpload={"Parts": [{"ETag": tag, "PartNumber": 1}]})
        assert "-" in client.head_object(Bucket=bucket, Key=key)["ETag"]
        assert push(root, ["mine"])[0].moved is moved
    assert s3.client().get_object(Bucket=bucket, Key=key)["Body"].read() == data


def test_altered_bytes_in_the_cache_of_this_machine_are_fetched_anew(root: Path, folder: Path) -> None:
    push(root, ["mine"])
    cached = root / ".dvc" / "cache" / stored("showers.parquet")
    cached.chmod(0o644)
    cached.write_bytes(flip(FILES["showers.parquet"]))
    shutil.rmtree(root / "data" / "mine")
    assert pull(root, ["mine"])[0].moved is True
    assert content(root) == FILES


@pytest.mark.parametrize("damage", [flip, None], ids=["flipped", "gone"])
def test_what_the_cache_has_lost_is_sent_from_the_folder(root: Path, folder: Path, damage: object) -> None:
    cached = root / ".dvc" / "cache" / stored("showers.parquet")
    cached.unlink()
    if callable(damage):
        cached.write_bytes(damage(FILES["showers.parquet"]))
    push(root, ["mine"])
    assert (folder / stored("showers.parquet")).read_bytes() == FILES["showers.parquet"]


@pytest.mark.parametrize("damage", [flip, None], ids=["flipped", "gone"])
def test_what_this_machine_has_lost_is_neither_sent_nor_called_sent(root: Path, folder: Path, damage: object) -> None:
    for copy in (root / ".dvc" / "cache" / stored("showers.parquet"), root / "data" / "mine" / "showers.parquet"):
        copy.unlink()
        if callable(damage):
            copy.write_bytes(damage(FILES["showers.parquet"]))
    with pytest.raises(ArtifactError, match="could not be sent whole") as caught:
        push(root, ["mine"])
    assert "pull the snapshot first" in caught.value.hint
    assert not (folder / stored("showers.parquet")).exists()


def test_a_machine_that_has_nothing_cannot_push(root: Path, folder: Path) -> None:
    forget(root)
    with pytest.raises(ArtifactError, match="no whole copy of 'mine'"):
        push(root, ["mine"])


def test_local_changes_give_way_to_the_version_that_git_names(root: Path, folder: Path) -> None:
    push(root, ["mine"])
    (root / "data" / "mine" / "snapshot.json").unlink()
    (root / "data" / "mine" / "snapshot.json").write_text("altered")
    pull(root, ["mine"])
    assert content(root) == FILES
