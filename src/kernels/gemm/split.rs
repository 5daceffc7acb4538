//! Splits a product into tasks for threads.

use std::ops::Range;

use super::super::team::Team;
use super::PANEL;

/// Rows below which a task is not worthwhile: a register tile of the widest instruction set.
const LEAST_ROWS: usize = 14;

/// A grid of tasks over rows and pairs of panels.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Split {
    rows: usize,
    panels: usize,
    across: usize, // tasks along the panels
    down: usize,   // tasks along the rows
}

impl Split {
    /// Splits the rows into the team's groups, whose threads share no activations with other groups. Within a group,
    /// splits the columns, so that each thread reads its own weights once. Where there are too few columns, or so many
    /// rows that weights are small compared with activations, splits the rows further.
    pub(in super::super) fn new(rows: usize, panels: usize, team: Team<'_>) -> Self {
        let pairs = panels.div_ceil(2);
        let groups = team.row_groups(rows);
        let wanted = team.tasks() / groups;
        let most_down = (rows / groups / LEAST_ROWS).max(1);
        let (across, down) = if rows > PANEL * panels && most_down >= wanted {
            (1, wanted)
        } else {
            let across = wanted.min(pairs);
            (across, wanted.div_ceil(across).min(most_down))
        };
        Split { rows, panels, across, down: groups * down }
    }

    /// The same for `lines` lines of `width` rows, which stay whole: the first range of a task is one of lines.
    pub(super) fn lines(lines: usize, width: usize, panels: usize, team: Team<'_>) -> Self {
        let split = Split::new(lines.saturating_mul(width), panels, team);
        Split { rows: lines, down: split.down.min(lines).max(1), ..split }
    }

    pub(in super::super) fn tasks(&self) -> usize {
        self.across * self.down
    }

    /// Rows and panels of a task. Pairs of panels stay together for the wide tiles.
    pub(in super::super) fn task(&self, task: usize) -> (Range<usize>, Range<usize>) {
        let (x, y) = (task % self.across, task / self.across);
        let row = |y: usize| self.rows * y / self.down;
        let panel = |x: usize| (self.panels.div_ceil(2) * x / self.across * 2).min(self.panels);
        (row(y)..row(y + 1), panel(x)..panel(x + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Workers;
    use super::*;

    #[test]
    fn tasks_cover_every_row_and_panel_once() {
        for rows in [1usize, 2, 13, 14, 50, 197, 4096] {
            for panels in [1usize, 2, 3, 4, 5, 12, 48, 192] {
                for threads in [1usize, 2, 3, 8, 16, 64] {
                    let split = Split::new(rows, panels, Workers::leader_only(threads).team());
                    let mut seen = vec![0u8; rows * panels];
                    for task in 0..split.tasks() {
                        let (rows, columns) = split.task(task);
                        for row in rows {
                            for panel in columns.clone() {
                                seen[row * panels + panel] += 1;
                            }
                        }
                    }
                    assert!(seen.iter().all(|&count| count == 1), "{rows} {panels} {threads}");
                }
            }
        }
    }
}
