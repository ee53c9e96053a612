"""AWS KMS, against moto's server over HTTP: no account and no network beyond this machine."""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest

from holdfast.crypto.providers.aws_kms import AwsKms
from holdfast.crypto.secret import SecretKey
from holdfast.errors import ConfigurationError, HoldfastError, Unavailable, WrongKey
from tests.unit.crypto.sealing import flipped

boto3 = pytest.importorskip("boto3", reason="the extra `kms-aws` is not installed: AWS KMS is not tested")
moto_server = pytest.importorskip("moto.server", reason="moto is not installed: AWS KMS is not tested")

REGION = "eu-central-1"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "planted")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def client(endpoint: str) -> Iterator[Any]:
    made = boto3.client("kms", region_name=REGION, endpoint_url=endpoint)
    yield made
    made.close()


@pytest.fixture
def key_id(client: Any) -> str:
    made: str = client.create_key()["KeyMetadata"]["KeyId"]
    return made


def test_what_was_wrapped_opens_after_a_restart(endpoint: str, key_id: str) -> None:
    key = SecretKey.generate()
    first = AwsKms(key_id, region=REGION, endpoint=endpoint)
    wrapped = first.wrap(key, b"here")
    assert key.reveal() not in wrapped
    first.close()
    again = AwsKms(key_id, region=REGION, endpoint=endpoint)
    assert again.unwrap(wrapped, b"here") == key
    again.health()
    info = again.describe()
    assert (info.kind, info.hardware) == ("aws-kms", True)
    assert info.reference == again.reference == first.reference
    assert key_id in info.reference
    again.close()


def test_another_context_another_key_and_what_was_altered_do_not_open(
    client: Any, key_id: str, endpoint: str
) -> None:
    root = AwsKms(key_id, client=client)
    wrapped = root.wrap(SecretKey.generate(), b"here")
    with pytest.raises(WrongKey):
        root.unwrap(wrapped, b"there")
    for spoilt in (b"", wrapped[:-1], flipped(wrapped, len(wrapped) * 8 - 1), b"nothing of theirs"):
        with pytest.raises(HoldfastError) as caught:
            root.unwrap(spoilt, b"here")
        assert isinstance(caught.value, WrongKey | ConfigurationError), caught.value
    other = AwsKms(client.create_key()["KeyMetadata"]["KeyId"], client=client)
    # KMS itself says IncorrectKeyException (below); moto says that access is denied.
    with pytest.raises(ConfigurationError):
        other.unwrap(wrapped, b"here")


def test_no_key_gets_into_a_log(key_id: str, endpoint: str, caplog: pytest.LogCaptureFixture) -> None:
    key = SecretKey.generate()
    with caplog.at_level(logging.DEBUG):
        root = AwsKms(key_id, region=REGION, endpoint=endpoint)
        assert root.unwrap(root.wrap(key, b"here"), b"here") == key
        root.close()
    assert base64.b64encode(key.reveal()).decode() not in caplog.text
    assert repr(key.reveal())[2:-1] not in caplog.text


def test_a_key_that_is_not_there_is_a_setting_to_correct(client: Any) -> None:
    with pytest.raises(ConfigurationError, match="NotFoundException"):
        AwsKms("00000000-0000-0000-0000-000000000000", client=client)


def test_a_key_that_is_switched_off_may_come_back(client: Any, key_id: str) -> None:
    root = AwsKms(key_id, client=client)
    wrapped = root.wrap(SecretKey.generate(), b"here")
    assert root.unwrap(wrapped, b"here")
    for answer in ("DisabledException", "KMSInvalidStateException"):
        with pytest.raises(Unavailable, match="not usable"):
            Stub.over(root, answer).unwrap(wrapped, b"here")


def test_kms_going_down_in_mid_flight_is_unavailable(key_id: str, endpoint: str) -> None:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client("kms", region_name=REGION, endpoint_url=f"http://{host}:{port}")
    root = AwsKms(client.create_key()["KeyMetadata"]["KeyId"], client=client)
    wrapped = root.wrap(SecretKey.generate(), b"here")
    server.stop()
    for work in (
        lambda: root.unwrap(wrapped, b"here"),
        lambda: root.wrap(SecretKey.generate(), b""),
        root.health,
    ):
        with pytest.raises(Unavailable, match="does not answer") as caught:
            work()
        assert caught.value.hint
        assert caught.value.retry
        assert "planted" not in str(caught.value)
    client.close()


class Stub(BaseHTTPRequestHandler):
    """KMS as it answers when it does not: one error, always."""

    code: ClassVar[str] = ""

    def do_POST(self) -> None:
        body = b'{"__type":"%b","message":"planted"}' % self.code.encode()
        self.send_response(400)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    @staticmethod
    def answer_once(server: HTTPServer) -> None:
        with server:
            server.handle_request()

    @classmethod
    def over(cls, root: AwsKms, code: str) -> AwsKms:
        """The same provider, with a KMS behind it that answers with `code` to one call."""
        server = HTTPServer(("127.0.0.1", 0), type("Answering", (cls,), {"code": code}))
        server.timeout = 10
        threading.Thread(target=cls.answer_once, args=(server,), daemon=True).start()
        config = boto3.session.Config(retries={"total_max_attempts": 1})
        client = boto3.client(
            "kms",
            region_name=REGION,
            endpoint_url=f"http://127.0.0.1:{server.server_address[1]}",
            config=config,
        )
        spoilt = object.__new__(AwsKms)
        spoilt.__dict__.update(root.__dict__ | {"_client": client})
        return spoilt


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", Unavailable),
        ("KMSInternalException", Unavailable),
        ("DependencyTimeoutException", Unavailable),
        ("KeyUnavailableException", Unavailable),
        ("SomethingNewException", Unavailable),
        ("AccessDeniedException", ConfigurationError),
        ("UnrecognizedClientException", ConfigurationError),
        ("IncorrectKeyException", WrongKey),
        ("InvalidCiphertextException", WrongKey),
    ],
)
def test_each_answer_has_its_error(client: Any, key_id: str, code: str, kind: type[HoldfastError]) -> None:
    root = Stub.over(AwsKms(key_id, client=client), code)
    with pytest.raises(kind) as caught:
        root.unwrap(b"x" * 100, b"here")
    assert type(caught.value) is kind
    assert "planted" not in str(caught.value)
    assert caught.value.hint
    root.close()
