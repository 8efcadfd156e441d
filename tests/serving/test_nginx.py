"""Services behind the nginx of infra/nginx: what is lost when they are killed, who is refused, a canary's share."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest
from bundles import identity
from load import loaded, wait_for
from nginx import RATE, SHIPPED, Proxy, check, program, proxied, write_configuration
from projects import REPOSITORY, free_port
from services import EVENT, end, start, worker_of

from cascada.registry.bundle import Bundle
from cascada.registry.deployment import deploy
from cascada.repro.signing import own_key

pytestmark = pytest.mark.slow

Put = Callable[[int], Path]
Start = Callable[..., tuple[str, subprocess.Popen[bytes]]]
ASKED = {"events": [EVENT]}
HEAD = b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"


@pytest.fixture
def begin(keys: Path) -> Iterator[Start]:
    """Start services; all that run in the end are stopped."""
    program()
    with ExitStack() as stack:

        def run(served: Path, **options: object) -> tuple[str, subprocess.Popen[bytes]]:
            url, process = start(served, keys, **options)  # type: ignore[arg-type]
            stack.callback(end, process)
            return url, process

        yield run


@pytest.fixture
def two(begin: Start, put: Put) -> tuple[str, str]:
    """Addresses of two services of one deployment folder."""
    served = put(1)
    return begin(served)[0], begin(served)[0]


@pytest.fixture
def proxy(two: tuple[str, str], tmp_path: Path) -> Iterator[Proxy]:
    with proxied(folder_of(tmp_path), two) as running:
        yield running


def folder_of(tmp_path: Path) -> Path:
    folder = tmp_path / "nginx"
    folder.mkdir()
    return folder


def test_what_is_shipped_is_valid(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    assert "[warn]" not in check(folder, SHIPPED / "nginx.conf")
    (command,) = re.findall(r"^nginx -p .*$", (REPOSITORY / "docs" / "serving.md").read_text(), flags=re.MULTILINE)
    assert command in (SHIPPED / "nginx.conf").read_text(), "the guide says what the file says"


def test_killed_services_lose_no_request(
    begin: Start, put: Put, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served, ports, log = put(1), (free_port(), free_port()), {"CASCADA_SERVICE_LOG": str(tmp_path / "log")}
    running = [begin(served, port=port, **log) for port in ports]
    with proxied(folder_of(tmp_path), [url for url, _ in running]) as proxy, loaded(proxy.url, clients=8) as load:
        for number in range(6):
            before = load.answered
            wait_for(lambda: load.answered > before + 200)  # noqa: B023
            _, process = running[number % 2]
            process.kill()
            process.wait()
            before = load.answered
            wait_for(lambda: load.answered > before + 200)  # noqa: B023
            running[number % 2] = begin(served, port=ports[number % 2], **log)
    with capsys.disabled():
        print(f"\n6 services killed behind nginx: {load.figures}, {proxy.asked_again} asked again")  # noqa: T201
    assert load.lost == []
    assert proxy.asked_again > 0
    assert {line["status"] for line in proxy.log} == {200}


def test_killed_workers_of_supervisors_lose_no_request(
    begin: Start, put: Put, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served = put(1)
    running = [begin(served, supervised=True) for _ in range(2)]
    with proxied(folder_of(tmp_path), [url for url, _ in running]) as proxy, loaded(proxy.url, clients=8) as load:
        for number in range(4):
            before, killed = load.answered, worker_of(running[number % 2][1])
            wait_for(lambda: load.answered > before + 200)  # noqa: B023
            killed.kill()
            wait_for(lambda: is_replaced(killed, running[number % 2][1]))  # noqa: B023
    slowest = max(line["seconds"] for line in proxy.log)
    with capsys.disabled():
        print(f"\n4 workers killed behind nginx: {load.figures}, {proxy.asked_again} asked again, ", end="")  # noqa: T201
        print(f"the slowest took {slowest:.1f} s")  # noqa: T201
    assert load.lost == []


def is_replaced(killed: psutil.Process, supervisor: subprocess.Popen[bytes]) -> bool:
    try:
        return worker_of(supervisor).pid != killed.pid
    except (AssertionError, psutil.NoSuchProcess):
        return False


def test_a_new_version_takes_over_in_both(proxy: Proxy, put: Put) -> None:
    with loaded(proxy.url, clients=4) as load:
        wait_for(lambda: load.answered > 50)
        put(2)
        wait_for(lambda: all(one[-5:] == [2] * 5 for one in load.answers))
    assert load.lost == []


def test_slow_clients_hold_nobody_up(two: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    timeouts = {"header_timeout 10s": "header_timeout 2s", "body_timeout 10s": "body_timeout 2s"}
    with proxied(folder_of(tmp_path), two, changes=RATE | timeouts) as proxy:
        address = httpx.URL(proxy.url)
        slow = [socket.create_connection((address.host, address.port or 80), timeout=30) for _ in range(32)]
        for number, one in enumerate(slow):
            one.sendall(HEAD if number % 2 else HEAD + b"\r\n{")
        with loaded(proxy.url, clients=4) as load:
            for _ in range(6):
                time.sleep(0.25)
                for one in slow[::2]:
                    one.sendall(b" ")
        seen = Counter(one.recv(4096)[:12] for one in slow)
        metrics = "".join(httpx.get(f"{url}/metrics").text for url in two)
    with capsys.disabled():
        print(f"\n32 slow clients of nginx, closed: {seen}; others: {load.figures}")  # noqa: T201
    assert set(seen) <= {b"", b"HTTP/1.1 408"}
    assert load.lost == []
    assert all(load.answers)
    assert 'status="408"' not in metrics, "no service has heard of them"


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(two: tuple[str, str], tmp_path: Path) -> None:
    with proxied(folder_of(tmp_path), two, changes={"client_max_body_size 32m": "client_max_body_size 1m"}) as proxy:
        large = b" " * 1_100_000
        headers = {"Content-Type": "application/json", "X-Request-ID": "large-1"}
        refused = httpx.post(f"{proxy.url}/predict", content=large, headers=headers)
        table = httpx.post(f"{proxy.url}/predict/batch", content=large, headers={"Content-Type": "application/x-npy"})
    assert (refused.status_code, refused.json()) == (413, {"error": {"what": "the body is too large"}})
    assert refused.headers["X-Request-ID"] == "large-1"
    assert table.status_code == 422, "a table may be larger, and the service has seen it"


def test_who_asks_too_often_is_refused(two: tuple[str, str], tmp_path: Path) -> None:
    changes = {"rate=200r/s": "rate=1r/m", "burst=400": "burst=9"}
    with proxied(folder_of(tmp_path), two, changes=changes) as proxy, httpx.Client() as http:
        seen = [http.post(f"{proxy.url}/predict", json=ASKED) for _ in range(20)]
    assert [one.status_code for one in seen].count(200) <= 10
    assert {one.status_code for one in seen} == {200, 429}
    assert seen[-1].json() == {"error": {"what": "too many requests"}}
    assert seen[-1].headers["Retry-After"] == "1"


def test_ids_lineage_and_what_is_not_for_the_outside(proxy: Proxy) -> None:
    with httpx.Client(base_url=proxy.url) as http:
        for number in range(6):
            assert http.post("/predict", json=ASKED, headers={"X-Request-ID": f"n-{number}"}).status_code == 200
        made = http.post("/predict", json=ASKED).headers["X-Request-ID"]
        asked = [*(f"n-{number}" for number in range(6)), made]
        found = [http.get(f"/lineage/{one}").json().get("request_id") for one in asked]
        assert found == asked, "whichever service has answered it"
        assert made in {line["id"] for line in proxy.log}
        assert http.get("/lineage/never").status_code == 404
        assert (http.get("/metrics").status_code, http.get("/readyz").status_code) == (404, 200)


def test_without_any_service_the_proxy_says_so(begin: Start, put: Put, tmp_path: Path) -> None:
    served = put(1)
    running = [begin(served) for _ in range(2)]
    with proxied(folder_of(tmp_path), [url for url, _ in running]) as proxy:
        for _, process in running:
            end(process)
        answer = httpx.post(f"{proxy.url}/predict", json=ASKED)
    assert (answer.status_code, answer.json()) == (502, {"error": {"what": "no service answers"}})


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_below_1_2_is_refused(two: tuple[str, str], tmp_path: Path, version: ssl.TLSVersion) -> None:
    port, folder = free_port(), folder_of(tmp_path)
    certificate, key = make_certificate(tmp_path)
    changes = {
        "# include tls.conf;": "include tls.conf;", "8443": f"127.0.0.1:{port}",
        " certificate.pem": f" {certificate}", " certificate.key": f" {key}",
    }  # fmt: skip
    context = ssl.create_default_context(cafile=str(certificate))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with proxied(folder, two, changes=changes), socket.create_connection(("127.0.0.1", port)) as plain:
        if version < ssl.TLSVersion.TLSv1_2:
            with pytest.raises(ssl.SSLError, match=r"(?i)protocol"):
                context.wrap_socket(plain, server_hostname="localhost")
            return
        with context.wrap_socket(plain, server_hostname="localhost") as safe:
            safe.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
            assert safe.recv(4096).startswith(b"HTTP/1.1 200")


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    certificate, private = folder / "certificate.pem", folder / "certificate.key"
    certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


def test_a_canary_answers_its_share_and_its_death_is_not_noticed(
    two: tuple[str, str], begin: Start, bundle: Bundle, keys: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    deploy(bundle.folder, identity(bundle, 2), tmp_path / "canary", key=own_key(keys), reason="test")
    url, process = begin(tmp_path / "canary")
    with proxied(folder_of(tmp_path), two, canary=url) as proxy, httpx.Client(base_url=proxy.url) as http:
        answers = [http.post("/predict", json=ASKED) for _ in range(2000)]
        versions = Counter(answer.headers["X-Model-Version"] for answer in answers)
        by_canary = next(answer for answer in answers if answer.headers["X-Model-Version"] == "2")
        lineage = http.get(f"/lineage/{by_canary.headers['X-Request-ID']}").json()
        end(process)
        after = Counter(http.post("/predict", json=ASKED).headers["X-Model-Version"] for _ in range(500))
    with capsys.disabled():
        print(f"\ncanary of 10 %: answers by version {dict(versions)}; after its death {dict(after)}")  # noqa: T201
    assert abs(versions["2"] - 200) < 5 * (2000 * 0.1 * 0.9) ** 0.5
    assert versions.total() == 2000
    assert lineage["model"]["version"] == 2
    assert after == {"1": 500}


def test_the_variants_are_valid_too(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    changes = {
        "map $uri $pool { default champion; }": "include canary.conf;", "# include tls.conf;": "include tls.conf;",
        " certificate.pem": f" {certificate}", " certificate.key": f" {key}",
    }  # fmt: skip
    folder = folder_of(tmp_path)
    assert "[warn]" not in check(folder, write_configuration(folder, {}, changes))
