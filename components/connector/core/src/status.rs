//! What an upstream says of itself.

use crate::connect::Link;
use crate::conversation_record::About;
use crate::era::Evidence;
use crate::settings::Target;
use crate::{Caller, Connector, Description, Ports, UpstreamError};
use shared_mcp::{Era, Object, Revision};
use shared_ports::Clock;

impl<P: Ports> Connector<P> {
    /// What an upstream says of itself: from what is kept, or by connecting.
    ///
    /// # Errors
    /// - [`UpstreamError::NotFound`], [`UpstreamError::Misconfigured`], [`UpstreamError::Unavailable`]: before anything
    ///   was sent.
    /// - all others but those: the upstream is not usable now.
    pub async fn status(&self, name: &str, caller: &Caller) -> Result<Description, UpstreamError> {
        let target = self.target(name)?;
        match self.connect(&target, caller).await? {
            Link::Legacy(conversation) => Ok(conversation.about.describe(&conversation.revision)),
            Link::Modern(revision) => self.modern_status(&target, revision).await,
        }
    }

    async fn modern_status(&self, target: &Target, revision: Revision) -> Result<Description, UpstreamError> {
        let known = self.known(target, Era::Modern)?;
        let just_learned = known.as_ref().filter(|known| known.about_until > self.ports.clock().now());
        if let Some(about) = just_learned.and_then(|known| known.about.as_ref()) {
            return Ok(about.describe(revision.as_str()));
        }
        if let Evidence::Modern(revision, Some((about, seconds))) = self.discover(target).await? {
            let description = about.describe(revision.as_str());
            self.learn_modern(target, revision, Some((about, seconds)))?;
            return Ok(description);
        }
        // It speaks the modern era, but does not tell who it is.
        let nothing = About::of(&Object::new(), None);
        let nothing = nothing.ok_or_else(|| UpstreamError::InvalidReply("no answer to `server/discover`".into()))?;
        Ok(nothing.describe(revision.as_str()))
    }
}
