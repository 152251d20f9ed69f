//! Connection strings as libpq reads them: a URL, or options of a keyword and a value.
//!
//! The client has a parser of its own. It is not used for the text: it does not know all values of `sslmode`, and where
//! two parsers disagree about the end of a password, a password goes to another host. So this module reads the text
//! into options, and hands each option on by name.
//!
//! No error and no `Debug` shows a part of the text, because it may be a part of a password. They show only keywords
//! from the lists below, and positions.

use core::fmt;
use core::str::FromStr;
use std::path::PathBuf;

use tokio_postgres::config::Host;

use super::error::ConnectionStringError;

/// The options that may be given, besides `sslmode` and `sslrootcert`.
const OPTIONS: [&str; 16] = [
    "user",
    "password",
    "dbname",
    "host",
    "hostaddr",
    "port",
    "options",
    "application_name",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "load_balance_hosts",
];

/// The options of libpq that are refused by name.
const REFUSED: [&str; 25] = [
    "channel_binding",
    "client_encoding",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "keepalives_count",
    "krbsrvname",
    "passfile",
    "replication",
    "require_auth",
    "requirepeer",
    "service",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslnegotiation",
    "sslpassword",
    "sslsni",
    "requiressl",
];

/// The address of a server, the credentials, and the use of TLS: a connection string of libpq, as a URL or as options
/// of keyword and value.
///
/// [`Postgres::open`](super::Postgres::open) takes the text. This type is for
/// [`Postgres::open_with`](super::Postgres::open_with) and [`AsyncPostgres`](super::AsyncPostgres), and for connections
/// of your own. Neither `Debug` nor an error shows the password.
///
/// In a URL, write `%40` for `@`, `%2F` for `/`, `%3F` for `?` and `%25` for `%` in a user, a password or a name. A host
/// must be given: `localhost`, a name, an address, or the folder of a Unix socket. Neither environment variables nor
/// files of the home directory are read.
///
/// # TLS
///
/// `sslmode` means what it means to libpq. All modes but the first three need the feature `tls`.
///
/// | `sslmode` | TLS | the server's certificate |
/// |---|---|---|
/// | `disable` | never | |
/// | `allow` | if the server refuses a connection without it | not checked |
/// | `prefer`, the default | if the server has it, and TLS succeeds; never without the feature `tls` | not checked |
/// | `require` | always | not checked |
/// | `verify-ca` | always | signed by an authority of `sslrootcert` |
/// | `verify-full` | always | the same, and for the host of the connection string |
///
/// `sslrootcert` is the path of a file of certificates in PEM form. If it is given, the signature is checked in every
/// mode, as libpq does. The modes `verify-ca` and `verify-full` need it. The certificates of the operating system are a
/// file too, such as `/etc/ssl/certs/ca-certificates.crt`; the word `system` is refused. The file is read for each new
/// connection.
///
/// Without a check of the certificate, TLS protects a connection from eavesdroppers, but not from an impostor that
/// answers in the server's place. Over networks that others reach, use `verify-full`.
///
/// A Unix socket has no TLS, and `sslmode` is ignored there. As with every use of rustls, the host is compared with the
/// subject alternative names of the certificate, never with its common name. The server's certificate must not be the
/// certificate of an authority, as some self-signed ones are. Client certificates, revocation lists, direct TLS and
/// channel binding are not supported; their options are refused by name.
///
/// # Examples
///
/// A URL with a password. Leave out `sslrootcert`: it is refused, and the error says why.
///
/// ```
/// use happens_before_engines::postgres::ConnectionString;
///
/// # if cfg!(feature = "tls") {
/// let url = "postgres://shop:p%40ss@db.example:5433/orders?sslmode=verify-full&sslrootcert=/etc/shop/root.crt";
/// let server: ConnectionString = url.parse()?;
/// assert!(!format!("{server:?}").contains("p@ss"));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Connections with more than the defaults of `open`. The asynchronous client works in the same way; see
/// [`AsyncPostgres`](super::AsyncPostgres).
///
/// ```no_run
/// use happens_before_engines::postgres::{ConnectionString, Postgres, PostgresConfig};
///
/// let server: ConnectionString = "host=db.example user=shop sslmode=require".parse()?;
/// let config = PostgresConfig { notify: true, ..PostgresConfig::default() };
/// let database = Postgres::open_with(config, move || server.connect())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ConnectionString {
    pub(super) config: tokio_postgres::Config,
    pub(super) mode: Mode,
    pub(super) roots: Option<PathBuf>,
}

/// The values of `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl Mode {
    const NAMES: [(&'static str, Self); 6] = [
        ("disable", Self::Disable),
        ("allow", Self::Allow),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    fn of(name: &str) -> Result<Self, ConnectionStringError> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, mode)| *mode).ok_or(ConnectionStringError::Value { option: "sslmode" })
    }
}

impl ConnectionString {
    /// Returns the first host and its port, or the Unix socket's folder; for errors.
    pub(super) fn place(&self) -> String {
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        match self.config.get_hosts() {
            [] => String::new(),
            [Host::Tcp(host)] if host.contains(':') => format!("[{host}]:{port}"),
            [Host::Tcp(host)] => format!("{host}:{port}"),
            #[cfg(unix)]
            [Host::Unix(folder)] => format!("{}, port {port}", folder.display()),
            several => format!("any of {} hosts", several.len()),
        }
    }
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionString")
            .field("host", &self.config.get_hosts())
            .field("port", &self.config.get_ports())
            .field("dbname", &self.config.get_dbname())
            .field("user", &self.config.get_user())
            .field("sslmode", &self.mode)
            .field("sslrootcert", &self.roots)
            .finish_non_exhaustive()
    }
}

impl FromStr for ConnectionString {
    type Err = ConnectionStringError;

    fn from_str(text: &str) -> Result<Self, ConnectionStringError> {
        let mut options = Options(Vec::new());
        match ["postgres://", "postgresql://"].iter().find_map(|scheme| text.strip_prefix(scheme)) {
            Some(rest) => options.read_url(rest)?,
            None => options.read_keywords(text)?,
        }
        options.finish()
    }
}

/// The options in the order of the text; the last one of a keyword counts.
struct Options(Vec<(&'static str, Vec<u8>)>);

impl Options {
    /// Adds the option of a keyword, the `position`th in the text.
    fn add(&mut self, keyword: &[u8], value: Vec<u8>, position: usize) -> Result<(), ConnectionStringError> {
        let named =
            |keywords: &[&'static str]| keywords.iter().copied().find(|known| known.as_bytes() == keyword);
        if value.contains(&0) {
            return Err(ConnectionStringError::Syntax { what: "a value contains a NUL; leave it out" });
        }
        if let Some(option) = named(&REFUSED) {
            return Err(ConnectionStringError::Unsupported { option });
        }
        let known = named(&OPTIONS).or_else(|| named(&["sslmode", "sslrootcert"]));
        let option = known.ok_or(ConnectionStringError::Unknown { position })?;
        self.0.retain(|(other, _)| *other != option);
        // As for libpq, an empty value is the default.
        if !value.is_empty() {
            self.0.push((option, value));
        }
        Ok(())
    }

    fn read_url(&mut self, rest: &str) -> Result<(), ConnectionStringError> {
        let syntax = |what| Err(ConnectionStringError::Syntax { what });
        let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = match tail.strip_prefix('/') {
            Some(path) => path.split_once('?').unwrap_or((path, "")),
            None => ("", tail.strip_prefix('?').unwrap_or_default()),
        };
        // libpq would take a part of the password for a host, a port or a database.
        if path.contains('@') {
            return syntax(
                "a `/` comes before an `@`; write %2F for `/` in a password, and %40 for `@` in a name",
            );
        }
        if tail.starts_with('?') && query.contains('@') && !authority.contains('@') {
            return syntax(
                "a `?` comes before the `@`; write %3F for `?` in a password, and %40 for `@` in an option",
            );
        }
        let hosts = match authority.split_once('@') {
            Some((_, hosts)) if hosts.contains('@') => {
                return syntax("there is a second `@`; write %40 for `@` in a user or a password");
            }
            Some((credentials, hosts)) => {
                let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
                self.add(b"user", decoded(user)?, 0)?;
                self.add(b"password", decoded(password)?, 0)?;
                hosts
            }
            None => authority,
        };
        if !hosts.is_empty() {
            self.read_hosts(hosts)?;
        }
        self.add(b"dbname", decoded(path)?, 0)?;
        if query.is_empty() {
            return Ok(());
        }
        for (option, position) in query.split('&').zip(1..) {
            let (keyword, value) = option.split_once('=').ok_or(ConnectionStringError::NoValue { position })?;
            match (&*decoded(keyword)?, decoded(value)?) {
                (b"ssl", value) if value == b"true" => self.add(b"sslmode", b"require".to_vec(), position)?,
                (keyword, value) => self.add(keyword, value, position)?,
            }
        }
        Ok(())
    }

    fn read_hosts(&mut self, text: &str) -> Result<(), ConnectionStringError> {
        let invalid = ConnectionStringError::Value { option: "host" };
        let (mut hosts, mut ports) = (Vec::new(), Vec::new());
        for (index, host) in text.split(',').enumerate() {
            let (host, port) = match host.strip_prefix('[') {
                Some(rest) => {
                    let (address, port) = rest.split_once(']').ok_or_else(|| invalid.clone())?;
                    let port = port.strip_prefix(':').or(port.is_empty().then_some(""));
                    (address, port.ok_or_else(|| invalid.clone())?)
                }
                None => host.split_once(':').unwrap_or((host, "")),
            };
            let host = decoded(host)?;
            if host.contains(&b',') || (host.is_empty() && text.contains(',')) {
                return Err(invalid);
            }
            if index > 0 {
                hosts.push(b',');
                ports.push(b',');
            }
            hosts.extend(host);
            ports.extend(decoded(port)?);
        }
        self.add(b"host", hosts, 0)?;
        // No port at all is the default of each.
        let given = ports.iter().any(|&byte| byte != b',');
        self.add(b"port", if given { ports } else { Vec::new() }, 0)
    }

    fn read_keywords(&mut self, text: &str) -> Result<(), ConnectionStringError> {
        let mut rest = text.trim_start();
        let mut position = 0;
        while !rest.is_empty() {
            position += 1;
            let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
            let (keyword, after) = rest.split_at(end);
            let Some(after) = after.trim_start().strip_prefix('=') else {
                return Err(ConnectionStringError::NoValue { position });
            };
            let after = after.trim_start();
            let quoted = after.strip_prefix('\'');
            let mut characters = quoted.unwrap_or(after).chars();
            let mut value = String::new();
            loop {
                match characters.next() {
                    Some('\\') => value.extend(characters.next()),
                    Some('\'') if quoted.is_some() => break,
                    Some(c) if quoted.is_none() && c.is_whitespace() => break,
                    Some(c) => value.push(c),
                    None if quoted.is_some() => {
                        return Err(ConnectionStringError::Syntax {
                            what: "a quoted value has no end; add a `'`",
                        });
                    }
                    None => break,
                }
            }
            self.add(keyword.as_bytes(), value.into_bytes(), position)?;
            rest = characters.as_str().trim_start();
        }
        Ok(())
    }

    fn finish(self) -> Result<ConnectionString, ConnectionStringError> {
        let (mut mode, mut roots, mut password, mut text) = (Mode::Prefer, None, None, String::new());
        for (option, value) in self.0 {
            if option == "password" {
                password = Some(value); // of any bytes
                continue;
            }
            let value = String::from_utf8(value).map_err(|_| ConnectionStringError::Value { option })?;
            match option {
                "sslmode" => mode = Mode::of(&value)?,
                "sslrootcert" if value == "system" => return Err(ConnectionStringError::SystemRoots),
                "sslrootcert" => roots = Some(PathBuf::from(value)),
                _ => {
                    let value = value.replace('\\', "\\\\").replace('\'', "\\'");
                    let one = format!(" {option}='{value}'");
                    // The client's error may quote the value.
                    one.parse::<tokio_postgres::Config>()
                        .map_err(|_| ConnectionStringError::Value { option })?;
                    text.push_str(&one);
                }
            }
        }
        let mut config: tokio_postgres::Config = text
            .parse()
            .map_err(|_| ConnectionStringError::Syntax { what: "the options do not fit together" })?;
        if let Some(password) = password {
            config.password(password);
        }
        let addresses = config.get_hostaddrs().to_vec();
        if config.get_hosts().is_empty() {
            // The name that the certificate is compared with is then the address.
            for address in &addresses {
                config.host(address.to_string());
            }
        }
        let hosts = config.get_hosts().len();
        if hosts == 0 {
            return Err(ConnectionStringError::NoHost);
        }
        if !addresses.is_empty() && addresses.len() != hosts {
            return Err(ConnectionStringError::Value { option: "hostaddr" });
        }
        if config.get_ports().len() > 1 && config.get_ports().len() != hosts {
            return Err(ConnectionStringError::Value { option: "port" });
        }
        if config.get_hosts().iter().all(is_socket) {
            mode = Mode::Disable;
        }
        let needs_tls = matches!(mode, Mode::Require | Mode::VerifyCa | Mode::VerifyFull);
        if matches!(mode, Mode::VerifyCa | Mode::VerifyFull) && roots.is_none() {
            return Err(ConnectionStringError::NoRoots);
        }
        if needs_tls && cfg!(not(feature = "tls")) {
            return Err(ConnectionStringError::NoTls);
        }
        Ok(ConnectionString { config, mode, roots })
    }
}

fn is_socket(host: &Host) -> bool {
    !matches!(host, Host::Tcp(_))
}

/// Replaces `%` and two digits by the byte of that number. A `+` stays, as for libpq.
fn decoded(text: &str) -> Result<Vec<u8>, ConnectionStringError> {
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)?.try_into().ok());
    let (mut bytes, mut decoded) = (text.bytes(), Vec::with_capacity(text.len()));
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (high, low): (Option<u8>, Option<u8>) = (digit(bytes.next()), digit(bytes.next()));
        let (Some(high), Some(low)) = (high, low) else {
            return Err(ConnectionStringError::Syntax {
                what: "two hexadecimal digits must follow each `%`; write %25 for `%`",
            });
        };
        decoded.push(high * 16 + low);
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ConnectionString, ConnectionStringError> {
        text.parse()
    }

    fn hosts(server: &ConnectionString) -> Vec<String> {
        let name = |host: &Host| match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(folder) => folder.display().to_string(),
        };
        server.config.get_hosts().iter().map(name).collect()
    }

    #[test]
    fn a_url_and_its_options_are_the_same() {
        let url = "postgresql://sh%6Fp:p%40s%25%2F%3Fs+@db.example:5433/or%20ders?application_name=a%26b&sslmode=disable";
        let options = r"host = db.example port=5433 user='shop'  password='p@s%/?s+' dbname='or ders'
            application_name=a&b sslmode=disable";
        for text in [url, options] {
            let server = parse(text).unwrap();
            assert_eq!(
                (hosts(&server), server.config.get_ports()),
                (vec!["db.example".to_owned()], &[5433][..])
            );
            assert_eq!(server.config.get_user(), Some("shop"));
            assert_eq!(server.config.get_password(), Some(&b"p@s%/?s+"[..]), "a `+` is a `+`");
            assert_eq!(server.config.get_dbname(), Some("or ders"));
            assert_eq!(server.config.get_application_name(), Some("a&b"));
            assert_eq!(server.mode, Mode::Disable);
            assert_eq!(server.place(), "db.example:5433");
        }
    }

    #[test]
    fn quotes_and_backslashes_are_those_of_libpq() {
        let server = parse(r"host=h password='it\'s \\ ' user=a\ b dbname=\'x options='-c a=b'").unwrap();
        assert_eq!(server.config.get_password(), Some(&br"it's \ "[..]));
        assert_eq!((server.config.get_user(), server.config.get_dbname()), (Some("a b"), Some("'x")));
        assert_eq!(server.config.get_options(), Some("-c a=b"));
        // A password may have any bytes.
        let server = parse("postgres://a:%ff%27@h").unwrap();
        assert_eq!(server.config.get_password(), Some(&b"\xff'"[..]));
    }

    #[test]
    fn hosts_are_names_addresses_and_sockets() {
        for (text, places) in [
            ("postgres://h", vec!["h"]),
            ("postgres://h/", vec!["h"]),
            ("postgres://h:/x", vec!["h"]),
            ("postgres://[::1]:5433/x", vec!["::1"]),
            ("postgres://a,b:1,[::1]:2", vec!["a", "b", "::1"]),
            ("postgres://%2Fvar%2Frun/x", vec!["/var/run"]),
            ("postgres:///x?host=/var/run", vec!["/var/run"]),
            ("postgres://a?host=b", vec!["b"]),
            ("postgres://h?sslrootcert=/a/b&sslmode=disable", vec!["h"]),
            ("hostaddr=127.0.0.1", vec!["127.0.0.1"]),
            ("host=a host=b", vec!["b"]),
        ] {
            let server = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(hosts(&server), places, "{text}");
        }
        assert_eq!(parse("postgres://a,b:1,[::1]:2").unwrap().config.get_ports(), [5432, 1, 2]);
        assert_eq!(parse("postgres://[::1]:5433").unwrap().place(), "[::1]:5433");
        for wrong in ["postgres://", "user=x", "postgres:///x"] {
            assert_eq!(parse(wrong).unwrap_err(), ConnectionStringError::NoHost, "{wrong}");
        }
        for wrong in
            ["postgres://[::1", "postgres://[::1]x", "postgres://a,,b", "postgres://a%2Cb", "postgres://,a"]
        {
            assert_eq!(parse(wrong).unwrap_err(), ConnectionStringError::Value { option: "host" }, "{wrong}");
        }
        for wrong in ["postgres://::1/x", "postgres://a:b", "host=a,b,c port=1,2", "host=a port=70000"] {
            assert_eq!(parse(wrong).unwrap_err(), ConnectionStringError::Value { option: "port" }, "{wrong}");
        }
        assert_eq!(
            parse("host=a,b hostaddr=127.0.0.1").unwrap_err(),
            ConnectionStringError::Value { option: "hostaddr" }
        );
    }

    #[test]
    fn a_mode_is_one_of_six_and_the_last_one_counts() {
        for (name, mode) in Mode::NAMES {
            let needs_tls = matches!(mode, Mode::Require | Mode::VerifyCa | Mode::VerifyFull);
            let text = format!("postgres://h?sslmode=disable&sslmode={name}&sslrootcert=/x");
            match parse(&text) {
                Ok(server) => assert_eq!((server.mode, server.roots), (mode, Some("/x".into()))),
                Err(error) => {
                    assert!(needs_tls && cfg!(not(feature = "tls")));
                    assert_eq!(error, ConnectionStringError::NoTls);
                }
            }
            // A socket has no TLS.
            let text = format!("host=/run sslmode={name}");
            assert_eq!(parse(&text).unwrap().mode, Mode::Disable);
        }
        assert_eq!(parse("host=h").unwrap().mode, Mode::Prefer);
        assert_eq!(
            parse("host=h sslmode=verify-all").unwrap_err(),
            ConnectionStringError::Value { option: "sslmode" }
        );
        assert_eq!(parse("host=h sslmode=verify-ca").unwrap_err(), ConnectionStringError::NoRoots);
        assert_eq!(parse("host=h sslrootcert=system").unwrap_err(), ConnectionStringError::SystemRoots);
        let required = parse("postgres://h?ssl=true");
        assert_eq!(required.is_ok(), cfg!(feature = "tls"), "a synonym of sslmode=require");
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for option in REFUSED {
            for text in [format!("host=h {option}=1"), format!("postgres://h?{option}=1")] {
                let error = parse(&text).unwrap_err();
                assert_eq!(error, ConnectionStringError::Unsupported { option });
                assert!(error.to_string().contains(option));
            }
        }
        assert_eq!(parse("host=h colour=red").unwrap_err(), ConnectionStringError::Unknown { position: 2 });
        assert_eq!(parse("postgres://h?a=b").unwrap_err(), ConnectionStringError::Unknown { position: 1 });
        assert_eq!(parse("postgres://h?port=1&b").unwrap_err(), ConnectionStringError::NoValue { position: 2 });
        assert_eq!(parse("mysql://h").unwrap_err(), ConnectionStringError::NoValue { position: 1 });
        for option in OPTIONS.iter().filter(|option| !["password", "hostaddr"].contains(option)) {
            parse(&format!("{option}='' host=h")).unwrap_or_else(|error| panic!("{option}: {error}"));
        }
    }

    /// A password that was not encoded as it must be: the text is refused, and no part of the password is a host, or is
    /// shown.
    #[test]
    fn no_part_of_a_password_gets_out() {
        let texts = [
            "postgres://user:SEC@RET@h/db?sslmode=require",
            "postgres://user:SEC/RET@h/db?sslmode=require",
            "postgres://user:SEC?RET@h/db?sslmode=require",
            "postgres://user:1/SEC?RET@h/db",
            "postgres://user:1/SEC?R=ET@h/db",
            "postgres://user:SEC?R=E&T=@h/db",
            "postgres://user:SEC%RET@h/db",
            "postgres://user:SEC%00RET@h/db",
            "postgres://h?password=SEC@RET",
            "postgres://h?password=SEC&RET",
            "postgres://h?password=SEC&RET=T",
            "host=h password=SEC RET",
            "host=h password=SEC RET=T",
            "host=h password='SEC' 'RET'",
            "host=h password='SECRET",
            "host=h password=SEC port=RET",
            "host=h password=SEC sslmode=RET",
            "host=h password=SEC sslnegotiation=RET",
            "host=h password=SEC hostaddr=RET",
            "password=SECRET",
            "host=h password=SECRET sslmode=verify-full",
        ];
        for text in texts {
            let error = parse(text).map(drop).expect_err(text);
            let shown = format!("{error} {error:?} {}", crate::EngineError::NotDone(error.clone()));
            assert!(!shown.contains("SEC") && !shown.contains("RET"), "{text}: {shown}");
        }
        let server = parse("postgres://user:SECRET@h/db?options=a@b").unwrap();
        assert!(!format!("{server:?} {:#?}", server.clone()).contains("SECRET"));
        assert!(format!("{server:?}").contains("user"), "{server:?}");
    }
}
