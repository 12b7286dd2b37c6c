//! `shunt token`: who may use the API, and as what.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use shunt_api::Role;
use shunt_api::access_store::{NewToken, Secret};
use shunt_api::tokens::{TokenList, TokenView};
use shunt_filter_core::RolloutId;
use shunt_spec::Span;

use super::client::{Client, ClientError};
use super::console::Console;
use super::exit::Exit;
use super::table::Table;
use super::text::time;
use super::verbs::author;
use crate::standalone::{Database, OpenError};
use crate::tokens;

const EXAMPLES: &str = "As soon as there is a token, every request to the API needs one: --token-file FILE, SHUNT_TOKEN, or
`authorization: Bearer TOKEN`. Roles: register is for the instances of one Rollout, read looks, operate changes Rollouts, admin also
deploys manifests that start programs (`command`), makes tokens and reads the audit. With --data it works on the data folder of a server that is stopped: for the first one, or when all are lost.

Examples:
  shunt token create --name root --role admin > root.token
  shunt --token-file root.token token create --name ci --role operate --expires 90d
  shunt --token-file root.token token create --name rank-instances --role register --rollout shop/rank
  shunt --token-file root.token token list
  shunt --token-file root.token token revoke ci
  shunt token create --name rescue --role admin --data ./rollouts.state";

/// Tokens.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    verb: Verb,

    /// Data folder of a server that is stopped, instead of asking one that runs
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make one; its secret is printed this once
    Create(CreateArgs),
    /// All of them, without their secrets
    List,
    /// End one at once
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// Names it in journal and audit: letters, digits, - _ . @
    #[arg(long, value_name = "NAME")]
    name: String,

    /// What it allows
    #[arg(long, value_name = "register|read|operate|admin")]
    role: Role,

    /// The one Rollout whose instances a token of the role register may register
    #[arg(long, value_name = "NAMESPACE/NAME", required_if_eq("role", "register"))]
    rollout: Option<RolloutId>,

    /// After how long it is no longer valid, for example 90d [default: never]
    #[arg(long, value_name = "DURATION")]
    expires: Option<Span>,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
}

/// `shunt token`
pub(crate) async fn run(
    args: &TokenArgs,
    client: impl Fn() -> Result<Client, ClientError>,
    console: &mut Console<'_>,
) -> anyhow::Result<Exit> {
    let keeper = match &args.data {
        Some(folder) => Keeper::Folder(open(folder)?),
        None => Keeper::Server(client()?),
    };
    match &args.verb {
        Verb::Create(args) => {
            let expires = args.expires.map(|span| console.now().after(span));
            let secret = keeper
                .create(NewToken { name: args.name.clone(), role: args.role, rollout: args.rollout.clone(), expires }, console)
                .await?;
            // Alone on standard output, so that it can be kept in a file.
            console.show(&secret, |_| vec![secret.token.clone()])?;
        }
        Verb::List => {
            let list = keeper.list().await?;
            console.show(&list, |console| table(&list, console))?;
        }
        Verb::Revoke(args) => {
            keeper.revoke(&args.name).await?;
            let done = serde_json::json!({ "revoked": args.name });
            console.show(&done, |_| vec![format!("{} is no longer valid", args.name)])?;
        }
    }
    Ok(Exit::Done)
}

/// Who keeps the tokens.
enum Keeper {
    Server(Client),
    Folder(Database),
}

fn open(folder: &Path) -> anyhow::Result<Database> {
    Database::open(folder).map_err(|error| match error {
        OpenError::InUse(_) => {
            anyhow::anyhow!(
                "{} is in use by a server that runs: leave --data out and ask it, with a token of the role admin",
                folder.display()
            )
        }
        error => error.into(),
    })
}

impl Keeper {
    async fn create(&self, token: NewToken, console: &Console<'_>) -> anyhow::Result<Secret> {
        match self {
            Self::Server(client) => Ok(client.post(&["tokens"], &token).await?),
            Self::Folder(database) => Ok(tokens::create(&database.auxiliary(), token, author(), console.now()).await?),
        }
    }

    async fn list(&self) -> anyhow::Result<TokenList> {
        match self {
            Self::Server(client) => Ok(client.get(&["tokens"]).await?),
            Self::Folder(database) => Ok(TokenList { tokens: database.auxiliary().tokens().await?.iter().map(TokenView::from).collect() }),
        }
    }

    async fn revoke(&self, name: &str) -> anyhow::Result<()> {
        match self {
            Self::Server(client) => Ok(client.delete(&["tokens", name]).await?),
            Self::Folder(database) => match database.auxiliary().drop_token(name).await? {
                true => Ok(()),
                false => anyhow::bail!("there is no token {name}; `shunt token list --data DIR` shows them"),
            },
        }
    }
}

fn table(list: &TokenList, console: &Console<'_>) -> Vec<String> {
    if list.tokens.is_empty() {
        return vec!["There are no tokens: every process on the server's machine may use the API.".to_owned()];
    }
    let mut table = Table::new(console.paint, &["NAME", "ROLE", "CREATED", "BY", "EXPIRES"], &[]);
    for token in &list.tokens {
        let expires = match token.expires {
            None => "never".to_owned(),
            Some(at) if at <= console.now() => console.paint.bad("expired"),
            Some(at) => time(at, &console.zone),
        };
        let role = match &token.rollout {
            Some(rollout) => format!("{} {rollout}", token.role),
            None => token.role.to_string(),
        };
        table.row([token.name.clone(), role, time(token.created, &console.zone), token.by.clone(), expires]);
    }
    table.lines()
}
