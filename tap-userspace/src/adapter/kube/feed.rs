//! One watch that goes on over errors, and says when it fails and when it is
//! answered again.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Config, Error, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use super::answered::answered;
use super::error_text::one_line;

/// Pause before a watch that expired is opened anew.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// How a watch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FeedState {
    /// No answer yet, and no error.
    Starting,
    /// The last request that ended was answered with success.
    Answered,
    /// The last request that ended failed.
    Failing,
}

/// What a watch has to tell.
pub(super) enum Step<K> {
    /// An object came, changed or went, or a list began or ended.
    Event(Event<K>),
    /// [`Feed::state`] changed; with the error in one line if it fails now.
    State(Option<String>),
    /// It still fails, but no longer because nobody answers: it is refused,
    /// with these words.
    Refused(String),
}

/// A watch.
pub(super) struct Feed<K> {
    api: Api<K>,
    config: Config,
    answered: Arc<Notify>,
    stream: BoxStream<'static, watcher::Result<Event<K>>>,
    state: FeedState,
    /// Whether the last request that ended was refused for want of a right.
    is_refused: bool,
    last_oddity: Option<String>,
}

impl<K> Feed<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    /// A watch on what `config` selects. Nothing is asked before the first
    /// [`Self::next`].
    pub(super) fn new(client: &Client, config: Config, api: impl FnOnce(Client) -> Api<K>) -> Self {
        let (client, answered) = answered(client.clone());
        let api = api(client);
        Self {
            stream: open(&api, &config),
            api,
            config,
            answered,
            state: FeedState::Starting,
            is_refused: false,
            last_oddity: None,
        }
    }

    /// How it stands.
    pub(super) const fn state(&self) -> FeedState {
        self.state
    }

    /// The next thing to tell. Can be dropped at any time without loss.
    pub(super) async fn next(&mut self) -> Step<K> {
        loop {
            let item = tokio::select! {
                // So that no answer from before an error is taken for one
                // after it.
                biased;
                () = self.answered.notified() => {
                    if self.state == FeedState::Answered {
                        continue;
                    }
                    self.state = FeedState::Answered;
                    self.is_refused = false;
                    return Step::State(None);
                }
                item = self.stream.next() => item,
            };
            match item {
                Some(Ok(event)) => return Step::Event(event),
                Some(Err(error)) => {
                    if let Some(failure) = self.note(&error) {
                        let _ = self.answered.notified().now_or_never();
                        let was_refused = self.is_refused;
                        self.is_refused = is_refusal(&error);
                        if self.state != FeedState::Failing {
                            self.state = FeedState::Failing;
                            return Step::State(Some(failure));
                        }
                        if self.is_refused && !was_refused {
                            return Step::Refused(failure);
                        }
                    }
                }
                // A watcher's stream does not end.
                None => self.stream = open_later(&self.api, &self.config),
            }
        }
    }

    /// Takes in an error, after which the watch goes on by itself. Gives it in
    /// one line if it means that the API server is away or refuses us.
    fn note(&mut self, error: &Error) -> Option<String> {
        match error {
            Error::InitialListFailed(cause) | Error::WatchStartFailed(cause) if is_gone(cause) => {
                // The watcher would ask for the version that is no longer
                // there again and again.
                tracing::debug!(error = one_line(cause), "watch expired, listing anew");
                self.stream = open_later(&self.api, &self.config);
                None
            }
            Error::InitialListFailed(cause) | Error::WatchStartFailed(cause) => {
                Some(one_line(cause))
            }
            Error::WatchError(status) if status.code == 410 => {
                tracing::debug!(error = status.message, "watch expired, listing anew");
                None
            }
            // A connection that broke. Whether the API server is away shows
            // when the next one is tried.
            Error::WatchFailed(
                cause @ (kube::Error::ReadEvents(_)
                | kube::Error::HyperError(_)
                | kube::Error::Service(_)),
            ) => {
                tracing::debug!(error = one_line(cause), "watch broke off");
                None
            }
            Error::WatchFailed(cause) => self.note_oddity(one_line(cause)),
            Error::WatchError(status) => self.note_oddity(status.message.clone()),
            Error::NoResourceVersion => self.note_oddity(error.to_string()),
        }
    }

    /// An answer that makes no sense comes again with each try: it is said
    /// once.
    fn note_oddity(&mut self, text: String) -> Option<String> {
        if self.last_oddity.as_ref() != Some(&text) {
            tracing::warn!(error = text, "watch brought an error; it goes on");
            self.last_oddity = Some(text);
        }
        None
    }
}

fn open<K>(api: &Api<K>, config: &Config) -> BoxStream<'static, watcher::Result<Event<K>>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    watcher(api.clone(), config.clone())
        .default_backoff()
        .boxed()
}

/// The same after a pause: a new stream has a new backoff, so nothing else
/// keeps an API server that always says the same from being asked at once.
fn open_later<K>(api: &Api<K>, config: &Config) -> BoxStream<'static, watcher::Result<Event<K>>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let stream = open(api, config);
    async move {
        tokio::time::sleep(REOPEN_PAUSE).await;
        stream
    }
    .flatten_stream()
    .boxed()
}

/// Whether the API server answered, and knows or lets us not: 401 and 403.
fn is_refusal(error: &Error) -> bool {
    let (Error::InitialListFailed(cause) | Error::WatchStartFailed(cause)) = error else {
        return false;
    };
    matches!(cause, kube::Error::Api(status) if matches!(status.code, 401 | 403))
}

fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 410)
}
