//! `bgcam man`: manual pages, generated from the command line's definition, with additional sections.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::{CliError, args::Cli, note};
use crate::error::{Failure, Kind, io_text};

/// Prints the page of `bgcam`, or writes the pages of all commands to `dir`.
pub(super) fn run(dir: Option<&Path>) -> Result<(), CliError> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let Some(dir) = dir else {
        return Ok(write_page(&command, &mut io::stdout().lock())?);
    };
    fs::create_dir_all(dir).and_then(|()| write_pages(&command, dir)).map_err(|error| {
        Failure::new(Kind::Io, format!("cannot write manual pages to {}: {}", dir.display(), io_text(&error)))
    })?;
    note(format_args!("manual pages written to {}", dir.display()));
    Ok(())
}

fn write_pages(command: &Command, dir: &Path) -> io::Result<()> {
    visible_commands(command).try_for_each(|command| write_pages(command, dir))?;
    let mut file = BufWriter::new(File::create(dir.join(format!("{}.1", page_name(command))))?);
    write_page(command, &mut file)?;
    file.flush()
}

fn visible_commands(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set())
}

/// The name of a command's page, such as `bgcam-gallery-use`.
fn page_name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn write_page(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let page = Man::new(command.clone()).source(format!("bgcam {}", env!("CARGO_PKG_VERSION"))).manual("bgcam manual");
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    if command.has_subcommands() {
        page.render_subcommands_section(out)?;
    }
    write_examples(command, out)?;
    write_items(out, "EXIT STATUS", &EXIT_STATUS)?;
    if page_name(command) == "bgcam" {
        write_items(out, "ENVIRONMENT", &ENVIRONMENT)?;
        write_items(out, "FILES", &FILES)?;
    }
    write_see_also(command, out)
}

/// Exit statuses of all commands.
const EXIT_STATUS: [(&str, &str); 4] = [
    ("0", "Success."),
    ("1", "Failure. The error and a hint are printed to standard error."),
    ("2", "Usage error: unknown command, option or value."),
    ("3", "The daemon is not running."),
];

const ENVIRONMENT: [(&str, &str); 5] = [
    ("BGCAM_SECTION_KEY", "Overrides a setting: BGCAM_OUTPUT_FPS=24 sets output.fps. Lists are separated by commas."),
    (
        "BGCAM_LOG",
        "Log level: off, error, warn, info (the default), debug or trace; or levels per module, such as bgcam::camera=debug.",
    ),
    ("BGCAM_ONNXRUNTIME", "Path of the ONNX Runtime library, if it is not in a standard location."),
    ("NO_COLOR", "Disables coloured output."),
    ("XDG_CONFIG_HOME, XDG_DATA_HOME, XDG_STATE_HOME, XDG_RUNTIME_DIR", "Base directories of the files below."),
];

const FILES: [(&str, &str); 7] = [
    ("/etc/bgcam/bgcam.toml", "Settings for all users."),
    ("~/.config/bgcam/bgcam.toml", "Your settings, which override those for all users."),
    ("~/.local/share/bgcam/gallery/", "Generated and imported background images."),
    ("~/.local/share/bgcam/models/", "Segmentation models."),
    ("~/.local/state/bgcam/scene.json", "Background, look and other choices, restored when the daemon starts."),
    ("~/.local/state/bgcam/presets.json", "Your presets."),
    ("$XDG_RUNTIME_DIR/bgcam/", "Socket of the running daemon."),
];

/// Writes the example commands in the help text as a section.
fn write_examples(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let examples: Vec<_> = help.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    if examples.is_empty() {
        return Ok(());
    }
    writeln!(out, ".SH EXAMPLES")?;
    for example in examples {
        writeln!(out, ".PP\n.nf\n.RS 4\n{}\n.RE\n.fi", escape(example))?;
    }
    Ok(())
}

/// Writes a section of terms with descriptions.
fn write_items(out: &mut dyn Write, title: &str, items: &[(&str, &str)]) -> io::Result<()> {
    writeln!(out, ".SH \"{title}\"")?;
    items.iter().try_for_each(|(term, text)| writeln!(out, ".TP\n\\fB{}\\fR\n{}", escape(term), escape(text)))
}

/// Lists the pages of the parent command and of the subcommands.
fn write_see_also(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let name = page_name(command);
    let mut pages: Vec<&str> = visible_commands(command).map(page_name).collect();
    if let Some((parent, _)) = name.strip_suffix(command.get_name()).and_then(|parent| parent.rsplit_once('-')) {
        pages.insert(0, parent);
    }
    let references: Vec<_> = pages.iter().map(|page| format!("\\fB{}\\fR(1)", escape(page))).collect();
    match references.is_empty() {
        true => Ok(()),
        false => writeln!(out, ".SH \"SEE ALSO\"\n{}", references.join(",\n")),
    }
}

/// Escapes text for roff: backslashes, characters that roff typesets differently, and a control character at the start.
fn escape(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('~', "\\(ti");
    if escaped.starts_with('.') { format!("\\&{escaped}") } else { escaped }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(names: &[&str]) -> String {
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        let command = names.iter().fold(&command, |command, name| command.find_subcommand(name).unwrap());
        let mut page = Vec::new();
        write_page(command, &mut page).unwrap();
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn pages_have_the_usual_sections() {
        let main = page(&[]);
        for section in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "EXAMPLES",
            "\"EXIT STATUS\"",
            "\"ENVIRONMENT\"",
            "\"FILES\"",
        ] {
            assert!(main.contains(&format!(".SH {section}\n")), "no {section} in\n{main}");
        }
        assert!(main.contains(".SH \"SEE ALSO\"\n") && main.contains("\\fBbgcam\\-set\\-prompt\\fR(1)"), "{main}");
        let usage = page(&["gallery", "use"]);
        assert!(usage.contains(".SH EXAMPLES\n.PP\n.nf\n.RS 4\nbgcam gallery use beach\n"), "{usage}");
        assert!(usage.contains(".SH \"SEE ALSO\"\n\\fBbgcam\\-gallery\\fR(1)\n"), "{usage}");
    }

    #[test]
    fn text_is_escaped_for_roff() {
        assert_eq!(escape(r"a\b --c 'd'"), r"a\eb \-\-c \(aqd\(aq");
        assert_eq!(escape(".x"), "\\&.x");
    }
}
