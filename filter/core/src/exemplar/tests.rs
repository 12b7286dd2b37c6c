//! Which exemplars stay, and their form on the wire.

use super::*;
use test_case::test_case;

fn one(kind: ExemplarKind, answer: Option<Answer>, path: &str) -> Exemplar {
    Exemplar::new(kind, answer, Method::Get, path.to_owned())
}

fn failed(path: &str) -> Exemplar {
    one(ExemplarKind::Failed, Some(Answer::Status(503)), path)
}

fn rejected(path: &str) -> Exemplar {
    one(ExemplarKind::Rejected, Some(Answer::Status(404)), path)
}

fn told(exemplars: &Exemplars) -> Vec<String> {
    exemplars.iter().map(|exemplar| format!("{} x {exemplar}", exemplar.count)).collect()
}

#[test]
fn equal_ones_add_up_and_the_most_frequent_comes_first() {
    let mut exemplars = Exemplars::default();
    for next in [rejected("/a"), failed("/a"), failed("/b"), failed("/b"), one(ExemplarKind::Abandoned, None, "/b")] {
        exemplars.note(next);
    }
    assert_eq!(told(&exemplars), ["2 x GET /b: 503", "1 x GET /a: 503", "1 x GET /b: abandoned", "1 x GET /a: 404"]);
}

#[test]
fn what_is_frequent_finds_room_and_stays_however_many_others_there_are() {
    let mut exemplars = Exemplars::default();
    for number in 0..8 {
        exemplars.note(failed(&format!("/before/{number}")));
    }
    for number in 0..200 {
        exemplars.note(failed("/pay"));
        exemplars.note(failed(&format!("/{number}")));
        exemplars.note(failed(&format!("/other/{number}")));
    }
    assert_eq!(exemplars.iter().count(), EXEMPLARS_MAX);
    let first = exemplars.iter().next().unwrap();
    assert_eq!((first.path.as_str(), first.count), ("/pay", 200), "the first one found room at once");
}

#[test]
fn counts_are_never_too_high() {
    let mut exemplars = Exemplars::default();
    (0..1_000).for_each(|number| exemplars.note(failed(&format!("/{number}"))));
    assert_eq!(exemplars.iter().map(|exemplar| exemplar.count).max(), Some(1), "{:?}", told(&exemplars));
}

#[test]
fn each_kind_keeps_room() {
    let mut exemplars = Exemplars::default();
    (0..100).for_each(|number| exemplars.note(rejected(&format!("/scan/{number}"))));
    exemplars.note(failed("/pay"));
    exemplars.note(one(ExemplarKind::Abandoned, None, "/pay"));
    (0..100).for_each(|number| exemplars.note(rejected(&format!("/again/{number}"))));
    let of = |kind| exemplars.iter().filter(|exemplar| exemplar.kind == kind).count();
    assert_eq!([ExemplarKind::Failed, ExemplarKind::Abandoned, ExemplarKind::Rejected].map(of), [1, 1, 6]);
    (0..100).for_each(|number| exemplars.note(failed(&format!("/{number}"))));
    let of = |kind| exemplars.iter().filter(|exemplar| exemplar.kind == kind).count();
    assert_eq!([ExemplarKind::Failed, ExemplarKind::Abandoned, ExemplarKind::Rejected].map(of), [3, 1, 4], "two share what is left");
}

#[test]
fn those_of_several_proxies_add_up() {
    let mut sum = Exemplars::default();
    for vm in 0..5 {
        let mut exemplars = Exemplars::default();
        (0..6).for_each(|number| exemplars.note(failed(&format!("/{vm}/{number}"))));
        (0..3).for_each(|_| exemplars.note(rejected("/all")));
        sum.add(&exemplars);
    }
    assert_eq!(sum.iter().count(), EXEMPLARS_MAX);
    assert_eq!(told(&sum).first().unwrap(), "15 x GET /all: 404");
    let mut twice = sum.clone();
    twice.add(&sum);
    assert_eq!(twice.iter().map(|exemplar| exemplar.count).sum::<u64>(), 2 * sum.iter().map(|exemplar| exemplar.count).sum::<u64>());
}

#[test]
fn on_the_wire() {
    let mut exemplars = Exemplars::default();
    let grpc = Exemplar::new(ExemplarKind::Failed, Some(Answer::GrpcStatus(13)), Method::Post, "/shop.Checkout/Buy".to_owned());
    for next in [grpc.clone(), grpc, one(ExemplarKind::Hanging, None, "/"), one(ExemplarKind::Failed, Some(Answer::Reset), "/*")] {
        exemplars.note(next);
    }
    let text = serde_json::to_string(&exemplars).unwrap();
    let expected = concat!(
        r#"[{"kind":"failed","answer":{"grpcStatus":13},"method":"POST","path":"/shop.Checkout/Buy","count":2},"#,
        r#"{"kind":"failed","answer":"reset","method":"GET","path":"/*","count":1},"#,
        r#"{"kind":"hanging","method":"GET","path":"/","count":1}]"#,
    );
    assert_eq!(text, expected);
    assert_eq!(serde_json::from_str::<Exemplars>(&text).unwrap(), exemplars);
}

#[test_case(&format!("[{}]", [r#"{"kind":"failed","method":"GET","path":"/","count":1}"#; 9].join(",")), true; "nine of the same are one")]
#[test_case(&format!("[{}]", (0..9).map(|number| format!(r#"{{"kind":"failed","answer":{{"status":{number}}},"method":"GET","path":"/","count":1}}"#)).collect::<Vec<_>>().join(",")), false; "nine different ones")]
#[test_case(&format!(r#"[{{"kind":"failed","method":"GET","path":"{}","count":1}}]"#, "/".repeat(TEMPLATE_MAX + 1)), false; "a long path")]
#[test_case(r#"[{"kind":"failed","method":"BREW","path":"/","count":1}]"#, false; "a method that is none")]
fn what_is_read_is_bounded(text: &str, accepted: bool) {
    assert_eq!(serde_json::from_str::<Exemplars>(text).is_ok(), accepted);
}

#[test]
fn for_people() {
    let mut empty = one(ExemplarKind::Empty, Some(Answer::Status(200)), "/cart");
    assert_eq!(empty.to_string(), "GET /cart: 200, empty");
    empty.kind = ExemplarKind::RejectedGrpc;
    empty.answer = Some(Answer::GrpcStatus(5));
    assert_eq!(empty.to_string(), "GET /cart: gRPC 5");
}
