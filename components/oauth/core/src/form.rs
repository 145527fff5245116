//! `application/x-www-form-urlencoded`, strictly: query strings and form bodies.

/// Most fields in one form. Known clients send up to 10; the consent form adds one for each scope.
const MAX_FIELDS: usize = 64;

/// A parsed form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

/// Why a form cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// More than [`MAX_FIELDS`].
    #[error("more than {MAX_FIELDS} fields")]
    TooManyFields,
    /// A byte that has to be percent-encoded.
    #[error("a character that is not percent-encoded")]
    Unencoded,
    /// `%` without two hex digits.
    #[error("`%` without two hex digits")]
    Percent,
    /// What comes out is not UTF-8.
    #[error("not UTF-8")]
    Utf8,
}

impl Form {
    /// Read a form. The caller has checked its size.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormError> {
        let mut fields = Vec::new();
        for pair in bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if fields.len() == MAX_FIELDS {
                return Err(FormError::TooManyFields);
            }
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            fields.push((name, value));
        }
        Ok(Self(fields))
    }

    /// All values of a field, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The value of a field that may be there once. An empty value counts as none (RFC 6749 section 3.1).
    pub fn one<'a>(&'a self, name: &'static str) -> Result<Option<&'a str>, Repeated> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(Repeated(name));
        }
        Ok(first.filter(|value| !value.is_empty()))
    }
}

/// A field that must not be repeated, is (RFC 6749 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is there more than once")]
pub struct Repeated(pub &'static str);

/// Undo the encoding of one name or value.
pub fn decode(bytes: &[u8]) -> Result<String, FormError> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(*digit).to_digit(16));
                let (high, low) = (digit().ok_or(FormError::Percent)?, digit().ok_or(FormError::Percent)?);
                u8::try_from(high << 4 | low).map_err(|_| FormError::Percent)?
            }
            0x21..=0x7e => *byte,
            _ => return Err(FormError::Unencoded),
        });
    }
    String::from_utf8(out).map_err(|_| FormError::Utf8)
}

/// Percent-encode everything but unreserved characters (RFC 3986 section 2.3), so that the value means the same in a
/// query string read by anybody's rules.
pub fn encode(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&crate::crypto::hex(&[byte]).to_ascii_uppercase());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: Result<&[(&str, &str)], FormError>) {
        let expected = expected.map(|fields| Form(fields.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect()));
        assert_eq!(Form::parse(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn forms_are_read_strictly() {
        check("", Ok(&[]));
        check("a=b&c=%C3%A9+%26&&d&e==", Ok(&[("a", "b"), ("c", "é &"), ("d", ""), ("e", "=")]));
        check("a=%", Err(FormError::Percent));
        check("a=%4", Err(FormError::Percent));
        check("a=%zz", Err(FormError::Percent));
        check("a=%+1", Err(FormError::Percent));
        check("a=%ff", Err(FormError::Utf8));
        check("a=b c", Err(FormError::Unencoded));
        check("a=é", Err(FormError::Unencoded));
        check("a=b\r\n", Err(FormError::Unencoded));
        assert_eq!(Form::parse("a&".repeat(65).as_bytes()), Err(FormError::TooManyFields));
        assert!(Form::parse("a&".repeat(64).as_bytes()).is_ok());
    }

    #[test]
    fn a_field_is_there_once_or_not_at_all() {
        let form = Form::parse(b"a=1&b=&c=1&c=1").unwrap();
        assert_eq!(form.one("a"), Ok(Some("1")));
        assert_eq!(form.one("b"), Ok(None));
        assert_eq!(form.one("c"), Err(Repeated("c")));
        assert_eq!(form.one("d"), Ok(None));
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(fields in prop::collection::vec((".*", ".*"), 0..20)) {
            let text = fields.iter().map(|(n, v)| format!("x{}={}", encode(n), encode(v))).collect::<Vec<_>>().join("&");
            let read = Form::parse(text.as_bytes()).unwrap();
            let expected: Vec<_> = fields.into_iter().map(|(n, v)| (format!("x{n}"), v)).collect();
            prop_assert_eq!(read.0, expected);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Form::parse(&bytes);
        }
    }
}
