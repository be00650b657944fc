//! Paging and other query parameters, checked as the service checks them.

use serde_json::{Value, json};
use url::form_urlencoded;

use super::problem::Problem;

/// `skip` and `limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    skip: usize,
    limit: usize,
}

/// The last value of a query parameter.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key == name)
        .last()
        .map(|(_, value)| value.into_owned())
}

/// A query parameter that is a whole number.
pub(super) fn integer(query: &str, name: &str) -> Result<Option<i64>, Problem> {
    let parse = |text: String| {
        text.parse().map_err(|_| {
            Problem::unprocessable(
                ["query", name],
                "Input should be a valid integer, unable to parse string as an integer",
                "int_parsing",
            )
        })
    };
    parameter(query, name).map(parse).transpose()
}

impl Page {
    pub(super) fn parse(query: &str) -> Result<Self, Problem> {
        let least = |name, value: i64, least: usize, message, kind| {
            usize::try_from(value)
                .ok()
                .filter(|value| *value >= least)
                .ok_or_else(|| Problem::unprocessable(["query", name], message, kind))
        };
        let skip = integer(query, "skip")?.unwrap_or(0);
        let skip = least(
            "skip",
            skip,
            0,
            "Input should be greater than or equal to 0",
            "greater_than_equal",
        )?;
        let limit = integer(query, "limit")?.unwrap_or(100);
        let limit = least(
            "limit",
            limit,
            1,
            "Input should be greater than or equal to 1",
            "greater_than_equal",
        )?;
        if limit > 100 {
            let message = "Input should be less than or equal to 100";
            return Err(Problem::unprocessable(["query", "limit"], message, "less_than_equal"));
        }
        Ok(Self { skip, limit })
    }

    /// The items of this page.
    pub(super) fn cut(self, items: Vec<Value>) -> Vec<Value> {
        items.into_iter().skip(self.skip).take(self.limit).collect()
    }

    /// The number of this page, counted from 1, and how many there are.
    pub(super) fn numbers(self, total: usize) -> (usize, usize) {
        (self.skip / self.limit + 1, total.div_ceil(self.limit))
    }

    /// How many items fit on a page.
    pub(super) fn size(self) -> usize {
        self.limit
    }

    /// `Page[…]` of all the items.
    pub(super) fn of(self, items: Vec<Value>) -> Value {
        let total = items.len();
        let (page, pages) = self.numbers(total);
        json!({"items": self.cut(items), "total": total, "page": page, "size": self.limit, "pages": pages})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_cut_and_counted() {
        let items: Vec<Value> = (0..5).map(Value::from).collect();
        let page = Page::parse("skip=2&limit=2").unwrap().of(items.clone());
        assert_eq!(page, json!({"items": [2, 3], "total": 5, "page": 2, "size": 2, "pages": 3}));
        let beyond = Page::parse("skip=9").unwrap().of(items);
        assert_eq!(beyond["items"], json!([]));
    }

    #[test]
    fn bad_values_are_unprocessable() {
        for query in ["skip=-1", "limit=0", "limit=101", "limit=many", "skip=1.5"] {
            assert!(matches!(Page::parse(query), Err(Problem::Unprocessable { .. })), "{query}");
        }
        assert_eq!(Page::parse("limit=7&limit=8").unwrap().size(), 8);
    }
}
