//! Tokens of the API: names, roles and hashes.

use rusqlite::{OptionalExtension, params};
use shunt_api::{Token, TokenHash};
use shunt_filter_core::names::NameError;
use shunt_spec::Time;

use super::{AuxiliaryStore, StoreError};

impl AuxiliaryStore {
    /// All tokens, in order of name.
    pub(crate) async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        self.with(|connection| {
            let mut query = connection.prepare("SELECT name, role, hash, created, by, expires, rollout FROM tokens ORDER BY name")?;
            let mut rows = query.query([])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let (name, role): (String, String) = (row.get(0)?, row.get(1)?);
                let bound: Option<String> = row.get(6)?;
                let unreadable = |error: String| StoreError::Unreadable { what: format!("token {name}"), error };
                all.push(Token {
                    role: role.parse().map_err(|error: shunt_api::access::RoleError| unreadable(error.to_string()))?,
                    rollout: bound.map(|id| id.parse()).transpose().map_err(|error: NameError| unreadable(error.to_string()))?,
                    hash: TokenHash(row.get(2)?),
                    created: Time(row.get(3)?),
                    by: row.get(4)?,
                    expires: row.get::<_, Option<u64>>(5)?.map(Time),
                    name,
                });
            }
            Ok(all)
        })
        .await
    }

    /// Keeps a token. False: there is one of that name.
    pub(crate) async fn keep_token(&self, token: Token) -> Result<bool, StoreError> {
        self.with(move |connection| {
            let taken = connection.query_row("SELECT 1 FROM tokens WHERE name = ?", [&token.name], |_| Ok(())).optional()?;
            if taken.is_some() {
                return Ok(false);
            }
            connection.execute(
                "INSERT INTO tokens (name, role, hash, created, by, expires, rollout) VALUES (?, ?, ?, ?, ?, ?, ?)",
                params![
                    token.name,
                    token.role.as_str(),
                    token.hash.0,
                    token.created.0,
                    token.by,
                    token.expires.map(|at| at.0),
                    token.rollout.map(|rollout| rollout.to_string())
                ],
            )?;
            Ok(true)
        })
        .await
    }

    /// Drops a token. False: there was none of that name.
    pub(crate) async fn drop_token(&self, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.with(move |connection| Ok(connection.execute("DELETE FROM tokens WHERE name = ?", [name])? > 0)).await
    }
}
