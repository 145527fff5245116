//! How a message gets to an upstream: in the modern way, or within a conversation.
//!
//! An upstream that speaks both eras is spoken to in the caller's, because much does not survive the way between them:
//! sampling, elicitation, logging, subscriptions. The other era is the way only where the caller's is not spoken.

use crate::conversation::NoConversation;
use crate::conversation_record::Conversation;
use crate::era::Evidence;
use crate::settings::Target;
use crate::turn::Turn;
use crate::{CONNECT_TIMEOUT, Caller, Connector, Ports, UpstreamError};
use shared_mcp::{Era, Revision};

/// The way to an upstream.
#[derive(Debug, Clone)]
pub(crate) enum Link {
    /// Each request is complete in itself.
    Modern(Revision),
    /// Within a conversation; boxed because it is much larger.
    Legacy(Box<Conversation>),
}

impl Link {
    /// Whether it is the same session, or the modern way as before.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Modern(_), Self::Modern(_)) => true,
            (Self::Legacy(a), Self::Legacy(b)) => a.session == b.session && a.since == b.since,
            _ => false,
        }
    }
}

/// What came of trying one era.
enum Attempt {
    /// It is spoken.
    Link(Link),
    /// It is not.
    Absent {
        /// What the caller gets to hear if the other era is not spoken either.
        error: UpstreamError,
        /// Whether the answer is the same for every client.
        sure: bool,
    },
}

impl<P: Ports> Connector<P> {
    /// The way that is kept, without asking the upstream; `None` if there is none.
    pub(crate) fn kept(&self, target: &Target, caller: &Caller) -> Result<Option<Link>, UpstreamError> {
        let own = self.known(target, caller.era())?;
        let absent = own.as_ref().is_some_and(|side| !side.spoken);
        let modern = match caller.era() {
            Era::Modern => own.clone(),
            Era::Legacy if absent => self.known(target, Era::Modern)?,
            Era::Legacy => None,
        };
        if let Some(revision) = modern.and_then(|side| side.revision()) {
            return Ok(Some(Link::Modern(revision)));
        }
        // In a conversation only if that is the caller's own era, or the caller's is known not to be spoken.
        if absent == (caller.era() == Era::Modern)
            && let Some(conversation) = self.conversation(target, caller)?
            && self.holds(target, &conversation)?
        {
            return Ok(Some(Link::Legacy(conversation.into())));
        }
        Ok(None)
    }

    /// Whether a kept conversation can be gone on with. Where there is a session, the upstream says when it has ended.
    /// Where there is none nothing would ever say so, and `initialize` is asked again when the era is not known any more.
    fn holds(&self, target: &Target, conversation: &Conversation) -> Result<bool, UpstreamError> {
        Ok(match self.known(target, Era::Legacy)? {
            Some(side) => side.spoken,
            None => conversation.session.is_some(),
        })
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
        let (own, other) = match caller.era() {
            Era::Modern => (Era::Modern, Era::Legacy),
            Era::Legacy => (Era::Legacy, Era::Modern),
        };
        let skip = self.known(target, own)?.is_some_and(|side| !side.spoken);
        let refused = if skip {
            None
        } else {
            match self.attempt(target, caller, own).await? {
                Attempt::Link(link) => return Ok(link),
                Attempt::Absent { error, sure } => Some((error, sure)),
            }
        };
        match (self.attempt(target, caller, other).await?, refused) {
            (Attempt::Link(link), None) => Ok(link),
            (Attempt::Link(link), Some((error, sure))) => {
                // It may be this client that the upstream refuses; then the others are not to suffer for it.
                match if sure { Some(true) } else { self.refuses_everybody(target).await } {
                    Some(true) => self.learn_absent(target, own)?,
                    Some(false) => return Err(error),
                    None => {}
                }
                Ok(link)
            }
            // What was kept is wrong. It was right an hour ago at most: the upstream has changed.
            (Attempt::Absent { error, .. }, None) => match self.attempt(target, caller, own).await? {
                Attempt::Link(link) => Ok(link),
                Attempt::Absent { error: own_error, .. } => {
                    self.unlearn(target, own)?;
                    Err(if own == Era::Legacy { own_error } else { error })
                }
            },
            // Neither. `initialize` has the better known answers.
            (Attempt::Absent { error, .. }, Some((own_error, _))) => {
                Err(if own == Era::Legacy { own_error } else { error })
            }
        }
    }

    /// Get to an upstream in one era, and keep it if that is spoken.
    async fn attempt(&self, target: &Target, caller: &Caller, era: Era) -> Result<Attempt, UpstreamError> {
        match era {
            Era::Modern => {
                if let Some(revision) = self.known(target, Era::Modern)?.and_then(|side| side.revision()) {
                    return Ok(Attempt::Link(Link::Modern(revision)));
                }
                match self.discover(target).await? {
                    Evidence::Modern(revision, about) => {
                        self.learn_modern(target, revision, about)?;
                        Ok(Attempt::Link(Link::Modern(revision)))
                    }
                    Evidence::Legacy => {
                        let error = UpstreamError::InvalidReply("no answer to `server/discover`".into());
                        Ok(Attempt::Absent { error, sure: true })
                    }
                }
            }
            Era::Legacy => {
                if let Some(conversation) = self.conversation(target, caller)? {
                    if self.holds(target, &conversation)? {
                        return Ok(Attempt::Link(Link::Legacy(conversation.into())));
                    }
                    self.forget(target, caller, &conversation)?;
                }
                match self.begin(target, caller).await {
                    Ok(conversation) => {
                        self.learn_legacy(target)?;
                        Ok(Attempt::Link(Link::Legacy(conversation.into())))
                    }
                    Err(NoConversation::NotLegacy { error, sure }) => Ok(Attempt::Absent { error, sure }),
                    Err(NoConversation::Failed(error)) => Err(error),
                }
            }
        }
    }

    /// Whether an upstream that was a legacy one speaks the modern era only by now. Asked where it refuses the parameters of
    /// a legacy request with status 400, which modern servers do with those that lack the protocol fields, and few others.
    pub(crate) async fn only_modern(&self, target: &Target, caller: &Caller) -> Result<bool, UpstreamError> {
        if self.known(target, Era::Modern)?.is_some_and(|side| !side.spoken) {
            return Ok(false);
        }
        match self.attempt(target, caller, Era::Modern).await {
            // What went wrong with this question is no answer to the client's.
            Err(_) => Ok(false),
            Ok(Attempt::Absent { .. }) => {
                self.learn_absent(target, Era::Modern)?;
                Ok(false)
            }
            Ok(Attempt::Link(_)) => {
                let only = self.refuses_everybody(target).await == Some(true);
                if only {
                    self.learn_absent(target, Era::Legacy)?;
                }
                Ok(only)
            }
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
