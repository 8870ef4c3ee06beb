//! A connection to the server, with a live view of its objects.

use std::{
    cell::{Cell, RefCell, UnsafeCell},
    ffi::{c_char, c_int},
    io,
    os::fd::{IntoRawFd, OwnedFd},
    ptr::{self, NonNull},
    sync::{
        Arc,
        atomic::{AtomicPtr, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    event_loop::EventLoop,
    ffi::{callbacks, check, dictionary, text},
    library::{
        self, Api, Context, Core, CoreEvents, CoreMethods, Dict, Hook, Interface, RegistryEvents, RegistryMethods,
    },
    objects::Objects,
    stream::{Connection, Events, Locked, StreamInfo},
};
use crate::frame::mailbox::{Latest, Taken};

/// How long the server may take to list its objects; normally milliseconds.
const LIST_TIMEOUT: Duration = Duration::from_secs(1);

/// The id of the core in its own protocol.
const CORE_ID: u32 = 0;

/// A connection to the server. `S` is further state for callbacks of streams on it.
pub(crate) struct Client<S> {
    /// Whether the server shows only some objects to this client.
    is_restricted: bool,
    context: AtomicPtr<Context>,
    core: AtomicPtr<Core>,
    wake: Arc<Latest<()>>,
    event_loop: EventLoop<State<S>>,
}

/// The state of the callbacks.
pub(crate) struct State<S> {
    graph: Graph,
    pub(crate) stream: S,
}

/// The server's objects and the state of the connection.
#[derive(Default)]
pub(crate) struct Graph {
    objects: RefCell<Objects>,
    /// Sequence number of the last answered request.
    answered: Cell<Option<c_int>>,
    lost: Cell<Option<c_int>>,
    /// Filled after every event.
    wake: Arc<Latest<()>>,
    hooks: [UnsafeCell<Hook>; 2],
}

impl<S> State<S> {
    /// The server's objects.
    pub(crate) fn objects(&self) -> std::cell::Ref<'_, Objects> {
        self.graph.objects.borrow()
    }

    /// The error number if the connection is lost.
    pub(crate) fn lost(&self) -> Option<io::Error> {
        self.graph.lost.get().map(|errno| io::Error::from_raw_os_error(-errno))
    }

    /// Wakes [`Client::wait`].
    pub(crate) fn wake(&self) {
        self.graph.wake.put(());
    }
}

impl<S: Send> Client<S> {
    /// Connects to the server, through `socket` if there is one, and lists its objects. `wake` is filled after every
    /// event.
    ///
    /// # Errors
    /// If there is no server, or it does not answer.
    pub(crate) fn connect(api: &'static Api, socket: Option<OwnedFd>, stream: S) -> io::Result<Self> {
        let wake = Arc::<Latest<()>>::default();
        let graph = Graph { wake: Arc::clone(&wake), ..Graph::default() };
        let event_loop = EventLoop::start(api, c"bgcam-pw-loop", State { graph, stream })?;
        let (context, core) = (AtomicPtr::default(), AtomicPtr::default());
        let client = Self { is_restricted: socket.is_some(), context, core, wake, event_loop };
        let request = client.start(socket)?;
        let deadline = Instant::now() + LIST_TIMEOUT;
        loop {
            if let Some(error) = client.locked(|state| state.lost()) {
                return Err(error);
            }
            if client.locked(|state| state.graph.answered.get() == Some(request)) {
                return Ok(client);
            }
            if !client.wait(deadline) {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no response within {LIST_TIMEOUT:?}")));
            }
        }
    }
}

impl<S> Client<S> {
    /// Connects, requests all objects, and returns the number of the request.
    fn start(&self, socket: Option<OwnedFd>) -> io::Result<c_int> {
        let (api, main_loop) = (self.event_loop.api(), self.event_loop.raw());
        self.locked(|state| {
            // SAFETY: the loop is valid and locked; there are no properties; the socket is passed on once; the graph outlives
            // the core.
            unsafe {
                let context = (api.pw_context_new)(main_loop, ptr::null_mut(), 0);
                let context = NonNull::new(context).ok_or_else(io::Error::last_os_error)?;
                self.context.store(context.as_ptr(), Ordering::Relaxed);
                let core = match socket {
                    // the library closes the socket
                    Some(socket) => {
                        (api.pw_context_connect_fd)(context.as_ptr(), socket.into_raw_fd(), ptr::null_mut(), 0)
                    }
                    None => (api.pw_context_connect)(context.as_ptr(), ptr::null_mut(), 0),
                };
                let core = NonNull::new(core).ok_or_else(io::Error::last_os_error)?;
                self.core.store(core.as_ptr(), Ordering::Relaxed);
                check_sequence(listen(core, &state.graph))
            }
        })
    }

    /// Opens a stream on this connection.
    ///
    /// # Errors
    /// If the library refuses it, or there is a stream already.
    pub(crate) fn open_stream(&self, info: &StreamInfo<'_>) -> io::Result<()>
    where
        State<S>: Events,
    {
        let connection = Connection::Existing(self.core.load(Ordering::Relaxed));
        // SAFETY: `connect` has connected the core, on the loop of this state; `drop` destroys the stream first.
        self.locked(|state| unsafe { state.open(connection, info) })
    }

    /// Whether the server shows only some objects to this client, and no links, as through the camera portal.
    pub(crate) fn is_restricted(&self) -> bool {
        self.is_restricted
    }

    /// Runs `work` with the lock held.
    pub(crate) fn locked<R>(&self, work: impl FnOnce(&Locked<State<S>>) -> R) -> R {
        self.event_loop.locked(work)
    }

    /// Waits for an event; false after `deadline`.
    pub(crate) fn wait(&self, deadline: Instant) -> bool {
        self.wake.take(deadline) != Taken::TimedOut
    }
}

impl<S> Drop for Client<S> {
    fn drop(&mut self) {
        self.event_loop.stop();
        let context = self.context.load(Ordering::Relaxed);
        if !context.is_null() {
            // SAFETY: created by `start`, and destroyed once; disconnects and destroys the proxies, too.
            unsafe { (self.event_loop.api().pw_context_destroy)(context) };
        }
    }
}

/// Requests all objects and an answer after them; returns the number of that request, or a negative error number.
///
/// # Safety
/// The core must be connected and the loop locked; `graph` must outlive the core.
unsafe fn listen(core: NonNull<Core>, graph: &Graph) -> c_int {
    let data = ptr::from_ref(graph).cast_mut().cast();
    let [core_hook, registry_hook] = graph.hooks.each_ref().map(UnsafeCell::get);
    // SAFETY: core and registry begin with these interfaces; the hooks are valid as long as the graph.
    unsafe {
        let core = core.cast::<Interface<CoreMethods>>().as_ref();
        let methods = &*core.methods;
        (methods.add_listener)(core.object, core_hook, &raw const CORE_EVENTS, data);
        let registry = (methods.get_registry)(core.object, library::REGISTRY_VERSION, 0);
        let Some(registry) = NonNull::new(registry) else { return -libc::ENOMEM };
        let registry = registry.cast::<Interface<RegistryMethods>>().as_ref();
        ((*registry.methods).add_listener)(registry.object, registry_hook, &raw const REGISTRY_EVENTS, data);
        (methods.sync)(core.object, CORE_ID, 0)
    }
}

fn check_sequence(sequence: c_int) -> io::Result<c_int> {
    check(sequence).map(|()| sequence)
}

static CORE_EVENTS: CoreEvents = CoreEvents {
    version: 0,
    info: None,
    done: Some(done),
    ping: None,
    error: Some(error),
    remove_id: None,
    bound_id: None,
    add_mem: None,
    remove_mem: None,
};

static REGISTRY_EVENTS: RegistryEvents =
    RegistryEvents { version: 0, global: Some(global), global_remove: Some(global_remove) };

callbacks! { Graph;
    fn done(graph, id: u32, sequence: c_int) {
        if id == CORE_ID {
            graph.answered.set(Some(sequence));
            graph.wake.put(());
        }
    }

    fn error(graph, id: u32, _sequence: c_int, result: c_int, message: *const c_char) {
        // SAFETY: null, or a string that outlives this call.
        let message = unsafe { text(message) }.unwrap_or_default();
        tracing::debug!("PipeWire object {id}: {message}");
        if id == CORE_ID && result == -libc::EPIPE {
            graph.lost.set(Some(result));
            graph.wake.put(());
        }
    }

    fn global(graph, id: u32, _permissions: u32, kind: *const c_char, _version: u32, properties: *const Dict) {
        // SAFETY: null or strings that outlive this call.
        let (kind, properties) = unsafe { (text(kind), dictionary(properties)) };
        graph.objects.borrow_mut().add(id, kind.unwrap_or_default(), properties);
        graph.wake.put(());
    }

    fn global_remove(graph, id: u32) {
        graph.objects.borrow_mut().remove(id);
        graph.wake.put(());
    }
}
