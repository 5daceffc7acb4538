//! What is skipped in an indexed folder: remembered, so that every run over it skips the same.

use super::super::error::Error;
use super::{Store, schema};
use crate::walk;

/// What is skipped in an indexed folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Patterns in the syntax of `.gitignore`, relative to the folder; a later one takes precedence.
    pub exclude: Vec<String>,
    /// Whether ignore files are respected.
    pub ignore_files: bool,
    /// Whether raw files beside a picture of the same name are indexed.
    pub raw_twins: bool,
}

impl Store {
    /// What is skipped in a root.
    pub fn rules(&self, root: i64) -> Result<Rules, Error> {
        // A library of an older version that cannot be written.
        let version = self.run(schema::version)?;
        if version < 2 {
            return Ok(Rules::default());
        }
        // Before any of them is read: the library's file may come from anywhere.
        let sql =
            "SELECT total(octet_length(pattern)), ifnull(max(octet_length(pattern)), 0) FROM exclusion WHERE root = ?1";
        let (bytes, longest): (f64, i64) =
            self.run(|connection| connection.query_row(sql, [root], |row| Ok((row.get(0)?, row.get(1)?))))?;
        if !walk::are_few(bytes as u64, longest.unsigned_abs()) {
            return Err(self.damaged("what it excludes is longer than any list of patterns"));
        }
        self.run(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT pattern FROM exclusion WHERE root = ?1 ORDER BY place")?;
            let exclude = statement.query_map([root], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let raw_twins = if version < 4 { "0" } else { "raw_twins" };
            let sql = format!("SELECT ignore_files, {raw_twins} FROM root WHERE id = ?1");
            connection
                .prepare_cached(&sql)?
                .query_row([root], |row| Ok(Rules { exclude, ignore_files: row.get(0)?, raw_twins: row.get(1)? }))
        })
    }

    /// Sets what is skipped in a root from now on.
    ///
    /// # Errors
    /// Patterns that are too many or too long, which [`Store::rules`] would refuse.
    pub fn set_rules(&self, root: i64, rules: &Rules) -> Result<(), Error> {
        let lengths = rules.exclude.iter().map(|pattern| pattern.len() as u64);
        if !walk::are_few(lengths.clone().sum(), lengths.max().unwrap_or(0)) {
            return Err(Error::Query(
                "what is excluded in a folder is too long for a list of patterns; give fewer".into(),
            ));
        }
        self.run(|connection| {
            connection.execute("DELETE FROM exclusion WHERE root = ?1", [root])?;
            let mut statement = connection.prepare_cached("INSERT INTO exclusion VALUES (?1, ?2, ?3)")?;
            for (place, pattern) in rules.exclude.iter().enumerate() {
                statement.execute((root, place as i64, pattern))?;
            }
            let sql = "UPDATE root SET ignore_files = ?2, raw_twins = ?3 WHERE id = ?1";
            connection.execute(sql, (root, rules.ignore_files, rules.raw_twins)).map(drop)
        })
    }
}
