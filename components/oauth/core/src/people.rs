//! Who somebody is, and whether he still is.
//!
//! A subject is the name of a local user, `{provider}:{its subject there}`, or `client:{id}` for a client that acts for
//! itself. Names of local users have no colon, and no provider is called `client`.

use crate::records::Props;
use crate::settings::Settings;
use serde::{Deserialize, Serialize};
use shared_settings::GrantType;

/// Somebody who has logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Subject.
    pub subject: String,
    /// What the pages call this person.
    pub name: String,
    /// Roles by the identity provider, in ascending order; empty for local users, whose roles are in the settings.
    pub roles: Vec<String>,
    /// Tenant by the identity provider.
    pub tenant: Option<String>,
}

/// What somebody may do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// In ascending order.
    pub roles: Vec<String>,
    /// Of the user.
    pub tenant: Option<String>,
}

impl Settings {
    /// Roles and tenant by the settings of now; `None` for who is not known any more, and is out at once. `roles` and
    /// `tenant` are what an identity provider has said.
    pub(crate) fn standing(&self, subject: &str, roles: &[String], tenant: Option<&str>) -> Option<Standing> {
        let of =
            |roles: &[String], tenant: Option<&str>| Standing { roles: roles.into(), tenant: tenant.map(String::from) };
        match subject.split_once(':') {
            None => self.user(subject).map(|user| of(&user.roles, user.tenant.as_deref())),
            Some(("client", id)) => {
                let client = self.oauth.clients.get(id)?;
                let may = client.grant_types.0.contains(&GrantType::ClientCredentials);
                let mut roles = client.roles.clone();
                roles.sort();
                roles.dedup();
                may.then(|| of(&roles, client.tenant.as_deref()))
            }
            Some((provider, _)) => self.providers.contains_key(provider).then(|| of(roles, tenant)),
        }
    }

    /// The same for the user of a grant, of whom an identity provider may have said something since.
    pub(crate) fn standing_of(&self, props: &Props, said: Option<&Standing>) -> Option<Standing> {
        let (roles, tenant) = said.map_or((&props.roles, &props.tenant), |said| (&said.roles, &said.tenant));
        self.standing(&props.subject, roles, tenant.as_deref())
    }
}
