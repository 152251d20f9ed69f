//! Reliable causal broadcast over real sockets: two processes on this machine talk over UDP.
//!
//! The example shows the loop around an endpoint, with sockets and a clock. Watch `flush` and `wait`: they are all
//! that a program adds. Every fourth packet is dropped on purpose, and still each process delivers all messages; the
//! program fails if one is missing. Then change `% 4` in `flush` to `% 2`, and compare the time and the numbers of
//! packets.
//!
//! `cargo run --example udp_endpoint`
//!
//! The endpoint knows neither sockets nor clocks. The loop here passes packets and the time to it, and sends its
//! packets. On a network where others can send too, the sender of a packet must be authenticated. Here the port stands
//! for that. A node that is to survive a crash stores a snapshot before it sends.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, TryRecvError};
use std::time::{Duration, Instant};

use happens_before::endpoint::EndpointConfig;
use happens_before::{Dot, Endpoint};

type Error = Box<dyn std::error::Error>;

/// The number of messages that each process sends.
const MESSAGES: u64 = 20;
const GROUP: [u8; 2] = [1, 2];
/// The longest time to try. Usually a fraction of a second is enough.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest time to wait for a packet.
const TICK: Duration = Duration::from_millis(5);

struct Process {
    endpoint: Endpoint<u8>,
    socket: UdpSocket,
    other: SocketAddr,
    start: Instant,
    delivered: Vec<(Dot<u8>, String)>,
    sent: u64,
    dropped: u64,
}

impl Process {
    fn new(node: u8, socket: UdpSocket, other: SocketAddr) -> Result<Self, Error> {
        let local =
            EndpointConfig { delay_ms: 2, retry_ms: 20, retry_max_ms: 200, ..EndpointConfig::default() };
        let endpoint = Endpoint::new(node, GROUP, local)?;
        let start = Instant::now();
        Ok(Self { endpoint, socket, other, start, delivered: Vec::new(), sent: 0, dropped: 0 })
    }

    fn now_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    /// Takes deliveries, and sends the packets that are ready. A node that is to survive a crash saves its snapshot
    /// between the two.
    fn flush(&mut self) -> Result<(), Error> {
        while let Some(message) = self.endpoint.poll_delivery() {
            let text = String::from_utf8_lossy(message.payload()).into_owned();
            self.delivered.push((*message.dot(), text));
        }
        while let Some((_, packet)) = self.endpoint.poll_packet() {
            self.sent += 1;
            if self.sent % 4 == 1 {
                self.dropped += 1; // also the first packet
            } else {
                match self.socket.send_to(&packet, self.other) {
                    Ok(_) => {}
                    // The other process has ended, or not started yet: the packet is lost like any other.
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Waits for a packet or until the endpoint's time-out, but no longer than `most`.
    fn wait(&mut self, most: Duration) -> Result<(), Error> {
        let due =
            self.endpoint.poll_timeout().map(|at| Duration::from_millis(at.saturating_sub(self.now_ms())));
        let wait = due.unwrap_or(most).min(most).max(Duration::from_millis(1));
        self.socket.set_read_timeout(Some(wait))?;
        let mut buffer = [0; 65_536];
        match self.socket.recv_from(&mut buffer) {
            Ok((len, sender)) if sender == self.other => {
                let other = if *self.endpoint.node() == GROUP[0] { GROUP[1] } else { GROUP[0] };
                let now = self.now_ms();
                // Bytes that are no packet count as lost: another program may send from that address.
                if let Err(error) = self.endpoint.handle_packet(now, &other, &buffer[..len]) {
                    eprintln!("{}: {error}", self.endpoint.node());
                }
            }
            Ok(_) => {} // a stranger
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock
                        | ErrorKind::TimedOut
                        | ErrorKind::Interrupted
                        | ErrorKind::ConnectionRefused
                        | ErrorKind::ConnectionReset
                ) => {}
            Err(error) => return Err(error.into()),
        }
        let now = self.now_ms();
        self.endpoint.handle_timeout(now);
        self.flush()
    }

    /// Sends messages from time to time, until all have arrived at both and both know that. Returns whether they have.
    fn run(&mut self) -> Result<bool, Error> {
        let mut said = 0;
        while self.start.elapsed() < PATIENCE {
            if said < MESSAGES && self.now_ms() >= 5 * said {
                said += 1;
                let heard = self.delivered.len();
                let text = format!("{} says: this is my message {said}, after {heard}", self.endpoint.node());
                self.endpoint.broadcast(text.into_bytes())?;
                self.flush()?;
            }
            self.wait(TICK)?;
            let has_all = self.delivered.len() as u64 == 2 * MESSAGES;
            if has_all && self.endpoint.log_len() == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn report(&self) {
        let ours = self.delivered.iter().filter(|(dot, _)| dot.node() == self.endpoint.node()).count();
        let node = self.endpoint.node();
        println!(
            "node {node} delivered {} messages, {} of them its own; of its {} packets it dropped {}",
            self.delivered.len(),
            ours,
            self.sent,
            self.dropped
        );
        for (dot, text) in self.delivered.iter().rev().take(2).rev() {
            println!("  node {node}: ... ({}, {}) {text}", dot.node(), dot.counter());
        }
    }
}

/// The second process: learns the port of the first from its argument, and prints its own.
fn child(port: u16) -> Result<bool, Error> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", socket.local_addr()?.port());
    std::io::stdout().flush()?;
    let mut process = Process::new(GROUP[1], socket, (Ipv4Addr::LOCALHOST, port).into())?;
    let complete = process.run()?;
    process.report();
    // The first process may lack the last acknowledgement. It closes our input when it has it.
    let (closed, is_closed) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        closed.send(())
    });
    while is_closed.try_recv() == Err(TryRecvError::Empty) && process.start.elapsed() < PATIENCE {
        process.wait(TICK)?;
    }
    Ok(complete)
}

fn parent() -> Result<bool, Error> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = socket.local_addr()?.port();
    let mut child: Child = Command::new(std::env::current_exe()?)
        .arg(port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut output = BufReader::new(child.stdout.take().ok_or("no output")?);
    let mut line = String::new();
    output.read_line(&mut line)?;
    let mut process =
        Process::new(GROUP[0], socket, (Ipv4Addr::LOCALHOST, line.trim().parse::<u16>()?).into())?;
    let complete = process.run()?;
    process.report();
    println!("in {} ms", process.start.elapsed().as_millis());
    drop(child.stdin.take()); // we have all that we need
    let status = loop {
        // The other process may still lack a message of ours.
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if process.start.elapsed() > 2 * PATIENCE {
            child.kill()?;
        }
        process.wait(TICK)?;
    };
    for line in output.lines() {
        println!("{}", line?);
    }
    Ok(complete && status.success() && process.dropped > 0)
}

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).map(|port| port.parse()) {
        None => parent(),
        Some(Ok(port)) => child(port),
        Some(Err(_)) => Err("the argument is the port of the other process".into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("not everything has arrived");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
