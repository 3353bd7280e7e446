"""Manages the key from which visitor ids are derived where a source has no visitor ids.

The id is a keyed hash of the network and the user agent, so that the address is not stored. Networks are /24 of IPv4
and /48 of IPv6, as Google Analytics shortens addresses (https://support.google.com/analytics/answer/2763052). Without
the key, the hash is useless. The key exists only in its file and in memory.

macros/visitor_ids.sql computes the ids; formats/access_log.py and given_lines.py apply them to lines.
"""

import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from glob import escape
from hashlib import sha256
from pathlib import Path

import duckdb

from session_pipeline.errors import SessionPipelineError
from session_pipeline.store.files import remove_temporaries, temporary_name

KEY_BYTES = 32
BLOCK_BYTES = 64  # of SHA-256
USER_PURPOSE = "user id"  # of the keyed hashes of `user_ids = "keyed"`
PROPERTY_PURPOSE = "property"  # of the keyed hashes of `hash_properties`


@dataclass(frozen=True)
class VisitorKey:
    """The secret key of a data folder. Derived visitor ids and other keyed hashes depend on it."""

    secret: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """A hash that identifies the key without revealing it."""
        return sha256(b"fingerprint of a visitor key\n" + self.secret).hexdigest()[:16]

    def keyed(self, purpose: str, text: str) -> str:
        """Return the keyed hash (HMAC-SHA-256) of a text: 32 hexadecimal digits.

        Args:
            purpose: What the text is. Each purpose has a key of its own, derived from this one, so that equal texts of
                two purposes have different hashes.
            text: The text.
        """
        own = hmac.digest(self.secret, f"session_pipeline: {purpose}".encode(), "sha256")
        return hmac.digest(own, text.encode(errors="surrogatepass"), "sha256").hex()[:32]

    def give_to(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Set the key in the connection, for the macro keyed_hash. HMAC (RFC 2104) uses it in two forms."""
        padded = self.secret.ljust(BLOCK_BYTES, b"\0")
        for name, pad in (("inner_key", 0x36), ("outer_key", 0x5C)):
            connection.execute(f"set variable {name} = $1::blob", [bytes(byte ^ pad for byte in padded)])

    @staticmethod
    def take_from(connection: duckdb.DuckDBPyConnection) -> None:
        """Remove the key from the connection."""
        for name in ("inner_key", "outer_key"):
            connection.execute(f"reset variable {name}")


def find_key(path: Path) -> VisitorKey | None:
    """Read the key from a file; return None if the file does not exist.

    Raises:
        SessionPipelineError: The file does not contain a key.
    """
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    except OSError as error:
        error.filename = error.filename or str(path)  # errors of read() do not name the file
        raise
    except ValueError:
        text = ""
    with suppress(ValueError):
        secret = bytes.fromhex(text)
        if len(secret) == KEY_BYTES:
            return VisitorKey(secret)
    raise SessionPipelineError(
        f"{path} is not a visitor key ({KEY_BYTES} bytes in hex): restore it from a backup, or remove it, which"
        " gives all visitors of access logs new ids"
    )


def make_key(path: Path) -> VisitorKey:
    """Create a key in a new file that only its owner can read, and return it.

    If another process created the file first, its key is returned.
    """
    remove_temporaries(path.parent, f".{escape(path.name)}.*")
    temporary = temporary_name(path)
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
    """Give a complete file its final name. Never replaces an existing file."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links; the store has one writer at a time
        if not path.exists():
            os.rename(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
