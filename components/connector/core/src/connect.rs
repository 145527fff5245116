//! How a message gets to an upstream: in the modern way, or within a conversation.

use crate::conversation::NoConversation;
use crate::conversation_record::Conversation;
use crate::era::Evidence;
use crate::settings::Target;
use crate::turn::Turn;
use crate::{CONNECT_TIMEOUT, Caller, Connector, Ports, UpstreamError};
use shared_mcp::Revision;

/// The way to an upstream.
#[derive(Debug, Clone)]
pub(crate) enum Link {
    /// Each request is complete in itself.
    Modern(Revision),
    /// Within a conversation; boxed because it is much larger.
    Legacy(Box<Conversation>),
}

impl<P: Ports> Connector<P> {
    /// The way that is kept, without asking the upstream; `None` if there is none.
    pub(crate) fn kept(&self, target: &Target, caller: &Caller) -> Result<Option<Link>, UpstreamError> {
        let Some(known) = self.known(target)? else {
            return Ok(None);
        };
        if let Some(revision) = known.revision() {
            return Ok(Some(Link::Modern(revision)));
        }
        Ok(self.conversation(target, caller)?.map(|conversation| Link::Legacy(conversation.into())))
    }

    /// The way to an upstream, found out or begun if none is kept.
    pub(crate) async fn connect(&self, target: &Target, caller: &Caller) -> Result<Link, UpstreamError> {
        if let Some(link) = self.kept(target, caller)? {
            return Ok(link);
        }
        let turn = self.turn(target, caller).await;
        // Somebody else may have done it meanwhile.
        if turn.is_some()
            && let Some(link) = self.kept(target, caller)?
        {
            return Ok(link);
        }
        if self.known(target)?.is_some() {
            match self.begin(target, caller).await {
                Ok(conversation) => return Ok(Link::Legacy(conversation.into())),
                Err(NoConversation::Failed(error)) => return Err(error),
                // It was a legacy server an hour ago at most. Look again what it is now.
                Err(NoConversation::NotLegacy(_)) => self.unlearn(target)?,
            }
        }
        match self.discover(target, caller).await? {
            Evidence::Modern(revision, about) => {
                self.learn(target, Evidence::Modern(revision, about))?;
                Ok(Link::Modern(revision))
            }
            Evidence::Legacy => match self.begin(target, caller).await {
                Ok(conversation) => {
                    self.learn(target, Evidence::Legacy)?;
                    Ok(Link::Legacy(conversation.into()))
                }
                Err(NoConversation::NotLegacy(error) | NoConversation::Failed(error)) => Err(error),
            },
        }
    }

    /// Replace a conversation that the upstream has forgotten.
    pub(crate) async fn renew(
        &self,
        target: &Target,
        caller: &Caller,
        dead: &Conversation,
    ) -> Result<Link, UpstreamError> {
        {
            let _turn = self.turn(target, caller).await;
            self.forget(target, caller, dead)?;
        }
        // Either another call has replaced it meanwhile, or this begins a new one.
        self.connect(target, caller).await
    }

    /// Only one call of this instance at a time finds out about an upstream for one conversation. Twice the time of a
    /// handshake: there may be two, `server/discover` and `initialize`.
    async fn turn(&self, target: &Target, caller: &Caller) -> Option<Turn<'_>> {
        let name = format!("{}:{}:{}", caller.user_hash, caller.conversation, target.name);
        let limit = CONNECT_TIMEOUT.saturating_add(target.timeout).saturating_mul(2);
        self.turns.take(name, self.ports.clock(), limit).await
    }
}
