//! What the developer sees: one line when a step starts, one with its time when it ends, all on stderr.

use std::{
    env,
    fmt::Display,
    io::{IsTerminal, stderr},
    sync::LazyLock,
    time::{Duration, Instant},
};

use anyhow::Result;

/// Run one step. Its title is printed before (the tools called in it print below), its time and result after.
pub fn step<T>(title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("{} {title}", cyan("▸"));
    let start = Instant::now();
    let result = work();
    let time = seconds(start.elapsed());
    match &result {
        Ok(_) => eprintln!("{} {title} {}", green("✓"), dim(&time)),
        Err(_) => eprintln!("{} {title} {}", red("✗"), dim(&time)),
    }
    result
}

/// A line of detail inside a step.
pub fn note(text: impl Display) {
    eprintln!("  {text}");
}

/// Report why the program ends: the error, then what led to it, one line each.
pub fn error(error: &anyhow::Error) {
    eprintln!("{} {error}", red("error:"));
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
}

/// A duration as people say it: `0.3 s`, `12 s`, `3 min 20 s`.
pub fn seconds(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// A title or a value to look at.
pub fn bold(text: &str) -> String {
    paint("1", text)
}

/// Something less important than its surroundings.
pub fn dim(text: &str) -> String {
    paint("2", text)
}

/// Failure.
pub fn red(text: &str) -> String {
    paint("31", text)
}

/// Success.
pub fn green(text: &str) -> String {
    paint("32", text)
}

/// A caution.
pub fn yellow(text: &str) -> String {
    paint("33", text)
}

/// A step.
pub fn cyan(text: &str) -> String {
    paint("36", text)
}

fn paint(code: &str, text: &str) -> String {
    if *COLOUR { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Colour only where a person reads it and has not asked for none (no-color.org).
static COLOUR: LazyLock<bool> = LazyLock::new(|| {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(test) && stderr().is_terminal() && !set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        let check = |millis, expected| assert_eq!(seconds(Duration::from_millis(millis)), expected);
        check(340, "0.3 s");
        check(12_700, "12 s");
        check(200_000, "3 min 20 s");
    }
}
