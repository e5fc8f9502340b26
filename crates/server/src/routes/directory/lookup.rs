//! `POST /directory/lookup`: the newest bundles of people, by their addresses.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::Response;
use envelope::Address;
use proto::limits::LOOKUP_MAX;
use proto::{B64, Lookup, LookupReply, Person};

use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Json, reply};
use crate::state::App;

pub(crate) async fn find(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<Lookup>,
) -> Answer<Response> {
    super::count(&app, &caller).await?;
    if request.addresses.len() > LOOKUP_MAX {
        return Err(Refusal::malformed("At most 500 addresses can be looked up at once."));
    }
    let mut asked: HashMap<_, Vec<String>> = HashMap::new();
    for text in request.addresses {
        let address = Address::parse(&text)
            .map_err(|_| Refusal::malformed("One of these is not an e-mail address."))?;
        asked.entry(app.keys.lookup(&address)).or_default().push(text);
    }
    let lookups: Vec<_> = asked.keys().copied().collect();
    let found = app.db.users_by_lookup(&lookups).await?;
    let users: Vec<_> = found.iter().map(|(_, user)| *user).collect();
    let bundles = super::newest_of(&app, &users).await?;
    let resets: HashMap<_, _> = app.db.resets(&users).await?.into_iter().collect();
    let mut people = Vec::new();
    for (lookup, user) in found {
        let (Some(bundle), Some(texts)) = (bundles.get(&user), asked.remove(&lookup)) else { continue };
        let reset_due = resets.get(&user).map(|reset| reset.due_at.0);
        people.extend(texts.into_iter().map(|address| Person {
            address,
            bundle: B64(bundle.clone()),
            reset_due,
        }));
    }
    Ok(reply(&LookupReply { people }))
}
