//! A named store (first version: one file for each snapshot).
use crate::capture::SnapshotBuilder;
use crate::error::StoreError;
use crate::region::{self, Plan};
use crate::snapshot::{Inner, Snapshot};
use memmap2::{Mmap, MmapMut};
use std::fs::{self, File, OpenOptions as FileOptions};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Full {
    #[default]
    Error,
    Wait,
    Drop,
}
#[derive(Clone, Debug)]
pub struct OpenOptions {
    pub create: bool,
    pub capacity: Option<u64>,
    pub full: Full,
    pub dir: Option<PathBuf>,
}
impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions { create: true, capacity: None, full: Full::Error, dir: None }
    }
}
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub capacity: u64,
    pub used: u64,
    pub snapshots: u64,
    pub keys: u64,
    pub processes: u64,
    pub pins: u64,
    pub slots: u64,
}
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaimed {
    pub processes: u64,
    pub snapshots: u64,
    pub pins: u64,
    pub bytes: u64,
}
#[derive(Clone, Debug)]
pub struct Store(Arc<StoreInner>);
#[derive(Debug)]
struct StoreInner {
    name: String,
    dir: PathBuf,
    place: PathBuf,
    capacity: u64,
}
fn io(what: &str, path: &Path) -> impl Fn(std::io::Error) -> StoreError {
    let (what, path) = (what.to_string(), path.to_path_buf());
    move |e| StoreError::io(what.clone(), Some(path.clone()), e)
}
fn hex(key: &str) -> String {
    key.bytes().fold("k".to_string(), |s, b| s + &format!("{b:02x}"))
}
impl Store {
    pub fn open(name: &str, options: &OpenOptions) -> Result<Store, StoreError> {
        if name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.') {
            return Err(StoreError::InvalidName {
                what: "store name",
                name: name.to_string(),
                why: "it is no plain file name",
            });
        }
        let root = options.dir.clone().or_else(|| std::env::var_os("TORPOR_DIR").map(PathBuf::from));
        let root = root.unwrap_or_else(|| PathBuf::from("/dev/shm"));
        // SAFETY: plain system call.
        let uid = unsafe { libc::geteuid() };
        let place = root.join(format!("torpor-{uid}")).join("v0").join(name);
        if !place.exists() {
            if !options.create {
                return Err(StoreError::NotFound {
                    name: name.to_string(),
                    dir: root.clone(),
                    destroyed: false,
                });
            }
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&place).map_err(io("create", &place))?;
        }
        let capacity = options.capacity.unwrap_or(4 << 30);
        Ok(Store(Arc::new(StoreInner { name: name.to_string(), dir: root, place, capacity })))
    }
    pub fn name(&self) -> &str {
        &self.0.name
    }
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }
    pub fn capacity(&self) -> u64 {
        self.0.capacity
    }
    fn alive(&self) -> Result<(), StoreError> {
        if self.is_destroyed() {
            return Err(StoreError::NotFound {
                name: self.0.name.clone(),
                dir: self.0.dir.clone(),
                destroyed: true,
            });
        }
        Ok(())
    }
    fn ids(&self) -> Vec<u64> {
        let mut ids: Vec<u64> = fs::read_dir(&self.0.place)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|e| e.file_name().to_str()?.parse().ok())
            .collect();
        ids.sort_unstable();
        ids
    }
    pub fn reserve<'b>(&self, builder: &'b SnapshotBuilder<'b>) -> Result<Reservation<'b>, StoreError> {
        self.alive()?;
        let plan = builder.plan();
        plan.check()?;
        let path = self.0.place.join(format!("tmp-{}-{:?}", std::process::id(), Instant::now()));
        let file = FileOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(io("create", &path))?;
        file.set_len(plan.region_length).map_err(io("grow", &path))?;
        // SAFETY: nobody else knows the file.
        let mut map = unsafe { MmapMut::map_mut(&file).map_err(io("map", &path))? };
        let now =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        // SAFETY: the mapping has plan.region_length bytes.
        unsafe { region::write_graph(builder, &plan, map.as_mut_ptr(), now, std::process::id()) };
        Ok(Reservation { store: self.clone(), builder, plan, map, path, copied: false })
    }
    fn at(&self, id: u64, key: Option<String>) -> Result<Snapshot, StoreError> {
        let path = self.0.place.join(id.to_string());
        let missing = |_| StoreError::SnapshotNotFound {
            store: self.0.name.clone(),
            what: format!("with the id {id}"),
        };
        let file = File::open(&path).map_err(missing)?;
        // SAFETY: the file is immutable once it has its name.
        let bytes = unsafe { Mmap::map(&file).map_err(io("map", &path))? };
        Ok(Snapshot::new(Inner { id, key, store: Some(self.clone()), bytes, file: Some(file) }))
    }
    fn latest(&self, key: &str) -> Option<u64> {
        fs::read_to_string(self.0.place.join(hex(key))).ok()?.parse().ok()
    }
    pub fn snapshot(&self, key: &str) -> Result<Snapshot, StoreError> {
        self.alive()?;
        let missing = || StoreError::SnapshotNotFound {
            store: self.0.name.clone(),
            what: format!("under the key {key:?}"),
        };
        self.at(self.latest(key).ok_or_else(missing)?, Some(key.to_string()))
    }
    pub fn snapshot_by_id(&self, id: u64) -> Result<Snapshot, StoreError> {
        self.alive()?;
        let key = self.keys()?.into_iter().find(|k| self.latest(k) == Some(id));
        self.at(id, key)
    }
    pub fn contains(&self, key: &str) -> bool {
        self.latest(key).is_some()
    }
    pub fn keys(&self) -> Result<Vec<String>, StoreError> {
        self.alive()?;
        let decode = |h: &str| {
            let bytes = (0..h.len() / 2).map(|i| u8::from_str_radix(&h[2 * i..2 * i + 2], 16).ok());
            String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()
        };
        let mut keys: Vec<String> = fs::read_dir(&self.0.place)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|e| decode(e.file_name().to_str()?.strip_prefix('k')?))
            .collect();
        keys.sort();
        Ok(keys)
    }
    pub fn snapshots(&self) -> Result<Vec<Snapshot>, StoreError> {
        self.alive()?;
        Ok(self.ids().into_iter().filter_map(|id| self.snapshot_by_id(id).ok()).collect())
    }
    pub fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.snapshot(key)?.remove()
    }
    pub(crate) fn remove(&self, snapshot: &Snapshot) -> Result<(), StoreError> {
        self.alive()?;
        if let Some(key) = snapshot.key() {
            if self.latest(&key) == Some(snapshot.id()) {
                let _ = fs::remove_file(self.0.place.join(hex(&key)));
            }
        }
        let missing = |_| StoreError::SnapshotNotFound {
            store: self.0.name.clone(),
            what: format!("with the id {}", snapshot.id()),
        };
        fs::remove_file(self.0.place.join(snapshot.id().to_string())).map_err(missing)
    }
    pub fn wait(
        &self,
        key: &str,
        after: Option<u64>,
        timeout: Option<Duration>,
        interrupt: &mut dyn FnMut() -> bool,
    ) -> Result<Snapshot, StoreError> {
        let start = Instant::now();
        loop {
            if let Ok(s) = self.snapshot(key) {
                if after.is_none_or(|a| s.id() > a) {
                    return Ok(s);
                }
            }
            self.alive()?;
            if interrupt() {
                return Err(StoreError::Interrupted);
            }
            if timeout.is_some_and(|t| start.elapsed() >= t) {
                return Err(StoreError::Timeout { what: format!("snapshot under the key {key:?}") });
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    pub fn stats(&self) -> Result<Stats, StoreError> {
        self.alive()?;
        let all = self.snapshots()?;
        Ok(Stats {
            capacity: self.0.capacity,
            used: all.iter().map(|s| s.nbytes()).sum(),
            snapshots: all.len() as u64,
            keys: self.keys()?.len() as u64,
            processes: 1,
            pins: 0,
            slots: all.len() as u64,
        })
    }
    pub fn gc(&self) -> Result<Reclaimed, StoreError> {
        self.alive()?;
        Ok(Reclaimed::default())
    }
    pub fn destroy(&self) -> Result<(), StoreError> {
        self.alive()?;
        fs::remove_dir_all(&self.0.place).map_err(io("remove", &self.0.place))
    }
    pub fn is_destroyed(&self) -> bool {
        !self.0.place.exists()
    }
}
pub struct Reservation<'b> {
    store: Store,
    builder: &'b SnapshotBuilder<'b>,
    plan: Plan,
    map: MmapMut,
    path: PathBuf,
    copied: bool,
}
impl Reservation<'_> {
    pub fn copy_buffers(&mut self) {
        for i in 0..self.builder.buffer_count() {
            // SAFETY: the mapping has plan.region_length bytes and its graph is written.
            unsafe { region::write_buffer(self.builder, &self.plan, self.map.as_mut_ptr(), i) };
        }
        self.copied = true;
    }
    pub fn publish(mut self, key: Option<&str>) -> Result<Snapshot, StoreError> {
        if !self.copied {
            self.copy_buffers();
        }
        // SAFETY: as above.
        unsafe { region::seal(&self.plan, self.map.as_mut_ptr()) };
        let dir = self.store.0.place.clone();
        let mut id = self.store.ids().last().copied().unwrap_or(0) + 1;
        while fs::hard_link(&self.path, dir.join(id.to_string())).is_err() {
            self.store.alive()?;
            id += 1;
        }
        if let Some(key) = key {
            let old = self.store.latest(key);
            let part = self.path.with_extension("key");
            fs::write(&part, id.to_string()).map_err(io("write", &part))?;
            fs::rename(&part, dir.join(hex(key))).map_err(io("rename", &part))?;
            if let Some(old) = old {
                let _ = fs::remove_file(dir.join(old.to_string()));
            }
        }
        self.store.at(id, key.map(str::to_string))
    }
}
impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
