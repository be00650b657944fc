use super::Work;
use crate::{
    api::{Metadata, Order},
    prompt, repository,
};
use cyrus_sdk::{
    Error, Result,
    contract::{AttachmentSource, Event, Task},
};

impl Work {
    /// Fails now where the run would be of no use.
    pub(super) fn refuse_what_cannot_be_done(&self) -> Result<()> {
        if self.context.output_schema().is_some() {
            return Err(Error::unsupported("Codegen does not answer in a schema"));
        }
        let cost = self.usage.cost.map_or(0, |cost| cost.amount);
        match self.context.limits().max_cost {
            Some(limit) if cost > limit => Err(Error::budget_exceeded(format!(
                "a run is taken to cost {cost} millionths of a dollar (estimatedCostPerRun), and {limit} may be spent"
            ))),
            _ => Ok(()),
        }
    }

    /// The order for this execution's run.
    pub(super) async fn order(&self, task: &Task, key: &str) -> Result<Order> {
        let context = &self.context;
        let attachments = context.attachments();
        for attachment in &attachments {
            if let AttachmentSource::File(_) = attachment.source {
                let message =
                    format!("{} has no address and is not sent to Codegen", attachment.name);
                context.emit(Event::warning("attachment-not-sent", message)).await;
            }
        }
        let repository = context.repository();
        let prompt = prompt::first(
            task,
            context.system_prompt().as_deref(),
            repository.as_ref(),
            &attachments,
            &context.findings(),
        );
        Ok(Order {
            prompt,
            metadata: Metadata {
                idempotency_key: key.to_owned(),
                execution_id: context.execution_id(),
                task_id: task.id.clone(),
            },
            repo_id: Some(self.repo_id(repository.and_then(|it| it.remote).as_deref()).await?),
            model: context.model().or_else(|| self.settings.model.clone()),
            agent_type: self.settings.agent_type,
        })
    }

    async fn repo_id(&self, remote: Option<&str>) -> Result<u64> {
        if let Some(id) = self.settings.repo_id {
            return Ok(id);
        }
        let name = remote.and_then(repository::full_name).ok_or_else(|| {
            Error::unsupported(format!(
                "Codegen works on a repository it has, and the remote {} names none: set repoId",
                remote.unwrap_or("(none)")
            ))
        })?;
        let found = self.api.repo_named(&name).await?;
        found.map(|repo| repo.id).ok_or_else(|| {
            Error::unsupported(format!(
                "organization {} has no repository {name} at Codegen: add it there, or set repoId",
                self.settings.org_id
            ))
        })
    }
}
