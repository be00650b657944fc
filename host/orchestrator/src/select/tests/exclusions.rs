use super::*;
use cyrus_core::Strategy;
use proptest::prelude::prop;
use proptest::{
    prelude::{Just, any},
    prop_assert, prop_assert_eq, prop_oneof, proptest,
    strategy::Strategy as Generator,
};

/// One thing in the way of "near", and the reason that the receipt has for it.
fn in_the_way(what: &str) -> (Vec<Candidate>, PlannedTask, World, Excluded) {
    let (mut all, mut task, mut world) = (everybody(), task("builder"), World::default());
    let excluded = match what {
        "asked" => {
            task.executor = Some("boxed".into());
            Excluded::NotAsked
        }
        "kind" => {
            all[0].kinds = vec!["gardener".into()];
            Excluded::KindNotServed
        }
        "needs" => {
            task.needs.isolation = true;
            Excluded::Lacks { what: "the isolation that the task needs".into() }
        }
        "ready" => {
            all[0].ready = Err("its plugin does not load".into());
            Excluded::NotReady { why: "its plugin does not load".into() }
        }
        "tried" => {
            world.tried = vec![tried("near", "it failed")];
            Excluded::Tried { error: "it failed".into() }
        }
        "cheaper" => {
            (all[2].price, world.cheaper_than) = (Some(MicroUsd(1)), Some(MicroUsd(2)));
            Excluded::NotCheaper
        }
        _ => {
            world.full = vec!["near"];
            Excluded::OverBudget { cap: "maxCostPerDay".into() }
        }
    };
    (all, task, world, excluded)
}

#[test]
fn whatever_is_in_the_way_of_the_first_the_next_has_the_task_and_the_receipt_says_why() {
    for what in ["asked", "kind", "needs", "ready", "tried", "cheaper", "money"] {
        let (all, task, world, excluded) = in_the_way(what);
        let receipt = world.select(&task, &policy(Strategy::LocalOnly), &all);
        assert_eq!(receipt.chosen.as_deref(), Some("boxed"), "{what}");
        let near = receipt.considered.iter().find(|line| line.executor == "near").unwrap();
        assert_eq!((near.excluded.as_ref(), near.standing.as_ref()), (Some(&excluded), None));
    }
}

#[test]
fn who_is_asked_for_by_name_goes_before_the_strategy_and_not_before_what_it_cannot_do() {
    let asked = PlannedTask { executor: Some("far".into()), ..task("builder") };
    let local_only = policy(Strategy::LocalOnly);
    let receipt = World::default().select(&asked, &local_only, &everybody());
    assert_eq!(receipt.chosen.as_deref(), Some("far"));
    assert_eq!(receipt.because, "far was asked for by name");

    let full = World { full: vec!["far"], ..World::default() };
    assert_eq!(full.select(&asked, &local_only, &everybody()).chosen, None);
    let tied = PlannedTask { needs: needs(true, false, false), ..asked.clone() };
    assert_eq!(World::default().select(&tied, &local_only, &everybody()).chosen, None);

    let unknown = PlannedTask { executor: Some("nobody".into()), ..asked };
    let receipt = World::default().select(&unknown, &local_only, &everybody());
    assert_eq!(receipt.chosen, None);
    assert!(receipt.because.contains("no executor of that name"), "{}", receipt.because);
}

#[test]
fn cheaper_means_less_than_the_one_whose_money_ran_out() {
    let mut all = everybody();
    (all[0].price, all[1].price) = (Some(MicroUsd(5)), Some(MicroUsd(5)));
    all[2].billing = Billing::Subscription;
    let world = World { cheaper_than: Some(MicroUsd(5)), ..World::default() };
    let receipt = world.select(&task("builder"), &policy(Strategy::CloudOnly), &all);
    assert_eq!(chain(&receipt), ["boxed"]);
}

fn any_candidate() -> impl Generator<Value = Candidate> {
    let placement = prop_oneof![Just(Placement::Local), Just(Placement::Cloud)];
    let flags = (any::<bool>(), prop::bool::weighted(0.8), prop::bool::weighted(0.8));
    let price = prop::option::of(0_u64..2_000_000);
    ("[a-z]{1,6}", placement, flags, price).prop_map(|(name, placement, flags, price)| {
        let (isolated, ready, metered) = flags;
        Candidate {
            isolated,
            billing: if metered { Billing::Metered } else { Billing::Subscription },
            price: price.map(MicroUsd),
            ready: if ready { Ok(()) } else { Err("no".into()) },
            ..candidate(&name, placement)
        }
    })
}

fn any_task() -> impl Generator<Value = PlannedTask> {
    let kind = prop::sample::select(vec!["builder", "debugger", "orchestrator", "scoper", "other"]);
    let level = prop::sample::select(vec![Complexity::Low, Complexity::Medium, Complexity::High]);
    (kind, level, any::<[bool; 3]>(), prop::option::weighted(0.2, "[a-z]")).prop_map(
        |(kind, complexity, [context, isolation, parallelism], executor)| PlannedTask {
            complexity,
            executor,
            needs: needs(context, isolation, parallelism),
            ..task(kind)
        },
    )
}

proptest! {
    #[test]
    fn everybody_is_considered_once_and_the_first_that_stands_is_chosen(
        all in prop::collection::vec(any_candidate(), 0..8),
        task in any_task(),
        strategy in prop::sample::select(Strategy::ALL.to_vec()),
        local_to_cloud in any::<bool>(),
        tried in any::<bool>(),
    ) {
        let policy = SelectionPolicy { local_to_cloud, ..policy(strategy) };
        let first = all.first().filter(|_| tried).map(|first| first.info.name.clone());
        let world = World {
            tried: first.into_iter().map(|executor| Tried { executor, error: "no".into(), outage: None }).collect(),
            ..World::default()
        };
        let receipt = world.select(&task, &policy, &all);
        let mut considered: Vec<_> = receipt.considered.iter().map(|line| &line.executor).collect();
        let mut given: Vec<_> = all.iter().map(|candidate| &candidate.info.name).collect();
        considered.sort();
        given.sort();
        prop_assert_eq!(considered, given);
        for line in &receipt.considered {
            prop_assert!(line.standing.is_some() != line.excluded.is_some());
            let out = strategy == Strategy::LocalOnly && !local_to_cloud && task.executor.is_none();
            prop_assert!(!out || line.placement == Placement::Local || line.standing.is_none());
        }
        let standing: Vec<_> = receipt.considered.iter().map(|line| line.standing.is_some()).collect();
        prop_assert!(standing.is_sorted_by(|one, next| one >= next), "those that may come first");
        let first = receipt.considered.first().filter(|line| line.standing.is_some());
        prop_assert_eq!(receipt.chosen.as_ref(), first.map(|line| &line.executor));
        prop_assert_eq!(world.select(&task, &policy, &all), receipt, "the same again");
    }
}
