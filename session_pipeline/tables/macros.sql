-- Formulas that several models share. The engine creates them once; fingerprints expand them.

-- The bounds of the Wilson interval of a rate over n trials, for the normal quantile z; null if
-- there is no trial.
-- Edwin B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference (1927).
create or replace macro wilson_low(rate, n, z) as
case
    when n > 0
        then greatest(
            0,
            (
                rate + z * z / nullif(2 * n, 0)
                - z * sqrt(rate * (1 - rate) / nullif(n, 0) + z * z / nullif(4 * n * n, 0))
            ) / nullif(1 + z * z / nullif(n, 0), 0)
        )
end;

create or replace macro wilson_high(rate, n, z) as
case
    when n > 0
        then least(
            1,
            (
                rate + z * z / nullif(2 * n, 0)
                + z * sqrt(rate * (1 - rate) / nullif(n, 0) + z * z / nullif(4 * n * n, 0))
            ) / nullif(1 + z * z / nullif(n, 0), 0)
        )
end;
