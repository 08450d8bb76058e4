//! curl with all its versions of HTTP, through a pair of proxies, to servers of every kind: each
//! must get what it gets without them.

use std::{fs, path::Path};

use conformance::{
    curl::{self, Answer, Version},
    table::Table,
    upstream::Upstream,
};
use lab::Pair;

/// Something to ask for.
struct Case {
    name: &'static str,
    path: &'static str,
    /// What curl is told besides; `@LARGE@` is a large file.
    flags: &'static [&'static str],
    /// What it is without: a server is asked for the same in this way.
    plainly: &'static [&'static str],
    place: Place,
}

/// Where a case makes sense.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Everywhere,
    /// HTTP/1 whose client does not want to go on with HTTP/2.
    Http1,
    /// Not Python's server, which takes no bodies.
    Bodies,
    /// Not Python's server either, nor HTTP/1.0, which has no chunks.
    Chunks,
}

const fn get(name: &'static str, path: &'static str, flags: &'static [&'static str]) -> Case {
    Case { name, path, flags, plainly: flags, place: Place::Everywhere }
}

const fn send(name: &'static str, path: &'static str, flags: &'static [&'static str]) -> Case {
    Case { place: Place::Bodies, ..get(name, path, flags) }
}

impl Case {
    fn makes_sense(&self, version: Version, upstream: &Upstream) -> bool {
        let takes_bodies = upstream.name != "Python";
        match self.place {
            Place::Everywhere => true,
            Place::Http1 => matches!(version, Version::Http10 | Version::Http11),
            Place::Bodies => takes_bodies,
            Place::Chunks => takes_bodies && version != Version::Http10,
        }
    }
}

const CASES: &[Case] = &[
    get("GET", "/small", &[]),
    get("GET of 4 MiB", "/large", &[]),
    get("GET of a range", "/large", &["--range", "1000-1999"]),
    get("GET if modified", "/small", &["--time-cond", "Thu, 01 Jan 2099 00:00:00 GMT"]),
    get("GET of nothing", "/nothing", &[]),
    Case {
        place: Place::Chunks,
        ..get("GET with a trailer", "/trailer", &["--header", "TE: trailers"])
    },
    get("GET and close", "/small", &["--header", "Connection: close"]),
    // With HTTP/2 this is too much for curl 7.88, proxy or not.
    Case { place: Place::Http1, ..get("20 GETs", "/small?[1-20]", &[]) },
    get("HEAD", "/large", &["--head"]),
    get("OPTIONS", "/small", &["--request", "OPTIONS"]),
    get("OPTIONS *", "/", &["--request", "OPTIONS", "--request-target", "*"]),
    // Passed on in origin-form, which not every server must be told apart from the other.
    Case {
        plainly: &[],
        place: Place::Http1,
        ..get("absolute-form", "/small", &["--request-target", "http://catalogue.shop/small"])
    },
    Case {
        place: Place::Http1,
        ..get("CONNECT", "/", &["--request", "CONNECT", "--request-target", "catalogue.shop:80"])
    },
    get("POST", "/digest", &["--data", "a=1"]),
    send("POST of 4 MiB", "/digest", &["--header", "Expect:", "--data-binary", "@LARGE@"]),
    send(EXPECTING, "/digest", &["--header", "Expect: 100-continue", "--data-binary", "@LARGE@"]),
    Case {
        place: Place::Chunks,
        ..send(
            "POST in chunks",
            "/digest",
            &["--header", "Transfer-Encoding: chunked", "--data-binary", "@LARGE@"],
        )
    },
    send("PUT of 4 MiB", "/put/file", &["--upload-file", "@LARGE@"]),
    get("DELETE", "/put/other", &["--request", "DELETE"]),
];
const EXPECTING: &str = "POST, expecting 100";

#[test]
fn curl_gets_through_the_mesh_what_it_gets_without_it() {
    let upstreams = [Upstream::nginx(), Upstream::apache(), Upstream::python()];
    let upstreams = upstreams.map(Result::unwrap);
    let columns: Vec<_> = upstreams
        .iter()
        .flat_map(|upstream| {
            Version::ALL.map(|version| format!("{} {}", upstream.name, version.name()))
        })
        .collect();
    let columns: Vec<_> = columns.iter().map(String::as_str).collect();
    let mut table = Table::of(&[&["curl"], &*columns].concat());
    let mut differences = Vec::new();
    let pairs: Vec<_> = upstreams.iter().map(Pairs::to).collect();
    for case in CASES {
        let mut row = vec![case.name.to_owned()];
        for pairs in &pairs {
            for version in Version::ALL {
                row.push(pairs.compare(case, version, &mut differences));
            }
        }
        table.row(row);
    }
    println!("{table}");
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

/// A server with a pair of proxies before it for each version it speaks.
struct Pairs<'a> {
    upstream: &'a Upstream,
    http1: Pair,
    http2: Option<Pair>,
}

impl<'a> Pairs<'a> {
    fn to(upstream: &'a Upstream) -> Self {
        let (http1, http2) = (Pair::start(upstream.http1), upstream.http2.map(Pair::start));
        Self { upstream, http1, http2 }
    }

    fn compare(&self, case: &Case, version: Version, differences: &mut Vec<String>) -> String {
        let (server, pair) = match (version, self.upstream.http2, &self.http2) {
            (Version::Http2, Some(server), Some(pair)) => (server, pair),
            (Version::Http2, ..) => return "no HTTP/2".to_owned(),
            (Version::Http10 | Version::Http11 | Version::Upgrade, ..) => {
                (self.upstream.http1, &self.http1)
            }
        };
        if !case.makes_sense(version, self.upstream) {
            return String::new();
        }
        let ask = |server, version, flags| {
            let answer = curl::ask(server, version, case.path, &self.flags(flags)).unwrap();
            (answer, self.put())
        };
        // Nobody goes on with HTTP/2 in the mesh because a client asks to, so the server is not
        // asked to either.
        let plainly = if version == Version::Upgrade { Version::Http11 } else { version };
        let without = ask(server, plainly, case.plainly);
        let with = ask(pair.client.outbound(), version, case.flags);
        let what = format!("{} of {}, HTTP/{}", case.name, self.upstream.name, version.name());
        if case.name == EXPECTING && version == Version::Http11 {
            assert_eq!(with.0.statuses.first(), Some(&100), "{what}");
        }
        assert!(with.0.connections <= without.0.connections, "{what}");
        let same = (comparable(&without.0), &without.1) == (comparable(&with.0), &with.1);
        if !same {
            differences.push(format!("{what}\n without {}\n    with {}", without.0, with.0));
        }
        cell(&with.0, same)
    }

    fn flags(&self, flags: &[&str]) -> Vec<String> {
        let large = self.upstream.folder.path().join("files/large");
        let large = large.to_str().unwrap();
        let is_file = flags.contains(&"--upload-file");
        let large = if is_file { large.to_owned() } else { format!("@{large}") };
        flags.iter().map(|flag| flag.replace("@LARGE@", &large)).collect()
    }

    /// What was put there, which is gone then.
    fn put(&self) -> Option<Vec<u8>> {
        let file: &Path = &self.upstream.folder.path().join("put/file");
        let put = fs::read(file).ok()?;
        fs::remove_file(file).unwrap();
        Some(put)
    }
}

/// What must be the same. Version and connections are each hop's own (RFC 9110, section 6.2),
/// interim answers are the first proxy's, and Apache knows the length of what a script says only
/// sometimes.
fn comparable(answer: &Answer) -> Answer {
    let mut answer = answer.clone();
    answer.statuses.retain(|status| *status >= 200);
    if !answer.body.is_empty() {
        answer.fields.retain(|field| !field.starts_with("content-length:"));
    }
    Answer { version: String::new(), connections: 0, ..answer }
}

fn cell(answer: &Answer, same: bool) -> String {
    let mut statuses: Vec<_> = answer.statuses.iter().map(ToString::to_string).collect();
    let count = statuses.len();
    statuses.dedup();
    let mut cell = statuses.join(" ");
    if count > 2 {
        cell = format!("{count} × {cell} on {}", answer.connections);
    }
    if answer.exit != 0 {
        cell = format!("{cell} (curl: {})", answer.exit);
    }
    if same { cell } else { format!("{cell} DIFFERS") }
}
