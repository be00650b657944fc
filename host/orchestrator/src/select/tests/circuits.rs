use super::*;
use crate::failure::tests::{completed, failed, rate_limited, retry_after};
use cyrus_executor::{ErrorKind, ExecutionError, HostVerdict};

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn open(seconds: u64) -> Excluded {
    Excluded::CircuitOpen { retry_after: at(seconds) }
}

fn parked(seconds: u64) -> Excluded {
    Excluded::Parked { retry_after: at(seconds) }
}

/// They open at three in a row.
fn closed() -> Circuits {
    Circuits::new(CircuitSettings { failures: 3, ..CircuitSettings::default() })
}

/// Notes this many endings of "near" as not there, and answers what the operator was told.
fn fail(circuits: &mut Circuits, times: u32, now: Duration) -> Vec<String> {
    let report = failed(ErrorKind::Unavailable);
    (0..times).filter_map(|_| circuits.note("near", &report, now)).collect()
}

#[test]
fn circuit_opens_at_enough_in_a_row_and_lets_one_probe_through() {
    let mut circuits = closed();
    assert_eq!(fail(&mut circuits, 2, at(0)), Vec::<String>::new());
    circuits.note("near", &completed(), at(0));
    fail(&mut circuits, 2, at(0));
    assert_eq!(circuits.exclusion("near", at(0)), None, "a success in between closes it");
    assert_eq!(fail(&mut circuits, 2, at(0)).len(), 1, "told once");
    assert_eq!(circuits.exclusion("near", at(1)), Some(open(29)));
    assert_eq!(circuits.exclusion("far", at(1)), None, "each for itself");

    assert_eq!(circuits.exclusion("near", at(30)), None, "half-open");
    circuits.begin("near", at(30));
    assert_eq!(circuits.exclusion("near", at(30)), Some(open(5)), "one at a time");
    fail(&mut circuits, 1, at(31));
    assert_eq!(circuits.exclusion("near", at(31)), Some(open(60)), "doubled");
    circuits.begin("near", at(91));
    circuits.note("near", &completed(), at(92));
    fail(&mut circuits, 2, at(92));
    assert_eq!(circuits.exclusion("near", at(92)), None, "closed as at first");
}

#[test]
fn circuit_stays_open_no_longer_than_its_longest_nor_shorter_than_asked() {
    let mut circuits = closed();
    fail(&mut circuits, 3, at(0));
    for now in 1..20 {
        fail(&mut circuits, 1, at(now * 1000));
    }
    assert_eq!(circuits.exclusion("near", at(19_000)), Some(open(600)));
    let mut circuits = Circuits::new(CircuitSettings { failures: 1, ..CircuitSettings::default() });
    circuits.note("near", &retry_after(ErrorKind::Unavailable, 3600), at(0));
    assert_eq!(circuits.exclusion("near", at(0)), Some(open(3600)));
}

#[test]
fn circuit_probe_that_was_interrupted_leaves_its_place_to_another() {
    let mut circuits = closed();
    fail(&mut circuits, 3, at(0));
    for give_back in [
        |circuits: &mut Circuits| circuits.release("near"),
        |circuits: &mut Circuits| {
            circuits.note("near", &failed(ErrorKind::Cancelled), at(30));
        },
    ] {
        circuits.begin("near", at(30));
        assert_eq!(circuits.exclusion("near", at(30)), Some(open(5)));
        give_back(&mut circuits);
        assert_eq!(circuits.exclusion("near", at(30)), None);
    }
}

#[test]
fn circuit_takes_what_began_before_it_opened_for_no_probe() {
    let mut circuits = closed();
    fail(&mut circuits, 3, at(0));
    circuits.begin("near", at(29));
    assert_eq!(circuits.exclusion("near", at(30)), None);
}

#[test]
fn a_rate_limit_parks_and_never_counts_as_a_failure() {
    let mut circuits = closed();
    fail(&mut circuits, 2, at(0));
    assert_eq!(circuits.note("near", &rate_limited(Some(90)), at(0)), None);
    assert_eq!(circuits.exclusion("near", at(0)), Some(parked(90)));
    assert_eq!(circuits.exclusion("near", at(90)), None);
    assert_eq!(fail(&mut circuits, 2, at(90)), Vec::<String>::new(), "it answered in between");
    // The one that says less does not shorten it.
    circuits.note("near", &rate_limited(Some(90)), at(200));
    circuits.note("near", &rate_limited(Some(5)), at(200));
    assert_eq!(circuits.exclusion("near", at(200)), Some(parked(90)));
    // Nobody knows until when: longer each time.
    let mut circuits = closed();
    for seconds in [10, 20, 40] {
        circuits.note("near", &rate_limited(None), at(100));
        assert_eq!(circuits.exclusion("near", at(100)), Some(parked(seconds)));
    }
}

#[test]
fn no_credentials_and_no_credit_mark_until_somebody_looks() {
    for kind in [ErrorKind::Unauthorized, ErrorKind::QuotaExhausted] {
        let mut circuits = closed();
        let told = circuits.note("near", &failed(kind.clone()), at(0)).unwrap();
        assert!(told.contains("near"), "{told}");
        assert_eq!(circuits.note("near", &failed(kind), at(0)), None, "told once");
        let excluded = circuits.exclusion("near", at(1_000_000));
        assert!(matches!(excluded, Some(Excluded::Marked { .. })), "{excluded:?}");
        circuits.clear("near");
        assert_eq!(circuits.exclusion("near", at(0)), None);
    }
}

#[test]
fn a_plugin_at_fault_is_told_with_its_digest_and_export() {
    let verdict = HostVerdict::Trap {
        plugin: "p".into(),
        digest: "sha256:0".into(),
        export: "execute-streaming".into(),
    };
    let mut report = failed(ErrorKind::Failed);
    report.error = Some(Box::new(ExecutionError::new(ErrorKind::Failed, "x").by_host(verdict)));
    let told = Circuits::default().note("near", &report, at(0)).unwrap();
    assert!(["near", "p", "sha256:0", "execute-streaming"].iter().all(|word| told.contains(word)));
}

#[test]
fn when_nobody_can_the_wait_is_for_whoever_is_back_first() {
    let mut health = closed();
    fail(&mut health, 3, at(0));
    health.note("boxed", &rate_limited(Some(12)), at(0));
    health.note("far", &rate_limited(Some(1)), at(0));
    let world = World { health, ..World::default() };
    let receipt = world.select(&task("builder"), &policy(Strategy::LocalOnly), &everybody());
    assert_eq!((receipt.chosen.as_ref(), soonest(&receipt)), (None, Some(at(12))));
    let cloud = world.select(&task("builder"), &policy(Strategy::CloudOnly), &everybody());
    assert_eq!(soonest(&cloud), Some(at(1)));
    let later = World { now: at(12), ..world };
    let receipt = later.select(&task("builder"), &policy(Strategy::LocalOnly), &everybody());
    assert_eq!((receipt.chosen.as_deref(), soonest(&receipt)), (Some("boxed"), None));
}
