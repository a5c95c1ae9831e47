//! A port of plain TCP whose bytes go on over TLS or in WebSocket frames, for clients that cannot.

use anyhow::Result;
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::task::AbortOnDropHandle;

use super::city::{City, Way};

/// Ends with the test.
pub struct Tunnel {
    pub port: u16,
    _task: Option<AbortOnDropHandle<()>>,
}

/// A port that leads to `way` of the city; TCP needs no tunnel.
pub async fn to(city: &City, way: Way) -> Result<Tunnel> {
    let target = city.port(way)?;
    if way == Way::Tcp {
        return Ok(Tunnel { port: target, _task: None });
    }
    let ca = std::fs::read(city.ca())?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let task = tokio::spawn(async move {
        let mut open = tokio::task::JoinSet::new();
        while let Ok((socket, _)) = listener.accept().await {
            let ca = ca.clone();
            open.spawn(async move {
                let carried = match way {
                    Way::WebSocket => websocket(socket, target).await,
                    _ => tls(socket, target, &ca).await,
                };
                if let Err(error) = carried {
                    println!("tunnel: {error:#}");
                }
            });
        }
    });
    Ok(Tunnel { port, _task: Some(AbortOnDropHandle::new(task)) })
}

async fn tls(mut socket: TcpStream, target: u16, ca: &[u8]) -> Result<()> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca)?)?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let tcp = TcpStream::connect(("127.0.0.1", target)).await?;
    let name = ServerName::try_from("localhost")?;
    let mut secure = TlsConnector::from(std::sync::Arc::new(config)).connect(name, tcp).await?;
    tokio::io::copy_bidirectional(&mut socket, &mut secure).await?;
    Ok(())
}

async fn websocket(socket: TcpStream, target: u16) -> Result<()> {
    let mut request = format!("ws://127.0.0.1:{target}/mqtt").into_client_request()?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", "mqtt".parse()?);
    let (upgraded, _) = tokio_tungstenite::connect_async(request).await?;
    let (mut to, mut from) = upgraded.split();
    let (mut read, mut write) = socket.into_split();
    let up = async {
        let mut bytes = vec![0; 16 * 1024];
        loop {
            let n = read.read(&mut bytes).await?;
            if n == 0 {
                to.close().await?;
                return anyhow::Ok(());
            }
            to.send(Message::binary(bytes[..n].to_vec())).await?;
        }
    };
    let down = async {
        while let Some(Ok(message)) = from.next().await {
            if let Message::Binary(bytes) = message {
                write.write_all(&bytes).await?;
            }
        }
        anyhow::Ok(write.shutdown().await?)
    };
    // Whichever side ends first ends both.
    tokio::select! {
        done = up => done,
        done = down => done,
    }
}
