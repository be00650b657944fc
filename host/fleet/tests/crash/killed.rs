//! Its process is killed, and another one started.

use crate::session::{at_each, is_whole, report, ten_tasks};
use cyrus_fleet::{Ended, Scenario, Step, run};
use std::collections::BTreeSet;

fn ended(kills: Vec<u64>) -> Ended {
    let told = format!("killed at {kills:?}");
    let ended = run(&Scenario { kills, ..ten_tasks() });
    let ended = ended.unwrap_or_else(|deadlock| panic!("{told}: {deadlock}"));
    is_whole(report(&ended, &told), &told);
    ended
}

#[test]
fn killed_at_every_point_it_loses_nothing_and_does_nothing_twice() {
    let undisturbed = ended(vec![]);
    // The run grows with what is done again after a kill, so there are no more points than this.
    let kills = at_each(undisturbed.points, |point| {
        let killed = ended(vec![point]);
        let [at] = killed.kills[..] else { panic!("nobody was killed at {point}") };
        at
    });
    let kinds: BTreeSet<_> = kills.iter().collect();
    let met: BTreeSet<_> = kills.iter().map(|at| at.step).collect();
    println!("{} points, {} kinds of them, each killed once", kills.len(), kinds.len());
    assert_eq!(met, BTreeSet::from(Step::ALL), "the session meets every kind of step");
}

#[test]
fn killed_again_while_it_recovers_it_loses_nothing_either() {
    let undisturbed = ended(vec![]);
    for point in (1..=undisturbed.points).step_by(7) {
        ended(vec![point, point + 3, point + 8]);
    }
}
