//! A response on its way to the agent, counted as it passes.

use crate::{
    Format, UpstreamBody, UpstreamError,
    account::{Hold, Settlement},
    count::Counter,
    facts::Facts,
    price::Price,
    route::Route,
    sse::Events,
};
use bytes::Bytes;
use futures::StreamExt as _;
use http_body::{Body, Frame};
use std::{
    ops::ControlFlow,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

/// The largest response that is not a stream and is counted, in bytes. A larger one passes, and is estimated.
const WHOLE_BYTES: usize = 16 << 20;

/// How long a stream that is to end may take to the end of an event.
const TO_THE_NEXT_EVENT: Duration = Duration::from_secs(5);

/// What a model writes in a second, in tokens, where nothing of it is seen.
const UNSEEN_PER_SECOND: u64 = 100;

/// What a request is charged, from the moment it is admitted.
pub(crate) struct Charge {
    hold: Option<Hold>,
    counter: Counter,
    price: Price,
    /// The prompt's tokens, before the service has counted them.
    prompt: u64,
    most_output: u64,
    /// Whether the response comes as it is written.
    streams: bool,
    model: String,
    /// Since when the service has the request, or may have it.
    since: Option<Instant>,
}

impl Charge {
    pub(crate) fn new(hold: Hold, route: Route, price: Price, facts: Facts) -> Self {
        let Facts { model, prompt, most_output, streams, .. } = facts;
        let counter = Counter::new(route);
        let hold = Some(hold);
        Self { hold, counter, price, prompt, most_output, streams, model, since: None }
    }

    /// The service may have the request from now on.
    pub(crate) fn sent(&mut self) {
        self.since = Some(Instant::now());
    }

    /// The service did not take the request: it costs nothing.
    pub(crate) fn not_taken(&mut self) {
        self.since = None;
    }

    fn note(&self) {
        if let Some(hold) = &self.hold {
            hold.note(self.price.cost(&self.counter.reading().so_far(self.prompt)));
        }
    }

    /// What it came to. Of a response that was not read to its end, the service may have written more than passed; one
    /// that comes whole it writes to its end, also when nobody waits for it any more.
    fn settlement(&self, since: Instant) -> Settlement {
        let reading = self.counter.reading();
        let mut tokens = reading.so_far(self.prompt);
        if reading.is_estimate() {
            let unseen = if self.streams {
                since.elapsed().as_secs().saturating_mul(UNSEEN_PER_SECOND)
            } else {
                self.most_output
            };
            tokens.output = tokens.output.max(unseen.min(self.most_output));
        }
        Settlement {
            tokens,
            cost: self.price.cost(&tokens),
            is_estimate: reading.is_estimate(),
            unpriced: self.price.is_guess.then(|| self.model.clone()),
        }
    }

    fn is_spent(&self) -> bool {
        self.hold.as_ref().is_some_and(Hold::is_spent)
    }
}

/// However a request ends, it is settled: with what the service said, and else with what passed.
impl Drop for Charge {
    fn drop(&mut self) {
        let Some(hold) = self.hold.take() else { return };
        hold.settle(self.since.map(|since| self.settlement(since)));
    }
}

/// How the bytes of a response are read.
enum Kind {
    /// A stream of events.
    Stream(Events),
    /// One body, of which a copy is kept while it is not too large.
    Whole(Option<Vec<u8>>),
    /// Nothing is read of it.
    Free,
}

/// Why no more of a response passes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cut {
    /// The lease ended.
    #[error("the lease ended")]
    Lease,
    /// The service sent nothing for too long.
    #[error("the model's service sent nothing for {0:?}")]
    Silence(Duration),
    /// The service, or the way there, failed.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// A body that passes the service's bytes on as they come.
pub(crate) struct Tee {
    body: UpstreamBody,
    kind: Kind,
    charge: Option<Charge>,
    format: Format,
    route: Route,
    /// What is said after the bytes that passed last.
    last: Option<Bytes>,
    /// Why the response is cut off, once what passed is written out.
    cut: Option<Cut>,
    is_over: bool,
    lease_ends: Pin<Box<WaitForCancellationFutureOwned>>,
    money_ends: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    silence: Duration,
    alarm: Pin<Box<Sleep>>,
}

/// What a [`Tee`] is made of.
pub(crate) struct Passing {
    pub(crate) body: UpstreamBody,
    pub(crate) is_stream: bool,
    pub(crate) charge: Option<Charge>,
    pub(crate) format: Format,
    pub(crate) route: Route,
    pub(crate) lease_ends: WaitForCancellationFutureOwned,
    pub(crate) money_ends: Option<WaitForCancellationFutureOwned>,
    pub(crate) silence: Duration,
}

impl Tee {
    pub(crate) fn new(passing: Passing) -> Self {
        let Passing { body, is_stream, charge, format, route, lease_ends, money_ends, silence } =
            passing;
        let kind = match &charge {
            None => Kind::Free,
            Some(_) if is_stream => Kind::Stream(Events::default()),
            Some(_) => Kind::Whole(Some(Vec::new())),
        };
        Self {
            body,
            kind,
            charge,
            format,
            route,
            last: None,
            cut: None,
            is_over: false,
            lease_ends: Box::pin(lease_ends),
            money_ends: money_ends.map(Box::pin),
            silence,
            alarm: Box::pin(sleep_until(Instant::now() + silence)),
        }
    }

    /// Reads bytes that are about to pass. What of them may, when the money ends in them.
    fn read(&mut self, bytes: &Bytes) -> Option<usize> {
        let charge = self.charge.as_mut()?;
        match &mut self.kind {
            Kind::Stream(events) => events.feed(bytes, |data| {
                charge.counter.event(data);
                charge.note();
                if charge.is_spent() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }),
            Kind::Whole(copy) => {
                if let Some(kept) = copy {
                    if kept.len() + bytes.len() > WHOLE_BYTES {
                        *copy = None;
                    } else {
                        kept.extend_from_slice(bytes);
                    }
                }
                None
            }
            Kind::Free => None,
        }
    }

    /// Ends the response with the format's own error.
    fn end_with_error(&mut self) -> Bytes {
        let why = self.charge.as_ref().and_then(|charge| charge.hold.as_ref().map(Hold::why_spent));
        self.finish();
        self.format.last_event(self.route, &format!("Cyrus: {}", why.unwrap_or_default()))
    }

    /// Lets go of the service, and settles.
    fn finish(&mut self) {
        self.is_over = true;
        self.body = futures::stream::empty().boxed();
        if let (Kind::Whole(Some(copy)), Some(charge)) = (&self.kind, &mut self.charge) {
            charge.counter.whole(copy);
        }
        self.kind = Kind::Free;
        self.charge = None;
    }

    /// Cuts the response off. What has passed is written out first: that happens while nothing more is there.
    fn cut(&mut self, cut: Cut, cx: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        tracing::debug!(%cut, "a response of the model was cut off");
        self.finish();
        self.cut = Some(cut);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn may_say_something_else(&self) -> bool {
        matches!(&self.kind, Kind::Stream(events) if events.is_between())
    }
}

impl Body for Tee {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        if let Some(last) = this.last.take() {
            return Poll::Ready(Some(Ok(Frame::data(last))));
        }
        if let Some(cut) = this.cut.take() {
            return Poll::Ready(Some(Err(cut)));
        }
        if this.is_over {
            return Poll::Ready(None);
        }
        if this.lease_ends.as_mut().poll(cx).is_ready() {
            return this.cut(Cut::Lease, cx);
        }
        if let Some(money_ends) = &mut this.money_ends
            && money_ends.as_mut().poll(cx).is_ready()
        {
            this.money_ends = None;
            this.alarm.as_mut().reset(Instant::now() + TO_THE_NEXT_EVENT.min(this.silence));
        }
        // Money that ended elsewhere ends this stream where an event has ended.
        if this.charge.as_ref().is_some_and(Charge::is_spent) && this.may_say_something_else() {
            let last = this.end_with_error();
            return Poll::Ready(Some(Ok(Frame::data(last))));
        }
        if let Poll::Ready(next) = this.body.as_mut().poll_next(cx) {
            return Poll::Ready(match next {
                None => {
                    this.finish();
                    None
                }
                Some(Err(error)) => return this.cut(error.into(), cx),
                Some(Ok(bytes)) => {
                    if this.money_ends.is_some() || this.charge.is_none() {
                        let silence = this.silence;
                        this.alarm.as_mut().reset(Instant::now() + silence);
                    }
                    match this.read(&bytes) {
                        None => Some(Ok(Frame::data(bytes))),
                        Some(length) => {
                            this.last = Some(this.end_with_error());
                            Some(Ok(Frame::data(bytes.slice(..length))))
                        }
                    }
                }
            });
        }
        ready!(this.alarm.as_mut().poll(cx));
        let silence = this.silence;
        this.cut(Cut::Silence(silence), cx)
    }

    fn is_end_stream(&self) -> bool {
        self.is_over && self.last.is_none() && self.cut.is_none()
    }
}
