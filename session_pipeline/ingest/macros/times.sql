-- Macros for times: as epoch numbers, in ISO 8601, and in words. Every macro returns null if its
-- first argument is null.

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

-- The number of a month in two digits, from the first three letters of its name: 02 for Feb.
create or replace temp macro month_digits(name) as
lpad(cast((strpos('JanFebMarAprMayJunJulAugSepOctNovDec', name) + 2) // 3 as varchar), 2, '0');

-- A time of a mail header (RFC 2822), an access log or a program in the usual form of ISO 8601;
-- null for anything else: Mon, 06 May 2024 07:08:09 +0200; 06/May/2024:07:08:09 +0200, also in
-- brackets; 2024/05/06 07:08:09; 2024-05-06 07:08:09,123; 20240506T070809Z.
create or replace temp macro iso_time(written) as
case
    when
        regexp_full_match(
            written,
            '\d{4}(/\d\d/|-\d\d-)\d\d([Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?'
            || '( ?([Zz]|UTC|GMT|[+-]([01]\d|2[0-3]):?[0-5]\d))?)?'
        )
        then
            replace(left(written, 10), '/', '-')
            || regexp_replace(replace(substr(written, 11), ',', '.'), ' ?([Zz]|UTC|GMT)$', 'Z')
    when
        regexp_full_match(
            written,
            '\d{8}T\d{4}(\d\d([.,]\d+)?)?(Z|[+-]([01]\d|2[0-3]):?[0-5]\d)?'
        )
        then regexp_replace(
            regexp_replace(
                replace(written, ',', '.'), '^(....)(..)(..)T(..)(..)', '\1-\2-\3T\4:\5'
            ),
            '^(.{16})(\d\d)', '\1:\2'
        )
    when
        regexp_full_match(
            written,
            '\[?([A-Z][a-z]{2}, )?\d{1,2}[ /-][A-Z][a-z]{2}[ /-]\d{4}'
            || '[ :]\d\d:\d\d(:\d\d(\.\d+)?)?'
            || '( ?(Z|UTC?|GMT|[+-]([01]\d|2[0-3]):?[0-5]\d)( \([A-Za-z ]+\))?)?\]?'
        )
        then regexp_replace(
            regexp_extract(written, '[A-Z][a-z]{2}[ /-](\d{4})', 1)
            || '-' || month_digits(regexp_extract(written, '([A-Z][a-z]{2})[ /-]\d{4}', 1))
            || '-' || lpad(regexp_extract(written, '(\d{1,2})[ /-][A-Z]', 1), 2, '0')
            || 'T' || regexp_replace(
                regexp_extract(written, '\d{4}[ :](\d\d:.*)$', 1), ' \([A-Za-z ]+\)|\]', '', 'g'
            ),
            ' ?(UTC?|GMT|Z)$', 'Z'
        )
end;

-- A time in UTC, from a time in a form that iso_time knows. A lambda names a value once, because a
-- macro repeats it.
create or replace temp macro time_of_words(written, local_starts, local_offsets) as
list_transform(
    [iso_time(written)],
    lambda iso:
    case
        when regexp_matches(iso, '(Z|[+-]\d\d:?\d\d)$')
            then
                clock_time(regexp_replace(iso, ' ?(Z|[+-]\d\d:?\d\d)$', ''))
                - case
                    when suffix(iso, 'Z') then interval 0 second
                    else to_seconds(offset_seconds(regexp_extract(iso, '[+-]\d\d:?\d\d$')))
                end
        else instant_of(clock_time(iso), local_starts, local_offsets)
    end
)[1];

-- A time in UTC, from ISO 8601 or RFC 3339 with an offset or without one (local to the source), or
-- from an epoch number; null for anything else. A cast to timestamp silently drops an offset, so
-- only times that end in UTC are cast that way. The first forms are frequent, and DuckDB reads them
-- fast; a cheap test before a pattern saves most of the patterns. No text has two of these forms
-- with different times. The forms after them also accept t, z, second 60, and offsets that DuckDB
-- does not accept.
create or replace temp macro utc_time(written, local_starts, local_offsets) as
case
    when written is null then null
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
    when regexp_matches(written, '^\d{4}/|[A-Za-z]{3}[ /-]\d{4}|^\d{8}T|:\d\d,\d| ?GMT$')
        then time_of_words(written, local_starts, local_offsets)
end;

-- A time in UTC, from a local time in a format of strptime; null for anything else. The words
-- epoch and infinity, which DuckDB reads in any format, are no times.
create or replace temp macro time_of_format(written, format, local_starts, local_offsets) as
case
    when regexp_matches(written, '\d')
        then instant_of(try_strptime(written, format), local_starts, local_offsets)
end;
