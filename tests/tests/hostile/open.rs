//! Attacks that nothing stops yet. They are not tried with the rest; `--ignored` tries them.

/// Their names.
pub(crate) const OPEN: &[&str] = &[
    "repositories::pushed::with_a_tree_of_ten_thousand_million_files",
    "repositories::trees::a_file_of_a_gigabyte_that_is_packed_small",
    "repositories::trees::a_file_with_a_hole_of_fifty_gigabytes",
    "repositories::trees::a_tree_of_a_million_files",
    "repositories::trees::a_tree_of_ten_thousand_million_files",
];
