-- Macros for the requests in access logs. Every macro returns null if its first argument is null,
-- except event_of_request and name_of_request.

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

-- A user agent whose spaces a server wrote as %20, decoded as formats/w3c.py does: twice if the
-- encoding was encoded. A text with a space is not encoded. Escapes that are not UTF-8 stay.
create or replace temp macro decoded_words(written) as
case
    when contains(written, '%') and not contains(written, ' ') and not contains(written, '%00')
        then list_transform(
            [coalesce(try(url_decode(written)), replace(written, '%20', ' '))],
            lambda once: case
                when contains(once, '%20')
                    then coalesce(try(url_decode(once)), replace(once, '%20', ' '))
                else once
            end
        )[1]
    else written
end;

-- A time such as 10/Oct/2000:13:55:36 -0700 or, of HAProxy, 10/Oct/2000:13:55:36.250 as ISO 8601;
-- other times unchanged.
create or replace temp macro log_time(written) as
case
    when
        regexp_full_match(
            written, '\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d( [+-]\d{4}|\.\d{3})'
        )
        then
            substr(written, 8, 4)
            || '-' || month_digits(substr(written, 4, 3))
            || '-' || left(written, 2)
            || 'T' || substr(written, 13, 8)
            || ltrim(substr(written, 21), ' ')
    else written
end;

-- A JSON number if the text is one, else a JSON string.
create or replace temp macro number_or_text(written) as
case
    when regexp_full_match(written, '(0|[1-9]\d{0,17})(\.\d{1,9})?') then cast(written as json)
    else to_json(written)
end;

-- Whether a URL without query is a file that a page loads: an image, a script, a style sheet, a
-- font, a sound, a video, or data. Documents and archives are none: a visitor opens them.
create or replace temp macro is_asset(page) as
regexp_matches(
    page,
    '(?i)\.(css|m?js|map|wasm|json|webmanifest|a?png|jpe?g|gif|svgz?|webp|avif|jxl|hei[cf]|ico|cur'
    || '|bmp|tiff?|xbm|woff2?|ttf|otf|eot|mp[34]|m4[asv]|mov|web[am]|og[agv]|opus|aac|flac|wav|vtt'
    || '|m3u8|mpd|ts)$'
);

-- The event name of a request. Redirects show no page; the next page has its own line. A part of a
-- file (206) is loaded by a player or a viewer. Without a method, it is that of GET.
create or replace temp macro event_of_request(method, page_url, status_code) as
case
    when method in ('POST', 'PUT', 'PATCH', 'DELETE') then 'submit'
    when method <> 'GET' then 'request'
    when is_asset(without_query(page_url)) or status_code = '206' then 'asset'
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

-- The event name of a request whose method may not be in the log; null if its page is not, either.
create or replace temp macro name_of_request(method, page_url, status_code) as
case
    when method is null and page_url is null then null
    else event_of_request(coalesce(method, 'GET'), page_url, status_code)
end;
