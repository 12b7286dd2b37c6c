//! Prometheus' HTTP API: one instant query (<https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries>).

use reqwest::Method;
use serde_json::Value as Json;
use shunt_spec::plan::external_metrics::{PrometheusSource, Value};

use super::http::{Body, Http, Request, shown};
use super::web::{encoded, texts};

/// More series make no value that a condition could be about.
const SERIES_MAX: usize = 1_000;

/// The value of a query, asked now.
pub(super) async fn ask(http: &Http, source: &PrometheusSource, query: &str, filled: &impl Fn(&str) -> String) -> Result<Value, String> {
    let address = filled(&source.address);
    let request = Request {
        url: format!("{}/api/v1/query", address.trim_end_matches('/')),
        method: Method::POST,
        headers: texts(&source.headers, filled),
        body: Body::Form(format!("query={}", encoded(&filled(query)))),
        connection: &source.connection,
    };
    let answer = http.send(request).await?;
    if !answer.status.is_success() && answer.json.get("error").is_none() {
        return Err(format!("answered {}: {}", answer.status, shown(answer.json.to_string().as_bytes())));
    }
    read(&answer.json)
}

/// What an answer says.
pub(super) fn read(answer: &Json) -> Result<Value, String> {
    if answer.get("status").and_then(Json::as_str) != Some("success") {
        let error = answer.get("error").and_then(Json::as_str).unwrap_or("the answer is none of Prometheus' HTTP API");
        return Err(error.to_owned());
    }
    let kind = answer.pointer("/data/resultType").and_then(Json::as_str).unwrap_or_default();
    let result = answer.pointer("/data/result").unwrap_or(&Json::Null);
    match kind {
        "scalar" => Ok(Value::of_samples(&[sample(result)?])),
        "vector" => {
            let series = result.as_array().ok_or("a vector without a list")?;
            if series.len() > SERIES_MAX {
                return Err(format!("{} series: at most {SERIES_MAX} are read, sum them", series.len()));
            }
            let samples: Vec<f64> = series.iter().map(|one| sample(one.get("value").unwrap_or(&Json::Null))).collect::<Result<_, _>>()?;
            Ok(Value::of_samples(&samples))
        }
        "matrix" => Err("the query asks for a range: write one that gives a number now, for example with rate(...)".to_owned()),
        other => Err(format!("a result of type {other:?} is no number")),
    }
}

/// `[1700000000.1, "0.25"]`
fn sample(pair: &Json) -> Result<f64, String> {
    let text = pair.get(1).and_then(Json::as_str);
    let number = text.and_then(|text| match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        text => text.parse().ok(),
    });
    number.ok_or_else(|| format!("{pair} is no sample; histograms are not read, take histogram_quantile of them"))
}
