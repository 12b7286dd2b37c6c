//! The headers, cookies and query parameters that a service reads, and their values in one request.

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::at::At;
use crate::compile::{PolicyError, Problem};
use crate::limits;
use crate::matching::{cookie, header, query};
use crate::request::Request;

/// Names that a service reads, each once. Conditions and keys refer to them by position, so that a request's headers are gone
/// through once, whatever number of rules ask for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    /// Lower case.
    pub(crate) headers: Vec<String>,
    pub(crate) cookies: Vec<String>,
    pub(crate) query: Vec<String>,
}

/// Position of a name in [`Fields::headers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeaderAt(usize);

/// Position of a name in [`Fields::cookies`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CookieAt(usize);

/// Position of a name in [`Fields::query`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueryAt(usize);

impl Fields {
    /// Checks a header's name and notes that it is read.
    pub(crate) fn header(&mut self, name: &str, at: &At<'_>) -> Result<HeaderAt, PolicyError> {
        at.length(name, limits::FIELD_NAME)?;
        let name = header::readable(name).map_err(|problem| at.wrong(problem))?;
        note(&mut self.headers, name, at).map(HeaderAt)
    }

    /// Checks a cookie's name and notes that it is read.
    pub(crate) fn cookie(&mut self, name: &str, at: &At<'_>) -> Result<CookieAt, PolicyError> {
        at.length(name, limits::FIELD_NAME)?;
        if !header::is_token(name) {
            return Err(at.wrong(Problem::CookieName(name.to_owned())));
        }
        note(&mut self.cookies, name.to_owned(), at).map(CookieAt)
    }

    /// Checks a query parameter's name and notes that it is read.
    pub(crate) fn query(&mut self, name: &str, at: &At<'_>) -> Result<QueryAt, PolicyError> {
        at.length(name, limits::FIELD_NAME)?;
        if name.is_empty() {
            return Err(at.wrong(Problem::QueryName));
        }
        note(&mut self.query, name.to_owned(), at).map(QueryAt)
    }
}

fn note(names: &mut Vec<String>, name: String, at: &At<'_>) -> Result<usize, PolicyError> {
    if let Some(position) = names.iter().position(|known| *known == name) {
        return Ok(position);
    }
    let position = names.len();
    if position >= limits::FIELDS {
        return Err(at.wrong(Problem::TooManyFields));
    }
    names.push(name);
    Ok(position)
}

/// Where the names of one list of fields stand in a longer one that has them all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    headers: Vec<usize>,
    cookies: Vec<usize>,
    query: Vec<usize>,
}

impl Fields {
    /// Adds all of another list, and says where they stand now.
    pub(crate) fn join(&mut self, other: &Self) -> Places {
        Places {
            headers: join(&mut self.headers, &other.headers),
            cookies: join(&mut self.cookies, &other.cookies),
            query: join(&mut self.query, &other.query),
        }
    }
}

fn join(all: &mut Vec<String>, names: &[String]) -> Vec<usize> {
    let place = |name: &String| {
        all.iter().position(|known| known == name).unwrap_or_else(|| {
            all.push(name.clone());
            all.len().saturating_sub(1)
        })
    };
    names.iter().map(place).collect()
}

/// What one request has for each of [`Fields`]; read when first asked for.
pub(crate) struct Seen<'q> {
    request: &'q Request,
    fields: &'q Fields,
    headers: OnceCell<Vec<Option<Cow<'q, [u8]>>>>,
    cookies: OnceCell<Vec<Option<&'q [u8]>>>,
    query: OnceCell<Vec<Option<Cow<'q, [u8]>>>>,
}

impl<'q> Seen<'q> {
    pub(crate) fn new(request: &'q Request, fields: &'q Fields) -> Self {
        Self { request, fields, headers: OnceCell::new(), cookies: OnceCell::new(), query: OnceCell::new() }
    }
}

/// What one request has for the fields of one service or flag.
#[derive(Clone, Copy)]
pub(crate) struct Values<'v, 'q> {
    pub(crate) request: &'q Request,
    seen: &'v Seen<'q>,
    /// None: they are the same fields.
    places: Option<&'v Places>,
}

impl<'v, 'q> Values<'v, 'q> {
    pub(crate) fn new(seen: &'v Seen<'q>, places: Option<&'v Places>) -> Self {
        Self { request: seen.request, seen, places }
    }

    fn place(&self, at: usize, of: fn(&Places) -> &[usize]) -> Option<usize> {
        match self.places {
            None => Some(at),
            Some(places) => of(places).get(at).copied(),
        }
    }

    /// All lines of the header, joined by `,`.
    pub(crate) fn header(&self, at: HeaderAt) -> Option<&'v [u8]> {
        let Seen { request, fields, headers, .. } = self.seen;
        let values = headers.get_or_init(|| header::read(&request.headers, &fields.headers));
        values.get(self.place(at.0, |places| &places.headers)?)?.as_deref()
    }

    /// The first cookie of that name.
    pub(crate) fn cookie(&self, at: CookieAt) -> Option<&'v [u8]> {
        let Seen { request, fields, cookies, .. } = self.seen;
        let values = cookies.get_or_init(|| cookie::read(&request.headers, &fields.cookies));
        *values.get(self.place(at.0, |places| &places.cookies)?)?
    }

    /// The first query parameter of that name, decoded.
    pub(crate) fn query(&self, at: QueryAt) -> Option<&'v [u8]> {
        let Seen { request, fields, query, .. } = self.seen;
        let values = query.get_or_init(|| query::read(&request.path, &fields.query));
        values.get(self.place(at.0, |places| &places.query)?)?.as_deref()
    }
}
