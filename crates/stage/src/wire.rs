//! A wire between a client and a server that can be held at a byte, cut, slowed down and taken away.
//!
//! It passes bytes on without understanding them (there is TLS inside), so a fault strikes wherever the count says:
//! in a handshake, in a header, in the middle of a part, between the last byte and its answer.

use crate::{Doing, StageError};
use rustix::net::connect_unspec;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes that are passed on in one go.
const PIECE: usize = 64 << 10;
/// How much of the time that nothing was sent may be made up for, on a wire with a rate.
const BURST: Duration = Duration::from_millis(5);
/// How often whoever waits looks at what is no event of the wire.
const LOOK: Duration = Duration::from_millis(5);

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// How a connection ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Both ends are told that it is broken (RST).
    Reset,
    /// Both ends see an orderly end (FIN).
    Close,
}

/// What came of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The wire is held at its byte.
    Held,
    /// What was waited with ended before.
    Over,
}

/// A TCP proxy on 127.0.0.1 in threads of this process.
pub struct Wire {
    port: u16,
    inner: Arc<Inner>,
    accepting: Option<Accepting>,
}

struct Accepting {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

struct Inner {
    upstream: AtomicU16,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    up: u64,
    down: u64,
    hold: Option<(Way, u64)>,
    is_held: bool,
    delay: Duration,
    /// Bytes a second, each way, of all connections together.
    rate: Option<u64>,
    /// When what has been sent each way is through, if there is a rate.
    through: [Option<Instant>; 2],
    connections: Vec<Connection>,
    next: u64,
}

struct Connection {
    number: u64,
    client: TcpStream,
    server: TcpStream,
    /// Nothing passes any more, and nobody is told.
    is_frozen: bool,
    /// When it last carried a byte, in the count of all bytes.
    last: u64,
}

impl Wire {
    /// Begins to pass connections on to `upstream` on 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn to(upstream: u16) -> Result<Self, StageError> {
        let inner = Arc::new(Inner {
            upstream: AtomicU16::new(upstream),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing("laying a wire")?;
        let port = listener.local_addr().doing("laying a wire")?.port();
        let accepting = Some(accept(&inner, listener));
        Ok(Self { port, inner, accepting })
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The port where clients connect.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on connections lead to another port.
    pub fn lead_to(&self, upstream: u16) {
        self.inner.upstream.store(upstream, Ordering::SeqCst);
    }

    /// Bytes that have been passed on.
    #[must_use]
    pub fn passed(&self, way: Way) -> u64 {
        let state = self.inner.state();
        match way {
            Way::Up => state.up,
            Way::Down => state.down,
        }
    }

    /// Lets exactly `bytes` more through that way, then nothing until [`Wire::release`].
    pub fn hold_after(&self, way: Way, bytes: u64) {
        let mut state = self.inner.state();
        let at = bytes + *state.count(way);
        (state.hold, state.is_held) = (Some((way, at)), false);
        self.inner.changed.notify_all();
    }

    /// Waits until the wire is held, or `is_over` says that it will not be any more.
    ///
    /// # Errors
    /// When neither happens within `patience`.
    pub fn wait_held(
        &self,
        patience: Duration,
        mut is_over: impl FnMut() -> bool,
    ) -> Result<Waited, StageError> {
        let began = Instant::now();
        loop {
            let state = self.inner.state();
            if state.is_held {
                return Ok(Waited::Held);
            }
            drop(self.inner.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner));
            if is_over() {
                return Ok(Waited::Over);
            }
            if began.elapsed() > patience {
                return Err(StageError::Unexpected("the transfer does not move".into()));
            }
        }
    }

    /// Waits until that many more bytes have passed that way, or `is_over` says that they will not.
    ///
    /// # Errors
    /// When neither happens within `patience`.
    pub fn wait_passed(
        &self,
        way: Way,
        bytes: u64,
        patience: Duration,
        mut is_over: impl FnMut() -> bool,
    ) -> Result<(), StageError> {
        let (began, until) = (Instant::now(), self.passed(way) + bytes);
        loop {
            let mut state = self.inner.state();
            if *state.count(way) >= until {
                return Ok(());
            }
            drop(self.inner.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner));
            if is_over() {
                return Ok(());
            }
            if began.elapsed() > patience {
                return Err(StageError::Unexpected("nothing moves any more".into()));
            }
        }
    }

    /// Lets bytes through again.
    pub fn release(&self) {
        let mut state = self.inner.state();
        (state.hold, state.is_held) = (None, false);
        self.inner.changed.notify_all();
    }

    /// Lets nothing more through on the connections that there are, without a word to either end, as when a machine vanishes.
    /// New ones are made as ever.
    pub fn freeze(&self) {
        self.inner.state().connections.iter_mut().for_each(|connection| connection.is_frozen = true);
    }

    /// Each piece waits so long before it is passed on.
    pub fn slow_down(&self, delay: Duration) {
        self.inner.state().delay = delay;
    }

    /// From now on all connections together get so many bytes a second each way, as over a network of that rate.
    pub fn narrow(&self, bytes_a_second: u64) {
        self.inner.state().rate = Some(bytes_a_second.max(1));
    }

    /// Waits until no byte has passed for `still`, but no longer than `patience`.
    pub fn wait_still(&self, still: Duration, patience: Duration) {
        let began = Instant::now();
        let (mut seen, mut since) = (self.both(), began);
        while since.elapsed() < still && began.elapsed() < patience {
            let state = self.inner.state();
            drop(self.inner.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner));
            let now = self.both();
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
        }
    }

    /// Ends the connection that carried the last byte. Says whether there was one.
    pub fn cut_one(&self, how: Cut) -> bool {
        let mut state = self.inner.state();
        let busiest = (0..state.connections.len()).max_by_key(|at| state.connections[*at].last);
        let Some(at) = busiest else { return false };
        state.connections.swap_remove(at).end(how);
        self.inner.changed.notify_all();
        true
    }

    /// Ends every connection.
    pub fn cut_all(&self, how: Cut) {
        let mut state = self.inner.state();
        state.connections.drain(..).for_each(|connection| connection.end(how));
        self.inner.changed.notify_all();
    }

    /// Ends every connection and refuses new ones: no network.
    pub fn take_away(&mut self) {
        self.stop_accepting();
        self.cut_all(Cut::Reset);
    }

    /// Takes connections again.
    ///
    /// # Errors
    /// When somebody else has taken the port.
    pub fn bring_back(&mut self) -> Result<(), StageError> {
        if self.accepting.is_none() {
            let listener =
                TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).doing("laying a wire again")?;
            self.accepting = Some(accept(&self.inner, listener));
        }
        Ok(())
    }

    fn both(&self) -> u64 {
        let state = self.inner.state();
        state.up + state.down
    }

    fn stop_accepting(&mut self) {
        let Some(Accepting { stop, thread }) = self.accepting.take() else { return };
        stop.store(true, Ordering::SeqCst);
        // Wakes the thread; if nobody listens any more it has ended by itself.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        drop(thread.join());
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.release();
        self.take_away();
    }
}

fn accept(inner: &Arc<Inner>, listener: TcpListener) -> Accepting {
    let stop = Arc::new(AtomicBool::new(false));
    let (asked, inner) = (Arc::clone(&stop), Arc::clone(inner));
    let thread = std::thread::spawn(move || {
        for client in listener.incoming() {
            if asked.load(Ordering::SeqCst) {
                return;
            }
            // A connection that cannot be made is one that breaks at once, as on any wire.
            drop(client.and_then(|client| connect(&inner, client)));
        }
    });
    Accepting { stop, thread }
}

fn connect(inner: &Arc<Inner>, client: TcpStream) -> std::io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, inner.upstream.load(Ordering::SeqCst)))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ends = [
        (Way::Up, client.try_clone()?, server.try_clone()?),
        (Way::Down, server.try_clone()?, client.try_clone()?),
    ];
    let number = {
        let mut state = inner.state();
        state.next += 1;
        let (number, last) = (state.next, state.up + state.down);
        state.connections.push(Connection { number, client, server, is_frozen: false, last });
        number
    };
    for (way, from, to) in ends {
        let inner = Arc::clone(inner);
        std::thread::spawn(move || {
            inner.pump(number, way, from, &to);
            // One side has ended: the other is told, and what is still on its way back may arrive.
            drop(to.shutdown(Shutdown::Write));
            if way == Way::Down {
                inner.forget(number);
            }
        });
    }
    Ok(())
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes bytes on until one side ends or the connection is cut.
    fn pump(&self, number: u64, way: Way, mut from: TcpStream, mut to: &TcpStream) {
        let mut piece = vec![0; PIECE];
        while let Ok(read @ 1..) = from.read(&mut piece) {
            let mut rest = &piece[..read];
            while !rest.is_empty() {
                let Some(allowed) = self.allowed(number, way, rest.len()) else { return };
                let (now, later) = rest.split_at(allowed);
                self.take_time(way, allowed);
                if to.write_all(now).is_err() {
                    return;
                }
                rest = later;
            }
        }
    }

    /// How many of `wanted` bytes may pass now, at least one; waits while the wire is held. `None` when it is cut.
    fn allowed(&self, number: u64, way: Way, wanted: usize) -> Option<usize> {
        let mut state = self.state();
        if !state.delay.is_zero() {
            let delay = state.delay;
            drop(state);
            std::thread::sleep(delay);
            state = self.state();
        }
        loop {
            let total = state.up + state.down;
            let count = *state.count(way);
            let room = match state.hold {
                Some((held, at)) if held == way => at.saturating_sub(count),
                _ => u64::MAX,
            };
            let connection = state.connections.iter_mut().find(|connection| connection.number == number)?;
            if connection.is_frozen {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let allowed = usize::try_from(room).unwrap_or(usize::MAX).min(wanted);
            if allowed > 0 {
                connection.last = total + 1;
                *state.count(way) += allowed as u64;
                self.changed.notify_all();
                return Some(allowed);
            }
            state.is_held = true;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits as long as a network of the wire's rate would need for these bytes, behind those that were there before.
    fn take_time(&self, way: Way, bytes: usize) {
        let mut state = self.state();
        let Some(rate) = state.rate else { return };
        let now = Instant::now();
        let last = &mut state.through[usize::from(way == Way::Down)];
        // Whoever overslept may catch up a little, as the buffers of a network card let them.
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let begins = last.map_or(now, |last| last.max(earliest));
        let through = begins + Duration::from_nanos(bytes as u64 * 1_000_000_000 / rate);
        *last = Some(through);
        drop(state);
        std::thread::sleep(through.saturating_duration_since(now));
    }

    fn forget(&self, number: u64) {
        self.state().connections.retain(|connection| connection.number != number);
    }
}

impl State {
    fn count(&mut self, way: Way) -> &mut u64 {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}

impl Connection {
    fn end(self, how: Cut) {
        for end in [&self.client, &self.server] {
            // Dissolving a connection is the way to a RST while threads still read from it. An end that is gone
            // already needs neither.
            drop(match how {
                Cut::Reset => connect_unspec(end).map_err(Into::into),
                Cut::Close => end.shutdown(Shutdown::Both),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A server that reads one connection to its end and says how many bytes came and how it ended.
    fn reader() -> (u16, JoinHandle<(usize, std::io::Result<usize>)>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut piece, mut came) = (vec![0; 1 << 16], 0);
            loop {
                match stream.read(&mut piece) {
                    Ok(read @ 1..) => came += read,
                    end => return (came, end),
                }
            }
        });
        (port, thread)
    }

    fn client(wire: &Wire) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, wire.port)).unwrap()
    }

    #[test]
    fn it_is_held_at_exactly_the_byte_and_a_reset_is_a_reset() {
        let (port, server) = reader();
        let wire = Wire::to(port).unwrap();
        wire.hold_after(Way::Up, 1_000);
        client(&wire).write_all(&[7; 5_000]).unwrap();
        assert_eq!(wire.wait_held(PATIENCE, || false).unwrap(), Waited::Held);
        assert_eq!(wire.passed(Way::Up), 1_000);
        assert!(wire.cut_one(Cut::Reset));
        let (came, end) = server.join().unwrap();
        // What a reset overtakes may be lost.
        assert!(came <= 1_000 && end.is_err(), "{came} {end:?}");
    }

    #[test]
    fn a_clean_cut_is_an_end_and_what_was_released_arrives() {
        let (port, server) = reader();
        let wire = Wire::to(port).unwrap();
        wire.hold_after(Way::Up, 10);
        let mut client = client(&wire);
        client.write_all(&[7; 30]).unwrap();
        wire.wait_held(PATIENCE, || false).unwrap();
        wire.hold_after(Way::Up, 10);
        wire.wait_held(PATIENCE, || false).unwrap();
        wire.cut_all(Cut::Close);
        let (came, end) = server.join().unwrap();
        assert_eq!((came, end.unwrap()), (20, 0));
    }

    #[test]
    fn a_frozen_connection_says_nothing_to_anybody_and_a_new_one_passes() {
        let (port, server) = reader();
        let mut wire = Wire::to(port).unwrap();
        let mut client = client(&wire);
        client.write_all(&[7; 10]).unwrap();
        wire.wait_passed(Way::Up, 10, PATIENCE, || false).unwrap();
        wire.freeze();
        client.write_all(&[7; 10]).unwrap();
        let (port, second) = reader();
        wire.lead_to(port);
        let mut other = self::client(&wire);
        other.write_all(&[7; 5]).unwrap();
        drop(other);
        assert_eq!(second.join().unwrap().0, 5);
        assert_eq!(wire.passed(Way::Up), 15);
        wire.take_away();
        assert_eq!(server.join().unwrap().0, 10);
    }

    #[test]
    fn a_narrow_wire_needs_the_time_of_its_rate_for_all_its_connections_together() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let wire = Wire::to(listener.local_addr().unwrap().port()).unwrap();
        wire.narrow(1_000_000);
        let began = Instant::now();
        let sending: Vec<_> = (0..2)
            .map(|_| {
                let mut client = client(&wire);
                std::thread::spawn(move || client.write_all(&[7; 150_000]).unwrap())
            })
            .collect();
        let mut came = 0;
        for _ in 0..2 {
            came += listener.accept().unwrap().0.read_to_end(&mut Vec::new()).unwrap();
        }
        sending.into_iter().for_each(|sender| sender.join().unwrap());
        // 300,000 bytes at a million a second; never faster, how much slower is up to the machine.
        assert_eq!(came, 300_000);
        assert!(began.elapsed() >= Duration::from_millis(290), "{:?}", began.elapsed());
    }

    #[test]
    fn a_wire_that_is_taken_away_refuses_until_it_is_back() {
        let (port, server) = reader();
        let mut wire = Wire::to(port).unwrap();
        wire.take_away();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, wire.port)).is_err());
        wire.bring_back().unwrap();
        let mut client = client(&wire);
        client.write_all(b"hello").unwrap();
        drop(client);
        assert_eq!(server.join().unwrap().0, 5);
    }
}
