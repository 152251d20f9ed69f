//! Connections by a connection string, with or without TLS as its `sslmode` says.

use ::postgres::Client;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client as AsyncClient, Config, Error};

use super::connection_string::{ConnectionString, Mode};
use super::error::{ConnectErrorKind, may_succeed_otherwise};
#[cfg(feature = "tls")]
use super::tls::Tls;

impl ConnectionString {
    /// Connects with the blocking client.
    ///
    /// # Errors
    ///
    /// The client's error. [`ConnectError`](super::ConnectError), made from it, tells its kind and prints its causes.
    pub fn connect(&self) -> Result<Client, Error> {
        let connect = |mode| ::postgres::Config::from(self.with(mode)).connect(self.tls());
        let (first, second) = self.modes();
        match (connect(first), second) {
            (Err(error), Some(second)) if may_succeed_otherwise(&error) => {
                connect(second).map_err(|second| telling(error, second))
            }
            (answer, _) => answer,
        }
    }

    /// Connects with the asynchronous client, on tokio.
    ///
    /// Returns the client, and the future that drives its connection and ends with the client: spawn it.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_async(
        &self,
    ) -> Result<(AsyncClient, impl Future<Output = Result<(), Error>> + Send + 'static), Error> {
        let (first, second) = self.modes();
        match (self.with(first).connect(self.tls()).await, second) {
            (Err(error), Some(second)) if may_succeed_otherwise(&error) => {
                self.with(second).connect(self.tls()).await.map_err(|second| telling(error, second))
            }
            (answer, _) => answer,
        }
    }

    /// Returns the client's modes for the first attempt and for a second one, as libpq makes them.
    fn modes(&self) -> (SslMode, Option<SslMode>) {
        match self.mode {
            Mode::Disable => (SslMode::Disable, None),
            Mode::Allow if cfg!(feature = "tls") => (SslMode::Disable, Some(SslMode::Require)),
            Mode::Prefer if cfg!(feature = "tls") => (SslMode::Prefer, Some(SslMode::Disable)),
            Mode::Allow | Mode::Prefer => (SslMode::Disable, None),
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => (SslMode::Require, None),
        }
    }

    fn with(&self, mode: SslMode) -> Config {
        let mut config = self.config.clone();
        config.ssl_mode(mode);
        config
    }

    #[cfg(feature = "tls")]
    fn tls(&self) -> Tls {
        Tls { roots: self.roots.clone(), checks_host: self.mode == Mode::VerifyFull }
    }

    #[cfg(not(feature = "tls"))]
    fn tls(&self) -> tokio_postgres::NoTls {
        tokio_postgres::NoTls
    }
}

/// Returns the error of two attempts that tells more.
fn telling(first: Error, second: Error) -> Error {
    if ConnectErrorKind::of(&second) == ConnectErrorKind::NotAllowed { first } else { second }
}
