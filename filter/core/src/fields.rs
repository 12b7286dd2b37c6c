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

/// What one request has for each of [`Fields`]; read when first asked for.
pub(crate) struct Values<'q> {
    pub(crate) request: &'q Request,
    fields: &'q Fields,
    headers: OnceCell<Vec<Option<Cow<'q, [u8]>>>>,
    cookies: OnceCell<Vec<Option<&'q [u8]>>>,
    query: OnceCell<Vec<Option<Cow<'q, [u8]>>>>,
}

impl<'q> Values<'q> {
    pub(crate) fn new(request: &'q Request, fields: &'q Fields) -> Self {
        Self { request, fields, headers: OnceCell::new(), cookies: OnceCell::new(), query: OnceCell::new() }
    }

    /// All lines of the header, joined by `,`.
    pub(crate) fn header(&self, at: HeaderAt) -> Option<&[u8]> {
        let values = self.headers.get_or_init(|| header::read(&self.request.headers, &self.fields.headers));
        values.get(at.0)?.as_deref()
    }

    /// The first cookie of that name.
    pub(crate) fn cookie(&self, at: CookieAt) -> Option<&[u8]> {
        let values = self.cookies.get_or_init(|| cookie::read(&self.request.headers, &self.fields.cookies));
        *values.get(at.0)?
    }

    /// The first query parameter of that name, decoded.
    pub(crate) fn query(&self, at: QueryAt) -> Option<&[u8]> {
        let values = self.query.get_or_init(|| query::read(&self.request.path, &self.fields.query));
        values.get(at.0)?.as_deref()
    }
}
