//! Requests of the gateway itself, like `server/discover` and `initialize`. Their answers are read whole.

use crate::body::Pieces;
use crate::race::{Abandoned, race};
use crate::reply::{Content, content, same_id};
use crate::settings::Target;
use crate::{CONNECT_TIMEOUT, Connector, Ports, UpstreamError};
use shared_mcp::{Message, header, sse};
use shared_ports::{Body, Http, HttpError, Request, Response};

/// Most bytes of an answer to the gateway itself: capabilities, a name, and instructions for a model. Also the most of an
/// error's body that is looked at.
pub(crate) const MAX_ANSWER: usize = 1024 * 1024;

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Mcp-Session-Id`.
    pub session: Option<String>,
    /// `WWW-Authenticate`.
    pub challenge: Option<String>,
    /// The JSON-RPC response with the request's id, if there is one.
    pub response: Option<String>,
}

impl<P: Ports> Connector<P> {
    /// Send a request with this id (JSON text) and read the answer.
    pub(crate) async fn ask(&self, target: &Target, request: Request, id: &str) -> Result<Answer, UpstreamError> {
        self.ask_for(target, request, id, MAX_ANSWER).await
    }

    /// The same, for an answer of at most `cap` bytes.
    pub(crate) async fn ask_for(
        &self,
        target: &Target,
        request: Request,
        id: &str,
        cap: usize,
    ) -> Result<Answer, UpstreamError> {
        let limit = CONNECT_TIMEOUT.saturating_add(target.timeout);
        let asking = async {
            let response = self.ports.http().send(request).await?;
            let own = |name: &str| response.header(name).map(str::to_owned);
            let (status, session, challenge) = (response.status, own(header::SESSION_ID), own("www-authenticate"));
            let response = read(response, id, cap).await?;
            Ok::<_, HttpError>(Answer { status, session, challenge, response })
        };
        match race(self.ports.clock(), Some(limit), &mut Abandoned::never(), asking).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(UpstreamError::TimedOut(format!("no answer to the handshake in {} s", limit.as_secs()))),
        }
    }
}

/// The JSON-RPC response in an HTTP response; `None` where there is something else in it.
async fn read<B: Body + 'static>(response: Response<B>, id: &str, cap: usize) -> Result<Option<String>, HttpError> {
    let content = content(&response);
    let mut pieces = Pieces::new(response.body);
    match content {
        Content::Json => {
            let body = pieces.collect(cap).await?;
            Ok(body.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| answers(text, id)))
        }
        Content::Events => {
            let mut parser = sse::Parser::new(cap);
            while let Some(piece) = pieces.next().await? {
                let Ok(events) = parser.push(&piece) else { break };
                if let Some(event) = events.into_iter().find(|event| answers(&event.data, id)) {
                    return Ok(Some(event.data));
                }
            }
            Ok(None)
        }
        Content::Other => Ok(None),
    }
}

fn answers(text: &str, id: &str) -> bool {
    matches!(Message::parse(text), Ok(Message::Response { id: Some(theirs), .. }) if same_id(&theirs, id))
}
