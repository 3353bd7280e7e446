-- Macros for visitor ids that are made from addresses. Every macro returns null if its first
-- argument is null.

-- HMAC-SHA-256 (RFC 2104), in hex. mapping/visitors.py sets the key in two forms, as variables.
create or replace temp macro keyed_hash(message) as
sha256(getvariable('outer_key') || unhex(sha256(getvariable('inner_key') || encode(message))));

-- An IP address as written, without port, brackets and zone; null for anything else.
create or replace temp macro address_of(written) as
case
    when regexp_full_match(written, ipv4_pattern() || '(:\d+)?')
        then split_part(written, ':', 1)
    when
        regexp_full_match(
            written,
            '[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*(%[\w.-]+)?'
            || '|\[[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*(%[\w.-]+)?\](:\d+)?'
        )
        then regexp_replace(
            lower(regexp_extract(written, '^\[?([0-9a-fA-F:.]+)', 1)),
            '(\.\d+):\d{1,5}$|:\d{5}$',
            '\1'
        )
end;

-- The eight groups of an IPv6 address, in order. An address that ends in IPv4 notation has seven.
create or replace temp macro groups_between(beginning, ending) as
beginning
|| list_resize(
    cast([] as varchar[]),
    cast(greatest(
        8 - len(beginning) - len(ending)
        - cast(contains(coalesce(ending[-1], ''), '.') as integer),
        0
    ) as bigint),
    '0'
)
|| ending;

create or replace temp macro groups_of(address) as
case
    when contains(address, '::')
        then groups_between(
            list_filter(string_split(split_part(address, '::', 1), ':'), lambda part: part <> ''),
            list_filter(string_split(split_part(address, '::', 2), ':'), lambda part: part <> '')
        )
    else string_split(address, ':')
end;

-- The network of an address: /24 of IPv4, /48 of IPv6. A host name is kept whole, in lower case.
create or replace temp macro network_of(address) as
case
    when regexp_matches(lower(address), '^(::ffff:)?' || ipv4_pattern() || '$')
        then regexp_replace(split_part(address, ':', -1), '\.\d+$', '')
    when contains(address, ':')
        then array_to_string(
            list_transform(
                groups_of(lower(address))[1:3],
                lambda part: coalesce(nullif(ltrim(part, '0'), ''), '0')
            ),
            ':'
        ) || '::'
    else lower(address)
end;

-- The visitor id where a line has none: a keyed hash of network and user agent. visitor_of names
-- the address in a lambda, because network_of would compute it again at each mention.
create or replace temp macro visitor_in(network, agent) as
left(keyed_hash(network || e'\n' || coalesce(agent, '')), 32);

create or replace temp macro visitor_of(address, agent) as
list_transform(
    [coalesce(address_of(address), address)],
    lambda own: visitor_in(network_of(own), agent)
)[1];
