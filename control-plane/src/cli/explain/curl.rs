//! A request as a curl command line: what people paste.

use shunt_api::explain::Question;
use thiserror::Error;

/// Why a command line is no request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum CurlError {
    /// Quotes do not match.
    #[error("this is not a shell command: a quote is not closed")]
    Quotes,
    /// No URL in it.
    #[error("no URL in it: paste the whole command, for example curl -H 'cookie: a=b' https://shop.test/cart")]
    NoUrl,
    /// Several URLs.
    #[error("two URLs in it, {0} and {1}: explain one request at a time")]
    TwoUrls(String, String),
    /// Not a URL.
    #[error("{0:?} is not a URL with a host")]
    Url(String),
    /// An option without its value.
    #[error("{0} needs a value")]
    Value(String),
    /// A value from a file.
    #[error("{0} {1}: a value from a file is not read; write it out")]
    File(String, String),
    /// An option that may change the request in a way that is not known here.
    #[error("curl's option {0} is not known here: leave it out if it does not change the request")]
    Option(String),
}

/// What an option means for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Header,
    Method,
    Cookie,
    Agent,
    Referer,
    User,
    Url,
    Data,
    Head,
    Get,
    Compressed,
    /// Changes nothing in the request; with a value of its own.
    Ignored,
    /// Changes nothing in the request.
    Flag,
}

/// Options by name; curl's manual of 8.5.
const OPTIONS: [(&str, Option<char>, Meaning); 42] = [
    ("header", Some('H'), Meaning::Header),
    ("request", Some('X'), Meaning::Method),
    ("cookie", Some('b'), Meaning::Cookie),
    ("user-agent", Some('A'), Meaning::Agent),
    ("referer", Some('e'), Meaning::Referer),
    ("user", Some('u'), Meaning::User),
    ("url", None, Meaning::Url),
    ("data", Some('d'), Meaning::Data),
    ("data-raw", None, Meaning::Data),
    ("data-binary", None, Meaning::Data),
    ("data-urlencode", None, Meaning::Data),
    ("json", None, Meaning::Data),
    ("form", Some('F'), Meaning::Data),
    ("head", Some('I'), Meaning::Head),
    ("get", Some('G'), Meaning::Get),
    ("compressed", None, Meaning::Compressed),
    ("output", Some('o'), Meaning::Ignored),
    ("write-out", Some('w'), Meaning::Ignored),
    ("max-time", Some('m'), Meaning::Ignored),
    ("connect-timeout", None, Meaning::Ignored),
    ("resolve", None, Meaning::Ignored),
    ("connect-to", None, Meaning::Ignored),
    ("cacert", None, Meaning::Ignored),
    ("cert", Some('E'), Meaning::Ignored),
    ("key", None, Meaning::Ignored),
    ("cookie-jar", Some('c'), Meaning::Ignored),
    ("proxy", Some('x'), Meaning::Ignored),
    ("retry", None, Meaning::Ignored),
    ("dump-header", Some('D'), Meaning::Ignored),
    ("insecure", Some('k'), Meaning::Flag),
    ("silent", Some('s'), Meaning::Flag),
    ("show-error", Some('S'), Meaning::Flag),
    ("verbose", Some('v'), Meaning::Flag),
    ("location", Some('L'), Meaning::Flag),
    ("include", Some('i'), Meaning::Flag),
    ("fail", Some('f'), Meaning::Flag),
    ("remote-name", Some('O'), Meaning::Flag),
    ("no-buffer", Some('N'), Meaning::Flag),
    ("globoff", Some('g'), Meaning::Flag),
    ("http1.1", None, Meaning::Flag),
    ("http2", None, Meaning::Flag),
    ("http2-prior-knowledge", None, Meaning::Flag),
];

/// The request of a pasted line.
pub(crate) fn line(text: &str) -> Result<Question, CurlError> {
    // What browsers copy goes over several lines.
    let words = shell_words::split(&text.replace("\\\n", " ")).map_err(|_| CurlError::Quotes)?;
    words_of(&words)
}

/// The request of a command line that the shell has split already.
pub(crate) fn words_of(words: &[String]) -> Result<Question, CurlError> {
    let mut request = Request::default();
    let mut words = words.iter().map(String::as_str).peekable();
    words.next_if(|word| *word == "$");
    words.next_if(|word| word.rsplit('/').next() == Some("curl"));
    while let Some(word) = words.next() {
        if let Some(name) = word.strip_prefix("--") {
            let (name, attached) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
            let meaning = OPTIONS.iter().find(|(known, ..)| *known == name).map(|(.., meaning)| *meaning);
            request.option(word, meaning, attached, &mut words)?;
        } else if word.starts_with('-') && word.len() > 1 {
            request.letters(word, &mut words)?;
        } else {
            request.url(word)?;
        }
    }
    request.question()
}

/// A request so far.
#[derive(Debug, Default)]
struct Request {
    url: Option<String>,
    method: Option<String>,
    headers: Vec<(String, String)>,
    data: Vec<String>,
    get: bool,
    head: bool,
}

impl Request {
    /// `-sSL`, `-XPOST`, `-H 'a: b'`
    fn letters<'w>(&mut self, word: &str, words: &mut impl Iterator<Item = &'w str>) -> Result<(), CurlError> {
        for (at, letter) in word.char_indices().skip(1) {
            let meaning = OPTIONS.iter().find(|(_, short, _)| *short == Some(letter)).map(|(.., meaning)| *meaning);
            let rest = &word[at + letter.len_utf8()..];
            let alone = matches!(meaning, Some(Meaning::Flag | Meaning::Head | Meaning::Get | Meaning::Compressed));
            self.option(&format!("-{letter}"), meaning, Some(rest).filter(|rest| !alone && !rest.is_empty()), words)?;
            if !alone {
                return Ok(());
            }
        }
        Ok(())
    }

    fn option<'w>(
        &mut self,
        name: &str,
        meaning: Option<Meaning>,
        attached: Option<&str>,
        words: &mut impl Iterator<Item = &'w str>,
    ) -> Result<(), CurlError> {
        let meaning = meaning.ok_or_else(|| CurlError::Option(name.to_owned()))?;
        match meaning {
            Meaning::Head => self.head = true,
            Meaning::Get => self.get = true,
            Meaning::Compressed => self.header("accept-encoding", "deflate, gzip, br, zstd"),
            Meaning::Flag => {}
            _ => {
                let value = attached.map(str::to_owned).or_else(|| words.next().map(str::to_owned));
                self.value(name, meaning, &value.ok_or_else(|| CurlError::Value(name.to_owned()))?)?;
            }
        }
        Ok(())
    }

    fn value(&mut self, name: &str, meaning: Meaning, value: &str) -> Result<(), CurlError> {
        let file = |value: &str| Err(CurlError::File(name.to_owned(), value.to_owned()));
        match meaning {
            Meaning::Header if value.starts_with('@') => return file(value),
            Meaning::Header => {
                if let Some((name, value)) = value.split_once(':') {
                    // curl sends no header without a value; `name;` would send an empty one.
                    if !value.trim().is_empty() {
                        self.header(name.trim(), value.trim());
                    }
                }
            }
            Meaning::Cookie if !value.contains('=') => return file(value),
            Meaning::Cookie => self.header("cookie", value),
            Meaning::Agent => self.header("user-agent", value),
            Meaning::Referer => self.header("referer", value),
            Meaning::User => self.header("authorization", "Basic ..."),
            Meaning::Method => self.method = Some(value.to_owned()),
            Meaning::Url => self.url(value)?,
            Meaning::Data => {
                if name == "--json" {
                    self.header("content-type", "application/json");
                }
                self.data.push(value.to_owned());
            }
            Meaning::Ignored | Meaning::Head | Meaning::Get | Meaning::Compressed | Meaning::Flag => {}
        }
        Ok(())
    }

    fn header(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }

    fn url(&mut self, url: &str) -> Result<(), CurlError> {
        match self.url.replace(url.to_owned()) {
            None => Ok(()),
            Some(other) => Err(CurlError::TwoUrls(other, url.to_owned())),
        }
    }

    fn question(mut self) -> Result<Question, CurlError> {
        let text = self.url.take().ok_or(CurlError::NoUrl)?;
        let whole = if text.contains("://") { text.clone() } else { format!("http://{text}") };
        let url = reqwest::Url::parse(&whole).map_err(|_| CurlError::Url(text.clone()))?;
        let name = url.host_str().ok_or_else(|| CurlError::Url(text.clone()))?;
        let authority = url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
        let (hosts, headers): (Vec<_>, Vec<_>) = std::mem::take(&mut self.headers).into_iter().partition(|(name, _)| name == "host");
        let mut query: Vec<String> = url.query().map(str::to_owned).into_iter().collect();
        let body = if self.get { Vec::new() } else { self.data.clone() };
        if self.get {
            query.append(&mut self.data);
        }
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        Ok(Question {
            method: self.method.clone().unwrap_or_else(|| self.implied(&body).to_owned()),
            // `-H 'host: ...'` is what proxies see.
            host: hosts.into_iter().next_back().map_or(authority, |(_, host)| host),
            path: format!("{}{query}", url.path()),
            headers: with_body(headers, &body),
            namespace: None,
        })
    }

    fn implied(&self, body: &[String]) -> &'static str {
        if self.head {
            "HEAD"
        } else if body.is_empty() {
            "GET"
        } else {
            "POST"
        }
    }
}

/// What curl says of a body.
fn with_body(mut headers: Vec<(String, String)>, body: &[String]) -> Vec<(String, String)> {
    if !body.is_empty() {
        if !headers.iter().any(|(name, _)| name == "content-type") {
            headers.push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
        }
        let length = body.iter().map(String::len).sum::<usize>() + body.len() - 1;
        headers.push(("content-length".to_owned(), length.to_string()));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("curl https://shop.test/", "GET shop.test/"; "the least")]
    #[test_case("$ curl shop.test", "GET shop.test/"; "with a prompt, without a scheme")]
    #[test_case("curl -H 'cookie: a=b; c=d' https://shop.test/cart?x=1#top", "GET shop.test/cart?x=1 cookie: a=b; c=d"; "header and query")]
    #[test_case("curl -b a=b -A 'Mozilla/5.0' -e http://x/ http://shop.test:8080/", "GET shop.test:8080/ cookie: a=b|user-agent: Mozilla/5.0|referer: http://x/"; "short options")]
    #[test_case("curl -sSLi -XDELETE --max-time 5 -o /dev/null shop.test/a", "DELETE shop.test/a"; "joined letters")]
    #[test_case("curl -sXPUT shop.test/a", "PUT shop.test/a"; "a value after joined letters")]
    #[test_case("curl http://127.0.0.1:10000/x -H 'Host: shop.test' -H 'Accept:'", "GET shop.test/x"; "the host header wins; an empty header is not sent")]
    #[test_case("curl -d a=1 -d b=22 https://shop.test/", "POST shop.test/ content-type: application/x-www-form-urlencoded|content-length: 8"; "a form")]
    #[test_case("curl --json '{}' https://shop.test/", "POST shop.test/ content-type: application/json|content-length: 2"; "json")]
    #[test_case("curl -G -d a=1 -d b=2 'https://shop.test/?z=0'", "GET shop.test/?z=0&a=1&b=2"; "data in the query")]
    #[test_case("curl -I --compressed shop.test", "HEAD shop.test/ accept-encoding: deflate, gzip, br, zstd"; "head")]
    #[test_case("curl 'https://shop.test/' \\\n  -H 'x-team: a b' \\\n  --insecure", "GET shop.test/ x-team: a b"; "as browsers copy it")]
    #[test_case("/usr/bin/curl --url=https://shop.test/ --request=POST -u me:secret", "POST shop.test/ authorization: Basic ..."; "values after equals signs")]
    fn pasted(command: &str, expected: &str) {
        let Question { method, host, path, headers, .. } = line(command).unwrap();
        let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(format!("{method} {host}{path} {}", headers.join("|")).trim_end(), expected);
    }

    #[test_case("curl 'https://shop.test", CurlError::Quotes)]
    #[test_case("curl -s", CurlError::NoUrl)]
    #[test_case("curl a.test b.test", CurlError::TwoUrls("a.test".to_owned(), "b.test".to_owned()))]
    #[test_case("curl http://", CurlError::Url("http://".to_owned()))]
    #[test_case("curl shop.test -H", CurlError::Value("-H".to_owned()))]
    #[test_case("curl shop.test -H @file", CurlError::File("-H".to_owned(), "@file".to_owned()))]
    #[test_case("curl shop.test -b jar.txt", CurlError::File("-b".to_owned(), "jar.txt".to_owned()))]
    #[test_case("curl --aws-sigv4 a shop.test", CurlError::Option("--aws-sigv4".to_owned()))]
    fn refused(command: &str, expected: CurlError) {
        assert_eq!(line(command), Err(expected));
    }
}
