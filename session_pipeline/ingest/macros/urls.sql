-- Macros for URLs and the parameters of their queries. Every macro returns null if its first
-- argument is null, except kept_query.

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

-- A path in one spelling of percent-encoding, as in RFC 3986, section 6.2.2: hexadecimal digits
-- are capitals, and letters, digits and -._~ are not encoded. Other text is left as it is.
-- normalized_code does this for one encoded character.
create or replace temp macro normalized_code(code) as
case
    when regexp_matches(code, '%(?i:2[DE]|3[0-9]|[46][1-9A-F]|[57][0-9A]|5F|7E)')
        then url_decode(code)
    else upper(code)
end;

create or replace temp macro normalized_path(path) as
case
    when contains(path, '%')
        then array_to_string(
            list_transform(
                regexp_extract_all(path, '%[0-9A-Fa-f]{2}|[^%]+|%'),
                lambda part: case
                    when regexp_matches(part, '^%.') then normalized_code(part)
                    else part
                end
            ), ''
        )
    else path
end;

-- A query with only the parameters in kept_parameters, after a '?'; '' if there are none, also for
-- null.
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

-- The value of a campaign parameter of Matomo, such as mtm_campaign.
create or replace temp macro matomo_value(query, names) as
first_query_value(query, '(?:mtm|matomo|pk|piwik)_(?:' || names || ')');
