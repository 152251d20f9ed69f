//! Connections to PostgreSQL: TLS as libpq does it, errors that say why, and what is refused before it is sent.
#![cfg(feature = "postgres")]

mod common;

use common::{connect, message, name, server};
use happens_before::Dot;
use happens_before::broadcast::{AppendLog, Entry, Log, ReadAnswer, ReadLimit, SlotLog};
use happens_before_engines::postgres::{
    ConnectErrorKind, ConnectionString, Postgres, PostgresConfig, PostgresError, ServerError,
};
use happens_before_engines::{EngineError, NameError};

/// Opens a database that refuses, and returns the kind of the error and the texts that a user may see of it.
fn refused(url: &str) -> (ConnectErrorKind, String) {
    let error = Postgres::open(url).map(drop).unwrap_err();
    assert!(!error.is_unknown(), "{error}");
    let texts = format!("{error}\n{error:?}\n{error:#?}");
    let PostgresError::NotDone(ServerError::Connect(error)) = error else { panic!("{error}") };
    (error.kind(), texts)
}

#[test]
fn an_error_in_connecting_says_why_and_shows_no_password() {
    let Some(url) = server() else { return };
    connect(&url)
        .batch_execute(
            "DO $$ BEGIN CREATE ROLE needs_password LOGIN SUPERUSER PASSWORD 'right';
                EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        )
        .unwrap();
    let user = "user=needs_password password";
    drop(Postgres::open(&format!("{url} {user}=right")).unwrap());
    for (change, kind, says) in [
        (format!("{user}=SECRET"), ConnectErrorKind::WrongPassword, "28P01"),
        ("user=needs_password".to_owned(), ConnectErrorKind::WrongPassword, "password missing"),
        (format!("{user}=right dbname=none"), ConnectErrorKind::NoSuchDatabase, "\"none\" does not exist"),
        (
            format!("{user}=SECRET port=1"),
            ConnectErrorKind::Refused,
            "127.0.0.1:1: nothing accepts connections",
        ),
        (
            format!("{user}=SECRET host=no.such.host.invalid"),
            ConnectErrorKind::UnknownHost,
            "no.such.host.invalid",
        ),
        ("user=only_tls".to_owned(), ConnectErrorKind::NotAllowed, "pg_hba.conf"),
    ] {
        let (found, texts) = refused(&format!("{url} {change}"));
        assert_eq!(found, kind, "{change}: {texts}");
        assert!(texts.contains(says) && texts.contains("cannot connect to "), "{change}: {texts}");
        assert!(!texts.contains("SECRET") && !texts.contains("right"), "{texts}");
    }

    // The URL of the same, with a password that must be encoded.
    let server: ConnectionString = format!("{url} {user}=right").parse().unwrap();
    let port = format!("{server:?}").split("port: [").nth(1).unwrap().split(']').next().unwrap().to_owned();
    let url = |password: &str| {
        format!("postgres://needs_password:{password}@localhost:{port}/postgres?sslmode=disable")
    };
    drop(Postgres::open(&url("%72ight")).unwrap());
    let error = Postgres::open(&url("SEC@RET")).unwrap_err();
    assert!(
        error.to_string().contains("second `@`") && !format!("{error} {error:?}").contains("RET"),
        "{error}"
    );
}

#[cfg(not(feature = "tls"))]
#[test]
fn without_the_feature_a_mode_that_demands_tls_is_refused() {
    for mode in ["require", "verify-ca sslrootcert=x", "verify-full sslrootcert=x"] {
        let error = Postgres::open(&format!("host=127.0.0.1 port=1 user=u sslmode={mode}")).unwrap_err();
        assert!(error.to_string().contains("feature `tls`"), "{error}");
    }
    for mode in ["disable", "allow", "prefer"] {
        assert_eq!(
            refused(&format!("host=127.0.0.1 port=1 user=u sslmode={mode}")).0,
            ConnectErrorKind::Refused
        );
    }
}

#[cfg(feature = "tls")]
mod tls {
    use core::num::NonZeroU64;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::path::Path;
    use std::process::Command;
    use std::thread;

    use happens_before::counter::Counter;
    use happens_before_engines::asynchronous::{AsyncCounter, AsyncLog};
    use happens_before_engines::postgres::{AsyncPostgres, ConnectError};

    use super::*;

    fn certificates() -> Option<String> {
        let folder = std::env::var("HAPPENS_BEFORE_POSTGRES_CERTIFICATES").ok();
        if folder.is_none() {
            eprintln!(
                "SKIPPED: the server has no certificates; engines/with-postgres.sh makes them with openssl"
            );
        }
        folder
    }

    fn make_users(url: &str) {
        // Tests of one process run side by side.
        let make = "SELECT pg_advisory_lock(1);
            DO $$ BEGIN CREATE ROLE only_tls LOGIN; CREATE ROLE only_plain LOGIN;
            EXCEPTION WHEN duplicate_object THEN NULL; END $$";
        connect(url).batch_execute(make).unwrap();
    }

    /// Returns whether the connection is encrypted; `None` if there is none.
    fn ours(text: &str) -> Option<bool> {
        let server: ConnectionString = text.parse().ok()?;
        let mut client =
            server.connect().map_err(|error| assert!(!format!("{error:?}").contains("SECRET"))).ok()?;
        let encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        Some(client.query_one(encrypted, &[]).unwrap().get(0))
    }

    /// Returns the same of libpq.
    fn libpq(text: &str, home: &Path) -> Option<bool> {
        let encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let output =
            Command::new("psql").args(["-XAtc", encrypted, "-d", text]).env("HOME", home).output().unwrap();
        output.status.success().then(|| output.stdout == b"t\n")
    }

    /// Every mode, user, file of certificates and host: expected, and as libpq does it.
    #[test]
    fn every_mode_of_tls_is_that_of_libpq() {
        let (Some(url), Some(folder)) = (server(), certificates()) else { return };
        make_users(&url);
        let home = tempfile::tempdir().unwrap();
        let has_libpq =
            Command::new("psql").arg("--version").output().is_ok_and(|output| output.status.success());
        let (mut encrypted, mut plain, mut none) = (0, 0, 0);
        for mode in ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] {
            for user in ["postgres", "only_tls", "only_plain"] {
                for roots in ["", "root", "other"] {
                    for host in ["localhost", "127.0.0.1"] {
                        let (tls_allowed, plain_allowed) = (user != "only_plain", user != "only_tls");
                        let plainly = plain_allowed.then_some(false);
                        let by_tls = (tls_allowed && roots != "other").then_some(true);
                        let expected = match mode {
                            "disable" => plainly,
                            "allow" => plainly.or(by_tls),
                            "prefer" => by_tls.or(plainly),
                            "require" => by_tls,
                            "verify-ca" => by_tls.filter(|_| roots == "root"),
                            _ => by_tls.filter(|_| roots == "root" && host == "localhost"),
                        };
                        let roots = match roots {
                            "" => String::new(),
                            name => format!("sslrootcert={folder}/{name}.crt"),
                        };
                        let text = format!("{url} host={host} user={user} sslmode={mode} {roots}");
                        assert_eq!(ours(&text), expected, "{text}");
                        if has_libpq {
                            assert_eq!(libpq(&text, home.path()), expected, "libpq: {text}");
                        }
                        match expected {
                            Some(true) => encrypted += 1,
                            Some(false) => plain += 1,
                            None => none += 1,
                        }
                    }
                }
            }
        }
        println!("{encrypted} encrypted, {plain} plain, {none} refused; compared with libpq: {has_libpq}");
        assert_eq!((encrypted, plain, none), (26, 32, 50));
    }

    /// A server without TLS answers `N`.
    #[test]
    fn a_server_without_tls_is_told_from_others() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers = thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                stream.read_exact(&mut [0; 8]).unwrap();
                stream.write_all(b"N").unwrap();
            }
        });
        for mode in ["require", "verify-full sslrootcert=/no/such"] {
            let (kind, texts) =
                refused(&format!("host=127.0.0.1 port={port} user=u password=SECRET sslmode={mode}"));
            assert_eq!(kind, ConnectErrorKind::Tls, "{texts}");
            assert!(texts.contains("server does not support TLS") && !texts.contains("SECRET"), "{texts}");
        }
        answers.join().unwrap();
    }

    #[test]
    fn a_certificate_that_is_not_trusted_is_refused_and_the_error_says_so() {
        let (Some(url), Some(folder)) = (server(), certificates()) else { return };
        let empty = tempfile::NamedTempFile::new().unwrap();
        let empty = empty.path().display();
        let user = "user=postgres password=SECRET";
        for (change, says) in [
            (format!("host=localhost sslmode=verify-ca sslrootcert={folder}/other.crt"), "UnknownIssuer"),
            (format!("host=localhost sslmode=require sslrootcert={folder}/other.crt"), "UnknownIssuer"),
            (format!("host=127.0.0.1 sslmode=verify-full sslrootcert={folder}/root.crt"), "127.0.0.1"),
            ("host=localhost sslmode=verify-full sslrootcert=/no/such.crt".to_owned(), "/no/such.crt"),
            (format!("host=localhost sslmode=verify-full sslrootcert={empty}"), "has no certificate"),
            (format!("host=localhost sslmode=prefer sslrootcert={empty}"), "has no certificate"),
        ] {
            let (kind, texts) = refused(&format!("{url} {user} {change}"));
            assert_eq!(kind, ConnectErrorKind::Certificate, "{change}: {texts}");
            assert!(texts.contains(says) && !texts.contains("SECRET"), "{change}: {texts}");
        }
    }

    #[test]
    fn both_clients_work_over_tls() {
        let (Some(url), Some(folder)) = (server(), certificates()) else { return };
        let secure = format!("{url} host=localhost sslmode=verify-full sslrootcert={folder}/root.crt");
        let name = name();
        let database = Postgres::open(&secure).unwrap();
        let (counter, log) = (database.counter(&name).unwrap(), database.slots::<u64, Vec<u8>>(&name).unwrap());
        // Larger than a record of TLS.
        let long = Entry::message(0, Dot::new(7, 1).unwrap(), vec![7; 100_000]);
        log.write(counter.increment_and_get(NonZeroU64::MIN).unwrap(), &long).unwrap();

        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server: ConnectionString = secure.parse().unwrap();
            let database = AsyncPostgres::open_with(PostgresConfig::default(), move || {
                let server = server.clone();
                async move {
                    let (client, connection) = server.connect_async().await?;
                    tokio::spawn(connection);
                    Ok(client)
                }
            });
            let database = database.await.unwrap();
            let (counter, log) =
                (database.counter(&name).await.unwrap(), database.slots::<u64, Vec<u8>>(&name).await.unwrap());
            assert_eq!(AsyncCounter::current(&counter).await.unwrap(), 1);
            let read = AsyncLog::read(&log, 1, ReadLimit::entries(9)).await.unwrap();
            assert_eq!(read, ReadAnswer::Entries(vec![(1, long)]));

            let wrong: ConnectionString =
                format!("{url} sslmode=verify-full sslrootcert={folder}/other.crt").parse().unwrap();
            let error = ConnectError::from(wrong.connect_async().await.map(drop).unwrap_err());
            assert_eq!(error.kind(), ConnectErrorKind::Certificate, "{error}");
        });
    }
}

#[test]
fn names_are_checked_before_anything_is_sent() {
    let Some(url) = server() else { return };
    let database = Postgres::open(&url).unwrap();
    let awaited = common::awaited::open(&url);
    for name in ["", "a\0b", &"x".repeat(64)] {
        let errors = [
            database.counter(name).map(drop).unwrap_err(),
            database.slots::<u64, Vec<u8>>(name).map(drop).unwrap_err(),
            database.appends::<u64, Vec<u8>>(name).map(drop).unwrap_err(),
            database.listen(name).map(drop).unwrap_err(),
            awaited.runtime.block_on(awaited.engine.counter(name)).map(drop).unwrap_err(),
            awaited.runtime.block_on(awaited.engine.slots::<u64, Vec<u8>>(name)).map(drop).unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, EngineError::Name(_)) && !error.is_unknown(), "{error}");
            assert!(error.to_string().contains("1 to 63 bytes"), "{error}");
        }
    }
    assert!(matches!(database.counter("").unwrap_err(), EngineError::Name(NameError::Empty)));
    let longest = format!("{:x<63}", name());
    let log = database.slots::<u64, Vec<u8>>(&longest).unwrap();
    assert!(log.write(1, &message(1)).is_ok() && database.counter(&longest).is_ok());
}

/// The server would end the connection, and the outcome would be unknown. The memory of zeros is never touched.
#[test]
fn an_entry_that_is_too_long_is_refused_before_it_is_sent() {
    const MAX: usize = (1 << 30) - (1 << 16);
    let Some(url) = server() else { return };
    let config = PostgresConfig { connections: 1, ..PostgresConfig::default() };
    let server: ConnectionString = url.parse().unwrap();
    let database = Postgres::open_with(config, move || server.connect()).unwrap();
    let (slots, appends) = (database.slots(&name()).unwrap(), database.appends(&name()).unwrap());
    let awaited = common::awaited::open(&url);
    let slots_awaited = awaited.then(async |database: &_| database.slots(&name()).await);
    let long = Entry::message(0, Dot::new(7_u64, 1).unwrap(), vec![0; MAX + 1]);
    let errors = [
        slots.write(1, &long).map(drop).unwrap_err(),
        appends.append(&long).map(drop).unwrap_err(),
        SlotLog::write(&slots_awaited, 1, &long).map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, EngineError::EntryTooLong { max, .. } if max == MAX as u64), "{error}");
        assert!(!error.is_unknown() && error.to_string().contains("store its payload elsewhere"), "{error}");
    }
    let short = Entry::message(0, Dot::new(7_u64, 1).unwrap(), vec![7]);
    slots.write(1, &short).unwrap();
    assert_eq!(slots.read(1, ReadLimit::entries(9)).unwrap(), ReadAnswer::Entries(vec![(1, short)]));
}
