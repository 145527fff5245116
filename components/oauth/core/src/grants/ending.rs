//! The end of grants and codes, with all that belongs to them.

use super::sweep;
use crate::Server;
use crate::credential::{Credential, GrantId, Kind};
use crate::events::Event;
use crate::list::List;
use crate::records::{self, GrantState, PairRecord};
use shared_ports::StoreError;

/// Most pairs that ending a grant walks over. A grant has as many as refreshes fit into the life of an access token
/// plus the few not swept yet; whatever is beyond is dead all the same, since its grant is gone.
const MAX_PAIRS: u64 = 10_000;

/// End a grant and every token of it. Whether there was one.
pub fn end(server: &Server, id: GrantId, why: &'static str) -> Result<bool, StoreError> {
    let store = server.store;
    let existed = store.get(&records::grant_key(id))?.is_some();
    // This is what ends it: no token is good without it, and nobody writes it again. The rest is tidying.
    store.delete(&records::grant_key(id))?;
    if existed {
        server.audit.record(&Event::GrantRevoked { grant_id: &id.to_string(), why });
    }
    if let Some(state) = records::get::<GrantState>(store, &records::state_key(id))? {
        for generation in (state.first..).take(usize::try_from(MAX_PAIRS).unwrap_or(usize::MAX)) {
            match records::get::<PairRecord>(store, &records::pair_key(id, generation))? {
                Some(pair) => delete_pair(server, id, generation, &pair)?,
                None if generation > state.generation => break,
                None => {}
            }
        }
        store.delete(&records::state_key(id))?;
    }
    let exchanged = List::new(store, records::exchanged(id));
    exchanged.clear(|entry| store.delete(&records::hash_key(Kind::Access, &entry.id)))?;
    Ok(existed)
}

/// Use up a code and delete it: nobody redeems it any more.
pub(super) fn forget_code(server: &Server, code: &Credential) -> Result<(), StoreError> {
    server.store.increment(&records::code_uses_key(&code.hash()), 1)?;
    delete_code(server, &code.hash(), server.now)
}

/// End all grants of a user, by hash, with codes that nobody has redeemed yet. How many there were.
pub fn end_all(server: &Server, user_hash: &str) -> Result<u64, StoreError> {
    let mut count = 0;
    List::new(server.store, records::user_grants(user_hash)).clear(|entry| {
        if let Some(code) = &entry.also {
            // Used up, so that whoever is redeeming it right now finds that somebody else was there.
            server.store.increment(&records::code_uses_key(code), 1)?;
            delete_code(server, code, entry.at)?;
        }
        if let Some(id) = GrantId::parse(&entry.id) {
            end(server, id, "user-deleted")?;
            count += 1;
        }
        Ok(())
    })?;
    Ok(count)
}

pub(super) fn delete_pair(server: &Server, id: GrantId, generation: u64, pair: &PairRecord) -> Result<(), StoreError> {
    server.store.delete(&records::hash_key(Kind::Access, &pair.access))?;
    if let Some(refresh) = &pair.refresh {
        server.store.delete(&records::hash_key(Kind::Refresh, refresh))?;
    }
    if let Some(code) = &pair.code {
        delete_code(server, code, pair.issued_at)?;
    }
    server.store.delete(&records::pair_key(id, generation))
}

/// Delete a code that was issued at this time or before. The counter of its uses stays until no request can be under way
/// any more that has read the code's record: such a one must not find itself the first.
pub(super) fn delete_code(server: &Server, hash: &str, issued_at: u64) -> Result<(), StoreError> {
    server.store.delete(&records::hash_key(Kind::Code, hash))?;
    if server.now.saturating_sub(issued_at) > sweep::code_is_over(server) {
        server.store.delete(&records::code_uses_key(hash))?;
    }
    Ok(())
}
