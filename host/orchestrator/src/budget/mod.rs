//! Money: what is set aside before an execution, what it comes to, and when it has to stop.
//!
//! The ledger itself is the store's. Here is what is written into it:
//!
//! * [`BudgetPolicy`]: the caps, and what is done when one is reached.
//! * [`BudgetPolicy::reservation`], [`settlement`], [`orphaned`]: what is set aside, and what takes its place.
//! * [`Plausible`]: what an execution can have used; more is neither believed nor counted.
//! * [`Meter`]: whether a running execution may go on.
//! * [`day_of`]: the day that spending counts to.

mod day;
mod ledger;
mod meter;
mod plausible;

pub use day::{day_of, next_day};
pub use jiff::tz::TimeZone;
pub use ledger::{BudgetPolicy, For, Spent, WhenOver, orphaned, settlement};
pub use meter::{Meter, MeterVerdict};
pub use plausible::Plausible;
