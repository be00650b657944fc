//! One attack, and the count of all.

use crate::open::OPEN;
use libtest_mimic::{Failed, Trial};
use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
};

type Attack = Box<dyn FnOnce() + Send>;

/// An attack: who tries it, its name, what has to stop it, and how it is tried.
pub(crate) struct Case {
    /// `components`, `repositories` or `issues`.
    pub(crate) class: &'static str,
    group: &'static str,
    name: String,
    stopped_by: String,
    /// Panics when the attack is not stopped, or not by what has to stop it.
    attack: Attack,
}

impl Case {
    pub(crate) fn new(
        class: &'static str,
        group: &'static str,
        name: impl Into<String>,
        stopped_by: impl Into<String>,
        attack: impl FnOnce() + Send + 'static,
    ) -> Self {
        let (name, stopped_by) = (name.into(), stopped_by.into());
        Self { class, group, name, stopped_by, attack: Box::new(attack) }
    }

    /// The whole name: `components::events::flood_of_links`.
    pub(crate) fn name(&self) -> String {
        format!("{}::{}::{}", self.class, self.group, self.name)
    }

    /// The attack as a test of that name.
    pub(crate) fn trial(self, tally: Arc<Tally>) -> Trial {
        let name = self.name();
        let open = OPEN.contains(&name.as_str());
        let trial = Trial::test(name.clone(), move || {
            let Self { class, stopped_by, attack, .. } = self;
            let tried = catch_unwind(AssertUnwindSafe(attack));
            tally.count(class, &name, tried.is_ok());
            tried.map_err(|panic| {
                let gained = message(panic.as_ref());
                Failed::from(format!("not stopped by {stopped_by}: {gained}"))
            })
        });
        trial.with_ignored_flag(open)
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
}

/// How many attacks of each class were tried, and which of them were not stopped.
#[derive(Default)]
pub(crate) struct Tally(Mutex<BTreeMap<&'static str, (usize, Vec<String>)>>);

impl Tally {
    fn count(&self, class: &'static str, name: &str, stopped: bool) {
        let mut classes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (tried, open) = classes.entry(class).or_default();
        *tried += 1;
        if !stopped {
            open.push(name.to_owned());
        }
    }

    pub(crate) fn print(&self) {
        let classes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (class, (tried, open)) in &*classes {
            println!("{class}: tried {tried}, stopped {}", tried - open.len());
            for name in open {
                println!("  not stopped: {name}");
            }
        }
    }
}
