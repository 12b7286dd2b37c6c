//! Tokens as they are made: random, shown once, kept as a hash.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shunt_api::access_store::{NewToken, Secret};
use shunt_api::{Refusal, Role, Token, TokenHash};
use shunt_core::Time;

use crate::standalone::Shared;

/// In front of every secret, so that scanners for leaked ones know it.
const PREFIX: &str = "shunt_";

/// Longest name, characters.
const NAME_MAX: usize = 63;

/// Makes a token and keeps its hash.
pub(crate) async fn create(store: &Shared, new: NewToken, by: String, now: Time) -> Result<Secret, Refusal> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if new.name.is_empty() || new.name.len() > NAME_MAX || !new.name.chars().all(fits) || new.name == "loopback" {
        return Err(Refusal::NotNow(format!(
            "{:?} cannot name a token: write 1 to {NAME_MAX} of letters, digits, - _ . @, and not loopback",
            new.name
        )));
    }
    if new.expires.is_some_and(|end| end <= now) {
        return Err(Refusal::NotNow("it would have expired already: name a later time".to_owned()));
    }
    match (new.role, &new.rollout) {
        (Role::Register, None) => {
            let what = "a token of the role register is for the instances of one Rollout: name it, with --rollout NAMESPACE/NAME";
            return Err(Refusal::NotNow(what.to_owned()));
        }
        (Role::Read | Role::Operate | Role::Admin, Some(_)) => {
            return Err(Refusal::NotNow(format!("only the role register is bound to a Rollout: leave it out for {}", new.role)));
        }
        (Role::Register, Some(_)) | (Role::Read | Role::Operate | Role::Admin, None) => {}
    }
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| Refusal::Unavailable(format!("no random numbers: {error}")))?;
    let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let NewToken { name, role, rollout, expires } = new;
    let token = Token { name: name.clone(), role, rollout, hash: TokenHash::of(&secret), created: now, by, expires };
    match store.keep_token(token).await {
        Ok(true) => Ok(Secret { name, token: secret }),
        Ok(false) => Err(Refusal::NotNow(format!("there is a token {name} already: revoke it first, or take another name"))),
        Err(error) => Err(Refusal::Unavailable(error.to_string())),
    }
}
