//! Which kind of failure it is, by a table: `failures.json`, and the operator's own families before it.

use cyrus_sdk::contract::ErrorKind;
use serde::Deserialize;
use std::sync::LazyLock;

/// The table that comes with the plugin.
pub(crate) const TABLE: &str = include_str!("../failures.json");

static BUILT_IN: LazyLock<Vec<Family>> =
    LazyLock::new(|| serde_json::from_str(TABLE).expect("failures.json is a table of families"));

/// Failures of one kind. All conditions that are given have to hold; of a list, one entry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Family {
    /// What these failures have in common, for people.
    pub name: String,
    /// What they are.
    pub kind: Kind,
    /// HTTP statuses: `429`, `5xx`, or `none` where there is none.
    #[serde(default)]
    pub statuses: Vec<StatusPattern>,
    /// Claude Code's own words for a failed request: `rate_limit`.
    #[serde(default)]
    pub codes: Vec<String>,
    /// Parts of messages, in any case. `*` stands for any text.
    #[serde(default)]
    pub says: Vec<String>,
}

/// What a failure is, in the words of the contract, and `session-broken` for a conversation that cannot be continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Too much, too fast. Waited for.
    RateLimited,
    /// Not there for now. Tried again.
    Unavailable,
    /// No login, or not this one.
    Unauthorized,
    /// No credit left.
    QuotaExhausted,
    /// The request makes no sense, and no second try would.
    InvalidRequest,
    /// The model declines.
    Refused,
    /// Tried, and not successful.
    Failed,
    /// The conversation cannot be continued. The work goes on in a new one.
    SessionBroken,
}

impl From<Kind> for ErrorKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::RateLimited => Self::RateLimited,
            Kind::Unavailable => Self::Unavailable,
            Kind::Unauthorized => Self::Unauthorized,
            Kind::QuotaExhausted => Self::QuotaExhausted,
            Kind::InvalidRequest => Self::InvalidRequest,
            Kind::Refused => Self::Refused,
            Kind::Failed | Kind::SessionBroken => Self::Failed,
        }
    }
}

/// One HTTP status, a hundred of them, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum StatusPattern {
    /// This one.
    Is(u64),
    /// Every one that begins with this digit.
    Hundred(u64),
    /// There is none.
    Absent,
}

impl TryFrom<String> for StatusPattern {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let class = text.strip_suffix("xx").and_then(|digit| digit.parse().ok());
        match (text.as_str(), class, text.parse()) {
            ("none", _, _) => Ok(Self::Absent),
            (_, Some(digit @ 1..=9), _) => Ok(Self::Hundred(digit)),
            (_, _, Ok(status @ 100..=999)) => Ok(Self::Is(status)),
            _ => Err(format!("{text:?} is no HTTP status: write 429, 5xx or none")),
        }
    }
}

impl StatusPattern {
    fn holds(self, status: Option<u64>) -> bool {
        match (self, status) {
            (Self::Is(this), Some(status)) => this == status,
            (Self::Hundred(digit), Some(status)) => status / 100 == digit,
            (Self::Absent, status) => status.is_none(),
            _ => false,
        }
    }
}

/// What a failure shows of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Signs<'a> {
    /// The HTTP status of the request that failed.
    pub(crate) status: Option<u64>,
    /// Claude Code's word for it.
    pub(crate) code: &'a str,
    /// What it says to people.
    pub(crate) said: &'a str,
}

/// The operator's families and those that come with the plugin: the first that holds decides.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Failures<'a> {
    own: &'a [Family],
}

impl<'a> Failures<'a> {
    pub(crate) fn with(own: &'a [Family]) -> Self {
        Self { own }
    }

    /// The kind of a failure; `None` where no family holds.
    pub(crate) fn kind(self, signs: Signs<'_>) -> Option<Kind> {
        let said = normalised(signs.said);
        let status = signs.status.or_else(|| status_in(&said));
        let holds = |family: &&Family| family.holds(status, signs.code, &said);
        self.own.iter().chain(BUILT_IN.iter()).find(holds).map(|family| family.kind)
    }
}

impl Family {
    /// Refuses a family that holds for everything.
    pub(crate) fn check(&self) -> Result<(), String> {
        let empty = self.statuses.is_empty() && self.codes.is_empty() && self.says.is_empty();
        let blank = |text: &String| text.trim_matches(['*', ' ']).is_empty();
        if empty || self.says.iter().chain(&self.codes).any(blank) {
            return Err(format!(
                "the family {:?} holds for every failure: give it statuses, codes or says",
                self.name
            ));
        }
        Ok(())
    }

    fn holds(&self, status: Option<u64>, code: &str, said: &str) -> bool {
        let any = |list: &[String], holds: &dyn Fn(&str) -> bool| {
            list.is_empty() || list.iter().any(|one| holds(one))
        };
        (self.statuses.is_empty() || self.statuses.iter().any(|one| one.holds(status)))
            && any(&self.codes, &|one| one.eq_ignore_ascii_case(code))
            && any(&self.says, &|one| says(said, one))
    }
}

/// Whether the parts of a pattern come one after the other.
fn says(said: &str, pattern: &str) -> bool {
    let pattern = normalised(pattern);
    let mut rest = said;
    pattern.split('*').map(str::trim).all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// Text in lower case, with plain apostrophes, without backticks, and with single spaces.
fn normalised(text: &str) -> String {
    let plain = text.chars().filter(|c| *c != '`').map(|c| match c {
        '\u{2018}' | '\u{2019}' => '\'',
        other => other,
    });
    let plain = plain.collect::<String>().to_lowercase();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The HTTP status that a message names: `API Error: 500 {…}`, `Request rejected (429)`, `HTTP 503`.
fn status_in(said: &str) -> Option<u64> {
    const BEFORE: [&str; 8] =
        ["error", "status", "code", "http", "rejected", "repeated", "returned", "statuscode"];
    let words = said.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    words.windows(2).find_map(|pair| {
        let status = pair[1].parse::<u64>().ok()?;
        let named = BEFORE.contains(&pair[0]) && pair[1].len() == 3;
        (named && (400..600).contains(&status)).then_some(status)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(said: &str) -> Option<Kind> {
        Failures::default().kind(Signs { said, ..Signs::default() })
    }

    #[test]
    fn limits_in_every_wording_are_limits() {
        for text in [
            "Claude AI usage limit reached|1999999999",
            "Claude usage limit reached. Your limit will reset at 3pm (America/Santiago).",
            "You've hit your limit · resets 3pm (Europe/Madrid)",
            "You\u{2019}ve hit your session limit · resets 10:10pm (Europe/Madrid)",
            "You've hit your weekly limit · resets Jun 9 at 1am (America/Sao_Paulo)",
            "You've hit your org's weekly limit · resets Monday 9am",
            "You've reached your Fable limit.",
            "5-hour limit reached ∙ resets 3am",
            "Session limit reached ∙ resets 8pm",
            "Opus weekly limit reached ∙ resets Oct 31, 9am",
            "You're out of extra usage · resets 4pm",
            "Limit reached · resets in 5 hours",
            "API Error: Request rejected (429) · This request would exceed your account's rate limit. Please try again later.",
            "Error: 429 {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\"}}",
            "ThrottlingException: Too many tokens, please wait before trying again.",
            "RESOURCE_EXHAUSTED: Quota exceeded for aiplatform.googleapis.com",
        ] {
            assert_eq!(said(text), Some(Kind::RateLimited), "{text}");
        }
    }

    #[test]
    fn logins_in_every_wording_are_logins() {
        for text in [
            "Not logged in · Please run /login",
            "Invalid API key · Fix external API key",
            "Failed to authenticate: OAuth session expired and could not be refreshed",
            "API Error: 401 {\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"OAuth token has expired.\"}} · Please run /login",
            "Your organization has been disabled",
            "This organization does not have access to Claude Code",
            "The security token included in the request is expired",
            "Could not load credentials from any providers",
            "Could not load the default credentials",
        ] {
            assert_eq!(said(text), Some(Kind::Unauthorized), "{text}");
        }
    }

    #[test]
    fn broken_services_and_connections_are_unavailable() {
        for text in [
            "API Error: Connection closed mid-response. The response above may be incomplete.",
            "API Error: Request timed out.",
            "API Error: 500 {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"Internal server error\"}}",
            "API Error: Repeated 529 Overloaded errors",
            "API Error (529 {\"type\":\"error\"})",
            "API Error: Connection to the API was lost (ECONNRESET)",
            "API Error: Unable to connect to API due to poor internet connection",
            "API Error (Connection error.)",
            "TypeError (fetch failed)",
            "API Error: The socket connection was closed unexpectedly",
            "getaddrinfo ENOTFOUND api.anthropic.com",
            "API Error: terminated",
            "unable to get local issuer certificate",
        ] {
            assert_eq!(said(text), Some(Kind::Unavailable), "{text}");
        }
    }

    #[test]
    fn broken_conversations_are_told_from_broken_requests() {
        for (status, text) in [
            (Some(400), "Prompt is too long"),
            (None, "Conversation too long. Press esc twice to go up a few messages and try again."),
            (
                Some(400),
                "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000",
            ),
            (Some(413), "Request too large (max 32MB)"),
            (
                None,
                "API Error: 400 {\"type\":\"error\",\"error\":{\"message\":\"messages.208: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_01\"}}",
            ),
            (
                Some(400),
                "messages.218.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_0",
            ),
            (
                Some(400),
                "messages.1.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified",
            ),
            (
                None,
                "API Error: 400 due to tool use concurrency issues. Run /rewind to recover the conversation.",
            ),
            (Some(400), "Could not process image"),
        ] {
            let kind = Failures::default().kind(Signs { status, code: "", said: text });
            assert_eq!(kind, Some(Kind::SessionBroken), "{text}");
        }
        for (status, text) in [
            (Some(400), "model: Field required"),
            (None, "The tests do not pass"),
            (None, "the 529 tests of the suite do not pass"),
            (Some(400), ""),
        ] {
            assert_eq!(
                Failures::default().kind(Signs { status, code: "", said: text }),
                None,
                "{text}"
            );
        }
        let elsewhere = Signs { status: Some(500), code: "", said: "messages.1.content" };
        assert_eq!(Failures::default().kind(elsewhere), Some(Kind::Unavailable));
    }

    #[test]
    fn statuses_and_codes_decide_where_words_do_not() {
        for (status, code, kind) in [
            (Some(401), "", Kind::Unauthorized),
            (Some(403), "", Kind::Unauthorized),
            (Some(402), "", Kind::QuotaExhausted),
            (Some(404), "", Kind::InvalidRequest),
            (Some(429), "", Kind::RateLimited),
            (Some(503), "", Kind::Unavailable),
            (Some(529), "", Kind::Unavailable),
            (None, "authentication_failed", Kind::Unauthorized),
            (None, "billing_error", Kind::QuotaExhausted),
            (None, "rate_limit", Kind::RateLimited),
            (None, "overloaded", Kind::Unavailable),
            (None, "server_error", Kind::Unavailable),
        ] {
            let kind_of = Failures::default().kind(Signs { status, code, said: "" });
            assert_eq!(kind_of, Some(kind), "{status:?} {code}");
        }
        // Comes as a 400.
        let credit =
            Signs { status: Some(400), code: "invalid_request", said: "Credit balance is too low" };
        assert_eq!(Failures::default().kind(credit), Some(Kind::QuotaExhausted));
    }

    #[test]
    fn the_operators_families_go_before_the_built_in_ones() {
        let own: Vec<Family> = serde_json::from_str(
            r#"[{"name": "our gateway", "kind": "rate-limited", "statuses": ["503"], "says": ["pool * busy"]}]"#,
        )
        .unwrap();
        let signs = |said| Signs { status: Some(503), code: "", said };
        let table = Failures::with(&own);
        assert_eq!(table.kind(signs("The Pool of keys is BUSY")), Some(Kind::RateLimited));
        assert_eq!(table.kind(signs("busy pool")), Some(Kind::Unavailable));
    }

    #[test]
    fn a_family_says_what_it_holds_for() {
        for family in BUILT_IN.iter() {
            family.check().unwrap();
        }
        for (bad, why) in [
            (r#"{"name": "x", "kind": "failed"}"#, "every failure"),
            (r#"{"name": "x", "kind": "failed", "says": [" * "]}"#, "every failure"),
        ] {
            let family: Family = serde_json::from_str(bad).unwrap();
            assert!(family.check().unwrap_err().contains(why));
        }
        for bad in [
            r#"{"name": "x", "kind": "strange"}"#,
            r#"{"name": "x", "kind": "failed", "statuses": ["often"]}"#,
            r#"{"name": "x", "kind": "failed", "sais": ["a"]}"#,
        ] {
            assert!(serde_json::from_str::<Family>(bad).is_err(), "{bad}");
        }
    }
}
