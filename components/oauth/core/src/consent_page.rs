//! The page on which a person decides what an app may do.

use crate::authorize::Recipient;
use crate::http::Response;
use crate::pages::{FormTarget, client_name, escape, page, tile};
use crate::records::Origin;
use crate::redirect::{self, Target};

/// A scope on the consent page.
#[derive(Debug)]
pub struct Skill<'a> {
    /// On the wire.
    pub name: &'a str,
    /// For people.
    pub meaning: &'a str,
    /// The servers that it gives access to, by name, and what there; `None`: all.
    pub servers: Option<Vec<(&'a str, Option<String>)>>,
    /// Whether its box is ticked at first.
    pub ticked: bool,
}

/// The consent page. Posts `request`, one `scope` for each box that is ticked, and `action` (`approve`, `deny`,
/// `switch`) to `/oauth/consent`.
///
/// "Cancel" comes first: Enter on a box presses the first button of the form, and no slip of a finger may approve.
pub fn consent(recipient: &Recipient, skills: &[Skill], user: &str, carried: &str, notice: Option<&str>) -> Response {
    let (place, warning) = place(&recipient.redirect_uri);
    let warning = warning.map_or_else(String::new, |who| {
        format!(
            "<p class=\"notice\">Any {who} can ask like this and give itself any name. \
             Continue only if you have just started this yourself.</p>"
        )
    });
    let boxes: String = skills
        .iter()
        .map(|skill| {
            format!(
                "<label><input type=\"checkbox\" name=\"scope\" value=\"{}\"{}><span>{}{}</span></label>",
                escape(skill.name),
                if skill.ticked { " checked" } else { "" },
                escape(skill.meaning),
                servers(skill)
            )
        })
        .collect();
    let (title, notice) = match notice {
        None => ("Allow access", String::new()),
        Some(notice) => {
            ("Error: Allow access", format!("<p class=\"notice bad\" role=\"alert\">{}</p>", escape(notice)))
        }
    };
    let main = format!(
        "{tile}<h1>Allow {client} to use this gateway?</h1>\
         <form method=\"post\" action=\"/oauth/consent\"><input type=\"hidden\" name=\"request\" value=\"{carried}\">\
         <p class=\"soft small\">Signed in as <strong>{user}</strong>. <button class=\"link\" type=\"submit\" name=\"action\" value=\"switch\">Use another account</button></p></form>\
         {warning}{notice}\
         <form method=\"post\" action=\"/oauth/consent\"><input type=\"hidden\" name=\"request\" value=\"{carried}\">\
         <fieldset><legend>It may</legend><div class=\"skills\">{boxes}</div></fieldset>\
         <dl><dt>You go back to</dt><dd>{place}</dd><dt>Exact address</dt><dd><code>{uri}</code></dd>\
         <dt>About the app</dt><dd>{known_by}</dd></dl>\
         <div class=\"buttons\"><button type=\"submit\" name=\"action\" value=\"deny\">Cancel</button>\
         <button class=\"main\" type=\"submit\" name=\"action\" value=\"approve\">Allow</button></div></form>",
        tile = tile(&recipient.client.name),
        client = client_name(recipient),
        carried = escape(carried),
        user = escape(user),
        uri = escape(&recipient.redirect_uri),
        known_by = known_by(recipient),
    );
    page(200, title, &main, FormTarget::Anywhere)
}

/// Which servers are behind a skill, as HTML.
fn servers(skill: &Skill) -> String {
    let Some(servers) = &skill.servers else { return String::new() };
    let one = |(name, tools): &(&str, Option<String>)| match tools {
        None => escape(name),
        Some(tools) => format!("{} ({})", escape(name), escape(tools)),
    };
    let list = match servers.is_empty() {
        true => "none".into(),
        false => servers.iter().map(one).collect::<Vec<_>>().join("; "),
    };
    format!("<br><span class=\"soft small\">On these servers: {list}</span>")
}

/// Where a redirect URI leads, as HTML; and who else could receive there, if that is not the app alone.
fn place(redirect_uri: &str) -> (String, Option<&'static str>) {
    match redirect::classify(redirect_uri) {
        Ok(Target::Web(host)) => (format!("the web site <strong>{}</strong>", escape(host)), None),
        Ok(Target::Loopback(host)) => (
            format!("a program on this computer (<strong>{}</strong>)", escape(host)),
            Some("program on your computer"),
        ),
        Ok(Target::App(scheme)) => (
            format!("the app on this device that opens <strong>{}:</strong> links", escape(scheme)),
            Some("app on your device"),
        ),
        // Cannot be: it was checked when it was registered.
        Err(_) => (String::new(), None),
    }
}

/// Whose word the name is.
fn known_by(recipient: &Recipient) -> String {
    match recipient.client.origin {
        Origin::Settings => "The operator of this gateway has registered the app.".into(),
        Origin::Document => {
            let address = recipient.client.id.strip_prefix("https://").unwrap_or_default();
            let host = address.split('/').next().unwrap_or_default();
            format!("The app is described by <strong>{}</strong>. The name is what it says about itself.", escape(host))
        }
        Origin::Registered => "The name is what the app says about itself. Nobody has checked it.".into(),
    }
}
