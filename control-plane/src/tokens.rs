//! Tokens as they are made: random, shown once, kept as a hash.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shunt_api::access_store::{NewToken, Secret};
use shunt_api::{Refusal, Role, Token, TokenHash, TokenRefused};
use shunt_spec::Time;

use crate::platform::AuxiliaryStore;

/// In front of every secret, so that scanners for leaked ones know it.
const PREFIX: &str = "shunt_";

/// Longest name, characters.
const NAME_MAX: usize = 63;

/// Makes a token and keeps its hash.
pub(crate) async fn create(store: &AuxiliaryStore, new: NewToken, by: String, now: Time) -> Result<Secret, Refusal> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if new.name.is_empty() || new.name.len() > NAME_MAX || !new.name.chars().all(fits) || new.name == "loopback" {
        return Err(TokenRefused::Name { name: new.name, max: NAME_MAX }.into());
    }
    if new.expires.is_some_and(|end| end <= now) {
        return Err(TokenRefused::Expired.into());
    }
    match (new.role, &new.rollout) {
        (Role::Register, None) => return Err(TokenRefused::NeedsRollout.into()),
        (Role::Read | Role::Operate | Role::Admin, Some(_)) => return Err(TokenRefused::TakesNoRollout(new.role).into()),
        (Role::Register, Some(_)) | (Role::Read | Role::Operate | Role::Admin, None) => {}
    }
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| Refusal::Unavailable(format!("no random numbers: {error}")))?;
    let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let NewToken { name, role, rollout, expires } = new;
    let token = Token { name: name.clone(), role, rollout, hash: TokenHash::of(&secret), created: now, by, expires };
    match store.keep_token(token).await {
        Ok(true) => Ok(Secret { name, token: secret }),
        Ok(false) => Err(TokenRefused::Taken(name).into()),
        Err(error) => Err(Refusal::Unavailable(error.to_string())),
    }
}
