//! The speed of each way to a position over PostgreSQL, side by side in one run. Watch the ratio of the rows: numbers
//! taken one by one wait for each other, and coalesced ones do not. Then change the number of callers.
//!
//! ```text
//! engines/with-postgres.sh cargo run --release -p happens-before-engines --features postgres --example speed
//! ```

use core::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use happens_before::Dot;
use happens_before::broadcast::{AppendLog, Entry, SlotLog};
use happens_before::counter::Counter;
use happens_before_engines::Coalesced;
use happens_before_engines::asynchronous::AsyncCounter;
use happens_before_engines::postgres::{AsyncPostgres, Postgres, PostgresConfig};
use postgres::{Client, NoTls};

const CALLERS: u64 = 64;

/// The duration of the measurement for each row.
const SPAN: Duration = Duration::from_secs(2);

/// Lets all callers call for a while, and returns the calls per second.
fn rate(callers: u64, call: impl Fn(u64, u64) + Sync) -> f64 {
    let (calls, began) = (AtomicU64::new(0), Instant::now());
    thread::scope(|scope| {
        for caller in 1..=callers {
            let (calls, call) = (&calls, &call);
            scope.spawn(move || {
                for number in 1.. {
                    call(caller, number);
                    calls.fetch_add(1, Ordering::Relaxed);
                    if began.elapsed() > SPAN {
                        break;
                    }
                }
            });
        }
    });
    calls.into_inner() as f64 / began.elapsed().as_secs_f64()
}

/// Measures the same for tasks of a runtime, each of which takes numbers and awaits them.
fn rate_awaited(url: &str) -> Result<f64, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let url = url.to_string();
    runtime.block_on(async move {
        let config =
            PostgresConfig { connections: CALLERS as usize, prepare: true, ..PostgresConfig::default() };
        let database = AsyncPostgres::open_with(config, move || {
            let url = url.clone();
            async move {
                let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
                tokio::spawn(connection);
                Ok(client)
            }
        });
        let (counter, began) = (database.await?.counter("speed").await?, Instant::now());
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let counter = counter.clone();
                tokio::spawn(async move {
                    let mut calls = 0;
                    while began.elapsed() < SPAN {
                        assert!(counter.increment_and_get(NonZeroU64::MIN).await.is_ok());
                        calls += 1;
                    }
                    calls
                })
            })
            .collect();
        let mut calls = 0;
        for caller in callers {
            calls += caller.await?;
        }
        Ok(f64::from(calls) / began.elapsed().as_secs_f64())
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("HAPPENS_BEFORE_POSTGRES").map_err(|_| "run this by engines/with-postgres.sh")?;
    let open = |notify: bool| {
        let url = url.clone();
        let config = PostgresConfig { connections: CALLERS as usize, notify, prepare: true };
        Postgres::open_with(config, move || Client::connect(&url, NoTls))
    };
    let (quiet, loud) = (open(false)?, open(true)?);
    let (counter, one) = (quiet.counter("speed")?, NonZeroU64::MIN);
    let message = |caller, number| Entry::message(0, Dot::new(caller, number).expect("not 0"), vec![7; 100]);
    let row = |what: &str, rate: f64| println!("{what:<60} {rate:>8.0} a second");

    let alone = rate(CALLERS, |_, _| assert!(counter.increment_and_get(one).is_ok()));
    row("a number, 64 callers, a call each", alone);
    row("the same, 64 tasks that await", rate_awaited(&url)?);
    let coalesced = Coalesced::new(counter.clone(), NonZeroU64::new(1_000).expect("not 0"));
    let shared = rate(CALLERS, |_, _| assert!(coalesced.increment_and_get(one).is_ok()));
    row("a number, 64 callers, coalesced", shared);
    println!("{:<60} {:>8.1} times a call each", "", shared / alone);

    for callers in [1, CALLERS] {
        let slots = quiet.slots(&format!("slots {callers}"))?;
        let plain = rate(callers, |caller, number| {
            let slot = counter.increment_and_get(one).expect("a number");
            slots.write(slot, &message(caller, number)).expect("written");
        });
        row(&format!("counter and slot, {callers} callers"), plain);
        let slots = quiet.slots(&format!("coalesced slots {callers}"))?;
        let both = rate(callers, |caller, number| {
            let slot = coalesced.increment_and_get(one).expect("a number");
            slots.write(slot, &message(caller, number)).expect("written");
        });
        row(&format!("coalesced counter and slot, {callers} callers"), both);
        let loud_slots = loud.slots(&format!("loud slots {callers}"))?;
        let both = rate(callers, |caller, number| {
            let slot = coalesced.increment_and_get(one).expect("a number");
            loud_slots.write(slot, &message(caller, number)).expect("written");
        });
        row(&format!("the same, with notify, {callers} callers"), both);
        let appends = quiet.appends(&format!("appends {callers}"))?;
        let append = rate(callers, |caller, number| {
            appends.append(&message(caller, number)).expect("appended");
        });
        row(&format!("append in one statement, {callers} callers"), append);
        println!("{:<60} {:>8.1} times counter and slot", "", append / plain);
    }
    Ok(())
}
