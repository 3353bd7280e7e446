"""Suggests the field with the visitor's address, by its values and name.

Addresses can have a port or be in a list, as ingest reads them. suggested_keys.py decides when an address is needed.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address

from session_pipeline.trial.field_values import FieldValues

WITH_PORT = re.compile(r"(\[.*\]|[\d.]+):\d+")
# Patterns for names, the surest first: of the visitor's address, of an address, of a server's address.
VISITOR_NAME = re.compile(r"client|visitor|(^|[^a-z])cli_?(ip|addr)", re.IGNORECASE)
ADDRESS_NAME = re.compile(r"remote|forwarded|(ip|addr|address)$", re.IGNORECASE)
SERVER_NAME = re.compile(r"server|upstream|local|backend|target|dest", re.IGNORECASE)
HOST_NAME = re.compile(r"(.*\.)?host(_?name)?", re.IGNORECASE)  # of a visitor in old logs, otherwise of a server


def address_of(text: str) -> str | None:
    """Return the address in a text, which can have a port; of a list, the first. None if there is none."""
    first = text.partition(",")[0].strip()
    if found := WITH_PORT.fullmatch(first):
        first = found[1]
    with suppress(ValueError):
        return str(ip_address(first.strip("[]")))
    return None


def possible_addresses(fields: Sequence[FieldValues]) -> list[FieldValues]:
    """Return the fields that could have the visitor's address: those with the surest names, or all if none has one."""
    found = [field for field in fields if field.is_filled() and field.is_mostly(address_of) and not _is_servers(field)]
    for usual in (VISITOR_NAME, ADDRESS_NAME):
        if named := [field for field in found if usual.search(field.name)]:
            return named
    return found


def suggested_address(fields: Sequence[FieldValues]) -> str | None:
    """Suggest the field with the visitor's address; None if no field has addresses, or several have different ones.

    Without such a field, one with names of hosts and addresses is suggested, as in logs of servers that look up names.
    """
    found = possible_addresses(fields)
    addresses = [[address_of(str(value)) for value in field.values] for field in found]
    if found:
        return found[0].name if all(each == addresses[0] for each in addresses) else None
    hosts = [field.name for field in fields if HOST_NAME.fullmatch(field.name) and _has_some_addresses(field)]
    return hosts[0] if len(hosts) == 1 else None


def _is_servers(field: FieldValues) -> bool:
    """Whether the addresses are those of a server: by the name, or for a host because they are all the same."""
    is_one_host = HOST_NAME.fullmatch(field.name) is not None and field.different_count == 1
    is_named = SERVER_NAME.search(field.name) is not None and not VISITOR_NAME.search(field.name)
    return is_named or is_one_host


def _has_some_addresses(field: FieldValues) -> bool:
    return field.is_filled() and field.different_count > 1 and any(address_of(str(value)) for value in field.values)
