//! Connected apps: what a person has allowed, and an end to it. The same for administrators, for everybody.

use crate::app_pages;
use crate::authorize;
use crate::cookies::Cookie;
use crate::errors::Error;
use crate::form::Form;
use crate::grants::{self, GrantError};
use crate::http::{Request, Response};
use crate::login::{self, Carried, Login};
use crate::people::Person;
use crate::{Server, users};

/// Path of the page of a person's own apps.
pub const APPS: &str = "/oauth/apps";

/// Path of the page for administrators.
pub const ADMIN: &str = "/oauth/admin";

/// The role that opens it.
const ROLE: &str = "admin";

/// `GET /oauth/apps`.
pub fn apps(server: &Server, request: &Request) -> Result<Response, Error> {
    let Some(login) = Login::of(server, request)? else { return Ok(login::page(server, request, None, APPS, None)) };
    let grants = grants::list_of(server, &login.user_hash)?;
    let carried = Carried::seal(server, "apps", APPS, &login.session);
    Ok(app_pages::apps(&login.person.name, &grants, &server.settings.scopes, &carried, login.has_role(server, ROLE)))
}

/// `POST /oauth/apps`: `end` with a grant's id, or `action` with `switch`.
pub fn change(server: &Server, request: &Request, body: &[u8]) -> Result<Response, Error> {
    let form = Form::parse(body)?;
    let Some(login) = opened(server, request, &form, "apps")? else { return Ok(authorize::again(APPS)) };
    if let Some(id) = form.one("end")? {
        end(server, &login.user_hash, id)?;
    }
    let response = authorize::again(APPS);
    match form.one("action")? {
        Some("switch") => Ok(response.with("set-cookie", Cookie::Login.set(server, "", 0))),
        _ => Ok(response),
    }
}

/// `GET /oauth/admin`: all users; with `user`, the apps of one.
pub fn admin(server: &Server, request: &Request) -> Result<Response, Error> {
    let Some(login) = Login::of(server, request)? else { return Ok(login::page(server, request, None, ADMIN, None)) };
    if !login.has_role(server, ROLE) {
        return Err(Error::Role);
    }
    let form = Form::parse(request.query.as_bytes())?;
    let carried = Carried::seal(server, "admin", ADMIN, &login.session);
    match form.one("user")? {
        None => Ok(app_pages::users(&users::list(server)?)),
        Some(user_hash) => {
            let person = find(server, user_hash)?;
            let grants = grants::list_of(server, user_hash)?;
            Ok(app_pages::user(user_hash, person.as_ref(), &grants, &server.settings.scopes, &carried))
        }
    }
}

/// `POST /oauth/admin`: `user` with `end` and a grant's id, or with `action` and `delete`.
pub fn administer(server: &Server, request: &Request, body: &[u8]) -> Result<Response, Error> {
    let form = Form::parse(body)?;
    let Some(login) = opened(server, request, &form, "admin")? else { return Ok(authorize::again(ADMIN)) };
    if !login.has_role(server, ROLE) {
        return Err(Error::Role);
    }
    let user_hash = form.one("user")?.ok_or(Error::Missing("user"))?;
    find(server, user_hash)?;
    if let Some(id) = form.one("end")? {
        end(server, user_hash, id)?;
        return Ok(authorize::again(&format!("{ADMIN}?user={user_hash}")));
    }
    if form.one("action")? == Some("delete") {
        users::delete_listed(server, user_hash)?;
    }
    Ok(authorize::again(ADMIN))
}

/// A user of the list, by what somebody has written into an address.
fn find(server: &Server, user_hash: &str) -> Result<Option<Person>, Error> {
    // It becomes part of a key.
    let is_hash = user_hash.len() == 32 && user_hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    match is_hash {
        true => users::find(server, user_hash)?.ok_or(Error::NotFound),
        false => Err(Error::NotFound),
    }
}

/// The login that a form was shown to; `None` if it has ended or the form is too old.
fn opened(server: &Server, request: &Request, form: &Form, page: &str) -> Result<Option<Login>, Error> {
    let carried = Carried::open(server, page, form.one("request")?)?;
    let Some(login) = Login::of(server, request)? else { return Ok(None) };
    if !login.session.fits_other(&carried.bound_to) {
        return Err(Error::ForeignForm);
    }
    Ok((!carried.is_stale(server)).then_some(login))
}

/// End a grant. One that has ended already is what was wanted.
fn end(server: &Server, user_hash: &str, id: &str) -> Result<(), Error> {
    match grants::revoke_of(server, user_hash, id) {
        Ok(()) | Err(GrantError::NotFound) => Ok(()),
        Err(GrantError::Store(error)) => Err(error.into()),
    }
}
