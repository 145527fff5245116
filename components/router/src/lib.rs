//! The `router` component: bindings, conversion and calls. The rules are in `router-core`.

mod bindings;
mod convert;
mod forward;
mod pump;

use bindings::mcp_edge::oauth::{endpoints, tokens};
use bindings::mcp_edge::session::endpoint;
use forward::Exchange;
use router_core::{Answer, Authorized, Choice, Door, Head, Route};
use shared_guest::{GuestConfig, GuestStore, GuestTime};
use shared_settings::Cache;
use std::rc::Rc;
use wasip3::http::types::{ErrorCode, Request, Response};

struct Component;

impl bindings::exports::wasi::http::handler::Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let head = convert::head(&request);
        let mut exchange = Exchange::begin(&head);
        let door = door();
        let route = door.as_ref().map_or_else(|_| Route::find(&head.path), |door| door.route(&head.path));
        exchange.line().route = route.map_or("none", Route::name);
        let door = match door {
            Ok(door) => door,
            Err(reason) => return Ok(exchange.answer(Door::failed(route, reason), Vec::new())),
        };
        let added = door.headers(&head, exchange.request_id());
        match serve(&door, &head, request, &mut exchange).await {
            Ok(response) => Ok(exchange.forward(response, added)),
            Err(answer) => Ok(exchange.answer(answer, added)),
        }
    }
}

/// From the door to the component behind it; `Err` is an answer of the router itself.
async fn serve(door: &Door, head: &Head, request: Request, exchange: &mut Exchange) -> Result<Response, Answer> {
    let store = GuestStore::default();
    let route = door.enter(head, &store, &GuestTime)?;
    if let Some(answer) = door.answer(route) {
        return Err(answer);
    }
    if !Door::needs_token(route) {
        let failed = |code: ErrorCode| Door::failed(Some(route), format!("oauth: {code:?}"));
        return endpoints::handle(request).await.map_err(failed);
    }
    let authorized = door.authorize(head, |token, resource| {
        tokens::validate(token, resource).map(convert::principal).map_err(convert::refusal)
    })?;
    exchange.line().set_principal(authorized.principal());
    door.admit(route, head, &authorized, &store, &GuestTime)?;
    let choice = Choice::read(head, &authorized)?;
    to_session(request, &authorized, choice, exchange).await
}

async fn to_session(
    request: Request,
    who: &Authorized,
    choice: Choice,
    exchange: &mut Exchange,
) -> Result<Response, Answer> {
    let context = convert::context(exchange.request_id(), who.principal(), choice);
    match endpoint::handle(convert::without_credentials(request), context).await {
        Ok(answer) => {
            exchange.line().facts = convert::facts(answer.facts);
            Ok(answer.response)
        }
        Err(code) => Err(Door::failed(Some(Route::Mcp), format!("session: {code:?}"))),
    }
}

thread_local! {
    /// The door made from the settings, for as long as nothing that it was made of changes.
    static DOOR: Cache<Door> = const { Cache::new() };
}

fn door() -> Result<Rc<Door>, String> {
    DOOR.with(|cache| cache.get(&GuestConfig, |config| Door::open(config))).map_err(|e| e.to_string())
}
