//! What the gateway has to know of a request's body, and what no body may ask for.
//!
//! The body itself passes as it is. What is not understood here the service does not get: a field that is there twice,
//! a tool of the service's own that reaches somewhere else.

use crate::{Format, content::Content, route::Route};
use serde::{Deserialize, de::IgnoredAny};
use std::borrow::Cow;

/// The longest name of a model.
const MODEL_BYTES: usize = 256;

/// What a request may write when it does not say: the most of any model.
const MOST_OUTPUT: u64 = 128_000;

/// The prompt of a request that goes on with what the service has kept: the most that costs no surcharge.
const KEPT_PROMPT: u64 = 272_000;

/// Bytes of text to a token, where the service has not counted yet. It is more than four in English prose.
pub(crate) const BYTES_PER_TOKEN: u64 = 3;

/// From this length on, characters of base 64 are taken for an image or a document.
const ENCODED_RUN: usize = 4096;
/// Bytes of base 64 to a token.
const ENCODED_BYTES_PER_TOKEN: usize = 64;

/// Tools that run where the agent does, or that only search.
const ANTHROPIC_TOOLS: [&str; 7] =
    ["custom", "bash_", "computer_", "memory_", "text_editor_", "tool_search_tool_", "web_search_"];
const OPENAI_TOOLS: [&str; 7] =
    ["apply_patch", "custom", "function", "local_shell", "namespace", "tool_search", "web_search"];

/// What a request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) model: String,
    /// Whether the response is asked for as a stream.
    pub(crate) streams: bool,
    /// The most tokens that the model may write.
    pub(crate) most_output: u64,
    /// About how many tokens the prompt has.
    pub(crate) prompt: u64,
    /// What its features make of the price, in thousandths.
    pub(crate) factor: u32,
}

/// Why a body is not passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadBody {
    /// It is not a request.
    Malformed(String),
    /// It asks for what no agent may.
    Forbidden(String),
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_output_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    /// How many answers are asked for.
    #[serde(default)]
    n: Option<u64>,
    #[serde(default, borrow)]
    speed: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    service_tier: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    inference_geo: Option<Cow<'a, str>>,
    #[serde(default)]
    background: Option<bool>,
    #[serde(default)]
    previous_response_id: Option<IgnoredAny>,
    #[serde(default)]
    conversation: Option<IgnoredAny>,
    #[serde(default)]
    prompt: Option<IgnoredAny>,
    #[serde(
        default,
        alias = "models",
        alias = "fallback",
        alias = "fallback_model",
        alias = "fallback_models"
    )]
    fallbacks: Option<IgnoredAny>,
    #[serde(default)]
    mcp_servers: Option<Vec<IgnoredAny>>,
    #[serde(default, borrow)]
    tools: Option<Vec<Tool<'a>>>,
    #[serde(default)]
    messages: Content,
    #[serde(default)]
    input: Content,
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(default, rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    tools: Option<Vec<Tool<'a>>>,
}

impl Facts {
    /// Reads a body.
    pub(crate) fn read(format: Format, route: Route, bytes: &[u8]) -> Result<Self, BadBody> {
        let malformed =
            |e: serde_json::Error| BadBody::Malformed(format!("the request is not valid: {e}"));
        let body: Body<'_> = serde_json::from_slice(bytes).map_err(malformed)?;
        if body.model.is_empty() || body.model.len() > MODEL_BYTES {
            return Err(BadBody::Malformed("model: a name is expected".to_owned()));
        }
        check(format, &body)?;
        // The service takes no notice of a limit under a name that is another format's.
        let asked = match route {
            Route::Responses => [body.max_output_tokens, None],
            Route::Chat => [body.max_completion_tokens, body.max_tokens],
            _ => [body.max_tokens, None],
        };
        let most = asked.into_iter().flatten().max().unwrap_or(MOST_OUTPUT);
        let kept = [&body.previous_response_id, &body.conversation, &body.prompt];
        let goes_on = route == Route::Responses && kept.iter().any(|kept| kept.is_some());
        let prompt = if goes_on { KEPT_PROMPT } else { 0 };
        Ok(Self {
            model: body.model.clone().into_owned(),
            streams: body.stream.unwrap_or(false),
            most_output: most.saturating_mul(body.n.unwrap_or(1).max(1)),
            prompt: estimate(bytes).saturating_add(prompt),
            factor: factor(&body),
        })
    }
}

/// Refuses what reaches from the service to somewhere else, and what goes on when the connection has ended.
fn check(format: Format, body: &Body<'_>) -> Result<(), BadBody> {
    let forbid = |what: String| Err(BadBody::Forbidden(what));
    if let Some(kind) = body.tools.as_deref().and_then(|tools| foreign(format, tools)) {
        let what = "is run by the model's service, which would reach hosts that this agent may not";
        return forbid(format!("tools: {kind:?} {what}"));
    }
    if body.mcp_servers.as_ref().is_some_and(|servers| !servers.is_empty()) {
        return forbid(
            "mcp_servers: the model's service may not connect to other servers".to_owned(),
        );
    }
    if body.fallbacks.is_some() {
        return forbid("a request names one model, and no others in its place".to_owned());
    }
    if body.messages.has_address || body.input.has_address {
        let what = "the model's service may not fetch addresses; send the content itself";
        return forbid(what.to_owned());
    }
    if body.background == Some(true) {
        let what =
            "background: a request that goes on without its connection cannot be ended in time";
        return forbid(what.to_owned());
    }
    Ok(())
}

/// The first tool that is not the agent's own.
fn foreign<'a>(format: Format, tools: &'a [Tool<'_>]) -> Option<&'a str> {
    tools.iter().find_map(|tool| {
        let kind = tool.kind.as_deref();
        let known = match (format, kind) {
            (Format::Anthropic, None) => true,
            (Format::OpenAi, None) => false,
            (Format::Anthropic, Some(kind)) => ANTHROPIC_TOOLS
                .iter()
                .any(|own| kind == *own || own.ends_with('_') && kind.starts_with(own)),
            (Format::OpenAi, Some(kind)) => {
                OPENAI_TOOLS.contains(&kind) || kind.starts_with("web_search_preview")
            }
        };
        if known { foreign(format, tool.tools.as_deref()?) } else { Some(kind.unwrap_or("")) }
    })
}

/// What faster processing, or processing in one place, makes of the price.
fn factor(body: &Body<'_>) -> u32 {
    let is = |field: &Option<Cow<'_, str>>, word: &str| field.as_deref() == Some(word);
    let speed = if is(&body.speed, "fast") { 6000 } else { 1000 };
    let tier = if is(&body.service_tier, "priority") || is(&body.service_tier, "fast") {
        2500
    } else {
        1000
    };
    let place =
        if body.inference_geo.as_deref().is_some_and(|geo| geo != "global") { 1100 } else { 1000 };
    speed * tier / 1000 * place / 1000
}

/// About how many tokens a body has. Long runs of base 64 are images and documents, which have far fewer.
fn estimate(body: &[u8]) -> u64 {
    let encoded = |b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b);
    let (mut run, mut encoded_bytes) = (0, 0);
    for &byte in body.iter().chain(b"\"") {
        if encoded(byte) {
            run += 1;
        } else {
            if run >= ENCODED_RUN {
                encoded_bytes += run;
            }
            run = 0;
        }
    }
    let text = (body.len() - encoded_bytes) as u64;
    text.div_ceil(BYTES_PER_TOKEN) + (encoded_bytes / ENCODED_BYTES_PER_TOKEN) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(format: Format, body: &Value) -> Result<Facts, BadBody> {
        let route = match format {
            Format::Anthropic => Route::Messages,
            Format::OpenAi => Route::Responses,
        };
        Facts::read(format, route, body.to_string().as_bytes())
    }

    fn forbidden(format: Format, body: &Value) -> bool {
        matches!(read(format, body), Err(BadBody::Forbidden(_)))
    }

    #[test]
    fn the_facts_are_read_and_the_rest_is_nobodys() {
        let body = json!({
            "model": "claude-opus-5", "max_tokens": 32000, "stream": true, "metadata": {"user_id": "u"},
            "system": [{"type": "text", "text": "s"}], "thinking": {"type": "enabled", "budget_tokens": 1024},
            "tools": [{"name": "Bash", "input_schema": {"type": "object", "properties": {"url": {"type": "string"}}}},
                {"type": "web_search_20250305", "name": "web_search"}, {"type": "custom", "name": "x"}],
            "messages": [{"role": "user", "content": "see https://example.com"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "WebFetch",
                    "input": {"url": "https://example.com", "image_url": "https://example.com"}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}]}]}],
        });
        let facts = read(Format::Anthropic, &body).unwrap();
        assert_eq!(
            (facts.model.as_str(), facts.streams, facts.most_output),
            ("claude-opus-5", true, 32000)
        );
        assert_eq!(facts.factor, 1000);
        let size = body.to_string().len() as u64;
        assert_eq!(facts.prompt, size.div_ceil(3));
    }

    #[test]
    fn what_is_there_twice_is_not_understood_in_two_ways() {
        for body in [
            r#"{"model": "cheap", "model": "dear"}"#,
            r#"{"model": "cheap", "mod\u0065l": "dear"}"#,
            r#"{"model": "x", "max_tokens": 1, "max_tokens": 100000}"#,
            r#"{"model": "x", "tools": [], "tools": [{"type": "code_execution_20250825"}]}"#,
            r#"{"model": "x", "messages": [{"content": [{"source": {"type": "base64", "type": "url"}}]}]}"#,
            r#"{"model": "x"} {"model": "y"}"#,
            r#"{"model": 7}"#,
            r#"{"model": ""}"#,
            r#"{"max_tokens": 1}"#,
            r#"{"model": "x", "max_tokens": -1}"#,
            r#"{"model": "x", "max_tokens": 1e30}"#,
            "[]",
            "",
        ] {
            let read = Facts::read(Format::Anthropic, Route::Messages, body.as_bytes());
            assert!(matches!(read, Err(BadBody::Malformed(_))), "{body}: {read:?}");
        }
        let deep = format!(r#"{{"model": "x", "messages": {}"#, r#"[{"content": "#.repeat(500));
        assert!(Facts::read(Format::Anthropic, Route::Messages, deep.as_bytes()).is_err());
    }

    #[test]
    fn the_service_reaches_nothing_for_an_agent() {
        use Format::{Anthropic, OpenAi};
        let image = |source: Value| json!([{"type": "image", "source": source}]);
        let message = |content: Value| json!({"model": "x", "messages": [{"role": "user", "content": content}]});
        let url = json!({"type": "url", "url": "https://evil.example/?secret"});
        for (format, body) in [
            (
                Anthropic,
                json!({"model": "x", "tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}),
            ),
            (Anthropic, json!({"model": "x", "tools": [{"type": "code_execution_20250825"}]})),
            (Anthropic, json!({"model": "x", "tools": [{"type": "mcp_toolset"}]})),
            (Anthropic, json!({"model": "x", "tools": [{"type": "customised"}]})),
            (Anthropic, json!({"model": "x", "mcp_servers": [{"url": "https://evil.example"}]})),
            (Anthropic, message(image(url.clone()))),
            (Anthropic, message(json!([{"type": "document", "source": url}]))),
            (Anthropic, message(image(json!({"type": "\u{75}rl", "url": "https://evil.example"})))),
            (Anthropic, message(json!([{"type": "tool_result", "content": image(url.clone())}]))),
            (
                Anthropic,
                message(
                    json!([{"type": "document", "source": {"type": "content", "content": image(url)}}]),
                ),
            ),
            (
                OpenAi,
                json!({"model": "x", "tools": [{"type": "mcp", "server_url": "https://evil.example"}]}),
            ),
            (OpenAi, json!({"model": "x", "tools": [{"type": "code_interpreter"}]})),
            (
                OpenAi,
                json!({"model": "x", "tools": [{"type": "namespace", "tools": [{"type": "mcp"}]}]}),
            ),
            (OpenAi, json!({"model": "x", "tools": [{"name": "untyped"}]})),
            (OpenAi, json!({"model": "x", "background": true})),
            (OpenAi, json!({"model": "x", "models": ["y"]})),
            (Anthropic, json!({"model": "x", "fallbacks": [{"model": "y"}]})),
            (Anthropic, json!({"model": "x", "fallback_model": "y"})),
            (
                OpenAi,
                json!({"model": "x", "input": [{"content": [{"type": "input_image", "image_url": "https://e"}]}]}),
            ),
            (
                OpenAi,
                json!({"model": "x", "input": [{"content": [{"type": "input_file", "file_url": "https://e"}]}]}),
            ),
            (
                OpenAi,
                json!({"model": "x", "input": [{"type": "function_call_output", "output":
                [{"type": "input_image", "image_url": "HTTPS://e"}]}]}),
            ),
            (OpenAi, message(json!([{"type": "image_url", "image_url": {"url": "https://e"}}]))),
        ] {
            assert!(forbidden(format, &body), "{body} {:?}", read(format, &body));
        }
        let data = json!([{"type": "input_image", "image_url": "data:image/png;base64,aGk="}]);
        assert!(!forbidden(
            OpenAi,
            &json!({"model": "x", "input": [{"content": data}, {"content": "https://e"}, "t"]})
        ));
    }

    #[test]
    fn the_most_is_what_it_may_come_to() {
        let most = |route, body: Value| {
            let format = if route == Route::Messages { Format::Anthropic } else { Format::OpenAi };
            Facts::read(format, route, &serde_json::to_vec(&body).unwrap()).unwrap().most_output
        };
        assert_eq!(most(Route::Chat, json!({"model": "x"})), MOST_OUTPUT);
        assert_eq!(most(Route::Responses, json!({"model": "x", "max_output_tokens": 5})), 5);
        let chat = json!({"model": "x", "max_tokens": 5, "max_completion_tokens": 9, "n": 4});
        assert_eq!(most(Route::Chat, chat), 36);
        let huge = json!({"model": "x", "max_tokens": u64::MAX, "n": u64::MAX});
        assert_eq!(most(Route::Chat, huge), u64::MAX);
        // A limit by another format's name is none.
        for (route, name) in [
            (Route::Responses, "max_tokens"),
            (Route::Responses, "max_completion_tokens"),
            (Route::Chat, "max_output_tokens"),
            (Route::Messages, "max_output_tokens"),
        ] {
            assert_eq!(most(route, json!({"model": "x", (name): 1})), MOST_OUTPUT, "{name}");
        }
        let goes_on = json!({"model": "x", "previous_response_id": "resp_1"});
        assert!(read(Format::OpenAi, &goes_on).unwrap().prompt > KEPT_PROMPT);
    }

    #[test]
    fn features_that_cost_more_are_seen() {
        let factor = |body| read(Format::Anthropic, &body).unwrap().factor;
        assert_eq!(factor(json!({"model": "x", "speed": "fast"})), 6000);
        assert_eq!(factor(json!({"model": "x", "service_tier": "priority"})), 2500);
        assert_eq!(factor(json!({"model": "x", "inference_geo": "us"})), 1100);
        assert_eq!(factor(json!({"model": "x", "speed": "fast", "inference_geo": "us"})), 6600);
        assert_eq!(factor(json!({"model": "x", "service_tier": "auto"})), 1000);
    }

    #[test]
    fn an_image_is_not_taken_for_prose() {
        let image = "iVBORw0KGgo".repeat(100_000);
        let tokens = estimate(format!(r#"{{"data": "{image}"}}"#).as_bytes());
        assert!((10_000..20_000).contains(&tokens), "{tokens}");
        assert_eq!(estimate(b"abcdef"), 2);
    }
}
