//! The pages: plain HTML that works without scripts, by keyboard, on a phone, light and dark.

use crate::authorize::Recipient;
use crate::crypto;
use crate::errors::{self, Error};
use crate::http::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use shared_settings::Provider;
use std::collections::BTreeMap;

const STYLE: &str = include_str!("pages.css");

/// Two places and what joins them. Drawn in the page: the policy lets nothing be fetched.
const MARK: &str = "<svg width=\"22\" height=\"22\" viewBox=\"0 0 22 22\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\" aria-hidden=\"true\">\
    <circle cx=\"5\" cy=\"11\" r=\"3\"/><circle cx=\"17\" cy=\"5\" r=\"3\"/><circle cx=\"17\" cy=\"17\" r=\"3\"/><path d=\"m8 9.5 6-3m-6 6 6 3\"/></svg>";

/// Where the forms of a page may lead (CSP `form-action`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormTarget {
    /// To this server only, also by way of redirects.
    Here,
    /// Not restricted. Chromium applies `form-action` to every redirect that follows a form, and from the consent page
    /// those lead to the client and from there to wherever the client likes: a list of allowed places would break
    /// clients. What the restriction is against, a form planted into the page, is kept out by escaping everything; and
    /// the one page where a planted form could get hold of something, the login page, has it.
    Anywhere,
}

/// Text as HTML, for content and for quoted attribute values.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A page with one thing to do. `title` is text, `main` is HTML.
pub fn page(status: u16, title: &str, main: &str, forms: FormTarget) -> Response {
    whole(status, title, "", "", main, forms)
}

/// A page with a list: wider, and with links (HTML) to the other pages of its kind.
pub fn wide_page(title: &str, links: &str, main: &str) -> Response {
    whole(200, title, " class=\"wide\"", links, main, FormTarget::Here)
}

fn whole(status: u16, title: &str, class: &str, links: &str, main: &str, forms: FormTarget) -> Response {
    let title = escape(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\">\
         <title>{title} – mcp-edge</title><style>{STYLE}</style></head>\
         <body{class}><header>{MARK}mcp-edge{links}</header><main>{main}</main></body></html>"
    );
    let style = BASE64_STANDARD.encode(crypto::sha256(STYLE.as_bytes()));
    let form_action = match forms {
        FormTarget::Here => "; form-action 'self'",
        FormTarget::Anywhere => "",
    };
    let policy =
        format!("default-src 'none'; style-src 'sha256-{style}'{form_action}; frame-ancestors 'none'; base-uri 'none'");
    let mut response = Response::empty(status)
        .with("content-type", "text/html; charset=utf-8".into())
        .with("content-security-policy", policy)
        .with("x-frame-options", "DENY".into())
        .with("x-content-type-options", "nosniff".into())
        .with("referrer-policy", "no-referrer".into());
    response.body = html.into_bytes();
    response
}

/// Something went wrong, told to a person. The way on is there for everybody: who is signed in finds the apps and the
/// button to sign out there, who is not can sign in.
pub fn error(status: u16, text: &str) -> Response {
    let title = match status {
        404 => "Page not found",
        500.. => "Not at the moment",
        _ => "This did not work",
    };
    let main = format!(
        "<h1>{title}</h1><p>{}</p><p class=\"small\"><a href=\"/oauth/apps\">Your connected apps</a></p>",
        escape(text)
    );
    page(status, title, &main, FormTarget::Here)
}

/// The sign of an app: the first letter of its name, or a dot. Only for the eye.
pub fn tile(name: &str) -> String {
    let letter = name.chars().find(|c| c.is_alphanumeric()).unwrap_or('•');
    format!("<div class=\"tile\" aria-hidden=\"true\">{}</div>", letter.to_uppercase())
}

/// The name of a client, escaped. In quotes, because it is the client's own text; isolated, because it may be written
/// from right to left.
pub fn client_name(recipient: &Recipient) -> String {
    match recipient.client.name.trim() {
        "" => "an app without a name".into(),
        name => format!("“<bdi>{}</bdi>”", escape(name)),
    }
}

/// How one may log in.
#[derive(Debug)]
pub struct Ways<'a> {
    /// Whether there are users with passwords.
    pub password: bool,
    /// Identity providers by name.
    pub providers: &'a BTreeMap<String, Provider>,
}

/// The login page. Posts `request`, `username` and `password` to `/oauth/login`; leads to `/oauth/login/{provider}` with
/// `request`. Providers are links and not forms, because `form-action` would hold up where they lead to.
pub fn login(recipient: Option<&Recipient>, ways: &Ways, carried: &str, name: &str, error: Option<&Error>) -> Response {
    let wire = error.map(errors::wire);
    let notice = wire.as_ref().map_or_else(String::new, |wire| {
        format!("<p class=\"notice bad\" role=\"alert\" id=\"problem\">{}</p>", escape(&wire.text))
    });
    let why = match recipient {
        Some(recipient) => format!("{} asks for access to this gateway.", client_name(recipient)),
        None => "To see which apps have access to this gateway.".into(),
    };
    let links: String = ways
        .providers
        .iter()
        .map(|(id, provider)| {
            let label = provider.label.as_deref().unwrap_or(id);
            let href = format!("/oauth/login/{id}?request={carried}");
            format!("<a class=\"button\" href=\"{}\">Continue with {}</a>", escape(&href), escape(label))
        })
        .collect();
    let links = if ways.providers.is_empty() { links } else { format!("<div class=\"ways\">{links}</div>") };
    let alone = ways.providers.is_empty();
    let form = if ways.password { password_form(carried, name, error, alone) } else { String::new() };
    let or = if ways.password && !alone { "<p class=\"or\">or</p>" } else { "" };
    let main = format!("<h1>Sign in</h1><p class=\"soft\">{why}</p>{notice}{links}{or}{form}");
    let status = wire.as_ref().map_or(200, |wire| wire.status);
    // The title is what a screen reader says first.
    let title = if error.is_some() { "Error: Sign in" } else { "Sign in" };
    let response = page(status, title, &main, FormTarget::Here);
    match error {
        Some(Error::Throttled { retry_after }) => response.with("retry-after", retry_after.to_string()),
        _ => response,
    }
}

fn password_form(carried: &str, name: &str, error: Option<&Error>, alone: bool) -> String {
    // The field that has to be filled in next has the focus. Not beside providers on a first visit: it would take people
    // past them, and open the keyboard of a phone over them.
    let (focus_name, focus_password) = match name {
        "" if alone || error.is_some() => (" autofocus", ""),
        "" => ("", ""),
        _ => ("", " autofocus"),
    };
    let wrong = match error {
        Some(Error::Credentials) => " aria-invalid=\"true\" aria-describedby=\"problem\"",
        _ => "",
    };
    format!(
        "<form method=\"post\" action=\"/oauth/login\"><input type=\"hidden\" name=\"request\" value=\"{carried}\">\
         <label for=\"username\">User name</label>\
         <input type=\"text\" id=\"username\" name=\"username\" value=\"{name}\" autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" required{wrong}{focus_name}>\
         <label for=\"password\">Password</label>\
         <input type=\"password\" id=\"password\" name=\"password\" autocomplete=\"current-password\" required{wrong}{focus_password}>\
         <div class=\"buttons\"><button class=\"main\" type=\"submit\">Sign in</button></div></form>",
        carried = escape(carried),
        name = escape(name),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn escaped_text_has_no_markup(text in ".*") {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            let back = escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&");
            prop_assert_eq!(back, text);
        }

        #[test]
        fn a_tile_is_one_letter_whatever_the_name(name in ".*") {
            let html = tile(&name);
            let letter = html.strip_prefix("<div class=\"tile\" aria-hidden=\"true\">").and_then(|rest| rest.strip_suffix("</div>")).unwrap();
            prop_assert!((1..=3).contains(&letter.chars().count()) && escape(letter) == letter, "{}", html);
        }
    }

    #[test]
    fn the_style_can_stand_in_a_style_element() {
        assert!(!STYLE.contains('<'));
    }
}
