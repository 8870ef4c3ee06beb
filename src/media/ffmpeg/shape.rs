//! Filters that give a video its shape: pixels that are not square (DV, DVD, screen recorders) become square ones.
//!
//! ffmpeg turns videos upright by itself before these, and `sar` is the shape of a pixel then.

/// The largest side that a frame may have.
const MAX_SIDE: u32 = 8192;

/// Cuts the middle of `width`:`height` out of a video of any shape, and scales it to that size.
pub(crate) fn cover(width: usize, height: usize) -> String {
    let wanted = width as f64 / height as f64;
    let (across, down) = (format!("ih*{wanted}/sar"), format!("iw*sar/{wanted}"));
    format!(
        "crop=w='max(2,min(iw,round({across})))':h='max(2,min(ih,round({down})))',scale={width}:{height}:out_range=tv,setsar=1"
    )
}

/// Scales the whole video to `width`x`height`, out of shape.
pub(crate) fn stretch(width: usize, height: usize) -> String {
    format!("scale={width}:{height}:out_range=tv,setsar=1")
}

/// Scales the whole video such that it has room in `width`x`height` and keeps its shape; both sides become even.
pub(crate) fn within(width: usize, height: usize) -> String {
    // an own line for each: the wider of both shapes sets the scale
    let across = format!("max(2,2*round(min({width},{height}*dar)/2))");
    let down = format!("max(2,2*round(min({height},{width}/dar)/2))");
    format!("scale=w='{across}':h='{down}':out_range=tv,setsar=1")
}

/// Scales a video to square pixels, as large as its own on the side that is not stretched.
pub(crate) fn square() -> String {
    format!(
        "scale=w='min({MAX_SIDE},round(iw*max(1,sar)))':h='min({MAX_SIDE},round(ih*max(1,1/sar)))':out_range=tv,setsar=1"
    )
}
