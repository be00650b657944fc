//! What an agent leaves in its clone, and what a branch holds that it pushed. The command runs, with an agent that
//! does nothing but this.

mod deposit;
mod directories;
mod histories;
mod pushed;
mod results;
mod trees;

use crate::case::Case;

pub(crate) fn cases() -> Vec<Case> {
    [directories::cases(), histories::cases(), pushed::cases(), results::cases(), trees::cases()]
        .into_iter()
        .flatten()
        .collect()
}
