//! Instances that register themselves: `PUT` (again before its time to live is over), `GET` until it is gone, `DELETE` drains.

use std::net::SocketAddr;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_core::instance::InstanceView;
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::rollout::version::refuses_requests;

use crate::access::Actor;
use crate::app::{App, ControlRequest};
use crate::problem::Problem;
use crate::requests::{read, submit};
use crate::rollouts::find;

/// `GET .../versions/{version}/endpoints`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// In the order in which they came; also those that Shunt started.
    pub instances: Vec<InstanceView>,
}

type Names = (String, String, String);
type Full = (String, String, String, String);

/// `GET /v1/rollouts/{namespace}/{name}/versions/{version}/endpoints`
pub(crate) async fn list(State(app): State<App>, Path(names): Path<Names>) -> Result<Json<Endpoints>, Problem> {
    let (_, _, instances) = instances(&app, names)?;
    Ok(Json(Endpoints { instances }))
}

/// `GET .../endpoints/{address}`: where it is in its life; 404 once it is gone.
pub(crate) async fn get(
    State(app): State<App>,
    Path((namespace, name, version, address)): Path<Full>,
) -> Result<Json<InstanceView>, Problem> {
    let address = parse(&address)?;
    let (rollout, version, _) = instances(&app, (namespace, name, version))?;
    let found = read(&app, |reply| ControlRequest::Registration { rollout, version, address, reply }).await?;
    found.map(Json).ok_or_else(|| unknown(address))
}

/// `PUT .../endpoints/{address}`: registers, or renews.
pub(crate) async fn put(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path((namespace, name, version, address)): Path<Full>,
) -> Result<Json<InstanceView>, Problem> {
    let address = parse(&address)?;
    let (rollout, version, _) = instances(&app, (namespace, name, version))?;
    let registered = submit(&app, |reply| ControlRequest::Register { rollout, version, address, reply }).await?;
    if registered.news {
        actor.does("registerInstance", "");
    }
    Ok(Json(registered.instance))
}

/// `DELETE .../endpoints/{address}`: 202 and on its way out; 404 when no instance is registered there.
pub(crate) async fn delete(
    State(app): State<App>,
    Path((namespace, name, version, address)): Path<Full>,
) -> Result<(StatusCode, Json<InstanceView>), Problem> {
    let address = parse(&address)?;
    let (rollout, version, _) = instances(&app, (namespace, name, version))?;
    let left = submit(&app, |reply| ControlRequest::Deregister { rollout, version, address, reply }).await?;
    left.map(|view| (StatusCode::ACCEPTED, Json(view))).ok_or_else(|| unknown(address))
}

fn unknown(address: SocketAddr) -> Problem {
    Problem::UnknownPath(format!("{address}: no instance is registered there"))
}

/// Which version of which Rollout, and what is shown of its instances.
fn instances(app: &App, (namespace, name, version): Names) -> Result<(RolloutId, VersionName, Vec<InstanceView>), Problem> {
    let now = find(app, &namespace, &name)?;
    let version: VersionName = version.parse().map_err(|error| Problem::Unreadable(format!("version: {error}")))?;
    let shown = now.view.versions.iter().find(|known| known.name == version).map(|known| known.instances.clone());
    Ok((now.view.id.clone(), version, shown.unwrap_or_default()))
}

/// An address that requests can be sent to.
fn parse(text: &str) -> Result<SocketAddr, Problem> {
    let example = "write ip:port of the instance, for example 10.0.0.7:8080 or [fd00::7]:8080";
    let address: SocketAddr = text.parse().map_err(|_| Problem::Unreadable(format!("{text:?} is not an address: {example}")))?;
    match refuses_requests(address) {
        Some(why) => Err(Problem::Unreadable(format!("{text} {why}: {example}"))),
        None => Ok(address),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use test_case::test_case;

    #[test_case("127.0.0.1:9001", true; "IPv4")]
    #[test_case("[::1]:9001", true; "IPv6")]
    #[test_case("0.0.0.0:9001", false; "no address to send to")]
    #[test_case("224.0.0.1:9001", false; "multicast")]
    #[test_case("[::ffff:0.0.0.0]:9001", false; "no address to send to, as IPv6")]
    #[test_case("127.0.0.1:0", false; "port 0")]
    #[test_case("127.0.0.1", false; "no port")]
    #[test_case("shop:9001", false; "a name")]
    fn addresses(text: &str, expected: bool) {
        assert_eq!(parse(text).is_ok(), expected);
    }
}
