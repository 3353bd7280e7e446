"""Finds IP addresses by value, and replaces them: in texts, URLs and JSON, under any name.

A value counts if all of it is an address, or an element of a list of forwarded addresses. An address within a longer
text is kept, because it may be a version. So is an IPv4 address under a name that says version. protected_texts.py
applies this to the columns of accepted lines. macros/addresses.sql has the pattern for quarantined lines, where any
address in the text is replaced.

A hostile text must not cost much more than any other: each pattern here needs time in proportion to the text, and what
is nested is looked at once for each level, up to a limit.
"""

import json
import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import unquote

REPLACED = "[address]"

# A quick test, for RE2, of whether a text can have an address. Most texts fail it, and only the others are looked at.
# In order: IPv4; '::'; four groups of hexadecimal digits; encoded dots and digits; two encoded colons; JSON's escapes.
MAY_HAVE_ADDRESS = (
    r"\d\.\d{1,3}\.\d{1,3}\.\d|::|[0-9a-fA-F]:[0-9a-fA-F]{1,4}:[0-9a-fA-F]{1,4}:[0-9a-fA-F]"
    r"|%(?:25)*(?:2[eE]|3[0-9])|%(?:25)*3[aA][0-9a-fA-F]{0,4}%(?:25)*3[aA]|\\u00[23]"
)
_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}", re.ASCII)
_AROUND = re.compile(r"(\[)?(?P<address>[0-9a-fA-F:.]+)(?:%[\w.-]+)?(?(1)\])(?:/\d{1,3})?(?::\d{1,5})?", re.ASCII)
# A port without brackets before it: after IPv4, also within IPv6, or too long for a group.
_PORT = re.compile(r"\.\d+:\d{1,5}$|:\d{5}$", re.ASCII)
_SIGNS = re.compile(r"[.:%\\]")  # of which every address has one, also in JSON
# Of a text without blanks at its end. Parts that match the same characters do not share them, or the time explodes.
_PAIR = re.compile(r"\s*+(?:(?:for|by|host)\s*+=\s*+)?\"?+(?P<value>[^\"]*+)\"?", re.IGNORECASE)
_SEPARATOR = re.compile(r"([,;|])")
_EUI_64 = re.compile(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){7}")
_VERSION = re.compile(r"(?i:(?<!con)(?<!in)version|release|firmware|build(?!ing))|(?:^|[_.-])[vV]er$|[a-z]Ver$|^[vV]$")
_IS_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[/?]")
# A string, a key with its colon, or the end of an object. A string that is not closed is one token, too, because each
# quote in it would be looked at again as the beginning of a string.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?P<close>"(?P<colon>\s*:)?)?|[}\]]')
_DEEPEST = 5  # JSON within strings of JSON; percent-encoding of percent-encoding
_MOST_URLS = 20  # URLs within parameters of URLs
_LONGEST = 300  # of the text of a single address, also if it is encoded several times


def is_address(text: str) -> bool:
    """Whether all of a text is one IP address.

    It may be percent-encoded, in brackets or quotes, and have a zone, a port or a prefix length. Eight groups of two
    digits are an EUI-64, not an address; nor does "::" count, the unspecified address.
    """
    return plain_address(text) is not None


def plain_address(text: str) -> str | None:
    """Return the address that a text is, without what can be around it, in lower case; None if it is not one."""
    if len(text) > _LONGEST or not _SIGNS.search(text):
        return None
    found = _AROUND.fullmatch(_decoded(text).strip().strip("\"'"))
    if found is None:
        return None
    address = found["address"]
    if address.count(":") == 1 or _PORT.search(address):
        address = address.rpartition(":")[0]
    if _IPV4.fullmatch(address):
        return address if max(map(int, address.split("."))) <= 255 else None
    # Without brackets, another port looks like a ninth group.
    for each in (address, address.rpartition(":")[0]) if address.count(":") == 8 else (address,):
        if _is_ipv6(each):
            return each.lower()
    return None


def _is_ipv6(text: str) -> bool:
    if ":" not in text or _EUI_64.fullmatch(text) or not any(sign.isalnum() for sign in text):
        return False
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True


def _decoded(text: str) -> str:
    for _ in range(_DEEPEST):
        if "%" not in text or (decoded := unquote(text)) == text:
            break
        text = decoded
    return text


def without_address(text: str, name: str = "", depth: int = 0, url_count: int = 0) -> str:
    """Return a value in which addresses are replaced: all of it, the elements of a list, or the parts of a URL or JSON.

    Args:
        text: The value.
        name: Its name. If it says version, a value in the form of IPv4 is kept.
        depth: How many JSON texts it is in.
        url_count: How many URLs it is in.
    """
    if not _SIGNS.search(text):
        return text
    if _says_version(name) and ":" not in _decoded(text):
        return text
    if is_address(text):
        return REPLACED
    start = text.lstrip()[:1]
    if start in ("{", "[") and depth < _DEEPEST and (found := _without_in_json(text, depth + 1, url_count)) is not None:
        return found
    if _IS_URL.match(text):
        return without_address_in_url(text, url_count)
    return _without_in_list(text)


@lru_cache(maxsize=16)  # all elements of a list have the same name, which can be long
def _says_version(name: str) -> bool:
    return _VERSION.search(name) is not None


def _without_in_list(text: str) -> str:
    """Return a list of forwarded addresses with each replaced. Words between spaces count only if all are addresses."""
    if any(sign in text for sign in ",;|"):
        return "".join(
            each if number % 2 else _without_in_element(each) for number, each in enumerate(_SEPARATOR.split(text))
        )
    words = text.split()
    return " ".join([REPLACED] * len(words)) if words and all(map(is_address, words)) else _without_in_element(text)


def _without_in_element(text: str) -> str:
    found = _PAIR.fullmatch(text.rstrip())
    if found is None or not found["value"] or not is_address(found["value"]):
        return text
    return text[: found.start("value")] + REPLACED + text[found.end("value") :]


def without_address_in_url(url: str, url_count: int = 0) -> str:
    """Return a URL with addresses in its path and query replaced.

    Kept are the host, which is a server, and an IPv4 address after a name that says version. Only whole segments of
    the path and whole values of parameters count.

    Args:
        url: The URL.
        url_count: How many other URLs it is in.
    """
    page, mark, query = url.partition("?")
    page, hash_mark, fragment = page.partition("#") if not mark else (page, "", "")
    scheme, slashes, rest = page.partition("//")
    host, slash, path = rest.partition("/") if slashes else ("", "", page)
    if not slashes:
        scheme = ""
    segments = path.split("/")
    kept = [without_segment(segment, segments[number - 1] if number else "") for number, segment in enumerate(segments)]
    query, query_hash, query_fragment = query.partition("#")
    return (
        f"{scheme}{slashes}{host}{slash}{'/'.join(kept)}{hash_mark}{_without_in_pairs(fragment, url_count)}"
        f"{mark}{_without_in_pairs(query, url_count)}{query_hash}{_without_in_pairs(query_fragment, url_count)}"
    )


def without_segment(segment: str, before: str) -> str:
    """Return a segment of a path, replaced if it is an address; see without_address_in_url."""
    is_kept = not is_address(segment) or (_says_version(before) and ":" not in _decoded(segment))
    return segment if is_kept else REPLACED


def _without_in_pairs(text: str, url_count: int) -> str:
    return "&".join(_without_in_pair(pair, url_count) for pair in text.split("&"))


def _without_in_pair(pair: str, url_count: int) -> str:
    name, equals, value = pair.partition("=")
    if not equals:
        return REPLACED if is_address(name) else pair
    if is_address(name):
        name = REPLACED
    plain = _decoded(value.replace("+", " "))
    if url_count < _MOST_URLS:
        found = without_address(plain, name, url_count=url_count + 1)
    else:
        found = REPLACED if re.search(MAY_HAVE_ADDRESS, plain) else plain
    return pair if not value or found == plain else f"{name}={_encoded(found)}"


def _encoded(found: str) -> str:
    """Return the value of a parameter without its addresses. What is left of a longer value is not worth keeping."""
    return found.replace(" ", "+") if re.fullmatch(r"(?:\[address\]|[,;| ])+", found) else REPLACED


def without_addresses_in_json(text: str) -> str:
    """Return JSON in which every address is replaced, in strings at any depth and in keys.

    Everything else keeps its bytes. A text that is no JSON is treated like any value.
    """
    found = _without_in_json(text, 0)
    return without_address(text) if found is None else found


def _without_in_json(text: str, depth: int, url_count: int = 0) -> str | None:
    """Return JSON without addresses; None if the text has no JSON strings."""
    name, replaced_keys, string_count, parts, end = "", 0, 0, [], 0
    for found in _TOKEN.finditer(text):
        colon = found["colon"] or ""
        token = found[0].removesuffix(colon)
        if found["close"] is None:
            name = "" if "}" in token or "]" in token else name
            continue
        string_count += 1
        if not _SIGNS.search(token):
            name = token[1:-1] if colon else name
            continue
        try:
            value = json.loads(token, strict=False)
        except ValueError:
            continue
        if not colon:
            kept = without_address(value, name, depth, url_count)
        elif is_address(value):
            replaced_keys += 1  # keys stay different
            name = kept = REPLACED if replaced_keys == 1 else f"{REPLACED} {replaced_keys}"
        else:
            name = kept = value
        if kept != value:
            parts += [text[end : found.start()], _json(kept), colon]
            end = found.end()
    return "".join([*parts, text[end:]]) if string_count else None


def _json(text: str) -> str:
    has_surrogate = any("\ud800" <= sign <= "\udfff" for sign in text)  # which is no UTF-8
    return json.dumps(text, ensure_ascii=has_surrogate)
