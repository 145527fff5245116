//! URIs in one spelling.

/// How often percent-encoding is taken off: an upstream and what is behind it may do so one after the other.
const MAX_LAYERS: usize = 4;

/// A URI in the spelling in which equal ones are the same text (RFC 3986 section 6.2.2): scheme and host in small
/// letters, no percent-encoding, no dot segments. `None` where there is no such spelling: broken or endless encoding.
/// For comparing only: a URI without its encoding is another one.
pub(crate) fn normalized(uri: &str) -> Option<String> {
    let mut plain = uri.to_owned();
    for layer in 0.. {
        // What was no encoding before the first layer was taken off is none: `100%25` is `100%`.
        let next = decoded(&plain).or_else(|| (layer > 0).then(|| plain.clone()))?;
        if next == plain {
            break;
        }
        if layer >= MAX_LAYERS {
            return None;
        }
        plain = next;
    }
    let plain = plain.replace('\\', "/");
    let Some((scheme, rest)) = plain.split_once("://") else {
        return Some(match plain.split_once(':') {
            Some((scheme, rest)) => format!("{}:{rest}", scheme.to_ascii_lowercase()),
            None => plain,
        });
    };
    let (authority, path) = rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)));
    let mut text = format!("{}://{}", scheme.to_ascii_lowercase(), authority.to_ascii_lowercase());
    if let Some(path) = path {
        let mut segments: Vec<&str> = Vec::new();
        for segment in path.split('/') {
            match segment {
                "." => {}
                // What climbs out of the path climbs out of the authority, for upstreams that take it as a part.
                ".." => {
                    segments.pop()?;
                }
                segment => segments.push(segment),
            }
        }
        text.push('/');
        text.push_str(&segments.join("/"));
    }
    Some(text)
}

/// Without one layer of percent-encoding (RFC 3986 section 2.1); `None` where it is broken or not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            let value = digit()? * 16 + digit()?;
            plain.push(u8::try_from(value).ok()?);
        } else {
            plain.push(byte);
        }
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_uris_become_one_text() {
        for (uri, expected) in [
            ("test://a/b", Some("test://a/b")),
            ("TEST://A/B", Some("test://a/B")),
            ("test://a/%62/./c/../d", Some("test://a/b/d")),
            ("test://a/%2562", Some("test://a/b")),
            ("test://a/..", None),
            ("test://a/%", None),
            ("test://a/%4", None),
            ("test://a/%ff", None),
            ("test://a/%25252562", Some("test://a/b")),
            ("test://a/%2525252562", None),
            ("test://a/100%25", Some("test://a/100%")),
            ("URN:isbn:1", Some("urn:isbn:1")),
            ("note", Some("note")),
            ("", Some("")),
        ] {
            assert_eq!(normalized(uri).as_deref(), expected, "{uri}");
        }
    }
}
