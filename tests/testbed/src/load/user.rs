//! Who sends.

use std::sync::{Mutex, PoisonError};

use hyper::header::{HeaderMap, SET_COOKIE};

/// The users of a load; requests are theirs in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// Users whom no cookie tells apart.
    Anonymous,
    /// Each has the cookie `<name>=<prefix><number>` from the start.
    Cookie {
        /// How many.
        count: usize,
        /// The cookie's name.
        name: String,
        /// What stands before the number.
        prefix: String,
    },
    /// Each begins without a cookie, keeps the one of this name that a reply sets, and sends it from then on, as a browser does.
    Browser {
        /// How many.
        count: usize,
        /// The cookie's name.
        name: String,
    },
    /// Each has the header `<name>: <prefix><number>`.
    Header {
        /// How many.
        count: usize,
        /// The header's name.
        name: String,
        /// What stands before the number.
        prefix: String,
    },
}

/// The cookies that browsers were given.
pub(super) type Jar = Vec<Mutex<Option<String>>>;

impl Users {
    /// `shunt-id=user-<number>`.
    pub fn cookies(count: usize) -> Self {
        Self::Cookie { count, name: "shunt-id".to_owned(), prefix: "user-".to_owned() }
    }

    /// Browsers that take the cookie `shunt-id`.
    pub fn browsers(count: usize) -> Self {
        Self::Browser { count, name: "shunt-id".to_owned() }
    }

    /// How many there are; 1 for anonymous ones.
    pub fn count(&self) -> usize {
        match self {
            Self::Anonymous => 1,
            Self::Cookie { count, .. } | Self::Browser { count, .. } | Self::Header { count, .. } => (*count).max(1),
        }
    }

    pub(super) fn jar(&self) -> Jar {
        match self {
            Self::Browser { count, .. } => (0..*count).map(|_| Mutex::new(None)).collect(),
            Self::Anonymous | Self::Cookie { .. } | Self::Header { .. } => Jar::new(),
        }
    }

    /// Whose the request of this number is.
    pub(super) fn of(&self, number: usize) -> usize {
        number % self.count()
    }

    pub(super) fn header(&self, user: usize, jar: &Jar) -> Option<(String, String)> {
        match self {
            Self::Anonymous => None,
            Self::Cookie { name, prefix, .. } => Some(("cookie".to_owned(), format!("{name}={prefix}{user}"))),
            Self::Browser { name, .. } => {
                let value = jar.get(user)?.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
                Some(("cookie".to_owned(), format!("{name}={value}")))
            }
            Self::Header { name, prefix, .. } => Some((name.clone(), format!("{prefix}{user}"))),
        }
    }

    /// Browsers keep the cookie that a reply sets.
    pub(super) fn keep(&self, user: usize, headers: &HeaderMap, jar: &Jar) {
        let Self::Browser { name, .. } = self else { return };
        let set = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = set.filter_map(|line| line.split(';').next()?.split_once('='));
        let given = pairs.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned()).next_back();
        if let (Some(value), Some(slot)) = (given, jar.get(user)) {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn a_browser_keeps_what_it_is_given() {
        let users = Users::browsers(2);
        let jar = users.jar();
        assert_eq!(users.header(0, &jar), None);
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, HeaderValue::from_static("session=x"));
        headers.append(SET_COOKIE, HeaderValue::from_static("shunt-id=abc; Path=/; Max-Age=60"));
        users.keep(0, &headers, &jar);
        assert_eq!(users.header(0, &jar), Some(("cookie".to_owned(), "shunt-id=abc".to_owned())));
        assert_eq!(users.header(1, &jar), None);
    }
}
