//! Plugins that are no part of Cyrus, in three languages: built by their own tools alone, put where an operator would
//! put them, and found, probed and run, with nothing else rebuilt or restarted for it.
//!
//! The echo examples of `sdk/examples` do the same thing in Rust, Python and JavaScript, so one set of tests serves
//! them all.

mod command;
mod echo;
mod language;

/// The tests of one language.
macro_rules! of {
    (mod $module:ident, $language:ident) => {
        mod $module {
            use crate::{command, echo, language::Language};

            of! { $language, it_says_what_it_is }
            of! { $language, it_does_a_task }
            of! { $language, settings_that_make_no_sense_are_its_to_refuse }
            of! { $language, it_goes_on_after_a_suspension }
            of! { $language, it_keeps_to_what_it_is_answered }
            of! { $language, a_stop_reaches_it_wherever_it_waits }
            of! { $language, how_it_ends_badly_is_told_with_what_it_used }
            of! { $language, what_is_not_granted_is_not_there }

            #[test]
            fn it_is_there_once_it_is_put_in() {
                command::it_is_there_once_it_is_put_in(Language::$language);
            }
        }
    };
    ($language:ident, $test:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            if let Some(plugin) = Language::$language.plugin() {
                echo::$test(plugin).await;
            }
        }
    };
}

of! { mod rust, Rust }
of! { mod python, Python }
of! { mod javascript, JavaScript }
