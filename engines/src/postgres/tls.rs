//! TLS by rustls, with the checks of the server's certificate that `sslmode` asks for.
//!
//! | `roots` | `checks_host` | modes |
//! |---|---|---|
//! | none | false | `allow`, `prefer`, `require` |
//! | some | false | `verify-ca`, and the modes above with a `sslrootcert` |
//! | some | true | `verify-full` |

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as Encrypted;

/// A maker of TLS sessions. It reads the file of certificates for each connection, so the file may be renewed.
pub(super) struct Tls {
    pub(super) roots: Option<PathBuf>,
    pub(super) checks_host: bool,
}

/// The reason why there is no TLS session.
#[derive(Debug)]
pub(super) enum TlsFailure {
    /// The file of certificates cannot be used.
    Roots { path: PathBuf, what: String },
    /// The host is neither a name nor an address.
    Host,
    /// TLS cannot be set up.
    Setup(rustls::Error),
    /// The handshake failed.
    Handshake(io::Error),
}

impl TlsFailure {
    /// Returns whether the reason is the certificate of the server, or those that it is compared with.
    pub(super) fn is_of_certificate(&self) -> bool {
        match self {
            Self::Roots { .. } => true,
            Self::Handshake(error) => error
                .get_ref()
                .and_then(|error| error.downcast_ref())
                .is_some_and(|error| matches!(error, rustls::Error::InvalidCertificate(_))),
            Self::Host | Self::Setup(_) => false,
        }
    }

    /// Returns whether the handshake failed, so that libpq would try without TLS in the mode `prefer`.
    pub(super) fn is_of_handshake(&self) -> bool {
        matches!(self, Self::Handshake(_))
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Roots { path, what } => {
                write!(f, "the certificates of sslrootcert, {}, cannot be used: {what}", path.display())
            }
            Self::Host => f.write_str("the host is neither a name nor an address"),
            Self::Setup(error) => error.fmt(f),
            Self::Handshake(error) => error.fmt(f),
        }
    }
}

impl Error for TlsFailure {}

impl Tls {
    fn connector(&self) -> Result<TlsConnector, TlsFailure> {
        let provider = Arc::new(ring::default_provider());
        let roots = self.read_roots()?;
        let verifier = Verifier { provider: provider.clone(), roots, checks_host: self.checks_host };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsFailure::Setup)?
            .dangerous() // rustls's word for a verifier of the caller's
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn read_roots(&self) -> Result<Option<RootCertStore>, TlsFailure> {
        let Some(path) = &self.roots else { return Ok(None) };
        let unusable = |what: String| TlsFailure::Roots { path: path.clone(), what };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))? {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(unusable("the file has no certificate".to_owned()));
        }
        Ok(Some(roots))
    }
}

/// The check of a certificate, as much as the mode asks for. The signatures of the handshake are checked in any case.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    roots: Option<RootCertStore>,
    checks_host: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(certificate)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
            if self.checks_host {
                verify_server_name(&certificate, host)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
    type Stream = Session<S>;
    type TlsConnect = ToHost;
    type Error = TlsFailure;

    fn make_tls_connect(&mut self, host: &str) -> Result<ToHost, TlsFailure> {
        // A Unix socket has no host, and no TLS. Nothing is read for a connection without TLS.
        let tls = Self { roots: self.roots.clone(), checks_host: self.checks_host };
        Ok(ToHost { tls, host: host.to_owned() })
    }
}

/// A maker of one session with a host.
pub(super) struct ToHost {
    tls: Tls,
    host: String,
}

type Connecting<S> = Pin<Box<dyn Future<Output = Result<Session<S>, TlsFailure>> + Send>>;

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for ToHost {
    type Stream = Session<S>;
    type Error = TlsFailure;
    type Future = Connecting<S>;

    fn connect(self, stream: S) -> Connecting<S> {
        Box::pin(async move {
            let connector = self.tls.connector()?;
            let host = ServerName::try_from(self.host).map_err(|_| TlsFailure::Host)?;
            connector.connect(host, stream).await.map(Session).map_err(TlsFailure::Handshake)
        })
    }
}

/// A TLS session, as a stream of the client's.
pub(super) struct Session<S>(Encrypted<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Session<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Session<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Session<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
