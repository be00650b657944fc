//! What an executor sees of the host, and the host of an executor, through the scripted host.

use cyrus_sdk::{
    contract::{
        Answer, Cost, Descriptor, ErrorKind, Event, ExecutionResult, Exit, Outcome, Question,
        Signal, StopMode, StopResult, Task, Usage,
    },
    http::HttpError,
    testing::{Program, Reply, TestHost},
    *,
};
use serde_json::{Value, json};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Does what the prompt says.
struct Verbs;

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    max_line: Option<usize>,
}

impl Executor for Verbs {
    type Settings = Settings;

    fn describe(_: Settings) -> Result<Descriptor> {
        Ok(Descriptor::new("Verbs", "1.2.3", "Does what the prompt says."))
    }

    async fn execute(task: Task, settings: Settings, context: Context) -> Result<Outcome> {
        let text = match task.prompt.as_str() {
            "sleep" => {
                context.sleep(SECOND * 60).await?;
                "slept".to_owned()
            }
            "wait for a program" => {
                format!("{:?}", context.spawn("tool", &["--run"])?.wait().await?)
            }
            "talk to a program" => talk(&context, settings.max_line.unwrap_or(100)).await?,
            "put a program down" => put_down(&context).await?,
            "fetch" => {
                let api = context.http("https://api.example").timeout(SECOND * 10);
                api.get("/thing").fetch::<Value>().await?.to_string()
            }
            "ask" => format!("{:?}", context.ask(&Question::user("q", "Which?")).await?),
            "spend" => {
                let usage = Usage { cost: Cost::reported(0.5), ..Usage::default() };
                context.spend(&usage).await?;
                "spent".to_owned()
            }
            "emit" => {
                context.emit_all((0..1_000).map(|n| Event::message(n.to_string()))).await;
                "emitted".to_owned()
            }
            "wait for nothing" => std::future::pending().await,
            other => return Err(Error::invalid_request(format!("no verb {other:?}"))),
        };
        Ok(ExecutionResult::new(text).into())
    }
}

export!(Verbs);

async fn talk(context: &Context, limit: usize) -> Result<String> {
    let tool = context.spawn("tool", &["--echo"])?;
    tool.keep_stderr(10)?;
    let (mut stdin, mut lines) = (tool.stdin()?, tool.stdout()?.lines(limit));
    stdin.write_line("hello").await?;
    let first = lines.next().await?;
    drop(stdin);
    let rest = lines.next().await?;
    let exit = tool.wait().await?;
    Ok(format!("{first:?} {rest:?} {exit:?} {:?}", tool.stderr_tail()))
}

/// On a stop it interrupts the program and still reads what that says.
async fn put_down(context: &Context) -> Result<String> {
    let tool = context.spawn::<&str>("tool", &[])?;
    let mut lines = tool.stdout()?.lines(100);
    let error = match lines.next().await {
        Ok(line) => return Ok(format!("{line:?}")),
        Err(error) => Error::from(error),
    };
    assert_eq!(context.acknowledge_stop().await, StopMode::Cancel);
    tool.signal(Signal::Interrupt)?;
    let last = lines.next().await?.unwrap_or_default();
    Err(error.context(last))
}

fn stopped(host: TestHost, verb: &str) {
    let run = host.stop_at(SECOND, StopMode::Cancel).run::<Verbs>(verb);
    assert_eq!(run.error().kind, ErrorKind::Cancelled, "{verb}");
    assert_eq!(run.stopped, Some(StopResult::Stopped), "{verb}");
    assert_eq!(run.elapsed, SECOND, "{verb}");
}

#[test]
fn a_stop_breaks_every_wait() {
    stopped(TestHost::new(), "sleep");
    stopped(TestHost::new().program("tool", |_| Program::new()), "wait for a program");
    stopped(TestHost::new().program("tool", |_| Program::new()), "talk to a program");
    stopped(TestHost::new().http(|_| Reply::hang()), "fetch");
    stopped(TestHost::new().http(|_| Reply::json(200, &json!(1)).after(SECOND * 5)), "fetch");
}

#[test]
fn a_wait_that_is_broken_before_the_stop_is_told_is_part_of_it() {
    let host = TestHost::new().answers(|_| Answer::Cancelled);
    let run = host.stop_at(SECOND / 2, StopMode::Cancel).run::<Verbs>("ask");
    assert_eq!(run.error().kind, ErrorKind::Cancelled);
    assert_eq!((run.stopped, run.elapsed), (Some(StopResult::Stopped), SECOND / 2));
}

#[test]
fn a_stop_after_the_end_finds_nothing_to_stop() {
    let run = TestHost::new().stop_at(SECOND * 120, StopMode::Cancel).run::<Verbs>("sleep");
    assert_eq!(run.completed().summary, "slept");
    assert_eq!(run.stopped, None);
    assert_eq!(run.elapsed, SECOND * 60);
}

#[test]
fn after_a_stop_is_acknowledged_the_program_can_still_be_heard() {
    let program = |_: &[String]| {
        Program::new().on_signal(|signal, terminal| {
            assert_eq!(signal, Signal::Interrupt);
            terminal.pause(SECOND);
            terminal.print("interrupted after two turns");
            terminal.exit(130);
        })
    };
    let host = TestHost::new().program("tool", program).stop_at(SECOND, StopMode::Cancel);
    let run = host.run::<Verbs>("put a program down");
    assert_eq!(run.error().kind, ErrorKind::Cancelled);
    assert!(run.error().message.starts_with("interrupted after two turns: "));
    assert_eq!(run.record.launches[0].signals, [Signal::Interrupt]);
}

#[test]
fn a_conversation_with_a_program() {
    let program = |args: &[String]| {
        assert_eq!(args, ["--echo"]);
        let program = Program::new().on_line(|line, terminal| {
            terminal.print_error("a long complaint");
            terminal.print(line.to_uppercase());
        });
        program.on_end_of_input(|terminal| {
            terminal.print_bytes("bye");
            terminal.exit(3);
        })
    };
    let run = TestHost::new().program("tool", program).run::<Verbs>("talk to a program");
    let said = format!(r#"Some("HELLO") Some("bye") {:?} "complaint\n""#, Exit::Code(3));
    assert_eq!(run.completed().summary, said);
    let launch = &run.record.launches[0];
    assert_eq!((launch.lines.as_slice(), launch.input_closed), (&["hello".to_owned()][..], true));
}

#[test]
fn what_was_not_granted_is_denied_and_what_is_too_long_fails() {
    let run = TestHost::new().run::<Verbs>("wait for a program");
    assert_eq!(run.error().kind, ErrorKind::Denied);

    let program =
        |_: &[String]| Program::new().on_line(|_, terminal| terminal.print("12345678901"));
    let host = TestHost::new().program("tool", program).settings(&json!({"maxLine": 10}));
    let run = host.run::<Verbs>("talk to a program");
    assert_eq!(run.error().kind, ErrorKind::Failed);
    assert!(run.error().message.contains("longer than 10 bytes"), "{}", run.error().message);
}

#[test]
fn a_service_that_does_not_answer_well_is_unavailable() {
    let cases = [
        (Reply::hang(), "no answer in 10 seconds"),
        (Reply::fail(HttpError::Unreachable("refused".to_owned())), "refused"),
        (Reply::text(200, "{\"a\":").cut(), "cut"),
        (Reply::text(200, "nonsense"), "not what was expected"),
        (Reply::text(503, "resting"), "answered 503: resting"),
        (Reply::chunks(200, [vec![b' '; 8 * 1024 * 1024], b"1".to_vec()]), "longer than"),
    ];
    for (reply, words) in cases {
        let run = TestHost::new().http(move |_| reply.clone()).run::<Verbs>("fetch");
        assert_eq!(run.error().kind, ErrorKind::Unavailable, "{words}");
        assert!(run.error().message.contains(words), "{}", run.error().message);
    }
    let run = TestHost::new().run::<Verbs>("fetch");
    assert_eq!(run.error().kind, ErrorKind::Denied);
}

#[test]
fn an_answer_may_come_in_parts() {
    let parts = [b"{\"n\"".to_vec(), b": 1".to_vec(), b"}".to_vec()];
    let run =
        TestHost::new().http(move |_| Reply::chunks(200, parts.clone())).run::<Verbs>("fetch");
    assert_eq!(run.completed().summary, r#"{"n":1}"#);
}

#[test]
fn money_and_questions_are_the_hosts_to_decide() {
    let run = TestHost::new().budget(|usage| usage.cost.is_none()).run::<Verbs>("spend");
    assert_eq!(run.error().kind, ErrorKind::BudgetExceeded);
    assert_eq!(run.error().usage, Some(run.record.spends[0]));

    let run = TestHost::new().answers(|_| Answer::Text("this one".to_owned())).run::<Verbs>("ask");
    assert!(run.completed().summary.contains("this one"));
    let run = TestHost::new().answers(|_| Answer::Cancelled).run::<Verbs>("ask");
    assert_eq!(run.error().kind, ErrorKind::Cancelled);
}

#[test]
fn many_events_arrive_in_order() {
    let run = TestHost::new().run::<Verbs>("emit");
    let expected: Vec<_> = (0..1_000).map(|n| Event::message(n.to_string())).collect();
    assert_eq!(run.record.events, expected);
}

#[test]
fn settings_that_do_not_fit_name_the_place() {
    let run = TestHost::new().settings(&json!({"maxLine": "long"})).run::<Verbs>("sleep");
    assert_eq!(run.error().kind, ErrorKind::InvalidRequest);
    assert!(run.error().message.starts_with("settings.maxLine: "), "{}", run.error().message);
}

#[test]
fn a_probe_that_was_not_written_says_what_the_executor_is() {
    let health = TestHost::new().probe::<Verbs>().expect("nothing can go wrong");
    assert_eq!(
        (health.summary.as_str(), health.version.as_deref()),
        ("Verbs 1.2.3", Some("1.2.3"))
    );
}

#[test]
#[should_panic(expected = "waits for something that never comes")]
fn an_executor_that_waits_for_nothing_fails_its_test() {
    TestHost::new().run::<Verbs>("wait for nothing");
}
