//! Pods that talk to each other and to their node, as long as they live.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tests::{ScriptedPod, pause};

/// Where pods and node are spoken to. Nobody has to read.
const PORT: u16 = 9999;
const NODE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// Between two datagrams.
const PAUSE: Duration = Duration::from_millis(2);

type Sockets = Arc<Mutex<BTreeMap<String, (Ipv4Addr, UdpSocket)>>>;

/// Goes on until it is dropped.
pub(crate) struct Traffic {
    sockets: Sockets,
    is_paused: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Traffic {
    pub(crate) fn start() -> Self {
        let sockets = Sockets::default();
        let (is_paused, is_over) = (Arc::default(), Arc::default());
        let thread = thread::spawn({
            let (sockets, is_paused, is_over) = (
                Arc::clone(&sockets),
                Arc::clone(&is_paused),
                Arc::clone(&is_over),
            );
            move || send(&sockets, &is_paused, &is_over)
        });
        Self {
            sockets,
            is_paused,
            is_over,
            thread: Some(thread),
        }
    }

    /// A pod joins in.
    pub(crate) fn add(&self, pod: &ScriptedPod) {
        let socket = pod.end.netns.inside(|| UdpSocket::bind((pod.ip, PORT)));
        let socket = socket.expect("a socket");
        // To a pod that is gone nothing can be sent; nobody waits for it.
        socket.set_nonblocking(true).expect("a socket");
        let mut sockets = self.sockets.lock().expect("not poisoned");
        sockets.insert(pod.name.clone(), (pod.ip, socket));
    }

    /// A pod is to end: a socket would keep its namespace.
    pub(crate) fn remove(&self, pod: &ScriptedPod) {
        self.sockets.lock().expect("not poisoned").remove(&pod.name);
    }

    /// Nothing is sent from now on, or is again.
    pub(crate) fn pause(&self, is_paused: bool) {
        self.is_paused.store(is_paused, Ordering::Relaxed);
        // Whoever sends has it.
        drop(self.sockets.lock());
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Each in turn to the next one, and to the node.
fn send(sockets: &Sockets, is_paused: &AtomicBool, is_over: &AtomicBool) {
    let mut turn = 0;
    while !is_over.load(Ordering::Relaxed) {
        pause(PAUSE);
        let sockets = sockets.lock().expect("not poisoned");
        if is_paused.load(Ordering::Relaxed) || sockets.is_empty() {
            continue;
        }
        turn += 1;
        let of = |number: usize| sockets.values().nth(number % sockets.len());
        if let (Some((_, from)), Some((to, _))) = (of(turn), of(turn + 1)) {
            for to in [*to, NODE] {
                // Refused, since the other one has gone: so it goes.
                let _ = from.send_to(&[0x55; 200], SocketAddrV4::new(to, PORT));
            }
        }
    }
}
