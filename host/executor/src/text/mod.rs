//! Text from outside, and the forms in which it may be printed, logged or published.
//!
//! A plugin, an agent, a repository, an issue and a remote service choose what their texts contain. A terminal obeys
//! escape sequences, a log reader takes every line for a record, git takes the last paragraph of a message for
//! trailers, and a forge notifies whoever a description mentions. So text reaches those places in one of these forms
//! only, each of which is safe by construction, whatever it was made from:
//!
//! * [`Line`]: one line for a terminal or a log. The writers of the command line take nothing else.
//! * [`Line::block`]: several lines, each behind a gutter that no line of Cyrus's own begins with.
//! * [`subject`]: the first line of a commit message, or the title of a pull request.
//! * [`code_span`], [`code_block`]: a part of a Markdown document that a forge renders as it is and does not act on.

mod escape;
mod line;
mod publish;

pub use line::Line;
pub use publish::{code_block, code_span, is_issue_key, message, subject};
