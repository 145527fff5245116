//! Identity providers: OpenID Connect, or any OAuth 2 server with an address that says who somebody is.
//!
//! | topic | file |
//! |---|---|
//! | where the provider's endpoints are | `endpoints` |
//! | the way there and back | `leg` |
//! | asking its token endpoint | `exchange` |
//! | what its claims mean here | `claims` |
//! | its tokens, stored and refreshed once for everybody | `tokens` |

mod claims;
mod endpoints;
mod exchange;
mod leg;
mod tokens;

pub use claims::person;
pub use endpoints::Endpoints;
pub use leg::{callback, start};
pub use tokens::{ProviderToken, RefreshError, forget, refresh};
