//! The map of origins.

use dmtap::flow::origin::{
    LearnedHosts, MOST_LEARNED, NamedHost, Origin, OriginPair, Origins, Reach, UrlOrigin,
    host_in_path,
};

fn origin(text: &str) -> Origin {
    text.parse().unwrap()
}

#[test]
fn origins_compare_without_case_default_port_and_trailing_dot() {
    let check = |text: &str, expected: &str| assert_eq!(origin(text).to_string(), expected);
    check("HTTPS://MDM.Example.com.:443/", "https://mdm.example.com");
    check("https://h:8443", "https://h:8443");
    check("http://h:443", "http://h:443");
    check("https://[2001:DB8::1]:443", "https://[2001:db8::1]");
    check("https://[2001:db8:0:0:0:0:0:1]", "https://[2001:db8::1]");
    check("https://bücher.example", "https://bücher.example");
    for wrong in [
        "",
        "mdm.example.com",
        "ftp://h",
        "https://h/path",
        "https://u@h",
        "https://h:99999",
        "https://",
    ] {
        assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
    }
}

#[test]
fn the_host_a_device_names_chooses_the_server() {
    let origins = Origins {
        server: origin("https://first.example.com"),
        public: None,
        maps: vec![OriginPair {
            public: origin("https://b.lab.test"),
            server: origin("https://b.example.com:9443"),
        }],
    };
    let check = |named: &str, server: &str, here: &str| {
        let (map, chosen) = origins.seen_from(&origin(named));
        assert_eq!(chosen.to_string(), server, "{named}");
        assert_eq!(map.here().to_string(), here, "{named}");
    };
    check(
        "https://b.lab.test",
        "https://b.example.com:9443",
        "https://b.lab.test",
    );
    // Behind a forwarded port the name still counts.
    check(
        "https://B.lab.test:8443",
        "https://b.example.com:9443",
        "https://b.lab.test",
    );
    check(
        "https://127.0.0.1:8080",
        "https://first.example.com",
        "https://127.0.0.1:8080",
    );
    // What the server wants sent by https does not go in clear text.
    for (named, here) in [
        ("http://anything", "https://anything"),
        ("http://anything:8080", "https://anything:8080"),
    ] {
        check(named, "https://first.example.com", here);
    }
}

#[test]
fn a_device_that_asks_by_http_gets_https_of_a_server_with_https_and_its_own_urls_are_turned_back() {
    let check = |named: &str, url: &str, gets: &str| {
        let origins = Origins {
            server: origin(&url[..url.rfind('/').unwrap()]),
            public: None,
            maps: Vec::new(),
        };
        let (map, _) = origins.seen_from(&origin(named));
        let found = UrlOrigin::of(url).unwrap();
        let turned = map.to_device(&found, Reach::Mapped, &LearnedHosts::default());
        assert_eq!(turned.apply(url).unwrap(), gets);
        // A device writes the URL that it asked, and the one that it was given.
        for written in [format!("{named}/a"), gets.to_owned()] {
            let turned = map.to_server(&written);
            assert_eq!(turned.apply(&written).as_deref(), Some(url), "{written}");
        }
    };
    let https = "https://mdm.example.com/a";
    check("http://lab.test:8080", https, "https://lab.test:8080/a");
    check("http://lab.test", https, "https://lab.test/a");
    check("https://lab.test:8443", https, "https://lab.test:8443/a");
    let http = "http://mdm.example.com/a";
    check("http://lab.test:8080", http, "http://lab.test:8080/a");
    check("https://lab.test:8443", http, "https://lab.test:8443/a");
}

#[test]
fn a_server_that_knows_the_https_name_in_front_of_dmtap_leads_the_device_there_again() {
    // TLS ends in front of dmtap.
    let origins = Origins {
        server: origin("http://127.0.0.1:8080"),
        public: None,
        maps: Vec::new(),
    };
    let (map, _) = origins.seen_from(&origin("http://abc.example.net"));
    let check = |url: &str, expected: Option<&str>| {
        let found = UrlOrigin::of(url).unwrap();
        let turned = map.to_device(&found, Reach::Learned, &LearnedHosts::default());
        assert_eq!(turned.apply(url).as_deref(), expected, "{url}");
    };
    check("https://abc.example.net/a", None);
    check(
        "https://abc.example.net:8443/a",
        Some("http://abc.example.net/.dmtap/at/abc.example.net:8443/a"),
    );
    check("http://127.0.0.1:8080/a", Some("http://abc.example.net/a"));
}

#[test]
fn where_public_and_server_are_equal_nothing_is_rewritten() {
    let origins = Origins {
        server: origin("https://mdm.example.com"),
        public: None,
        maps: Vec::new(),
    };
    let (map, _) = origins.seen_from(&origin("https://MDM.example.com:443"));
    assert!(map.changes_nothing());
    for url in ["https://mdm.example.com/a", "https://other.example.net/a"] {
        let url = UrlOrigin::of(url).unwrap();
        let turned = map.to_device(&url, Reach::Learned, &LearnedHosts::default());
        assert_eq!(turned.apply("https://x.example.com/a"), None);
    }
}

#[test]
fn only_host_names_get_a_path_and_64_of_them() {
    for host in [
        "example.org",
        "mdm",
        "a-b.example.org:8443",
        "xn--bcher-kva.example",
    ] {
        let path = format!("/.dmtap/at/{host}/x?y");
        let (named, length) = host_in_path(&path).unwrap();
        assert_eq!(
            (named.to_string().as_str(), &path[length..]),
            (host, "/x?y")
        );
    }
    for host in [
        "127.0.0.1:22",
        "[::1]",
        "::1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "0x7f000001",
        "localhost",
        "a.localhost.",
        "",
        "a..b",
        "a%2eb",
        "user@host",
        "host:",
        "host:0x1",
        "1.2.3.4.",
    ] {
        let found = host_in_path(&format!("/.dmtap/at/{host}/"));
        assert!(found.is_none() || host == "host:", "{host}: {found:?}");
    }
    let mut learned = LearnedHosts::default();
    let host = |n: usize| NamedHost::parse(&format!("h{n}.example.org")).unwrap();
    for n in 0..MOST_LEARNED {
        assert!(learned.add(host(n)));
    }
    assert!(!learned.takes(&host(64)) && !learned.add(host(64)));
    assert!(learned.takes(&host(63)) && !learned.add(host(63)));
}
