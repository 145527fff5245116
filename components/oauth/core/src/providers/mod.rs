//! Identity providers: OpenID Connect, or any OAuth 2 server with an address that says who somebody is.
//!
//! | topic | file |
//! |---|---|
//! | where the provider's endpoints are | `endpoints` |
//! | the way there and back | `leg` |
//! | asking its token endpoint | `exchange` |
//! | what its claims mean here | `claims` |
//! | ID tokens | `id_token` |
//! | what else it tells of a person | `told` |
//! | its tokens, stored | `tokens` |
//! | its tokens, refreshed once for everybody | `renew` |
//! | roles and tenant, heard again with each refresh | `standing` |

mod claims;
mod endpoints;
mod exchange;
mod id_token;
mod leg;
mod renew;
mod standing;
mod tokens;
mod told;

pub use claims::person;
pub use endpoints::Endpoints;
pub use leg::{callback, start};
pub use renew::refresh;
pub use standing::{Heard, hear, known};
pub use tokens::{ProviderToken, RefreshError, forget};
