/// The names of the rows in this source, as the macros and functions have them.
fn rows(source: &str) -> Vec<&str> {
    source
        .lines()
        .map(|line| line.trim_start().trim_start_matches("fn "))
        .filter(|line| line.starts_with("failure_row_") || line.starts_with("strategy_row_"))
        .filter_map(|line| line.split([':', '(']).next())
        .collect()
}

#[test]
fn every_row_that_is_tested_is_in_the_document() {
    let page = include_str!("../../../../../docs/selection.md");
    let failures = rows(include_str!("rows.rs"));
    let strategies = rows(include_str!("../../select/tests/strategies.rs"));
    assert!(failures.len() > 30 && strategies.len() > 14, "{failures:?} {strategies:?}");
    for name in failures.into_iter().chain(strategies) {
        assert!(page.contains(&format!("`{name}`")), "docs/selection.md does not name {name}");
    }
}
