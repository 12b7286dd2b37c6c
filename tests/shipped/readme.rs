//! README's story, *A rollout*: its manifest and each of its commands run here, on a real Envoy, in their order.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use shunt_testbed::process::{Child, Spec};
use shunt_testbed::{Scenario, locate};

use super::read;

/// A command that does not end within this hangs: the longest waits for an analysis.
const COMMAND: Duration = Duration::from_secs(240);

/// One line of a shell block.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    command: String,
    /// `# ... exit code 5`, else 0.
    exit: i32,
    background: bool,
}

/// The first block of this language after a heading.
fn block<'t>(text: &'t str, heading: &str, language: &str) -> &'t str {
    let section = text.split_once(heading).unwrap_or_else(|| panic!("README has no {heading:?}")).1;
    let start = format!("```{language}\n");
    section.split_once(&start).and_then(|(_, rest)| rest.split_once("```")).unwrap_or_else(|| panic!("{heading:?} shows no {language}")).0
}

fn line(text: &str) -> Line {
    let (command, comment) = text.split_once(" # ").unwrap_or((text, ""));
    let exit = comment.split_once("exit code ").and_then(|(_, code)| code.chars().next()?.to_digit(10)).unwrap_or(0);
    let command = command.trim_end();
    let background = command.ends_with('&') && !command.ends_with("&&");
    Line { command: command.trim_end_matches('&').trim_end().to_owned(), exit: i32::try_from(exit).unwrap_or(0), background }
}

/// Where everything listens; the README's own ports may be taken.
struct Ports {
    replaced: Vec<(String, String)>,
    api: u16,
}

impl Ports {
    fn free() -> Result<Self> {
        // All are held until all are known, so that they differ.
        let held = (0..5).map(|_| Ok(TcpListener::bind("127.0.0.1:0")?)).collect::<Result<Vec<_>>>()?;
        let ports = held.iter().map(|one| Ok(one.local_addr()?.port())).collect::<Result<Vec<_>>>()?;
        let [v1, v2, listen, xds, api] = ports[..] else { bail!("five ports") };
        let replaced = vec![
            ("127.0.0.1:9001".to_owned(), format!("127.0.0.1:{v1}")),
            ("127.0.0.1:9002".to_owned(), format!("127.0.0.1:{v2}")),
            ("127.0.0.1:10000".to_owned(), format!("127.0.0.1:{listen}")),
            ("shunt serve".to_owned(), format!("shunt serve --xds-listen 127.0.0.1:{xds} --api-listen 127.0.0.1:{api}")),
            ("shunt envoy-bootstrap".to_owned(), format!("shunt envoy-bootstrap --xds 127.0.0.1:{xds} --api 127.0.0.1:{api}")),
        ];
        Ok(Self { replaced, api })
    }

    fn fill(&self, text: &str) -> String {
        self.replaced.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }
}

/// A shell in a folder of its own, with `shunt` and `envoy` in its path.
struct Shell {
    folder: PathBuf,
    env: Vec<(String, String)>,
    running: Vec<Child>,
}

impl Shell {
    fn new(folder: &Path, ports: &Ports) -> Result<Self> {
        let parent = |program: PathBuf| program.parent().map(Path::to_path_buf).context("a program has a folder");
        let programs = [parent(locate::shunt()?)?, parent(locate::envoy()?)?];
        let path = std::env::join_paths(programs.into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())))?;
        let env = vec![
            ("PATH".to_owned(), path.to_string_lossy().into_owned()),
            ("SHUNT_SERVER".to_owned(), format!("http://127.0.0.1:{}", ports.api)),
        ];
        Ok(Self { folder: folder.to_owned(), env, running: Vec::new() })
    }

    /// Goes on beside the next ones, and is killed with this shell.
    fn background(&mut self, command: &str) -> Result<()> {
        let script = format!("cd '{}' && exec {command}", self.folder.display());
        let name = format!("background-{}", self.running.len());
        let spec = Spec {
            name,
            program: "/bin/bash".into(),
            args: vec!["-c".into(), script.into()],
            env: self.env.clone(),
            folder: self.folder.join("logs"),
        };
        self.running.push(Child::spawn(&spec)?);
        Ok(())
    }

    /// Its exit code and everything it wrote.
    async fn foreground(&self, command: &str) -> Result<(i32, String)> {
        let mut shell = tokio::process::Command::new("/bin/bash");
        shell.args(["-c", command]).current_dir(&self.folder).envs(self.env.iter().cloned()).kill_on_drop(true);
        let output =
            tokio::time::timeout(COMMAND, shell.output()).await.with_context(|| format!("{command} does not end\n{}", self.logs()))??;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ok((output.status.code().unwrap_or(-1), text))
    }

    fn logs(&self) -> String {
        self.running.iter().map(|child| child.log_tail(15)).collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn lines_say_how_they_end() {
    let bare = |command: &str, exit: i32, background: bool| Line { command: command.to_owned(), exit, background };
    assert_eq!(line("envoy -c edge.yaml &     # an Envoy"), bare("envoy -c edge.yaml", 0, true));
    assert_eq!(line("shunt status a --wait   # exit code 5: it waits for you"), bare("shunt status a --wait", 5, false));
    assert_eq!(line("a && b"), bare("a && b", 0, false));
}

#[tokio::test]
async fn the_story_of_the_readme_runs() -> Result<()> {
    let story = Scenario::new("README, A rollout: each command, in its order");
    let readme = read("README.md");
    let folder = tempfile::tempdir()?;
    let ports = Ports::free()?;
    std::fs::create_dir(folder.path().join("manifests"))?;
    std::fs::write(folder.path().join("manifests/checkout.yaml"), ports.fill(block(&readme, "## A rollout", "yaml")))?;
    let mut shell = Shell::new(folder.path(), &ports)?;
    let lines: Vec<Line> = block(&readme, "## A rollout", "sh").lines().filter(|text| !text.trim().is_empty()).map(line).collect();
    assert!(lines.len() > 10, "{lines:#?}");
    for Line { command, exit, background } in lines {
        // What it builds is built, and in the path.
        if command.starts_with("cargo xtask setup") {
            continue;
        }
        story.when(&command);
        let filled = ports.fill(&command);
        if background {
            shell.background(&filled)?;
            continue;
        }
        let (code, text) = shell.foreground(&filled).await?;
        assert_eq!(code, exit, "{command}\n{text}\n{}", shell.logs());
    }
    story.then("the history tells it all, and users have seen both versions");
    let (_, history) = shell.foreground("shunt history shop/checkout").await?;
    for words in ["v2 is stable", "aborted by", "looks good", "wrong prices", "too many clicks", "v1 is stable"] {
        assert!(history.contains(words), "{words:?} is missing:\n{history}");
    }
    let load = std::fs::read_to_string(folder.path().join("load.log"))?;
    assert!(load.contains(" v2 ") || load.contains("· v2"), "{load}");
    Ok(())
}
