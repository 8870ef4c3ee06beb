//! The plan as people read it: each command as it will be run, each file with what changes in it.

use std::fmt;

use super::{Action, Plan, Step};
use crate::{
    style::{BAD, BOLD, DIM, GOOD},
    system::System,
};

/// A plan as text, with colours that whoever prints it may take away.
#[derive(Debug)]
pub struct Text<'a>(pub &'a Plan, pub &'a System);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.steps.iter().enumerate() {
            write_step(f, index + 1, step, self.1)?;
        }
        self.0.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

fn write_step(f: &mut fmt::Formatter<'_>, number: usize, step: &Step, system: &System) -> fmt::Result {
    let by = match step.becoming(system).first() {
        Some(word) if !matches!(step.action, Action::Run { .. }) => format!(", by {word}"),
        _ => String::new(),
    };
    writeln!(f, "{number}. {BOLD}{}{BOLD:#}  {DIM}# {}{by}{DIM:#}", step.command_line(system), step.why)?;
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

/// What goes (`-`), comes (`+`) and stays between two texts, by their longest common subsequence of lines.
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
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        let gone = i < old.len() && (j == new.len() || common[(i + 1) * width + j] >= common[i * width + j + 1]);
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if gone {
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
    fn a_diff_has_what_goes_comes_and_stays() {
        let lines = diff(&["a", "b", "c", "e"], &["a", "c", "d", "e"]);
        assert_eq!(lines, [(' ', "a"), ('-', "b"), (' ', "c"), ('+', "d"), (' ', "e")]);
        assert_eq!(diff(&[], &["a"]), [('+', "a")]);
        assert_eq!(diff(&["a"], &[]), [('-', "a")]);
    }
}
