//! How an execution ended, and what `describe` and `probe` say.

use super::{json, link, usage, wait};
use crate::{
    bindings::types as wit,
    bound::{self, EVENT_TEXT_BYTES, LISTED, MESSAGE_BYTES},
    redact::Redactor,
    run::Run,
};
use cyrus_executor::{
    BranchSource, Denial, Descriptor, ErrorKind, ExecutionError, ExecutionResult, Health, Outcome,
    RemoteBranch, Suspension, WorkProduct,
};
use cyrus_plugin::Denied;
use serde_json::Value;

/// Takes what a component hands over at its end.
pub(crate) struct Incoming<'a> {
    run: &'a Run,
    redactor: &'a Redactor,
}

impl<'a> Incoming<'a> {
    /// Of this run.
    pub(crate) fn of(run: &'a Run) -> Self {
        Self { run, redactor: &run.redactor }
    }

    fn short(&self, text: String) -> String {
        bound::redacted(text, MESSAGE_BYTES, self.redactor)
    }

    fn long(&self, text: String) -> String {
        bound::redacted(text, EVENT_TEXT_BYTES, self.redactor)
    }

    /// A value of any size: [`outcome_size`] has counted what it takes.
    fn json(&self, text: String) -> Value {
        json::value(text, usize::MAX, self.redactor)
    }

    /// The outcome; denied when the result is on a remote that policy does not grant.
    pub(crate) fn outcome(&self, outcome: wit::Outcome) -> Result<Outcome, ExecutionError> {
        match outcome {
            wit::Outcome::Completed(result) => match self.result(result) {
                (result, None) => Ok(Outcome::Completed(result)),
                (result, Some(denied)) => Err(ExecutionError {
                    usage: Some(Box::new(result.usage.clone())),
                    checkpoint: result.checkpoint.clone(),
                    partial: Some(Box::new(result)),
                    ..ExecutionError::new(ErrorKind::Denied, self.run.deny(denied))
                }),
            },
            wit::Outcome::Suspended(suspended) => Ok(Outcome::Suspended(Suspension {
                checkpoint: self.redactor.text(suspended.checkpoint),
                wake_after: wait(suspended.wake_after),
                usage: usage(suspended.usage),
            })),
        }
    }

    /// A result, without its product where that was denied.
    fn result(&self, result: wit::ExecutionResult) -> (ExecutionResult, Option<Denied>) {
        let (product, denied) = match self.product(result.product) {
            Ok(product) => (product, None),
            Err(denied) => (WorkProduct::Nothing, Some(denied)),
        };
        let denials = result.denials.into_iter().map(|denial| Denial {
            tool: self.short(denial.tool),
            input: self.json(denial.input),
            reason: self.short(denial.reason),
        });
        let extensions = result.extensions.into_iter();
        let result = ExecutionResult {
            summary: self.long(result.summary),
            structured: result.structured.map(|value| self.json(value)),
            product,
            links: result.links.into_iter().map(|l| link(l, |text| self.short(text))).collect(),
            usage: usage(result.usage),
            denials: denials.collect(),
            checkpoint: result.checkpoint.map(|token| self.redactor.text(token)),
            extensions: extensions.map(|(k, v)| (self.short(k), self.json(v))).collect(),
        };
        (result, denied)
    }

    fn product(&self, product: wit::WorkProduct) -> Result<WorkProduct, Denied> {
        Ok(match product {
            wit::WorkProduct::Nothing => WorkProduct::Nothing,
            wit::WorkProduct::Workspace => WorkProduct::Workspace,
            wit::WorkProduct::Branch(branch) => WorkProduct::Branch(RemoteBranch {
                source: self.source(branch.remote)?,
                name: self.short(branch.name),
                commit: branch.commit.map(|text| self.short(text)),
            }),
        })
    }

    /// Where a pushed branch is: `origin` when that is what the component names, character by character, and
    /// otherwise what policy grants.
    fn source(&self, remote: Option<String>) -> Result<BranchSource, Denied> {
        let origin = self
            .run
            .request
            .as_ref()
            .and_then(|request| request.repository.as_ref()?.remote.as_ref());
        match remote.map(|remote| self.short(remote)) {
            None => Ok(BranchSource::Origin),
            Some(remote) if origin == Some(&remote) => Ok(BranchSource::Origin),
            Some(remote) => {
                self.run.executor.policy.current().git(&remote).map(BranchSource::Granted)
            }
        }
    }

    pub(crate) fn error(&self, error: wit::ExecutionError) -> ExecutionError {
        ExecutionError {
            kind: self.kind(error.kind),
            message: self.short(error.message),
            retry_after: error.retry_after.map(wait),
            usage: error.usage.map(|used| Box::new(usage(used))),
            checkpoint: error.checkpoint.map(|token| self.redactor.text(token)),
            // Nothing is fetched for an error: a remote that was denied is left out.
            partial: error.partial.map(|result| Box::new(self.result(result).0)),
            host: None,
        }
    }

    fn kind(&self, kind: wit::ErrorKind) -> ErrorKind {
        match kind {
            wit::ErrorKind::Unavailable => ErrorKind::Unavailable,
            wit::ErrorKind::RateLimited => ErrorKind::RateLimited,
            wit::ErrorKind::Unauthorized => ErrorKind::Unauthorized,
            wit::ErrorKind::QuotaExhausted => ErrorKind::QuotaExhausted,
            wit::ErrorKind::InvalidRequest => ErrorKind::InvalidRequest,
            wit::ErrorKind::Unsupported => ErrorKind::Unsupported,
            wit::ErrorKind::Refused => ErrorKind::Refused,
            wit::ErrorKind::Denied => ErrorKind::Denied,
            wit::ErrorKind::BudgetExceeded => ErrorKind::BudgetExceeded,
            wit::ErrorKind::TurnLimit => ErrorKind::TurnLimit,
            wit::ErrorKind::TimedOut => ErrorKind::TimedOut,
            wit::ErrorKind::Cancelled => ErrorKind::Cancelled,
            wit::ErrorKind::Failed => ErrorKind::Failed,
            wit::ErrorKind::Other(code) => {
                ErrorKind::Other(bound::redacted(code, 128, self.redactor))
            }
        }
    }
}

/// What `describe` said.
pub(crate) fn descriptor(descriptor: wit::Descriptor, redactor: &Redactor) -> Descriptor {
    let clean = |text| bound::redacted(text, MESSAGE_BYTES, redactor);
    Descriptor {
        name: clean(descriptor.name),
        version: clean(descriptor.version),
        description: clean(descriptor.description),
        kinds: descriptor.kinds.into_iter().take(LISTED).map(clean).collect(),
        features: descriptor.features.into_iter().take(LISTED).map(clean).collect(),
        settings_schema: descriptor.settings_schema.map(|schema| json(schema, redactor)),
    }
}

/// What `probe` said.
pub(crate) fn health(health: wit::Health, redactor: &Redactor) -> Health {
    let clean = |text| bound::redacted(text, MESSAGE_BYTES, redactor);
    let details = health.details.into_iter().take(LISTED);
    Health {
        summary: clean(health.summary),
        version: health.version.map(clean),
        details: details.map(|(name, value)| (clean(name), clean(value))).collect(),
    }
}

/// What each entry of a list takes besides its texts.
const ENTRY_BYTES: usize = 128;

/// About how much of the host's memory an outcome takes, in bytes.
pub(crate) fn outcome_size(outcome: &Result<wit::Outcome, wit::ExecutionError>) -> usize {
    match outcome {
        Ok(wit::Outcome::Completed(result)) => result_size(result),
        Ok(wit::Outcome::Suspended(suspension)) => suspension.checkpoint.len(),
        Err(error) => {
            let partial = error.partial.as_ref().map_or(0, result_size);
            error.message.len() + text_size(error.checkpoint.as_ref()) + partial
        }
    }
}

/// How long the checkpoint in an outcome is, in bytes: the longest, where there are several.
pub(crate) fn checkpoint_size(outcome: &Result<wit::Outcome, wit::ExecutionError>) -> usize {
    match outcome {
        Ok(wit::Outcome::Completed(result)) => text_size(result.checkpoint.as_ref()),
        Ok(wit::Outcome::Suspended(suspension)) => suspension.checkpoint.len(),
        Err(error) => {
            let partial = error.partial.as_ref().and_then(|result| result.checkpoint.as_ref());
            text_size(error.checkpoint.as_ref()).max(text_size(partial))
        }
    }
}

fn result_size(result: &wit::ExecutionResult) -> usize {
    let links = result.links.iter().map(|l| l.kind.len() + l.title.len() + l.url.len());
    let denials =
        result.denials.iter().map(|d| d.tool.len() + json::size(&d.input) + d.reason.len());
    let extensions = result.extensions.iter().map(|(k, v)| k.len() + json::size(v));
    let entries = links.chain(denials).chain(extensions).map(|size| ENTRY_BYTES + size);
    result.summary.len()
        + result.structured.as_deref().map_or(0, json::size)
        + text_size(result.checkpoint.as_ref())
        + entries.sum::<usize>()
}

fn text_size(text: Option<&String>) -> usize {
    text.map_or(0, String::len)
}
