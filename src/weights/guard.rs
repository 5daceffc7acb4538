//! Mapped pages that cannot be read: a table of this process's maps, and a signal handler that looks there.
//!
//! If a file is cut short or its disk fails while it is mapped, the system sends SIGBUS to the thread that touches a
//! missing page, which ends the process. With the handler of [`guard_mapped_files`] the thread reads zeros instead, the
//! map counts as lost, and whoever reads it refuses the result.
//!
//! The handler may interrupt any code, so it takes no lock, allocates nothing and calls the system only: it reads a table
//! of atomics. A fault in a map of the table can only come from a thread that holds this map, whose row therefore cannot
//! change meanwhile; other faults go on to the handler of before. The other file of this module with `unsafe`.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

/// Rows of the table. Files that are mapped while it is full are not guarded.
const ROWS: usize = 1024;

static TABLE: [Row; ROWS] = [const { Row::new() }; ROWS];

/// A mapped range of addresses.
struct Row {
    taken: AtomicBool,
    /// Counts changes of the range; odd while one is under way.
    version: AtomicUsize,
    start: AtomicUsize,
    /// Zero if the row holds no range.
    end: AtomicUsize,
    lost: AtomicBool,
}

impl Row {
    const fn new() -> Row {
        Row {
            taken: AtomicBool::new(false),
            version: AtomicUsize::new(0),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            lost: AtomicBool::new(false),
        }
    }

    /// Changes the range of a taken row.
    fn set(&self, start: usize, end: usize) {
        self.version.fetch_add(1, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        self.start.store(start, Ordering::Relaxed);
        self.end.store(end, Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// End of the range, if `address` is inside it. A range that changes meanwhile has no thread that reads it.
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    fn end_around(&self, address: usize) -> Option<usize> {
        let version = self.version.load(Ordering::Acquire);
        let (start, end) = (self.start.load(Ordering::Relaxed), self.end.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let is_whole = version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version;
        (is_whole && (start..end).contains(&address)).then_some(end)
    }
}

/// A row of the table for as long as a map lives; to be dropped before it.
pub(crate) struct Watched(Option<&'static Row>);

impl Watched {
    /// Enters `map` into the table.
    pub(crate) fn new(map: &[u8]) -> Watched {
        let row =
            TABLE.iter().find(|row| !row.taken.load(Ordering::Relaxed) && !row.taken.swap(true, Ordering::AcqRel));
        if let Some(row) = row {
            let start = map.as_ptr().addr();
            row.lost.store(false, Ordering::Relaxed);
            row.set(start, start + map.len());
        }
        Watched(row)
    }

    /// Whether a page could not be read and holds zeros instead.
    pub(crate) fn is_lost(&self) -> bool {
        self.0.is_some_and(|row| row.lost.load(Ordering::Acquire))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(row) = self.0 {
            row.set(0, 0);
            row.taken.store(false, Ordering::Release);
        }
    }
}

/// Installs a handler of SIGBUS for the whole process: a weights file that is cut short or whose disk fails while it is
/// in use then gives an error ([`Reason::Lost`](super::Reason::Lost)) instead of ending the process. Maps of open files
/// are covered, too. Calling it again does nothing.
///
/// The handler acts on pages of mapped weights files alone. Every other SIGBUS goes on to the handler that was there
/// before; one that is installed later and does not go on to this one disables it. The command `clippie-rs` calls this
/// first of all. A library must leave signals to its host, so nothing else calls it; a host that cannot have the handler
/// uses [`Options::copy_weights`](crate::Options::copy_weights) for files that may be cut short.
///
/// # Errors
/// If the system refuses the handler, or has no such signal. Windows has none, but does not let a mapped file be cut.
pub fn guard_mapped_files() -> io::Result<()> {
    signals::install()
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
mod signals {
    //! Nothing: this system has no such signal, or it was not tried there.

    use std::io;

    pub(super) fn install() -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
#[allow(unsafe_code)]
mod signals {
    //! The handler of SIGBUS.

    use std::io;
    use std::mem::MaybeUninit;
    use std::ptr;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use libc::{c_int, c_void, siginfo_t};

    use super::TABLE;

    /// The disposition before ours, and whether ours is installed.
    static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();
    static INSTALLED: OnceLock<Result<(), c_int>> = OnceLock::new();
    static PAGE: AtomicUsize = AtomicUsize::new(4096);

    type Action = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
    type PlainAction = extern "C" fn(c_int);

    pub(super) fn install() -> io::Result<()> {
        INSTALLED.get_or_init(replace).map_err(io::Error::from_raw_os_error)
    }

    fn replace() -> Result<(), c_int> {
        let failed = || io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL);
        // SAFETY: `sysconf` only returns a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        PAGE.store(usize::try_from(page).map_err(|_| libc::EINVAL)?, Ordering::Relaxed);
        let mut previous = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: asks for the current disposition, which is written to `previous`; all zeros is a valid value of this
        // plain struct in any case.
        let previous = unsafe {
            if libc::sigaction(libc::SIGBUS, ptr::null(), previous.as_mut_ptr()) != 0 {
                return Err(failed());
            }
            previous.assume_init()
        };
        // Known before the handler may run.
        let previous = PREVIOUS.get_or_init(|| previous);
        let mut action = *previous;
        action.sa_sigaction = handle as *const () as usize;
        // Flags and mask of the handler before stay, because it may be called; a stack of its own suits both.
        action.sa_flags = (action.sa_flags | libc::SA_SIGINFO | libc::SA_ONSTACK) & !libc::SA_RESETHAND;
        // SAFETY: `action` is a valid disposition whose handler has the signature that SA_SIGINFO demands and is safe to
        // run at any point: see `handle`.
        match unsafe { libc::sigaction(libc::SIGBUS, &action, ptr::null_mut()) } {
            0 => Ok(()),
            _ => Err(failed()),
        }
    }

    extern "C" fn handle(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
        // SAFETY: with SA_SIGINFO the system passes a valid `info`, and the address of a fault in it.
        let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
        if !(code == libc::BUS_ADRERR || code == libc::BUS_OBJERR) || !fill(address) {
            forward(signal, code, info, context);
        }
    }

    /// Puts zeros in place of the mapped file from the page of `address` on, if it is in the table.
    fn fill(address: usize) -> bool {
        let Some((row, end)) = TABLE.iter().find_map(|row| Some((row, row.end_around(address)?))) else {
            return false;
        };
        row.lost.store(true, Ordering::SeqCst);
        let page = PAGE.load(Ordering::Relaxed);
        let start = address - address % page;
        let (read, hidden) = (libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED);
        // SAFETY: the address is in a map of the table, held by the thread that this handler interrupted, so its row
        // and its pages stay until it returns. The pages from there to the end of the map belong to the map alone:
        // systems map whole pages. They stay mapped and readable, any bit pattern is a valid element, and the row says
        // that they are lost. `mmap` is one call of the system, which takes no lock of this process; it may set `errno`,
        // which the interrupted code could be about to read, so that is restored.
        unsafe {
            let errno = *errno();
            let filled = libc::mmap(start as *mut c_void, end - start, read, hidden, -1, 0);
            *self::errno() = errno;
            filled != libc::MAP_FAILED
        }
    }

    /// Does what would have happened without this handler.
    fn forward(signal: c_int, code: c_int, info: *mut siginfo_t, context: *mut c_void) {
        let from_system = code == libc::BUS_ADRERR || code == libc::BUS_OBJERR || code == libc::BUS_ADRALN;
        match PREVIOUS.get() {
            // A fault that is ignored would come again for ever, so the system does not ignore it either.
            Some(previous) if previous.sa_sigaction == libc::SIG_IGN && !from_system => {}
            Some(previous) if ![libc::SIG_DFL, libc::SIG_IGN].contains(&previous.sa_sigaction) => {
                if previous.sa_flags & libc::SA_SIGINFO != 0 {
                    // SAFETY: a disposition with SA_SIGINFO that is neither SIG_DFL nor SIG_IGN is the address of a
                    // function of this signature. It gets what the system passed.
                    let action: Action = unsafe { std::mem::transmute(previous.sa_sigaction) };
                    action(signal, info, context);
                } else {
                    // SAFETY: as above, without SA_SIGINFO.
                    let action: PlainAction = unsafe { std::mem::transmute(previous.sa_sigaction) };
                    action(signal);
                }
            }
            // A fault comes again when this handler returns, and a signal that was sent is sent again: the default ends
            // the process.
            // SAFETY: both calls may be made in a handler; a zeroed disposition is SIG_DFL.
            _ => unsafe {
                let default: libc::sigaction = MaybeUninit::zeroed().assume_init();
                libc::sigaction(signal, &default, ptr::null_mut());
                if !from_system {
                    libc::raise(signal);
                }
            },
        }
    }

    #[cfg(target_os = "linux")]
    unsafe fn errno() -> *mut c_int {
        // SAFETY: returns the address of this thread's `errno`.
        unsafe { libc::__errno_location() }
    }

    #[cfg(target_os = "macos")]
    unsafe fn errno() -> *mut c_int {
        // SAFETY: returns the address of this thread's `errno`.
        unsafe { libc::__error() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_taken_and_returned() {
        let bytes = [0u8; 100];
        let start = bytes.as_ptr().addr();
        let around = |address: usize| TABLE.iter().any(|row| row.end_around(address) == Some(start + 100));
        let watched = Watched::new(&bytes);
        assert!(around(start) && around(start + 99) && !around(start + 100));
        assert!(!watched.is_lost());
        drop(watched);
        assert!(!around(start) && !around(start + 99));

        // A full table guards no more, and says so nowhere: the files still work.
        let all: Vec<Watched> = (0..ROWS + 1).map(|_| Watched::new(&bytes)).collect();
        assert!(all.iter().any(|watched| watched.0.is_none()));
        drop(all);
        assert!(!around(start) && Watched::new(&bytes).0.is_some());
    }
}
