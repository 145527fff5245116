//! The rules of the door: which route a request takes, who may pass, and what is written down about it.
//!
//! The order is fixed: route and method, limit by address, host and origin, preflight, bearer, limit by user, body
//! cap, dispatch ([`Door`]). A refused request reaches nothing behind.

mod answer;
mod bearer;
mod choice;
mod cors;
mod door;
mod head;
mod limit;
mod line;
mod origin;
mod route;

pub use answer::Answer;
pub use bearer::{Principal, Refusal};
pub use choice::Choice;
pub use door::{Authorized, Door, RouterSettings};
pub use head::Head;
pub use line::{Facts, Line};
pub use route::Route;
