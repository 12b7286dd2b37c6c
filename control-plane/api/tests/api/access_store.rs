//! The process's access store, played in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use shunt_api::access_store::{AccessRequest, Answer, AuditEntry, AuditRecord, Begun, Key, Secret};
use shunt_api::{Access, Limits, Refusal, Role, Token, TokenHash};
use shunt_spec::Time;
use tokio::sync::{mpsc, watch};

use crate::fixture::NOW;

/// What it holds.
pub(crate) struct AccessStore {
    pub(crate) tokens: watch::Sender<Arc<Vec<Token>>>,
    pub(crate) audit_records: Arc<Mutex<Vec<AuditRecord>>>,
}

/// A token whose secret is its name.
pub(crate) fn token(name: &str, role: Role, expires: Option<Time>) -> Token {
    Token { name: name.to_owned(), role, rollout: None, hash: TokenHash::of(name), created: NOW, by: "loopback".to_owned(), expires }
}

/// With these tokens.
pub(crate) fn open(tokens: Vec<Token>, limits: Limits) -> (AccessStore, Access) {
    let (tokens, seen) = watch::channel(Arc::new(tokens));
    let (sender, requests) = mpsc::channel(16);
    let audit_records = Arc::new(Mutex::new(Vec::new()));
    tokio::spawn(work(requests, tokens.clone(), audit_records.clone()));
    (AccessStore { tokens, audit_records }, Access { tokens: seen, store: sender, now: || NOW, limits })
}

async fn work(
    mut requests: mpsc::Receiver<AccessRequest>,
    tokens: watch::Sender<Arc<Vec<Token>>>,
    audit_records: Arc<Mutex<Vec<AuditRecord>>>,
) {
    let mut keys = HashMap::<Key, (String, Option<Answer>)>::new();
    while let Some(request) = requests.recv().await {
        match request {
            AccessRequest::Create { token: new, reply, .. } => {
                tokens.send_modify(|all| *all = Arc::new(all.iter().cloned().chain([token(&new.name, new.role, new.expires)]).collect()));
                drop(reply.send(Ok(Secret { token: new.name.clone(), name: new.name })));
            }
            AccessRequest::Revoke { name, reply } => drop(reply.send(Err(Refusal::UnknownToken { name, known: vec!["ci".to_owned()] }))),
            AccessRequest::Note(record) => audit_records.lock().unwrap().push(record),
            AccessRequest::Audit { wanted, reply } => {
                let all = audit_records.lock().unwrap().clone();
                let all: Vec<AuditEntry> = (1..).zip(all).map(|(id, record)| AuditEntry { id, record }).collect();
                let all = all.into_iter().rev();
                drop(reply.send(Ok(all.filter(|entry| wanted.before.is_none_or(|before| entry.id < before)).take(wanted.limit).collect())));
            }
            AccessRequest::Begin { key, request, reply } => {
                let begun = match keys.get(&key) {
                    None => Begun::New,
                    Some((other, _)) if *other != request => Begun::Other,
                    Some((_, Some(answer))) => Begun::Done(answer.clone()),
                    Some((_, None)) => Begun::Open,
                };
                keys.entry(key).or_insert((request, None));
                drop(reply.send(Ok(begun)));
            }
            AccessRequest::End { key, answer, reply } => {
                match answer {
                    Some(answer) => keys.get_mut(&key).unwrap().1 = Some(answer),
                    None => drop(keys.remove(&key)),
                }
                drop(reply.send(Ok(())));
            }
        }
    }
}
