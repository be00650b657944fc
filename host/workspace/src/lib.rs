//! Clones, branches and checks: everything Cyrus does with git.
//!
//! | port of the core | here |
//! |---|---|
//! | `Workspaces` | [`GitWorkspaces`] |
//! | `Validator` | [`CommandValidator`] |
//! | `Integration` | [`GitIntegration`] |
//! | `Forge` | [`GhForge`] |
//!
//! Programs are launched through `cyrus-sandbox` only: git and `gh` as trusted tools; checks, set-up and tear-down
//! as what nobody trusts.
//!
//! # A task's life
//!
//! * **Prepare**: a clone of its own, put together from its parts, below `<work>/<session>/<task>/<token>`. It borrows the
//!   main repository's objects (`objects/info/alternates`), has the commit it starts from on the work branch and the
//!   base branch beside it, the user's name for commits, and `origin` without credentials and with a push address
//!   that leads nowhere, against accidents. What it starts from may be known to nobody but the session: it is held
//!   by a ref for as long as the clone is there. Then ignored files that `.worktreeinclude` lists are copied, and
//!   the set-up is run; both as the base commit has them.
//! * **Collect**: the executor's commits and one more with what it left, or a branch that it pushed, are handed over
//!   to the main repository and kept at `refs/cyrus/<session>/<task>`. A pushed branch is put in the workspace too.
//! * **Validate**: the diff is held to rules, and each check is run in a fresh tree of the collected commit, which the
//!   host writes from objects over a copy of what the set-up left on the base commit.
//! * **Discard**: the tear-down is run and the files go, the result stays.
//!
//! # A session's life
//!
//! * **Merge**: results are merged as objects. No file is checked out and no branch moves. The same merge is the
//!   same commit. A conflict becomes a commit with both sides marked, or beside each other where a file cannot hold
//!   both, for a task to start from; what it comes to is recorded as the merge of both.
//! * **Publish**: the session's branch moves to the result, by one compare-and-set, when it is not there, is where
//!   this session put it, or loses nothing by it; never while it is checked out.
//! * **Push**: to `origin`, never by force, and a pull request.
//! * **Clear**: clones go, and the refs that only work under way needed. When the result is on the branch all refs of
//!   the session go. Else (it failed, or the branch could not be moved) its results stay at
//!   `refs/cyrus/<session>/<task>` until the user removes them with `git update-ref -d`.
//!
//! Sessions and processes that share repositories and directories do not meet: paths and refs have the session, the
//! task and the token of its lease in them, clones and refs appear at once or not at all, and what is shared (the
//! session's directories, git's locks) is waited for.
//!
//! # What an executor's clone can do to the host
//!
//! An executor writes all of its clone: `.git/config`, hooks, attributes, indexes, refs, objects. Git runs programs
//! that such files name, so **the host never runs git in a clone after an executor was there**:
//!
//! * Of the clone's `.git`, `HEAD` with the ref it names, loose objects and packs are read, as plain files in plain
//!   directories, by code of our own. Where there is no plain repository any more, only the files count.
//! * They are put into a scratch repository that is made for this one collecting, after the execution has ended, and
//!   goes away with it. Git sees the executor's files only as the working tree of that repository: its
//!   configuration and index are the host's, and filters that attributes name have no commands.
//! * Everything is counted before it is read or written out: the sizes that objects and files have, what trees add
//!   to those of the start, each as often as it would be written ([`ResultLimits`]).
//! * Git runs there in a sandbox and with limits: it sees the scratch repository, the objects that this one borrows,
//!   and the executor's files to read.
//! * Every new object is packed and checked there (`index-pack --strict`), and everything it needs must have come
//!   along. What the checks refuse (`.git` in a tree, a submodule address that is an option, content under a wrong
//!   name) is refused. What passed is copied into the main repository as it is.
//!
//! | planted | why it does nothing |
//! |---|---|
//! | hooks | not read; `core.hooksPath=/dev/null` in every run, also in the main repository |
//! | `filter.*`, `diff.*`, `merge.*` drivers with attributes | the scratch repository has none, nor has the one that merges are worked out in; attributes for merges are the base commit's |
//! | `core.fsmonitor`, `core.sshCommand`, `gpg.program`, aliases, `include.path` | the clone's configuration is not read |
//! | `uploadpack.packObjectsHook`, a promisor remote | nothing is served from the clone |
//! | a tree of ten thousand million files, a file of a gigabyte in a kilobyte, a file that is one hole | counted by what they say of themselves, and refused |
//! | alternates, or links to other objects | not read, not followed: the commit is then incomplete and refused |
//! | `.git` as a link or a file | not followed |
//! | a repository inside of the working tree | not looked into; what it is committed as stays, and nothing is added |
//! | `assume-unchanged` marks, a forged index | the clone's index is not read |
//! | an ignored file that makes a check pass | checks run on the commit, never where the executor worked |
//! | a submodule | never fetched, entered or checked out; its address is checked when the result is taken |
//! | `cyrus-setup.sh`, `cyrus-teardown.sh`, `.worktreeinclude` | the base commit's count |
//! | the test script of `package.json`, the makefile | run as the base commit has them when the result changed them |
//! | links where the host writes | nothing is copied through one |
//! | a remote named as a command, an option, another repository here or another host | only `origin`, or an https host that policy grants: through the egress proxy, without redirects and without the user's settings |
//!
//! In every run the system's and the user's configuration are out of force, prompts are off, no protocol but the one
//! needed is allowed, and submodules are left alone. Of the user's configuration exactly this is used: name and
//! address, `safe.directory`, the list of ignored files that `core.excludesFile` names, and for fetching and pushing
//! `credential.*`, `http.*`, `url.*` and `core.sshCommand`.
//!
//! # Limits
//!
//! * What a check does is the result's to say, but for the command itself: a test that the executor changed is the
//!   changed test, and so is a test runner's configuration. [`DiffRules::protected_paths`] is for what must stay.
//! * Git has to be 2.33 or newer, 2.38 to merge, and 2.43 for a merge to heed attributes such as `merge=union`.
//! * Files that Git LFS manages stay pointers in a clone unless the set-up fetches them: its filter is a program of
//!   the user's configuration, and is not run. New ones become pointers, where Git LFS is installed.
//! * Each check begins with the tree and the home that the set-up left, and no other check's: what is to be built or
//!   downloaded once for all of them is built or downloaded by the set-up, or carried over where the operator says so.
//! * That a check ran tests is read from what it prints. A test runner that the result replaces can print anything.
//! * An executor that makes its clone sparse takes files away, and removes none of them: its index says which.
//! * A partial clone cannot be worked from unless it has the objects of its `HEAD`: nothing is fetched on demand.
//! * All of this protects the host from what is *in* a clone. That an executor writes nowhere else is for the
//!   sandbox to see to.

mod admission;
mod asked;
mod attributes;
mod bare;
mod base;
mod baseline;
mod brought;
mod clone;
mod commit;
mod confined;
mod confinement;
mod copy;
mod definitions;
mod detect;
mod diff;
mod disk;
mod elsewhere;
mod environment;
mod error;
mod executed;
mod failing;
mod failures;
mod filters;
mod findings;
mod forge;
mod former;
#[cfg(test)]
mod fuzz;
mod git;
mod granted;
mod handover;
mod harvest;
mod history;
mod ignored;
mod include;
mod installed;
mod installing;
mod integration;
mod judged;
mod junit;
mod known;
mod landmarks;
mod layout;
mod left_out;
mod leftovers;
mod lfs;
mod links;
mod listing;
mod litter;
mod merge;
mod neutral;
mod notes;
mod object;
mod place;
mod plain;
mod prepared;
mod products;
mod push;
mod refs;
mod remote;
mod remove;
mod repository;
mod rules;
mod scratch;
mod settings;
mod setup;
mod shadows;
mod sides;
mod snapshot;
mod sources;
mod special;
mod staged;
mod start;
mod state_file;
mod staying;
mod tips;
mod trash;
mod tree;
mod trial;
mod uncommitted;
mod undone;
mod unseen;
mod updates;
mod user;
mod validator;
mod workspaces;

pub use admission::ResultLimits;
pub use detect::broken::BrokenFile;
pub use disk::DiskUse;
pub use environment::{CheckEnvironment, ForgeEnvironment, GitEnvironment};
pub use forge::GhForge;
pub use git::Git;
pub use integration::GitIntegration;
pub use layout::Roots;
pub use prepared::Turns;
pub use rules::DiffRules;
pub use settings::{Issues, WorkspaceSettings};
pub use setup::{Script, SetUpFailure};
pub use start::Start;
pub use trash::{Trash, remove_if_asked};
pub use trial::{Suggestion, Trial, Tried};
pub use user::GitConfiguration;
pub use validator::{CheckSettings, CommandValidator};
pub use workspaces::GitWorkspaces;
