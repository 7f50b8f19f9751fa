//! A table of text, as `fleetctl get mdm-command-results` prints it: a message fills one column over many lines.
//!
//! ```text
//! +------+------------------+
//! | ID   | RESULTS          |
//! +------+------------------+
//! | 7d1c | <SyncML>         |
//! |      |   <SyncHdr>      |
//! ```

use memchr::memmem;

/// Returns the cells of a table, column by column; `None` for a text without a table.
pub(super) fn by_columns(text: &[u8]) -> Option<String> {
    if !text.starts_with(BORDER) && memmem::find(text, b"\n+-").is_none() {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let mut plain = String::with_capacity(text.len());
    let mut has_table = false;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(edges) = edges(line) else {
            plain.push_str(line);
            plain.push('\n');
            continue;
        };
        let mut columns = vec![String::new(); edges.len() - 1];
        while let Some(row) = lines.next_if(|row| row.starts_with('|')) {
            let row: Vec<char> = row.chars().collect();
            for (column, edge) in columns.iter_mut().zip(edges.windows(2)) {
                let cell = row
                    .get(edge[0] + 1..edge[1].min(row.len()))
                    .unwrap_or_default();
                column.push_str(cell.iter().collect::<String>().trim_end());
                column.push('\n');
            }
        }
        has_table |= columns.iter().any(|column| !column.is_empty());
        plain.extend(columns);
    }
    has_table.then_some(plain)
}

/// Returns the offsets of the columns' edges in the line above or below the rows of a table.
fn edges(line: &str) -> Option<Vec<usize>> {
    let line = line.trim_end();
    let is_border =
        line.as_bytes().starts_with(BORDER) && line.bytes().all(|it| b"+-".contains(&it));
    let edges = || {
        line.match_indices('+')
            .map(|(at, _)| at)
            .collect::<Vec<_>>()
    };
    is_border.then(edges).filter(|edges| edges.len() > 1)
}

/// The beginning of the line above a table.
const BORDER: &[u8] = b"+-";
