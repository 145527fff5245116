//! Which licences dependencies may have.

/// Licences that ask for nothing but notices (the list of `deny.toml`).
const LICENCES: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Does an SPDX expression allow use under listed licences? `AND` binds closer than `OR`; `/` is the old way to write `OR`.
pub fn allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut tokens: Vec<&str> = spaced.split_whitespace().rev().collect();
    let result = any_of(&mut tokens);
    result && tokens.is_empty()
}

fn any_of(tokens: &mut Vec<&str>) -> bool {
    let mut result = all_of(tokens);
    while tokens.last() == Some(&"OR") {
        tokens.pop();
        result |= all_of(tokens);
    }
    result
}

fn all_of(tokens: &mut Vec<&str>) -> bool {
    let mut result = one(tokens);
    while tokens.last() == Some(&"AND") {
        tokens.pop();
        result &= one(tokens);
    }
    result
}

fn one(tokens: &mut Vec<&str>) -> bool {
    match tokens.pop() {
        Some("(") => {
            let result = any_of(tokens);
            tokens.pop() == Some(")") && result
        }
        Some(name) if tokens.last() == Some(&"WITH") => {
            tokens.pop();
            let exception = tokens.pop().unwrap_or_default();
            LICENCES.contains(&format!("{name} WITH {exception}").as_str())
        }
        Some(name) => LICENCES.contains(&name),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::run::root;

    #[test]
    fn licence_expressions_are_read_as_spdx_says() {
        let check = |expression, expected| assert_eq!(allowed(expression), expected, "{expression}");
        check("MIT", true);
        check("MIT/Apache-2.0", true);
        check("GPL-3.0-only OR MIT", true);
        check("GPL-3.0-only", false);
        check("MIT AND GPL-3.0-only", false);
        check("(MIT OR GPL-3.0-only) AND ISC", true);
        check("Apache-2.0 WITH LLVM-exception OR GPL-2.0-only", true);
        check("Apache-2.0 WITH Other-exception", false);
        check("(MIT", false);
        check("", false);
    }

    #[test]
    fn deny_toml_lists_the_same() {
        let deny = fs::read_to_string(root().join("deny.toml")).unwrap();
        for licence in LICENCES {
            assert!(deny.contains(&format!("\"{licence}\"")), "deny.toml does not list the licence {licence}");
        }
    }
}
