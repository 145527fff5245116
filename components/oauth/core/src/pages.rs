//! The pages: plain HTML that works without scripts, by keyboard, on a phone, light and dark.

use crate::authorize::Recipient;
use crate::crypto;
use crate::errors::{self, Error};
use crate::http::Response;
use crate::records::Origin;
use crate::redirect::{self, Target};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use shared_settings::Provider;
use std::collections::BTreeMap;

const STYLE: &str = include_str!("pages.css");

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

/// A whole page. `title` is text, `main` is HTML.
pub fn page(status: u16, title: &str, main: &str, forms: FormTarget) -> Response {
    let title = escape(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\">\
         <title>{title} – mcp-edge</title><style>{STYLE}</style></head><body><main>{main}</main></body></html>"
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

/// Something went wrong, told to a person.
pub fn error(status: u16, text: &str) -> Response {
    let title = match status {
        404 => "Page not found",
        500.. => "Not at the moment",
        _ => "This did not work",
    };
    page(status, title, &format!("<h1>{title}</h1><p>{}</p>", escape(text)), FormTarget::Here)
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
    let links = if links.is_empty() { links } else { format!("<div class=\"ways\">{links}</div>") };
    let form = if ways.password { password_form(carried, name) } else { String::new() };
    let or = if ways.password && !links.is_empty() { "<p class=\"or soft\">or</p>" } else { "" };
    let main = format!("<h1>Sign in</h1><p class=\"soft\">{why}</p>{notice}{links}{or}{form}");
    let status = wire.as_ref().map_or(200, |wire| wire.status);
    let response = page(status, "Sign in", &main, FormTarget::Here);
    match error {
        Some(Error::Throttled { retry_after }) => response.with("retry-after", retry_after.to_string()),
        _ => response,
    }
}

fn password_form(carried: &str, name: &str) -> String {
    // The field that has to be filled in next has the focus.
    let (focus_name, focus_password) = if name.is_empty() { (" autofocus", "") } else { ("", " autofocus") };
    format!(
        "<form method=\"post\" action=\"/oauth/login\"><input type=\"hidden\" name=\"request\" value=\"{carried}\">\
         <label for=\"username\">User name</label>\
         <input type=\"text\" id=\"username\" name=\"username\" value=\"{name}\" autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" required{focus_name}>\
         <label for=\"password\">Password</label>\
         <input type=\"password\" id=\"password\" name=\"password\" autocomplete=\"current-password\" required{focus_password}>\
         <div class=\"buttons\"><button class=\"main\" type=\"submit\">Sign in</button></div></form>",
        carried = escape(carried),
        name = escape(name),
    )
}

/// A scope on the consent page.
#[derive(Debug)]
pub struct Skill<'a> {
    /// On the wire.
    pub name: &'a str,
    /// For people.
    pub meaning: &'a str,
    /// Whether its box is ticked at first.
    pub ticked: bool,
}

/// The consent page. Posts `request`, one `scope` for each box that is ticked, and `action` (`approve`, `deny`,
/// `switch`) to `/oauth/consent`.
pub fn consent(recipient: &Recipient, skills: &[Skill], user: &str, carried: &str, notice: Option<&str>) -> Response {
    let (place, warning) = match redirect::classify(&recipient.redirect_uri) {
        Ok(Target::Web(host)) => (format!("the web site <strong>{}</strong>", escape(host)), ""),
        Ok(Target::Loopback(host)) => (
            format!("a program on this computer (<strong>{}</strong>)", escape(host)),
            "<p class=\"notice warn\">Any program on your computer can ask like this and give itself any name. \
             Continue only if you have just started this yourself.</p>",
        ),
        Ok(Target::App(scheme)) => (
            format!("the app on this device that opens <strong>{}:</strong> links", escape(scheme)),
            "<p class=\"notice warn\">Any app on your device can ask like this and give itself any name. \
             Continue only if you have just started this yourself.</p>",
        ),
        // Cannot be: it was checked when it was registered.
        Err(_) => (String::new(), ""),
    };
    let boxes: String = skills
        .iter()
        .map(|skill| {
            format!(
                "<label class=\"scope\"><input type=\"checkbox\" name=\"scope\" value=\"{}\"{}><span>{}</span></label>",
                escape(skill.name),
                if skill.ticked { " checked" } else { "" },
                escape(skill.meaning)
            )
        })
        .collect();
    let known_by = match recipient.client.origin {
        Origin::Settings => "The operator of this gateway has registered the app.".into(),
        Origin::Document => {
            let address = recipient.client.id.strip_prefix("https://").unwrap_or_default();
            let host = address.split('/').next().unwrap_or_default();
            format!("The app is described by <strong>{}</strong>. The name is what it says about itself.", escape(host))
        }
        Origin::Registered => String::from("The name is what the app says about itself. Nobody has checked it."),
    };
    let notice = notice
        .map_or_else(String::new, |notice| format!("<p class=\"notice bad\" role=\"alert\">{}</p>", escape(notice)));
    let main = format!(
        "<h1>Allow {client} to use this gateway?</h1>{notice}\
         <form class=\"switch\" method=\"post\" action=\"/oauth/consent\"><input type=\"hidden\" name=\"request\" value=\"{carried}\">\
         <p class=\"soft\">Signed in as <strong>{user}</strong>. <button class=\"link\" type=\"submit\" name=\"action\" value=\"switch\">Use another account</button></p></form>\
         {warning}\
         <form method=\"post\" action=\"/oauth/consent\"><input type=\"hidden\" name=\"request\" value=\"{carried}\">\
         <fieldset><legend>It may</legend>{boxes}</fieldset>\
         <dl><dt>The answer goes to</dt><dd>{place}</dd><dt>Exact address</dt><dd><code>{uri}</code></dd></dl>\
         <p class=\"soft\">{known_by}</p>\
         <div class=\"buttons\"><button type=\"submit\" name=\"action\" value=\"deny\">Cancel</button>\
         <button class=\"main\" type=\"submit\" name=\"action\" value=\"approve\">Allow</button></div></form>",
        client = client_name(recipient),
        carried = escape(carried),
        user = escape(user),
        uri = escape(&recipient.redirect_uri),
    );
    page(200, "Allow access", &main, FormTarget::Anywhere)
}

/// The name of a client, escaped.
fn client_name(recipient: &Recipient) -> String {
    match recipient.client.name.trim() {
        "" => "an app without a name".into(),
        name => format!("“{}”", escape(name)),
    }
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
    }

    #[test]
    fn the_style_can_stand_in_a_style_element() {
        assert!(!STYLE.contains('<'));
    }
}
