-- Macros that remove the addresses of a line's visitor from its texts, in all their forms. Every
-- macro returns null if its first argument is null.

-- The IPv4 address within an address, such as ::ffff:192.0.2.1; the address itself if it has none.
create or replace temp macro ipv4_part(address) as
coalesce(nullif(regexp_extract(address, '\d+\.\d+\.\d+\.\d+'), ''), address);

-- A text without an IPv6 address, in upper or lower case, with its colons also percent-encoded. A
-- pattern for each row is expensive, so it is used only for rows that contain the address.
create or replace temp macro without_ipv6(written, address) as
case
    when contains(replace(lower(written), '%3a', ':'), lower(address))
        then regexp_replace(
            written, replace(regexp_escape(address), '\:', '(?::|%3A)'), '[address]', 'gi'
        )
    else written
end;

-- A text without an address as written. A host name without a dot or colon is not removed. If the
-- address contains IPv4, within IPv6 or before a port, the IPv4 part alone is removed as well.
create or replace temp macro without_address(written, address) as
case
    when address is null or not regexp_matches(address, '[.:]') then written
    when not contains(address, ':') then replace(written, address, '[address]')
    when contains(address, '.')
        then replace(
            without_ipv6(written, address),
            ipv4_part(address),
            '[address]'
        )
    else without_ipv6(written, address)
end;

-- Whether a text may contain an address in another form: percent-encoded, or IPv6 with other zeros.
create or replace temp macro may_have_other_forms(written, addresses) as
contains(written, '%')
and regexp_matches(written, '(?i)%(?:25)*(?:2[de]|3\d)|(?:%(?:25)*3a){2}|%(?:25)+3a')
or contains(array_to_string(addresses, ' '), ':')
and (contains(written, '::') or regexp_matches(written, '(?i)(?:[0-9a-f]{1,4}(?::|%3a)){6}'));

-- A pattern for a text whose signs and digits may be percent-encoded: %2E, %3A, %31, and %252E.
create or replace temp macro encoded_pattern(written) as
replace(
    replace(replace(
        regexp_replace(regexp_escape(written), '(\d)', '(?:\1|%(?:25)*3\1)', 'g'),
        '\.', '(?:\.|%(?:25)*2E)'
    ),
    '\-', '(?:-|%(?:25)*2D)'),
    '\:', '(?::|%(?:25)*3A)'
);

-- A pattern for all forms of an IPv6 address, from its non-zero groups. It does not count the zeros
-- between them. A single group must be next to two colons, because one colon and a number may be
-- JSON.
create or replace temp macro ipv6_forms(groups, begins_with_zero) as
'(?:0{0,4}(?::|%(?:25)*3A))' || if(len(groups) = 1 and begins_with_zero, '{2,}', '*')
|| array_to_string(
    list_transform(groups, lambda part: '0{0,3}' || encoded_pattern(ltrim(part, '0'))),
    '(?::|%(?:25)*3A)(?:0{0,4}(?::|%(?:25)*3A))*'
)
|| '(?:(?::|%(?:25)*3A)0{0,4})' || if(len(groups) = 1 and not begins_with_zero, '{2,}', '*');

-- A pattern for all forms of some addresses; null if there are none.
create or replace temp macro other_forms(addresses) as
nullif(array_to_string(
    list_transform(
        list_filter(addresses, lambda address: regexp_matches(address, '[.:].*[^.:]|[^.:].*[.:]')),
        lambda address: case
            when not contains(address, '.')
                then ipv6_forms(
                    list_filter(
                        string_split(regexp_extract(lower(address), '[0-9a-f:.]+'), ':'),
                        lambda part: trim(part, '0') <> ''
                    ),
                    regexp_matches(address, '^\[?[0:]')
                )
            else encoded_pattern(ipv4_part(address))
        end
    ),
    '|'
), '');

-- A comma-separated list in which values that are addresses are replaced, because proxies send the
-- client's address in headers of many names. An address within a longer text is kept: it may be a
-- version, as in the name of a browser.
create or replace temp macro without_address_values(written) as
case
    when regexp_matches(written, '[.:]')
        then array_to_string(
            list_transform(
                string_split(written, ','),
                lambda part: case
                    when is_whole_address(part) then '[address]'
                    else part
                end
            ),
            ','
        )
    else written
end;
