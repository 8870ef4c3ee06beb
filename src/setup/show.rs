//! The plan as text: every command as it will run, and a diff of every file.

use std::fmt;

use super::{Action, Plan, Step};
use crate::{
    style::{BAD, BOLD, DIM, GOOD},
    system::System,
};

/// Displays a plan, with colours that the output stream may strip.
#[derive(Debug)]
pub struct PlanText<'a>(pub &'a Plan, pub &'a System);

impl fmt::Display for PlanText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.steps.iter().enumerate() {
            write_step(f, index + 1, step, self.1)?;
        }
        self.0.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

fn write_step(f: &mut fmt::Formatter<'_>, number: usize, step: &Step, system: &System) -> fmt::Result {
    let run_with = match step.run_as_prefix(system).first() {
        Some(word) if !matches!(step.action, Action::Run { .. }) => format!(", with {word}"),
        _ => String::new(),
    };
    writeln!(f, "{number}. {BOLD}{}{BOLD:#}  {DIM}# {}{run_with}{DIM:#}", step.command_line(system), step.why)?;
    if let Action::Write { text, old, .. } = &step.action {
        let old: Vec<_> = old.as_deref().unwrap_or_default().lines().collect();
        for (sign, line) in diff(&old, &text.lines().collect::<Vec<_>>()) {
            let style = match sign {
                '+' => GOOD,
                '-' => BAD,
                _ => DIM,
            };
            writeln!(f, "   {style}{sign} {line}{style:#}")?;
        }
    }
    Ok(())
}

/// Line diff of two texts, by their longest common subsequence: removed (`-`), added (`+`) and unchanged lines.
fn diff<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    let width = new.len() + 1;
    let mut common = vec![0_usize; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = match old[i] == new[j] {
                true => common[(i + 1) * width + j + 1] + 1,
                false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
            };
        }
    }
    let mut lines = Vec::new();
    let mut i = 0;
    let mut j = 0;
    while i < old.len() || j < new.len() {
        let is_removed = i < old.len() && (j == new.len() || common[(i + 1) * width + j] >= common[i * width + j + 1]);
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push((' ', old[i]));
            i += 1;
            j += 1;
        } else if is_removed {
            lines.push(('-', old[i]));
            i += 1;
        } else {
            lines.push(('+', new[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_has_removed_added_and_unchanged_lines() {
        let lines = diff(&["a", "b", "c", "e"], &["a", "c", "d", "e"]);
        assert_eq!(lines, [(' ', "a"), ('-', "b"), (' ', "c"), ('+', "d"), (' ', "e")]);
        assert_eq!(diff(&[], &["a"]), [('+', "a")]);
        assert_eq!(diff(&["a"], &[]), [('-', "a")]);
    }
}
