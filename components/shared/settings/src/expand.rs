//! `${NAME}` and `${NAME:-default}`.

use shared_ports::{Config, ConfigError};

/// Why a text cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpandError {
    /// There is no such value and no default.
    #[error("`${{{0}}}` is not set: put it into the environment (Spin: variable `{lower}`), or write `${{{0}:-default}}`", lower = .0.to_ascii_lowercase())]
    Unset(String),
    /// `${` without a name or without its `}`.
    #[error(
        "`{0}` is not a reference: write `${{NAME}}` or `${{NAME:-default}}`, with capital letters, digits and `_`"
    )]
    Malformed(String),
    /// `wasi:config` did not answer.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Replace each `${NAME}` by the value that `wasi:config` has under the name in lower case: the host takes it from the
/// environment, Spin from a variable, workerd from a secret. What comes out is not expanded again.
pub fn expand(text: &str, config: &impl Config) -> Result<String, ExpandError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let (reference, tail) = after.split_once('}').ok_or_else(|| ExpandError::Malformed(format!("${{{after}")))?;
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (reference, None),
        };
        check_name(name, reference)?;
        match (config.value(&name.to_ascii_lowercase())?, default) {
            (Some(value), _) => out.push_str(&value),
            (None, Some(default)) => out.push_str(default),
            (None, None) => return Err(ExpandError::Unset(name.into())),
        }
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

/// The names that a text refers to, in order, with repetitions.
pub fn references(text: &str) -> Vec<&str> {
    text.split("${")
        .skip(1)
        .filter_map(|after| after.split_once('}'))
        .map(|(reference, _)| reference.split_once(":-").map_or(reference, |(name, _)| name))
        .collect()
}

fn check_name(name: &str, reference: &str) -> Result<(), ExpandError> {
    let legal = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(legal) {
        return Err(ExpandError::Malformed(format!("${{{reference}}}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_ports::memory::MemoryConfig;

    fn check(text: &str, expected: Result<&str, ExpandError>) {
        let config: MemoryConfig = [("token", "t0p"), ("nested", "${TOKEN}")].into_iter().collect();
        assert_eq!(expand(text, &config), expected.map(String::from), "{text}");
    }

    #[test]
    fn references_are_replaced_once() {
        check("plain $5 {x}", Ok("plain $5 {x}"));
        check("Bearer ${TOKEN}!", Ok("Bearer t0p!"));
        check("${NESTED}", Ok("${TOKEN}"));
        check("${ABSENT:-x:-y}${TOKEN:-no}", Ok("x:-yt0p"));
        check("${ABSENT:-}", Ok(""));
        check("$argon2id$v=19$m=19456", Ok("$argon2id$v=19$m=19456"));
    }

    #[test]
    fn what_cannot_be_replaced_is_named() {
        check("a ${ABSENT}", Err(ExpandError::Unset("ABSENT".into())));
        check("a ${TOKEN", Err(ExpandError::Malformed("${TOKEN".into())));
        check("${token}", Err(ExpandError::Malformed("${token}".into())));
        check("${}", Err(ExpandError::Malformed("${}".into())));
    }

    #[test]
    fn references_are_listed() {
        assert_eq!(references("${A} ${B_1:-x} $C"), ["A", "B_1"]);
    }
}
