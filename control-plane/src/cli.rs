//! The command line: one file per verb in `cli/`, what they share beside them.

mod audit;
mod certs;
mod client;
mod completion;
mod console;
mod delete;
mod diff;
mod doctor;
mod envoy_bootstrap;
mod events;
mod exit;
mod explain;
mod failure;
mod forget;
mod frame;
mod freeze;
mod get;
mod help;
mod history;
mod lint;
mod load;
mod logs;
mod manifests;
mod names;
mod paint;
mod plan;
mod proxies;
mod recover;
#[cfg(test)]
mod reference;
mod release;
mod render;
mod replay;
mod rollback;
mod sample_server;
mod schema;
mod serve;
mod show;
mod status;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod text;
mod token;
mod verbs;
mod version;
mod watch;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use jiff::tz::TimeZone;
use shunt_core::Verb;

use client::{Client, Reach};
use console::{Console, Format};
use exit::Exit;
use paint::Paint;
pub(crate) use serve::ServeArgs;

const EXAMPLES: &str = "Examples:
  shunt serve --config ./rollouts                    run the control plane
  shunt get                                          all Rollouts at a glance
  shunt release shop/checkout v2                     start a release
  shunt status shop/checkout --wait --timeout 30m    wait for its end, with an exit code
  shunt explain --host shop.test --header 'cookie: shunt-id=u1'

`shunt <command> --help` shows more of each. Exit codes: 0 done, or nothing is wrong; 1 not done, or something is wrong; 2 wrong usage;
more of `shunt status`. Colours only on a terminal, and not with NO_COLOR.";

/// Progressive delivery for Envoy and Istio.
#[derive(Debug, Parser)]
#[command(name = "shunt", bin_name = "shunt", version, about = "Progressive delivery for Envoy and Istio", after_help = EXAMPLES, max_term_width = 120)]
struct Cli {
    #[command(flatten)]
    reach: Reach,

    /// How to print: for people, or for programs
    #[arg(long, short, global = true, value_name = "text|json|yaml", value_enum, default_value_t = Format::Text, hide_possible_values = true)]
    output: Format,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the control plane
    Serve(ServeArgs),
    /// Show all Rollouts, or one with all there is to know
    Get(get::GetArgs),
    /// Follow what happens, as it happens
    Watch(watch::WatchArgs),
    /// One line and an exit code, for pipelines; can wait
    Status(status::StatusArgs),
    /// Name the version that should be stable (edits the manifest)
    Release(release::ReleaseArgs),
    /// End the wait of a step: a pause, a window, a missing pass
    #[command(after_help = verbs::PROMOTE)]
    Promote(verbs::PromoteArgs),
    /// Hold a run where it is
    #[command(after_help = verbs::PAUSE)]
    Pause(verbs::VerbArgs),
    /// End a hold
    #[command(after_help = verbs::RESUME)]
    Resume(verbs::VerbArgs),
    /// All keys back to stable; the release is refused
    #[command(after_help = verbs::ABORT)]
    Abort(verbs::VerbArgs),
    /// Start a refused release again
    #[command(after_help = verbs::RETRY)]
    Retry(verbs::RetryArgs),
    /// Say yes at a gate that waits for a person
    #[command(after_help = verbs::APPROVE)]
    Approve(verbs::VerbArgs),
    /// Back to the version that was stable (edits the manifest)
    Rollback(rollback::RollbackArgs),
    /// End a Rollout: take its manifest out of the config folder
    Delete(delete::DeleteArgs),
    /// Hold all releases, with a reason; or show whether they are
    Freeze(freeze::FreezeArgs),
    /// End a freeze
    Unfreeze(freeze::UnfreezeArgs),
    /// What a Rollout did, when, and why
    History(history::HistoryArgs),
    /// What the instances write that Shunt runs
    Logs(logs::LogsArgs),
    /// Who asked for what through the API, when, and why
    Audit(audit::AuditArgs),
    /// Run a journal again and compare the transitions
    Replay(replay::ReplayArgs),
    /// Where would this request go, and why?
    Explain(explain::ExplainArgs),
    /// Check manifests without a control plane
    Lint(lint::LintArgs),
    /// Print the schema of manifests, for editors
    Schema(schema::SchemaArgs),
    /// What a release will do, and what its analyses can see
    Plan(plan::PlanArgs),
    /// What differs between two configurations, by what they mean
    Diff(diff::DiffArgs),
    /// What would be published; or a bootstrap without control plane
    Render(render::RenderArgs),
    /// Proxies, and how far each has come
    Proxies(proxies::ProxiesArgs),
    /// What is wrong with a proxy, and what helps
    Doctor(doctor::DoctorArgs),
    /// Make lost state anew from what the proxies run
    Recover(recover::RecoverArgs),
    /// Stop waiting for a proxy that will never come back
    Forget(forget::ForgetArgs),
    /// Print a bootstrap for an Envoy of this control plane
    EnvoyBootstrap(envoy_bootstrap::EnvoyBootstrapArgs),
    /// Make certificates for the control plane and the proxies
    Certs(certs::CertsArgs),
    /// Make, list and revoke tokens for the API
    Token(token::TokenArgs),
    /// A version of a service, to try releases with
    SampleServer(sample_server::SampleServerArgs),
    /// Users with cookies, to try releases with
    Load(load::LoadArgs),
    /// Version of this binary and of its filter
    Version(version::VersionArgs),
    /// Print what a shell needs to complete commands and names
    Completion(completion::CompletionArgs),
    /// Names for completion scripts
    #[command(hide = true)]
    Names(names::NamesArgs),
}

/// Reads the arguments and does what they say.
pub(crate) fn run() -> ExitCode {
    let cli = match failure::arguments(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(unparsed) => return unparsed.report(),
    };
    let format = cli.output;
    let mut out = io::stdout().lock();
    let mut console = Console {
        out: &mut out,
        format: cli.output,
        paint: Paint::of_stdout(),
        live: io::stdout().is_terminal(),
        size: frame::Size::of_stdout,
        zone: TimeZone::system(),
        clock: console::clock,
    };
    let result = match cli.command {
        Command::Serve(args) => {
            drop(out);
            return report(serve(args).map(|()| Exit::Done), format);
        }
        command => runtime(tokio::runtime::Builder::new_current_thread())
            .and_then(|runtime| runtime.block_on(execute(command, &cli.reach, &mut console))),
    };
    report(result, format)
}

fn report(result: anyhow::Result<Exit>, format: Format) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        // `shunt get | head` is no error.
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", failure::text(&error, format));
            ExitCode::FAILURE
        }
    }
}

fn runtime(mut builder: tokio::runtime::Builder) -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(builder.enable_all().build()?)
}

fn serve(args: ServeArgs) -> anyhow::Result<()> {
    crate::telemetry::start();
    runtime(tokio::runtime::Builder::new_multi_thread())?.block_on(crate::serve::run(args))
}

/// Everything but `serve`.
async fn execute(command: Command, reach: &Reach, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let client = || Client::new(reach);
    match &command {
        Command::Serve(_) => anyhow::bail!("serve does not run here"),
        Command::Get(args) => get::run(args, &client()?, console).await,
        Command::Watch(args) => watch::run(args, &client()?, console).await,
        Command::Status(args) => status::run(args, &client()?, console).await,
        Command::Release(args) => release::run(args, &client()?, console).await,
        Command::Promote(args) => verbs::promote(args, &client()?, console).await,
        Command::Pause(args) => verbs::run(Verb::Pause, args, &client()?, console).await,
        Command::Resume(args) => verbs::run(Verb::Resume, args, &client()?, console).await,
        Command::Abort(args) => verbs::run(Verb::Abort, args, &client()?, console).await,
        Command::Retry(args) => verbs::retry(args, &client()?, console).await,
        Command::Approve(args) => verbs::approve(args, &client()?, console).await,
        Command::Rollback(args) => rollback::run(args, &client()?, console).await,
        Command::Delete(args) => delete::run(args, &client()?, console).await,
        Command::Freeze(args) => freeze::freeze(args, &client()?, console).await,
        Command::Unfreeze(args) => freeze::unfreeze(args, &client()?, console).await,
        Command::History(args) => history::run(args, &client()?, console).await,
        Command::Logs(args) => logs::run(args, &client()?, console).await,
        Command::Audit(args) => audit::run(args, &client()?, console).await,
        Command::Replay(args) => replay::run(args, console),
        Command::Explain(args) => explain::run(args, &client()?, console).await,
        Command::Lint(args) => lint::run(args, console),
        Command::Schema(args) => schema::run(args, console),
        Command::Diff(args) => diff::run(args, console),
        Command::Plan(args) => plan::run(args, console),
        Command::Proxies(_) => proxies::run(&client()?, console).await,
        Command::Render(args) => render::run(args, || Ok(client()?), console).await,
        Command::Doctor(args) => doctor::run(args, &client()?, console).await,
        Command::Recover(args) => recover::run(args, &client()?, console).await,
        Command::Forget(args) => forget::run(args, &client()?, console).await,
        Command::EnvoyBootstrap(args) => envoy_bootstrap::run(args, console),
        Command::Certs(args) => certs::run(args, console),
        Command::Token(args) => token::run(args, &client, console).await,
        Command::SampleServer(args) => sample_server::run(args, console).await,
        Command::Load(args) => load::run(args, console).await,
        Command::Version(_) => version::run(crate::module::SHUNT_MODULE, console),
        Command::Completion(args) => completion::run(args, console),
        Command::Names(args) => names::run(args, console).await,
    }
}
