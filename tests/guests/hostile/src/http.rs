//! Attacks on the way out.

use crate::{
    bindings::{
        cyrus::executor::types::{ErrorKind, ExecutionError},
        wasi::http::{
            client,
            types::{ErrorCode, Fields, Method, Request, Response, Scheme},
        },
        wit_future, wit_stream,
    },
    guest::{Done, done, error},
    verbs::number,
};
use futures::future::{join, join_all};

pub(crate) async fn attempt(verb: &str, rest: &[&str]) -> Option<Done> {
    Some(match verb {
        // `URL [HEADER VALUE]…`
        "get" => {
            let pairs: Vec<_> = rest[1..].chunks(2).map(|pair| (pair[0], pair[1])).collect();
            told(send(&Method::Get, rest[0], &pairs, None).await)
        }
        // `METHOD URL`
        "method" => told(send(&Method::Other(rest[0].to_owned()), rest[1], &[], None).await),
        // `URL PATH`: the host of the one, and the other as the path.
        "path" => told(path(rest[0], rest[1]).await),
        "connect" => told(send(&Method::Connect, rest[0], &[], None).await),
        // `URL COUNT`
        "get-many" => {
            let (url, count) = (rest[0], number(rest[1]));
            let all = join_all((0..count).map(|_| send(&Method::Get, url, &[], None))).await;
            let fine = all.iter().filter(|answer| answer.is_ok()).count();
            let refused = all.iter().find_map(|answer| answer.as_ref().err());
            done(format!("answered={fine} {refused:?}"))
        }
        // `URL KIB`
        "upload" => {
            let body = vec![b'x'; number(rest[1]) << 10];
            told(send(&Method::Post, rest[0], &[], Some(body)).await)
        }
        // `URL`: a body without end.
        "upload-endless" => told(endless(rest[0]).await),
        // `COUNT BYTES`
        "headers" => headers(number(rest[0]), number(rest[1])),
        // `NAME VALUE`: bytes that are no header.
        "header" => {
            let value = rest[1].replace("<CRLF>", "\r\n").replace("<NUL>", "\0");
            match Fields::new().append(rest[0], value.as_bytes()) {
                Ok(()) => done("taken"),
                Err(refused) => Err(error(ErrorKind::Failed, format!("{refused:?}"))),
            }
        }
        _ => return None,
    })
}

fn told(answer: Result<String, String>) -> Done {
    done(answer.map_err(|problem| error(ErrorKind::Unavailable, problem))?)
}

fn headers(count: usize, size: usize) -> Done {
    let headers = Fields::new();
    for i in 0..count {
        let appended = headers.append(&format!("x-{i}"), &vec![b'v'; size]);
        appended.map_err(|refused| refuse(i, &format!("{refused:?}")))?;
    }
    done("appended")
}

fn refuse(at: usize, why: &str) -> ExecutionError {
    error(ErrorKind::Failed, format!("at {at}: {why}"))
}

fn fields(headers: &[(&str, &str)]) -> Result<Fields, String> {
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).map_err(|e| format!("header {name}: {e:?}"))?;
    }
    Ok(fields)
}

/// Splits a URL as little as can be: what it means is for the host to find out.
fn aim(request: &Request, method: &Method, url: &str) -> Result<(), String> {
    let (scheme, rest) = url.split_once("://").ok_or("no scheme")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let path = path.replace("<CRLF>", "\r\n");
    request
        .set_method(method)
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(&path)))
        .map_err(|()| format!("{url} is no URL"))
}

async fn send(
    method: &Method,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<Vec<u8>>,
) -> Result<String, String> {
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let (mut writer, reader) = wit_stream::new();
    let contents = body.is_some().then_some(reader);
    let (request, _sent) = Request::new(fields(headers)?, contents, no_trailers, None);
    aim(&request, method, url)?;
    let write = async move {
        if let Some(body) = body {
            writer.write_all(body).await;
        }
    };
    let (answer, ()) = join(client::send(request), write).await;
    receive(answer).await
}

async fn path(url: &str, path: &str) -> Result<String, String> {
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(fields(&[])?, None, no_trailers, None);
    aim(&request, &Method::Get, url)?;
    request.set_path_with_query(Some(path)).map_err(|()| format!("{path} is no URL"))?;
    receive(client::send(request).await).await
}

/// `KIB`: a request of which each text is that long. Which of them were taken.
pub(crate) fn long_request(kib: usize) -> Done {
    let text = "x".repeat(kib << 10);
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(Fields::new(), None, no_trailers, None);
    done(format!(
        "method={} scheme={} authority={} path={}",
        request.set_method(&Method::Other(text.clone())).is_ok(),
        request.set_scheme(Some(&Scheme::Other(text.clone()))).is_ok(),
        request.set_authority(Some(&text)).is_ok(),
        request.set_path_with_query(Some(&format!("/{text}"))).is_ok(),
    ))
}

async fn endless(url: &str) -> Result<String, String> {
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let (mut writer, reader) = wit_stream::new();
    let (request, _sent) = Request::new(fields(&[])?, Some(reader), no_trailers, None);
    aim(&request, &Method::Post, url)?;
    let write = async move { while writer.write_all(vec![b'x'; 64 << 10]).await.is_empty() {} };
    let (answer, ()) = join(client::send(request), write).await;
    receive(answer).await
}

async fn receive(answer: Result<Response, ErrorCode>) -> Result<String, String> {
    let response = answer.map_err(|e| format!("{e:?}"))?;
    let status = response.get_status_code();
    let headers = response.get_headers().copy_all();
    let headers: Vec<_> =
        headers.into_iter().map(|(name, value)| format!("{name}: {}", hex(&value))).collect();
    let (_, fine) = wit_future::new(|| Ok(()));
    let (body, trailers) = Response::consume_body(response, fine);
    let body = body.collect().await;
    trailers.await.map_err(|e| format!("after {} bytes: {e:?}", body.len()))?;
    Ok(format!("{status}\n{}\n\n{}", headers.join("\n"), hex(&body)))
}

/// What the component holds, as nothing on the way out can recognise it.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(4096).map(|byte| format!("{byte:02x}")).collect()
}
