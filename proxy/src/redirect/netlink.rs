//! Puts a [`Table`] in place through netlink, in one transaction that also removes whatever was
//! there under its name before. No `nft`, no shell, no library but the kernel.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
    nftables::{
        Bitwise, ChainAttribute, ChainMessage, Cmp, DataAttribute, Expressions, Hook, HookNumber,
        Immediate, InetHookNumber, Meta, MetaKey, NfTablesMessage, Operator, Payload, Register,
        RuleAttribute, RuleMessage, TableAttribute, TableMessage, Verdict as Code,
        VerdictAttribute,
    },
    none::ControlMessage,
};
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::{
    Error,
    rules::{INBOUND, Match, OUTBOUND, PRIORITY, Rule, TABLE, Table, Verdict},
    socket::{self, Answer},
};

/// One message of the transaction and what it does, for whoever reads that it was refused.
struct Statement {
    means: String,
    flags: u16,
    family: NetfilterProtoFamily,
    resource: u16,
    message: NetfilterMessageInner,
}

/// Replaces the table in the kernel.
pub(super) fn install(table: &Table) -> Result<(), Error> {
    let statements = transaction(table);
    let messages: Vec<_> = statements.iter().enumerate().map(envelope).collect();
    let answer = socket::ask(NETLINK_NETFILTER, &messages)
        .map_err(|source| Error::Socket { subsystem: "nf_tables", source })?;
    match answer {
        Answer::Confirmed => Ok(()),
        Answer::Silent => Err(Error::Unconfirmed),
        Answer::Refused { sequence, error: source } => {
            let refused = usize::try_from(sequence).ok().and_then(|index| statements.get(index));
            let means = |statement: &Statement| statement.means.clone();
            let statement = refused.map_or_else(|| "take the rules".to_owned(), means);
            Err(Error::Refused { statement, source })
        }
    }
}

/// Make sure that there is a table, so that deleting it works; delete it with all that is in it;
/// make it anew.
fn transaction(table: &Table) -> Vec<Statement> {
    let Table { inbound, outbound } = table;
    let mut statements = vec![
        control("begin a transaction", ControlMessage::BatchBegin),
        statement("create the table", NLM_F_CREATE, NfTablesMessage::NewTable(name_table())),
        statement("delete the old table", 0, NfTablesMessage::DeleteTable(name_table())),
        statement("create the table anew", NLM_F_CREATE, NfTablesMessage::NewTable(name_table())),
    ];
    let chains = [
        (INBOUND, InetHookNumber::PreRouting, inbound),
        (OUTBOUND, InetHookNumber::LocalOut, outbound),
    ];
    for (name, hook, rules) in chains {
        let means = format!("create the chain {name}");
        statements.push(statement(
            &means,
            NLM_F_CREATE,
            NfTablesMessage::NewChain(chain(name, hook)),
        ));
        statements.extend(rules.iter().map(|rule| add_rule(name, rule)));
    }
    // The confirmation of the last statement is that of the transaction: a refusal undoes all of
    // it.
    if let Some(last) = statements.last_mut() {
        last.flags |= NLM_F_ACK;
    }
    statements.push(control("commit the transaction", ControlMessage::BatchEnd));
    statements
}

fn envelope((index, statement): (usize, &Statement)) -> NetlinkMessage<NetfilterMessage> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | statement.flags;
    header.sequence_number = u32::try_from(index).unwrap_or(u32::MAX);
    let inner = NetfilterHeader::new(statement.family, 0, statement.resource);
    let payload = NetfilterMessage::new(inner, statement.message.clone());
    let mut message = NetlinkMessage::new(header, payload.into());
    message.finalize();
    message
}

fn control(means: &str, message: ControlMessage) -> Statement {
    Statement {
        means: means.to_owned(),
        flags: 0,
        family: NetfilterProtoFamily::Unspec,
        resource: NFNL_SUBSYS_NFTABLES,
        message: message.into(),
    }
}

fn statement(means: &str, flags: u16, message: NfTablesMessage) -> Statement {
    let (means, family) = (means.to_owned(), NetfilterProtoFamily::Inet);
    Statement { means, flags, family, resource: 0, message: message.into() }
}

fn name_table() -> TableMessage {
    TableMessage { attributes: vec![TableAttribute::Name(TABLE.to_owned())] }
}

fn chain(name: &str, hook: InetHookNumber) -> ChainMessage {
    let hook = vec![
        Hook::Number(HookNumber::Inet(hook)),
        Hook::Priority(u32::from_ne_bytes(PRIORITY.to_ne_bytes())),
    ];
    ChainMessage {
        attributes: vec![
            ChainAttribute::Table(TABLE.to_owned()),
            ChainAttribute::Name(name.to_owned()),
            ChainAttribute::Hook(hook),
            ChainAttribute::Policy(NF_ACCEPT),
            ChainAttribute::Type("nat".to_owned()),
        ],
    }
}

fn add_rule(chain: &str, rule: &Rule) -> Statement {
    let mut expressions: Vec<_> = rule.matches.iter().flat_map(condition).collect();
    expressions.extend(verdict(rule.verdict));
    let message = RuleMessage {
        attributes: vec![
            RuleAttribute::Table(TABLE.to_owned()),
            RuleAttribute::Chain(chain.to_owned()),
            RuleAttribute::Expressions(expressions.into_iter().map(Into::into).collect()),
        ],
    };
    let means = format!("add the rule `{rule}` to the chain {chain}");
    statement(&means, NLM_F_CREATE | NLM_F_APPEND, NfTablesMessage::NewRule(message))
}

/// What to load and what to compare it with.
fn condition(condition: &Match) -> Vec<Expressions> {
    match *condition {
        Match::Tcp => vec![load(MetaKey::L4Proto), equal(vec![IPPROTO_TCP])],
        Match::OverLoopback => vec![load(MetaKey::Oifname), equal(LOOPBACK_NAME.to_vec())],
        Match::User(uid) => vec![load(MetaKey::SocketUserId), equal(uid.to_ne_bytes().to_vec())],
        Match::ToPort(port) => {
            let mut found = self::condition(&Match::Tcp);
            found.push(slice(TRANSPORT_HEADER, 2, 2));
            found.push(equal(port.to_be_bytes().to_vec()));
            found
        }
        Match::From(address) => {
            let offset = if address.is_ipv4() { 12 } else { 8 };
            in_network(offset, IpNet::from(address), Operator::Equal)
        }
        Match::To(net) => in_network(destination_offset(net), net, Operator::Equal),
        Match::NotTo(net) => in_network(destination_offset(net), net, Operator::NotEqual),
    }
}

const fn destination_offset(net: IpNet) -> u32 {
    match net {
        IpNet::V4(_) => 16,
        IpNet::V6(_) => 24,
    }
}

/// The address at `offset` of the network header, masked and compared, in packets of the network's
/// family.
fn in_network(offset: u32, net: IpNet, operator: Operator) -> Vec<Expressions> {
    let (family, length) = match net {
        IpNet::V4(_) => (NetfilterProtoFamily::IPv4, 4),
        IpNet::V6(_) => (NetfilterProtoFamily::IPv6, 16),
    };
    let mask = Bitwise::Mask(DataAttribute::Value(octets(net.netmask())));
    vec![
        load(MetaKey::Nfproto),
        equal(vec![family.into()]),
        slice(NETWORK_HEADER, offset, length),
        Expressions::Bitwise(vec![
            Bitwise::SourceRegister(Register::Reg1),
            Bitwise::DestinationRegister(Register::Reg1),
            Bitwise::Length(length),
            mask,
            Bitwise::Xor(DataAttribute::Value(vec![0; octets(net.network()).len()])),
        ]),
        compare(operator, octets(net.network())),
    ]
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn load(key: MetaKey) -> Expressions {
    Expressions::Meta(vec![Meta::DestinationRegister(Register::Reg1), Meta::Key(key)])
}

fn slice(base: u32, offset: u32, length: u32) -> Expressions {
    Expressions::Payload(vec![
        Payload::DestinationRegister(Register::Reg1),
        Payload::Base(base),
        Payload::Offset(offset),
        Payload::Len(length),
    ])
}

fn equal(data: Vec<u8>) -> Expressions {
    compare(Operator::Equal, data)
}

fn compare(operator: Operator, data: Vec<u8>) -> Expressions {
    Expressions::Cmp(vec![
        Cmp::SourceRegister(Register::Reg1),
        Cmp::Op(operator),
        Cmp::Data(DataAttribute::Value(data)),
    ])
}

fn verdict(verdict: Verdict) -> Vec<Expressions> {
    match verdict {
        Verdict::Leave => {
            let accept = VerdictAttribute::Code(Code::Other(NF_ACCEPT));
            vec![immediate(Register::Verdict, DataAttribute::Verdict(vec![accept]))]
        }
        Verdict::Redirect(port) => {
            let register = u32::from(Register::Reg1).to_be_bytes().to_vec();
            vec![
                immediate(Register::Reg1, DataAttribute::Value(port.to_be_bytes().to_vec())),
                Expressions::Other {
                    expression_type: "redir".to_owned(),
                    attributes: vec![DefaultNla::new(NFTA_REDIR_REG_PROTO_MIN, register)],
                },
            ]
        }
    }
}

fn immediate(register: Register, data: DataAttribute) -> Expressions {
    Expressions::Immediate(vec![Immediate::DestinationRegister(register), Immediate::Data(data)])
}

// linux/netfilter/nfnetlink.h, nf_tables.h, linux/netfilter.h, linux/in.h
const NFNL_SUBSYS_NFTABLES: u16 = 10;
const NFTA_REDIR_REG_PROTO_MIN: u16 = 1;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const NF_ACCEPT: u32 = 1;
const IPPROTO_TCP: u8 = 6;
/// As wide as the kernel's register for interface names (IFNAMSIZ).
const LOOPBACK_NAME: &[u8; 16] = b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
