use cyrus_executor::Line;

/// The longest cell, in characters: one text from outside must not push the columns of all rows apart.
const LONGEST: usize = 400;

/// Rows in columns, the first row being the headings. The last column is not padded.
pub(crate) fn table(rows: &[Vec<String>]) -> Vec<Line> {
    let cell = |cell: &String| Line::cut(cell, LONGEST).to_string();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        Line::new(cells.collect::<Vec<_>>().join("  "))
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_line_up_and_lines_do_not_trail() {
        let row = |cells: &[&str]| cells.iter().map(ToString::to_string).collect::<Vec<_>>();
        let shown =
            super::table(&[row(&["NAME", "WHY"]), row(&["é", "one\n"]), row(&["longer", ""])]);
        let shown: Vec<_> = shown.iter().map(super::Line::as_str).collect();
        assert_eq!(shown, ["NAME    WHY", r"é       one\n", "longer"]);
    }
}
