//! Parses an arbitrary line from the control socket.
#![no_main]

use bgcam::{control::protocol::Request, look::Look};

libfuzzer_sys::fuzz_target!(|line: &[u8]| {
    if let Ok(request) = serde_json::from_slice::<Request>(line) {
        let again = serde_json::to_vec(&request).unwrap();
        assert_eq!(serde_json::from_slice::<Request>(&again).unwrap(), request);
        if let Request::SetLook { change } = request
            && let Ok(look) = Look::neutral().with(&change)
        {
            look.check().unwrap();
        }
    }
});
