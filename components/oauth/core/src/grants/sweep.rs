//! What has ended is deleted by whoever comes by: a little at a time.

use super::{GRACE, end, ending};
use crate::Server;
use crate::credential::GrantId;
use crate::list::{Fate, List};
use crate::records::{self, GrantState, PairRecord};
use shared_ports::StoreError;

/// How long a request may take, in seconds, from its first look at a record to its last write. Hosts end them sooner.
const UNDER_WAY: u64 = 60;

/// Most pairs that one rotation cleans up: more than the one it adds, so that leftovers shrink.
const SWEEP: u64 = 4;

/// Delete the oldest pairs whose access token has ended and whose refresh token is out of its grace. `used` is the pair
/// whose refresh token is being used now. The number of the oldest pair that is left.
pub(super) fn sweep_pairs(server: &Server, id: GrantId, used: u64) -> Result<u64, StoreError> {
    let state = records::get::<GrantState>(server.store, &records::state_key(id))?;
    let mut first = state.map_or(0, |state| state.first);
    for _ in 0..SWEEP {
        if first >= used {
            break;
        }
        let pair = records::get::<PairRecord>(server.store, &records::pair_key(id, first))?;
        let next = records::get::<PairRecord>(server.store, &records::pair_key(id, first + 1))?;
        if let Some(pair) = pair {
            let used_at = next.map_or(pair.issued_at, |next| next.issued_at);
            if pair.expires_at > server.now || used_at.saturating_add(GRACE) >= server.now {
                break;
            }
            ending::delete_pair(server, id, first, &pair)?;
        }
        first += 1;
    }
    Ok(first)
}

/// Age in seconds at which no request can have to do with a code any more.
pub(super) fn code_is_over(server: &Server) -> u64 {
    u64::from(server.settings.oauth.code_seconds) + UNDER_WAY
}

/// Look at a few of a user's oldest grants: what has ended is deleted with all its records.
pub fn sweep_user(server: &Server, list: &List) -> Result<bool, StoreError> {
    let lifetimes = &server.settings.oauth;
    list.sweep(server.now, |entry| {
        // A code that was never redeemed ends soon; nothing in the list ends sooner.
        let age = server.now.saturating_sub(entry.at);
        if age <= code_is_over(server) {
            return Ok(Fate::Stop);
        }
        let Some(id) = GrantId::parse(&entry.id) else { return Ok(Fate::Drop) };
        let ended = match records::get::<GrantState>(server.store, &records::state_key(id))? {
            None => true,
            Some(state) => state.expires_at <= server.now,
        };
        if ended {
            end(server, id, "expired")?;
            if let Some(code) = &entry.also {
                ending::delete_code(server, code, entry.at)?;
            }
            return Ok(Fate::Drop);
        }
        // Worth moving only once in the life of a refresh token: until then all that is behind it is as young.
        let requeue = age > u64::from(lifetimes.refresh_token_seconds);
        Ok(if requeue { Fate::Requeue } else { Fate::Stop })
    })
}
