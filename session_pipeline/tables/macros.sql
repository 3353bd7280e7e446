-- Formulas that several models share. The engine creates them once; fingerprints expand them.

-- The bounds of the Wilson interval of a rate over n trials, for the normal quantile z; null if
-- there is no trial or no rate: greatest and least skip null. The rate itself is a limit of both:
-- rounding would put the upper bound of a rate of 1 at 0.9999999999999998. Products of n are
-- doubles, which an INTEGER n does not overflow and which round as a BIGINT product does.
-- Edwin B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference (1927).
create or replace macro wilson_low(rate, n, z) as
case
    when n > 0 and rate is not null
        then greatest(
            0,
            least(
                rate,
                (
                    rate + z * z / nullif(2 * cast(n as double), 0)
                    - z * sqrt(
                        rate * (1 - rate) / nullif(n, 0)
                        + z * z / nullif(4 * cast(n as double) * n, 0)
                    )
                ) / nullif(1 + z * z / nullif(n, 0), 0)
            )
        )
end;

create or replace macro wilson_high(rate, n, z) as
case
    when n > 0 and rate is not null
        then least(
            1,
            greatest(
                rate,
                (
                    rate + z * z / nullif(2 * cast(n as double), 0)
                    + z * sqrt(
                        rate * (1 - rate) / nullif(n, 0)
                        + z * z / nullif(4 * cast(n as double) * n, 0)
                    )
                ) / nullif(1 + z * z / nullif(n, 0), 0)
            )
        )
end;

-- The label of an action in the tables of paths. Labels that begin with a bracket are those of
-- '(start)', '(end)' and the like.
create or replace macro path_label(action) as
case when starts_with(action, '(') then 'action ' || action else action end;

-- The action that stands for a rare action in typical paths: all pages of its folder, or all
-- events. A / in a query parameter is no folder.
create or replace macro kind_of_action(action) as
case
    when action is null or starts_with(action, '(') or action = '/' then action
    when starts_with(action, '/') then regexp_extract(action, '^/([^?]*/)?', 0) || '…'
    else '(other event)'
end;
