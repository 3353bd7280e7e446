-- Macros that the queries of this folder share. Every macro returns null for null.

-- json_valid accepts more than RFC 8259: NaN, Infinity, and commas before a closing bracket.
-- may_be_lax is a quick test that can be true for valid JSON. is_lax is exact: it removes the
-- strings and searches the rest.
create or replace temp macro may_be_lax(written) as
regexp_matches(written, ':\s*-?[nNiI][aAnN][nNfF]')
or regexp_matches(written, '\[\s*-?[nNiI][aAnN][nNfF]')
or regexp_matches(written, ',\s*(-?[nNiI][aAnN][nNfF]|[}\]])');

create or replace temp macro is_lax(written) as
regexp_matches(
    regexp_replace(written, '"(?:[^"\\]|\\.)*"', '', 'g'),
    '(?i)nan|inf|,\s*[}\]]'
);

-- A whole number, also written as 3.0; never rounded. Null for anything else.
create or replace temp macro whole_number(written) as
case
    when regexp_full_match(written, '[+-]?\d{1,19}(\.0*)?')
        then try_cast(split_part(written, '.', 1) as bigint)
end;

-- A decimal with six places. Null for anything else, or if it has more than twelve digits before
-- the point.
create or replace temp macro decimal_number(written) as
case
    when regexp_full_match(written, '[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?')
        then try_cast(written as decimal(18, 6))
end;

-- A number such as 1.234,56 or 12,5 with a point: 1234.56 and 12.5. Other texts stay as they are.
create or replace temp macro with_decimal_point(written) as
case
    when
        regexp_full_match(
            written, '[+-]?(\d{1,3}([. ''\x{A0}\x{202F}]\d{3})+|\d+)(,\d*)?|[+-]?,\d+'
        )
        then replace(regexp_replace(written, '[. ''\x{A0}\x{202F}]', '', 'g'), ',', '.')
    else written
end;

-- The time of epoch seconds (below 10^11), milliseconds (below 10^14), microseconds (below 10^17)
-- or nanoseconds (19 digits), exact to the microsecond. With these limits, seconds reach the year
-- 5138, milliseconds start in March 1973, and nanoseconds in September 2001.
create or replace temp macro epoch_time(written) as
make_timestamp(cast(trunc(
    case
        when abs(try_cast(written as decimal(30, 9))) < 100000000000
            then try_cast(written as decimal(30, 9)) * 1000000
        when abs(try_cast(written as decimal(30, 9))) < 100000000000000
            then try_cast(written as decimal(30, 9)) * 1000
        when abs(try_cast(written as decimal(30, 9))) < 100000000000000000
            then try_cast(written as decimal(30, 9))
        else cast(try_cast(written as decimal(30, 9)) * 0.001 as decimal(30, 9))
    end
) as bigint));

-- The timestamp of a date and a time of day without an offset; null if there is no such time.
-- Second 60, a leap second, becomes the following second, because POSIX time cannot represent it.
create or replace temp macro clock_time(written) as
case
    when regexp_matches(written, '[Tt ]\d\d:\d\d:60')
        then
            try_cast(replace(regexp_replace(written, ':60(\.\d+)?$', ':59'), 't', 'T') as timestamp)
            + interval 1 second
    else try_cast(replace(written, 't', 'T') as timestamp)
end;

-- An offset such as +02:00, -0330 or +05 in seconds.
create or replace temp macro offset_seconds(written) as
if(starts_with(written, '-'), -1, 1) * (
    cast(substr(written, 2, 2) as integer) * 3600
    + coalesce(try_cast(right(substr(written, 4), 2) as integer), 0) * 60
);

-- The instant of a local time. local_offsets[i] is the offset in seconds that applies from
-- local_starts[i] on; the lists are in order. If they are empty, local time is UTC.
create or replace temp macro instant_of(local, local_starts, local_offsets) as
case
    when len(local_starts) = 0 then local
    else local - to_seconds(coalesce(
        local_offsets[len(list_filter(local_starts, lambda start: start <= local))],
        0
    ))
end;

-- A time of a mail header (RFC 2822), an access log or a program as ISO 8601; null for anything
-- else: Mon, 06 May 2024 07:08:09 +0200; 06/May/2024:07:08:09 +0200, also in brackets;
-- 2024/05/06 07:08:09.
create or replace temp macro iso_time(written) as
case
    when
        regexp_full_match(
            written,
            '\d{4}/\d\d/\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?'
            || '( ?([Zz]|UTC|GMT|[+-]([01]\d|2[0-3]):?[0-5]\d))?)?'
        )
        then
            replace(left(written, 10), '/', '-')
            || regexp_replace(replace(substr(written, 11), ',', '.'), ' ?(UTC|GMT)$', 'Z')
    when
        regexp_full_match(
            written,
            '\[?([A-Z][a-z]{2}, )?\d{1,2}[ /-][A-Z][a-z]{2}[ /-]\d{4}'
            || '[ :]\d\d:\d\d(:\d\d(\.\d+)?)?'
            || '( ?(Z|UTC?|GMT|[+-]([01]\d|2[0-3]):?[0-5]\d)( \([A-Za-z ]+\))?)?\]?'
        )
        then regexp_replace(
            regexp_extract(written, '[A-Z][a-z]{2}[ /-](\d{4})', 1)
            || '-' || lpad(cast(
                (strpos(
                    'JanFebMarAprMayJunJulAugSepOctNovDec',
                    regexp_extract(written, '([A-Z][a-z]{2})[ /-]\d{4}', 1)
                ) + 2) // 3 as varchar
            ), 2, '0')
            || '-' || lpad(regexp_extract(written, '(\d{1,2})[ /-][A-Z]', 1), 2, '0')
            || 'T' || regexp_replace(
                regexp_extract(written, '\d{4}[ :](\d\d:.*)$', 1), ' \([A-Za-z ]+\)|\]', '', 'g'
            ),
            ' ?(UTC?|GMT|Z)$', 'Z'
        )
end;

-- A time in UTC, from a time that is written with slashes or with the name of a month.
create or replace temp macro time_of_words(written, local_starts, local_offsets) as
case
    when regexp_matches(iso_time(written), '(Z|[+-]\d\d:?\d\d)$')
        then
            clock_time(regexp_replace(iso_time(written), ' ?(Z|[+-]\d\d:?\d\d)$', ''))
            - case
                when suffix(iso_time(written), 'Z') then interval 0 second
                else to_seconds(
                    offset_seconds(regexp_extract(iso_time(written), '[+-]\d\d:?\d\d$'))
                )
            end
    else instant_of(clock_time(iso_time(written)), local_starts, local_offsets)
end;

-- A time in UTC, from ISO 8601 or RFC 3339 with an offset or without one (local to the source), or
-- from an epoch number; null for anything else. A cast to timestamp silently drops an offset, so
-- only times that end in UTC are cast that way. The first forms are frequent, and DuckDB reads them
-- fast; a cheap test before a pattern saves most of the patterns. No text has two of these forms
-- with different times. The forms after them also accept t, z, second 60, and offsets that DuckDB
-- does not accept.
create or replace temp macro utc_time(written, local_starts, local_offsets) as
case
    when
        strlen(written) = 19
        and regexp_full_match(written, '\d{4}-\d\d-\d\d[T ]\d\d:\d\d:[0-5]\d')
        then instant_of(try_cast(written as timestamp), local_starts, local_offsets)
    when not contains(written, ':') and regexp_full_match(written, '-?\d{1,17}(\.\d+)?|\d{19}')
        then epoch_time(written)
    when
        (suffix(written, 'Z') or suffix(written, 'UTC'))
        and regexp_full_match(
            written, '\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:[0-5]\d(\.\d+)?)?(Z| UTC)'
        )
        then try_cast(written as timestamp)
    when
        regexp_full_match(
            written,
            '\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:[0-5]\d(\.\d+)?)?[+-](0\d|1[0-4])(:?[0-5]\d)?'
        )
        then make_timestamp(epoch_us(try_cast(written as timestamptz)))
    when
        regexp_full_match(
            written, '\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]| UTC)'
        )
        then clock_time(regexp_replace(written, '([Zz]| UTC)$', ''))
    when
        regexp_full_match(
            written,
            '\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)? ?[+-]([01]\d|2[0-3])(:?[0-5]\d)?'
        )
        then
            clock_time(regexp_replace(written, ' ?[+-]\d\d(:?\d\d)?$', ''))
            - to_seconds(offset_seconds(regexp_extract(written, '[+-]\d\d(?::?\d\d)?$')))
    when regexp_full_match(written, '\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:[0-5]\d(\.\d+)?)?)?')
        then instant_of(try_cast(written as timestamp), local_starts, local_offsets)
    when regexp_full_match(written, '\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?')
        then instant_of(clock_time(written), local_starts, local_offsets)
    when regexp_matches(written, '^\d{4}/|[A-Za-z]{3}[ /-]\d{4}')
        then time_of_words(written, local_starts, local_offsets)
end;

-- without_query: a URL up to its query or fragment. query_of: its query; null if it has none.
create or replace temp macro without_query(url) as
case
    when contains(url, '?') or contains(url, '#') then regexp_extract(url, '^[^?#]*')
    else url
end;

create or replace temp macro query_of(url) as
case when contains(url, '?') then nullif(regexp_extract(url, '^[^?#]*\?([^#]*)', 1), '') end;

-- The part between '//' and the next slash of a URL without query; null if the URL does not begin
-- with a scheme and '//', or with '//'.
create or replace temp macro authority_of(url) as
case
    when regexp_matches(url, '^(?:[A-Za-z][A-Za-z0-9+.-]*:)?//') then split_part(url, '/', 3)
end;

-- The host of an authority, without user and port, in lower case.
create or replace temp macro host_of(authority) as
nullif(lower(
    case
        when contains(authority, ':') or contains(authority, '@')
            then regexp_extract(authority, '^(?:.*@)?(\[[^\]]*\]|[^:]*)', 1)
        else authority
    end
), '');

-- The part after the authority; the whole URL if it has no authority.
create or replace temp macro path_of(url, authority) as
case
    when url is null then null
    when authority is null then coalesce(nullif(url, ''), '/')
    else coalesce(nullif(substr(url, strpos(url, '//') + 2 + length(authority)), ''), '/')
end;

create or replace temp macro kept_query(query, kept_parameters) as
coalesce(
    '?' || nullif(array_to_string(list_filter(
        string_split(query, '&'),
        lambda parameter: list_contains(kept_parameters, split_part(parameter, '=', 1))
    ), '&'), ''),
    ''
);

-- A URL without its user part, and with only the query parameters in kept_parameters.
create or replace temp macro kept_url(url, query, kept_parameters) as
case
    when contains(url, '@')
        then
            regexp_replace(url, '^((?:[A-Za-z][A-Za-z0-9+.-]*:)?//)[^/]*@', '\1')
            || kept_query(query, kept_parameters)
    when query is not null
        then url || kept_query(query, kept_parameters)
    else url
end;

-- The value of the first non-empty query parameter whose name matches a pattern ('a|b'); null if
-- there is none. The value is decoded unless decoding fails.
create or replace temp macro first_query_value(query, names) as
case
    when regexp_matches(query, '(?:^|&)(?:' || names || ')=[^&]')
        then coalesce(
            try(url_decode(replace(
                regexp_extract(query, '(?:^|&)(?:' || names || ')=([^&]+)', 1), '+', ' '
            ))),
            regexp_extract(query, '(?:^|&)(?:' || names || ')=([^&]+)', 1)
        )
end;

create or replace temp macro query_value(query, name) as
case when contains(query, name || '=') then first_query_value(query, name) end;

-- A JSON object without some keys: dropped_fields at its top level, and at any depth the members
-- that dropped_value matches. They are set to null, and the merge removes keys with the value null.
create or replace temp macro without_keys(object, dropped_fields, dropped_value) as
json_merge_patch('{}', regexp_replace(
    json_merge_patch('{}', object, dropped_fields), dropped_value, '"\1":null', 'g'
));

-- Patterns for IPv6 and IPv4 addresses as written in texts and URLs.
create or replace temp macro ipv6_pattern() as
'(?:[0-9a-fA-F]{1,4}(?::|%(?:25)*3[aA])){6}'
|| '(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{1,4}(?::|%(?:25)*3[aA])[0-9a-fA-F]{1,4})'
|| '|(?:[0-9a-fA-F]{1,4}(?:(?::|%(?:25)*3[aA])[0-9a-fA-F]{1,4})*)?(?::|%(?:25)*3[aA]){2}'
|| '(?:(?:[0-9a-fA-F]{1,4}(?::|%(?:25)*3[aA]))*'
|| '(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{1,4}))?';

create or replace temp macro ip_address_pattern() as
ipv6_pattern()
|| '|(?:\d|%(?:25)*3\d){1,3}(?:(?:\.|%(?:25)*2[eE])(?:\d|%(?:25)*3\d){1,3}){3}';

-- Whether all of a text is an address. The first conditions are cheap and exclude most texts.
create or replace temp macro is_whole_address(written) as
(contains(written, '.') or contains(written, ':'))
and regexp_full_match(written, '\s*\[?(?:' || ip_address_pattern() || ')\]?(?::\d+)?\s*');

-- A browser's version can look like an IPv4 address: Chrome/119.0.0.0. A mark within it protects it
-- while addresses are replaced. Other names are not protected, because name/number may be a host
-- and its address.
create or replace temp macro browsers() as
'((?:^|[^\w/.-])(?:Chrome|HeadlessChrome|Chromium|CriOS|Edge?|EdgA|EdgiOS|OPR|OPT|OPiOS|Opera'
|| '|Vivaldi|YaBrowser|SamsungBrowser|UCBrowser|Firefox|FxiOS|Safari|Version|Electron)/\d{1,3}\.)';

-- The first 2,000 characters of a text, with every IP address replaced, also if its signs are
-- percent-encoded (%2E, %3A) once or several times. The text is first cut to 10,000 characters.
-- That is far enough behind the part that is kept that an address split by this cut cannot be in
-- it.
create or replace temp macro without_addresses(written) as
left(
    regexp_replace(
        regexp_replace(
            regexp_replace(left(written, 10000), browsers(), '\1[address]', 'g'),
            ip_address_pattern(),
            '[address]',
            'g'
        ),
        browsers() || '\[address\]',
        '\1',
        'g'
    ),
    2000
);

-- bracket_count: the number of objects and lists in a JSON text. nesting_depth: the largest number
-- of them within each other.
create or replace temp macro bracket_count(written) as
strlen(written) - strlen(replace(replace(written, '{', ''), '[', ''));

create or replace temp macro nesting_depth(written) as
list_reduce( -- noqa: PRS
        list_prepend(cast(0 as bigint), list_transform(
            string_split(regexp_replace(
                regexp_replace(written, '"(?:[^"\\]|\\.)*"', '', 'g'), '[^\[\]{}]', '', 'g'
            ), ''),
            lambda sign: cast(if(sign in ('[', '{'), 1, -1) as bigint)
        )),
        -- One number holds two: the current depth, plus a million times the greatest depth so far.
        lambda seen, step: (seen % 1000000 + step)
            + 1000000 * greatest(seen // 1000000, seen % 1000000 + step)
    ) // 1000000;

-- Many JSON readers fail at a thousand levels. The first conditions are cheap and exclude most
-- lines.
create or replace temp macro is_too_nested(written) as
    strlen(written) > 400
    and bracket_count(written) > 200
    and (bracket_count(written) > 5000 or nesting_depth(written) > 200);
