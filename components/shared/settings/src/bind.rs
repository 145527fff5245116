//! Values of arguments that the gateway fills in.

use serde::Deserialize;

/// A text in which `{tenant}`, `{project}` and `{region}` are filled in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Value(String);

/// What a request says, as far as it may go into arguments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place<'a> {
    /// The user's tenant.
    pub tenant: Option<&'a str>,
    /// The project in the request's path.
    pub project: Option<&'a str>,
    /// The region in the request's query.
    pub region: Option<&'a str>,
}

impl Place<'_> {
    fn get(&self, name: &str) -> Option<Option<&str>> {
        match name {
            "tenant" => Some(self.tenant),
            "project" => Some(self.project),
            "region" => Some(self.region),
            _ => None,
        }
    }
}

/// A piece of a value.
enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

impl Value {
    /// The text for this place; `None` where the place lacks something that it needs.
    pub fn at(&self, place: &Place<'_>) -> Option<String> {
        self.pieces()
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => Some(text),
                Piece::Name(name) => place.get(name).flatten(),
            })
            .collect()
    }

    /// Whether it needs the user's tenant. Who has none must not get at what is bound to tenants.
    pub fn needs_tenant(&self) -> bool {
        self.pieces().iter().any(|piece| matches!(piece, Piece::Name("tenant")))
    }

    /// A name in braces that means nothing.
    pub(crate) fn unknown(&self) -> Option<String> {
        self.pieces().into_iter().find_map(|piece| match piece {
            Piece::Name(name) if Place::default().get(name).is_none() => Some(format!("{{{name}}}")),
            _ => None,
        })
    }

    fn pieces(&self) -> Vec<Piece<'_>> {
        let mut pieces = Vec::new();
        let mut rest = self.0.as_str();
        while let Some((text, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else { break };
            pieces.push(Piece::Text(text));
            pieces.push(Piece::Name(name));
            rest = after;
        }
        pieces.push(Piece::Text(rest));
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_fills_in_what_it_has() {
        let place = Place { tenant: Some("acme"), project: Some("web"), region: None };
        for (text, expected, needs_tenant, unknown) in [
            ("{tenant}", Some("acme"), true, None),
            ("{tenant}/{project}", Some("acme/web"), true, None),
            ("https://{region}.example", None, false, None),
            ("plain", Some("plain"), false, None),
            ("", Some(""), false, None),
            ("{", Some("{"), false, None),
            ("{tenat}", None, false, Some("{tenat}")),
        ] {
            let value = Value(text.into());
            assert_eq!(value.at(&place).as_deref(), expected, "{text}");
            assert_eq!(value.needs_tenant(), needs_tenant, "{text}");
            assert_eq!(value.unknown().as_deref(), unknown, "{text}");
        }
    }
}
