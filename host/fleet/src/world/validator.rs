use super::{SimValidator, ports::git_error};
use async_trait::async_trait;
use cyrus_core::{
    Base, Check, CheckReport, CommandOrigin, EMPTY_DIFF, Observer, SessionEvent, Subject,
    ValidationReport, ValidationVerdict, Validator, WorkspaceError,
};
use cyrus_executor::Finding;
use std::{sync::Arc, time::Duration};

fn finding(code: &str, path: Option<&Arc<str>>) -> Finding {
    let path = path.map(ToString::to_string);
    let message = format!("{code} in {}", path.as_deref().unwrap_or("the whole"));
    Finding { code: code.to_owned(), message, path, line: None, command: None, output: None }
}

#[async_trait]
impl Validator for SimValidator {
    async fn checks(&self, base: &Base) -> Result<Vec<Check>, WorkspaceError> {
        let outside = self.0.world.outside();
        let commands = outside.checks.get(&base.path).into_iter().flatten();
        let check = |command: &String| Check {
            command: command.clone(),
            origin: CommandOrigin::Operator,
            timeout: Duration::from_mins(10),
        };
        Ok(commands.map(check).collect())
    }

    async fn validate(
        &self,
        subject: &Subject<'_>,
        checks: &[Check],
        observer: &dyn Observer,
    ) -> Result<ValidationReport, WorkspaceError> {
        let spec = subject.spec;
        let (faults, diff) = {
            let mut outside = self.0.world.outside();
            let git = outside.git(&spec.base)?;
            let unknown = || git_error("cat-file", &spec.base.path, "there is no such commit");
            git.known(subject.commit).ok_or_else(unknown)?;
            let diff = git.diff(&spec.start, subject.commit).unwrap_or_default();
            (git.faults(subject.commit), diff)
        };
        let mut findings: Vec<_> =
            faults.marked.iter().map(|path| finding("conflict-marker", Some(path))).collect();
        if subject.must_change && diff.files == 0 {
            findings.push(finding(EMPTY_DIFF, None));
        }
        let passed = faults.wrong.is_empty();
        let mut reports = Vec::new();
        for check in checks {
            observer.on_event(SessionEvent::CheckStarted { check: check.clone() });
            let what = ["check", spec.session.as_str(), spec.task.as_str(), subject.commit];
            self.0.world.takes(self.0.world.pace().check, &what).await;
            let report = CheckReport {
                check: check.clone(),
                passed,
                exit_code: Some(i32::from(!passed)),
                timed_out: false,
                duration_ms: 0,
                tests: None,
                on_base: None,
                output: faults.wrong.join(" is wrong\n"),
            };
            observer.on_event(report.clone().into());
            if !passed {
                let output = Some(report.output.clone());
                let command = Some(check.command.clone());
                findings.push(Finding { command, output, ..finding("check-failed", None) });
            }
            reports.push(report);
        }
        let report = ValidationReport::new(reports, findings);
        if report.verdict != ValidationVerdict::Failed {
            self.0.world.outside().validated.insert(subject.commit.to_owned());
        }
        Ok(report)
    }
}
