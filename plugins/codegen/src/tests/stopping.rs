use super::{Service, execute, host, state_of};
use cyrus_sdk::{
    contract::{ErrorKind, Event, StopMode, StopResult},
    testing::{Record, Reply},
};
use serde_json::json;
use std::time::Duration;

fn asked(word: &'static str) -> impl FnMut(&Record) -> bool {
    move |record| record.requests.iter().any(|request| request.url.contains(word))
}

/// The checkpoint of a run that was ordered.
fn ordered(service: &Service) -> String {
    execute(host(service)).suspended().checkpoint.clone()
}

#[test]
fn a_stop_reaches_the_run() {
    let service = Service::default();
    let checkpoint = ordered(&service);
    let run = execute(host(&service).resume(checkpoint).stop_when(StopMode::Cancel, |_| true));
    assert_eq!(run.error().kind, ErrorKind::Cancelled);
    assert_eq!(run.stopped, Some(StopResult::Stopped));
    assert!(run.error().usage.is_some() && run.error().checkpoint.is_some());
    assert_eq!(service.change(|state| state.runs[0]["status"].clone()), "CANCELLED");
}

#[test]
fn a_stop_breaks_a_request_that_hangs() {
    let service = Service::default();
    let checkpoint = ordered(&service);
    service.fail("/agent/run/1", Reply::hang());
    let second = Duration::from_secs(1);
    let run = execute(host(&service).resume(checkpoint).stop_at(second, StopMode::Cancel));
    assert_eq!(run.stopped, Some(StopResult::Stopped));
    assert_eq!(run.elapsed, second);
}

#[test]
fn a_run_that_cannot_be_stopped_is_said_to_go_on() {
    let service = Service::default();
    let checkpoint = ordered(&service);
    service.change(|state| state.unstoppable = true);
    let run = execute(host(&service).resume(&checkpoint).stop_when(StopMode::Cancel, |_| true));
    assert_eq!(run.error().kind, ErrorKind::Cancelled);
    assert_eq!(run.stopped, Some(StopResult::StillRunningRemotely));
    let warned = |event: &Event| matches!(event, Event::Warning(w) if w.code == "still-running");
    assert!(run.record.events.iter().any(warned));

    service.fail("/ban", Reply::hang());
    let hung = execute(host(&service).resume(checkpoint).stop_when(StopMode::Cancel, |_| true));
    assert_eq!(hung.stopped, Some(StopResult::StillRunningRemotely));
    assert!(hung.elapsed <= Duration::from_secs(5), "{:?}", hung.elapsed);
}

#[test]
fn a_detached_run_goes_on_and_can_be_taken_up() {
    let service = Service::default();
    let checkpoint = ordered(&service);
    let run = execute(host(&service).resume(checkpoint).stop_when(StopMode::Detach, |_| true));
    assert_eq!(run.stopped, Some(StopResult::StillRunningRemotely));
    assert_eq!(service.change(|state| state.runs[0]["status"].clone()), "ACTIVE");
    service.set_status("COMPLETE");
    execute(host(&service).resume(run.suspended().checkpoint.clone())).completed();
}

#[test]
fn a_run_whose_order_was_under_way_is_found_and_stopped() {
    let service = Service::default();
    // It is stopped while the order is out: the service has carried it out, the answer comes too late.
    service.change(|state| state.loses_answer = true);
    let run = execute(host(&service).stop_when(StopMode::Cancel, |record| {
        record.checkpoints.len() == 1 && asked("/agent/run")(record)
    }));
    assert_eq!(run.error().kind, ErrorKind::Cancelled);
    assert_eq!(run.stopped, Some(StopResult::Stopped));
    assert_eq!(service.orders(), 1);
    assert_eq!(service.change(|state| state.runs[0]["status"].clone()), "CANCELLED");
}

#[test]
fn before_there_is_a_run_there_is_nothing_to_stop() {
    let service = Service::default();
    let run = execute(host(&service).stop_when(StopMode::Cancel, |_| true));
    assert_eq!(run.stopped, Some(StopResult::Stopped));
    assert_eq!(run.error().usage, None);
    assert_eq!(service.orders(), 0);

    let service = Service::default();
    service.fail("/agent/run", Reply::hang());
    let during = execute(host(&service).stop_at(Duration::from_secs(1), StopMode::Cancel));
    assert_eq!(during.error().checkpoint.as_deref().map(state_of), Some(json!("creating")));
}
