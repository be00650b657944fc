//! Strategies compared in a simulated world.

use cyrus_tests::world;
use serde_json::Value;

const FLEET: [&str; 6] = ["simulate", "fleet", "--sessions", "12", "--seed", "3"];

#[test]
fn strategies_are_compared_and_a_seed_says_everything() {
    let world = world!();
    let told = world.run(FLEET).code(0).stdout;
    assert!(told.starts_with("STRATEGY"), "{told}");
    for strategy in
        ["local-only", "cloud-only", "hybrid-smart", "hybrid-parallel", "cost-optimized"]
    {
        assert!(told.lines().any(|line| line.starts_with(strategy)), "{strategy}: {told}");
    }
    assert_eq!(world.run(FLEET).code(0).stdout, told);
    let other = world.run(["simulate", "fleet", "--sessions", "12", "--seed", "4"]).code(0);
    assert_ne!(other.stdout, told);
}

#[test]
fn only_the_strategies_asked_for_and_in_their_order() {
    let asked = ["cloud-only", "local-only"];
    let args = ["--strategy", asked[0], "--strategy", asked[1], "--json"];
    let told = world!().run(FLEET.iter().chain(&args)).code(0).json();
    let lines = told["lines"].as_array().unwrap();
    let named: Vec<_> = lines.iter().map(|line| line["strategy"].as_str().unwrap()).collect();
    assert_eq!((&told["seed"], named), (&Value::from(3), asked.to_vec()));
    for line in lines {
        assert_eq!(line["sessions"], 12, "{line}");
        assert!(line["validated"].as_u64().unwrap() > 0, "{line}");
        assert!(line["wallMs"].as_u64() >= line["medianMs"].as_u64(), "{line}");
        assert!(line["cost"].as_u64().unwrap() > 0, "{line}");
    }
    assert_eq!(lines[1]["cloud"], 0);
}
