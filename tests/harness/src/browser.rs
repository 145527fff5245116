//! A browser without JavaScript: cookies, links, forms. It follows redirects only when told to.

use crate::html::{Button, Form, forms};
use crate::http::{Answer, Http, form, request};
use anyhow::{Context, Result};
use http::{Method, header};
use std::collections::BTreeMap;
use url::Url;

/// A browser with one set of cookies. All sites it visits are ports of this machine, which share
/// their cookies in every browser, so they are kept by name only.
#[derive(Clone, Default)]
pub struct Browser {
    http: Http,
    /// Cookies by name.
    pub cookies: BTreeMap<String, String>,
}

/// A page, or a redirect.
#[derive(Debug, Clone)]
pub struct Page {
    /// Where it is from.
    pub url: Url,
    /// The response.
    pub answer: Answer,
}

impl Page {
    /// Where a redirect leads.
    pub fn redirect(&self) -> Option<Url> {
        let location = self.answer.header("location").filter(|_| self.answer.status.is_redirection())?;
        self.url.join(location).ok()
    }

    /// The forms of the page.
    pub fn forms(&self) -> Vec<Form> {
        forms(&self.answer.text())
    }
}

impl Browser {
    /// Go to an address.
    pub async fn get(&mut self, url: &Url) -> Result<Page> {
        self.send(Method::GET, url, None, String::new()).await
    }

    /// Submit a form of a page with these values in place of its own, by this button.
    pub async fn submit(
        &mut self,
        page: &Page,
        form_: &Form,
        values: &[(&str, &str)],
        button: Option<&Button>,
    ) -> Result<Page> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for field in form_.fields.iter().filter(|field| !field.name.is_empty()) {
            let given = values.iter().find(|(name, _)| *name == field.name);
            fields.push((field.name.clone(), given.map_or_else(|| field.value.clone(), |(_, value)| (*value).into())));
        }
        if let Some(button) = button.filter(|button| !button.name.is_empty()) {
            fields.push((button.name.clone(), button.value.clone()));
        }
        let mut url = page.url.join(&form_.action).with_context(|| format!("form action {}", form_.action))?;
        let body = form(&fields);
        if form_.method == "post" {
            return self.send(Method::POST, &url, Some(&page.url), body).await;
        }
        url.set_query(Some(&body));
        self.send(Method::GET, &url, None, String::new()).await
    }

    async fn send(&mut self, method: Method, url: &Url, from: Option<&Url>, body: String) -> Result<Page> {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let origin = from.map(|from| from.origin().ascii_serialization()).unwrap_or_default();
        let mut headers = vec![("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        if from.is_some() {
            headers.extend([
                ("content-type", "application/x-www-form-urlencoded"),
                ("origin", &origin),
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ]);
        }
        // A fragment stays in the browser.
        let mut target = url.clone();
        target.set_fragment(None);
        let answer = self.http.send(request(method, target.as_str(), &headers, body)?).await?;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            self.keep(cookie.to_str().context("a cookie")?);
        }
        Ok(Page { url: url.clone(), answer })
    }

    fn keep(&mut self, cookie: &str) {
        let mut parts = cookie.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let gone = parts.any(|attribute| {
            let attribute = attribute.to_ascii_lowercase();
            attribute == "max-age=0" || attribute.starts_with("expires=thu, 01 jan 1970")
        });
        match gone {
            true => self.cookies.remove(name),
            false => self.cookies.insert(name.into(), value.into()),
        };
    }
}
