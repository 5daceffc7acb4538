//! Listens, serves connections, and ends with the requests that have begun.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::config::{Config, Limits};
use super::places::{Place, Places, Use};
use super::routes::routes;
use super::state::Server;
use super::timed::Timed;
use super::{Error, work};
use crate::cancel::CancelToken;

/// Interval at which the token that ends the server is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 64 << 10;

/// Serves until `stop` is set; then takes no more connections and ends when the requests that have begun are answered, or
/// after [`Limits::grace`]. Calls `listening` with the address once connections are accepted.
///
/// # Errors
/// A model, a library or a token that cannot be used; no address that can be listened on.
pub fn run(config: Config, stop: &CancelToken, listening: impl FnOnce(SocketAddr)) -> Result<(), Error> {
    let runtime = work::runtime().map_err(Error::Start)?;
    let ended = runtime.block_on(serve(config, stop, listening));
    // Work of requests that were given up. Nothing that it holds needs an end of its own.
    runtime.shutdown_background();
    ended
}

async fn serve(config: Config, stop: &CancelToken, listening: impl FnOnce(SocketAddr)) -> Result<(), Error> {
    let (addresses, immich, idle) = (config.addresses.clone(), config.immich, config.idle);
    let upstream = config.upstream.clone();
    let server = Arc::new(Server::new(config)?);
    let router = routes(&server, immich, upstream.as_deref())?;
    let listener = listen(&addresses).await?;
    listening(listener.local_addr().map_err(Error::Start)?);
    if let Some(idle) = idle {
        tokio::spawn(release_idle(Arc::clone(&server), idle));
    }

    let limits = server.limits.clone();
    let open = limits.connections.clamp(1, u32::MAX as usize >> 1);
    let connections = Arc::new(Places::new(open));
    let (close, closing) = watch::channel(false);
    let mut stopped = pin!(stopped(stop));
    while let Some(stream) = or_else(stopped.as_mut(), accept(&listener, &connections)).await {
        let (stream, place) = stream;
        let (router, limits, closing) = (router.clone(), limits.clone(), closing.clone());
        tokio::spawn(async move {
            connection(stream, router, &limits, &place.used, closing).await;
        });
    }
    drop(listener);
    let _ = close.send(true);
    tracing::info!("ending; requests that have begun are answered");
    if timeout(limits.grace, connections.all_free(open)).await.is_err() {
        let left = connections.taken();
        tracing::warn!("{left} connections did not end in {} s and are closed", limits.grace.as_secs());
    }
    Ok(())
}

/// Ends with the second future, or with `None` once the first one has ended.
async fn or_else<T>(mut first: impl Future<Output = ()> + Unpin, second: impl Future<Output = T>) -> Option<T> {
    let mut second = pin!(second);
    poll_fn(|context| match std::pin::Pin::new(&mut first).poll(context) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => second.as_mut().poll(context).map(Some),
    })
    .await
}

async fn stopped(stop: &CancelToken) {
    while !stop.is_cancelled() {
        sleep(POLL).await;
    }
}

/// Listens on the first address that can be had.
async fn listen(addresses: &[SocketAddr]) -> Result<TcpListener, Error> {
    let mut refused = Error::Start(io::Error::new(io::ErrorKind::InvalidInput, "there is no address to listen on"));
    for &address in addresses {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(source) => refused = Error::Listen { address, source },
        }
    }
    Err(refused)
}

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, connections: &Arc<Places>) -> (TcpStream, Place) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, connections.take().await),
            Err(error) => {
                // A client that went away, or no file handle: others end meanwhile.
                tracing::warn!("a connection was not accepted: {error}");
                sleep(POLL).await;
            }
        }
    }
}

/// Serves a connection until it ends; once the server ends, until its request is answered.
async fn connection(
    stream: TcpStream,
    router: Router,
    limits: &Limits,
    used: &Arc<Use>,
    mut closing: watch::Receiver<bool>,
) {
    // An answer is written at once.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Timed::new(stream, limits.patience, Arc::clone(used)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.patience).max_buf_size(MAX_HEAD);
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request| {
        let (busy, answer) = (used.begin(), router.call(request));
        async move { answer.await.map(|answer| answer.map(|body| busy.body(body))) }
    });
    let mut connection = pin!(http.serve_connection(io, service));
    let mut no_place = pin!(used.close.notified());
    let mut closing = pin!(closing.wait_for(|&closing| closing));
    let mut told = false;
    let ended = poll_fn(|context| {
        if !told && closing.as_mut().poll(context).is_ready() {
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        // A request that has come meanwhile is answered.
        if no_place.as_mut().poll(context).is_ready() {
            if used.is_idle() {
                return Poll::Ready(Ok(()));
            }
            no_place.set(used.close.notified());
            context.waker().wake_by_ref();
        }
        connection.as_mut().poll(context)
    });
    if let Err(error) = ended.await {
        tracing::debug!("a connection ended early: {error}");
    }
}

/// Gives back the memory of models that are idle.
async fn release_idle(server: Arc<Server>, idle: Duration) {
    let poll = (idle / 4).clamp(Duration::from_millis(100), Duration::from_secs(10));
    loop {
        sleep(poll).await;
        for model in server.models.idle(idle) {
            let metrics = Arc::clone(&server.metrics);
            let _ = work::blocking(move || model.release(&metrics)).await;
        }
    }
}
