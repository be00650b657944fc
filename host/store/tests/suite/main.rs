//! What a store promises, on every database: it keeps what it is told, a session has one holder, nobody who lost it
//! can write, and money is not spent twice.

mod home;
mod keeping;
mod leases;
mod log;
mod model;
mod money;
mod postgres;
mod processes;
mod sqlite;
mod values;

/// Hands all cases to a macro.
macro_rules! cases {
    ($take:ident) => {
        $take! {
            keeping::keeps_everything_it_is_told,
            keeping::goes_on_where_it_was_when_it_was_dropped,
            keeping::makes_all_changes_of_a_commit_or_none,
            keeping::names_what_is_not_there,
            keeping::begins_an_attempt_once,
            keeping::remembers_what_became_of_an_effect,
            keeping::lists_the_newest_first_and_hides_none_for_one_that_cannot_be_read,
            keeping::leaves_what_cannot_be_read_to_nobody,
            keeping::counts_what_executions_came_to,
            leases::has_one_holder_until_it_is_let_go_of,
            leases::refuses_whatever_a_zombie_writes,
            leases::gives_a_session_of_the_dead_to_one_of_many,
            leases::tells_which_sessions_were_lost,
            leases::brings_a_stop_to_whoever_works_on_the_session,
            leases::brings_a_cancelled_task_to_whoever_works_on_the_session_now_or_later,
            log::keeps_lines_in_order_whoever_writes,
            log::keeps_the_newest_lines,
            log::keeps_the_course_of_a_session_when_it_is_full,
            model::agrees_with_the_model,
            money::reserves_and_settles_once,
            money::replaces_a_reservation_if_the_difference_fits,
            money::names_the_cap_and_changes_nothing,
            money::counts_what_nothing_was_set_aside_for,
            money::never_passes_a_cap_however_many_ask_at_once,
            money::waits_for_nobody_for_ever,
            processes::a_killed_process_loses_nothing_and_holds_nothing,
        }
    };
}
pub(crate) use cases;
