//! The `session` component: bindings, conversion and calls. The rules are in `session-core`.

mod bindings;
mod connector;
mod convert;

use bindings::exports::mcp_edge::session::endpoint::{Answer, Context, ErrorCode, Guest, Request};
use connector::Connector;
use futures::future::LocalBoxFuture;
use session_core::{HttpRequest, MAX_BODY, Ports, Settings};
use shared_guest::http::{self, BodyError};
use shared_guest::{GuestConfig, GuestRandom, GuestStore, GuestTime};
use shared_ports::{Clock, Config, Random, Store};
use std::cell::RefCell;
use std::rc::Rc;

struct Component;

impl Guest for Component {
    async fn handle(request: Request, context: Context) -> Result<Answer, ErrorCode> {
        let method = http::method_name(&request.get_method());
        let path = request.get_path_with_query().unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default().to_owned();
        let headers = http::headers(&request.get_headers());
        let body = match http::read_body(request, MAX_BODY).await {
            Ok(body) => body,
            Err(BodyError::TooLarge) => return Ok(convert::answer(session_core::too_large())),
            Err(BodyError::Broken(code)) => return Err(code),
        };
        let settings = match settings() {
            Ok(settings) => settings,
            Err(reason) => return Ok(convert::answer(session_core::misconfigured(&reason))),
        };
        let request = HttpRequest { method, path, headers, body };
        let ports = GuestPorts::default();
        Ok(convert::answer(session_core::handle(&ports, &settings, &request, &convert::context(context)).await))
    }
}

#[derive(Clone, Default)]
struct GuestPorts {
    store: Rc<GuestStore>,
}

impl Ports for GuestPorts {
    type Upstreams = Connector;
    fn upstreams(&self) -> &Connector {
        &Connector
    }
    fn store(&self) -> &impl Store {
        &*self.store
    }
    fn clock(&self) -> &impl Clock {
        &GuestTime
    }
    fn random(&self) -> &impl Random {
        &GuestRandom
    }
    fn spawn(&self, work: LocalBoxFuture<'static, ()>) {
        wit_bindgen::spawn(work);
    }
}

thread_local! {
    /// What was read from the settings, for as long as they stay the same text.
    static SETTINGS: RefCell<Option<(String, Rc<Settings>)>> = const { RefCell::new(None) };
}

fn settings() -> Result<Rc<Settings>, String> {
    let text = GuestConfig.value(shared_settings::DOCUMENT).map_err(|e| e.to_string())?.unwrap_or_default();
    SETTINGS.with_borrow_mut(|cached| {
        if let Some((known, settings)) = cached
            && *known == text
        {
            return Ok(settings.clone());
        }
        let settings = Rc::new(Settings::read(&GuestConfig).map_err(|e| e.to_string())?);
        *cached = Some((text, settings.clone()));
        Ok(settings)
    })
}
