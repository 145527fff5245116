//! The head of a request.

/// Method, path and headers of a request.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// In capital letters.
    pub method: String,
    /// The path as it came, without the query.
    pub path: String,
    /// The query as it came; empty where there is none.
    pub query: String,
    /// Host and port the client named, where the host of the component passes them on.
    pub authority: Option<String>,
    /// Names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// Take apart the path with its query.
    pub fn new(
        method: String,
        path_with_query: &str,
        authority: Option<String>,
        headers: Vec<(String, Vec<u8>)>,
    ) -> Self {
        let (path, query) = path_with_query.split_once('?').unwrap_or((path_with_query, ""));
        Self { method, path: path.to_owned(), query: query.to_owned(), authority, headers }
    }

    /// The values of a header that are text, in their order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n == name).filter_map(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// The value of a header that may come once: `Err` where it comes several times or is not text.
    pub fn single(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut found = self.headers.iter().filter(|(n, _)| n == name);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((_, value)), None) => std::str::from_utf8(value).map(Some).map_err(|_| Repeated),
            (Some(_), Some(_)) => Err(Repeated),
        }
    }
}

/// A header came more than once, or as something that is not text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated;
