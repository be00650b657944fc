use super::{Violation, World};
use cyrus_core::{Clock as _, SessionId, SessionOutcome, SessionState};

impl World {
    /// What is wrong with how a session was left, now that nothing works on it any more. One that somebody `stopped`
    /// needs no other reason to be paused.
    pub fn audit(&self, session: &SessionId, stopped: bool) -> Vec<Violation> {
        let now = self.clock().elapsed();
        let outside = self.outside();
        let lost = || vec![Violation::LostSession(session.clone())];
        let Some(page) = outside.book.sessions.get(session) else { return lost() };
        let mut found = Vec::new();
        let leaked = |what: String| Violation::Leaked { session: session.clone(), what };
        let live = outside.under_way().filter(|(_, live)| live.session == *session);
        found.extend(live.map(|(id, _)| leaked(format!("the execution {id}"))));
        match page.state {
            SessionState::Running => return lost(),
            SessionState::Paused => {
                let reason = page.report.as_ref().and_then(|report| report.reason.as_ref());
                if reason.is_none() && !stopped {
                    found.push(Violation::Unexplained(session.clone()));
                }
                let reserved = outside.book.reserved(session);
                if reserved > 0 {
                    found.push(leaked(format!("{reserved} reservations")));
                }
            }
            SessionState::Finished(outcome) => {
                let open = page.tasks.iter().filter(|record| !record.state.is_over());
                found.extend(open.map(|record| Violation::LostTask {
                    session: session.clone(),
                    task: record.planned.id().clone(),
                    state: record.state.as_str(),
                }));
                let reserved = outside.book.reserved(session);
                if reserved > 0 {
                    found.push(leaked(format!("{reserved} reservations")));
                }
                let runs = outside.runs.values().flatten();
                let going_on = runs.filter(|run| run.session == *session && !run.is_over(now));
                found.extend(going_on.map(|run| leaked(format!("the cloud run {}", run.name()))));
                let shared = format!("{}-from-", session.branch());
                let at_origin = outside.repositories.values().flat_map(|git| git.origin.keys());
                let left = at_origin.filter(|branch| branch.starts_with(&shared));
                found.extend(left.map(|branch| leaked(format!("the branch {branch} at origin"))));
                // What did not come to anything good is kept, for somebody to look at.
                if matches!(outcome, SessionOutcome::Validated | SessionOutcome::Unverified) {
                    let clones = outside.clones.iter().filter(|(_, c)| c.spec.session == *session);
                    found.extend(clones.map(|(path, _)| leaked(format!("{}", path.display()))));
                }
            }
        }
        found
    }
}
