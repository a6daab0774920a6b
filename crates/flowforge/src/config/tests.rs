//! What a person who writes a configuration can rely on.

use super::*;

fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, Problem> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Config::load(&Sources {
        file: Some((PathBuf::from("flowforge.toml"), file.to_owned())),
        environment: environment.iter().map(owned).collect(),
        flags: Vec::new(),
    })
}

fn refusal(file: &str, environment: &[(&str, &str)]) -> String {
    load(file, environment).unwrap_err().detail
}

#[test]
fn nothing_given_means_the_defaults() {
    let config = Config::load(&Sources::default()).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert!(config.database.url.is_none());
    assert_eq!(config.database.connections_max, 16);
}

#[test]
fn later_sources_win_over_earlier_ones() {
    let file = "[server]\nlisten = \"0.0.0.0:1\"\nbody_bytes_max = 5\n[log]\nfilter = \"warn\"\n";
    let mut sources = Sources {
        file: Some((PathBuf::from("flowforge.toml"), file.to_owned())),
        ..Sources::default()
    };
    let variable = ("FLOWFORGE_SERVER__LISTEN".to_owned(), "0.0.0.0:2".to_owned());
    sources.environment.extend([variable]);
    let config = Config::load(&sources).unwrap();
    assert_eq!((config.server.listen.port(), config.server.body_bytes_max), (2, 5));
    assert_eq!(config.log.filter, "warn");
    sources.flags.push(("server.listen", "--listen", "0.0.0.0:3".to_owned()));
    assert_eq!(Config::load(&sources).unwrap().server.listen.port(), 3);
}

#[test]
fn variables_are_read_as_the_type_of_their_setting() {
    let config = load(
        "",
        &[
            ("FLOWFORGE_FILES__ALLOW", "/a, /b"),
            ("FLOWFORGE_EGRESS__ALLOW", "[\"localhost:1\"]"),
            ("FLOWFORGE_FILES__BYTES_MAX", "12"),
            ("FLOWFORGE_SERVER__ANSWER_TIMEOUT", "5s"),
            ("FLOWFORGE_EGRESS__REACH", "allowed_only"),
            ("DATABASE_URL", "postgres://me:secret@db/flow"),
            ("FLOWFORGE_SIM_SEEDS", "not a setting, and none of our business"),
        ],
    )
    .unwrap();
    assert_eq!(config.files.allow, [PathBuf::from("/a"), PathBuf::from("/b")]);
    assert_eq!(config.egress.allow, ["localhost:1"]);
    assert_eq!(config.files.bytes_max, 12);
    assert_eq!(config.server.answer_timeout.to_string(), "5s");
    assert_eq!(config.egress.reach, Reach::AllowedOnly);
    assert_eq!(config.database.url.unwrap().expose(), "postgres://me:secret@db/flow");
}

#[test]
fn texts_of_the_file_may_name_variables() {
    let file = "[database]\nurl = \"postgres://${USER}@${HOST:-localhost}/x\"\n\
                connections_max = \"${POOL:-7}\"\n[egress]\nallow = [\"${HOST:-a}:1\"]\n";
    let config = load(file, &[("USER", "me")]).unwrap();
    assert_eq!(config.database.url.unwrap().expose(), "postgres://me@localhost/x");
    assert_eq!(config.database.connections_max, 7);
    assert_eq!(config.egress.allow, ["a:1"]);
    let refused = refusal(file, &[]);
    assert!(refused.starts_with("flowforge.toml line 2: database.url names"), "{refused}");
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_a_suggestion() {
    let refused = refusal("[server]\nlisten = \"0.0.0.0:1\"\nbody_byte_max = 3\n", &[]);
    assert_eq!(
        refused,
        "flowforge.toml line 3: server.body_byte_max is not a setting. \
         Did you mean \"body_bytes_max\"?"
    );
    let refused = refusal("[sever]\nlisten = \"0.0.0.0:1\"\n", &[]);
    assert!(
        refused.contains("line 1: sever is not") && refused.contains("\"server\""),
        "{refused}"
    );
    let refused = refusal("", &[("FLOWFORGE_SERVER__PORT", "1")]);
    assert!(refused.starts_with("FLOWFORGE_SERVER__PORT: server.port is not"), "{refused}");
}

#[test]
fn every_fault_is_reported_at_once_with_its_place() {
    let file = "[server]\nlisten = 5\n[egress]\nredirects_max = \"many\"\n";
    let problem = load(file, &[("FLOWFORGE_SERVER__ANSWER_TIMEOUT", "soon")]).unwrap_err();
    let pointers: Vec<&str> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, ["/egress/redirects_max", "/server/answer_timeout", "/server/listen"]);
    assert!(problem.detail.contains("flowforge.toml line 2: server.listen cannot be 5"));
}

#[test]
fn a_fault_hides_no_other() {
    let file = "[server]\nlisten = \"here\"\nlissten = 1\n[log]\nfilter = \"${NOPE}\"\n\
                format = \"xml\"\n[files]\nallow = [\"data\"]\n";
    let problem = load(file, &[]).unwrap_err();
    let mut pointers: Vec<_> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/log/filter", "/log/format", "/server/lissten", "/server/listen"]);
    assert!(problem.detail.contains("such as 127.0.0.1:8080"), "{}", problem.detail);
    let refused = refusal("[sever]\n[files]\nallow = [\"data\"]\n", &[]);
    assert!(refused.contains("sever is not") && refused.contains("must be absolute"), "{refused}");
}

#[test]
fn a_variable_with_one_underscore_too_few_is_not_passed_over() {
    let refused = refusal("", &[("FLOWFORGE_SERVER_LISTEN", "0.0.0.0:1")]);
    assert!(refused.contains("Did you mean \"FLOWFORGE_SERVER__LISTEN\"?"), "{refused}");
    // What Kubernetes sets for a service that is called flowforge, and our own of other use.
    load("", &[("FLOWFORGE_SERVICE_HOST", "10.0.0.1"), ("FLOWFORGE_API_KEY", "k")]).unwrap();
    let local = load("", &[("FLOWFORGE_SERVER__LISTEN", "localhost:81")]).unwrap();
    assert_eq!(local.server.listen.to_string(), "127.0.0.1:81");
}

#[test]
fn malformed_toml_is_refused_with_line_and_column() {
    let refused = refusal("[server]\nlisten = = 3\n", &[]);
    assert!(refused.starts_with("flowforge.toml line 2, column 10:"), "{refused}");
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let refused = refusal("", &[("FLOWFORGE_DIRECT_URL", "postgres://db/x")]);
    assert!(refused.contains("without database.url"), "{refused}");
    let refused = refusal("[files]\nallow = [\"data\"]\n", &[]);
    assert!(refused.contains("\"data\" must be absolute"), "{refused}");
}

#[test]
fn what_keeps_certificates_from_being_ordered_is_told_with_its_place() {
    let faults = |tls: &str| {
        let problem = load(&format!("[gateway.tls]\n{tls}\n"), &[]).unwrap_err();
        let pointers: Vec<_> = problem.errors.iter().map(|error| error.pointer.clone()).collect();
        (pointers, problem.detail)
    };
    let acme = |rest: &str| format!("[gateway.tls.acme]\n{rest}");
    let (pointers, detail) = faults(&acme("domains = [\"flows.example.com\"]"));
    assert_eq!(pointers, ["/gateway/tls/acme/agree_to_terms"]);
    assert!(detail.contains("gateway.tls.acme.agree_to_terms must be true"), "{detail}");
    let agreed = |rest: &str| acme(&format!("agree_to_terms = true\n{rest}"));
    let one = "domains = [\"flows.example.com\"]";
    let both = format!("certificate = \"a.pem\"\nkey = \"a.key\"\n{}", agreed(one));
    assert_eq!(faults(&both).0, ["/gateway/tls/acme/domains"]);
    for wrong in ["*.example.com", "https://example.com", "10.0.0.1", "a..b", "-a.com", "a.com:443"]
    {
        let (pointers, detail) = faults(&agreed(&format!("domains = [\"{wrong}\"]")));
        assert_eq!(pointers, ["/gateway/tls/acme/domains"], "{wrong}");
        assert!(detail.contains(&format!("\"{wrong}\" is no name")), "{detail}");
    }
    for wrong in ["mailto:me@example.com", "example.com", "@example.com"] {
        let (pointers, _) = faults(&agreed(&format!("{one}\ncontact = [\"{wrong}\"]")));
        assert_eq!(pointers, ["/gateway/tls/acme/contact"], "{wrong}");
    }
    let (pointers, _) = faults(&agreed(&format!("{one}\ndirectory = \"http://ca/dir\"")));
    assert_eq!(pointers, ["/gateway/tls/acme/directory"]);
    let many = vec!["\"a.example.com\""; 101].join(", ");
    assert_eq!(faults(&agreed(&format!("domains = [{many}]"))).0, ["/gateway/tls/acme/domains"]);
}

#[test]
fn certificates_may_be_asked_for_by_variables_alone() {
    let config = load(
        "",
        &[
            ("FLOWFORGE_GATEWAY__TLS__ACME__DOMAINS", "flows.example.com,Hooks.example.com"),
            ("FLOWFORGE_GATEWAY__TLS__ACME__CONTACT", "ops@example.com"),
            ("FLOWFORGE_GATEWAY__TLS__ACME__AGREE_TO_TERMS", "true"),
        ],
    );
    let tls = config.unwrap().gateway.tls;
    assert!(tls.is_on() && tls.acme.directory.starts_with("https://"));
    assert!(!Config::default().gateway.tls.is_on());
}

#[test]
fn secrets_are_shown_neither_in_the_print_nor_in_errors() {
    let config = load(
        "",
        &[
            ("DATABASE_URL", "postgres://me:hunter2@db:5/flow?password=hunter2"),
            ("FLOWFORGE_DIRECT_URL", "host=db password=hunter2"),
        ],
    )
    .unwrap();
    let shown = config.to_toml();
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("postgres://me:•••@db:5/flow?•••"), "{shown}");
    assert!(!format!("{config:?}").contains("hunter2"));
    let refused = refusal("[database]\nurl = { password = \"hunter2\" }\n", &[]);
    assert!(!refused.contains("hunter2"), "{refused}");
}

#[test]
fn what_is_printed_can_be_read_again() {
    let printed = Config::default().to_toml();
    assert_eq!(load(&printed, &[]).unwrap().to_toml(), printed);
}

#[test]
fn every_setting_says_what_it_is_for() {
    let schema = schema::of_config();
    for section in schema::keys(&schema, &[]) {
        let path = [section.to_owned()];
        for key in schema::keys(&schema, &path) {
            let declared = schema::declaration(&schema, &path, key).unwrap();
            assert!(declared.get("description").is_some(), "{section}.{key} says nothing");
        }
    }
}

#[test]
fn the_contract_of_the_configuration_has_not_drifted() {
    checkout::assert_current("contracts/config.schema.json", &Config::schema_text());
}

#[test]
fn the_manual_of_the_contract_has_not_drifted() {
    checkout::assert_current("docs/guide/configuration.md", &Config::manual());
}
