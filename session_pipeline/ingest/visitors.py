"""Who a visitor is where a source does not say: a keyed hash of network and user agent, in place of the address.

Networks are /24 of IPv4 and /48 of IPv6, as Google Analytics shortens addresses
(https://support.google.com/analytics/answer/2763052). The key makes the hash useless to who does not have it; it never
leaves its file but into DuckDB's memory. Knows the key and its file. Does not know lines.
"""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import duckdb

from session_pipeline.errors import SessionPipelineError

KEY_BYTES = 32
BLOCK_BYTES = 64  # of SHA-256


@dataclass(frozen=True)
class VisitorKey:
    """The secret of a data folder that visitor ids depend on."""

    secret: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """What stands for the key where it must not be seen."""
        return sha256(b"fingerprint of a visitor key\n" + self.secret).hexdigest()[:16]

    def give_to(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let the macro keyed_hash use the key: HMAC (RFC 2104) takes it in two forms."""
        padded = self.secret.ljust(BLOCK_BYTES, b"\0")
        for name, pad in (("inner_key", 0x36), ("outer_key", 0x5C)):
            connection.execute(f"set variable {name} = $1::blob", [bytes(byte ^ pad for byte in padded)])

    @staticmethod
    def take_from(connection: duckdb.DuckDBPyConnection) -> None:
        """Take the key out of the connection."""
        for name in ("inner_key", "outer_key"):
            connection.execute(f"reset variable {name}")


def find_key(path: Path) -> VisitorKey | None:
    """The key in a file; None when there is no such file.

    Raises:
        SessionPipelineError: It is no key.
    """
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    except ValueError:
        text = ""
    with suppress(ValueError):
        secret = bytes.fromhex(text)
        if len(secret) == KEY_BYTES:
            return VisitorKey(secret)
    raise SessionPipelineError(
        f"{path} is no visitor key ({KEY_BYTES} bytes in hex): put the right one back from a copy, or remove it, which"
        " gives all visitors of access logs other ids"
    )


def make_key(path: Path) -> VisitorKey:
    """A new key in a new file that only its owner may read; the key that is there, if another process was quicker."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            _give_name(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    key = find_key(path)
    assert key is not None
    return key


def _give_name(temporary: Path, path: Path) -> None:
    """Name a whole file, never over one that is there."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links; the store is held by one writer
        if not path.exists():
            os.rename(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
