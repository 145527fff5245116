//! A browser, and requests by hand.

use super::{Bench, TestClient};
use crate::form::{self, encode};
use crate::http::{Body, Request, Response};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Keeps cookies, and follows nothing by itself.
pub struct Browser<'a> {
    pub bench: &'a Bench,
    pub cookies: RefCell<BTreeMap<String, String>>,
}

impl<'a> Browser<'a> {
    pub fn new(bench: &'a Bench) -> Self {
        Self { bench, cookies: RefCell::default() }
    }

    fn send(&self, mut request: Request) -> Response {
        let cookies: Vec<_> = self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request.headers.push(("cookie".into(), cookies.join("; ").into_bytes()));
        }
        let response = self.bench.send(&request);
        for (_, cookie) in response.headers.iter().filter(|(name, _)| *name == "set-cookie") {
            let (pair, attributes) = cookie.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0;") {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.cookies.borrow_mut().insert(name.into(), value.into());
            }
        }
        response
    }

    pub fn get(&self, target: &str) -> Response {
        self.send(request("GET", target, &[], b""))
    }

    pub fn authorize(&self, query: &str) -> Response {
        self.get(&format!("/oauth/authorize?{query}"))
    }

    pub fn post(&self, target: &str, fields: &[(&str, &str)]) -> Response {
        self.send(form_request(target, fields, &[]))
    }

    pub fn log_in(&self, client: &TestClient, name: &str, password: &str) {
        let page = self.authorize(&Bench::query(client, &[]));
        let answer =
            self.post("/oauth/login", &[("request", &hidden(&page)), ("username", name), ("password", password)]);
        assert_eq!(answer.status, 303, "{}", html(&answer));
    }

    /// The same in a browser where somebody is logged in, whose other cookies stay.
    pub fn log_in_again(&self, client: &TestClient, name: &str, password: &str) {
        self.cookies.borrow_mut().remove("mcp-edge-login");
        self.log_in(client, name, password);
    }

    /// Tick everything, approve, and take the code out of the redirect.
    pub fn approve(&self, query: &str) -> String {
        let page = self.authorize(query);
        let answer = self.decide(&page, "approve", &["mcp"]);
        location_parameter(&answer, "code").unwrap_or_else(|| panic!("{answer:?}"))
    }

    pub fn decide(&self, page: &Response, action: &str, scopes: &[&str]) -> Response {
        let request = hidden(page);
        let mut fields = vec![("request", request.as_str()), ("action", action)];
        fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
        self.post("/oauth/consent", &fields)
    }
}

pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), value.as_bytes().to_vec())).collect();
    Request::new(method.into(), target, headers, Body::Whole(body.into()))
}

pub fn form_request(target: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Request {
    let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
    all.extend(headers);
    request("POST", target, &all, encode_fields(fields).as_bytes())
}

pub fn encode_fields(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}

pub fn html(response: &Response) -> String {
    String::from_utf8(response.body.clone()).unwrap()
}

/// The sealed field of a page.
pub fn hidden(page: &Response) -> String {
    let html = html(page);
    let (_, rest) = html.split_once("name=\"request\" value=\"").unwrap_or_else(|| panic!("no form in {html}"));
    rest.split_once('"').unwrap().0.into()
}

/// A parameter of the `Location` of a redirect.
pub fn location_parameter(response: &Response, name: &str) -> Option<String> {
    let (_, query) = response.header("location")?.split_once('?')?;
    let form = form::Form::parse(query.as_bytes()).unwrap();
    form.all(name).next().map(String::from)
}

pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}
