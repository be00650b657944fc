use super::bytes::ByteStream;
use crate::{
    contract::generated::{
        wasi::http::{
            client,
            types::{ErrorCode, Fields, Method as WasiMethod, Request, Response, Scheme},
        },
        wit_future, wit_stream,
    },
    http::{self, HttpError, Method, split},
    platform::{Answer, Sent},
};
use futures::future::{Either, select};
use std::pin::pin;
use wit_bindgen::StreamWriter;

/// Sends a request. Returns as soon as the answer has begun.
pub(super) async fn send(request: http::Request) -> Sent {
    let line = request.line();
    let Outgoing { request, body } = build(request, &line)?;
    let answer = {
        let sending = pin!(client::send(request));
        match body {
            None => sending.await,
            Some((mut writer, bytes)) => {
                let writing = pin!(async move {
                    // Bytes that nobody wants are the answer's business.
                    writer.write_all(bytes).await;
                });
                match select(sending, writing).await {
                    // An answer before the end of the request is an answer.
                    Either::Left((answer, _)) => answer,
                    Either::Right(((), sending)) => sending.await,
                }
            }
        }
    };
    let answer = answer.map_err(|error| classify(&line, &error))?;
    Ok(receive(answer))
}

/// A request, and what has to be written while it is sent.
struct Outgoing {
    request: Request,
    body: Option<(StreamWriter<u8>, Vec<u8>)>,
}

fn build(request: http::Request, line: &str) -> Result<Outgoing, HttpError> {
    let invalid = |what: &str| HttpError::Invalid(format!("{line}: {what}"));
    let (scheme, authority, path) =
        split(&request.url).ok_or_else(|| invalid("not an absolute URL"))?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(invalid("neither http nor https")),
    };

    let headers = Fields::new();
    let append = |name: &str, value: &str| {
        let appended = headers.append(name, value.as_bytes());
        appended.map_err(|error| invalid(&format!("header {name}: {error:?}")))
    };
    for (name, value) in &request.headers {
        append(name, value)?;
    }
    let (contents, body) = match request.body {
        None => (None, None),
        Some(bytes) => {
            append("content-length", &bytes.len().to_string())?;
            let (writer, reader) = wit_stream::new();
            (Some(reader), Some((writer, bytes)))
        }
    };

    // Dropping the writer answers with the default: no trailers.
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (outgoing, _transmitted) = Request::new(headers, contents, trailers, None);
    let set = outgoing
        .set_method(&method(request.method))
        .and_then(|()| outgoing.set_scheme(Some(&scheme)))
        .and_then(|()| outgoing.set_authority(Some(authority)))
        .and_then(|()| outgoing.set_path_with_query(Some(&path)));
    set.map_err(|()| invalid("not a URL that can be asked for"))?;
    Ok(Outgoing { request: outgoing, body })
}

fn method(method: Method) -> WasiMethod {
    match method {
        Method::Get => WasiMethod::Get,
        Method::Head => WasiMethod::Head,
        Method::Post => WasiMethod::Post,
        Method::Put => WasiMethod::Put,
        Method::Patch => WasiMethod::Patch,
        Method::Delete => WasiMethod::Delete,
    }
}

fn receive(response: Response) -> Answer {
    let status = response.get_status_code();
    let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
    let headers = response.get_headers().copy_all();
    let headers =
        headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), text(value))).collect();
    // Dropping the writer tells the host that the body was wanted as it is.
    let (_, fine) = wit_future::new(|| Ok(()));
    let (body, trailers) = Response::consume_body(response, fine);
    let ending = async move { trailers.await.map(drop).map_err(|error| describe(&error)) };
    Answer { status, headers, body: ByteStream::judged_by(body, Box::pin(ending)) }
}

fn classify(line: &str, error: &ErrorCode) -> HttpError {
    let what = format!("{line}: {}", describe(error));
    match error {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => {
            HttpError::Denied(what)
        }
        ErrorCode::DnsTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => HttpError::TimedOut(what),
        ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::TlsProtocolError
        | ErrorCode::TlsCertificateError
        | ErrorCode::TlsAlertReceived(_) => HttpError::Unreachable(what),
        ErrorCode::HttpRequestLengthRequired
        | ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::ConfigurationError => HttpError::Invalid(what),
        _ => HttpError::Broken(what),
    }
}

fn describe(error: &ErrorCode) -> String {
    match error {
        ErrorCode::HttpRequestDenied => "the host's policy does not allow it".to_owned(),
        ErrorCode::DestinationIpProhibited => {
            "the host's policy does not allow that address".to_owned()
        }
        ErrorCode::DestinationNotFound | ErrorCode::DnsError(_) => "no such host".to_owned(),
        ErrorCode::ConnectionRefused => "the connection was refused".to_owned(),
        ErrorCode::ConnectionTerminated => "the connection was cut".to_owned(),
        ErrorCode::HttpResponseIncomplete => "the answer was cut".to_owned(),
        ErrorCode::InternalError(Some(message)) => message.clone(),
        other => format!("{other:?}"),
    }
}
