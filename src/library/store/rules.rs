//! What is skipped in an indexed folder: remembered, so that every run over it skips the same.

use super::super::error::Error;
use super::{Store, schema};

/// What is skipped in an indexed folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Patterns in the syntax of `.gitignore`, relative to the folder; a later one takes precedence.
    pub exclude: Vec<String>,
    /// Whether ignore files are respected.
    pub ignore_files: bool,
}

impl Store {
    /// What is skipped in a root.
    pub fn rules(&self, root: i64) -> Result<Rules, Error> {
        self.run(|connection| {
            if schema::version(connection)? < 2 {
                return Ok(Rules::default());
            }
            let mut statement =
                connection.prepare_cached("SELECT pattern FROM exclusion WHERE root = ?1 ORDER BY place")?;
            let exclude = statement.query_map([root], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let mut statement = connection.prepare_cached("SELECT ignore_files FROM root WHERE id = ?1")?;
            Ok(Rules { exclude, ignore_files: statement.query_row([root], |row| row.get(0))? })
        })
    }

    /// Sets what is skipped in a root from now on.
    pub fn set_rules(&self, root: i64, rules: &Rules) -> Result<(), Error> {
        self.run(|connection| {
            connection.execute("DELETE FROM exclusion WHERE root = ?1", [root])?;
            let mut statement = connection.prepare_cached("INSERT INTO exclusion VALUES (?1, ?2, ?3)")?;
            for (place, pattern) in rules.exclude.iter().enumerate() {
                statement.execute((root, place as i64, pattern))?;
            }
            connection.execute("UPDATE root SET ignore_files = ?2 WHERE id = ?1", (root, rules.ignore_files)).map(drop)
        })
    }
}
