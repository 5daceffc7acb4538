//! The environment variables of Immich's machine-learning container, so that a compose file for it works here too.

use std::time::Duration;

/// Values of `IMMICH_LOG_LEVEL`: those of Immich's server, then those that only its container takes.
const LOG_LEVELS: [&str; 9] = ["verbose", "debug", "log", "warn", "error", "fatal", "info", "warning", "critical"];

/// What the variables ask for. Empty ones count as unset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Environment {
    /// `IMMICH_HOST`
    pub host: Option<String>,
    /// `IMMICH_PORT`
    pub port: Option<u16>,
    /// `IMMICH_LOG_LEVEL`, in lower case.
    pub log_level: Option<String>,
    /// `MACHINE_LEARNING_MODEL_TTL`; zero for never.
    pub idle: Option<Duration>,
    /// `MACHINE_LEARNING_MODEL_INTRA_OP_THREADS`, if it is above zero.
    pub threads: Option<usize>,
    /// The models here that `MACHINE_LEARNING_PRELOAD__CLIP` and its two parts name, each once.
    pub preload: Vec<String>,
    /// Set variables that mean nothing here.
    pub unused: Vec<String>,
}

impl Environment {
    /// Reads variables; those of others are passed over.
    ///
    /// # Errors
    /// A value that cannot be used: a sentence that names the variable.
    pub fn read(variables: impl IntoIterator<Item = (String, String)>) -> Result<Environment, String> {
        let mut found = Environment::default();
        for (name, value) in variables {
            let value = value.trim();
            if value.is_empty() || !(name.starts_with("IMMICH_") || name.starts_with("MACHINE_LEARNING_")) {
                continue;
            }
            let refused = |expected: &str| format!("{name}={value} is not {expected}");
            match name.as_str() {
                "IMMICH_HOST" => found.host = Some(value.to_owned()),
                "IMMICH_PORT" => found.port = Some(value.parse().map_err(|_| refused("a port"))?),
                "IMMICH_LOG_LEVEL" => {
                    let level = value.to_ascii_lowercase();
                    if !LOG_LEVELS.contains(&level.as_str()) {
                        return Err(refused("one of verbose, debug, log, warn, error and fatal"));
                    }
                    found.log_level = Some(level);
                }
                "MACHINE_LEARNING_MODEL_TTL" => {
                    let seconds: i64 = value.parse().map_err(|_| refused("a number of seconds"))?;
                    found.idle = Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
                }
                "MACHINE_LEARNING_MODEL_INTRA_OP_THREADS" => {
                    let threads: usize = value.parse().map_err(|_| refused("a number of threads"))?;
                    found.threads = Some(threads.min(1024)).filter(|&threads| threads > 0);
                }
                "MACHINE_LEARNING_PRELOAD__CLIP"
                | "MACHINE_LEARNING_PRELOAD__CLIP__TEXTUAL"
                | "MACHINE_LEARNING_PRELOAD__CLIP__VISUAL" => {
                    for model in value.split(',').map(str::trim).filter(|model| !model.is_empty()) {
                        let known = super::names::find(&super::names::clean(model));
                        let ours = match known {
                            Some(known) => known.ours.ok_or_else(|| refused("a model that clippie-rs has"))?,
                            None => model,
                        };
                        if !found.preload.iter().any(|other| other == ours) {
                            found.preload.push(ours.to_owned());
                        }
                    }
                }
                _ => found.unused.push(name),
            }
        }
        found.unused.sort();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, String> {
        Environment::read(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn variables_of_a_compose_file() {
        let read = read(&[
            ("PATH", "/bin"),
            ("IMMICH_HOST", "0.0.0.0"),
            ("IMMICH_PORT", "3004"),
            ("IMMICH_LOG_LEVEL", "DEBUG"),
            ("MACHINE_LEARNING_MODEL_TTL", "-1"),
            ("MACHINE_LEARNING_MODEL_INTRA_OP_THREADS", "0"),
            ("MACHINE_LEARNING_PRELOAD__CLIP__TEXTUAL", "ViT-B-32__openai, ViT-B-16-SigLIP2__webli"),
            ("MACHINE_LEARNING_PRELOAD__CLIP__VISUAL", "ViT-B-32::openai"),
            ("MACHINE_LEARNING_WORKERS", "2"),
            ("MACHINE_LEARNING_CACHE_FOLDER", "/cache"),
            ("MACHINE_LEARNING_DEVICE_IDS", ""),
        ]);
        let read = read.unwrap();
        assert_eq!(
            (read.host.as_deref(), read.port, read.log_level.as_deref()),
            (Some("0.0.0.0"), Some(3004), Some("debug"))
        );
        assert_eq!((read.idle, read.threads), (Some(Duration::ZERO), None));
        assert_eq!(read.preload, ["vit-b-32-openai", "siglip2-b-16-224"]);
        assert_eq!(read.unused, ["MACHINE_LEARNING_CACHE_FOLDER", "MACHINE_LEARNING_WORKERS"]);
    }

    #[test]
    fn values_that_cannot_be_used_are_named() {
        for (name, value) in [
            ("IMMICH_PORT", "70000"),
            ("IMMICH_LOG_LEVEL", "bogus"),
            ("MACHINE_LEARNING_MODEL_TTL", "5m"),
            ("MACHINE_LEARNING_MODEL_INTRA_OP_THREADS", "-1"),
            ("MACHINE_LEARNING_PRELOAD__CLIP", "LABSE-Vit-L-14"),
        ] {
            assert!(read(&[(name, value)]).unwrap_err().starts_with(&format!("{name}={value} is not ")), "{name}");
        }
    }
}
