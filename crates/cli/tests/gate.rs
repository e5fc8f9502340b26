//! A way to the server that can be held up: bytes pass unchanged until so many have passed.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};

use crate::house::{House, PATIENCE};

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the server.
    Up,
    /// From the server.
    Down,
}

struct State {
    hold: Option<(Way, u64)>,
    full: Sender<()>,
}

/// Listens beside the server and passes everything on.
pub(crate) struct Gate {
    port: u16,
    state: Arc<(Mutex<State>, Condvar)>,
    full: Receiver<()>,
}

impl Gate {
    pub(crate) fn before(house: &House) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("its number").port();
        let server = house.port();
        let (sender, full) = channel();
        let state = Arc::new((Mutex::new(State { hold: None, full: sender }), Condvar::new()));
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                for (from, to, way) in [(&client, &server, Way::Up), (&server, &client, Way::Down)] {
                    let (from, to) = (from.try_clone().expect("a clone"), to.try_clone().expect("a clone"));
                    let shared = shared.clone();
                    std::thread::spawn(move || pass(from, to, way, &shared));
                }
            }
        });
        Self { port, state, full }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// From now on, lets so many more bytes pass in one direction, and then none.
    pub(crate) fn hold_after(&self, way: Way, bytes: u64) {
        self.state.0.lock().expect("no thread panics with it").hold = Some((way, bytes));
    }

    /// Returns when the gate holds something up.
    pub(crate) fn wait_until_it_holds(&self) {
        self.full.recv_timeout(PATIENCE).expect("bytes came to the gate");
    }

    pub(crate) fn open(&self) {
        self.state.0.lock().expect("no thread panics with it").hold = None;
        self.state.1.notify_all();
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, way: Way, shared: &(Mutex<State>, Condvar)) {
    let mut bytes = vec![0; 16 << 10];
    while let Ok(n @ 1..) = from.read(&mut bytes) {
        let mut state = shared.0.lock().expect("no thread panics with it");
        match &mut state.hold {
            Some((held, left)) if *held == way && *left >= n as u64 => *left -= n as u64,
            Some((held, left)) if *held == way => {
                *left = 0;
                let _nobody_waits = state.full.send(());
                while state.hold.is_some_and(|(held, _)| held == way) {
                    state = shared.1.wait(state).expect("no thread panics with it");
                }
            }
            _ => {}
        }
        drop(state);
        if to.write_all(&bytes[..n]).is_err() {
            break;
        }
    }
    let _gone = to.shutdown(Shutdown::Write);
}
