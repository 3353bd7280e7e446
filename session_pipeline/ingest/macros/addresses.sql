-- Macros for IP addresses in texts of any kind. Every macro returns null for null.

-- Patterns for IPv4 and IPv6 addresses as written in texts and URLs.
create or replace temp macro ipv4_pattern() as
'\d{1,3}(?:\.\d{1,3}){3}';

create or replace temp macro ipv6_pattern() as
'(?:[0-9a-fA-F]{1,4}(?::|%(?:25)*3[aA])){6}'
|| '(?:' || ipv4_pattern() || '|[0-9a-fA-F]{1,4}(?::|%(?:25)*3[aA])[0-9a-fA-F]{1,4})'
|| '|(?:[0-9a-fA-F]{1,4}(?:(?::|%(?:25)*3[aA])[0-9a-fA-F]{1,4})*)?(?::|%(?:25)*3[aA]){2}'
|| '(?:(?:[0-9a-fA-F]{1,4}(?::|%(?:25)*3[aA]))*'
|| '(?:' || ipv4_pattern() || '|[0-9a-fA-F]{1,4}))?';

create or replace temp macro ip_address_pattern() as
ipv6_pattern()
|| '|(?:\d|%(?:25)*3\d){1,3}(?:(?:\.|%(?:25)*2[eE])(?:\d|%(?:25)*3\d){1,3}){3}';

-- A pattern for brackets around an address, with its zone.
create or replace temp macro bracketed_pattern(address_pattern) as
'(?:\[|%(?:25)*5[bB])(?:' || address_pattern || ')(?:%[\w.%-]{1,30})?(?:\]|%(?:25)*5[dD])';

-- Whether all of a text is an address, with a zone or a port or without. The first conditions are
-- cheap and exclude most texts.
create or replace temp macro is_whole_address(written) as
(contains(written, '.') or contains(written, ':') or contains(written, '%'))
and regexp_full_match(
    written,
    '\s*(?:' || bracketed_pattern(ip_address_pattern())
    || '|(?:' || ip_address_pattern() || ')(?:%(?:25)*[\w.-]{1,30})?)'
    || '(?:(?::|%(?:25)*3[aA])\d{1,5})?\s*'
);

-- A pattern for an address within a text, with what belongs to it: brackets, a zone, and a port in
-- the notations of RFC 5952. In 2001:db8::1:44312, the port is longer than a group, so its last
-- digit is after the address. A zone begins with two signs that are no percent-encoding. The
-- address can be replaced already, as the known address of a line is.
create or replace temp macro written_address_pattern() as
'(?:' || bracketed_pattern(ip_address_pattern() || '|\[address\]')
|| '|(?:' || ip_address_pattern() || '|\[address\])\d*'
|| '(?:%(?:25)*(?:(?:[g-zG-Z]|[a-fA-F][g-zG-Z])[\w.-]{0,30}|\d{1,2}\b))?)'
|| '(?:(?::|%(?:25)*3[aA]|[.#p]| port )\d{1,5})?';

-- A browser's version can look like an IPv4 address: Chrome/119.0.0.0. A mark within it protects it
-- while addresses are replaced. Other names are not protected, because name/number may be a host
-- and its address.
create or replace temp macro browsers() as
'((?:^|[^\w/.-])(?:Chrome|HeadlessChrome|Chromium|CriOS|Edge?|EdgA|EdgiOS|OPR|OPT|OPiOS|Opera'
|| '|Vivaldi|YaBrowser|SamsungBrowser|UCBrowser|Firefox|FxiOS|Safari|Version|Electron)/\d{1,3}\.)';

-- The first 2,000 characters of a text, with every IP address and its port replaced, also if its
-- signs are percent-encoded (%2E, %3A) once or several times. The text is first cut to 10,000
-- characters. That is far enough after the part that is kept that an address split by this cut
-- cannot be in it.
create or replace temp macro without_addresses(written) as
left(
    regexp_replace(
        regexp_replace(
            regexp_replace(left(written, 10000), browsers(), '\1[version]', 'g'),
            written_address_pattern(),
            '[address]',
            'g'
        ),
        browsers() || '\[version\]',
        '\1',
        'g'
    ),
    2000
);
