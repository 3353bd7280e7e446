-- What the other queries of this folder say in one word each. Every macro is null for null.

-- json_valid takes more than RFC 8259: NaN, Infinity, and commas before a closing bracket. A text
-- may have one when it looks like it; to be sure, its strings are taken out, and the rest is looked at.
create or replace temp macro may_be_lax(written) as
    regexp_matches(written, ':\s*-?[nNiI][aAnN][nNfF]')
    or regexp_matches(written, '\[\s*-?[nNiI][aAnN][nNfF]')
    or regexp_matches(written, ',\s*(-?[nNiI][aAnN][nNfF]|[}\]])');

create or replace temp macro is_lax(written) as
    regexp_matches(
        regexp_replace(written, '"(?:[^"\\]|\\.)*"', '', 'g'),
        '(?i)nan|inf|,\s*[}\]]'
    );

-- A whole number, also as 3.0, never rounded; null when it is not one.
create or replace temp macro whole_number(written) as
    case
        when regexp_full_match(written, '[+-]?\d{1,19}(\.0*)?')
            then try_cast(split_part(written, '.', 1) as bigint)
    end;

-- A decimal, to six places; null when it is not one, or has over twelve digits before the point.
create or replace temp macro decimal_number(written) as
    case
        when regexp_full_match(written, '[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?')
            then try_cast(written as decimal(18, 6))
    end;

-- Epoch seconds (below 10^11), milliseconds (below 10^14) or microseconds (below 10^17), exact to the
-- microsecond. Seconds thus reach the year 5138, and milliseconds begin in March 1973.
create or replace temp macro epoch_time(written) as
    make_timestamp(cast(trunc(
        case
            when abs(try_cast(written as decimal(30, 9))) < 100000000000
                then try_cast(written as decimal(30, 9)) * 1000000
            when abs(try_cast(written as decimal(30, 9))) < 100000000000000
                then try_cast(written as decimal(30, 9)) * 1000
            else try_cast(written as decimal(30, 9))
        end
    ) as bigint));

-- What a date and a time of day show, without an offset; null if there is no such time. Second 60, a
-- leap second, is the instant that follows it: POSIX time has no other name for it.
create or replace temp macro clock_time(written) as
    case
        when regexp_matches(written, '[Tt ]\d\d:\d\d:60')
            then try_cast(replace(regexp_replace(written, ':60(\.\d+)?$', ':59'), 't', 'T') as timestamp)
                + interval 1 second
        else try_cast(replace(written, 't', 'T') as timestamp)
    end;

-- The seconds of an offset such as +02:00, -0330 or +05.
create or replace temp macro offset_seconds(written) as
    if(starts_with(written, '-'), -1, 1) * (
        cast(substr(written, 2, 2) as integer) * 3600
        + coalesce(try_cast(right(substr(written, 4), 2) as integer), 0) * 60
    );

-- The instant of a local time: local_starts and local_offsets say, in order, from which local time on
-- which offset, in seconds, holds. Without any, local time is UTC.
create or replace temp macro instant_of(local, local_starts, local_offsets) as
    local - to_seconds(coalesce(
        local_offsets[len(list_filter(local_starts, lambda start: start <= local))],
        0
    ));

-- A time in UTC: ISO 8601 or RFC 3339 with an offset, or without one (local to the source), or an
-- epoch number; null for anything else. A cast to timestamp silently drops an offset, so only what
-- ends in UTC is cast that way. The first two forms are the frequent ones, and DuckDB reads them
-- fast; the next two also have t, z, second 60, and offsets that DuckDB does not take.
create or replace temp macro utc_time(written, local_starts, local_offsets) as
    case
        when regexp_full_match(
            written, '\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:[0-5]\d(\.\d+)?)?(Z| UTC)'
        )
            then try_cast(written as timestamp)
        when regexp_full_match(
            written,
            '\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:[0-5]\d(\.\d+)?)?[+-](0\d|1[0-4])(:?[0-5]\d)?'
        )
            then make_timestamp(epoch_us(try_cast(written as timestamptz)))
        when regexp_full_match(
            written, '\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]| UTC)'
        )
            then clock_time(regexp_replace(written, '([Zz]| UTC)$', ''))
        when regexp_full_match(
            written,
            '\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)? ?[+-]([01]\d|2[0-3])(:?[0-5]\d)?'
        )
            then clock_time(regexp_replace(written, ' ?[+-]\d\d(:?\d\d)?$', ''))
                - to_seconds(offset_seconds(regexp_extract(written, '[+-]\d\d(?::?\d\d)?$')))
        when regexp_full_match(written, '\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:[0-5]\d(\.\d+)?)?)?')
            then instant_of(try_cast(written as timestamp), local_starts, local_offsets)
        when regexp_full_match(written, '\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?')
            then instant_of(clock_time(written), local_starts, local_offsets)
        when regexp_full_match(written, '-?\d{1,17}(\.\d+)?')
            then epoch_time(written)
    end;

-- A URL up to its query or fragment, and its query; null when it has none.
create or replace temp macro without_query(url) as
    case
        when contains(url, '?') or contains(url, '#') then regexp_extract(url, '^[^?#]*')
        else url
    end;

create or replace temp macro query_of(url) as
    case when contains(url, '?') then nullif(regexp_extract(url, '^[^?#]*\?([^#]*)', 1), '') end;

-- What stands between '//' and the next slash of a URL without query; null when it does not begin
-- with a scheme and '//'.
create or replace temp macro authority_of(url) as
    case
        when regexp_matches(url, '^(?:[A-Za-z][A-Za-z0-9+.-]*:)?//') then split_part(url, '/', 3)
    end;

-- The host of an authority, without user and port.
create or replace temp macro host_of(authority) as
    nullif(lower(
        case
            when contains(authority, ':') or contains(authority, '@')
                then regexp_extract(authority, '^(?:.*@)?(\[[^\]]*\]|[^:]*)', 1)
            else authority
        end
    ), '');

-- What follows the authority; all of a URL where there is none.
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

-- A URL without user, and with only those query parameters that are kept.
create or replace temp macro kept_url(url, query, kept_parameters) as
    case
        when contains(url, '@')
            then regexp_replace(url, '^((?:[A-Za-z][A-Za-z0-9+.-]*:)?//)[^/]*@', '\1')
                || kept_query(query, kept_parameters)
        when query is not null
            then url || kept_query(query, kept_parameters)
        else url
    end;

-- Value of the first of some query parameters ('a|b') that is not empty, decoded where that gives
-- text; null when there is none.
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

-- A JSON object without some keys: its own, and deeper ones with a text or number as value. Merging
-- then takes away what is null.
create or replace temp macro without_keys(object, dropped_fields, dropped_value) as
    json_merge_patch('{}', regexp_replace(
        json_merge_patch('{}', object, dropped_fields), dropped_value, '"\1":null', 'g'
    ));

-- Addresses of IPv6 and IPv4 as they are written in texts and URLs.
create or replace temp macro ipv6_pattern() as
    '(?:[0-9a-fA-F]{1,4}(?::|%(?:25)*3[aA])){6}'
    || '(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{1,4}(?::|%(?:25)*3[aA])[0-9a-fA-F]{1,4})'
    || '|(?:[0-9a-fA-F]{1,4}(?:(?::|%(?:25)*3[aA])[0-9a-fA-F]{1,4})*)?(?::|%(?:25)*3[aA]){2}'
    || '(?:(?:[0-9a-fA-F]{1,4}(?::|%(?:25)*3[aA]))*'
    || '(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{1,4}))?';

create or replace temp macro ip_address_pattern() as
    ipv6_pattern()
    || '|(?:\d|%(?:25)*3\d){1,3}(?:(?:\.|%(?:25)*2[eE])(?:\d|%(?:25)*3\d){1,3}){3}';

-- The version of a browser can look like an address of IPv4: Chrome/119.0.0.0. While addresses are
-- replaced, a mark within it says that it is none. Any other name and number may be a host and its
-- address.
create or replace temp macro browsers() as
    '((?:^|[^\w/.-])(?:Chrome|HeadlessChrome|Chromium|CriOS|Edge?|EdgA|EdgiOS|OPR|OPT|OPiOS|Opera'
    || '|Vivaldi|YaBrowser|SamsungBrowser|UCBrowser|Firefox|FxiOS|Safari|Version|Electron)/\d{1,3}\.)';

-- The first part of a text, with every IP address replaced; also where URLs write its signs as %2E
-- or %3A, once or several times over. It is cut before, too, so far behind that replacing cannot bring
-- the cut into what is kept.
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

-- How many objects and lists of a JSON text are within each other, at the most; and how many begin.
create or replace temp macro bracket_count(written) as
    length(written) - length(replace(replace(written, '{', ''), '[', ''));

create or replace temp macro nesting_depth(written) as
    list_reduce(
        list_prepend(cast(0 as bigint), list_transform(
            string_split(regexp_replace(
                regexp_replace(written, '"(?:[^"\\]|\\.)*"', '', 'g'), '[^\[\]{}]', '', 'g'
            ), ''),
            lambda sign: cast(if(sign in ('[', '{'), 1, -1) as bigint)
        )),
        -- In one number: the depth here, and a million times the greatest so far.
        lambda seen, step: (seen % 1000000 + step)
            + 1000000 * greatest(seen // 1000000, seen % 1000000 + step)
    ) // 1000000;

-- Readers in other languages give up at a thousand levels. Few lines are long enough to be looked at.
create or replace temp macro is_too_nested(written) as
    strlen(written) > 400
    and bracket_count(written) > 200
    and (bracket_count(written) > 5000 or nesting_depth(written) > 200);
