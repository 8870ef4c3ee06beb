//! ffmpeg filters that convert non-square pixels (DV, DVD, screen recorders) to square ones.
//!
//! ffmpeg rotates videos upright before these filters, so `sar` is the pixel aspect after rotation.

/// Maximum side of a frame in pixels.
const MAX_SIDE: u32 = 8192;

/// Scales a video to cover `width` x `height` and crops the centre.
pub(crate) fn cover(width: usize, height: usize) -> String {
    let wanted = width as f64 / height as f64;
    let (across, down) = (format!("ih*{wanted}/sar"), format!("iw*sar/{wanted}"));
    format!(
        "crop=w='max(2,min(iw,round({across})))':h='max(2,min(ih,round({down})))',scale={width}:{height}:out_range=tv,setsar=1"
    )
}

/// Stretches the whole video to `width` x `height`, ignoring its aspect ratio.
pub(crate) fn stretch(width: usize, height: usize) -> String {
    format!("scale={width}:{height}:out_range=tv,setsar=1")
}

/// Scales the whole video to fit into `width` x `height` with its aspect ratio; both sides become even.
pub(crate) fn within(width: usize, height: usize) -> String {
    // One expression per side: the wider of the two aspect ratios limits the scale.
    let across = format!("max(2,2*round(min({width},{height}*dar)/2))");
    let down = format!("max(2,2*round(min({height},{width}/dar)/2))");
    format!("scale=w='{across}':h='{down}':out_range=tv,setsar=1")
}

/// Scales a video to square pixels, keeping the size of the side that is not stretched.
pub(crate) fn square() -> String {
    format!(
        "scale=w='min({MAX_SIDE},round(iw*max(1,sar)))':h='min({MAX_SIDE},round(ih*max(1,1/sar)))':out_range=tv,setsar=1"
    )
}
