//! Which names the kubelet accepts for a resource.

/// Whether the kubelet takes this for the name of an extended resource.
///
/// It puts `requests.` in front and wants a qualified name: a DNS subdomain, a slash, a name part.
pub(crate) fn is_extended_resource(name: &str) -> bool {
    const REQUESTS: &str = "requests.";
    if name.contains("kubernetes.io/") || name.starts_with(REQUESTS) {
        return false;
    }
    match name.split_once('/') {
        Some((prefix, part)) => {
            is_dns_subdomain(prefix) && prefix.len() + REQUESTS.len() <= 253 && is_name_part(part)
        }
        None => false,
    }
}

fn is_dns_subdomain(prefix: &str) -> bool {
    prefix.split('.').all(|label| {
        begins_and_ends_well(label)
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    })
}

fn is_name_part(part: &str) -> bool {
    part.len() <= 63
        && begins_and_ends_well(part)
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn begins_and_ends_well(text: &str) -> bool {
    let is_good = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    is_good(text.as_bytes().first()) && is_good(text.as_bytes().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_extended_resources() {
        let long = format!("{}/{}", "a.".repeat(121) + "aa", "n".repeat(63));
        for name in ["intel.com/sriov_net", "a/B", "ex-ample.com/v.f-1", &long] {
            assert!(is_extended_resource(name), "{name}");
        }
    }

    #[test]
    fn refuses_what_the_kubelet_refuses() {
        let too_long_part = format!("a/{}", "n".repeat(64));
        let too_long_prefix = format!("{}/n", "a.".repeat(122) + "a");
        for name in [
            "foo",
            "kubernetes.io/foo",
            "node.kubernetes.io/foo",
            "requests.a/foo",
            "ex_ample.com/foo",
            "Example.com/foo",
            "a/b/c",
            "a/",
            "/b",
            "a/-b",
            "a..b/c",
            &too_long_part,
            &too_long_prefix,
        ] {
            assert!(!is_extended_resource(name), "{name}");
        }
    }
}
