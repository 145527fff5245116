//! Conversations that nobody closes: clients that go without a word, users who never return, names that a client makes up
//! anew with each request. Each is noted before it is kept ([`shared_ports::kept`]), and whoever begins one looks at a few
//! of the oldest notes, also of other users.

use crate::conversation::{kept_under, key};
use crate::conversation_record::Conversation;
use crate::settings::Target;
use crate::{Caller, Connector, Ports, UpstreamError};
use futures::future::join_all;
use shared_ports::kept::{DAY, Kept};
use shared_ports::list::{Entry, Fate, List};
use shared_ports::{Clock, Store, StoreError};
use std::rc::Rc;

/// A conversation that was not used for so long is over. Clients have ended theirs, or begin anew; where one does go on,
/// another conversation is begun for it.
const IDLE_SECONDS: u64 = DAY;

/// How old the time of the last use may be before it is written again: so that a busy conversation costs one write in ten
/// minutes and not one a message.
const TOUCH_SECONDS: u64 = 600;

/// Most conversations of one family with one upstream. A family is one client without a session, whose conversations differ
/// in what it declares to be capable of; real clients declare one or two things.
const MAX_FAMILY: u64 = 8;

/// A conversation that is over, and where its upstream can be told.
pub(crate) type Over = Vec<(Rc<Target>, Conversation)>;

/// The family of a conversation: its name without the last part, where it has three (`client-{client}-{capabilities}`).
fn family(conversation: &str) -> Option<&str> {
    conversation.rsplit_once('-').map(|(family, _)| family).filter(|family| family.contains('-'))
}

impl Conversation {
    /// When it was used last, give or take ten minutes: seconds since the Unix epoch.
    fn used(&self) -> u64 {
        self.used.unwrap_or(self.since)
    }
}

impl<P: Ports> Connector<P> {
    /// Keep the time of use, now and then.
    pub(crate) fn touch(&self, key: &str, conversation: &Conversation) -> Result<(), UpstreamError> {
        let now = self.ports.clock().now();
        if now.saturating_sub(conversation.used()) < TOUCH_SECONDS {
            return Ok(());
        }
        self.write(key, &Conversation { used: Some(now), ..conversation.clone() })
    }

    /// Write the record of a conversation.
    pub(crate) fn write(&self, key: &str, conversation: &Conversation) -> Result<(), UpstreamError> {
        let record = serde_json::to_vec(conversation).map_err(|error| UpstreamError::Unavailable(error.to_string()))?;
        Ok(self.ports.store().set(key, &record)?)
    }

    /// Note that a conversation is going to be kept; and remove what is over by now. The upstreams of that are for the
    /// caller to [tell](Self::tell).
    ///
    /// # Errors
    /// The store did not take the note. What goes wrong with sweeping is left to the next one.
    pub(crate) fn note(&self, target: &Target, caller: &Caller) -> Result<Over, UpstreamError> {
        // Also checks the names.
        key(caller, &target.name)?;
        let now = self.ports.clock().now();
        let user = &caller.user_hash;
        let kept = Kept::new(self.ports.store(), "upstream");
        kept.note(user, &Entry { id: format!("{}:{}", caller.conversation, target.name), at: now, also: None })?;
        let mut over = Over::new();
        // What was removed before an error is over all the same.
        let _ = self.limit(target, caller, now, &mut over);
        let _ = kept.sweep(user, now, |user, entry| self.ended(user, entry, &mut over));
        Ok(over)
    }

    /// Tell the upstreams of conversations that these are over.
    pub(crate) async fn tell(&self, over: Over) {
        join_all(over.iter().map(|(target, conversation)| self.end(target, conversation))).await;
    }

    /// One more of a family: the oldest ones go, if there are too many.
    fn limit(&self, target: &Target, caller: &Caller, now: u64, over: &mut Over) -> Result<(), StoreError> {
        let Some(family) = family(&caller.conversation) else { return Ok(()) };
        let list = self.family(&caller.user_hash, family, &target.name);
        list.add(&Entry { id: caller.conversation.clone(), at: now, also: None })?;
        let mut count = list.len()?;
        list.sweep(now, |entry| {
            let own = entry.id == caller.conversation;
            if count <= MAX_FAMILY && (own || self.record(&caller.user_hash, &entry.id, &target.name)?.is_some()) {
                return Ok(Fate::Stop);
            }
            count = count.saturating_sub(1);
            // One that was lost and is begun anew is in the list once more, further back.
            if !own {
                over.extend(self.remove(&caller.user_hash, &entry.id, &target.name)?);
            }
            Ok(Fate::Drop)
        })?;
        Ok(())
    }

    /// Whether the conversation of a note is gone; it goes if it was not used for too long.
    fn ended(&self, user: &str, entry: &Entry, over: &mut Over) -> Result<bool, StoreError> {
        let Some((conversation, upstream)) = entry.id.split_once(':') else { return Ok(true) };
        let now = self.ports.clock().now();
        if let Some(record) = self.record(user, conversation, upstream)?
            && let Ok(kept) = serde_json::from_slice::<Conversation>(&record)
            && now.saturating_sub(kept.used()) < IDLE_SECONDS
        {
            return Ok(false);
        }
        over.extend(self.remove(user, conversation, upstream)?);
        if let Some(family) = family(conversation) {
            let list = self.family(user, family, upstream);
            list.sweep(now, |entry| {
                let there = self.record(user, &entry.id, upstream)?.is_some();
                Ok(if there || entry.at.saturating_add(DAY) > now { Fate::Stop } else { Fate::Drop })
            })?;
            if list.is_empty()? {
                for late in list.close()? {
                    list.add(&late)?;
                }
            }
        }
        Ok(true)
    }

    /// Remove the record of a conversation. What it was, if its upstream can be told.
    fn remove(
        &self,
        user: &str,
        conversation: &str,
        upstream: &str,
    ) -> Result<Option<(Rc<Target>, Conversation)>, StoreError> {
        let record = self.record(user, conversation, upstream)?;
        self.ports.store().delete(&kept_under(user, conversation, upstream))?;
        // An upstream that cannot be used any more cannot be told; its record is gone all the same.
        let kept: Option<Conversation> = record.and_then(|record| serde_json::from_slice(&record).ok());
        let target = self.target(upstream).ok();
        Ok(target.zip(kept).filter(|(target, kept)| kept.address == target.address))
    }

    fn record(&self, user: &str, conversation: &str, upstream: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.ports.store().get(&kept_under(user, conversation, upstream))
    }

    fn family(&self, user: &str, family: &str, upstream: &str) -> List<'_> {
        List::new(self.ports.store(), format!("user:{user}:upstream:kept:{family}:{upstream}"))
    }
}
