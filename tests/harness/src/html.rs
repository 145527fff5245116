//! The forms of an HTML page, found the way a browser without JavaScript finds them.

/// A form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    /// `method`, in lower case; `get` where it is left out.
    pub method: String,
    /// `action` as written; empty is the page itself.
    pub action: String,
    /// Fields other than buttons, with the values they have on the page. Boxes that are not ticked are left out.
    pub fields: Vec<Field>,
    /// Buttons that submit, in order.
    pub buttons: Vec<Button>,
}

/// A field of a form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    /// `name`.
    pub name: String,
    /// `type`, in lower case: `hidden`, `text`, `password`, `checkbox`, …
    pub kind: String,
    /// `value`.
    pub value: String,
}

/// A button that submits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Button {
    /// `name`; empty where it has none.
    pub name: String,
    /// `value`.
    pub value: String,
    /// What it says.
    pub text: String,
}

impl Form {
    /// Whether it asks for a password.
    pub fn asks_password(&self) -> bool {
        self.fields.iter().any(|field| field.kind == "password")
    }

    /// The button that says yes.
    pub fn yes(&self) -> Option<&Button> {
        self.button(&["approve", "allow", "accept", "yes", "log in", "sign in"])
    }

    /// The button that says no.
    pub fn no(&self) -> Option<&Button> {
        self.button(&["deny", "cancel", "refuse", "reject"])
    }

    /// The first button that has the first of these words anywhere.
    fn button(&self, words: &[&str]) -> Option<&Button> {
        let says = |button: &Button, word: &str| {
            [&button.name, &button.value, &button.text].iter().any(|text| text.to_lowercase().contains(word))
        };
        words.iter().find_map(|word| self.buttons.iter().find(|button| says(button, word)))
    }
}

/// The forms of a page.
pub fn forms(page: &str) -> Vec<Form> {
    let mut forms = Vec::new();
    let mut open: Option<Form> = None;
    let mut tags = Tags { page, at: 0 };
    while let Some((tag, attributes)) = tags.next_tag() {
        let attribute = |name: &str| attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        let text = |name: &str| attribute(name).unwrap_or_default();
        match (tag.as_str(), &mut open) {
            ("form", _) => {
                let method = attribute("method").map_or("get".into(), |method| method.to_lowercase());
                open = Some(Form { method, action: text("action"), ..Form::default() });
            }
            ("/form", form) => forms.extend(form.take()),
            ("input", Some(form)) => {
                let kind = attribute("type").map_or("text".into(), |kind| kind.to_lowercase());
                match kind.as_str() {
                    "submit" => {
                        form.buttons.push(Button { name: text("name"), value: text("value"), text: text("value") })
                    }
                    "checkbox" | "radio" if attribute("checked").is_none() => {}
                    "button" | "reset" | "image" => {}
                    "checkbox" | "radio" => {
                        let value = attribute("value").unwrap_or_else(|| "on".into());
                        form.fields.push(Field { name: text("name"), kind, value });
                    }
                    _ => form.fields.push(Field { name: text("name"), kind, value: text("value") }),
                }
            }
            ("button", Some(form)) if attribute("type").is_none_or(|kind| kind.eq_ignore_ascii_case("submit")) => {
                form.buttons.push(Button {
                    name: text("name"),
                    value: text("value"),
                    text: tags.text_until("</button"),
                });
            }
            _ => {}
        }
    }
    forms
}

struct Tags<'a> {
    page: &'a str,
    at: usize,
}

impl Tags<'_> {
    /// The next tag, in lower case (`/form` for an end), with its attributes.
    fn next_tag(&mut self) -> Option<(String, Vec<(String, String)>)> {
        loop {
            let start = self.at + self.page[self.at..].find('<')?;
            if self.page[start..].starts_with("<!--") {
                self.at = self.page[start..].find("-->").map_or(self.page.len(), |end| start + end + 3);
                continue;
            }
            let end = start + tag_end(&self.page[start..])?;
            self.at = end + 1;
            let inner = self.page[start + 1..end].trim_end_matches('/');
            let (name, attributes) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
            let name = name.to_lowercase();
            if name == "script" || name == "style" {
                self.text_until(&format!("</{name}"));
            }
            return Some((name, parse_attributes(attributes)));
        }
    }

    /// Text up to this end tag, without tags inside.
    fn text_until(&mut self, end: &str) -> String {
        let rest = &self.page[self.at..];
        let length = rest.to_lowercase().find(end).unwrap_or(rest.len());
        self.at += length;
        let mut text = String::new();
        let mut inside = false;
        for c in rest[..length].chars() {
            match c {
                '<' => inside = true,
                '>' => inside = false,
                c if !inside => text.push(c),
                _ => {}
            }
        }
        decode(text.trim())
    }
}

/// Where a tag ends: at the first `>` outside quotes.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (index, c) in tag.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '>') => return Some(index),
            _ => {}
        }
    }
    None
}

fn parse_attributes(mut text: &str) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    loop {
        text = text.trim_start();
        let end = text.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(text.len());
        if end == 0 {
            return attributes;
        }
        let name = text[..end].to_lowercase();
        text = text[end..].trim_start();
        let Some(value) = text.strip_prefix('=') else {
            attributes.push((name, String::new()));
            continue;
        };
        let value = value.trim_start();
        let (value, rest) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
            _ => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
        };
        attributes.push((name, decode(value)));
        text = rest;
    }
}

/// The entities that escaping makes.
fn decode(text: &str) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&#x2F;", "/"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_found_with_fields_and_buttons() {
        let page = r#"<!doctype html><style>form > input {}</style><p>a < b</p><!-- <form action="/no"> -->
            <FORM method="POST" action='/oauth/login?a=1&amp;b=2'>
              <input type=hidden name="csrf" value="x&quot;y"><label>Name <input name=user autofocus></label>
              <input type="password" name="password" />
              <input type="checkbox" name="scope" value="read" checked><input type="checkbox" name="scope" value="write">
              <button type="button" name="no" value="no">Show</button>
              <button name="decision" value="deny">Cancel</button><button name="decision" value="ok"><b>Allow</b> it</button>
            </FORM><form></form>"#;
        let found = forms(page);
        assert_eq!(found.len(), 2);
        let form = &found[0];
        assert_eq!((form.method.as_str(), form.action.as_str()), ("post", "/oauth/login?a=1&b=2"));
        let fields: Vec<_> = form.fields.iter().map(|f| (f.name.as_str(), f.kind.as_str(), f.value.as_str())).collect();
        assert_eq!(
            fields,
            [
                ("csrf", "hidden", "x\"y"),
                ("user", "text", ""),
                ("password", "password", ""),
                ("scope", "checkbox", "read")
            ]
        );
        assert!(form.asks_password());
        assert_eq!(form.yes().unwrap().value, "ok");
        assert_eq!(form.yes().unwrap().text, "Allow it");
        assert_eq!(form.no().unwrap().value, "deny");
        assert_eq!(found[1], Form { method: "get".into(), ..Form::default() });
    }

    #[test]
    fn broken_pages_have_no_forms() {
        for page in ["", "<", "<form", "<form action='", "plain", "<!--", "<form><input"] {
            assert_eq!(forms(page), [], "{page}");
        }
    }
}
