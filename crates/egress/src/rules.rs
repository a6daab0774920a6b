//! The allow and deny rules, and the decision about a host and about an address.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use kernel::{Problem, codes};
use url::Host;

use crate::address::{canonical, embedded, is_public};
use crate::settings::{EgressSettings, Reach};

/// The rules of one client, parsed.
#[derive(Debug)]
pub(crate) struct Rules {
    reach: Reach,
    allow: Vec<Rule>,
    deny: Vec<Rule>,
}

/// One entry of `allow` or `deny`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Network(IpNet),
    Address(IpAddr, u16),
    Name(String, Option<u16>),
    Suffix(String, Option<u16>),
}

/// What is known of a target before its name is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on; whatever the name resolves to is fine as long as it is not denied.
    Trusted,
    /// Go on; the address decides.
    Guarded,
    /// Refused.
    Refused,
}

impl Rules {
    /// Parses the settings' lists. Errors: `config.invalid` naming the entry.
    pub(crate) fn parse(settings: &EgressSettings) -> Result<Self, Problem> {
        let list = |key: &str, texts: &[String]| {
            texts.iter().map(|text| Rule::parse(key, text)).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            reach: settings.reach,
            allow: list("allow", &settings.allow)?,
            deny: list("deny", &settings.deny)?,
        })
    }

    /// The verdict on a URL's host and port, before anything is resolved. Hosts that are addresses
    /// (in every spelling: the URL parser has made them uniform) are decided here for good.
    pub(crate) fn target(&self, host: &Host<&str>, port: u16) -> Verdict {
        let address = match host {
            Host::Domain(name) => return self.name(name, port),
            Host::Ipv4(address) => IpAddr::V4(*address),
            Host::Ipv6(address) => IpAddr::V6(*address),
        };
        let named = |rule: &Rule| match rule {
            Rule::Address(known, on) => *known == canonical(address) && *on == port,
            Rule::Network(_) | Rule::Name(..) | Rule::Suffix(..) => false,
        };
        if !self.address(address, Some(port), Verdict::Trusted) {
            return Verdict::Refused;
        }
        if self.allow.iter().any(named) || self.address(address, Some(port), Verdict::Guarded) {
            return Verdict::Trusted;
        }
        Verdict::Refused
    }

    /// The ports that rules deny at addresses.
    pub(crate) fn denied_ports(&self) -> BTreeSet<u16> {
        let port = |rule: &Rule| match rule {
            Rule::Address(_, port) => Some(*port),
            Rule::Network(_) | Rule::Name(..) | Rule::Suffix(..) => None,
        };
        self.deny.iter().filter_map(port).collect()
    }

    fn name(&self, name: &str, port: u16) -> Verdict {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let holds = |rule: &Rule| match rule {
            Rule::Name(known, on) => *known == name && on.is_none_or(|on| on == port),
            Rule::Suffix(suffix, on) => {
                name.ends_with(suffix.as_str()) && on.is_none_or(|on| on == port)
            }
            Rule::Network(_) | Rule::Address(..) => false,
        };
        if self.deny.iter().any(holds) {
            Verdict::Refused
        } else if self.allow.iter().any(holds) {
            Verdict::Trusted
        } else {
            Verdict::Guarded
        }
    }

    /// Whether a connection to this address may be made for a target with this verdict, at this port
    /// (`None`: one of those that no rule denies at an address).
    pub(crate) fn address(&self, address: IpAddr, port: Option<u16>, target: Verdict) -> bool {
        let at_port = port.is_some_and(|port| denied_at_port(&self.deny, address, port));
        if at_port || within(&self.deny, address) {
            return false;
        }
        match target {
            Verdict::Trusted => true,
            Verdict::Refused => false,
            Verdict::Guarded => {
                within(&self.allow, address) || (self.reach == Reach::Public && is_public(address))
            }
        }
    }
}

/// Whether one of the rules denies this port of the address, or of the IPv4 address inside it.
fn denied_at_port(rules: &[Rule], address: IpAddr, port: u16) -> bool {
    let address = canonical(address);
    let inner = inner(address);
    rules.iter().any(|rule| match rule {
        Rule::Address(known, on) => {
            *on == port && (*known == address || inner.is_some_and(|inner| *known == inner))
        }
        Rule::Network(_) | Rule::Name(..) | Rule::Suffix(..) => false,
    })
}

/// The IPv4 address that a translator would go on to from this one.
fn inner(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V6(v6) => embedded(v6).map(IpAddr::V4),
        IpAddr::V4(_) => None,
    }
}

/// Whether one of the networks holds the address, or the IPv4 address inside it.
fn within(rules: &[Rule], address: IpAddr) -> bool {
    let address = canonical(address);
    let inner = inner(address);
    rules.iter().any(|rule| match rule {
        Rule::Network(network) => {
            network.contains(&address) || inner.is_some_and(|inner| network.contains(&inner))
        }
        Rule::Address(..) | Rule::Name(..) | Rule::Suffix(..) => false,
    })
}

impl Rule {
    fn parse(key: &str, text: &str) -> Result<Self, Problem> {
        let wrong = || {
            let detail = format!(
                "[egress] {key} has \"{text}\", which is no target: write a host (api.example.com), \
                 a host and port (localhost:8080), a suffix (*.example.com), an address or a \
                 network (10.1.0.0/16).",
            );
            Problem::new(codes::CONFIG_INVALID, detail)
        };
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network));
        }
        if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(Self::Network(IpNet::from(canonical(address))));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse::<u16>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let (suffix, host) = match host.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, host),
        };
        match (Host::parse(host).map_err(|_| wrong())?, suffix) {
            (Host::Domain(name), _) if name.contains('*') => Err(wrong()),
            (Host::Domain(name), true) => Ok(Self::Suffix(format!(".{name}"), port)),
            (Host::Domain(name), false) => {
                Ok(Self::Name(name.trim_end_matches('.').to_owned(), port))
            }
            (_, true) => Err(wrong()),
            (Host::Ipv4(address), false) => Ok(Self::literal(address.into(), port)),
            (Host::Ipv6(address), false) => Ok(Self::literal(address.into(), port)),
        }
    }

    fn literal(address: IpAddr, port: Option<u16>) -> Self {
        match port {
            Some(port) => Self::Address(canonical(address), port),
            None => Self::Network(IpNet::from(canonical(address))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(reach: Reach, allow: &[&str], deny: &[&str]) -> Rules {
        let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        let settings = EgressSettings {
            reach,
            allow: texts(allow),
            deny: texts(deny),
            ..EgressSettings::default()
        };
        Rules::parse(&settings).unwrap()
    }

    fn verdict(rules: &Rules, url: &str) -> Verdict {
        let url = url::Url::parse(url).unwrap();
        rules.target(&url.host().unwrap(), url.port_or_known_default().unwrap())
    }

    #[test]
    fn every_spelling_of_loopback_is_refused() {
        let rules = rules(Reach::Public, &[], &[]);
        for host in [
            "127.0.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "017700000001",
            "127.1",
            "0",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[0:0:0:0:0:ffff:7f00:1]",
            "[::]",
            "１２７.0.0.1",
            "127。0。0。1",
            "169.254.169.254",
            "[64:ff9b::a9fe:a9fe]",
        ] {
            assert_eq!(verdict(&rules, &format!("http://{host}/")), Verdict::Refused, "{host}");
        }
        assert_eq!(verdict(&rules, "http://8.8.8.8/"), Verdict::Trusted);
        assert_eq!(verdict(&rules, "http://localhost/"), Verdict::Guarded);
    }

    #[test]
    fn an_allowed_port_opens_no_other_port() {
        let rules = rules(Reach::Public, &["localhost:8080", "127.0.0.1:9000"], &[]);
        assert_eq!(verdict(&rules, "http://LOCALHOST.:8080/"), Verdict::Trusted);
        assert_eq!(verdict(&rules, "http://localhost:8081/"), Verdict::Guarded);
        assert_eq!(verdict(&rules, "http://127.0.0.1:9000/"), Verdict::Trusted);
        assert_eq!(verdict(&rules, "http://127.0.0.1:9001/"), Verdict::Refused);
    }

    #[test]
    fn a_suffix_holds_for_names_below_it_only() {
        let rules = rules(Reach::Public, &["*.corp.example"], &[]);
        assert_eq!(verdict(&rules, "http://a.b.corp.example/"), Verdict::Trusted);
        assert_eq!(verdict(&rules, "http://corp.example/"), Verdict::Guarded);
        assert_eq!(verdict(&rules, "http://evilcorp.example/"), Verdict::Guarded);
    }

    #[test]
    fn deny_wins_and_networks_hold_inside_translated_addresses() {
        let rules = rules(Reach::Public, &["10.0.0.0/8"], &["10.1.0.0/16", "*.bad.example"]);
        assert_eq!(verdict(&rules, "http://10.2.0.1/"), Verdict::Trusted);
        assert_eq!(verdict(&rules, "http://10.1.0.1/"), Verdict::Refused);
        assert_eq!(verdict(&rules, "http://[64:ff9b::a01:1]/"), Verdict::Refused);
        assert_eq!(verdict(&rules, "http://x.bad.example/"), Verdict::Refused);
        assert!(!rules.address("10.1.2.3".parse().unwrap(), Some(80), Verdict::Trusted));
    }

    #[test]
    fn a_denied_port_of_an_address_stays_shut_however_the_address_is_written() {
        let rules = rules(Reach::Public, &["10.0.0.0/8"], &["10.0.0.5:5432"]);
        assert_eq!(rules.denied_ports(), [5432].into());
        for host in ["10.0.0.5", "[::ffff:10.0.0.5]", "[64:ff9b::a00:5]", "[2002:a00:5::]"] {
            assert_eq!(
                verdict(&rules, &format!("http://{host}:5432/")),
                Verdict::Refused,
                "{host}"
            );
            assert_eq!(verdict(&rules, &format!("http://{host}:80/")), Verdict::Trusted, "{host}");
        }
    }

    #[test]
    fn with_allowed_only_the_public_internet_is_closed_too() {
        let rules = rules(Reach::AllowedOnly, &["api.example.com", "8.8.0.0/16"], &[]);
        assert_eq!(verdict(&rules, "https://api.example.com/"), Verdict::Trusted);
        assert_eq!(verdict(&rules, "https://8.8.8.8/"), Verdict::Trusted);
        assert_eq!(verdict(&rules, "https://1.1.1.1/"), Verdict::Refused);
        assert!(!rules.address("1.1.1.1".parse().unwrap(), Some(443), Verdict::Guarded));
    }

    #[test]
    fn a_rule_that_is_no_target_is_refused_by_name() {
        for text in ["", "a b", "*.1.2.3.4", "host:port", "a.*.b", "10.0.0.0/99"] {
            let problem = Rule::parse("allow", text).unwrap_err();
            assert_eq!(problem.code, codes::CONFIG_INVALID, "{text}");
            assert!(problem.detail.contains("[egress] allow"));
        }
    }
}
