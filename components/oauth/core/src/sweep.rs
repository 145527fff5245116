//! Forgetting what has ended without a request that comes past it: for hosts that have timers.

use crate::list::List;
use crate::records::{self, CLIENTS, FETCHED, ONCE, USERS};
use crate::{Server, fetched, grants, once, registration, users};
use shared_ports::StoreError;

/// Most users that one step looks at, so that no step takes long.
const USERS_A_STEP: u64 = 8;

/// One step: look at a few entries of each list, by the same rules as requests do. `position` is 0 for the first step, then
/// what the last one gave, until there is none.
pub fn sweep(server: &Server, position: u64) -> Result<Option<u64>, StoreError> {
    let list = |name: &str| List::new(server.store, name.into());
    if position == 0 {
        let more = registration::sweep(server, &list(CLIENTS), false)?
            | fetched::sweep(server, &list(FETCHED))?
            | once::sweep(server, &list(ONCE))?
            | users::sweep(server, &list(USERS))?;
        return Ok(Some(if more { 0 } else { 1 }));
    }
    let (users, next) = list(USERS).page(position, USERS_A_STEP)?;
    let mut more = false;
    for user in users {
        // Reading the list of somebody who was deleted would make one.
        if server.store.get(&records::user_key(&user.id))?.is_none() {
            continue;
        }
        more |= grants::sweep_user(server, &list(&records::user_grants(&user.id)))?;
    }
    Ok(if more { Some(position) } else { next })
}
