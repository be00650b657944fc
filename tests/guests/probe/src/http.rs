//! Requests, told as text: status, headers and body.

use crate::{
    bindings::{
        cyrus::executor::types::{ErrorKind, ExecutionError},
        wasi::http::{
            client,
            types::{ErrorCode, Fields, Method, Request, Response, Scheme},
        },
        wit_future, wit_stream,
    },
    guest::error,
};
use futures::future::{join, join_all};

/// `URL [HEADER VALUE]…`
pub(crate) async fn get(words: &[&str]) -> Result<String, ExecutionError> {
    let headers: Vec<_> = words[1..].chunks(2).map(|pair| (pair[0], pair[1])).collect();
    told(send(words[0], &headers, None).await)
}

pub(crate) async fn get_many(url: &str, count: usize) -> String {
    let answers = join_all((0..count).map(|_| send(url, &[], None))).await;
    let fine = answers.iter().filter(|answer| answer.is_ok()).count();
    let refused = answers.iter().find_map(|answer| answer.as_ref().err());
    format!("{fine} answered, {refused:?}")
}

pub(crate) async fn post(url: &str, size: usize) -> Result<String, ExecutionError> {
    told(send(url, &[], Some(vec![b'x'; size])).await)
}

fn told(answer: Result<String, String>) -> Result<String, ExecutionError> {
    answer.map_err(|problem| error(ErrorKind::Unavailable, problem))
}

async fn send(
    url: &str,
    headers: &[(&str, &str)],
    body: Option<Vec<u8>>,
) -> Result<String, String> {
    let (scheme, rest) = url.split_once("://").ok_or("no scheme")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).map_err(|e| format!("header {name}: {e:?}"))?;
    }
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let (mut writer, reader) = wit_stream::new();
    let post = body.is_some();
    let (request, _sent) = Request::new(fields, post.then_some(reader), no_trailers, None);
    let scheme = if scheme == "http" { Scheme::Http } else { Scheme::Https };
    let method = if post { Method::Post } else { Method::Get };
    let set = request
        .set_method(&method)
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(path)));
    set.map_err(|()| format!("{url} is no URL"))?;
    let write = async move {
        if let Some(body) = body {
            writer.write_all(body).await;
        }
    };
    let (answer, ()) = join(client::send(request), write).await;
    receive(answer).await
}

async fn receive(answer: Result<Response, ErrorCode>) -> Result<String, String> {
    let response = answer.map_err(|e| format!("{e:?}"))?;
    let status = response.get_status_code();
    let headers = response.get_headers().copy_all();
    let headers: Vec<_> = headers
        .into_iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(&value)))
        .collect();
    let (_, fine) = wit_future::new(|| Ok(()));
    let (body, trailers) = Response::consume_body(response, fine);
    let body = String::from_utf8_lossy(&body.collect().await).into_owned();
    trailers.await.map_err(|e| format!("after {} bytes: {e:?}", body.len()))?;
    Ok(format!("{status}\n{}\n\n{body}", headers.join("\n")))
}
