//! Asks over HTTP/1.1 at fixed times, whatever becomes of earlier requests (an open loop). What
//! counts is the time from when a request was due, so that no wait is left out.
//!
//! An event loop of its own, because the runtime's timers are a millisecond coarse.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};
use tokio::time::Instant;

use super::{Args, Outcome, http1, spent, usages};
use crate::accounting::Usage;

/// Asks as `args` say.
pub(super) fn run(args: &Args) -> Result<Outcome> {
    let mut lanes = (0..args.connections).map(|_| Lane::open(args)).collect::<Result<Vec<_>>>()?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (number, lane) in lanes.iter().enumerate() {
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&poll, &lane.stream, data, epoll::EventFlags::IN)?;
    }
    let mut run = Run::new(args, lanes.len());
    let mut events = Vec::with_capacity(64);
    while run.took.len() < run.counted {
        run.note_due(Instant::now())?;
        run.send(&mut lanes)?;
        events.clear();
        epoll::wait(&poll, spare_capacity(&mut events), Some(&run.patience()))?;
        for event in &events {
            let number = usize::try_from(event.data.u64())?;
            run.receive(number, lanes.get_mut(number).context("an event of no connection")?)?;
        }
        if run.progress.elapsed() > STUCK {
            bail!("a proxy did not answer for {STUCK:?}");
        }
    }
    run.finish(args)
}

/// A connection, and the request under way on it.
struct Lane {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    asked: Option<Ask>,
}

/// A request: which one it is, and when it was due.
#[derive(Clone, Copy)]
struct Ask {
    number: usize,
    due: Instant,
}

struct Run {
    began: Instant,
    step: Duration,
    /// How many requests do not count, and how many do.
    warm: usize,
    counted: usize,
    next: usize,
    due: VecDeque<Ask>,
    idle: VecDeque<usize>,
    took: Vec<u32>,
    before: Vec<Usage>,
    counted_from: Instant,
    watch: Vec<u32>,
    progress: Instant,
}

impl Run {
    fn new(args: &Args, lanes: usize) -> Self {
        let now = Instant::now();
        let requests = |seconds: f64| {
            usize::try_from(Duration::from_secs_f64(seconds * f64::from(args.rate)).as_secs())
                .unwrap_or(0)
        };
        Self {
            began: now,
            step: Duration::from_secs(1) / args.rate.max(1),
            warm: requests(args.warm),
            counted: requests(args.seconds),
            next: 0,
            due: VecDeque::new(),
            idle: (0..lanes).collect(),
            took: Vec::new(),
            before: Vec::new(),
            counted_from: now,
            watch: args.watch.clone(),
            progress: now,
        }
    }

    fn due_at(&self, number: usize) -> Instant {
        self.began + self.step * u32::try_from(number).unwrap_or(u32::MAX)
    }

    fn note_due(&mut self, now: Instant) -> Result<()> {
        while self.next < self.warm + self.counted && self.due_at(self.next) <= now {
            if self.next == self.warm {
                (self.before, self.counted_from) = (usages(&self.watch)?, now);
            }
            self.due.push_back(Ask { number: self.next, due: self.due_at(self.next) });
            self.next += 1;
        }
        Ok(())
    }

    /// The connection that has rested longest goes first.
    fn send(&mut self, lanes: &mut [Lane]) -> Result<()> {
        while !self.due.is_empty()
            && let Some(lane) = self.idle.pop_front().and_then(|number| lanes.get_mut(number))
        {
            lane.stream.write_all(http1::SMALL)?;
            lane.asked = self.due.pop_front();
        }
        Ok(())
    }

    /// Until the next request is due.
    fn patience(&self) -> Timespec {
        let wait = match self.next < self.warm + self.counted {
            true => self.due_at(self.next).saturating_duration_since(Instant::now()),
            false => Duration::from_secs(1),
        };
        Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()).min(999_999_999) }
    }

    fn receive(&mut self, number: usize, lane: &mut Lane) -> Result<()> {
        if !lane.receive()? {
            return Ok(());
        }
        let now = Instant::now();
        if let Some(ask) = lane.asked.take().filter(|ask| ask.number >= self.warm) {
            self.took.push(u32::try_from((now - ask.due).as_micros()).unwrap_or(u32::MAX));
        }
        self.idle.push_back(number);
        self.progress = now;
        Ok(())
    }

    fn finish(mut self, args: &Args) -> Result<Outcome> {
        self.took.sort_unstable();
        Ok(Outcome {
            done: self.took.len() as u64,
            seconds: self.counted_from.elapsed().as_secs_f64(),
            took_us: self.took,
            ..spent(&self.before, &usages(&args.watch)?)
        })
    }
}

impl Lane {
    fn open(args: &Args) -> Result<Self> {
        let stream = TcpStream::connect(args.target)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, buffer: vec![0; 16 * 1024], filled: 0, asked: None })
    }

    /// Reads what has come; says whether the answer is complete.
    fn receive(&mut self) -> Result<bool> {
        match self.stream.read(self.buffer.get_mut(self.filled..).unwrap_or_default()) {
            Ok(0) => bail!("a proxy closed a connection"),
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        match http1::parse(self.buffer.get(..self.filled).unwrap_or_default())? {
            Some(answer) if answer.head + answer.body <= self.filled => {
                self.filled = 0;
                Ok(true)
            }
            Some(_) | None => Ok(false),
        }
    }
}

const STUCK: Duration = Duration::from_secs(5);
