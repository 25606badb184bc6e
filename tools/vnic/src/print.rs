// SPDX-License-Identifier: GPL-2.0

//! Output: a table, JSON, or lines for scripts.

use crate::error::Error;
use serde::Serialize;
use serde_json::Value;
use std::io::{
    self,
    IsTerminal,
    Write, //
};

/// What can be printed in columns.
pub trait Row: Serialize {
    /// The columns: names of serialized fields, or derived ones.
    const FIELDS: &'static [&'static str];

    /// The value of a column that is no serialized field.
    fn derived(&self, _field: &str) -> Option<Value> {
        None
    }

    /// What a column shows to the eye, if that is not what scripts get.
    fn readable(&self, _field: &str) -> Option<String> {
        None
    }
}

/// How it is printed.
pub enum Format {
    /// Columns for the eye.
    Table,
    /// JSON: an array, or for events one object a line.
    Json {
        /// With line breaks and indentation.
        pretty: bool,
    },
    /// Fields divided by colons, `\` before colons in them; all fields if none is named.
    Parseable(Vec<String>),
}

/// Prints on standard output.
pub struct Printer(Format);

/// What stands for nothing in a column.
const NOTHING: &str = "-";

fn text(row: &Value, derived: Option<Value>, field: &str) -> Option<String> {
    match derived.as_ref().or_else(|| row.get(field))? {
        Value::String(text) => Some(text.clone()),
        Value::Bool(on) => Some(if *on { "on" } else { "off" }.to_owned()),
        other => Some(other.to_string()),
    }
}

impl Printer {
    /// Makes one.
    pub fn new(format: Format) -> Self {
        Self(format)
    }

    /// Prints all of them.
    pub fn all<R: Row>(&self, rows: &[R]) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        match &self.0 {
            Format::Json { pretty: false } => serde_json::to_writer(&mut out, rows)?,
            Format::Json { pretty: true } => serde_json::to_writer_pretty(&mut out, rows)?,
            Format::Parseable(fields) => {
                for row in rows {
                    writeln!(out, "{}", parseable(row, fields)?)?;
                }
                return Ok(());
            }
            Format::Table => return table(&mut out, rows),
        }
        Ok(writeln!(out)?)
    }

    /// Prints all of them, for the eye without columns.
    pub fn lines<R: Row>(&self, rows: &[R]) -> Result<(), Error> {
        match self.0 {
            Format::Table => rows.iter().try_for_each(|row| self.one(row)),
            _ => self.all(rows),
        }
    }

    /// Prints a sentence for the eye.
    pub fn remark(&self, sentence: &str) -> Result<(), Error> {
        match self.0 {
            Format::Table => Ok(writeln!(io::stdout().lock(), "{sentence}")?),
            _ => Ok(()),
        }
    }

    /// Prints one of which more may follow, at once.
    pub fn one<R: Row>(&self, row: &R) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        match &self.0 {
            Format::Json { .. } => writeln!(out, "{}", serde_json::to_string(row)?)?,
            Format::Parseable(fields) => writeln!(out, "{}", parseable(row, fields)?)?,
            Format::Table => writeln!(out, "{}", cells(row)?.join(" "))?,
        }
        Ok(out.flush()?)
    }
}

fn cells<R: Row>(row: &R) -> Result<Vec<String>, Error> {
    let value = serde_json::to_value(row)?;
    let cell = |field: &&str| {
        let shown = row.readable(field);
        let shown = shown.or_else(|| text(&value, row.derived(field), field));
        shown.unwrap_or_else(|| NOTHING.to_owned())
    };
    Ok(R::FIELDS.iter().map(cell).collect())
}

/// One line for scripts; what is not there is empty.
fn parseable<R: Row>(row: &R, fields: &[String]) -> Result<String, Error> {
    let value = serde_json::to_value(row)?;
    let all: Vec<String> = R::FIELDS.iter().map(|field| (*field).to_owned()).collect();
    let fields = if fields.is_empty() { &all } else { fields };
    let mut line = Vec::new();
    for field in fields {
        let known = all.contains(field) || value.get(field).is_some();
        if !known {
            return Err(Error::Usage(format!(
                "there is no field \"{field}\"; there are {}",
                all.join(", ")
            )));
        }
        let cell = text(&value, row.derived(field), field).unwrap_or_default();
        line.push(cell.replace('\\', "\\\\").replace(':', "\\:"));
    }
    Ok(line.join(":"))
}

fn table<R: Row>(out: &mut impl Write, rows: &[R]) -> Result<(), Error> {
    let head: Vec<String> = R::FIELDS.iter().map(|field| field.to_uppercase()).collect();
    let body: Vec<Vec<String>> = rows.iter().map(cells).collect::<Result<_, _>>()?;
    let width = |column: usize| {
        let cells = std::iter::once(&head)
            .chain(&body)
            .filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let bold = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    for (number, row) in std::iter::once(&head).chain(&body).enumerate() {
        let padded: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        let line = padded.join("  ");
        match number == 0 && bold {
            true => writeln!(out, "\x1b[1m{}\x1b[0m", line.trim_end())?,
            false => writeln!(out, "{}", line.trim_end())?,
        }
    }
    Ok(())
}
