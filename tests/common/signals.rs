//! Processes that signals end, whatever the tests themselves ignore.

use std::process::Command;

/// The same command with the usual disposition of signals. A background job of a script ignores Ctrl-C, and so would the
/// processes that it starts.
pub fn with_default_signals(command: &Command) -> Command {
    let mut words = vec![command.get_program()];
    words.extend(command.get_args());
    // Only this `env` has the option.
    let mut out = if cfg!(target_os = "linux") {
        let mut out = Command::new("env");
        out.arg("--default-signal=HUP,INT,TERM").args(words);
        out
    } else {
        let mut out = Command::new(words[0]);
        out.args(&words[1..]);
        out
    };
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => out.env(name, value),
            None => out.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        out.current_dir(folder);
    }
    out
}
