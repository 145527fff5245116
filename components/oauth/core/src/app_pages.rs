//! The pages with connected apps.

use crate::grants::Grant;
use crate::http::Response;
use crate::pages::{escape, tile, wide_page};
use crate::people::Person;
use shared_settings::Scopes;

/// A person's own apps. Posts `request` and `end` or `action` to `/oauth/apps`.
pub fn apps(name: &str, grants: &[Grant], scopes: &Scopes, carried: &str, admin: bool) -> Response {
    let hidden = format!("<input type=\"hidden\" name=\"request\" value=\"{}\">", escape(carried));
    let main = format!(
        "<h1>Connected apps</h1>\
         <form method=\"post\" action=\"/oauth/apps\">{hidden}\
         <p class=\"soft small\">Signed in as <strong>{name}</strong>. <button class=\"link\" type=\"submit\" name=\"action\" value=\"switch\">Sign out</button></p></form>\
         {list}",
        name = escape(name),
        list = list(grants, scopes, "/oauth/apps", &hidden),
    );
    wide_page("Connected apps", if admin { LINKS } else { "" }, &main)
}

/// What administrators have at the top of these pages.
const LINKS: &str =
    "<nav aria-label=\"Pages\"><a href=\"/oauth/apps\">My apps</a><a href=\"/oauth/admin\">All users</a></nav>";

/// All users, for administrators.
pub fn users(users: &[(String, Option<Person>)]) -> Response {
    let rows: String = users
        .iter()
        .map(|(hash, person)| {
            let (name, subject) = person.as_ref().map_or((hash, hash), |person| (&person.name, &person.subject));
            // Of local users both are the same.
            let subject = Some(subject).filter(|subject| *subject != name);
            let subject = subject
                .map_or_else(String::new, |subject| format!("<span class=\"soft small\">{}</span>", escape(subject)));
            format!("<li><a href=\"/oauth/admin?user={hash}\">{}{subject}</a></li>", escape(name))
        })
        .collect();
    let (why, list) = match rows.as_str() {
        "" => ("Nobody has connected an app yet.", String::new()),
        rows => (
            "Who has signed in or connected an app: the newest 1,000. Choose one to see which apps.",
            format!("<ul class=\"users\">{rows}</ul>"),
        ),
    };
    wide_page("Users", LINKS, &format!("<h1>Users</h1><p class=\"soft small\">{why}</p>{list}"))
}

/// The apps of one user, for administrators. Posts `request`, `user` and `end` or `action` to `/oauth/admin`.
pub fn user(hash: &str, person: Option<&Person>, grants: &[Grant], scopes: &Scopes, carried: &str) -> Response {
    let (name, subject) = person.map_or((hash, hash), |person| (person.name.as_str(), person.subject.as_str()));
    let hidden = format!(
        "<input type=\"hidden\" name=\"request\" value=\"{}\"><input type=\"hidden\" name=\"user\" value=\"{}\">",
        escape(carried),
        escape(hash)
    );
    // Two steps, also without scripts: this one cannot be undone.
    let main = format!(
        "<h1>Apps of {name}</h1><dl><dt>Subject</dt><dd><code>{subject}</code></dd><dt>In logs</dt><dd><code>{hash}</code></dd></dl>\
         {list}<details><summary>Delete everything about this user</summary>\
         <p>This ends the access of all apps and deletes what is stored for {name}. It cannot be undone. Whoever may \
         log in can come back and begin again.</p><form method=\"post\" action=\"/oauth/admin\">{hidden}\
         <button class=\"danger\" type=\"submit\" name=\"action\" value=\"delete\">Delete everything</button></form></details>",
        name = escape(name),
        subject = escape(subject),
        hash = escape(hash),
        list = list(grants, scopes, "/oauth/admin", &hidden),
    );
    wide_page("Apps of a user", LINKS, &main)
}

fn list(grants: &[Grant], scopes: &Scopes, action: &str, hidden: &str) -> String {
    if grants.is_empty() {
        return "<p>No app has access.</p>".into();
    }
    let one = |grant: &Grant| {
        let name = match grant.client_name.trim() {
            "" => "An app without a name",
            name => name,
        };
        let skills: String = grant
            .scopes
            .iter()
            .map(|scope| format!("<li>{}</li>", escape(scopes.meaning(scope).unwrap_or(scope))))
            .collect();
        let from = match grant.client_id.strip_prefix("https://") {
            Some(address) => format!(", from {}", escape(address.split('/').next().unwrap_or_default())),
            None => String::new(),
        };
        format!(
            "<article>{tile}<div><h2>{name}</h2><p class=\"soft\">Since {since}{from}. Ends {until} unless used.</p>\
             <ul>{skills}</ul></div><form method=\"post\" action=\"{action}\">{hidden}\
             <button class=\"danger\" type=\"submit\" name=\"end\" value=\"{id}\" aria-label=\"End access of {name}\">End access</button></form></article>",
            tile = tile(name),
            name = escape(name),
            since = date(grant.created_at),
            until = date(grant.expires_at),
            id = escape(&grant.id),
        )
    };
    let apps: String = grants.iter().rev().map(one).collect();
    format!("<div class=\"apps\">{apps}</div>")
}

/// The day of a time, UTC: `2026-07-28`. (Days from civil, by Howard Hinnant.)
fn date(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_have_their_dates() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_785_196_799, "2026-07-27"),
            (1_800_000_000, "2027-01-15"),
            (4_102_444_800, "2100-01-01"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }
}
