-- Macros for numbers that are written as text. Every macro returns null for null.

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
