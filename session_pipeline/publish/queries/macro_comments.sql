-- Comments on the table macros of the warehouse, apart because sqlfluff cannot parse them.
-- noqa: disable=all
comment on macro table paths_after is
'The next actions after the first time that a session has an action: paths_after(action, step_count := 3, first_day := null, last_day := null).';

comment on macro table paths_before is
'The actions before the first time that a session has an action: paths_before(action, step_count := 3, first_day := null, last_day := null).';

comment on macro table ad_hoc_funnel is
'How many sessions do a list of actions in this order: ad_hoc_funnel(steps, window_seconds := null, first_day := null, last_day := null).';
