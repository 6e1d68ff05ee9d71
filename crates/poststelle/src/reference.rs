// SPDX-License-Identifier: EUPL-1.2
//! `docs`: references made from the program itself, committed, compared in every test run.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::Cli;

/// Writes or compares the references.
pub fn run(dir: &Path, check: bool) -> Result<ExitCode> {
    let pages = [
        ("befehle.md", commands()),
        ("fehlercodes.md", codes()),
        ("metriken.md", metrics()),
        ("konfiguration.md", configuration()),
        ("openapi.json", poststelle_web::openapi()),
    ];
    let mut differ = Vec::new();
    for (name, text) in pages {
        let path = dir.join(name);
        let text = format!("{}\n", text.trim_end());
        if check {
            if std::fs::read_to_string(&path).unwrap_or_default() != text {
                differ.push(path.display().to_string());
            }
        } else {
            std::fs::create_dir_all(dir).with_context(|| format!("folder {}", dir.display()))?;
            std::fs::write(&path, text).with_context(|| format!("{}", path.display()))?;
        }
    }
    if differ.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "Nicht auf dem Stand des Programms: {}. Bitte `poststelle docs` laufen lassen.",
        differ.join(", ")
    );
    Ok(ExitCode::FAILURE)
}

fn commands() -> String {
    let mut out = String::from("# Befehle\n\nErzeugt aus dem Programm (`poststelle docs`).\n");
    let mut cli = Cli::command();
    cli.build();
    describe(&cli, "poststelle", &mut out);
    out
}

fn describe(command: &clap::Command, path: &str, out: &mut String) {
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set() && s.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        let leaf = sub.get_subcommands().all(|s| s.get_name() == "help");
        if leaf {
            out.push_str(&format!(
                "\n## `{path}`\n\n{}\n",
                sub.get_about().map(ToString::to_string).unwrap_or_default()
            ));
            let shown = sub
                .get_arguments()
                .filter(|a| !a.is_hide_set() && !["help", "version"].contains(&a.get_id().as_str()));
            let rows: Vec<String> = shown
                .map(|a| {
                    let name = match (a.get_long(), a.get_short()) {
                        (Some(long), Some(short)) => format!("`--{long}`, `-{short}`"),
                        (Some(long), None) => format!("`--{long}`"),
                        _ => format!("`{}`", a.get_id().as_str().to_uppercase()),
                    };
                    let default: Vec<String> =
                        a.get_default_values().iter().map(|v| format!("`{}`", v.to_string_lossy())).collect();
                    let help = a.get_help().map(ToString::to_string).unwrap_or_default();
                    format!("| {name} | {} | {help} |", default.join(" "))
                })
                .collect();
            if !rows.is_empty() {
                out.push_str(&format!(
                    "\n| Angabe | Vorgabe | Bedeutung |\n| --- | --- | --- |\n{}\n",
                    rows.join("\n")
                ));
            }
        }
        describe(sub, &path, out);
    }
}

fn codes() -> String {
    let mut out = String::from(
        "# Fehlercodes\n\nErzeugt aus dem Programm (`poststelle docs`). Jeder Code ist stabil und steht in Protokollen, \
         API-Antworten und auf dem Bildschirm.\n\n| Code | Was geschehen ist |\n| --- | --- |\n",
    );
    let mut keys: Vec<&str> = poststelle_hub::texts::keys().filter(|k| k.starts_with("PST-")).collect();
    keys.sort_unstable();
    for key in keys {
        let text = poststelle_hub::texts::SOURCE
            .lines()
            .find_map(|l| l.strip_prefix(key)?.strip_prefix(" = "))
            .unwrap_or_default()
            .replace('|', "\\|");
        out.push_str(&format!("| `{key}` | {text} |\n"));
    }
    out
}

fn metrics() -> String {
    let mut out = String::from(
        "# Metriken\n\nErzeugt aus dem Programm (`poststelle docs`).\
         Abruf unter `/metrics` (OpenMetrics). Ein Histogramm hat dazu `_bucket`, `_sum` und `_count`.\n",
    );
    let parts = [
        ("Gezählt, je Knoten", poststelle_hub::metrics::COUNTED),
        ("Beim Abruf nachgesehen, je Knoten", poststelle_hub::scrape::NODE),
        ("Beim Abruf nachgesehen, für alle Knoten gleich (nicht addieren)", poststelle_hub::scrape::SHARED),
    ];
    for (title, numbers) in parts {
        out.push_str(&format!("\n## {title}\n\n| Name | Art | Bedeutung |\n| --- | --- | --- |\n"));
        for (name, kind, meaning) in numbers {
            out.push_str(&format!("| `{name}` | {kind} | {meaning} |\n"));
        }
    }
    out
}

fn configuration() -> String {
    // The struct's own source is the reference: field, default and comment stand together there.
    let source = include_str!("config.rs");
    let mut out = String::from(
        "# Konfiguration\n\nErzeugt aus dem Programm (`poststelle docs`). Eine TOML-Datei; unbekannte Felder werden abgewiesen. \
         `POSTSTELLE_ABSCHNITT_FELD` in der Umgebung überschreibt ein Feld.\n\n| Feld | Bedeutung |\n| --- | --- |\n",
    );
    let (mut section, mut comment) = (String::new(), String::new());
    for line in source.lines() {
        let line = line.trim();
        if let Some(text) = line.strip_prefix("/// ") {
            comment = if comment.is_empty() { text.to_owned() } else { format!("{comment} {text}") };
        } else if let Some(rest) = line.strip_prefix("pub struct ") {
            section = rest.split([' ', '{']).next().unwrap_or_default().to_lowercase();
            comment.clear();
        } else if line.starts_with("LimitSettings {") || line.starts_with("TimerSettings {") {
            section = if line.starts_with('L') { "limits".to_owned() } else { "timers".to_owned() };
            comment.clear();
        } else if let Some(field) =
            line.strip_prefix("pub ").and_then(|l| l.split_once(':')).map(|(f, _)| f.to_owned())
        {
            let heading = section == "config" && crate::config::SECTIONS.contains(&field.as_str());
            if !heading && !section.starts_with('$') {
                let path = if section == "config" { field } else { format!("{section}.{field}") };
                out.push_str(&format!(
                    "| `{path}` | {} |\n",
                    if comment.is_empty() { "–" } else { &comment }
                ));
            }
            comment.clear();
        } else if ["limits", "timers"].contains(&section.as_str())
            && let Some((field, default)) = line.split_once(" = ")
            && field.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            out.push_str(&format!(
                "| `{section}.{field}` | {comment} Vorgabe: {}. |\n",
                default.trim_end_matches(',')
            ));
            comment.clear();
        } else if line == "}" || line.starts_with("impl ") || line.starts_with("fn ") {
            comment.clear();
            if line.starts_with("impl ") {
                section = "$".to_owned();
            }
        }
    }
    out
}
