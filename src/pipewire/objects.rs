//! The objects of the server's graph that matter for cameras: video sources, their devices, and links.

use crate::v4l2::LABEL;

/// Maximum number of remembered objects of each kind; the server controls how many there are.
const MAX_OBJECTS: usize = 1024;

/// A node that sends video.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct VideoSource {
    /// Changes when the node is created again.
    pub(crate) id: u32,
    /// Identifies the node; never reused by the server.
    pub(crate) serial: Option<String>,
    /// `node.name`, which is stable.
    pub(crate) name: String,
    /// Display name.
    pub(crate) description: String,
    /// The session manager's preference; higher is better.
    priority: i64,
    path: String,
    device: Option<u32>,
}

impl VideoSource {
    /// Whether it is the output of a bgcam.
    pub(crate) fn is_own_output(&self) -> bool {
        self.name == "bgcam" || self.name.starts_with("bgcam.") || self.description.starts_with(LABEL)
    }
}

/// The known objects.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    sources: Vec<VideoSource>,
    /// Devices with the name of their API.
    devices: Vec<(u32, String)>,
    links: Vec<Link>,
    /// The object that every session manager creates.
    manager: Option<u32>,
}

/// A link between two nodes.
#[derive(Debug)]
struct Link {
    id: u32,
    from: u32,
    to: u32,
}

impl Objects {
    /// Adds an object of the server with some of its properties.
    pub(crate) fn add<'a>(&mut self, id: u32, kind: &str, properties: impl Iterator<Item = (&'a str, &'a str)>) {
        match kind.rsplit(':').next().unwrap_or_default() {
            "Node" => self.add_node(id, properties),
            "Device" => {
                let mut properties = properties;
                if let Some((_, api)) = properties.find(|(key, _)| *key == "device.api") {
                    push(&mut self.devices, (id, api.to_owned()));
                }
            }
            "Link" => {
                let (mut from, mut to) = (None, None);
                for (key, value) in properties {
                    match key {
                        "link.output.node" => from = value.parse().ok(),
                        "link.input.node" => to = value.parse().ok(),
                        _ => {}
                    }
                }
                if let (Some(from), Some(to)) = (from, to) {
                    push(&mut self.links, Link { id, from, to });
                }
            }
            "Metadata" => {
                let mut properties = properties;
                if properties.any(|property| property == ("metadata.name", "default")) {
                    self.manager = Some(id);
                }
            }
            _ => {}
        }
    }

    fn add_node<'a>(&mut self, id: u32, properties: impl Iterator<Item = (&'a str, &'a str)>) {
        let mut node = VideoSource { id, ..VideoSource::default() };
        let (mut class, mut nick) = ("", "");
        for (key, value) in properties {
            match key {
                "media.class" => class = value,
                "object.serial" => node.serial = Some(value.to_owned()),
                "node.name" => node.name = value.to_owned(),
                "node.description" => node.description = value.to_owned(),
                "node.nick" => nick = value,
                "priority.session" => node.priority = value.parse().unwrap_or(0),
                "object.path" => node.path = value.to_owned(),
                "device.id" => node.device = value.parse().ok(),
                _ => {}
            }
        }
        if class != "Video/Source" || node.name.is_empty() {
            return;
        }
        if node.description.is_empty() {
            node.description = if nick.is_empty() { node.name.clone() } else { nick.to_owned() };
        }
        push(&mut self.sources, node);
    }

    /// Removes an object.
    pub(crate) fn remove(&mut self, id: u32) {
        self.sources.retain(|node| node.id != id);
        self.devices.retain(|device| device.0 != id);
        self.links.retain(|link| link.id != id);
        self.manager = self.manager.filter(|manager| *manager != id);
    }

    /// The video sources other than bgcam's own outputs, the preferred ones first.
    pub(crate) fn cameras(&self) -> Vec<VideoSource> {
        let mut cameras: Vec<_> = self.sources.iter().filter(|node| !node.is_own_output()).cloned().collect();
        cameras.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(&b.name)));
        cameras
    }

    /// Whether a node with this name is an output of a bgcam.
    pub(crate) fn is_own_output(&self, name: &str) -> bool {
        self.sources.iter().any(|node| node.is_own_output() && (node.name == name || node.description == name))
    }

    /// Whether a node is a V4L2 device, which bgcam can open directly.
    pub(crate) fn is_v4l2(&self, node: &VideoSource) -> bool {
        let api = |id| self.devices.iter().find(|device| device.0 == id).map(|device| device.1.as_str());
        node.path.starts_with("v4l2:") || node.device.and_then(api) == Some("v4l2")
    }

    /// Whether a video source still exists.
    pub(crate) fn has_source(&self, id: u32) -> bool {
        self.sources.iter().any(|node| node.id == id)
    }

    /// The node that sends to `node`, if any.
    pub(crate) fn sender_to(&self, node: u32) -> Option<u32> {
        self.links.iter().find(|link| link.to == node).map(|link| link.from)
    }

    /// Whether a session manager runs, which connects nodes.
    pub(crate) fn is_managed(&self) -> bool {
        self.manager.is_some()
    }
}

fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() < MAX_OBJECTS {
        list.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(objects: &mut Objects, id: u32, kind: &str, properties: &[(&str, &str)]) {
        objects.add(id, &format!("PipeWire:Interface:{kind}"), properties.iter().copied());
    }

    fn source(objects: &mut Objects, id: u32, name: &str, more: &[(&str, &str)]) {
        let basic = [("media.class", "Video/Source"), ("node.name", name)];
        add(objects, id, "Node", &[&basic[..], more].concat());
    }

    fn names(objects: &Objects) -> Vec<String> {
        objects.cameras().into_iter().map(|node| node.name).collect()
    }

    #[test]
    fn own_outputs_are_no_cameras() {
        let mut objects = Objects::default();
        source(&mut objects, 1, "bgcam", &[]);
        source(&mut objects, 2, "bgcam.desk", &[]);
        source(&mut objects, 3, "v4l2_input.x", &[("node.description", "Virtual Background Cam (V4L2)")]);
        source(&mut objects, 4, "rear", &[]);
        source(&mut objects, 5, "front", &[("priority.session", "700")]);
        add(&mut objects, 6, "Node", &[("media.class", "Audio/Source"), ("node.name", "mic")]);
        add(&mut objects, 7, "Node", &[("media.class", "Video/Source")]);
        assert_eq!(names(&objects), ["front", "rear"]);
        assert!(objects.is_own_output("bgcam") && !objects.is_own_output("rear"));
        objects.remove(5);
        assert_eq!(names(&objects), ["rear"]);
        assert!(objects.has_source(4) && !objects.has_source(5));
    }

    #[test]
    fn v4l2_devices_are_recognized() {
        let mut objects = Objects::default();
        add(&mut objects, 10, "Device", &[("device.name", "a"), ("device.api", "v4l2")]);
        add(&mut objects, 11, "Device", &[("device.api", "libcamera")]);
        source(&mut objects, 1, "a", &[("device.id", "10")]);
        source(&mut objects, 2, "b", &[("device.id", "11")]);
        source(&mut objects, 3, "c", &[("object.path", "v4l2:/dev/video0")]);
        source(&mut objects, 4, "d", &[("device.id", "x")]);
        let found: Vec<_> = objects.cameras().iter().map(|node| objects.is_v4l2(node)).collect();
        assert_eq!(found, [true, false, true, false]);
    }

    #[test]
    fn links_and_the_session_manager_are_tracked() {
        let mut objects = Objects::default();
        add(&mut objects, 20, "Link", &[("link.output.node", "4"), ("link.input.node", "9")]);
        add(&mut objects, 21, "Link", &[("link.output.node", "4")]);
        add(&mut objects, 22, "Metadata", &[("metadata.name", "settings")]);
        assert_eq!((objects.sender_to(9), objects.sender_to(4), objects.is_managed()), (Some(4), None, false));
        add(&mut objects, 23, "Metadata", &[("metadata.name", "default")]);
        assert!(objects.is_managed());
        objects.remove(20);
        objects.remove(23);
        assert_eq!((objects.sender_to(9), objects.is_managed()), (None, false));
    }

    #[test]
    fn the_number_of_objects_is_bounded() {
        let mut objects = Objects::default();
        (0..5000).for_each(|id| source(&mut objects, id, "n", &[]));
        assert_eq!(objects.cameras().len(), MAX_OBJECTS);
    }
}
