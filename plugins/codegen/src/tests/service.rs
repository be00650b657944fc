use cyrus_sdk::{
    http::{HttpError, Method, Request},
    testing::Reply,
};
use serde_json::{Value, json};
use std::{cell::RefCell, collections::VecDeque, rc::Rc};

/// A service with one organization, number 42, and one repository, number 9.
#[derive(Clone, Default)]
pub(super) struct Service(Rc<RefCell<State>>);

#[derive(Default)]
pub(super) struct State {
    /// Every run that was made.
    pub(super) runs: Vec<Value>,
    /// The log of all of them.
    pub(super) logs: Vec<Value>,
    /// What the next requests whose URL contains the word come to, in place of an answer.
    failures: VecDeque<(&'static str, Reply)>,
    /// The next order is carried out, but its answer is lost.
    pub(super) loses_answer: bool,
    /// A ban stops nothing.
    pub(super) unstoppable: bool,
    /// Runs that were told to go on, with the prompt.
    pub(super) resumed: Vec<String>,
}

impl Service {
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.borrow_mut())
    }

    pub(super) fn fail(&self, word: &'static str, reply: Reply) {
        self.change(|state| state.failures.push_back((word, reply)));
    }

    pub(super) fn set_status(&self, status: &str) {
        self.change(|state| state.runs[0]["status"] = json!(status));
    }

    pub(super) fn log(&self, kind: &str, text: &str) {
        let entry = json!({"agent_run_id": 1, "message_type": kind, "observation": text});
        self.change(|state| state.logs.push(entry));
    }

    pub(super) fn orders(&self) -> usize {
        self.change(|state| state.runs.len())
    }

    pub(super) fn answers(&self) -> impl FnMut(&Request) -> Reply + 'static {
        let service = self.clone();
        move |request| service.change(|state| state.answer(request))
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Reply {
        if let Some(at) = self.failures.iter().position(|(word, _)| request.url.contains(word)) {
            return self.failures.remove(at).expect("was just found").1;
        }
        let path =
            request.url.strip_prefix("https://api.codegen.com").expect("the default address");
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let body = request.body.as_deref().map(|body| serde_json::from_slice(body).expect("JSON"));
        let skip = query.split('&').find_map(|pair| pair.strip_prefix("skip="));
        let skip = skip.map_or(0, |number| number.parse().expect("a number"));
        match (request.method, path.strip_prefix("/v1/organizations/42/"), body) {
            (Method::Post, Some("agent/run"), Some(order)) => self.create(&order),
            (Method::Post, Some("agent/run/resume"), Some(order)) => self.resume(&order),
            (Method::Post, Some("agent/run/ban"), Some(_)) => self.ban(),
            (Method::Get, Some("agent/runs"), None) => page(&self.runs, skip),
            (Method::Get, Some("repos"), None) => {
                page(&[json!({"id": 9, "full_name": "acme/Widgets", "archived": false})], skip)
            }
            (Method::Get, Some("agent/run/1"), None) => Reply::json(200, &self.runs[0]),
            (Method::Get, None, None) if path == "/v1/alpha/organizations/42/agent/run/1/logs" => {
                let logs: Vec<_> = self.logs.iter().skip(skip).take(100).collect();
                Reply::json(200, &json!({"id": 1, "organization_id": 42, "logs": logs}))
            }
            _ => Reply::json(404, &json!({"message": "no such thing", "status_code": 404})),
        }
    }

    fn create(&mut self, order: &Value) -> Reply {
        let id = self.runs.len() + 1;
        let run = json!({
            "id": id, "organization_id": 42, "status": "ACTIVE", "result": null, "order": order,
            "web_url": format!("https://codegen.com/agent/trace/{id}"), "metadata": order["metadata"],
            "github_pull_requests": [],
        });
        self.runs.push(run.clone());
        if std::mem::take(&mut self.loses_answer) {
            return Reply::fail(HttpError::Broken("the connection was cut".to_owned()));
        }
        Reply::json(200, &run)
    }

    fn resume(&mut self, order: &Value) -> Reply {
        self.resumed.push(order["prompt"].as_str().expect("a prompt").to_owned());
        Reply::json(200, &self.runs[0])
    }

    fn ban(&mut self) -> Reply {
        if !self.unstoppable {
            self.runs[0]["status"] = json!("CANCELLED");
        }
        Reply::json(200, &json!({"message": "banned"}))
    }
}

fn page(items: &[Value], skip: usize) -> Reply {
    let rest: Vec<_> = items.iter().skip(skip).take(100).collect();
    Reply::json(
        200,
        &json!({"items": rest, "total": items.len(), "page": 1, "size": 100, "pages": 1}),
    )
}
