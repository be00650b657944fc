//! One request, from the agent to the service and back.

use crate::{
    Access, Credential, CredentialError, Format, Gateway, UpstreamBody, UpstreamError,
    account::{Ask, Hold, Spent},
    facts::{BadBody, Facts},
    format::Refusal,
    headers,
    price::Price,
    route::{NoRoute, Route},
    tee::{Charge, Cut, Passing, Tee},
    token::Token,
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header, request::Parts,
};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body as _, Incoming};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// What one permit for bodies stands for.
pub(crate) const PERMIT_BYTES: usize = 4096;

/// The most of an error's body that is passed on, in bytes.
const ERROR_BYTES: usize = 256 * 1024;

/// A response to the agent.
pub(crate) type Answer = Response<UnsyncBoxBody<Bytes, Cut>>;

/// What the requests of one lease share.
pub(crate) struct Exchange {
    pub(crate) gateway: Gateway,
    pub(crate) access: Access,
    pub(crate) token: Token,
    pub(crate) ends: CancellationToken,
    /// Whether it was said that the service cannot be reached.
    pub(crate) is_away: AtomicBool,
    pub(crate) bodies: Arc<Semaphore>,
}

/// Why a request is refused here.
struct Refused(Refusal, String);

impl Refused {
    fn new(refusal: Refusal, message: impl Into<String>) -> Self {
        Self(refusal, message.into())
    }
}

impl From<Spent> for Refused {
    fn from(Spent(why): Spent) -> Self {
        Self(Refusal::Budget, why)
    }
}

impl From<BadBody> for Refused {
    fn from(bad: BadBody) -> Self {
        match bad {
            BadBody::Malformed(why) => Self(Refusal::Invalid, why),
            BadBody::Forbidden(why) => Self(Refusal::Forbidden, why),
        }
    }
}

impl From<UpstreamError> for Refused {
    fn from(error: UpstreamError) -> Self {
        Self(Refusal::Upstream, error.to_string())
    }
}

impl From<CredentialError> for Refused {
    fn from(error: CredentialError) -> Self {
        Self(Refusal::Upstream, error.to_string())
    }
}

impl Exchange {
    /// Answers a request.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        match Box::pin(self.pass(request)).await {
            Ok(answer) => {
                tracing::debug!(%method, path, status = answer.status().as_u16(), "model request");
                answer
            }
            Err(Refused(refusal, message)) => {
                tracing::info!(%method, path, ?refusal, message, "the model gateway refused a request");
                refuse(self.access.format, refusal, &format!("Cyrus: {message}"))
            }
        }
    }

    async fn pass(&self, request: Request<Incoming>) -> Result<Answer, Refused> {
        let (head, body) = request.into_parts();
        let route = self.route(&head)?;
        if route == Route::Alive {
            return Ok(whole(StatusCode::OK, Bytes::new()));
        }
        self.authenticate(&head.headers)?;
        let (bytes, _room) = self.collect(route, &head.headers, body).await?;
        let facts = if route.has_body() {
            let facts = Facts::read(self.access.format, route, &bytes)?;
            self.allow(&facts.model)?;
            Some(facts)
        } else {
            None
        };
        let mut charge = match facts {
            Some(facts) if route.is_charged() => Some(self.admit(route, facts).await?),
            _ => None,
        };
        let credential = self.access.credential.current().await?;
        let outgoing = self.outgoing(&head, bytes, &credential)?;
        let response = self.send(outgoing, charge.as_mut()).await?;
        self.incoming(route, response, charge, &credential).await
    }

    /// What is asked for, by somebody who sees this server as what it is.
    fn route(&self, head: &Parts) -> Result<Route, Refused> {
        let found = Route::of(self.access.format, &head.method, &head.uri);
        let route = found.map_err(|none| match none {
            NoRoute::NotOrigin => Refused::new(Refusal::NotFound, "this is no proxy"),
            NoRoute::NotFound => Refused::new(Refusal::NotFound, "nothing is here"),
            NoRoute::Method => Refused::new(Refusal::Method, "this takes another method"),
            NoRoute::Query => Refused::new(Refusal::Invalid, "the query is not passed on"),
        })?;
        let mut hosts = head.headers.get_all(header::HOST).iter();
        let is_ours = |host: &HeaderValue| host.to_str().is_ok_and(is_loopback);
        match (hosts.next(), hosts.next()) {
            (Some(host), None) if is_ours(host) => Ok(route),
            _ => Err(Refused::new(Refusal::Forbidden, "the host is not this server's")),
        }
    }

    /// Takes the lease's token, and nothing beside it.
    fn authenticate(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let keys = headers.get_all("x-api-key").iter().map(|value| Some(value.as_bytes()));
        let bearers = headers.get_all(header::AUTHORIZATION).iter().map(|value| {
            let (scheme, token) = value.as_bytes().split_at_checked(7)?;
            scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
        });
        let mut shown = 0;
        let mut all = true;
        for presented in keys.chain(bearers) {
            shown += 1;
            all &= presented.is_some_and(|token| self.token.is(token));
        }
        if shown > 0 && all && !self.ends.is_cancelled() {
            return Ok(());
        }
        Err(Refused::new(Refusal::Token, "the token is not that of this execution"))
    }

    fn allow(&self, model: &str) -> Result<(), Refused> {
        match &self.access.models {
            Some(allowed) if !allowed.iter().any(|pattern| pattern.matches(model)) => {
                let allowed: Vec<_> = allowed.iter().map(ToString::to_string).collect();
                let allowed = allowed.join(", ");
                let what = format!("the model {model:?} is not allowed; allowed are: {allowed}");
                Err(Refused::new(Refusal::Forbidden, what))
            }
            _ => Ok(()),
        }
    }

    /// Reads a request's body to its end: a request goes out in one piece, with its true length.
    async fn collect(
        &self,
        route: Route,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Refused> {
        let limits = &self.gateway.limits;
        if !route.has_body() {
            let none = body.is_end_stream();
            let refused = || Refused::new(Refusal::Invalid, "this takes no body");
            return none.then_some((Bytes::new(), None)).ok_or_else(refused);
        }
        let encoded =
            headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
        if encoded {
            return Err(Refused::new(Refusal::Invalid, "a compressed request is not read"));
        }
        let too_large = || {
            let most = limits.body_bytes >> 20;
            Refused::new(Refusal::TooLarge, format!("a request has at most {most} MiB"))
        };
        if body.size_hint().lower() > limits.body_bytes as u64 {
            return Err(too_large());
        }
        let read = async {
            let mut body = body;
            let mut bytes = BytesMut::new();
            let mut room: Option<OwnedSemaphorePermit> = None;
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|e| Refused::new(Refusal::Invalid, e.to_string()))?;
                let Ok(data) = frame.into_data() else { continue };
                if bytes.len() + data.len() > limits.body_bytes {
                    return Err(too_large());
                }
                let permits = u32::try_from(data.len().div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
                let more = Arc::clone(&self.bodies).acquire_many_owned(permits).await;
                let more = more.map_err(|_| Refused::new(Refusal::Busy, "the gateway ends"))?;
                match &mut room {
                    None => room = Some(more),
                    Some(room) => room.merge(more),
                }
                bytes.extend_from_slice(&data);
            }
            Ok((bytes.freeze(), room))
        };
        let slow =
            |_| Refused::new(Refusal::TooSlow, "the request did not come to its end in time");
        timeout(limits.body_time, read).await.map_err(slow)?
    }

    /// Sets aside what the request can cost, or waits until that is possible.
    async fn admit(&self, route: Route, facts: Facts) -> Result<Charge, Refused> {
        let price = self.gateway.prices.of(self.access.format, &facts.model, facts.factor);
        let prompt = price.most_for_prompt(facts.prompt);
        let ask = Ask {
            prompt: price.cost(&crate::Tokens { input: facts.prompt, ..crate::Tokens::default() }),
            most: prompt + most_for_output(&price, facts.prompt, facts.most_output),
            can_be_cut: facts.streams,
        };
        let hold: Hold = self.access.account.admit(ask).await?;
        Ok(Charge::new(hold, route, price, facts))
    }

    fn outgoing(
        &self,
        head: &Parts,
        bytes: Bytes,
        credential: &Credential,
    ) -> Result<Request<Bytes>, Refused> {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri: Option<Uri> = self.access.base.join(self.access.format, path);
        let uri = uri.ok_or_else(|| Refused::new(Refusal::Invalid, "the path is not passed on"))?;
        let mut outgoing = Request::new(bytes);
        *outgoing.method_mut() = head.method.clone();
        *outgoing.uri_mut() = uri;
        *outgoing.headers_mut() = headers::of_request(&head.headers);
        credential.inject(self.access.format, outgoing.headers_mut())?;
        Ok(outgoing)
    }

    /// Sends a request, and waits for the head of the response: not for ever, and not beyond the lease or the money.
    async fn send(
        &self,
        request: Request<Bytes>,
        charge: Option<&mut Charge>,
    ) -> Result<Response<UpstreamBody>, Refused> {
        let money = self.access.account.spent();
        let is_charged = charge.is_some();
        let mut is_taken = true;
        // From here on it counts, also when the agent leaves in the middle.
        let mut charge = charge;
        if let Some(charge) = &mut charge {
            charge.sent();
        }
        let sent = tokio::select! {
            biased;
            () = self.ends.cancelled() => Err(Refused::new(Refusal::Token, "the execution has ended")),
            () = money.cancelled(), if is_charged => {
                let why = self.access.account.why_spent().unwrap_or_default();
                Err(Refused::new(Refusal::Budget, why))
            }
            sent = timeout(self.gateway.limits.silence, self.gateway.upstream.send(&self.access.base, request)) => match sent {
                Err(_) => Err(Refused::new(Refusal::Upstream, "the model's service does not answer")),
                Ok(Err(error)) => {
                    self.note_away(&error);
                    is_taken = matches!(error, UpstreamError::Interrupted(_));
                    Err(error.into())
                }
                Ok(Ok(response)) => {
                    // An error costs nothing.
                    is_taken = response.status().is_success();
                    Ok(response)
                }
            },
        };
        if let Some(charge) = charge.filter(|_| !is_taken) {
            charge.not_taken();
        }
        sent
    }

    /// Says once that no connection is made, and to where: the agent knows the gateway's address alone.
    fn note_away(&self, error: &UpstreamError) {
        if let UpstreamError::Unreachable(why) = error
            && !self.is_away.swap(true, Ordering::Relaxed)
        {
            // What is behind the host may be a secret.
            let service = self.access.base.as_url().origin().ascii_serialization();
            tracing::warn!(service, "the model's service cannot be reached: {why}");
        }
    }

    async fn incoming(
        &self,
        route: Route,
        response: Response<UpstreamBody>,
        charge: Option<Charge>,
        credential: &Credential,
    ) -> Result<Answer, Refused> {
        let (head, body) = response.into_parts();
        let upstream = |what: &str| Refused::new(Refusal::Upstream, what);
        let secret = credential.secret();
        let to = headers::of_response(&head.headers, secret);
        let to = to.ok_or_else(|| upstream("the service's response has too many headers"))?;
        if head.status.is_redirection() {
            return Err(upstream("the service answers with a redirect, which is not followed"));
        }
        let coded =
            head.headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
        if coded {
            return Err(upstream("the service's response is compressed, and cannot be counted"));
        }
        if !head.status.is_success() {
            drop(charge);
            let body = collect_error(body, secret)
                .await
                .ok_or_else(|| upstream("the service's error cannot be passed on"))?;
            let mut answer = whole(head.status, body);
            answer.headers_mut().extend(to);
            return Ok(answer);
        }
        let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_stream = kind.is_some_and(|kind| kind.trim_start().starts_with("text/event-stream"));
        let tee = Tee::new(Passing {
            body,
            is_stream,
            money_ends: charge.is_some().then(|| self.access.account.spent().cancelled_owned()),
            charge,
            format: self.access.format,
            route,
            lease_ends: self.ends.clone().cancelled_owned(),
            silence: self.gateway.limits.silence,
        });
        let mut answer = Response::new(tee.boxed_unsync());
        *answer.status_mut() = head.status;
        *answer.headers_mut() = to;
        Ok(answer)
    }
}

fn most_for_output(price: &Price, prompt: u64, output: u64) -> cyrus_executor::MicroUsd {
    let prompt = crate::Tokens { input: prompt, ..crate::Tokens::default() };
    price.cost(&crate::Tokens { output, ..prompt }).saturating_sub(price.cost(&prompt))
}

/// The body of an error, unless it is too long or holds the operator's key.
async fn collect_error(mut body: UpstreamBody, secret: &str) -> Option<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = body.next().await {
        let piece = piece.ok()?;
        if bytes.len() + piece.len() > ERROR_BYTES {
            return None;
        }
        bytes.extend_from_slice(&piece);
    }
    (!headers::holds(&bytes, secret.as_bytes())).then(|| bytes.freeze())
}

/// Whether a `Host` header names this machine, whatever its port.
fn is_loopback(host: &str) -> bool {
    let authority: Result<http::uri::Authority, _> = host.parse();
    authority.is_ok_and(|authority| {
        !host.contains('@') && matches!(authority.host(), "127.0.0.1" | "localhost" | "[::1]")
    })
}

fn whole(status: StatusCode, body: Bytes) -> Answer {
    let body = Full::new(body).map_err(|never: std::convert::Infallible| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = status;
    answer
}

/// A refusal of the gateway's own. It is final: the same request would be refused again.
fn refuse(format: Format, refusal: Refusal, message: &str) -> Answer {
    let (status, body) = format.refusal(refusal, message);
    let mut answer = whole(status, body);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if !matches!(refusal, Refusal::Upstream | Refusal::Busy | Refusal::TooSlow) {
        let name = HeaderName::from_static("x-should-retry");
        headers.insert(name, HeaderValue::from_static("false"));
    }
    answer
}
