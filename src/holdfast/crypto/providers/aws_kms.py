"""A root in AWS KMS: a symmetric key that does not leave it. Extra `kms-aws`.

KMS encrypts tenants' keys under an encryption context, which it authenticates and writes into CloudTrail: so the context goes there
as a hash. Credentials, region and endpoint are boto3's affair, found where it finds them.

botocore's debug log quotes requests and answers, which here hold keys: unless somebody has given that logger a level of its own,
opening this provider puts it to INFO.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any, Final

from holdfast.crypto.providers.port import ProviderInfo
from holdfast.crypto.secret import SecretKey
from holdfast.errors import ConfigurationError, HoldfastError, Unavailable, WrongKey

_TIMEOUT: Final = 5.0
_CONTEXT: Final = "holdfast"
_OTHER_KEY: Final = {"InvalidCiphertextException", "IncorrectKeyException"}
_SETTLED: Final = {
    "AccessDeniedException": "Allow kms:Encrypt, kms:Decrypt and kms:DescribeKey on this key to the role that serves.",
    "NotFoundException": "Check the key's id, its account and the region.",
    "InvalidKeyUsageException": "Use a symmetric key for encryption and decryption.",
    "UnrecognizedClientException": "Check the credentials that boto3 finds.",
    "InvalidSignatureException": "Check the credentials that boto3 finds.",
    "ValidationException": "Check the key's id.",
}
"""Answers that will not change by themselves."""
_DISABLED: Final = {"DisabledException", "KMSInvalidStateException"}


class AwsKms:
    """The provider over one KMS key."""

    def __init__(
        self,
        key_id: str,
        *,
        region: str | None = None,
        endpoint: str | None = None,
        client: Any = None,
    ) -> None:
        """`key_id` is the key's id or ARN (an alias may come to name another key). `client` replaces the one made here.

        Raises ConfigurationError for a key that is not there or not allowed, Unavailable for no answer.
        """
        _hush()
        self._client = client or _client(region, endpoint)
        self._key_id = key_id
        described = self._call("describe_key", KeyId=key_id)["KeyMetadata"]
        self._arn: str = described["Arn"]
        self.reference = f"aws-kms:{self._arn}"

    def wrap(self, key: SecretKey, context: bytes) -> bytes:
        answer = self._call(
            "encrypt", KeyId=self._arn, Plaintext=key.reveal(), EncryptionContext=_named(context)
        )
        wrapped: bytes = answer["CiphertextBlob"]
        return wrapped

    def unwrap(self, wrapped: bytes, context: bytes) -> SecretKey:
        if not wrapped:
            raise WrongKey(where=self._arn)
        answer = self._call(
            "decrypt", KeyId=self._arn, CiphertextBlob=wrapped, EncryptionContext=_named(context)
        )
        try:
            return SecretKey(answer["Plaintext"])
        except ValueError:
            raise WrongKey(where=self._arn) from None

    def describe(self) -> ProviderInfo:
        return ProviderInfo("aws-kms", self.reference, self._arn, hardware=True)

    def health(self) -> None:
        probe = SecretKey.generate()
        if self.unwrap(self.wrap(probe, b"probe"), b"probe") != probe:
            raise WrongKey(where=self._arn)

    def close(self) -> None:
        self._client.close()

    def _call(self, name: str, **arguments: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: dict[str, Any] = getattr(self._client, name)(**arguments)
        except ClientError as error:
            raise _explained(str(error.response.get("Error", {}).get("Code", "")), self._key_id) from None
        except BotoCoreError as error:
            raise Unavailable(
                f"AWS KMS does not answer ({type(error).__name__}).",
                where=self._key_id,
                hint="Check network, region and credentials; what is open already goes on working until its time is up.",
            ) from None
        return answer

    def __repr__(self) -> str:
        return f"AwsKms({self._key_id})"


def _client(region: str | None, endpoint: str | None) -> Any:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise ConfigurationError(
            "The library for AWS is not installed.", hint="pip install 'holdfast[kms-aws]'"
        ) from None
    config = Config(
        connect_timeout=_TIMEOUT, read_timeout=_TIMEOUT, retries={"mode": "standard", "max_attempts": 3}
    )
    try:
        return boto3.client("kms", region_name=region, endpoint_url=endpoint, config=config)
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(
            f"There is no client for AWS KMS ({type(error).__name__}).",
            hint="Set a region, such as AWS_REGION.",
        ) from None


def _hush() -> None:
    logger = logging.getLogger("botocore")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


def _named(context: bytes) -> dict[str, str]:
    return {_CONTEXT: hashlib.sha256(context).hexdigest()}


def _explained(code: str, where: str) -> HoldfastError:
    if code in _OTHER_KEY:
        return WrongKey(where=where)
    if code in _SETTLED:
        return ConfigurationError(f"AWS KMS refuses ({code}).", where=where, hint=_SETTLED[code])
    if code in _DISABLED:
        return Unavailable(
            f"The key in AWS KMS is not usable ({code}).",
            where=where,
            hint="Enable it, or cancel its deletion.",
        )
    # What is left is theirs or passes: throttling, an internal error, a time-out behind KMS.
    return Unavailable(
        f"AWS KMS cannot answer now ({code[:64] or 'no code'}).",
        where=where,
        hint="Repeat after a moment; if it throttles, ask for a higher quota.",
        retry_after=1.0,
    )
