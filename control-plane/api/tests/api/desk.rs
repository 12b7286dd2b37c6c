//! The process's desk, played in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use shunt_api::desk::{Answer, AuditEntry, Begun, Deed, Errand, Key, Secret};
use shunt_api::{Access, Limits, Refusal, Role, Token, TokenHash};
use shunt_core::Time;
use tokio::sync::{mpsc, watch};

use crate::fixture::NOW;

/// What it holds.
pub(crate) struct Desk {
    pub(crate) tokens: watch::Sender<Arc<Vec<Token>>>,
    pub(crate) deeds: Arc<Mutex<Vec<Deed>>>,
}

/// A token whose secret is its name.
pub(crate) fn token(name: &str, role: Role, expires: Option<Time>) -> Token {
    Token { name: name.to_owned(), role, rollout: None, hash: TokenHash::of(name), created: NOW, by: "loopback".to_owned(), expires }
}

/// With these tokens.
pub(crate) fn open(tokens: Vec<Token>, limits: Limits) -> (Desk, Access) {
    let (tokens, seen) = watch::channel(Arc::new(tokens));
    let (sender, errands) = mpsc::channel(16);
    let deeds = Arc::new(Mutex::new(Vec::new()));
    tokio::spawn(work(errands, tokens.clone(), deeds.clone()));
    (Desk { tokens, deeds }, Access { tokens: seen, desk: sender, now: || NOW, limits })
}

async fn work(mut errands: mpsc::Receiver<Errand>, tokens: watch::Sender<Arc<Vec<Token>>>, deeds: Arc<Mutex<Vec<Deed>>>) {
    let mut keys = HashMap::<Key, (String, Option<Answer>)>::new();
    while let Some(errand) = errands.recv().await {
        match errand {
            Errand::Create { token: new, reply, .. } => {
                tokens.send_modify(|all| *all = Arc::new(all.iter().cloned().chain([token(&new.name, new.role, new.expires)]).collect()));
                drop(reply.send(Ok(Secret { token: new.name.clone(), name: new.name })));
            }
            Errand::Revoke { name, reply } => drop(reply.send(Err(Refusal::UnknownToken { name, known: vec!["ci".to_owned()] }))),
            Errand::Note(deed) => deeds.lock().unwrap().push(deed),
            Errand::Audit { wanted, reply } => {
                let all = deeds.lock().unwrap().clone();
                let all: Vec<AuditEntry> = (1..).zip(all).map(|(id, deed)| AuditEntry { id, deed }).collect();
                let all = all.into_iter().rev();
                drop(reply.send(Ok(all.filter(|entry| wanted.before.is_none_or(|before| entry.id < before)).take(wanted.limit).collect())));
            }
            Errand::Begin { key, request, reply } => {
                let begun = match keys.get(&key) {
                    None => Begun::New,
                    Some((other, _)) if *other != request => Begun::Other,
                    Some((_, Some(answer))) => Begun::Done(answer.clone()),
                    Some((_, None)) => Begun::Open,
                };
                keys.entry(key).or_insert((request, None));
                drop(reply.send(Ok(begun)));
            }
            Errand::End { key, answer, reply } => {
                match answer {
                    Some(answer) => keys.get_mut(&key).unwrap().1 = Some(answer),
                    None => drop(keys.remove(&key)),
                }
                drop(reply.send(Ok(())));
            }
        }
    }
}
