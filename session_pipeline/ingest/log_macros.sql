-- Macros for access logs and for visitor ids derived from addresses. Every macro returns null for
-- null.

-- HMAC-SHA-256 (RFC 2104), in hex. visitors.py sets the key in two forms, as variables.
create or replace temp macro keyed_hash(message) as
sha256(getvariable('outer_key') || unhex(sha256(getvariable('inner_key') || encode(message))));

-- An IP address as written, without port, brackets and zone; null for anything else.
create or replace temp macro address_of(written) as
case
    when regexp_full_match(written, '\d{1,3}(\.\d{1,3}){3}(:\d+)?')
        then split_part(written, ':', 1)
    when
        regexp_full_match(
            written,
            '[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*(%[\w.-]+)?'
            || '|\[[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*(%[\w.-]+)?\](:\d+)?'
        )
        then lower(regexp_extract(written, '^\[?([0-9a-fA-F:.]+)', 1))
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
    when regexp_matches(lower(address), '^(::ffff:)?\d{1,3}(\.\d{1,3}){3}$')
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

-- The visitor id where a line has none: a keyed hash of network and user agent.
create or replace temp macro visitor_of(address, agent) as
left(
    keyed_hash(network_of(coalesce(address_of(address), address)) || e'\n' || coalesce(agent, '')),
    32
);

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
            coalesce(nullif(regexp_extract(address, '\d+\.\d+\.\d+\.\d+'), ''), address),
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
            else encoded_pattern(
                coalesce(nullif(regexp_extract(address, '\d+\.\d+\.\d+\.\d+'), ''), address)
            )
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
                    when
                        regexp_full_match(
                            without_addresses(part),
                            '\s*\[?\[address\](%[\w.-]+)?\]?(:\d+)?\s*'
                        )
                        then '[address]'
                    else part
                end
            ),
            ','
        )
    else written
end;

-- A text with the escapes that servers write, \x22, \" and \\ (Apache also \n), replaced by
-- percent-encoding.
create or replace temp macro percent_encoded(written) as
case
    when contains(written, '\')
        then regexp_replace(
            replace(replace(replace(replace(replace(
                written,
                '\\', '%5C'
            ), '\"', '%22'), '\n', '%0A'), '\t', '%09'), '\r', '%0D'),
            '\\x([0-9a-fA-F]{2})', '%\1', 'g'
        )
    else written
end;

-- A text with the same escapes decoded; unchanged if decoding fails.
create or replace temp macro unescaped(written) as
case
    when contains(written, '\') and not contains(written, '\x00')
        then coalesce(
            try(url_decode(percent_encoded(replace(written, '%', '%25')))),
            written
        )
    else written
end;

-- A time such as 10/Oct/2000:13:55:36 -0700 as ISO 8601; other times unchanged.
create or replace temp macro log_time(written) as
case
    when
        regexp_full_match(
            written, '\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}'
        )
        then
            substr(written, 8, 4)
            || '-' || lpad(cast(
                (strpos('JanFebMarAprMayJunJulAugSepOctNovDec', substr(written, 4, 3)) + 2) // 3
                as varchar
            ), 2, '0')
            || '-' || left(written, 2)
            || 'T' || substr(written, 13, 8)
            || substr(written, 22, 5)
    else written
end;

-- Whether a URL without query is an image, a script, a style sheet or a font.
create or replace temp macro is_asset(page) as
regexp_matches(
    page,
    '(?i)\.(css|js|mjs|map|png|jpe?g|gif|svgz?|webp|avif|ico|bmp|tiff?|xbm|woff2?|ttf|otf|eot)$'
);

-- A JSON number if the text is one, else a JSON string.
create or replace temp macro number_or_text(written) as
case
    when regexp_full_match(written, '(0|[1-9]\d{0,17})(\.\d{1,9})?') then cast(written as json)
    else to_json(written)
end;

-- The event name of a request. Redirects show no page; the next page has its own line.
create or replace temp macro event_of_request(method, page_url, status_code) as
case
    when method in ('POST', 'PUT', 'PATCH', 'DELETE') then 'submit'
    when method <> 'GET' then 'request'
    when is_asset(without_query(page_url)) then 'asset'
    when page_url is null or status_code in ('301', '302', '303', '307', '308') then 'request'
    else 'page_view'
end;

-- The page of a request: its target with host and scheme, if they are known. The target in a
-- proxy's log can be a whole URL, with a port that the scheme implies.
create or replace temp macro located_page(target, host, scheme) as
case
    when not starts_with(target, '/')
        then case
            when regexp_matches(target, '^[A-Za-z][A-Za-z0-9+.-]*://')
                then regexp_replace(
                    regexp_replace(target, '(?i)^((?:http|ws)://[^/?#]*?):80([/?#]|$)', '\1\2'),
                    '(?i)^((?:https|wss|h2)://[^/?#]*?):443([/?#]|$)', '\1\2'
                )
        end
    when host is not null then coalesce(scheme || ':', '') || '//' || host || target
    when starts_with(target, '//') then '/' || ltrim(target, '/')
    else target
end;

create or replace temp macro page_of_request(target, host, scheme) as
located_page(percent_encoded(target), host, scheme);

-- The event name of a request whose method may not be in the log.
create or replace temp macro name_of_request(method, page_url, status_code) as
case
    when method is null and page_url is null then null
    else event_of_request(coalesce(method, 'GET'), page_url, status_code)
end;
