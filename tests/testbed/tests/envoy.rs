//! A real Envoy under the testbed's hands.

use std::time::Duration;

use anyhow::Result;
use shunt_testbed::envoy::Envoy;
use shunt_testbed::shop::LocalShop;
use shunt_testbed::{Client, EnvoyOptions, Load, free_port, until};

fn bootstrap(port: u16, upstream: u16) -> String {
    format!(
        r#"
static_resources:
  listeners:
    - name: shunt
      address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
      filter_chains:
        - filters:
            - name: http
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: shunt
                route_config:
                  virtual_hosts:
                    - {{name: all, domains: ["*"], routes: [{{match: {{prefix: "/"}}, route: {{cluster: shop}}}}]}}
                http_filters:
                  - {{name: router, typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}
  clusters:
    - name: shop
      type: STATIC
      load_assignment:
        cluster_name: shop
        endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {upstream}}}}}}}}}]}}]
"#
    )
}

#[tokio::test]
async fn two_run_side_by_side_and_carry_load() -> Result<()> {
    let shop = LocalShop::start("v1").await?;
    let yaml = bootstrap(0, shop.address().port());
    let (first, second) = tokio::try_join!(Envoy::start(&yaml, EnvoyOptions::default()), Envoy::start(&yaml, EnvoyOptions::default()))?;
    assert_ne!(first.admin(), second.admin());
    let (one, two) = (first.listener("shunt").await?, second.listener("shunt").await?);
    assert_ne!(one, two);
    let tally = Load::new(one).rate(400.0).run(200).await;
    assert_eq!(tally.failed(), 0, "{}", tally.summary());
    assert_eq!(tally.of_version("v1"), tally.requests());
    assert_eq!(Client::new(two).get("/").await?.status, 200);
    assert_eq!(first.stat("cluster.shop.upstream_rq_200").await?, tally.requests() as u64);
    assert_eq!(second.stat("cluster.shop.upstream_rq_200").await?, 1);
    assert!(first.config_dump().await?.to_string().contains("\"shop\""));
    assert!(first.clusters().await?["cluster_statuses"].is_array());
    assert!(first.child().cpu("wrk:worker")? > Duration::ZERO);
    Ok(())
}

#[tokio::test]
async fn stops_when_told_and_dies_when_dropped() -> Result<()> {
    let port = free_port();
    let yaml = bootstrap(port, free_port());
    let mut envoy = Envoy::start(&yaml, EnvoyOptions::default()).await?;
    assert!(envoy.stop().await?.success());
    let envoy = Envoy::start(&yaml, EnvoyOptions::default()).await?;
    let process = format!("/proc/{}", envoy.pid());
    assert!(std::fs::exists(&process)?);
    drop(envoy);
    until("the process is gone", Duration::from_secs(2), || async { std::fs::exists(&process).is_ok_and(|there| !there) }).await
}

#[tokio::test]
async fn a_wrong_bootstrap_says_why() {
    let error = Envoy::start("static_resources: {listeners: 7}", EnvoyOptions::default()).await.unwrap_err();
    assert!(format!("{error:#}").contains("listeners"), "{error:#}");
    assert!(Envoy::validate("static_resources: {listeners: 7}").await.is_err());
    assert!(Envoy::validate(&bootstrap(0, 1)).await.is_ok());
}
