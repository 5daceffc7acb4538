//! Warnings about photos that are read, but not as their makers see them.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use clippie_rs::photo::decode;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use super::read;

/// Collects the messages of this crate's warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.0, "{value:?}").unwrap();
        }
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("clippie_rs")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        if *event.metadata().level() == Level::WARN {
            let mut message = Message(String::new());
            event.record(&mut message);
            self.0.lock().unwrap().push(message.0);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Returns the warnings of decoding a file.
fn warnings(bytes: &[u8], name: &str) -> Vec<String> {
    let warnings = Warnings::default();
    tracing::subscriber::with_default(warnings.clone(), || decode(bytes, true, name).unwrap());
    warnings.0.lock().unwrap().clone()
}

#[test]
fn clipped_grey_levels_are_a_warning_with_the_name() {
    for file in ["grey-16bit.png", "grey-16bit-interlaced.png", "grey-16bit-le.tif", "grey-16bit-signed-be.tif"] {
        assert_eq!(
            warnings(&read(file), "scans/one.png"),
            ["scans/one.png has 16-bit grey levels above 255, which are read as white, like in Pillow; \
                 save it with 8 bits to keep its shades"]
        );
    }
    for file in ["grey-8bit.png", "grey-alpha-16bit.png", "rgb-16bit.png", "mode-L.tif", "rgb-16bit-be.tif"] {
        assert_eq!(warnings(&read(file), file), [""; 0]);
    }
}
