//! What a provider's claims mean here.

use crate::errors::Error;
use crate::people::Person;
use serde_json::{Map, Value};
use shared_settings::Provider;

/// Longest subject of a provider, in bytes (OpenID Connect Core section 2).
const MAX_SUBJECT: usize = 255;

/// Longest name or tenant that is kept, in characters.
const MAX_NAME: usize = 100;

/// Most roles of a person. They travel in a cookie.
const MAX_ROLES: usize = 20;

/// The person that checked claims speak of, if the settings let him in.
pub fn person(name: &str, provider: &Provider, claims: &Map<String, Value>) -> Result<Person, Error> {
    let improper = || Error::Provider { name: name.into(), why: "claims have no proper subject".into() };
    let subject = text(claims.get(&provider.claims.subject)).ok_or_else(improper)?;
    if subject.is_empty() || subject.len() > MAX_SUBJECT || subject.chars().any(char::is_control) {
        return Err(improper());
    }
    for (claim, allowed) in &provider.require {
        if !values(claims.get(claim)).iter().any(|value| allowed.contains(value)) {
            return Err(Error::NotAllowed);
        }
    }
    let mut roles: Vec<String> = values(claims.get(&provider.claims.roles))
        .iter()
        .filter_map(|value| provider.roles.get(value))
        .cloned()
        .collect();
    roles.sort();
    roles.dedup();
    roles.truncate(MAX_ROLES);
    let short = |text: String| text.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect::<String>();
    let shown = ["preferred_username", "login", "email"].iter().map(|claim| text(claims.get(*claim)));
    let shown = std::iter::once(text(claims.get(&provider.claims.name))).chain(shown).flatten().find(|t| !t.is_empty());
    let tenant = provider.claims.tenant.as_ref().and_then(|claim| text(claims.get(claim)));
    let name_shown = short(shown.unwrap_or_else(|| subject.clone()));
    Ok(Person { subject: format!("{name}:{subject}"), name: name_shown, roles, tenant: tenant.map(short) })
}

/// Text or a whole number: GitHub names people by number.
fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

/// The values of a claim that is a list, or a single value, such as `email_verified`.
fn values(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(|item| text(Some(item))).collect(),
        Some(Value::Bool(value)) => vec![value.to_string()],
        value => text(value).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(settings: Value, claims: Value) -> Result<Person, Error> {
        let mut all = json!({ "issuer": "https://idp.example", "clientId": "x" });
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        person("corp", &serde_json::from_value(all).unwrap(), claims.as_object().unwrap())
    }

    #[test]
    fn claims_become_a_person() {
        let settings = json!({ "roles": { "g-admins": "admin", "g-ops": "ops" }, "claims": { "tenant": "tid" } });
        let claims = json!({ "sub": "1", "name": "Ada", "groups": ["g-ops", "x", "g-admins", 7], "tid": "t" });
        let person = read(settings, claims).unwrap();
        assert_eq!(
            person,
            Person {
                subject: "corp:1".into(),
                name: "Ada".into(),
                roles: vec!["admin".into(), "ops".into()],
                tenant: Some("t".into())
            }
        );
        let github = read(json!({ "claims": { "subject": "id" } }), json!({ "id": 583_231, "login": "octocat" }));
        assert_eq!(github.map(|p| (p.subject, p.name)), Ok(("corp:583231".into(), "octocat".into())));
        // Roles that the provider calls like ours are not ours.
        assert_eq!(read(json!({}), json!({ "sub": "1", "groups": ["admin"] })).unwrap().roles, [""; 0]);
    }

    #[test]
    fn only_who_has_the_required_claims_comes_in() {
        let settings = json!({ "require": { "hd": ["example.com"], "email_verified": ["true"] } });
        for (claims, expected) in [
            (json!({ "sub": "1", "hd": "example.com", "email_verified": true }), true),
            (json!({ "sub": "1", "hd": ["x", "example.com"], "email_verified": "true" }), true),
            (json!({ "sub": "1", "hd": "example.com", "email_verified": false }), false),
            (json!({ "sub": "1", "hd": "example.com.evil", "email_verified": true }), false),
            (json!({ "sub": "1", "email_verified": true }), false),
            (json!({ "sub": "1" }), false),
        ] {
            assert_eq!(read(settings.clone(), claims.clone()).is_ok(), expected, "{claims}");
        }
    }

    #[test]
    fn a_subject_is_needed() {
        for claims in
            [json!({}), json!({ "sub": "" }), json!({ "sub": null }), json!({ "sub": "a\nb" }), json!({ "sub": 1.5 })]
        {
            assert!(read(json!({}), claims.clone()).is_err(), "{claims}");
        }
        assert!(read(json!({}), json!({ "sub": "x".repeat(256) })).is_err());
    }
}
