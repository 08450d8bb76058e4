//! Two readers of what the proxy writes, who must agree: [`strict`], and Go's net/http.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
    sync::LazyLock,
};

use lab::strict::{self, Reading};

/// A stream of bytes to be judged.
#[derive(Clone, Debug)]
pub(crate) enum Stream {
    Requests(Vec<u8>),
    /// And the methods of the requests that they answer.
    Responses(Vec<u8>, Vec<&'static str>),
}

/// What both readers find in each stream. Where they disagree, or either finds what is no message,
/// there is a reason instead.
pub(crate) fn judge(streams: &[Stream]) -> Vec<Result<Reading, String>> {
    let others = ask_go(streams);
    assert_eq!(others.len(), streams.len(), "the other judge fell silent");
    streams.iter().zip(others).map(|(stream, other)| agree(stream, &other)).collect()
}

fn agree(stream: &Stream, other: &str) -> Result<Reading, String> {
    let (bytes, reading) = match stream {
        Stream::Requests(bytes) => (bytes, strict::requests(bytes)),
        Stream::Responses(bytes, methods) => (bytes, strict::responses(bytes, methods)),
    };
    let ours = reading.to_string();
    if ours == other && !ours.contains("broken:") {
        return Ok(reading);
    }
    // What both readers understood need not be shown.
    let alike = ours.split(' ').zip(other.split(' ')).take_while(|(ours, other)| ours == other);
    let alike = alike.count();
    let beyond = |words: &str| {
        words.split(' ').skip(alike.saturating_sub(1)).take(4).collect::<Vec<_>>().join(" ")
    };
    let (ours, other) = (beyond(&ours), beyond(other));
    let rest = String::from_utf8_lossy(&bytes[reading.consumed..]);
    let rest: String = rest.chars().take(400).collect();
    Err(format!("we read: {ours}\nGo reads: {other}\nthen: {rest:?}"))
}

fn ask_go(streams: &[Stream]) -> Vec<String> {
    let mut lines = String::new();
    for stream in streams {
        let line = match stream {
            Stream::Requests(bytes) => format!("Q -{}\n", hex::encode(bytes)),
            Stream::Responses(bytes, methods) => {
                format!("S {} -{}\n", methods.join(","), hex::encode(bytes))
            }
        };
        lines.push_str(&line);
    }
    let mut child = Command::new(&*GO_JUDGE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the judge starts");
    let mut input = child.stdin.take().expect("the judge listens");
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("the judge answers");
    writing.join().expect("no panic").expect("the judge reads all of it");
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

/// Built once a run, with nothing but Go's own library.
static GO_JUDGE: LazyLock<PathBuf> = LazyLock::new(|| {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/judge");
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("judge");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(source)
        .envs([("GOTOOLCHAIN", "local"), ("GOFLAGS", "-buildvcs=false"), ("CGO_ENABLED", "0")])
        .status();
    let built = built.expect("install Go 1.25 or newer: its net/http is the second judge");
    assert!(built.success(), "the judge does not build");
    program
});
