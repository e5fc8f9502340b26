//! One value of a row, the same whichever engine keeps it.

use std::fmt::Write as _;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, TypeInfo as _, ValueRef as _};

/// A value, as both engines keep them here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Whole(i64),
    Octets(Vec<u8>),
    Text(String),
}

impl Cell {
    pub(super) fn of_sqlite(row: &SqliteRow, n: usize) -> sqlx::Result<Self> {
        let value = row.try_get_raw(n)?;
        if value.is_null() {
            return Ok(Self::Null);
        }
        let kind = value.type_info();
        Ok(match kind.name() {
            "INTEGER" => Self::Whole(row.try_get(n)?),
            "BLOB" => Self::Octets(row.try_get(n)?),
            "TEXT" => Self::Text(row.try_get(n)?),
            other => return Err(unexpected(other)),
        })
    }

    pub(super) fn of_postgres(row: &PgRow, n: usize) -> sqlx::Result<Self> {
        let value = row.try_get_raw(n)?;
        if value.is_null() {
            return Ok(Self::Null);
        }
        let kind = value.type_info();
        Ok(match kind.name() {
            "INT8" => Self::Whole(row.try_get(n)?),
            "BYTEA" => Self::Octets(row.try_get(n)?),
            "TEXT" => Self::Text(row.try_get(n)?),
            other => return Err(unexpected(other)),
        })
    }

    /// Adds it to a line of COPY's text format.
    pub(super) fn write_copy(&self, line: &mut String) {
        match self {
            Self::Null => line.push_str("\\N"),
            Self::Whole(number) => write!(line, "{number}").expect("text takes what is written"),
            Self::Octets(octets) => {
                line.push_str("\\\\x");
                for octet in octets {
                    write!(line, "{octet:02x}").expect("text takes what is written");
                }
            }
            Self::Text(text) => {
                for letter in text.chars() {
                    match letter {
                        '\\' => line.push_str("\\\\"),
                        '\n' => line.push_str("\\n"),
                        '\r' => line.push_str("\\r"),
                        '\t' => line.push_str("\\t"),
                        letter => line.push(letter),
                    }
                }
            }
        }
    }

    /// Adds it to what is hashed: its kind, its length, itself.
    pub(super) fn write_hashed(&self, out: &mut Vec<u8>) {
        let (kind, bytes): (u8, &[u8]) = match self {
            Self::Null => (0, &[]),
            Self::Whole(number) => (1, &number.to_be_bytes()),
            Self::Octets(octets) => (2, octets),
            Self::Text(text) => (3, text.as_bytes()),
        };
        out.push(kind);
        out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        out.extend_from_slice(bytes);
    }
}

fn unexpected(kind: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("a value of the type {kind}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_column_or_a_line_does_not() {
        let mut line = String::new();
        for cell in [
            Cell::Null,
            Cell::Whole(-7),
            Cell::Octets(vec![0, 0x0A, 0xFF]),
            Cell::Text("a\tb\\N\r\nü".into()),
        ] {
            cell.write_copy(&mut line);
            line.push('|');
        }
        assert_eq!(line, "\\N|-7|\\\\x000aff|a\\tb\\\\N\\r\\nü|");
    }

    #[test]
    fn different_rows_hash_differently() {
        let hashed = |cells: &[Cell]| {
            let mut out = Vec::new();
            cells.iter().for_each(|cell| cell.write_hashed(&mut out));
            out
        };
        let text = |text: &str| Cell::Text(text.into());
        assert_ne!(hashed(&[text("ab"), text("c")]), hashed(&[text("a"), text("bc")]));
        assert_ne!(hashed(&[Cell::Null]), hashed(&[text("")]));
        assert_ne!(hashed(&[text("")]), hashed(&[Cell::Octets(vec![])]));
    }
}
