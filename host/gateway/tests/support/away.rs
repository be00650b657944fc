//! A service that cannot be reached is named to the operator, once; the agent knows the gateway alone.

use super::support::{MODEL, Play, Setup, stream_of};
use cyrus_gateway::UpstreamError;
use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
};

/// Keeps the warnings of a thread.
#[derive(Clone, Debug, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

/// The fields of one, in words.
struct Fields<'a>(&'a mut String);

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = String::new();
        event.record(&mut Fields(&mut text));
        self.0.lock().unwrap().push(text);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn where_it_was_looked_for_is_said_once_and_not_to_the_agent() {
    let heard = Warnings::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(heard.clone(), || {
        runtime.block_on(async {
            let setup = Setup::new(None).await;
            for _ in 0..3 {
                setup.play(Play::Fail(UpstreamError::Unreachable("refused".to_owned())));
                let (status, body) = setup.ask(&stream_of(MODEL)).await;
                assert_eq!(status, 502);
                assert!(body.contains("refused") && !body.contains("model.example"), "{body}");
            }
        });
    });
    let said = heard.0.lock().unwrap();
    assert_eq!(said.len(), 1, "{said:?}");
    let where_and_why = said[0].contains("https://model.example\"") && said[0].contains("refused");
    assert!(where_and_why, "{said:?}");
}
