//! The real Claude Code, in both versions that are supported, and on demand the newest, driven by the real command through the Claude plugin. Only
//! the model is simulated: no account, no network.

mod bench;
mod failures;
mod model;
mod permissions;
mod process;
mod stops;
mod work;

/// The tests of one version.
macro_rules! of {
    ($how:tt mod $module:ident, $version:literal) => {
        mod $module {
            of! { $how $version, work:
                a_file_that_it_writes_ends_up_committed_and_validated,
                the_cost_is_what_it_reports,
                what_it_does_in_the_background_is_waited_for,
                it_sees_nothing_of_the_users_home_and_environment,
                a_checkouts_own_settings_start_nothing_where_they_are_shut_out,
                a_probe_says_which_version_it_is,
            }
            of! { $how $version, failures:
                a_key_that_is_not_taken,
                too_many_requests,
                a_limit_that_passes_is_waited_for_and_the_work_goes_on_in_its_session,
                a_history_that_is_refused_begins_a_new_session_that_knows_what_was_done,
                a_model_that_is_overloaded,
                an_account_without_credit,
                too_many_turns,
                too_much_money,
            }
            of! { $how $version, model:
                its_key_is_nowhere_in_it,
                the_ledger_is_what_the_gateway_counted,
                the_token_of_its_login_stays_with_the_host,
                its_budget_stops_it_inside_a_turn,
            }
            of! { $how $version, permissions:
                what_policy_denies_is_not_done_and_is_reported,
                what_policy_allows_is_done,
            }
            of! { $how $version, stops:
                an_interrupt_leaves_nothing_running_and_the_session_goes_on_later,
                killed_it_leaves_nothing_running_and_the_session_is_taken_up,
            }
        }
    };
    ($how:tt $version:literal, $subject:ident: $($test:ident),+ $(,)?) => {
        $( of! { @test $how $version, $subject, $test } )+
    };
    (@test [$(#[$how:meta])*] $version:literal, $subject:ident, $test:ident) => {
        #[test]
        $(#[$how])*
        fn $test() {
            if let Some(claude) = crate::bench::Claude::installed($version) {
                crate::$subject::$test(claude);
            }
        }
    };
}

of! { [] mod v2_1_197, "2.1.197" }
of! { [] mod v2_1_330, "2.1.330" }
// `.ci/run` runs these and reports them; they fail nothing.
of! {
    [#[ignore = "the newest there is: with `-- --ignored`"]]
    mod newest, "newest"
}
