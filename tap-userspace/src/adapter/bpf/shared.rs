//! What all targets share: the ring, the heartbeat, the programs' log.

use std::{
    fs, io,
    num::NonZeroU32,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{Array, Map, MapData, MapError},
    programs::{ProgramError, SchedClassifier},
};
use tap_common::{
    CONFIG_SYMBOL, LinkLayer, MAP_HEARTBEAT, MAP_LEDGER, MAP_RING, MAP_STATE, Metadata, PROGRAM_IN,
    PROGRAM_OUT, SKB_LAYOUT_SYMBOL, TargetConfig,
};

use super::{
    bpffs::Bpffs,
    heartbeat::Heartbeat,
    kfunc,
    log::{KernelLog, MAP_LOG},
    metadata::{self, MetadataWay, Rung, metadata_name},
    object,
    pins::{PinKey, Pins, PinsError, TargetPins},
    pod::{ConfigPod, LayoutPod},
    ring::{Ring, RingError},
};
use crate::{
    engine::offload::GsoTypes,
    model::{TargetId, one_line},
};

/// The smallest page of the architectures podtap runs on. The kernel wants a
/// ring of whole pages (`ringbuf_map_alloc` in kernel/bpf/ringbuf.c).
const PAGE_BYTES: u32 = 4096;

/// Handle on the shared maps, from which targets are loaded.
pub struct Shared {
    bpffs: Bpffs,
    /// Where taps are pinned, if they shall outlive this process.
    pins: Option<Arc<Pins>>,
    /// The object with its kernel functions linked.
    object: Vec<u8>,
    /// One for all targets: aya parses the kernel's BTF for each new loader,
    /// which takes as long as all of the rest.
    loader: Mutex<EbpfLoader<'static>>,
}

/// How the kernel side shall be.
#[derive(Clone, Debug)]
pub struct SharedOptions {
    /// Size of the ring: a power of two of at least a page.
    pub ring_bytes: NonZeroU32,
    /// How to ask for what `struct __sk_buff` does not show.
    pub metadata: MetadataWay,
    /// Where ring and heartbeat are pinned, and those of targets that shall
    /// outlive this process; nothing is, if `None`.
    pub pins: Option<Arc<Pins>>,
}

impl From<NonZeroU32> for SharedOptions {
    /// With a ring of this size, and the most exact metadata that is granted.
    fn from(ring_bytes: NonZeroU32) -> Self {
        Self {
            ring_bytes,
            metadata: MetadataWay::Auto,
            pins: None,
        }
    }
}

/// Why the kernel side could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    /// No bpf file system to share maps through.
    #[error(
        "cannot make a bpf file system ({0}): podtap needs root, or the capabilities BPF, \
         NET_ADMIN, PERFMON and SYS_ADMIN"
    )]
    Bpffs(#[source] io::Error),
    /// The pins cannot be used.
    #[error(transparent)]
    Pins(#[from] PinsError),
    /// This kernel has no BPF ring buffer.
    #[error("this kernel has no BPF ring buffer: podtap needs Linux 5.10 or later")]
    NoRingBuffer,
    /// The size of the ring is not one.
    #[error("a ring of {0} bytes: it must be a power of two of at least one page (4096)")]
    RingSize(u32),
    /// The object inside this binary is none.
    #[error("the kernel programs in this binary are damaged: {0}")]
    Object(#[source] ::object::Error),
    /// This kernel does not offer the way of asking for metadata that was
    /// wanted.
    #[error("this kernel does not offer metadata by {0}: try --metadata auto")]
    NoMetadata(MetadataWay),
    /// The kernel refused the object or its maps.
    #[error("cannot load the kernel programs: {}", one_line(.0))]
    Load(#[source] EbpfError),
    /// A map that the object should have.
    #[error("cannot open the map {name}: {}", one_line(.source))]
    Map {
        /// Its name.
        name: &'static str,
        /// What the kernel said.
        source: MapError,
    },
    /// The verifier refused a program.
    #[error("the kernel refused the program {name}: {}", one_line(.source))]
    Verify {
        /// Its name.
        name: &'static str,
        /// What the verifier said.
        source: ProgramError,
    },
    /// The ring could not be mapped.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The programs' log could not be read.
    #[error("cannot read what the kernel programs log: {0}")]
    Log(#[source] aya_log::Error),
    /// A thread could not be started.
    #[error("cannot start the thread {name}: {source}")]
    Thread {
        /// Its name.
        name: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// What [`Shared::new`] makes.
#[derive(Debug)]
pub struct Kernel {
    /// To load targets with.
    pub shared: Shared,
    /// Where their records arrive.
    pub ring: Ring,
    /// As long as it beats, the programs copy.
    pub heartbeat: Heartbeat,
    /// As long as it lives, what the programs log reaches `tracing`.
    pub log: KernelLog,
    /// How the programs ask for what `struct __sk_buff` does not show.
    pub metadata: Metadata,
    /// What this kernel's `gso_type` means.
    pub gso_types: GsoTypes,
    /// Size of the ring: a former process's, if its targets still write to it.
    pub ring_bytes: u32,
    /// Targets of a former process, still attached, whose records come
    /// through the same ring. One that is not given to a new target ends when
    /// it is dropped.
    pub left: Vec<(PinKey, TargetPins)>,
}

impl Shared {
    /// Makes the shared maps, verifies the programs once, and starts the
    /// heartbeat.
    ///
    /// # Errors
    /// When rights, the kernel or memory do not suffice; nothing stays behind.
    pub fn open(options: impl Into<SharedOptions>) -> Result<Kernel, SharedError> {
        let options = options.into();
        let ring_bytes = options.ring_bytes;
        if !ring_bytes.is_power_of_two() || ring_bytes.get() < PAGE_BYTES {
            return Err(SharedError::RingSize(ring_bytes.get()));
        }
        if !aya::sys::is_map_supported(aya::maps::MapType::RingBuf).unwrap_or(true) {
            return Err(SharedError::NoRingBuffer);
        }
        if let Some(pins) = &options.pins {
            pins.forget_unused()?;
        }
        let mut refused = SharedError::NoMetadata(options.metadata);
        for (metadata, rung) in metadata::rungs(options.metadata) {
            match Self::with(&options, metadata, &rung) {
                // The verifier may refuse a way, or lockdown a helper.
                Err(error @ SharedError::Verify { .. }) => {
                    let way = metadata_name(metadata);
                    tracing::info!(way, %error, "metadata is not to be had this way");
                    refused = error;
                }
                made => return made,
            }
        }
        Err(refused)
    }

    /// Makes it for one way of asking for metadata.
    fn with(
        options: &SharedOptions,
        metadata: Metadata,
        rung: &Rung,
    ) -> Result<Kernel, SharedError> {
        let bpffs = Bpffs::new().map_err(SharedError::Bpffs)?;
        let mut loader = EbpfLoader::new();
        for name in [MAP_RING, MAP_HEARTBEAT] {
            loader.map_pin_path(name, shared_path(&bpffs, options.pins.as_deref(), name));
        }
        // The programs of a former process are replaced, and log here then.
        loader.map_pin_path(MAP_LOG, bpffs.path(MAP_LOG));
        loader.map_max_entries(MAP_RING, options.ring_bytes.get());
        // Once a process, or twice: see `load`.
        let layout: &'static LayoutPod = Box::leak(Box::new(LayoutPod(rung.layout)));
        loader.override_global(SKB_LAYOUT_SYMBOL, layout, true);
        let shared = Self {
            bpffs,
            pins: options.pins.clone(),
            object: kfunc::link(object::CLASSIFIER, rung.kfuncs).map_err(SharedError::Object)?,
            loader: Mutex::new(loader),
        };
        // Loaded and dropped: it makes and pins the shared maps, and says now
        // what the verifier would say at the first target.
        let mut probe = shared
            .load(TargetId(0), LinkLayer::Ethernet, None)
            .map_err(SharedError::Load)?;
        for name in [PROGRAM_IN, PROGRAM_OUT] {
            classifier(&mut probe, name)
                .and_then(SchedClassifier::load)
                .map_err(|source| SharedError::Verify { name, source })?;
        }
        let log = KernelLog::start(&mut probe)?;
        let (ring, ring_bytes) = shared.ring()?;
        if ring_bytes != options.ring_bytes.get() {
            tracing::warn!(
                bytes = ring_bytes,
                "the ring stays as large as it is: former taps write to it"
            );
        }
        let left = match &shared.pins {
            Some(pins) => pins.targets()?,
            None => Vec::new(),
        };
        let beats = Map::from_map_data(shared.map(MAP_HEARTBEAT)?)
            .and_then(Array::try_from)
            .map_err(|source| map_error(MAP_HEARTBEAT, source))?;
        Ok(Kernel {
            heartbeat: Heartbeat::start(beats)?,
            log,
            ring,
            shared,
            metadata,
            gso_types: rung.gso_types,
            ring_bytes,
            left,
        })
    }

    /// Where taps are pinned, if they are.
    #[must_use]
    pub fn pins(&self) -> Option<&Arc<Pins>> {
        self.pins.as_ref()
    }

    /// Loads the object for one target, on the shared maps, and on its own if
    /// they are pinned.
    pub(super) fn load(
        &self,
        target: TargetId,
        link_layer: LinkLayer,
        pins: Option<&TargetPins>,
    ) -> Result<Ebpf, EbpfError> {
        // Eight bytes a target that are never given back: the loader borrows
        // the value for as long as it lives.
        let config: &'static ConfigPod = Box::leak(Box::new(ConfigPod(TargetConfig {
            target_id: target.0,
            link_layer: link_layer as u8,
            padding: [0; 3],
        })));
        let mut loader = self.loader.lock().unwrap_or_else(PoisonError::into_inner);
        loader.override_global(CONFIG_SYMBOL, config, true);
        let Some(pins) = pins else {
            return self.load_unpinned(&mut loader);
        };
        for name in [MAP_STATE, MAP_LEDGER] {
            loader.map_pin_path(name, pins.map(name));
        }
        loader.load(&self.object)
    }

    /// A loader that once was told of pins cannot be told that there are none:
    /// so there are some, for a moment, that nobody else sees.
    fn load_unpinned(&self, loader: &mut EbpfLoader<'static>) -> Result<Ebpf, EbpfError> {
        if self.pins.is_none() {
            return loader.load(&self.object);
        }
        let own = [MAP_STATE, MAP_LEDGER].map(|name| (name, self.bpffs.path(name)));
        for (name, path) in &own {
            loader.map_pin_path(name, path.clone());
        }
        let loaded = loader.load(&self.object)?;
        for (_, path) in &own {
            // The next one would share its maps with this one.
            fs::remove_file(path).map_err(|error| EbpfError::FileError {
                path: path.clone(),
                error,
            })?;
        }
        Ok(loaded)
    }

    /// The ring and its size.
    fn ring(&self) -> Result<(Ring, u32), SharedError> {
        let map = self.map(MAP_RING)?;
        let info = map.info().map_err(|source| map_error(MAP_RING, source))?;
        let map = Map::from_map_data(map).map_err(|source| map_error(MAP_RING, source))?;
        Ok((Ring::new(map)?, info.max_entries()))
    }

    fn map(&self, name: &'static str) -> Result<MapData, SharedError> {
        let path = shared_path(&self.bpffs, self.pins.as_deref(), name);
        MapData::from_pin(path).map_err(|source| map_error(name, source))
    }
}

fn map_error(name: &'static str, source: MapError) -> SharedError {
    SharedError::Map { name, source }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Path of the pin of a map that all targets share.
fn shared_path(bpffs: &Bpffs, pins: Option<&Pins>, name: &str) -> PathBuf {
    pins.map_or_else(|| bpffs.path(name), |pins| pins.path(name))
}

/// The classifier of that name.
pub(super) fn classifier<'a>(
    object: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut SchedClassifier, ProgramError> {
    object
        .program_mut(name)
        .ok_or(ProgramError::NotLoaded)?
        .try_into()
}
