//! gRPC's own interoperability tests, with grpc-go's client and server, through a pair of proxies.

use std::process::{Command, Output};

use conformance::{address, child::Server, programs, table::Table};
use lab::Pair;

/// Every case of grpc-go's client that needs no credentials of a cloud. `pick_first_unary` is not
/// among them: grpc-go's own server does not say who it is, as that would need.
const CASES: [&str; 18] = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "status_code_and_message",
    "special_status_message",
    "custom_metadata",
    "unimplemented_method",
    "unimplemented_service",
    "orca_per_rpc",
    "orca_oob",
    "rpc_soak",
    "channel_soak",
];

fn server() -> Server {
    // It listens on every address, so the port must be a free one.
    let address = address::free().unwrap();
    let mut command = programs::built("grpc", "server").unwrap();
    Server::start(command.arg(format!("--port={}", address.port())), address).unwrap()
}

fn ask(pair: &Pair, case: &str) -> Output {
    let mut client: Command = programs::built("grpc", "client").unwrap();
    let port = pair.client.outbound().port();
    client.args(["--server_host=127.0.0.1", &format!("--server_port={port}")]);
    // Reports of load are read by a balancer that is made for these tests.
    client.arg(format!("--service_config_json={BALANCER}"));
    client.arg(format!("--test_case={case}")).output().unwrap()
}

#[test]
fn grpc_go_finds_all_its_cases_in_order() {
    let server = server();
    let pair = Pair::start(server.address);
    let mut table = Table::of(&["gRPC interop", ""]);
    let mut failures = Vec::new();
    for case in CASES {
        let output = ask(&pair, case);
        let passed = output.status.success();
        table.row([case.to_owned(), if passed { "passed" } else { "FAILED" }.to_owned()]);
        if !passed {
            failures.push(format!("{case}:\n{}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    println!("{table}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

const BALANCER: &str = r#"{"loadBalancingConfig": [{"test_backend_metrics_load_balancer": {}}]}"#;
